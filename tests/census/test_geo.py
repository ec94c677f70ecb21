"""Countries and networks from offline tables: mmdb in both layouts that are common, and ranges as text."""

from __future__ import annotations

from datetime import date

import maxminddb
import pytest

from afterpatch.census import CensusOptions, census, write_owners
from afterpatch.model import UsageError

OLD = "15.1.2176.2"
TABLE = {
    "192.0.2.1": {"country": {"iso_code": "de"}, "autonomous_system_number": 64496},
    "192.0.2.2": {"country_code": "FR"},
    "192.0.2.3": {"country": {"iso_code": 7}, "autonomous_system_number": "x"},
    "2001:db8::1": {"country_code": "AT"},
}
ROWS = [
    f"192.0.2.1,{OLD},", f"192.0.2.2,{OLD},NL", f"192.0.2.3,{OLD},", f"2001:DB8:0::1,{OLD},", f"mail.example.com,{OLD},",
]  # fmt: skip


class FakeReader:
    def get(self, address):
        if "example" in address:
            raise ValueError("no address")
        return TABLE.get(str(address))


@pytest.fixture
def inventory(tmp_path):
    (tmp_path / "in.csv").write_text("ip,version,geo\n" + "\n".join(ROWS) + "\n")
    return tmp_path / "in.csv"


def groups(result, dimension):
    return {one.value: one.hosts for one in result.groups if one.dimension == dimension}


def test_only_hosts_without_a_place_are_looked_up(tmp_path, inventory, monkeypatch):
    monkeypatch.setattr(maxminddb, "open_database", lambda _path: FakeReader())
    (tmp_path / "db").write_bytes(b"")
    options = CensusOptions(country_db=str(tmp_path / "db"), asn_db=str(tmp_path / "db"), as_of=date(2021, 3, 22))
    with census([inventory], options) as result:
        assert groups(result, "country") == {"DE": 1, "NL": 1, "AT": 1, "": 2}
        assert groups(result, "asn") == {"AS64496": 1, "": 4}
        assert {one.where: one.count for one in result.notices} == {"country": 2, "asn": 4}
        assert write_owners(result, str(tmp_path / "owners.csv")) == 2


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.0\t192.0.2.1\t64496\tDE\tEXAMPLE\n192.0.2.2\t192.0.2.2\t0\tNone\tNot routed\n2001:db8::\t2001:db8::ff\t64497\tAT\tX\n",  # noqa: E501
        '"192.0.2.0","192.0.2.1","DE","64496"\nbroken\n2001:db8::,2001:db8::ff,AT,AS64497\n',
    ],
)
def test_ranges_as_text(tmp_path, inventory, text):
    (tmp_path / "table").write_text(text)
    with census([inventory], CensusOptions(country_db=str(tmp_path / "table"), asn_db=str(tmp_path / "table"))) as result:
        assert groups(result, "country") == {"DE": 1, "NL": 1, "AT": 1, "": 2}
        assert groups(result, "asn") == {"AS64496": 1, "AS64497": 1, "": 3}


def test_what_is_no_table_is_refused(tmp_path, inventory):
    (tmp_path / "db").write_bytes(b"no table\n1,2,3\n")
    for name in ("db", "missing"):
        with pytest.raises(UsageError, match=r"no table of addresses|does not exist"):
            census([inventory], CensusOptions(country_db=str(tmp_path / name)))
