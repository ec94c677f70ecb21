"""A log as pieces that end at a line end, in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

CHUNK = 1 << 20  # bytes read at once: what a core's cache holds; larger pieces halve the speed
LONGEST = 8 << 20  # bytes without a line feed after which the slow reader takes over


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines (the last one of a stream may lack its line feed); `offset` of the first byte in the stream.
    `data` is a view of a buffer that the next chunk overwrites.
    `endless`: no line feed came within LONGEST bytes; the rest of the stream is the slow reader's."""

    data: memoryview
    offset: int
    endless: bool = False


class Counted:
    """A stream that is hashed and bounded as it is read."""

    def __init__(self, stream: BinaryIO, *, hashed: bool, limit: int | None = None) -> None:
        self._stream = stream
        self._digest = hashlib.sha256() if hashed else None
        self._left = limit
        self._fill: Callable[[memoryview], int] = stream.readinto  # type: ignore[attr-defined]
        self.bytes = 0

    def read(self, size: int) -> bytes:
        if self._left is not None:
            size = min(size, self._left)
        data = self._stream.read(size) if size else b""
        if self._left is not None:
            self._left -= len(data)
        if self._digest is not None:
            self._digest.update(data)
        self.bytes += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Fills the buffer from the start, as far as one read goes; 0 at the end."""
        if self._left is not None:
            buffer = buffer[: self._left]
        size = self._fill(buffer) if len(buffer) else 0
        if self._left is not None:
            self._left -= size
        if self._digest is not None:
            self._digest.update(buffer[:size])
        self.bytes += size
        return size

    @property
    def sha256(self) -> str:
        """Of what was read; "" where it was not hashed."""
        return self._digest.hexdigest() if self._digest is not None else ""


class Joined:
    """Bytes already read, then the stream they came from: what the slow reader goes on with."""

    def __init__(self, head: bytes, stream: Counted) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int = 1 << 16) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._stream.read(size)


UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@lru_cache(maxsize=1)
def _buffer(size: int) -> bytearray:
    """The buffer of this process: one log is read at a time."""
    return bytearray(size)


def chunks(stream: Counted, size: int = CHUNK) -> Iterator[Chunk]:
    """Pieces of about `size` bytes, cut behind a line feed, in one buffer that is used again and again."""
    buffer = _buffer(size)
    rest, offset = 0, 0  # bytes of an unfinished line at the start of the buffer
    while True:
        if rest > len(buffer) // 2:
            if rest > LONGEST:
                yield Chunk(memoryview(buffer)[:rest], offset, endless=True)
                return
            buffer = buffer + bytearray(len(buffer))
        room = memoryview(buffer)
        read = stream.readinto(room[rest:])
        end = rest + read
        if not read:
            if end:
                yield Chunk(room[:end], offset)
            return
        if not offset and bytes(buffer[:2]) in UTF_16:  # a 0x0a byte is no line end there: the slow reader takes all
            yield Chunk(room[:end], 0, endless=True)
            return
        cut = buffer.rfind(b"\n", rest, end) + 1
        if cut:
            yield Chunk(room[:cut], offset)
            offset += cut
            buffer[: end - cut] = buffer[cut:end]
            rest = end - cut
        else:
            rest = end
