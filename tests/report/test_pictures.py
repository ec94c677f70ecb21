"""Where things stand in the pictures."""

from datetime import UTC, datetime, timedelta

from example import at, breached, plain_server
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.model import Coverage, Gap, TimelineEntry
from afterpatch.report.pictures import (
    LABELS,
    MAX_TICKS,
    RIGHT,
    WIDTH,
    coverage_picture,
    padded,
    question_period,
    timelines,
)

MOMENTS = st.datetimes(timezones=st.just(UTC))


@settings(deadline=None)
@given(st.lists(MOMENTS, min_size=1, max_size=5))
def test_any_times_make_an_axis_with_few_ticks_inside(times: list[datetime]) -> None:
    scale = padded(times)
    ticks = scale.ticks()
    assert len(ticks) <= MAX_TICKS + 1
    assert len({tick.label for tick in ticks}) == len(ticks)
    for x in [tick.x for tick in ticks] + [scale.x(time) for time in times]:
        assert LABELS <= x <= WIDTH - RIGHT


def test_marks_stand_in_their_chain_s_lane_and_count_all_entries() -> None:
    server = breached()
    whole, near = timelines(server)
    assert [lane.chain for lane in whole.lanes] == ["proxyshell", "proxylogon", ""]
    assert sum(mark.count for lane in whole.lanes for mark in lane.marks) == len(server.timeline)
    assert near.end - near.start < whole.end - whole.start
    assert {mark.severity for mark in whole.lanes[1].marks} <= {"critical", "high"}
    assert whole.blind[0].start == whole.start


def test_many_entries_become_few_marks() -> None:
    entries = tuple(TimelineEntry(at(1) + timedelta(seconds=index), "x") for index in range(20_000))
    (picture,) = timelines(plain_server("X", "inconclusive", "low", timeline=entries))
    assert len(picture.lanes) == 1
    assert len(picture.lanes[0].marks) <= 151
    assert sum(mark.count for mark in picture.lanes[0].marks) == 20_000


def test_without_front_end_logs_all_time_is_blind() -> None:
    (picture,) = timelines(plain_server("X", "inconclusive", "low", timeline=(TimelineEntry(at(1), "x"),)))
    assert [(bar.start, bar.end) for bar in picture.blind] == [(picture.start, picture.end)]


def test_coverage_rows_gaps_and_the_period() -> None:
    rows = (
        Coverage("iis", 1, 1, 1, at(1), at(11), (Gap(at(3), at(4)),)),
        Coverage("web-file", 1, 0, 1),
        Coverage("ews", 1, 1, 1, at(5), at(5)),
    )
    picture = coverage_picture(rows, (at(2), at(8)))
    assert picture is not None
    assert [row.artifact for row in picture.rows] == ["iis", "ews"]
    bar, (gap,) = picture.rows[0].bar, picture.rows[0].gaps
    assert bar.x < gap.x < gap.x + gap.width < bar.x + bar.width
    assert picture.rows[1].bar.width == 2.0
    assert picture.period is not None
    assert bar.x < picture.period.x < gap.x
    assert coverage_picture(rows[1:2]) is None


def test_the_period_in_question_is_taken_from_the_exposure() -> None:
    assert question_period(breached()) == (at(1), at(19, 23, 59))
    assert question_period(plain_server("X", "inconclusive", "low")) is None
