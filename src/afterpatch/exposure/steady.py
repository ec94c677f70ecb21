"""What a reading sets from its moment on, and times in which old and new builds stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from afterpatch.exposure.history import SETTLING

BRIEF = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Point:
    """A moment from which on a state is known; `basis` as in Window.start_basis."""

    time: datetime | None
    state: str
    basis: str
    branch: tuple[int, ...] = ()
    proof: bool = False


def steady(points: Sequence[Point]) -> list[Point]:
    """The points, where services restart one by one into an update: while open readings still come within hours of the
    first closed one, the hole counts as open. At the end, too, where the last closed readings are but moments old."""
    runs = [list(run) for _state, run in groupby(points, key=lambda point: point.state)]
    mixed = False
    for place, run in enumerate(runs):
        if run[0].state != "closed" or place == 0 or runs[place - 1][0].state != "open":
            mixed = mixed and run[0].state == "open"
            continue
        after = runs[place + 1][0] if place + 1 < len(runs) else None
        if after is None:
            brief = mixed and _span(run[0], run[-1]) < BRIEF
            runs[place] = _opened(run) if brief else run
        elif after.state == "open" and after.proof and _span(run[0], after) < SETTLING:
            runs[place], mixed = _opened(run), True
        else:
            mixed = False
    return [point for run in runs for point in run]


def _span(first: Point, last: Point) -> timedelta:
    return last.time - first.time if first.time is not None and last.time is not None else timedelta.max


def _opened(run: Sequence[Point]) -> list[Point]:
    return [replace(point, state="open", proof=False) for point in run]
