"""Physical lines of a byte stream, in bounded memory.

The rules, which the scanning plane follows on raw bytes:

* A line ends at LF or at the end of the stream; an empty rest behind the last LF is no line.
* NUL bytes are no content: they are removed (IIS pre-allocates its files, a crash leaves blocks of NULs). `offset`
  still counts them.
* All CR before the LF belong to the line end. A CR in the middle of a line, and every other Unicode line separator, is
  content.
* Byte order marks at the start of any line are removed (files get concatenated).
* A line with more than `LIMIT` bytes before its LF (NULs not counted) keeps no content and is marked `long`.
* A file that begins with a UTF-16 byte order mark is turned into UTF-8 first; `offset` counts the original bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

LIMIT = 1 << 20  # bytes of one line without its NULs
_CHUNK = 1 << 16
_BOM = b"\xef\xbb\xbf"
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


@dataclass(frozen=True, slots=True)
class Line:
    """A physical line: `number` from 1, `offset` in bytes, `data` without NULs, byte order mark and line end.

    `nuls`: how many NULs it had; `bom`: it began with a byte order mark; `ended`: a LF followed; `long`: more than
    LIMIT bytes, none of them kept."""

    number: int
    offset: int
    data: bytes
    nuls: int = 0
    bom: bool = False
    ended: bool = True
    long: bool = False


def physical_lines(stream: BinaryIO, limit: int = LIMIT) -> Iterator[Line]:
    """The lines of `stream`, which is read to its end."""
    head = stream.read(2)
    encoding = _UTF16.get(head)
    for number, (offset, content, nuls, ended, long) in enumerate(_cut(stream, head, encoding, limit), 1):
        data = content.rstrip(b"\r")
        stripped = _without_bom(data)
        yield Line(number, offset, stripped, nuls, len(stripped) < len(data), ended, long)


def _without_bom(data: bytes) -> bytes:
    while data.startswith(_BOM):
        data = data[len(_BOM) :]
    return data


def _cut(stream: BinaryIO, head: bytes, encoding: str | None, limit: int) -> Iterator[tuple[int, bytes, int, bool, bool]]:
    """(offset, content, NULs, ended, long) of each line. Pieces of a long line are dropped as they come."""
    kept, size, nuls, start, position = bytearray(), 0, 0, 0, 0
    for raw_size, piece, ends in _pieces(stream, head, encoding):
        position += raw_size
        content = piece.replace(b"\0", b"") if b"\0" in piece else piece
        nuls += len(piece) - len(content)
        size += len(content)
        if size <= limit:
            kept += content
        if ends:
            yield start, bytes(kept) if size <= limit else b"", nuls, True, size > limit
            kept, size, nuls, start = bytearray(), 0, 0, position
    if position > start:
        yield start, bytes(kept) if size <= limit else b"", nuls, False, size > limit


def _pieces(stream: BinaryIO, head: bytes, encoding: str | None) -> Iterator[tuple[int, bytes, bool]]:
    """(original bytes, UTF-8 piece without LF, whether a LF follows)."""
    if encoding is not None:
        yield from _wide_pieces(stream, encoding)
        return
    chunk = head + stream.read(_CHUNK)
    while chunk:
        position = 0
        while (end := chunk.find(b"\n", position)) >= 0:
            yield end + 1 - position, chunk[position:end], True
            position = end + 1
        if position < len(chunk):
            yield len(chunk) - position, chunk[position:], False
        chunk = stream.read(_CHUNK)


def _wide_pieces(stream: BinaryIO, encoding: str) -> Iterator[tuple[int, bytes, bool]]:
    """The same for UTF-16: cut at the code unit U+000A, then turned into UTF-8 piece by piece."""
    line_feed = "\n".encode(encoding)
    yield 2, _BOM, False
    rest = b""
    while chunk := stream.read(_CHUNK):
        data = rest + chunk
        usable = len(data) - len(data) % 2
        if usable >= 2 and _is_high_surrogate(data[usable - 2 : usable], encoding):
            usable -= 2
        rest = data[usable:]
        yield from _wide_cut(data[:usable], line_feed, encoding)
    if rest:
        yield len(rest), _to_utf8(rest, encoding), False


def _wide_cut(data: bytes, line_feed: bytes, encoding: str) -> Iterator[tuple[int, bytes, bool]]:
    position = search = 0
    while (end := data.find(line_feed, search)) >= 0:
        if end % 2:
            search = end + 1
            continue
        yield end + 2 - position, _to_utf8(data[position:end], encoding), True
        position = search = end + 2
    if position < len(data):
        yield len(data) - position, _to_utf8(data[position:], encoding), False


def _to_utf8(data: bytes, encoding: str) -> bytes:
    return data.decode(encoding, "replace").encode("utf-8", "replace")


def _is_high_surrogate(unit: bytes, encoding: str) -> bool:
    high = unit[1] if encoding == "utf-16-le" else unit[0]
    return 0xD8 <= high <= 0xDB
