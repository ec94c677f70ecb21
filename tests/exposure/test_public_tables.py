"""The open CVEs of every build, against an independent and plain reading of the source tables; and their order."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.knowledge import builds, vulnerabilities
from afterpatch.knowledge.builds import Build

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
# (build, CVE) -> why the plain reading says open and the shipped one does not. Both builds are named for one update.
DISPUTED = {"15.1.1415.8", "15.1.1466.13"}
BETTER = {"closed": 0, "not-affected": 0, "configuration": 0, "unknown": 1, "open": 2}


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def plain_reading() -> dict[str, set[str]]:
    """build -> open CVEs: the rows of its cumulative update, compared as four integers, and nothing else."""
    fixes = defaultdict(list)
    with (DATA / "fixed_builds.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            fixes[row["product"], row["cumulative_update"]].append(row)
    found: dict[str, set[str]] = {}
    with (DATA / "builds.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            cu = row["cumulative_update"].split(" ")[0] if row["product"] == "Exchange 2010" else row["cumulative_update"]
            first = {"not fixed: upgrade": lambda _build: True, "fixed": lambda build: numbers(row["build"]) < numbers(build)}  # noqa: B023
            found[row["build"]] = {
                fix["cve"]
                for fix in fixes[row["product"], cu]
                if fix["status"] in first and first[fix["status"]](fix["first_fixed_build"] or "0")
            }
    return found


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared source tables are not here")
def test_open_cves_of_every_build_agree_with_a_plain_reading():
    expected, different = plain_reading(), defaultdict(set)
    assert len(expected) == len(builds.rows()) > 370
    for row in builds.rows():
        ours = {one.cve for one in vulnerabilities.open_cves(row.build)}
        for cve in ours ^ expected[str(row.build)]:
            state = vulnerabilities.state(cve, row.build)
            different[state.state, state.basis[0].partition(":")[0]].add((str(row.build), cve))
    disputed = different.pop(("unknown", "basis.disputed-build"), set())
    assert {build for build, _cve in disputed} == DISPUTED
    unknown_build = different.pop(("open", "basis.cu-without-update"), set())  # the update exists, its build is not known
    for build, cve in unknown_build:
        names = builds.describe(Build.parse(build))
        assert vulnerabilities.fixes(cve, names.product)[names.cu].status == "u"
    unlisted = different.pop(("open", "basis.no-update-for-cu"), set())  # a cumulative update without a row: no fix
    assert {builds.describe(Build.parse(build)).cu for build, _cve in unlisted} <= {"Preview"}
    assert not different, {key: sorted(value)[:5] for key, value in different.items()}


BRANCHES = [branch for branch in builds.branches().values() if len(branch.rows) > 1]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_more_patched_in_a_branch_is_never_more_exposed(data):
    """Over all builds and CVEs, also builds that are in no table: a higher build is never in a worse state."""
    branch = data.draw(st.sampled_from(BRANCHES))
    cve = data.draw(st.sampled_from(list(vulnerabilities.vulnerabilities())))
    top = branch.last.revision + 20
    low, high = sorted(data.draw(st.lists(st.integers(branch.first.revision, top), min_size=2, max_size=2)))
    key = (branch.first.major, branch.first.minor, branch.first.build)
    before, after = (vulnerabilities.state(cve, Build(*key, revision)).state for revision in (low, high))
    assert BETTER[after] <= BETTER[before], (key, low, high, cve)


def test_more_patched_is_never_more_exposed_over_every_listed_build():
    for branch in BRANCHES:
        for cve in vulnerabilities.vulnerabilities():
            states = [BETTER[vulnerabilities.state(cve, row.build).state] for row in branch.rows]
            assert states == sorted(states, reverse=True), (branch.cu, cve)
