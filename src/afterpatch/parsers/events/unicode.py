"""Text of exports as UTF-8: PowerShell 5 writes UTF-16."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

_READ = 1 << 20


def utf8(stream: BinaryIO) -> Iterator[bytes]:
    """The stream as UTF-8 without its byte order mark, whatever that says."""
    first = stream.read(_READ)
    if not first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield first.removeprefix(codecs.BOM_UTF8)
        while part := stream.read(_READ):
            yield part
        return
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    part = first
    while part:
        yield decoder.decode(part).encode("utf-8", "replace")
        part = stream.read(_READ)


class Utf8(io.RawIOBase):
    """`utf8` as a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._parts, self._rest = utf8(stream), b""

    def readable(self) -> bool:
        return True

    def readinto(self, room: object) -> int:
        view = memoryview(room).cast("B")  # type: ignore[arg-type]
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._rest = part
        data = self._rest[: len(view)]
        self._rest = self._rest[len(view) :]
        view[: len(data)] = data
        return len(data)
