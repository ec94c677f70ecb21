"""CSV exports (EvtxECmd, Splunk, Kibana, NXLog, `Export-Csv`): each row is an object of its columns, told by its shape."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO

from afterpatch.parsers.events.record import BadEvent, EventRecord
from afterpatch.parsers.events.shapes import Object, events_of
from afterpatch.parsers.events.unicode import utf8

MAX_FIELD = 4 << 20
MAX_COLUMNS = 2_048
DELIMITERS = (",", ";", "\t")
# Sets of columns that only tables of events have.
_TABLES = (
    frozenset(("EventId", "Provider", "Channel", "Payload")),
    frozenset(("EventCode", "LogName")),
    frozenset(("EventCode", "SourceName")),
    frozenset(("EventID", "Channel")),
    frozenset(("EventID", "SourceName")),
    frozenset(("Id", "ProviderName", "LogName")),
    frozenset(("winlog.channel", "winlog.event_id")),
    frozenset(("winlog.channel", "event.code")),
    frozenset(("event_id", "log_name", "source_name")),
    frozenset(("_raw", "sourcetype")),
)


def table_of(line: str) -> tuple[str, list[str]] | None:
    """(delimiter, columns) of a header row that names the columns of events, None where it does not."""
    for delimiter in DELIMITERS:
        if delimiter not in line:
            continue
        try:
            columns = [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
        except csv.Error:
            return None
        if any(table <= set(columns) for table in _TABLES):
            return delimiter, columns[:MAX_COLUMNS]
    return None


def header_of(text: str) -> tuple[str, list[str]] | None:
    """The same for the first lines of a file: `#TYPE` of Export-Csv and `sep=` of a spreadsheet may stand before."""
    for line in text.splitlines()[:3]:
        if line.strip() and not line.startswith(("#TYPE", "sep=")):
            return table_of(line)
    return None


class _Lines:
    """The lines of a stream as text, with the place of the next one. NULs are dropped."""

    def __init__(self, stream: BinaryIO) -> None:
        self._parts = utf8(stream)
        self.offset = 0
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        rest = b""
        for part in self._parts:
            *whole, rest = (rest + part).split(b"\n")
            for line in whole:
                yield self._given(line + b"\n")
        if rest:
            yield self._given(rest)

    def _given(self, line: bytes) -> str:
        self.offset += len(line)
        self.number += 1
        return line.decode("utf-8", "replace").replace("\0", "")


def csv_events(stream: BinaryIO) -> Iterator[EventRecord | BadEvent]:
    """Every row as an event. Rows with other than the header's columns are read as far as they go; rows that are no
    event are BadEvents. Offsets are those of the text as UTF-8."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD))
    lines = _Lines(stream)
    given = iter(lines)
    found = None
    for line in given:
        if line.strip() and not line.startswith(("#TYPE", "sep=")):
            found = table_of(line)
            break
    if found is None:
        yield BadEvent(0, "event-shape")
        return
    delimiter, columns = found
    rows = csv.reader(given, delimiter=delimiter)
    while True:
        place = (lines.number + 1, lines.offset)
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield BadEvent(place[1], "event-too-long")
            continue
        if row:
            yield from _of_row(dict(zip(columns, row, strict=False)), place, delimiter.join(row))


def _of_row(row: Object, place: tuple[int, int], raw: str) -> Iterator[EventRecord | BadEvent]:
    for record in events_of(row, place, raw):
        yield record if record is not None else BadEvent(place[1], "event-shape")
