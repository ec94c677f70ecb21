"""Builds, holes and mitigations of a server, put into words for the terminal and the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from afterpatch.knowledge import vulnerabilities
from afterpatch.model import Exposure, ExposureWindow, Mitigation, Protection, ServerExamination
from afterpatch.report.catalogue import Catalogue
from afterpatch.report.times import minute, moment

MAX_WINDOWS = 12
_ORDER = ("open", "mitigated", "unknown", "closed")
_MITIGATIONS = ("in-place", "partial", "weak", "absent", "not-visible")


@dataclass(frozen=True, slots=True)
class Hole:
    """One hole: its entry, its windows and figures in words, and whether a report names it first (used in attacks)."""

    entry: Exposure
    windows: tuple[str, ...]
    messages: tuple[str, ...]
    used: bool


def holes(server: ServerExamination, catalogue: Catalogue) -> tuple[Hole, ...]:
    """All holes: attacked here first, then those used in attacks anywhere, open before closed, old before new."""
    attacked = {cve for chain in server.chains for cve in chain.cves}
    last = max((one.last for one in server.coverage if one.last is not None), default=None)
    made = [_hole(one, attacked, last, catalogue) for one in server.exposure]
    return tuple(sorted(made, key=lambda hole: _rank(hole, attacked)))


def _hole(entry: Exposure, attacked: set[str], last: datetime | None, catalogue: Catalogue) -> Hole:
    known = vulnerabilities.get(entry.cve)
    since = entry.figures.exploited_since if entry.figures is not None else ""
    in_time = last is None or not since or since <= last.date().isoformat()
    used = entry.cve in attacked or (known is not None and known.exploited and in_time)
    windows = tuple(window_text(one, catalogue) for one in entry.windows[:MAX_WINDOWS])
    return Hole(entry, windows, tuple(catalogue.every(entry.messages)), used)


def together(found: Sequence[Hole]) -> list[list[Hole]]:
    """Holes of one name about which the same is to be said, each list in order."""
    groups: dict[tuple[object, ...], list[Hole]] = {}
    for hole in found:
        key = (hole.entry.alias or hole.entry.cve, hole.entry.state, hole.windows, hole.messages)
        groups.setdefault(key, []).append(hole)
    return list(groups.values())


def _rank(hole: Hole, attacked: set[str]) -> tuple[bool, bool, int, str]:
    state = hole.entry.state
    return hole.entry.cve not in attacked, not hole.used, _ORDER.index(state) if state in _ORDER else 9, ""


def rest(found: Sequence[Hole]) -> dict[str, int]:
    """How many holes are in which state, for the ones that are only counted."""
    states = Counter(hole.entry.state for hole in found)
    return {"count": len(found), **{state: states[state] for state in _ORDER}}


def window_text(window: ExposureWindow, catalogue: Catalogue) -> str:
    """`open 2021-02-21 00:00 – 2021-04-20 00:00`."""
    start = minute(window.start) if window.start else catalogue.text("ui.before-evidence")
    end = minute(window.end) if window.end else catalogue.text("ui.end-of-evidence")
    return f"{catalogue.name('exposure.state', window.state)}{catalogue.text('ui.colon')}{start} – {end}"


def ordered_mitigations(server: ServerExamination) -> tuple[Mitigation, ...]:
    """In place first, not visible last."""
    return tuple(
        sorted(
            server.mitigations, key=lambda one: _MITIGATIONS.index(one.state) if one.state in _MITIGATIONS else len(_MITIGATIONS)
        )
    )


def since_text(one: Mitigation, catalogue: Catalogue) -> str:
    """Since when a mitigation is seen, and when it was not yet; "" where nothing tells."""
    parts = []
    if one.since is not None:
        parts.append(catalogue.text("ui.since", time=moment(one.since, catalogue)))
    if one.not_before is not None:
        parts.append(catalogue.text("ui.not-before", time=moment(one.not_before, catalogue)))
    return catalogue.text("ui.list-separator").join(parts)


def protection_text(one: Protection, catalogue: Catalogue) -> str:
    """How a virtual directory's Extended Protection stands to what is recommended."""
    parts = [catalogue.name("protection.grade", one.grade)]
    parts += [catalogue.text("protection.grade.ssl")] if one.ssl_lacking and one.expected != "None" else []
    parts += [catalogue.text("protection.grade.list")] if one.allow_list else []
    return catalogue.text("ui.list-separator").join(parts)
