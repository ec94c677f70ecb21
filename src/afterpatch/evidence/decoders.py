"""Decompression, piece by piece, under a budget.

`Decoder` turns a stretch of compressed bytes into plain ones; `DecodedStream` is the file object over it.
Raw deflate (zip), gzip with several members (RFC 1952), bzip2 and xz with several streams.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from typing import TYPE_CHECKING, Any

from isal import isal_zlib

from afterpatch.evidence import limits
from afterpatch.evidence.errors import BombError, DamagedError, TruncatedError, UnsupportedError
from afterpatch.evidence.rawbytes import RandomBytes
from afterpatch.model import EvidenceError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAGIC = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ\x00"}
DECODE_ERRORS: tuple[Any, ...] = (
    zlib.error,
    isal_zlib.IsalError,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
)


class _Deflate:
    """A deflate stream with a limit on what one call returns. `isal` is twice as fast, `zlib` can be copied."""

    def __init__(self, wbits: int, copyable: bool) -> None:
        self.wbits, self.copyable = wbits, copyable
        self.engine: Any = (zlib if copyable else isal_zlib).decompressobj(wbits)
        self.tail = b""

    def feed(self, data: bytes, limit: int) -> bytes:
        out: bytes = self.engine.decompress(self.tail + data if self.tail else data, limit)
        self.tail = self.engine.unconsumed_tail
        return out

    @property
    def hungry(self) -> bool:
        return not self.tail

    @property
    def eof(self) -> bool:
        return bool(self.engine.eof)

    @property
    def unused(self) -> bytes:
        return bytes(self.engine.unused_data)

    def copy(self) -> _Deflate:
        twin = _Deflate.__new__(_Deflate)
        twin.wbits, twin.copyable, twin.tail = self.wbits, self.copyable, self.tail
        twin.engine = self.engine.copy()
        return twin


class _Stream:
    """bzip2 and xz: the standard library's decompressors keep their own tail."""

    def __init__(self, kind: str) -> None:
        if kind == "bzip2":
            self.engine: Any = bz2.BZ2Decompressor()
        else:
            self.engine = lzma.LZMADecompressor(memlimit=256 * limits.MIB)

    def feed(self, data: bytes, limit: int) -> bytes:
        out: bytes = self.engine.decompress(data, limit)
        return out

    @property
    def hungry(self) -> bool:
        return bool(self.engine.needs_input)

    @property
    def eof(self) -> bool:
        return bool(self.engine.eof)

    @property
    def unused(self) -> bytes:
        return bytes(self.engine.unused_data)


def _engine(kind: str, copyable: bool) -> _Deflate | _Stream:
    if kind == "deflate":
        return _Deflate(-15, copyable)
    if kind == "gzip":
        return _Deflate(31, copyable)
    if kind in ("bzip2", "xz"):
        return _Stream(kind)
    raise UnsupportedError(f"compression {kind} is not supported")


class Decoder:
    """Decompresses `base[start:start+length]`; `next()` gives the next piece, b"" at the end.

    `expected` is the declared size (-1 unknown): the data is delivered to its true end, and a difference is an error
    after that, as is a wrong CRC-32 (-1 unknown) or a cut stream.
    """

    def __init__(
        self,
        kind: str,
        base: RandomBytes,
        start: int,
        length: int,
        expected: int = -1,
        crc: int = -1,
        copyable: bool = False,
    ) -> None:
        self.kind, self.base, self.start, self.length = kind, base, start, length
        self.expected, self.crc, self.copyable = expected, crc, copyable
        self.position = 0  # compressed bytes fetched
        self.produced = 0
        self._sum = 0
        self._engine = _engine(kind, copyable)
        self._done = False

    def next(self, limit: int = limits.READ_CHUNK) -> bytes:
        """The next plain bytes. Raises a typed EvidenceError once there are no more because something is wrong."""
        while not self._done:
            if self._engine.eof:
                self._turn()
                continue
            data = b""
            if self._engine.hungry:
                data = self._fetch()
                if not data:
                    raise TruncatedError("the compressed data ends too early")
            out = self._feed(data, limit)
            if out:
                self._account(out)
                return out
        return b""

    def _fetch(self) -> bytes:
        count = min(64 * limits.KIB, self.length - self.position)
        data = self.base.read_at(self.start + self.position, count) if count > 0 else b""
        self.position += len(data)
        return data

    def _feed(self, data: bytes, limit: int) -> bytes:
        try:
            return self._engine.feed(data, limit)
        except DECODE_ERRORS as error:
            raise DamagedError(f"the compressed data is damaged ({error})") from error

    def _turn(self) -> None:
        """At the end of a stream: another one may follow (gzip members, xz and bzip2 streams), zeros are padding."""
        self.position -= len(self._engine.unused)
        if self.kind != "deflate":
            rest = self.base.read_at(self.start + self.position, min(6, self.length - self.position))
            if rest.startswith(MAGIC[self.kind]):
                self._engine = _engine(self.kind, self.copyable)
                return
        self._done = True
        self._verify()

    def _verify(self) -> None:
        if self.expected >= 0 and self.produced != self.expected:
            raise DamagedError(f"{self.produced} bytes instead of the declared {self.expected}")
        if self.crc >= 0 and self._sum != self.crc:
            raise DamagedError("the checksum is wrong")

    def _account(self, out: bytes) -> None:
        self.produced += len(out)
        if self.crc >= 0:
            self._sum = isal_zlib.crc32(out, self._sum)
        check_expansion(self.position, self.produced)

    def fork(self) -> Decoder | None:
        """A copy that goes on from here, None where the compression cannot be copied."""
        if not isinstance(self._engine, _Deflate) or not self.copyable:
            return None
        twin = Decoder.__new__(Decoder)
        twin.__dict__.update(self.__dict__)
        twin._engine = self._engine.copy()
        return twin


def check_expansion(compressed: int, plain: int) -> None:
    """Raises BombError where `compressed` bytes became too many."""
    if plain > limits.MAX_MEMBER_BYTES:
        raise BombError(f"it expands to more than {limits.MAX_MEMBER_BYTES // limits.GIB} GiB")
    if plain > limits.RATIO_FLOOR and plain > limits.MAX_RATIO * max(1, compressed):
        raise BombError(f"it expands more than {limits.MAX_RATIO} times")


class DecodedStream(io.BufferedIOBase):
    """A read-only file object over a Decoder.

    What can be read is delivered first: an error of the data is raised by the first read after the last good byte, so
    read until b"" comes back. Not seekable.
    """

    def __init__(self, decoder: Decoder, owned: tuple[RandomBytes, ...] = ()) -> None:
        super().__init__()
        self._decoder, self._owned = decoder, owned
        self._buffer, self._at = b"", 0
        self._error: EvidenceError | None = None

    def readable(self) -> bool:
        return True

    def _fill(self, limit: int = limits.READ_CHUNK) -> bool:
        """Replaces the used-up buffer; False at the end. Raises the pending error."""
        if self._error is not None:
            raise self._error
        self._buffer, self._at = self._decoder.next(limit), 0
        return bool(self._buffer)

    def _fill_quietly(self, have: bool) -> bool:
        """Like _fill, but an error waits for the next call where something was already gathered."""
        try:
            return self._fill()
        except EvidenceError as error:
            self._error = error
            self._buffer, self._at = b"", 0
            if have:
                return False
            raise

    def read(self, size: int | None = -1, /) -> bytes:
        parts: list[bytes] = []
        left = -1 if size is None else size
        while left:
            if self._at >= len(self._buffer) and not self._fill_quietly(bool(parts)):
                break
            stop = len(self._buffer) if left < 0 else min(len(self._buffer), self._at + left)
            piece = self._buffer[self._at : stop]
            self._at = stop
            parts.append(piece)
            left = left if left < 0 else left - len(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        if self._at >= len(self._buffer) and not self._fill_quietly(False):
            return b""
        return self.read(min(size, len(self._buffer) - self._at) if size >= 0 else len(self._buffer) - self._at)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def readinto1(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read1(len(view))
        view[: len(data)] = data
        return len(data)

    def readline(self, size: int | None = -1, /) -> bytes:
        limit = -1 if size is None else size
        parts: list[bytes] = []
        have = 0
        while limit < 0 or have < limit:
            if self._at >= len(self._buffer) and not self._fill_quietly(bool(parts)):
                break
            end = self._buffer.find(b"\n", self._at) + 1
            stop = end or len(self._buffer)
            if limit >= 0:
                stop = min(stop, self._at + limit - have)
            parts.append(self._buffer[self._at : stop])
            have += stop - self._at
            self._at = stop
            if end and stop == end:
                break
        return b"".join(parts)

    def close(self) -> None:
        if not self.closed:
            for layer in self._owned:
                layer.close()
        super().close()
