"""Windows of exposure: when each hole was open on a server, by its build history and its mitigations.

What can be said: an exact reading decides for its time. Inside a cumulative update a server is only ever patched
further, so an open reading holds back to the setup of that cumulative update. Between a reading that is closed and a
later one that is open nobody knows (a restored backup): unknown. Between open and closed the hole counts as open until
the closed reading, and `last_open` says when it was last proved open. No reading at all: unknown, never closed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from datetime import time as clock

from afterpatch.exposure.figures import Figures, figures_of, sentences
from afterpatch.exposure.history import OLD_FOLDERS, BuildHistory
from afterpatch.exposure.mitigations import MitigationState
from afterpatch.exposure.readings import Reading
from afterpatch.exposure.steady import Point, steady
from afterpatch.exposure.steps import Settled, settle
from afterpatch.knowledge import builds, vulnerabilities
from afterpatch.knowledge.exploitation import exploitation
from afterpatch.knowledge.vulnerabilities import CveState, Vulnerability
from afterpatch.model import Exposure, ExposureWindow, to_iso

STATES = ("open", "mitigated", "unknown", "closed")
NO_READING = "basis.no-reading"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in one state. `start` None: from before the evidence; `end` None: until its end.

    `start_basis`: installation | setup | reading | patch-day | mitigation | unknown; `end_basis`: build | mitigation | evidence |
    unknown. `last_open`: the last reading that proves an open window open."""

    state: str
    start: datetime | None
    end: datetime | None
    start_basis: str
    end_basis: str
    last_open: datetime | None = None

    def to_model(self) -> ExposureWindow:
        """The entry of the examination document."""
        return ExposureWindow(self.state, self.start, self.end, self.start_basis, self.end_basis, self.last_open)


@dataclass(frozen=True, slots=True)
class CveExposure:
    """One hole on one server. `state` is that at the end of the evidence; `windows` adjoin each other, in order;
    `basis` holds `basis.<key>: detail`; `messages` are texts for a report (`msg:exposure...`)."""

    cve: str
    alias: str
    state: str
    windows: tuple[Window, ...]
    figures: Figures
    basis: tuple[str, ...]
    messages: tuple[str, ...] = ()

    @property
    def open_windows(self) -> tuple[Window, ...]:
        """The windows in which the hole was open."""
        return tuple(window for window in self.windows if window.state == "open")

    def to_model(self) -> Exposure:
        """The entry of the examination document."""
        opened = self.open_windows
        return Exposure(
            self.cve,
            self.alias,
            self.state,
            open_from=opened[0].start if opened else None,
            open_until=opened[-1].end if opened else None,
            basis=self.basis,
            windows=tuple(window.to_model() for window in self.windows),
            figures=self.figures.to_model(),
            messages=self.messages,
        )


def exposures(
    history: BuildHistory,
    mitigations: Sequence[MitigationState] = (),
    attempts: Mapping[str, Sequence[datetime]] | None = None,
    evidence_end: datetime | None = None,
    *,
    only_core: bool = True,
) -> tuple[CveExposure, ...]:
    """Every hole a report names, but for those the server's product never had. `attempts`: chain id -> times of this
    server's own attacks."""
    wanted = vulnerabilities.core() if only_core else tuple(vulnerabilities.vulnerabilities().values())
    found = (exposure_of(each, history, mitigations, _attempts(each, attempts), evidence_end) for each in wanted)
    return tuple(one for one in found if one is not None)


def _attempts(known: Vulnerability, attempts: Mapping[str, Sequence[datetime]] | None) -> list[datetime]:
    chains = set(known.chains) | {chain for chain, entry in exploitation().items() if known.cve in entry.cves}
    return sorted(time for chain in chains for time in (attempts or {}).get(chain, ()))


def exposure_of(
    known: Vulnerability,
    history: BuildHistory,
    mitigations: Sequence[MitigationState] = (),
    attempts: Sequence[datetime] = (),
    evidence_end: datetime | None = None,
) -> CveExposure | None:
    """One hole. None where every reading says that the product is not affected."""
    if not history.readings or history.latest is None:
        figures = figures_of(known, (), (), attempts, evidence_end, at_least=False)
        window = Window("unknown", history.installed, None, "unknown", "unknown")
        return CveExposure(known.cve, known.alias, "unknown", (window,), figures, (NO_READING,))
    states = _states(known.cve, history.readings)
    if all(state.state == "not-affected" for state in states.values()):
        return None
    own = tuple(one for one in mitigations if known.cve in one.cves)
    settled = settle(known, own)
    last_time = max(filter(None, (evidence_end, history.readings[-1].time)))
    points = [one for one in _points(history, states, settled) if one.time is None or one.time <= last_time]
    windows = _mitigated(_windows(steady(points)), own)
    last = windows[-1]
    telling = _telling(history, states, last.state)
    latest = states[telling]
    basis = _basis(telling, latest, settled if latest.state == "configuration" else None, own, last)
    opened = [(window.start, window.end) for window in windows if window.state == "open"]
    guarded = [(window.start, window.end) for window in windows if window.state == "mitigated"]
    figures = figures_of(known, opened, guarded, attempts, evidence_end, at_least=_longer(windows))
    return CveExposure(known.cve, known.alias, last.state, windows, figures, basis, sentences(last.state, figures))


def _telling(history: BuildHistory, states: Mapping[Reading, CveState], state: str) -> Reading:
    """The reading that the last state stands on: the latest, or, where several builds stand side by side at the end,
    the last open one."""
    latest = history.latest
    assert latest is not None
    if state != "open" or states[latest].state not in ("closed", "not-affected"):
        return latest
    return next((one for one in reversed(history.readings) if states[one].state == "open"), latest)


def _longer(windows: Sequence[Window]) -> bool:
    """Whether the hole may have been open for longer than it was seen to be."""
    begins = [window for window in windows if window.state == "open" and window.start_basis == "reading"]
    return bool(begins) and any(window.state == "unknown" for window in windows)


def _states(cve: str, readings: Sequence[Reading]) -> dict[Reading, CveState]:
    kinds = {(one.build, one.precision) for one in readings}
    by_kind = {kind: vulnerabilities.state(cve, *kind) for kind in kinds}
    return {one: by_kind[one.build, one.precision] for one in readings}


def _points(history: BuildHistory, states: Mapping[Reading, CveState], settled: Settled) -> list[Point]:
    """The states that readings set, in order: first what is before them all."""
    points = [Point(history.installed, "unknown", "installation" if history.installed else "unknown")]
    exact = history.exact
    grouped: dict[datetime, list[Point]] = {}
    for one in history.readings:
        for point in _of_reading(one, states[one], settled, exact):
            if point.time is not None:
                grouped.setdefault(point.time, []).append(point)
    for time in sorted(grouped):
        worst = min(grouped[time], key=lambda each: (STATES.index(each.state), each.basis == "patch-day"))
        points.append(replace(worst, basis="installation") if time == history.installed else worst)
    return _backwards(points)


def _of_reading(one: Reading, state: CveState, settled: Settled, exact: Sequence[Reading]) -> list[Point]:
    """What one reading says: a point, or two where only the calendar decides. Before the first update with the fix came
    out, every build of its cumulative update was open; from that day on a coarse reading says nothing."""
    branch = builds.branch_key(one.build)
    basis = "setup" if one.basis == "setup" else "reading"
    known = state.state
    if known == "unknown" and one.precision != "exact" and state.fixed_build is not None:
        row = builds.lookup(state.fixed_build)
        released = datetime.combine(row.released, clock(), UTC) if row is not None else None
        if released is not None and one.time < released:
            later = Point(released, "unknown", "patch-day", branch)
            return [Point(one.time, "open", basis, branch, proof=True), *([later] if not _between(one, released, exact) else [])]
    if _idle(one, exact):
        return []
    if known == "configuration":
        then = Point(settled.since, settled.state, "mitigation", branch) if settled.since is not None else None
        now = Point(one.time, settled.at(one.time), basis, branch, one.precision == "exact")
        late = then is not None and then.time is not None and one.time < then.time and not _between(one, then.time, exact)
        return [now, then] if late and then is not None and then.state == "closed" else [now]
    return [Point(one.time, "closed" if known == "not-affected" else known, basis, branch, one.precision == "exact")]


def _between(one: Reading, until: datetime, exact: Sequence[Reading]) -> bool:
    """Whether exact readings tell the time from this reading until then."""
    return any(one.time < each.time < until for each in exact[_position(exact, one.time) :][:2])


def _position(exact: Sequence[Reading], time: datetime) -> int:
    return bisect_right(exact, time, key=lambda each: each.time)


def _idle(one: Reading, exact: Sequence[Reading]) -> bool:
    """Whether a coarse reading says nothing beside exact ones: it names the branch that they know better, or a folder
    that an earlier cumulative update left."""
    if one.precision == "exact" or not exact:
        return False
    position = _position(exact, one.time)
    if one.basis == "setup":  # a setup that found the same as the logs before it: the next one, as it begins
        return position > 0 and builds.branch_key(exact[position - 1].build) == builds.branch_key(one.build)
    near = {builds.branch_key(each.build) for each in exact[max(position - 1, 0) : position + 1]}
    branch = builds.branch_key(one.build)
    return branch in near or (one.basis in OLD_FOLDERS and branch < max(near))


def _backwards(points: Sequence[Point]) -> list[Point]:
    """An open reading holds back over unknown ones of its own branch, to the installation where no other branch lies
    between; a closed one never does: it says nothing about the time before it."""
    done = list(points)
    for position in range(len(done) - 2, -1, -1):
        here, after = done[position], done[position + 1]
        same = here.branch == after.branch or (not here.branch and here.basis == "installation")
        if here.state == "unknown" and after.state == "open" and same:
            done[position] = replace(here, state="open", branch=after.branch)
    return done


def _windows(points: Sequence[Point]) -> list[Window]:
    """Adjoining windows. When a hole that was closed opened again nobody knows, but where setup did it."""
    found: list[Window] = []
    for here, after in zip(points, [*points[1:], None], strict=True):
        if after is not None and after.time == here.time:
            continue
        state = here.state
        if state == "closed" and after is not None and after.state != "closed" and after.basis != "setup":
            state = "unknown"
        end_basis = "evidence" if after is None else "build" if after.state == "closed" else "unknown"
        last = here.time if state == "open" and here.proof else None
        window = Window(state, here.time, after.time if after else None, here.basis, end_basis, last)
        found = _grown(found, window)
    return found


def _grown(found: list[Window], new: Window) -> list[Window]:
    """With one more window, joined to the last where the state is the same."""
    if not found or found[-1].state != new.state:
        return [*found, new]
    last = found[-1]
    joined = replace(last, end=new.end, end_basis=new.end_basis, last_open=new.last_open or last.last_open)
    return [*found[:-1], joined]


def _mitigated(windows: Sequence[Window], own: Sequence[MitigationState]) -> tuple[Window, ...]:
    """Open windows cut where a mitigation is seen in place. Its start is an upper bound. A mitigation in place counts,
    and one that was (and is gone again) for its time."""
    found = list(windows)
    for start, end in sorted({span for one in own if one.guards for span in _guarded(one)}, key=lambda span: span[0]):
        found = [piece for window in found for piece in _cut(window, start, end)]
    return tuple(_together(found))


def _guarded(one: MitigationState) -> Sequence[tuple[datetime, datetime | None]]:
    if one.spans:
        return one.spans
    return ((one.since, None),) if one.state == "in-place" and one.since is not None else ()


def _cut(window: Window, start: datetime, end: datetime | None) -> Iterator[Window]:
    """An open window in up to three: before, mitigated, after."""
    if window.state != "open" or (window.end is not None and window.end <= start) or _before(end, window.start):
        yield window
        return
    begins = window.start is not None and window.start >= start
    if not begins:
        yield replace(window, end=start, end_basis="mitigation", last_open=_until(window.last_open, start))
    ends = end is not None and (window.end is None or end < window.end)
    inside = replace(window, state="mitigated", last_open=None)
    if not begins:
        inside = replace(inside, start=start, start_basis="mitigation")
    yield replace(inside, end=end, end_basis="mitigation") if ends else inside
    if ends:
        yield replace(window, start=end, start_basis="mitigation", last_open=window.last_open)


def _before(end: datetime | None, start: datetime | None) -> bool:
    return end is not None and start is not None and end <= start


def _until(last: datetime | None, limit: datetime) -> datetime | None:
    return last if last is None or last <= limit else None


def _together(windows: Sequence[Window]) -> list[Window]:
    found: list[Window] = []
    for window in windows:
        found = _grown(found, window)
    return found


def _basis(
    latest: Reading, state: CveState, settled: Settled | None, own: Sequence[MitigationState], last: Window
) -> tuple[str, ...]:
    seen = f"basis.{latest.basis}: {latest.build}, {to_iso(latest.time)}" + (f", {latest.path}" if latest.path else "")
    basis = [*state.basis, seen]
    if settled is not None:
        basis += settled.basis
    if last.state == "mitigated":
        basis += [f"basis.mitigated: {one.id}, {one.path}" for one in own if one.state == "in-place" and one.guards]
    elif last.state == "open":
        basis += [f"basis.mitigation-{one.state}: {one.id}" for one in own if one.state in ("partial", "weak")]
    return tuple(basis)
