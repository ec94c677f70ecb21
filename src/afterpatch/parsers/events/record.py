"""One event of a Windows event log in the one form that all readers give, and what could not become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

# Why a record of an event log could not be read. The scan counts under the same words.
BAD_REASONS = (
    "event-record",  # a record that is there but cannot be decoded, or that its chunk says it holds and does not
    "event-chunk",  # 64 KiB that hold something, but neither a chunk nor a record
    "event-cut",  # the file ends inside a chunk
    "event-slack",  # whole records beyond the end of a chunk's data: left from earlier, not read
    "event-json",  # text that is no JSON object
    "event-xml",  # text that is no XML event
    "event-shape",  # an object that is no event of a known shape
    "event-too-long",  # an object of more than MAX_OBJECT bytes
)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event.

    `record_id`: the log's own number, 0 where there is none. `offset`: bytes from the start of the artifact. `time`:
    aware UTC, None where the record tells none that can be believed. `level`: 0 (always) to 5, -1 unknown.
    `fields`: the values of EventData and UserData by their own names, positional ones by the names of positional.yml
    and all of them in `Data`; besides `Provider_Name EventID Channel Computer Level EventRecordID Keywords Task
    Opcode Version Execution_ProcessID UserID Message` as far as the record has them. Numbers are decimal, truth
    values true or false, an empty value is "".
    `raw`: the record as text (JSON or XML)."""

    record_id: int
    offset: int
    time: datetime | None
    provider: str
    channel: str
    event_id: int
    level: int
    computer: str
    fields: Mapping[str, str]
    raw: str


@dataclass(frozen=True, slots=True)
class BadEvent:
    """Something that should be a record. `reason` is one of BAD_REASONS; `count`: how many records it stands for."""

    offset: int
    reason: str
    count: int = 1
    detail: str = ""
