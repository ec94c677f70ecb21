"""What was there to be seen: per log kind first and last row, gaps, missing files, bad lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from afterpatch.detect.plane.tally import Hour, LogScan
from afterpatch.model import Artifact, Coverage, Gap

DENSE_ROWS = 6.0  # rows an hour, on average, from which two silent hours are a gap
DENSE_SHARE = 0.7  # share of hours with rows, likewise
SHORTEST_GAP = timedelta(hours=2)
LONGEST_RHYTHM = timedelta(days=4)  # a silence that is longer than a long weekend is a gap in any log of requests
REQUESTS = frozenset(("iis", "iis-back", "httpproxy", "ews", "ecp-server", "ecp-activity", "owa-server", "mapi-http"))
EDGE = timedelta(hours=24)  # how much later than a period's start a log may begin and still cover it

_INSTANCE = re.compile(r"(?P<stem>.*?)(?P<date>\d{8}|\d{10})-(?P<number>\d{1,4})\.log\Z", re.IGNORECASE)
_IIS_DAY = re.compile(r"u_(?:ex|nc|in)(?P<date>\d{6})(?:_x)?\.log\Z", re.IGNORECASE)


def at(second: int) -> datetime:
    """Seconds since 1970 as UTC."""
    return datetime.fromtimestamp(second, UTC)


@dataclass(frozen=True, slots=True)
class Period:
    """A time asked about, [start, end]."""

    start: datetime
    end: datetime


def merge_hours(scans: Iterable[LogScan]) -> dict[int, Hour]:
    """Rows by hour over several logs."""
    hours: dict[int, Hour] = {}
    for scan in scans:
        for number, hour in scan.hours.items():
            known = hours.get(number)
            if known is None:
                hours[number] = Hour(hour.count, hour.first, hour.last)
            else:
                known.count += hour.count
                known.first, known.last = min(known.first, hour.first), max(known.last, hour.last)
    return hours


def silent_times(hours: Mapping[int, Hour], longest: timedelta = LONGEST_RHYTHM) -> list[Gap]:
    """Silences that are no part of the log's own rhythm.

    A server that works writes rows every minute (health probes), so two silent hours are a gap. A sparse log has its
    own rhythm: there a gap is a silence of more than twice the 98th percentile of its silences, or of `longest`."""
    ordered = [hours[number] for number in sorted(hours)]
    if len(ordered) < 2:
        return []
    silences = [(one.last, other.first) for one, other in pairwise(ordered)]
    span = max(1.0, (ordered[-1].last - ordered[0].first) / 3600)
    rows = sum(hour.count for hour in ordered)
    limit = SHORTEST_GAP.total_seconds()
    if rows / span < DENSE_ROWS or len(ordered) / span < DENSE_SHARE:
        lengths = sorted(end - start for start, end in silences)
        rhythm = 2.0 * lengths[min(len(lengths) - 1, int(len(lengths) * 0.98))]
        limit = min(max(limit, rhythm), longest.total_seconds())
    return [Gap(at(start), at(end)) for start, end in silences if end - start > limit]


def missing_instances(artifacts: Iterable[Artifact]) -> tuple[str, ...]:
    """File names that the numbering of the others says should be there (`..-1`, `..-3`: where is `..-2`?).

    The oldest date of a folder is left out: rotation by size takes the lowest numbers of it first."""
    found: dict[tuple[str, str], dict[str, set[int]]] = {}
    for artifact in artifacts:
        folder, _, name = artifact.path.rpartition("\\")
        parts = _INSTANCE.match(name)
        if parts:
            dates = found.setdefault((folder, parts["stem"]), {})
            dates.setdefault(parts["date"], set()).add(int(parts["number"]))
    missing = []
    for (folder, stem), dates in sorted(found.items()):
        for day, numbers in sorted(dates.items())[1:]:
            gone = sorted(set(range(1, max(numbers))) - numbers)[:20]
            missing += [f"{folder}\\{stem}{day}-{number}.LOG" for number in gone]
    return tuple(missing)


def missing_days(artifacts: Iterable[Artifact]) -> list[Gap]:
    """Days without a file between daily IIS files of one folder, where the folder otherwise has one a day."""
    folders: dict[str, set[date]] = {}
    for artifact in artifacts:
        folder, _, name = artifact.path.rpartition("\\")
        parts = _IIS_DAY.match(name)
        if parts:
            try:
                day = datetime.strptime(parts["date"], "%y%m%d").replace(tzinfo=UTC).date()
            except ValueError:
                continue
            folders.setdefault(folder, set()).add(day)
    gaps = []
    for _folder, days in sorted(folders.items()):
        ordered = sorted(days)
        span = (ordered[-1] - ordered[0]).days + 1
        if len(ordered) < 5 or len(ordered) / span < 0.8:
            continue
        for one, other in pairwise(ordered):
            if (other - one).days > 1:
                start = datetime(one.year, one.month, one.day, tzinfo=UTC) + timedelta(days=1)
                gaps.append(Gap(start, datetime(other.year, other.month, other.day, tzinfo=UTC), "missing-file"))
    return gaps


def kind_coverage(kind: str, artifacts: Sequence[Artifact], scans: Mapping[int, LogScan]) -> Coverage:
    """The coverage of one kind on one server."""
    mine = [scans[artifact.index] for artifact in artifacts if artifact.index in scans]
    hours = merge_hours(mine)
    gaps = silent_times(hours) if kind in REQUESTS else silent_times(hours, timedelta.max)
    known = {(gap.start.date(), gap.end.date()) for gap in gaps}
    gaps += [gap for gap in missing_days(artifacts) if not any(s <= gap.start.date() <= e for s, e in known)]
    bad = sum(sum(scan.bad.values()) for scan in mine)
    return Coverage(
        artifact=kind,
        files=len(artifacts),
        records=sum(scan.records for scan in mine),
        bytes=sum(scan.bytes for scan in mine) if mine else sum(artifact.size for artifact in artifacts),
        first=at(min(hour.first for hour in hours.values())) if hours else None,
        last=at(max(hour.last for hour in hours.values())) if hours else None,
        gaps=tuple(sorted(gaps, key=lambda gap: (gap.start, gap.end))),
        unreadable=sum(1 for scan in mine if scan.error),
        bad=bad,
        lines=sum(scan.lines for scan in mine),
        header_lines=sum(scan.headers for scan in mine),
        missing_instances=missing_instances(artifacts),
    )


def covered(coverages: Iterable[Coverage]) -> list[Period]:
    """The times in which at least one of these logs has rows, without its gaps; merged and sorted."""
    pieces: list[Period] = []
    for coverage in coverages:
        if coverage.first is None or coverage.last is None:
            continue
        start = coverage.first
        for gap in coverage.gaps:
            if gap.start > start:
                pieces.append(Period(start, gap.start))
            start = max(start, gap.end)
        if coverage.last >= start:
            pieces.append(Period(start, coverage.last))
    merged: list[Period] = []
    for piece in sorted(pieces, key=lambda piece: (piece.start, piece.end)):
        if merged and piece.start <= merged[-1].end + SHORTEST_GAP:
            merged[-1] = Period(merged[-1].start, max(merged[-1].end, piece.end))
        else:
            merged.append(piece)
    return merged


def uncovered(period: Period, pieces: Sequence[Period]) -> list[Period]:
    """The parts of a period that no piece covers. Its first and last day are not asked to the hour."""
    if not any(piece.start < period.end and piece.end > period.start for piece in pieces):
        return [period]
    missing = []
    position = period.start
    for piece in pieces:
        if piece.end <= position:
            continue
        if piece.start > position:
            missing.append(Period(position, min(piece.start, period.end)))
        position = max(position, piece.end)
        if position >= period.end:
            break
    if position < period.end:
        missing.append(Period(position, period.end))
    return [gap for gap in missing if gap.end - gap.start > (EDGE if _edge(gap, period) else SHORTEST_GAP)]


def _edge(gap: Period, period: Period) -> bool:
    return gap.start == period.start or gap.end == period.end
