"""A world with known truth comes out exactly: counts, shares, decay, and what changed between runs."""

from __future__ import annotations

import csv

import orjson
from world import RUNS, changes, write_run

from afterpatch.census import (
    CensusOptions,
    census,
    render_html,
    render_terminal,
    write_csv,
    write_json,
    write_owners,
    write_parquet,
)

SIZE = 3000
LOGON = "CVE-2021-26855"


def test_every_run_returns_its_truth_and_the_decay(tmp_path):
    opened, previous, days = [], "", list(RUNS)
    for place, day in enumerate(days):
        truth = write_run(tmp_path / f"{day}.csv", day, SIZE)
        with census([tmp_path / f"{day}.csv"], CensusOptions(compare=previous)) as result:
            count = result.of(LOGON)
            assert (result.hosts, count.open, count.fixed, count.unknown) == (
                truth.hosts,
                truth.open,
                truth.hosts - truth.open,
                0,
            )
            assert (count.claimed, count.claimed_fixed) == (truth.hosts, truth.hosts - truth.open)
            assert {one.label: one.hosts for one in result.builds} == dict(truth.builds)
            for dimension, expected in (("country", truth.open_by_country), ("sector", truth.open_by_sector)):
                found = {one.value: _open(one) for one in result.groups if one.dimension == dimension}
                assert {value: number for value, number in found.items() if number} == dict(+expected)
            assert {one.value: one.hosts for one in result.groups if one.dimension == "country"} == dict(truth.by_country)
            rows = _csv(result, tmp_path)
            assert {
                value: int(row["open"])
                for (dimension, value, cve), row in rows.items()
                if dimension == "asn" and cve == LOGON and row["open"] != "0"
            } == dict(truth.open_by_asn)
            if place:
                expected = changes(days[place - 1], day, set(days[: place - 1]), SIZE)
                trend = next(one for one in result.trend if one.cve == LOGON)
                assert {name: getattr(trend, name) for name in expected} == expected
                assert (trend.clarified, trend.unclear) == (0, 0)
                assert trend.now_open == trend.still + trend.newly_seen + trend.back_again
            assert [one.open.get(LOGON, 0) for one in result.series] == [*opened, truth.open]
            opened.append(truth.open)
            previous = str(tmp_path / f"{day}.parquet")
            write_parquet(result, previous)
            if place == len(days) - 1:
                _outputs(result, truth, tmp_path)
    assert opened == sorted(opened, reverse=True)
    assert 0.05 < opened[-1] / opened[0] < 0.11  # about 92 % patched or mitigated on 22 March


def _open(group):
    return next(one.open for one in group.cves if one.cve == LOGON)


def _csv(result, folder):
    write_csv(result, str(folder / "counts.csv"))
    with (folder / "counts.csv").open(encoding="utf-8", newline="") as stream:
        return {(row["dimension"], row["value"], row["cve"]): row for row in csv.DictReader(stream)}


def _outputs(result, truth, folder):
    document = orjson.loads(write_json(result))
    assert (document["schema"], document["hosts"]) == ("afterpatch.census/1", truth.hosts)
    assert write_json(result) == write_json(result)
    owners = write_owners(result, str(folder / "owners.csv"))
    with (folder / "owners.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == owners
    assert {row["owner"] for row in rows} >= set(truth.open_by_asn)
    assert all(LOGON in row["cves"].split() for row in rows if row["owner"] in truth.open_by_asn)
    for language in ("en", "zh-CN"):
        page = render_html(result, language)
        assert f"{truth.hosts:,}" in page
        assert "<script" not in page
        assert page.count("<svg") >= 5
        assert "http://" not in page.replace("http://www.w3.org", "")
        assert f"{truth.hosts:,}" in render_terminal(result, language)
