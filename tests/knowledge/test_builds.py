"""Builds: spellings, names, branches; and the shipped table itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpatch.knowledge import builds
from afterpatch.knowledge.builds import Build, BuildError

MAR21 = Build(15, 1, 2176, 9)


@pytest.mark.parametrize(
    "text",
    [
        "15.1.2176.9",
        "15.01.2176.009",
        " Version 15.1 (Build 2176.9)\r\n",
        "Version 15.1 (Build 32176.9)",
        "Version 15.1.2176.9",
    ],
)
def test_every_spelling_is_the_same_build(text: str) -> None:
    build = Build.parse(text)
    assert build == MAR21
    assert builds.describe(build) == ("Exchange 2016", "CU19", "Mar21SU", "exact")
    assert str(build) == "15.1.2176.9"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("BEVersion-1942063431", "15.1.2375"), ("1942063563", "15.1.2507"), ("1942062522", "15.1.1466")],
)
def test_back_end_integers_stay_at_the_cumulative_update(text: str, expected: str) -> None:
    reading = builds.read(text)
    assert (str(reading.build), reading.precision, reading.spelling) == (expected, "cu", "integer")


def test_admin_display_version_says_nothing_of_security_updates() -> None:
    assert builds.read("Version 15.1 (Build 32176.9)").precision == "cu"
    assert builds.read("Version 15.1 (Build 2176.9)").precision == "exact"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("0.0.0.0", "not a version of Exchange"),
        ("15.1.2176.9.1", "not written like a build"),
        ("15", "not written like a build"),
        ("15.1.x.9", "not written like a build"),
        ("9.1.2176.9", "not a version of Exchange"),
        ("1234567890", "not a back-end version integer"),
        ("1" * 5000, "too long for a build"),
        ("15.1.217699.1", "not written like a build"),
        ("١٥.1.2176.9", "not written like a build"),
        ("Version 15.0 (Build 0.0)", "no build number in it"),
        ("15.1.0", "no build number in it"),
        ("Version 15.0 (Build 0.0) x", "not written like a build"),
    ],
)
def test_garbage_is_rejected_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(BuildError) as caught:
        Build.parse(text)
    assert caught.value.reason == reason
    assert Build.try_parse(text) is None


def test_nothing_is_rounded_down_in_silence() -> None:
    unlisted = Build.parse("15.1.2176.3")
    assert builds.lookup(unlisted) is None
    assert builds.describe(unlisted) == ("Exchange 2016", "CU19", "", "unlisted")
    below, above = builds.neighbours(unlisted)
    assert below is not None
    assert str(below.build) == "15.1.2176.2"
    assert above is not None
    assert str(above.build) == "15.1.2176.4"


def test_three_parts_give_a_range() -> None:
    build = Build.parse("15.2.986")
    assert builds.describe(build) == ("Exchange 2019", "CU11", "", "cu")
    assert builds.range_of_branch(build) == (Build(15, 2, 986, 5), Build(15, 2, 986, 42))
    assert builds.lookup(build) is None


def test_products() -> None:
    names = {
        text: Build.parse(text).product
        for text in ("15.2.1748.10", "15.2.2562.17", "15.20.7362.21", "14.3.123.4", "15.0.1497.2", "8.3.83.6")
    }
    assert list(names.values()) == [
        "Exchange 2019",
        "Exchange SE",
        "Exchange Online",
        "Exchange 2010",
        "Exchange 2013",
        "Exchange 2007",
    ]


def test_a_disputed_row_shows_its_note() -> None:
    rows = [builds.lookup(Build.parse(text)) for text in ("15.1.1415.8", "15.1.1415.10")]
    assert [row is not None and row.su for row in rows] == ["Mar21SU", "Mar21SU"]
    assert [row is not None and row.disputed for row in rows] == [True, False]


def test_a_kb_number_names_the_update_inside_a_branch() -> None:
    row = builds.build_for_kb("KB5000871", Build.parse("15.1.2176"))
    assert row is not None
    assert row.build == MAR21
    assert builds.build_for_kb("5000871", Build.parse("15.2.792.3")) == builds.lookup(Build(15, 2, 792, 10))
    assert builds.build_for_kb("KB1", MAR21) is None


def test_exchange_2010_is_branched_by_service_pack() -> None:
    found = builds.branch(Build.parse("14.3.513.0"))
    assert found is not None
    assert (found.cu, found.first) == ("SP3", Build(14, 3, 123, 4))


def test_a_build_outside_all_branches() -> None:
    assert builds.branch(Build.parse("15.1.9999.1")) is None
    below, newest = builds.branch_below(Build.parse("15.1.9999.1"))
    assert below is not None
    assert (below.cu, newest) == ("CU23", True)
    below, newest = builds.branch_below(Build.parse("15.1.2000.1"))
    assert below is not None
    assert (below.cu, newest) == ("CU16", False)
    assert builds.branch_below(Build.parse("15.1.1.1")) == (None, False)


def test_the_table_is_unique_sorted_and_consistent() -> None:
    table = [row.build for row in builds.rows()]
    assert len(table) == len(set(table)) == 372
    assert table == sorted(table)
    for row in builds.rows():
        assert row.product == row.build.product
        assert row.origin
        found = builds.branch(row.build)
        assert found is not None
        assert row.cu.split(" ")[0] in (found.cu, "Preview")
    for found in builds.branches().values():
        assert found.rows[0].su == "", found  # the cumulative update itself comes first


def test_updates_of_a_branch_come_out_in_the_order_of_their_builds() -> None:
    for found in builds.branches().values():
        dates = [row.released for row in found.rows if row.note == ""]
        assert dates == sorted(dates), found.cu


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99999), st.integers(0, 99999))
def test_spelling_round_trips_or_is_rejected(major: int, minor: int, third: int, fourth: int) -> None:
    text = f"{major:02d}.{minor:02d}.{third:04d}.{fourth:03d}"
    build = Build.try_parse(text)
    if build is None:
        assert third == 0 or (major, minor) not in {(15, 0), (15, 1), (15, 2), (14, 3)}
    else:
        assert (build.major, build.minor, build.build, build.revision) == (major, minor, third, fourth)
        assert Build.parse(str(build)) == build


@given(st.text(max_size=80))
def test_no_text_raises_anything_but_a_build_error(text: str) -> None:
    Build.try_parse(text)
