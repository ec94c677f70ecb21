"""Writes EVTX files: plain ones, as the public description of the format has them, the same bytes for the same events.

Each record is binary XML without a template: names stand where they are first used in a chunk, all values are text.
Source of the format: libyal's description of the Windows XML Event Log (EVTX) format.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

CHUNK = 65_536
FIRST = 512  # where the records of a chunk begin
NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)

Node: TypeAlias = "tuple[str, Mapping[str, str], str | Sequence[Node]]"  # name, attributes, text or children


@dataclass(frozen=True, slots=True)
class Record:
    """One event. `data`: named values of EventData; `values`: values without names; `user`: the name of the element in
    UserData that holds `data`, "" for EventData."""

    time: datetime
    provider: str
    event_id: int
    channel: str
    computer: str
    data: Mapping[str, str] = field(default_factory=dict)
    values: Sequence[str] = ()
    level: int = 4
    user: str = ""

    def node(self, number: int) -> Node:
        """The event as the tree of its XML."""
        moment = self.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        system: list[Node] = [
            ("Provider", {"Name": self.provider}, ""), ("EventID", {}, str(self.event_id)), ("Version", {}, "0"),
            ("Level", {}, str(self.level)), ("Task", {}, "0"), ("Opcode", {}, "0"), ("Keywords", {}, "0x8000000000000000"),
            ("TimeCreated", {"SystemTime": moment}, ""), ("EventRecordID", {}, str(number)), ("Correlation", {}, ""),
            ("Execution", {"ProcessID": "4", "ThreadID": "8"}, ""), ("Channel", {}, self.channel),
            ("Computer", {}, self.computer), ("Security", {}, ""),
        ]  # fmt: skip
        named: list[Node] = [(name, {}, value) for name, value in self.data.items()]
        if self.user:
            data: Node = ("UserData", {}, [(self.user, {}, named)])
        else:
            given: list[Node] = [("Data", {"Name": name}, value) for name, value in self.data.items()]
            data = ("EventData", {}, [*given, *(("Data", {}, value) for value in self.values)])
        return ("Event", {"xmlns": NAMESPACE}, [("System", {}, system), data])


class _Chunk:
    """The bytes of one chunk while it is filled."""

    def __init__(self) -> None:
        self.data = bytearray(FIRST)
        self.names: dict[str, int] = {}
        self.buckets = [0] * 64
        self.first = self.last = self.last_offset = 0

    def add(self, record: Record, number: int) -> bool:
        """Writes a record. False, and nothing changed, where there is no room for it."""
        kept = len(self.data), dict(self.names), list(self.buckets)
        start = len(self.data)
        moment = (record.time.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) * 10
        self.data += struct.pack("<4sIQQ", b"**\0\0", 0, number, moment) + b"\x0f\x01\x01\x00"
        self._element(record.node(number))
        self.data += b"\0"
        self.data += b"\0" * (-(len(self.data) - start + 4) % 8)
        size = len(self.data) - start + 4
        self.data += struct.pack("<I", size)
        struct.pack_into("<I", self.data, start + 4, size)
        if len(self.data) > CHUNK:
            del self.data[kept[0] :]
            self.names, self.buckets = kept[1], kept[2]
            return False
        self.first, self.last, self.last_offset = self.first or number, number, start
        return True

    def _name(self, name: str) -> None:
        """A reference to a name, and the name itself where it is new."""
        here = len(self.data) + 4
        at = self.names.setdefault(name, here)
        self.data += struct.pack("<I", at)
        if at != here:
            return
        value = 0
        for char in name:
            value = value * 65_599 + ord(char) & 0xFFFFFFFF
        bucket = (value & 0xFFFF) % 64
        self.data += struct.pack("<IHH", self.buckets[bucket], value & 0xFFFF, len(name)) + name.encode("utf-16-le") + b"\0\0"
        self.buckets[bucket] = at

    def _text(self, text: str) -> None:
        raw = text.encode("utf-16-le", "surrogatepass")[: 2 * 0x7FFF]
        self.data += struct.pack("<BBH", 0x05, 0x01, len(raw) // 2) + raw

    def _sized(self) -> int:
        self.data += b"\0\0\0\0"
        return len(self.data)

    def _close(self, start: int) -> None:
        struct.pack_into("<I", self.data, start - 4, len(self.data) - start)

    def _element(self, node: Node) -> None:
        name, attributes, inner = node
        self.data += b"\x41" if attributes else b"\x01"  # outside of templates no dependency follows
        start = self._sized()
        self._name(name)
        if attributes:
            listed = self._sized()
            for left, (key, value) in zip(range(len(attributes) - 1, -1, -1), attributes.items(), strict=True):
                self.data += b"\x46" if left else b"\x06"
                self._name(key)
                self._text(value)
            self._close(listed)
        if not inner:
            self.data += b"\x03"
        else:
            self.data += b"\x02"
            if isinstance(inner, str):
                self._text(inner)
            else:
                for child in inner:
                    self._element(child)
            self.data += b"\x04"
        self._close(start)

    def finished(self) -> bytes:
        """The chunk with its header."""
        body = bytes(self.data[FIRST:])
        head = struct.pack("<8s4QI", b"ElfChnk\0", self.first, self.last, self.first, self.last, 128)
        head += struct.pack("<III", self.last_offset, len(self.data), zlib.crc32(body))
        table = struct.pack("<64I", *self.buckets).ljust(FIRST - 128, b"\0")
        head = head.ljust(124, b"\0")
        return (head + struct.pack("<I", zlib.crc32(head[:120] + table)) + table + body).ljust(CHUNK, b"\0")


def evtx_bytes(records: Iterable[Record], *, first: int = 1, numbers: Sequence[int] = ()) -> bytes:
    """A whole EVTX file. Records are numbered from `first`, or by `numbers`. Raises ValueError for a record that fits
    into no chunk."""
    chunks, current, number = [], _Chunk(), first
    for place, record in enumerate(records):
        number = numbers[place] if numbers else first + place
        if not current.add(record, number):
            chunks.append(current.finished())
            current = _Chunk()
            if not current.add(record, number):
                raise ValueError("an event of more than 64 KiB cannot be written")
    chunks.append(current.finished())
    head = struct.pack("<8sQQQIHHHH", b"ElfFile\0", 0, len(chunks) - 1, number + 1, 128, 1, 3, 4096, len(chunks))
    head = head.ljust(120, b"\0")
    return (head + struct.pack("<II", 0, zlib.crc32(head))).ljust(4096, b"\0") + b"".join(chunks)


__all__ = ["Record", "evtx_bytes"]
