"""Mitigations as configuration shows them, and since when, where copies of the configuration tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from afterpatch.exposure.protection import Protection, protection_mitigation, protections
from afterpatch.exposure.rewrite import rewrite_mitigations
from afterpatch.exposure.settings import setting_mitigations
from afterpatch.exposure.view import STATES, ConfigurationView, EemsEvent, IisFile, MitigationState, WebFile
from afterpatch.knowledge.builds import Build
from afterpatch.knowledge.mitigations import Mitigation, mitigations, rule_forms
from afterpatch.model import message, to_iso

__all__ = [
    "STATES",
    "ConfigurationView",
    "EemsEvent",
    "IisFile",
    "MitigationState",
    "Protection",
    "WebFile",
    "dated",
    "mitigation_history",
    "mitigation_states",
    "protections",
]
_NEVER = datetime.max.replace(tzinfo=UTC)


def mitigation_states(view: ConfigurationView, build: Build | None = None) -> tuple[MitigationState, ...]:
    """Every known mitigation at one time. `build` is what the server ran then, where known. `since` is a file's last
    change, or the view's own time where that is not known."""
    found = (*rewrite_mitigations(view), protection_mitigation(view, build), *setting_mitigations(view, build))
    return tuple(
        replace(one, since=one.since or view.time) if one.state in ("in-place", "partial", "weak") else replace(one, since=None)
        for one in found
    )


def mitigation_history(views: Sequence[ConfigurationView], build: Build | None = None) -> tuple[MitigationState, ...]:
    """The states of the latest view, each with its start from the earlier ones: `since` is the first of the views in a
    row that show the same state, `not_before` the last one before that shows another. Views in which a mitigation is
    not visible are passed over; where the latest is such, the last that shows it counts."""
    ordered = sorted(views, key=lambda view: (view.order, view.time or _NEVER))
    if not ordered:
        return mitigation_states(ConfigurationView(), build)
    series = [mitigation_states(view, build if view is ordered[-1] else None) for view in ordered]
    return tuple(_over_time(ordered, [states[place] for states in series]) for place in range(len(series[-1])))


Shown = tuple[ConfigurationView, MitigationState]


def _over_time(views: Sequence[ConfigurationView], states: Sequence[MitigationState]) -> MitigationState:
    shown = [pair for pair in _gone(views, states) if pair[1].state != "not-visible"]
    if not shown:
        return states[-1]
    last = shown[-1][1]
    since, not_before = last.since, None
    for view, one in reversed(shown[:-1]):
        if one.state != last.state:
            not_before = view.time
            break
        since = min((time for time in (since, one.since, view.time) if time is not None), default=None)
    if last.state not in ("in-place", "partial", "weak"):
        since = None
    return replace(last, since=since, not_before=not_before, spans=tuple(_spans(shown)))


def _gone(views: Sequence[ConfigurationView], states: Sequence[MitigationState]) -> Iterator[Shown]:
    """The states, absent where a copy no longer holds what an earlier copy of the same file held: whether the rules stand
    in another file is not visible in a copy, but there they were not when this file had them."""
    stood = False
    for view, one in zip(views, states, strict=True):
        if one.state == "not-visible" and stood and view.iis is not None:
            yield view, replace(one, state="absent")
        else:
            stood = view.iis is not None and one.state in ("in-place", "partial", "weak") and one.path == view.iis.path
            yield view, one


def _spans(shown: Sequence[Shown]) -> Iterator[tuple[datetime, datetime | None]]:
    """When it was in place: from the first of the copies in a row that show it until the next that does not. A copy is
    written when the configuration changes, so what it shows holds until the next."""
    start: datetime | None = None
    for view, one in shown:
        moment = min((time for time in (one.since, view.time) if time is not None), default=None)
        if one.state == "in-place":
            start = start or moment
        elif start is not None:
            if view.time is not None and view.time > start:
                yield start, view.time
            start = None
    if start is not None:
        yield start, None


def dated(
    states: Sequence[MitigationState], changes: Sequence[EemsEvent], traces: Sequence[tuple[str, datetime]]
) -> tuple[MitigationState, ...]:
    """The states with an earlier start where logs tell one: an event about a change of the rules that names the rule or
    its pattern, or the file that the tool left behind (path, its own time)."""
    known = {one.id: one for one in mitigations()}
    return tuple(_dated(one, known[one.id], changes, traces) if one.id in known else one for one in states)


def _dated(
    state: MitigationState, known: Mitigation, changes: Sequence[EemsEvent], traces: Sequence[tuple[str, datetime]]
) -> MitigationState:
    if state.state not in ("in-place", "partial", "weak"):
        return state
    forms = [form for form in rule_forms() if form.id in known.needs_all]
    words = {name.lower() for form in forms for name in form.names} | {
        form.pattern.lower() for form in forms if form.direction == "inbound"
    }
    seen = [(one.time, one.path) for one in changes if any(word in one.text.lower() for word in words)]
    endings = [trace.rpartition("\\")[2].lower() for trace in known.traces]
    seen += [(time, path) for path, time in traces if path.rpartition("\\")[2].lower() in endings]
    usable = sorted(one for one in seen if state.not_before is None or one[0] >= state.not_before)
    if not usable or (state.since is not None and state.since <= usable[0][0]):
        return state
    time, path = usable[0]
    reason = message("exposure.mitigation.dated-by", path=path, time=to_iso(time))
    spans = ((time, None),) if state.state == "in-place" else state.spans
    return replace(state, since=time, reasons=(*state.reasons, reason), spans=spans)
