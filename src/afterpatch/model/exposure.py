"""What was open on a server and what stood in the way: builds over time, windows, mitigations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class BuildReading:
    """A build seen at a time. `precision`: exact | least (this build or a later one of its cumulative update) | cu |
    product; `basis`: the kind of place that told it; `path`: the artifact."""

    time: datetime
    build: str
    precision: str
    basis: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class BuildContradiction:
    """Two readings that do not fit together. `aside`: the later one was not used. `text` is a message."""

    kind: str
    text: str
    earlier: BuildReading
    later: BuildReading
    aside: bool = False
    cves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildHistory:
    """Readings in the order of time (of a run that says the same, its ends). `installed`: None where nothing tells."""

    installed: datetime | None = None
    readings: tuple[BuildReading, ...] = ()
    contradictions: tuple[BuildContradiction, ...] = ()


@dataclass(frozen=True, slots=True)
class ExposureWindow:
    """A stretch of time in one state (open | mitigated | unknown | closed). `start` None: from before the evidence;
    `end` None: until its end. `start_basis`: installation | setup | reading | patch-day | mitigation | unknown;
    `end_basis`: build | mitigation | evidence | unknown. `last_open`: the last reading that proves it open."""

    state: str
    start: datetime | None
    end: datetime | None
    start_basis: str
    end_basis: str
    last_open: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExposureFigures:
    """Whole days, a begun day counted; None where not known. See `afterpatch.exposure.figures.Figures`. Days of the
    calendar are ISO 8601, "" where not known."""

    days: int | None = None
    at_least: bool = False
    exploited_since: str = ""
    patch_day: str = ""
    mass_since: str = ""
    exploited_days: int | None = None
    before_patch_days: int | None = None
    zero_day_days: int | None = None
    mass_days: int | None = None
    patch_delay_days: int | None = None
    mitigated_days: int | None = None
    first_attempt: datetime | None = None
    attempt_day: int | None = None
    attempt_state: str = ""


@dataclass(frozen=True, slots=True)
class Exposure:
    """One hole. `state`: open | closed | mitigated | unknown. `basis` says which readings it stands on; `messages` are
    the figures in words."""

    cve: str
    alias: str
    state: str
    open_from: datetime | None = None
    open_until: datetime | None = None
    basis: tuple[str, ...] = ()
    windows: tuple[ExposureWindow, ...] = ()
    figures: ExposureFigures | None = None
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MitigationSpan:
    """A time in which a mitigation was in place; `end` None: until the end of the evidence."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mitigation:
    """One mitigation. `state`: in-place | partial | weak | absent | not-visible. `since`: the earliest time the evidence
    shows it so (an upper bound), `not_before`: the last time it was seen otherwise. `guards`: it keeps `cves` from being
    used; else it is a step beside the code, or hardening."""

    id: str
    state: str
    cves: tuple[str, ...] = ()
    guards: bool = False
    since: datetime | None = None
    not_before: datetime | None = None
    path: str = ""
    line: int = 0
    reasons: tuple[str, ...] = ()
    spans: tuple[MitigationSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class Protection:
    """Extended Protection of one virtual directory: `found` and `expected` are None | Allow | Require, `set_at` the
    location that sets it, `grade` as-expected | lower | higher | unknown, `ssl_lacking` SSL flags it needs and lacks."""

    location: str
    found: str
    expected: str
    grade: str
    set_at: str = ""
    ssl_lacking: tuple[str, ...] = ()
    allow_list: bool = False
