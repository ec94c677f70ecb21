"""What those who work tell those who show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """What the command line shows: a stage (message key) with its work in bytes, and what is done of it. `idle` is
    called once, where other processes read the logs and this one waits."""

    start: Callable[[str, int], None] = lambda _stage, _total: None
    step: Callable[[int], None] = lambda _done: None
    idle: Callable[[], None] = lambda: None
