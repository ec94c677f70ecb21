"""One line or event, with the way back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Record:
    """A parsed line. `fields` keeps the log's own column names; `line` counts from 1, `offset` in bytes from the
    start of the (uncompressed) artifact. A column the log does not carry is absent from `fields`; an empty one is ""."""

    kind: str
    line: int
    offset: int
    time: datetime | None
    fields: Mapping[str, str]
    raw: str
