"""Registry hives (regf): keys and values by path, as stored on disk. Read-only; hostile input gives notices, never errors.

Format: a base block of 4096 bytes, then cells addressed from behind it; `nk` keys with subkeys in `lf`, `lh`, `li` or
`ri` lists and values in `vk` cells, big values in `db` cells (source: M. Suhanov's specification of the format). What is
only in the transaction logs is not read: a hive whose two sequence numbers differ says so in a notice.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from afterpatch.model import Notice

BASE = 4096
MAX_DEPTH = 40  # lists inside lists, keys inside keys
MAX_SUBKEYS = 200_000
MAX_VALUE = 1 << 20
MAX_CELLS = 3_000_000  # cells that are read of one hive: keys that name each other would have no end
_NONE = 0xFFFFFFFF
_SEGMENT = 16344
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
SZ, EXPAND_SZ, BINARY, DWORD, MULTI_SZ, QWORD = 1, 2, 3, 4, 7, 11


@dataclass(frozen=True, slots=True)
class Key:
    """A key: its name, when it was last written (None: not readable), and where it lies."""

    name: str
    written: datetime | None
    offset: int


@dataclass(frozen=True, slots=True)
class Value:
    """A value. `kind` is the registry's number (SZ, DWORD ...); `data` its bytes, at most MAX_VALUE of them."""

    name: str
    kind: int
    data: bytes

    @property
    def text(self) -> str:
        """A string value's text up to its end; "" for other kinds."""
        if self.kind not in (SZ, EXPAND_SZ, MULTI_SZ):
            return ""
        return self.data.decode("utf-16-le", "replace").partition("\0")[0]

    @property
    def number(self) -> int | None:
        """A DWORD or QWORD value's number."""
        if self.kind == DWORD and len(self.data) >= 4:
            return int.from_bytes(self.data[:4], "little")
        if self.kind == QWORD and len(self.data) >= 8:
            return int.from_bytes(self.data[:8], "little")
        return None


class Hive:
    """A hive in memory. `usable` is False where it has no root key; `written` is the base block's time."""

    def __init__(self, data: bytes, path: str) -> None:
        self._data = data
        self.notices: list[Notice] = []
        self.written: datetime | None = None
        self._root = _NONE
        self._broken = 0
        self._left = MAX_CELLS
        if len(data) < BASE or data[:4] != b"regf":
            self.notices.append(Notice(path, "", "notice.hive-head"))
            return
        first, second, moment = struct.unpack_from("<IIQ", data, 4)
        self.written = filetime(moment)
        self._root = struct.unpack_from("<I", data, 36)[0]
        if first != second:
            self.notices.append(Notice(path, "", "notice.hive-dirty"))
        if self.root is None:
            self.notices.append(Notice(path, "", "notice.hive-head"))

    @property
    def broken(self) -> int:
        """How many cells could not be read so far."""
        return self._broken

    @property
    def exhausted(self) -> bool:
        """Whether the hive was not read to its end because it names too many cells."""
        return self._left < 0

    @property
    def root(self) -> Key | None:
        """The root key."""
        return self._key(self._root)

    def key(self, *path: str) -> Key | None:
        """The key at a path below the root; names are compared without case."""
        here = self.root
        for name in path:
            if here is None:
                return None
            wanted = name.lower()
            here = next((one for one in self.subkeys(here) if one.name.lower() == wanted), None)
        return here

    def subkeys(self, key: Key) -> Iterator[Key]:
        """The keys below a key, in stored order."""
        cell = self._cell(key.offset)
        if len(cell) < 76:
            return
        count, offset = struct.unpack_from("<I4xI", cell, 20)
        if count and offset != _NONE:
            for place in self._listed(offset, min(count, MAX_SUBKEYS), 0):
                found = self._key(place)
                if found is not None:
                    yield found

    def values(self, key: Key) -> Iterator[Value]:
        """The values of a key, in stored order."""
        cell = self._cell(key.offset)
        if len(cell) < 76:
            return
        count, offset = struct.unpack_from("<II", cell, 36)
        listed = self._cell(offset) if count and offset != _NONE else b""
        for place in range(min(count, len(listed) // 4, MAX_SUBKEYS)):
            found = self._value(struct.unpack_from("<I", listed, place * 4)[0])
            if found is not None:
                yield found

    def value(self, key: Key | None, name: str) -> Value | None:
        """One value by its name, without case."""
        if key is None:
            return None
        return next((one for one in self.values(key) if one.name.lower() == name.lower()), None)

    def _cell(self, offset: int) -> bytes:
        """The content of a cell; empty where there is none."""
        place = BASE + offset
        self._left -= 1
        if self._left < 0:
            return b""
        if offset == _NONE or place + 4 > len(self._data):
            self._broken += offset != _NONE
            return b""
        size = -struct.unpack_from("<i", self._data, place)[0]
        if size < 8 or place + size > len(self._data):
            self._broken += 1
            return b""
        return self._data[place + 4 : place + size]

    def _key(self, offset: int) -> Key | None:
        cell = self._cell(offset)
        if len(cell) < 76 or cell[:2] != b"nk":
            self._broken += bool(cell)
            return None
        flags, moment = struct.unpack_from("<HQ", cell, 2)
        length = struct.unpack_from("<H", cell, 72)[0]
        return Key(_name(cell[76 : 76 + length], ascii_=bool(flags & 0x20)), filetime(moment), offset)

    def _listed(self, offset: int, most: int, depth: int) -> Iterator[int]:
        """The offsets a subkey list names, at most `most`."""
        cell = self._cell(offset)
        kind, given = cell[:2], 0
        width = {b"lf": 8, b"lh": 8, b"li": 4, b"ri": 4}.get(kind, 0)
        if len(cell) < 4 or not width or depth > MAX_DEPTH:
            self._broken += bool(cell)
            return
        count = min(struct.unpack_from("<H", cell, 2)[0], (len(cell) - 4) // width)
        for place in range(count):
            target = struct.unpack_from("<I", cell, 4 + place * width)[0]
            for one in self._listed(target, most - given, depth + 1) if kind == b"ri" else (target,):
                if given == most:
                    return
                given += 1
                yield one

    def _value(self, offset: int) -> Value | None:
        cell = self._cell(offset)
        if len(cell) < 20 or cell[:2] != b"vk":
            self._broken += bool(cell)
            return None
        length, size, place, kind, flags = struct.unpack_from("<HIIIH", cell, 2)
        name = _name(cell[20 : 20 + length], ascii_=bool(flags & 1))
        if size & 0x80000000:
            return Value(name, kind, cell[8 : 8 + min(size & 0x7FFFFFFF, 4)])
        return Value(name, kind, self._content(place, min(size, MAX_VALUE)))

    def _content(self, offset: int, size: int) -> bytes:
        cell = self._cell(offset) if size else b""
        if size <= _SEGMENT or cell[:2] != b"db" or len(cell) < 8:
            return cell[:size]
        count, listed = struct.unpack_from("<HI", cell, 2)
        places = self._cell(listed)
        parts: list[bytes] = []
        for place in range(min(count, len(places) // 4, MAX_VALUE // _SEGMENT + 1)):
            parts.append(self._cell(struct.unpack_from("<I", places, place * 4)[0])[:_SEGMENT])
        return b"".join(parts)[:size]


def filetime(value: int) -> datetime | None:
    """Hundreds of nanoseconds since 1601 as UTC; None for 0 and what no calendar holds."""
    if not value:
        return None
    try:
        return _EPOCH + timedelta(microseconds=value // 10)
    except OverflowError:
        return None


def _name(data: bytes, *, ascii_: bool) -> str:
    return data.decode("latin-1") if ascii_ else data.decode("utf-16-le", "replace")
