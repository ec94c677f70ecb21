"""Any event log to its records: what it is, its content tells."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from afterpatch.parsers.events.chunks import FILE_MAGIC, HEADER_SIZE, MAGIC
from afterpatch.parsers.events.csvevents import csv_events, header_of
from afterpatch.parsers.events.evtx import evtx_batches
from afterpatch.parsers.events.jsontext import JsonObject, json_objects
from afterpatch.parsers.events.normal import from_json
from afterpatch.parsers.events.record import BadEvent, EventRecord
from afterpatch.parsers.events.shapes import events_of
from afterpatch.parsers.events.unicode import Utf8
from afterpatch.parsers.events.xmlevents import xml_events

HEAD = 1 << 16
_EVENT = re.compile(rb"<Event[\s>]")
_MARKS = (b'"Event":{', b'"winlog":{', b'"EventID":', b'"EventCode":', b'"EventId":', b'"ProviderName":')


def format_of(head: bytes) -> str:
    """evtx | json | xml | csv | "" by the first HEAD bytes."""
    if head.startswith((FILE_MAGIC, MAGIC)) or head[HEADER_SIZE:].startswith(MAGIC):
        return "evtx"
    text = _plain(head)
    if text.startswith(b"<") and _EVENT.search(text):
        return "xml"
    if text.startswith((b"{", b"[")):
        return "json"
    if text.startswith(b"Record "):  # evtx_dump writes a line `Record 7` before each record
        following = text.partition(b"\n")[2].lstrip()
        return "xml" if following.startswith(b"<") else "json" if following.startswith(b"{") else ""
    return "csv" if header_of(text.decode("utf-8", "replace")) is not None else ""


def _plain(head: bytes) -> bytes:
    """The head as UTF-8, without a byte order mark and leading spaces."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "replace").encode("utf-8", "replace")
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()


def looks_like_events(head: bytes) -> bool:
    """Whether the first bytes of a file (some 64 KiB) are those of an event log: EVTX, or an export whose first record
    is an event. For files whose name does not tell."""
    form = format_of(head)
    if form != "json":
        return form in ("evtx", "xml", "csv")
    text = _plain(head)
    item = next(json_objects(io.BytesIO(text)), None)
    if isinstance(item, JsonObject):
        return next(events_of(item.value, (1, 0), ""), None) is not None
    return item is not None and any(mark in text for mark in _MARKS)  # the first record is longer than the head


class Ahead(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        super().__init__()
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, room: object) -> int:
        view = memoryview(room).cast("B")  # type: ignore[arg-type]
        data = self._head[: len(view)] or self._stream.read(len(view))
        self._head = self._head[len(view) :]
        view[: len(data)] = data
        return len(data)


def with_head(stream: BinaryIO) -> tuple[bytes, BinaryIO]:
    """(the first HEAD bytes, a stream that still has them)."""
    head = b""
    while len(head) < HEAD and (part := stream.read(HEAD - len(head))):
        head += part
    return head, io.BufferedReader(Ahead(head, stream), 1 << 20)


def exported_events(stream: BinaryIO, form: str) -> Iterator[EventRecord | BadEvent]:
    """The records of a JSON or XML export. Positions that are no record are BadEvents; none is passed over."""
    if form == "xml":
        yield from xml_events(stream)
        return
    if form == "csv":
        yield from csv_events(stream)
        return
    for item in json_objects(io.BufferedReader(Utf8(stream), 1 << 20)):
        if isinstance(item, BadEvent):
            yield item
            continue
        raw = item.data.decode("utf-8", "replace")
        for record in events_of(item.value, (item.line, item.offset), raw):
            yield record if record is not None else BadEvent(item.offset, "event-shape")


def read_events(source: str | Path | bytes | BinaryIO) -> Iterator[EventRecord | BadEvent]:
    """Every record of an event log, in the order of the file: the exact, slow reader.

    `source`: a path, the content, or a stream that need not be seekable. A file that is no event log gives one
    BadEvent (`event-shape`). Raises OSError and what the stream raises."""
    if isinstance(source, str | Path):
        with Path(source).open("rb") as opened:
            yield from read_events(opened)
        return
    head, stream = with_head(io.BytesIO(source) if isinstance(source, bytes) else source)
    form = format_of(head)
    if form == "evtx":
        yield from _evtx(stream)
    elif form:
        yield from exported_events(stream, form)
    elif head:
        yield BadEvent(0, "event-shape")


def _evtx(stream: BinaryIO) -> Iterator[EventRecord | BadEvent]:
    for batch in evtx_batches(stream):
        for number, text in batch.events:
            offset = batch.offset_of(number)
            yield from_json(text, (number, offset)) or BadEvent(offset, "event-json")
        yield from batch.bad


__all__ = ["exported_events", "format_of", "looks_like_events", "read_events", "with_head"]
