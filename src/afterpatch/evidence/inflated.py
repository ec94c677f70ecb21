"""Random access into decompressed data: for archives inside archives, and for tar.gz.

Small ones are kept in memory. Large ones are decoded again from the nearest checkpoint: deflate and gzip decoders can
be copied, so checkpoints make any member of a tar.gz reachable without starting over. bzip2 and xz start over when the
access goes backwards.
"""

from __future__ import annotations

from bisect import bisect_right

from afterpatch.evidence import limits
from afterpatch.evidence.decoders import Decoder
from afterpatch.evidence.rawbytes import MemoryBytes, RandomBytes
from afterpatch.model import EvidenceError

CHECKPOINT = 256 * limits.KIB  # doubled, and every other one dropped, when there are too many
MAX_CHECKPOINTS = 1024  # about 45 KB each


class InflatedBytes:
    """Forward cursor with checkpoints over a copyable Decoder."""

    def __init__(self, decoder: Decoder) -> None:
        self._origin, self._decoder = decoder, _restart(decoder)
        self._chunk, self._chunk_at = b"", 0
        self._points: list[tuple[int, Decoder]] = []
        self._size, self._spacing = -1, CHECKPOINT
        self.error: EvidenceError | None = None

    @property
    def size(self) -> int:
        """Length of what can be decoded; the first call decodes to the end."""
        while self._size < 0:
            self._advance()
        return self._size

    def read_at(self, offset: int, count: int) -> bytes:
        if offset < self._chunk_at or offset > self._next_checkpoint():
            self._jump(offset)
        parts: list[bytes] = []
        while count > 0:
            end = self._chunk_at + len(self._chunk)
            if offset >= end:
                if not self._advance():
                    break
                continue
            piece = self._chunk[offset - self._chunk_at : offset - self._chunk_at + count]
            parts.append(piece)
            offset, count = offset + len(piece), count - len(piece)
        return b"".join(parts)

    def _next_checkpoint(self) -> int:
        """Going forward is right up to the next checkpoint known, if there is one."""
        at = bisect_right(self._points, self._chunk_at, key=lambda point: point[0])
        return self._points[at][0] if at < len(self._points) else 1 << 62

    def _jump(self, offset: int) -> None:
        at = bisect_right(self._points, offset, key=lambda point: point[0])
        if at == 0:
            self._decoder = _restart(self._origin)
            self._chunk, self._chunk_at = b"", 0
            return
        start, point = self._points[at - 1]
        self._decoder = point.fork() or _restart(self._origin)
        self._chunk, self._chunk_at = b"", start

    def _advance(self) -> bool:
        """Next chunk; False at the end, also where the data is cut or damaged (`error` tells)."""
        position = self._chunk_at + len(self._chunk)
        if self._size >= 0 and position >= self._size:
            return False
        self._keep_point(position)
        try:
            chunk = self._decoder.next()
        except EvidenceError as error:
            self.error, chunk = error, b""
        self._chunk, self._chunk_at = chunk, position
        if not chunk:
            self._size = position
        return bool(chunk)

    def _keep_point(self, position: int) -> None:
        last = self._points[-1][0] if self._points else 0
        if position - last < self._spacing:
            return
        if len(self._points) >= MAX_CHECKPOINTS:
            self._points, self._spacing = self._points[1::2], 2 * self._spacing
        twin = self._decoder.fork()
        if twin is not None:
            self._points.append((position, twin))

    def close(self) -> None:
        self._chunk = b""
        self._points.clear()


def _restart(decoder: Decoder) -> Decoder:
    return Decoder(decoder.kind, decoder.base, decoder.start, decoder.length, decoder.expected, decoder.crc, copyable=True)


def random_access(decoder: Decoder) -> RandomBytes:
    """Memory for small content, checkpoints for large. The decoder must not have been used yet."""
    inflated = InflatedBytes(decoder)
    head = inflated.read_at(0, limits.NESTED_IN_MEMORY + 1)
    if len(head) <= limits.NESTED_IN_MEMORY and inflated.error is None:
        return MemoryBytes(head)
    return inflated
