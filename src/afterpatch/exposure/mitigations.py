"""Mitigations as configuration shows them, and since when, where copies of the configuration tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from afterpatch.exposure.protection import Protection, protection_mitigation, protections
from afterpatch.exposure.rewrite import rewrite_mitigations
from afterpatch.exposure.settings import setting_mitigations
from afterpatch.exposure.view import STATES, ConfigurationView, EemsEvent, IisFile, MitigationState, WebFile
from afterpatch.knowledge.builds import Build

__all__ = [
    "STATES",
    "ConfigurationView",
    "EemsEvent",
    "IisFile",
    "MitigationState",
    "Protection",
    "WebFile",
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
    ordered = sorted(views, key=lambda view: view.time or _NEVER)
    if not ordered:
        return mitigation_states(ConfigurationView(), build)
    series = [mitigation_states(view, build if view is ordered[-1] else None) for view in ordered]
    return tuple(_over_time(ordered, [states[place] for states in series]) for place in range(len(series[-1])))


def _over_time(views: Sequence[ConfigurationView], states: Sequence[MitigationState]) -> MitigationState:
    shown = [(view, one) for view, one in zip(views, states, strict=True) if one.state != "not-visible"]
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
    return replace(last, since=since, not_before=not_before)
