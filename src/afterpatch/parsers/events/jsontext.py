"""Where one JSON object of a text ends and the next begins: lines, arrays and objects spread over lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import orjson

from afterpatch.parsers.events.record import BadEvent

MAX_OBJECT = 8 << 20
_READ = 1 << 20
_TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.)*+"|[{}]|"|\n(?=\{)')
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class JsonObject:
    """One object with its place and its text."""

    offset: int
    line: int
    value: object
    data: bytes


def json_objects(stream: BinaryIO) -> Iterator[JsonObject | BadEvent]:
    """All objects. Where the first line is a whole object every line is one; else objects are found by their braces."""
    first = stream.readline(MAX_OBJECT)
    plain = first.removeprefix(_BOM)
    if plain.lstrip().startswith(b"{") and _loads(plain.strip().rstrip(b",")) is not None:
        yield from _lines(stream, first)
    else:
        yield from _spread(stream, first)


def _loads(data: bytes) -> object | None:
    for text in (data, data.decode("utf-8", "replace")):  # the second form: bytes that are no UTF-8
        try:
            loaded: object = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        return loaded
    return None


def _lines(stream: BinaryIO, line: bytes) -> Iterator[JsonObject | BadEvent]:
    at = number = 0
    while line:
        number += 1
        size = len(line)
        if size >= MAX_OBJECT and not line.endswith(b"\n"):
            size += _skip_line(stream)
            yield BadEvent(at, "event-too-long")
        else:
            text = line.removeprefix(_BOM).strip().rstrip(b",")
            if text:
                value = _loads(text)
                yield BadEvent(at, "event-json") if value is None else JsonObject(at, number, value, text)
        at += size
        line = stream.readline(MAX_OBJECT)


def _skip_line(stream: BinaryIO) -> int:
    skipped = 0
    while part := stream.readline(_READ):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped


def _spread(stream: BinaryIO, first: bytes) -> Iterator[JsonObject | BadEvent]:
    buffer, at, number = first, 0, 0
    more = True
    while more or buffer:
        part = stream.read(_READ) if more else b""
        more = bool(part)
        buffer += part
        taken = 0
        for start, end, whole in _objects(buffer, last=not more):
            number += 1
            data = buffer[start:end]
            value = _loads(data) if whole else None
            if value is None:
                yield BadEvent(at + start, "event-json")
            else:
                yield JsonObject(at + start, number, value, data)
            taken = end
        if not more:
            return
        buffer, at = buffer[taken:], at + taken
        if len(buffer) > MAX_OBJECT:
            yield BadEvent(at, "event-too-long")
            buffer, at = b"", at + len(buffer)


def _objects(buffer: bytes, *, last: bool) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whole) of the objects of a buffer, by braces outside of strings. An unclosed string or an object
    that begins at a line's start inside another ends the one before: it is not whole."""
    depth = start = 0
    for token in _TOKEN.finditer(buffer):
        what = token[0]
        if what == b"{":
            if depth == 0:
                start = token.start()
            depth += 1
        elif what == b"}" and depth:
            depth -= 1
            if depth == 0:
                yield start, token.end(), True
        elif what == b"\n" and depth:
            yield start, token.start(), False
            depth = 0
    if depth and last:
        yield start, len(buffer), False
