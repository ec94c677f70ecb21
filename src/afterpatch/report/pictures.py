"""Where things stand in the report's pictures: numbers for the template, which draws them as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log2

from afterpatch.model import Coverage, Finding, ServerExamination, TimelineEntry
from afterpatch.model.finding import SEVERITIES

WIDTH = 960.0
LABELS = 190.0
RIGHT = 24.0
LANE = 30.0
ROW = 24.0
TOP = 26.0
COLUMNS = 150
MAX_LANES = 9
MAX_GAPS = 200
MAX_TICKS = 7
FOCUS_SHARE = 0.4
FRONT_END = ("iis", "httpproxy")
_DAY = 86_400
_STEPS = (60, 300, 900, 3600, 10_800, 21_600, 43_200, _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY, 91 * _DAY)
_YEAR = 365 * _DAY
_ZERO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the time axis, and its label."""

    x: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time in a row."""

    x: float
    width: float
    start: datetime
    end: datetime
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """The entries of one column in one lane: the highest severity, and how many."""

    x: float
    size: float
    severity: str
    count: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the timeline: a chain's id, "" for what is of no chain."""

    chain: str
    y: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class TimelinePicture:
    """Lanes with marks over a time axis; `blind` are the times without front-end logs."""

    height: float
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    blind: tuple[Bar, ...]
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One artifact kind: its bar and its gaps."""

    artifact: str
    y: float
    bar: Bar
    gaps: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class CoveragePicture:
    """One row an artifact kind; `period` frames the time in question."""

    height: float
    rows: tuple[CoverageRow, ...]
    ticks: tuple[Tick, ...]
    period: Bar | None


@dataclass(frozen=True, slots=True)
class Scale:
    """From times to x."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """The length of the axis, at least one second."""
        return max((self.end - self.start).total_seconds(), 1.0)

    def x(self, when: datetime) -> float:
        """The place of a time, kept inside the picture."""
        share = (when - self.start).total_seconds() / self.seconds
        return round(LABELS + min(max(share, 0.0), 1.0) * (WIDTH - LABELS - RIGHT), 1)

    def bar(self, start: datetime, end: datetime, cause: str = "") -> Bar:
        """A stretch, at least so wide that it can be seen."""
        left = self.x(start)
        width = max(self.x(end) - left, 2.0)
        return Bar(min(left, WIDTH - RIGHT - width), round(width, 1), start, end, cause)

    def ticks(self) -> tuple[Tick, ...]:
        """At most MAX_TICKS round times."""
        step = next((one for one in _STEPS if self.seconds / one <= MAX_TICKS), 0)
        if not step:
            step = _YEAR * max(1, int(self.seconds // (_YEAR * MAX_TICKS)) + 1)
        first = int((self.start - _ZERO).total_seconds()) // step + 1
        last = int((self.end - _ZERO).total_seconds()) // step
        form = "%Y-%m-%d" if step >= _DAY else "%m-%d %H:%M"
        moments = [_ZERO + timedelta(seconds=index * step) for index in range(first, min(last, first + 12) + 1)]
        return tuple(Tick(self.x(one), one.strftime(form), self._anchor(one)) for one in moments)

    def _anchor(self, when: datetime) -> str:
        return "end" if self.x(when) > WIDTH - RIGHT - 36 else "middle"


def padded(times: Sequence[datetime]) -> Scale:
    """The axis from the first to the last time, with a little room on both sides."""
    first, last = min(times), max(times)
    room = max((last - first) * 0.02, timedelta(minutes=5))
    return Scale(first - min(room, first - _ZERO), last + min(room, datetime.max.replace(tzinfo=UTC) - last))


def severity_of(entry: TimelineEntry, findings: Mapping[str, Finding]) -> str:
    """The highest severity among an entry's findings; `info` for none."""
    ranks = [SEVERITIES.index(one.severity) for one in _of(entry, findings) if one.severity in SEVERITIES]
    return SEVERITIES[max(ranks, default=0)]


def chain_of(entry: TimelineEntry, findings: Mapping[str, Finding]) -> str:
    """The chain an entry belongs to, "" for none."""
    return next((one.chain for one in _of(entry, findings) if one.chain), "")


def _of(entry: TimelineEntry, findings: Mapping[str, Finding]) -> Iterable[Finding]:
    return (findings[one] for one in entry.findings if one in findings)


def timelines(server: ServerExamination) -> tuple[TimelinePicture, ...]:
    """The whole time, and, where the severe findings stand close together, that time alone."""
    if not server.timeline:
        return ()
    findings = {one.id: one for one in server.findings}
    whole = padded([entry.time for entry in server.timeline])
    pictures = [_timeline(server, whole, server.timeline, findings)]
    severe = [one for one in server.timeline if severity_of(one, findings) in ("high", "critical")]
    if len(severe) > 1:
        near = padded([entry.time for entry in severe])
        if near.seconds < whole.seconds * FOCUS_SHARE:
            inside = [one for one in server.timeline if near.start <= one.time <= near.end]
            pictures.append(_timeline(server, near, inside, findings))
    return tuple(pictures)


def _timeline(
    server: ServerExamination, scale: Scale, entries: Sequence[TimelineEntry], findings: Mapping[str, Finding]
) -> TimelinePicture:
    cells: dict[str, dict[int, list[TimelineEntry]]] = {}
    for entry in entries:
        column = int((entry.time - scale.start).total_seconds() / scale.seconds * COLUMNS)
        cells.setdefault(chain_of(entry, findings), {}).setdefault(column, []).append(entry)
    names = sorted(cells, key=lambda chain: (chain == "", min(one.time for one in cells[chain][min(cells[chain])]), chain))
    lanes = [_lane(name, index, cells[name], scale, findings) for index, name in enumerate(names[:MAX_LANES])]
    height = TOP + len(lanes) * LANE + 6
    return TimelinePicture(height, tuple(lanes), scale.ticks(), _blind(server, scale), scale.start, scale.end)


def _lane(
    chain: str,
    index: int,
    columns: Mapping[int, Sequence[TimelineEntry]],
    scale: Scale,
    findings: Mapping[str, Finding],
) -> Lane:
    marks = []
    for column in sorted(columns):
        entries = columns[column]
        times = [entry.time for entry in entries]
        worst = max((severity_of(one, findings) for one in entries), key=SEVERITIES.index)
        middle = scale.x(min(times) + (max(times) - min(times)) / 2)
        marks.append(Mark(middle, _mark_size(len(entries)), worst, len(entries), min(times), max(times)))
    marks.sort(key=lambda mark: SEVERITIES.index(mark.severity))  # the most severe is drawn last, on top
    return Lane(chain, TOP + index * LANE + LANE / 2, tuple(marks))


def _mark_size(count: int) -> float:
    return round(min(11.0 + 1.6 * log2(count), 22.0), 1)


def _blind(server: ServerExamination, scale: Scale) -> tuple[Bar, ...]:
    """The times of the axis that no front-end log covers at its ends. Without such logs that is all of it."""
    seen = [one for one in server.coverage if one.artifact in FRONT_END and one.first and one.last]
    first = min((one.first for one in seen if one.first), default=scale.end)
    last = max((one.last for one in seen if one.last), default=scale.end)
    bars = []
    if first > scale.start:
        bars.append(scale.bar(scale.start, min(first, scale.end)))
    if last < scale.end:
        bars.append(scale.bar(max(last, scale.start), scale.end))
    return tuple(bars)


def question_period(server: ServerExamination) -> tuple[datetime, datetime] | None:
    """The time in question; for a document that does not name it, from the first hole's opening to the end of the
    evidence."""
    if server.asked_from and server.asked_until and server.asked_from < server.asked_until:
        return server.asked_from, server.asked_until
    opened = [one.open_from for one in server.exposure if one.open_from and one.state != "closed"]
    ends = [one.last for one in server.coverage if one.last]
    return (min(opened), max(ends)) if opened and ends and min(opened) < max(ends) else None


def coverage_picture(rows: Sequence[Coverage], period: tuple[datetime, datetime] | None = None) -> CoveragePicture | None:
    """The bars of all kinds that have times, or None where none has."""
    dated = [(row, row.first, row.last) for row in rows if row.first and row.last]
    if not dated:
        return None
    times = [first for _, first, _ in dated] + [last for _, _, last in dated] + list(period or ())
    scale = padded(times)
    drawn = tuple(
        CoverageRow(row.artifact, TOP + index * ROW + ROW / 2, scale.bar(first, last), _gaps(row, scale))
        for index, (row, first, last) in enumerate(dated)
    )
    frame = scale.bar(*period) if period else None
    return CoveragePicture(TOP + len(drawn) * ROW + 8, drawn, scale.ticks(), frame)


def _gaps(row: Coverage, scale: Scale) -> tuple[Bar, ...]:
    longest = sorted(row.gaps, key=lambda gap: gap.start - gap.end)[:MAX_GAPS]
    return tuple(scale.bar(gap.start, gap.end, gap.cause) for gap in sorted(longest, key=lambda gap: gap.start))
