"""Random access to bytes: a file, a window of something, a piece of memory. Read-only, no position of its own."""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING, Protocol

from afterpatch.evidence.errors import VanishedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class RandomBytes(Protocol):
    """Bytes that can be read anywhere. `read_at` returns fewer bytes only at the end."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def read_at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`."""

    def close(self) -> None:
        """Release what is held."""


class FileBytes:
    """A plain file on disk. Links, devices and pipes are refused, also when they took a file's place meanwhile."""

    def __init__(self, path: str) -> None:
        self.fd = -1
        flags = os.O_RDONLY
        for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_NOCTTY"):
            flags |= getattr(os, name, 0)
        try:
            self.fd = os.open(path, flags)
        except (OSError, ValueError) as error:
            raise VanishedError(f"{path} cannot be opened: {_why(error)}") from error
        status = os.fstat(self.fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(self.fd)
            self.fd = -1
            raise VanishedError(f"{path} is not a plain file")
        self.path, self._size = path, status.st_size

    @property
    def size(self) -> int:
        return self._size

    def read_at(self, offset: int, count: int) -> bytes:
        parts: list[bytes] = []
        count = min(count, self._size - offset) if offset >= 0 else 0  # what grows meanwhile is not evidence
        while count > 0:
            try:
                part = _pread(self.fd, min(count, 1 << 30), offset)
            except OSError as error:
                raise VanishedError(f"{self.path} cannot be read at {offset}: {_why(error)}") from error
            if not part:
                break
            parts.append(part)
            offset, count = offset + len(part), count - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __del__(self) -> None:
        self.close()


def _pread(fd: int, count: int, offset: int) -> bytes:
    """os.pread where there is one: a descriptor shared with a forked worker keeps no common position."""
    if hasattr(os, "pread"):
        return os.pread(fd, count, offset)
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, count)


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)


class MemoryBytes:
    """Bytes held in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @property
    def size(self) -> int:
        return len(self.data)

    def read_at(self, offset: int, count: int) -> bytes:
        return self.data[offset : offset + count]

    def close(self) -> None:
        self.data = b""


class WindowBytes:
    """A part of other bytes: a stored member. Does not own what it looks into."""

    def __init__(self, base: RandomBytes, start: int, size: int) -> None:
        self.base, self.start = base, start
        self._size = max(0, size)

    @property
    def size(self) -> int:
        return self._size

    def read_at(self, offset: int, count: int) -> bytes:
        count = min(count, self._size - offset)
        return self.base.read_at(self.start + offset, count) if count > 0 else b""

    def close(self) -> None:
        return


class RandomReader(io.RawIOBase):
    """RandomBytes as a seekable raw stream; wrap it in io.BufferedReader. `owned` is closed with it."""

    def __init__(self, source: RandomBytes, owned: tuple[RandomBytes, ...] = ()) -> None:
        super().__init__()
        self._source, self._owned, self._position = source, owned, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._source.read_at(self._position, len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed:
            for layer in self._owned:
                layer.close()
        super().close()
