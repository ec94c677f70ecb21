"""The build history of a server: readings in the order of time, merged, with their contradictions shown.

Readings are never averaged and none is thrown away for disagreeing. A reading of the cumulative update says nothing
about security updates; it can only name a cumulative update that the exact readings around it do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterpatch.exposure.doubtful import lone_readings, of_other_products, too_early
from afterpatch.exposure.readings import Reading
from afterpatch.knowledge import builds, vulnerabilities
from afterpatch.knowledge.builds import Build
from afterpatch.model import message, to_iso

OLD_FOLDERS = ("iis-location", "owa-path", "folder")
MOST_PATHS = 5
MOST_CONTRADICTIONS = 50
# Logs are opened with the build that ran then, and services restart one by one while an update is installed.
SETTLING = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Period:
    """A run of readings of one build: first and last time seen, how often, from where (paths: the first five)."""

    build: Build
    precision: str
    first: datetime
    last: datetime
    readings: int
    bases: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two readings that do not fit together. `kind`: went-back (an older build after a newer one of the same branch or
    product: a restored backup, or logs of another server), side-by-side (two builds at one time), branch (a reading of
    the cumulative update names another one than the exact readings around it), fixes-lost (a newer cumulative update
    without the security update that the older one had), before-installation (readings from before the setup log says
    that Exchange was installed), other-product (another product than the rest: no server changes it in place),
    before-release (a build before it was published: a wrong clock), lone (one file names another build than all logs
    around it). Readings of the last three kinds decide nothing (`aside`), unless there are no others."""

    kind: str
    earlier: Reading
    later: Reading
    cves: tuple[str, ...] = ()
    aside: bool = False

    @property
    def text(self) -> str:
        """The message for a report."""
        values: dict[str, object] = {"earlier": self.earlier.build, "later": self.later.build, "time": to_iso(self.later.time)}
        if self.kind == "fixes-lost":
            values["count"] = len(self.cves)
        if self.kind in ("other-product", "lone", "before-release"):
            values["path"] = self.later.path
        return message(f"exposure.contradiction.{self.kind}", **values)


@dataclass(frozen=True, slots=True)
class BuildHistory:
    """All readings, sorted and without doubles, the periods they form and what does not fit together."""

    readings: tuple[Reading, ...]
    periods: tuple[Period, ...]
    contradictions: tuple[Contradiction, ...]
    installed: datetime | None = None

    @property
    def exact(self) -> tuple[Reading, ...]:
        """The readings that name the security update."""
        return tuple(one for one in self.readings if one.precision == "exact")

    @property
    def latest(self) -> Reading | None:
        """What the server ran last: the last exact reading, or a later one that names another cumulative update."""
        exact = self.exact
        if not exact:
            return self.readings[-1] if self.readings else None
        last = min((one for one in exact if one.time == exact[-1].time), key=lambda one: one.build)
        later = [one for one in self.readings if one.time > last.time and _says_more(one, last)]
        return later[-1] if later else last


def build_history(readings: Iterable[Reading], installed: datetime | None = None) -> BuildHistory:
    """The history that readings tell, in any order."""
    ordered, aside = set_aside(tuple(sorted(set(readings))))
    kept = _thinned(ordered)
    contradictions = (*aside, *_contradictions(kept))[:MOST_CONTRADICTIONS]
    if installed is not None and ordered and ordered[0].time < installed - SETTLING:
        early, late = ordered[0], next((one for one in ordered if one.time >= installed), ordered[-1])
        contradictions = (Contradiction("before-installation", early, late), *contradictions)
        installed = None  # the setup log is of a later installation, or the logs are of another server
    return BuildHistory(kept, _periods(ordered), contradictions, installed)


def set_aside(ordered: Sequence[Reading]) -> tuple[tuple[Reading, ...], tuple[Contradiction, ...]]:
    """(readings that decide, contradictions of those that do not): what cannot be of this server at that time."""
    kept, shown = tuple(ordered), []
    for kind, doubtful in (("before-release", too_early), ("other-product", of_other_products), ("lone", lone_readings)):
        out = doubtful(kept)
        rest = tuple(one for one in kept if one not in out)
        if not out or not rest:
            continue
        kept = rest
        found: dict[tuple[Build, str], Contradiction] = {}
        for one in sorted(out):
            nearest = min(rest, key=lambda each: abs((each.time - one.time).total_seconds()))
            found.setdefault((one.build, one.path), Contradiction(kind, nearest, one, aside=True))
        shown += list(found.values())[:10]
    return kept, tuple(shown)


def _says_more(one: Reading, exact: Reading) -> bool:
    """Whether a later, coarser reading names a newer state than the last exact one."""
    if one.precision == "least" and builds.branch_key(one.build) == builds.branch_key(exact.build):
        return one.build > exact.build
    return not _agrees(one, exact) and not _old_folder(exact, one)


def _agrees(one: Reading, other: Reading) -> bool:
    """Whether two readings can be of one build: equal, or one of them is coarser and of the same branch."""
    if one.precision == other.precision == "exact":
        return one.build == other.build
    return builds.branch_key(one.build) == builds.branch_key(other.build)


def _thinned(ordered: Sequence[Reading]) -> tuple[Reading, ...]:
    """Of a run of readings that say the same, the first and the last: runs among the exact ones, and among those of
    each other basis, so that one kind of log does not cut the runs of another."""
    lanes: dict[str, list[Reading]] = {}
    for one in ordered:
        lanes.setdefault("" if one.precision == "exact" else one.basis, []).append(one)
    return tuple(sorted(one for lane in lanes.values() for one in _ends(lane)))


def _ends(lane: Sequence[Reading]) -> Iterator[Reading]:
    for position, one in enumerate(lane):
        around = lane[max(position - 1, 0) : position + 2]
        if len(around) < 3 or any((other.build, other.precision) != (one.build, one.precision) for other in around):
            yield one


def _periods(ordered: Sequence[Reading]) -> tuple[Period, ...]:
    runs: list[list[Reading]] = []
    for one in ordered:
        if runs and (runs[-1][-1].build, runs[-1][-1].precision) == (one.build, one.precision):
            runs[-1].append(one)
        else:
            runs.append([one])
    return tuple(_period(run) for run in runs)


def _period(run: Sequence[Reading]) -> Period:
    bases = dict.fromkeys(one.basis for one in run)
    paths = dict.fromkeys(one.path for one in run if one.path)
    first, last = run[0], run[-1]
    return Period(first.build, first.precision, first.time, last.time, len(run), tuple(bases), tuple(paths)[:MOST_PATHS])


def _contradictions(ordered: Sequence[Reading]) -> tuple[Contradiction, ...]:
    found: dict[tuple[str, Build, Build], Contradiction] = {}
    exact: Reading | None = None
    for one in ordered:
        if exact is not None:
            for each in _against(exact, one):
                found.setdefault((each.kind, each.earlier.build, each.later.build), each)
        if one.precision == "exact":
            exact = one
    return tuple(found.values())[:MOST_CONTRADICTIONS]


def _against(before: Reading, now: Reading) -> Iterable[Contradiction]:
    if _agrees(before, now):
        return
    if now.precision != "exact":
        if now.basis == "setup":  # setup changed the cumulative update: no contradiction, unless it went back
            if builds.branch_key(now.build) < builds.branch_key(before.build):
                yield Contradiction("went-back", before, now)
        elif not _old_folder(before, now):
            yield Contradiction("branch", before, now)
        return
    if now.build < before.build:
        side = now.time - before.time < SETTLING and (now.basis, now.path) != (before.basis, before.path)
        yield Contradiction("side-by-side" if side else "went-back", before, now)
        return
    lost = fixes_lost(before.build, now.build)
    if lost:
        yield Contradiction("fixes-lost", before, now, lost)


def _old_folder(before: Reading, now: Reading) -> bool:
    """Folders of earlier cumulative updates stay where they were, and clients keep old paths."""
    return now.basis in OLD_FOLDERS and builds.branch_key(now.build) < builds.branch_key(before.build)


def fixes_lost(before: Build, after: Build) -> tuple[str, ...]:
    """The CVEs that were fixed in one build and are open in a later one of another branch."""
    if builds.branch_key(before) == builds.branch_key(after):
        return ()
    return tuple(
        cve
        for cve in vulnerabilities.vulnerabilities()
        if vulnerabilities.state(cve, after).state == "open"
        and vulnerabilities.state(cve, before).state in ("closed", "configuration")
    )
