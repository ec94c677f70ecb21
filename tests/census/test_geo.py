"""Countries and networks from offline tables, in both layouts that are common."""

from __future__ import annotations

from datetime import date

import maxminddb
import pytest

from afterpatch.census import CensusOptions, census, write_owners

TABLE = {
    "192.0.2.1": {"country": {"iso_code": "de"}, "autonomous_system_number": 64496},
    "192.0.2.2": {"country_code": "FR"},
    "192.0.2.3": {"country": {"iso_code": 7}, "autonomous_system_number": "x"},
    "2001:db8::1": {"country_code": "AT"},
}


class FakeReader:
    def __enter__(self):
        return self

    def __exit__(self, *_error):
        return None

    def get(self, address):
        return TABLE.get(str(address))


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.setattr(maxminddb, "open_database", lambda _path: FakeReader())


def test_only_hosts_without_a_place_are_looked_up(tmp_path, tables):
    rows = [
        "192.0.2.1,15.1.2176.2,",
        "192.0.2.2,15.1.2176.2,NL",
        "192.0.2.3,15.1.2176.2,",
        "2001:db8::1,15.1.2176.2,",
        "mail.example.com,15.1.2176.2,",
    ]
    (tmp_path / "in.csv").write_text("ip,version,geo\n" + "\n".join(rows) + "\n")
    options = CensusOptions(country_db="c", asn_db="a", as_of=date(2021, 3, 22))
    with census([tmp_path / "in.csv"], options) as result:
        countries = {one.value: one.hosts for one in result.groups if one.dimension == "country"}
        assert countries == {"DE": 1, "NL": 1, "AT": 1, "": 2}
        assert {one.value: one.hosts for one in result.groups if one.dimension == "asn"} == {"AS64496": 1, "": 4}
        assert {one.where: one.count for one in result.notices} == {"country": 2, "asn": 4}
        assert write_owners(result, str(tmp_path / "owners.csv")) == 2
