"""What was there to be seen, from when to when, with which gaps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a log that should have rows has none. `cause`: silence | missing-file | missing-instance."""

    start: datetime
    end: datetime
    cause: str = "silence"


@dataclass(frozen=True, slots=True)
class ChannelCoverage:
    """One channel of the event logs. `missing`: records that the numbers before and after say were there; None where
    numbers tell nothing (selected or forwarded events)."""

    channel: str
    records: int
    first: datetime | None = None
    last: datetime | None = None
    gaps: tuple[Gap, ...] = ()
    missing: int | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """All files of one artifact kind on one server. `records + bad` equals the lines that are not headers."""

    artifact: str
    files: int
    records: int
    bytes: int
    first: datetime | None = None
    last: datetime | None = None
    gaps: tuple[Gap, ...] = ()
    unreadable: int = 0
    bad: int = 0
    lines: int = 0
    header_lines: int = 0
    missing_instances: tuple[str, ...] = ()
    oldest_name: str = ""
    channels: tuple[ChannelCoverage, ...] = ()
