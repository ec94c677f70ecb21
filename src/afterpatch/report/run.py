"""What is true of one run and of nothing else: the only part of a document that differs between two runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RunInfo:
    """`started` and `finished` are aware UTC times, `command` the command line as it was typed."""

    version: str
    rules_version: str
    started: datetime | None
    finished: datetime | None
    command: str
