"""Several readings of a host: what is put together, against a plain reading of the same rules."""

from __future__ import annotations

import csv
from collections import defaultdict

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpatch.census import CensusOptions, census, merge, write_owners, write_parquet
from afterpatch.census.columns import pairs
from afterpatch.knowledge import builds

OLD, FIXED, LATER = "15.1.2176.2", "15.1.2176.9", "15.1.2176.14"
HOSTS = ["192.0.2.1", "192.0.2.2", "mail.example.com", "MAIL.example.com", "2001:db8::1", ""]
ROW = st.tuples(
    st.sampled_from(HOSTS), st.sampled_from([OLD, FIXED, LATER, "", "junk"]), st.sampled_from(["", "2021-03-01", "2021-03-09"]),
    st.sampled_from(["", "DE", "FR"]), st.sampled_from(["", "64496", "64497"]), st.sampled_from(["", "Alpha", "Beta"]),
    st.sampled_from(["", "exchange", "cve-2021-26855"]),
)  # fmt: skip


def expected(rows):
    """Host -> what must be there of it: version, day, country, network, owner, tags."""
    readings = defaultdict(list)
    for number, row in enumerate(rows):
        readings[row[0].lower() or f"#{number}"].append(row)
    found = {}
    for host, some in readings.items():
        known = [row for row in some if builds.Build.try_parse(row[1])]
        newest = max((row[2] for row in known), default="")
        versions = sorted((builds.Build.parse(row[1]), row[1]) for row in known if row[2] == newest)
        version = versions[0][1] if versions else next((row[1] for row in some if row[1]), "")
        tags = ";".join(sorted({row[6] for row in some} - {""}))
        most = [max(row[place] for row in some) for place in (2, 3, 4, 5)]
        found[host] = (version, most[0] or "1970-01-01", most[1], int(most[2] or 0), most[3], tags)
    return found


def stored(path):
    names = "host, version, CAST(day AS VARCHAR), country, asn, owner, tag"
    rows = duckdb.execute(f"SELECT {names} FROM '{path}' WHERE present").fetchall()
    return sorted((host.lower() if not host.startswith("#") else "#", *rest) for host, *rest in rows)


@pytest.mark.parametrize("small", [False, True])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=30))
def test_readings_of_one_host_are_put_together(tmp_path, monkeypatch, small, rows):
    if small:  # part by part, piece by piece, and pairs by sorting
        changed = (
            (merge, "_AT_ONCE", 3), (merge, "_READINGS", 2), (merge, "_ROWS", 2), (pairs, "_DENSE", 0), (pairs, "_AT_ONCE", 2),
        )  # fmt: skip
        for module, name, value in changed:
            monkeypatch.setattr(module, name, value)
    for number in range(2):
        with (tmp_path / f"in{number}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerows([("ip", "version", "timestamp", "geo", "asn", "owner", "tag"), *rows[number::2]])
    truth = expected([*rows[0::2], *rows[1::2]])
    paths = [tmp_path / "in0.csv"] + ([tmp_path / "in1.csv"] if len(rows) > 1 else [])
    with census(paths, CensusOptions()) as result:
        write_parquet(result, str(tmp_path / "run.parquet"))
        owners = write_owners(result, str(tmp_path / "owners.csv"))
        countries = {one.value: one.hosts for one in result.groups if one.dimension == "country"}
        count = result.of("CVE-2021-26855")
    assert stored(tmp_path / "run.parquet") == sorted(("#" if host[0] == "#" else host, *rest) for host, rest in truth.items())
    assert (result.hosts, count.open) == (len(truth), sum(one[0] == OLD for one in truth.values()))
    by_country = defaultdict(int)
    for one in truth.values():
        by_country[one[2]] += 1
    assert countries == dict(by_country)
    _check_owners(tmp_path / "owners.csv", owners, truth)


def _check_owners(path, count, truth):
    by_owner = defaultdict(list)
    for host, (version, _day, country, network, owner, _tags) in truth.items():
        by_owner[owner or (f"AS{network}" if network else "")].append((host, version, country, network))
    with path.open(encoding="utf-8", newline="") as stream:
        rows = {row["owner"]: row for row in csv.DictReader(stream)}
    assert len(rows) == count
    wanted = {name: hosts for name, hosts in by_owner.items() if any(one[1] in (OLD, FIXED, LATER) for one in hosts)}
    assert set(rows) == set(wanted)
    for name, hosts in wanted.items():
        exposed = sorted(host for host, version, *_rest in hosts if version in (OLD, FIXED, LATER))
        only = [values.pop() if len(values := {one[place] for one in hosts}) == 1 else "" for place in (2, 3)]
        found = (rows[name]["hosts"], rows[name]["exposed"], rows[name]["country"], rows[name]["asn"])
        assert found == (str(len(hosts)), str(len(exposed)), only[0], f"AS{only[1]}" if only[1] else "")
        assert len(rows[name]["first_hosts"].split()) == len(exposed)
