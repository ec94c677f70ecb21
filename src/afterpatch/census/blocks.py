"""Inputs as blocks of whole lines: files, packed files and members of ZIP archives, as UTF-8. No block, and no line in
it, is longer than LONGEST_LINE."""

from __future__ import annotations

import bz2
import codecs
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np
from isal import igzip, isal_zlib

from afterpatch.census.columns.encode import PADDING, Bytes
from afterpatch.census.rows import Tally
from afterpatch.model import UsageError

LONGEST_LINE = 16 << 20
HEAD = 1 << 16
MOST_MEMBERS = 1000
_WINDOW = 1 << 16
_NEWLINE = 10
_BROKEN: tuple[type[Exception], ...] = (
    EOFError, OSError, zlib.error, cast(type[Exception], isal_zlib.error), lzma.LZMAError, zipfile.BadZipFile,
    NotImplementedError, RuntimeError,
)  # fmt: skip
_PACKED = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"))
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


@dataclass(frozen=True, slots=True)
class Source:
    """An input: a file, or a member of a ZIP archive. `packing`: "" | gzip | bzip2 | xz | zip. `encoding` of its text, and
    the length of the byte order mark. `returns`: lines end with a carriage return alone."""

    path: Path
    member: str = ""
    packing: str = ""
    encoding: str = "utf-8"
    mark: int = 0
    returns: bool = False

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def direct(self) -> bool:
        """Whether its bytes can be read at any place as they are."""
        return not self.packing and self.encoding == "utf-8" and not self.returns


class Block(NamedTuple):
    """Whole lines of an input: at `offset` of its file, or in `data`. `tail`: what follows, for a row that goes on."""

    path: Path
    offset: int
    size: int
    data: bytes | None = None
    tail: bytes = b""

    def text(self) -> bytes:
        """Its bytes, with a line end behind the last line."""
        raw = self.data if self.data is not None else _bytes_at(self.path, self.offset, self.size)
        return raw if raw.endswith(b"\n") else raw + b"\n"

    def padded(self) -> tuple[Bytes, int]:
        """The same, with PADDING bytes behind it, and how many bytes it has without them."""
        if self.data is not None:
            text = self.text()
            return np.frombuffer(text + b"\0" * PADDING, np.uint8), len(text)
        found = np.empty(self.size + 1 + PADDING, np.uint8)
        size = _read_at(self.path, self.offset, found[: self.size].data)
        found[size:] = 0
        if not size or found[size - 1] != _NEWLINE:
            found[size] = _NEWLINE
            size += 1
        return found[: size + PADDING], size

    def further(self, size: int) -> bytes:
        """Bytes that follow it."""
        return self.tail if self.data is not None else _bytes_at(self.path, self.offset + self.size, size)


def _bytes_at(path: Path, offset: int, size: int) -> bytes:
    found = bytearray(size)
    return bytes(found[: _read_at(path, offset, memoryview(found))])


def _read_at(path: Path, offset: int, target: memoryview) -> int:
    """Fills the target as far as the file goes."""
    place = 0
    with path.open("rb", buffering=0) as stream:
        stream.seek(offset)
        while place < len(target) and (count := stream.readinto(target[place:])):
            place += count
    return place


def sources(path: Path) -> list[Source]:
    """The inputs in a file: one, or the members of a ZIP archive. Raises UsageError where it cannot be read."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [one.filename for one in archive.infolist() if not one.is_dir()]
            if len(names) > MOST_MEMBERS:
                raise UsageError(f"{path} holds more than {MOST_MEMBERS} files: give them as several archives.")
            return [_looked_at(Source(path, name, "zip")) for name in names]
        with path.open("rb") as stream:
            start = stream.read(8)
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"{path} cannot be read ({reason}): name an inventory or scan file.") from None
    packing = next((name for sign, name in _PACKED if start.startswith(sign)), "")
    return [_looked_at(Source(path, "", packing))]


def _looked_at(source: Source) -> Source:
    """The source with its encoding."""
    start = raw_head(source)
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return _with(source, start[len(mark) :], encoding, len(mark))
    if start[:200].count(b"\0") * 3 > len(start[:200]):
        return _with(source, start, "utf-16-le" if start[1:2] == b"\0" else "utf-16-be", 0)
    return _with(source, start, "gb18030" if _chinese(start) else "utf-8", 0)


def _with(source: Source, start: bytes, encoding: str, mark: int) -> Source:
    text = start if encoding == "utf-8" else start.decode(encoding, "replace").encode("utf-8", "replace")
    returns = b"\n" not in text and b"\r" in text
    return Source(source.path, source.member, source.packing, encoding, mark, returns)


def _chinese(start: bytes) -> bool:
    """Whether all that is not ASCII stands in pairs of GB 2312, and is no UTF-8."""
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(start)
    except UnicodeDecodeError:
        pairs = count = place = 0
        while place < len(start) - 1:
            if start[place] < 128:
                place += 1
                continue
            count += 1
            pairs += 0xB0 <= start[place] <= 0xF7 and 0xA1 <= start[place + 1] <= 0xFE
            place += 2
        return count > 1 and pairs >= 0.95 * count
    return False


@contextmanager
def _unpacked(source: Source) -> Iterator[IO[bytes]]:
    if source.packing == "zip":
        with zipfile.ZipFile(source.path) as archive, archive.open(source.member) as member:
            yield member
    elif source.packing == "gzip":
        with igzip.open(source.path, "rb") as stream:  # type: ignore[no-untyped-call]
            yield cast(IO[bytes], stream)
    elif source.packing:
        with bz2.open(source.path) if source.packing == "bzip2" else lzma.open(source.path) as packed:
            yield cast(IO[bytes], packed)
    else:
        with source.path.open("rb") as plain:
            yield plain


def raw_head(source: Source, size: int = HEAD) -> bytes:
    """The first bytes, unpacked, as they are; short where the file is damaged."""
    found = b""
    try:
        with _unpacked(source) as stream:
            while len(found) < size and (more := stream.read(min(4096, size - len(found)))):
                found += more
    except _BROKEN:
        pass
    return found


def head(source: Source, size: int = HEAD) -> bytes:
    """The first bytes as UTF-8 text with ends of lines."""
    start = raw_head(source, size)[source.mark :]
    return _Recoder(source).text(start, last=False)


class _Recoder:
    """Bytes of an input as UTF-8."""

    def __init__(self, source: Source) -> None:
        self.returns = source.returns
        self.decoder = None if source.encoding == "utf-8" else codecs.getincrementaldecoder(source.encoding)("replace")

    def text(self, raw: bytes, *, last: bool) -> bytes:
        if self.decoder is not None:
            raw = self.decoder.decode(raw, last).encode("utf-8", "replace")
        return raw.replace(b"\r", b"\n") if self.returns else raw


def chunks(source: Source, tally: Tally, size: int = 1 << 20) -> Iterator[bytes]:
    """The input as UTF-8, bit by bit; a damaged end is counted."""
    recoder = _Recoder(source)
    try:
        with _unpacked(source) as stream:
            stream.read(source.mark)
            while raw := stream.read(size):
                yield recoder.text(raw, last=False)
            yield recoder.text(b"", last=True)
    except _BROKEN:
        tally.pass_over("notice.census-damaged-end")


def blocks(source: Source, tally: Tally, size: int = LONGEST_LINE) -> Iterator[Block]:
    """Blocks of whole lines. A line longer than `size` is passed over and counted."""
    if source.direct:
        yield from _direct(source, tally, size)
        return
    waiting: Block | None = None
    for data in _streamed(source, tally, size):
        if waiting is not None:
            yield waiting._replace(tail=data[: 1 << 20])
        waiting = Block(source.path, 0, len(data), data)
    if waiting is not None:
        yield waiting


def _streamed(source: Source, tally: Tally, size: int) -> Iterator[bytes]:
    rest, skipping = bytearray(), False
    for chunk in chunks(source, tally, min(size, 1 << 20)):
        if skipping:
            end = chunk.find(b"\n")
            if end < 0:
                continue
            chunk, skipping = chunk[end + 1 :], False
        rest += chunk
        if len(rest) < size:
            continue
        end = rest.rfind(b"\n")
        if end < 0:
            tally.pass_over("notice.census-long-line")
            rest, skipping = bytearray(), True
            continue
        yield bytes(rest[: end + 1])
        del rest[: end + 1]
    if "notice.census-damaged-end" in tally.reasons:  # a line that breaks off is none
        del rest[rest.rfind(b"\n") + 1 :]
    if rest:
        yield bytes(rest)


def _direct(source: Source, tally: Tally, size: int) -> Iterator[Block]:
    with source.path.open("rb", buffering=0) as stream:
        whole = stream.seek(0, 2)
        start = source.mark
        while start < whole:
            end = min(start + size, whole)
            if end < whole:
                end = _last_end(stream, start, end)
            if end > start:
                yield Block(source.path, start, end - start)
                start = end
            else:
                tally.pass_over("notice.census-long-line")
                start = _next_end(stream, start + size, whole)


def _last_end(stream: IO[bytes], start: int, end: int) -> int:
    """Behind the last line end between two places, `start` where there is none."""
    while end > start:
        begin = max(start, end - _WINDOW)
        stream.seek(begin)
        found = stream.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return start


def _next_end(stream: IO[bytes], start: int, whole: int) -> int:
    stream.seek(start)
    while chunk := stream.read(1 << 20):
        found = chunk.find(b"\n")
        if found >= 0:
            return start + found + 1
        start += len(chunk)
    return whole


def stream_lines(source: Source, tally: Tally) -> Iterator[bytes]:
    """Lines of an input without their end, bounded; what could not be read is counted."""
    for data in _streamed(source, tally, LONGEST_LINE):
        start = 0
        while start < len(data):
            end = data.find(b"\n", start)
            end = len(data) if end < 0 else end
            yield data[start:end].rstrip(b"\r")
            start = end + 1
