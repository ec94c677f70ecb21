"""What the user asked for, as a plain value that workers can be given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Options:
    """`rules`, `yara`: folders of the user's own; `intel`, `baselines`: files. `since`/`until` bound the question's period."""

    rules: tuple[str, ...] = ()
    yara: tuple[str, ...] = ()
    intel: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    jobs: int = 0
