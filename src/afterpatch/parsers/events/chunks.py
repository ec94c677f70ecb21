"""The frame of an EVTX file: 64 KiB chunks after a header of 4 KiB, each on its own.

Format facts: libyal, "Windows XML Event Log (EVTX) format" (file header, chunk header, event record), read against
the public samples of the `evtx` library. A chunk's header says which record numbers it holds (bytes 8 and 16) and where
its data ends (48); every record begins with `2a 2a 00 00` and its size, and ends with the size again.

The file header is not needed: it may be stale (a log copied while open) or damaged; chunks are taken as they come.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

FILE_MAGIC = b"ElfFile\0"
MAGIC = b"ElfChnk\0"
RECORD = b"**\0\0"
HEADER_SIZE = 4096
CHUNK_SIZE = 65536
FIRST_RECORD = 512
LEAST_RECORD = 28
MOST_RECORDS = (CHUNK_SIZE - FIRST_RECORD) // LEAST_RECORD
_ZERO = bytes(CHUNK_SIZE)
_FREE_AT = 48
_SIZE_AND_NUMBER = struct.Struct("<IQ")


@dataclass(frozen=True, slots=True)
class Chunk:
    """64 KiB at `offset` (padded with zeros where the file ends earlier: `size` says how much is there). `whole`:
    begins with the magic."""

    offset: int
    data: bytes
    size: int
    whole: bool

    @property
    def declared(self) -> int:
        """How many records the header says there are; 0 where it says nothing that can be believed."""
        if not self.whole or self.empty:
            return 0
        first, last = self.numbers
        count = last - first + 1
        return count if 0 < count <= MOST_RECORDS else 0

    def places(self) -> dict[int, int]:
        """Record number -> where the record begins, as far as one follows the other without damage."""
        found: dict[int, int] = {}
        data, at, end = self.data, FIRST_RECORD, self.data_end - LEAST_RECORD
        while at <= end and data[at : at + 4] == RECORD:
            size, number = _SIZE_AND_NUMBER.unpack_from(data, at + 4)
            if size < LEAST_RECORD:
                break
            found[number] = at
            at += size
        return found

    @property
    def numbers(self) -> tuple[int, int]:
        """The first and the last record number by the header."""
        first, last = struct.unpack_from("<2Q", self.data, 8)
        return int(first), int(last)

    @property
    def empty(self) -> bool:
        """Whether the header says that no record was written yet."""
        return self.whole and self.data_end == FIRST_RECORD

    @property
    def data_end(self) -> int:
        """Where the records end by the header, in bytes from the chunk's start; the chunk's end where that is
        senseless."""
        if not self.whole:
            return CHUNK_SIZE
        end = int(struct.unpack_from("<I", self.data, _FREE_AT)[0])
        return end if FIRST_RECORD <= end <= CHUNK_SIZE else CHUNK_SIZE


@dataclass(frozen=True, slots=True)
class Spot:
    """A record inside a chunk: where it begins, its size and number."""

    start: int
    size: int
    number: int


def chunks(stream: BinaryIO, start: int = 0, end: int | None = None) -> Iterator[Chunk]:
    """The chunks that begin in [start, end) of a stream that stands at `start`; blocks of zeros are left out.

    A block without the magic is searched for a chunk that begins inside it (a file put together wrongly); what is
    before such a chunk is given as a chunk that is not `whole`."""
    buffer = b""
    at = start
    if start == 0:
        buffer = stream.read(HEADER_SIZE)
        if buffer.startswith(FILE_MAGIC) or not buffer.strip(b"\0"):
            buffer, at = b"", HEADER_SIZE
    while end is None or at < end:
        buffer = _filled(stream, buffer, CHUNK_SIZE + len(MAGIC))
        if not buffer:
            return
        taken = CHUNK_SIZE
        block = buffer[:CHUNK_SIZE]
        whole = block.startswith(MAGIC)
        if not whole and block != _ZERO[: len(block)]:
            found = _chunk_inside(buffer)
            taken = found or taken
        if whole or block[:taken].strip(b"\0"):
            part = block[:taken]
            yield Chunk(at, part.ljust(CHUNK_SIZE, b"\0"), len(part), whole)
        buffer = buffer[taken:]
        at += taken


def _filled(stream: BinaryIO, buffer: bytes, wanted: int) -> bytes:
    while len(buffer) < wanted:
        more = stream.read(wanted - len(buffer))
        if not more:
            return buffer
        buffer += more
    return buffer


def _chunk_inside(buffer: bytes) -> int:
    """Where a chunk header begins inside a block, 0 where none does. Its size field must be right."""
    found = buffer.find(MAGIC, 1)
    while 0 < found < CHUNK_SIZE:
        if len(buffer) < found + 44 or struct.unpack_from("<I", buffer, found + 40)[0] == 128:
            return found
        found = buffer.find(MAGIC, found + 1)
    return 0


def spots(data: bytes, start: int = FIRST_RECORD, end: int = CHUNK_SIZE) -> Iterator[Spot]:
    """The records of a chunk that are whole: magic, a size that fits, and the same size at the end. Whatever is
    between them is passed over."""
    at = data.find(RECORD, start, end)
    while 0 <= at <= end - LEAST_RECORD:
        size = int(struct.unpack_from("<I", data, at + 4)[0])
        if LEAST_RECORD <= size <= end - at and data[at + size - 4 : at + size] == data[at + 4 : at + 8]:
            yield Spot(at, size, int(struct.unpack_from("<Q", data, at + 8)[0]))
            at = data.find(RECORD, at + size, end)
        else:
            at = data.find(RECORD, at + 1, end)


def mended(chunk: Chunk, good: list[Spot]) -> bytes:
    """The chunk with every stretch between good records turned into one record that will fail, so that a reader that
    stops at the first damage goes on behind it."""
    data = bytearray(chunk.data)
    if not chunk.whole:
        data[: len(MAGIC)] = MAGIC
        struct.pack_into("<I", data, 40, 128)
    end = max([spot.start + spot.size for spot in good], default=FIRST_RECORD)
    at = FIRST_RECORD
    for spot in good:
        if spot.start - at >= LEAST_RECORD:
            data[at : at + 8] = RECORD + struct.pack("<I", spot.start - at)
            data[at + 24 : spot.start] = bytes(spot.start - at - 24)
        at = spot.start + spot.size
    struct.pack_into("<I", data, _FREE_AT, end)
    return bytes(data)


def as_file(parts: list[bytes]) -> bytes:
    """Chunks as an EVTX file of their own."""
    header = bytearray(HEADER_SIZE)
    header[:8] = FILE_MAGIC
    struct.pack_into("<3Q", header, 8, 0, max(len(parts) - 1, 0), 1)
    struct.pack_into("<IHHHH", header, 32, 128, 1, 3, HEADER_SIZE, min(len(parts), 65535))
    return bytes(header) + b"".join(parts)
