"""Compiled things kept between runs in the user's own cache folder.

Only data that can be made again is kept. A file that is damaged, not this user's, or writable for others is passed
over; a cache that cannot be written is no cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

MAX_BYTES = 256 << 20
MAX_FILES = 64  # of one name; the oldest go first


def folder() -> Path | None:
    """Where compiled things are kept: below `$XDG_CACHE_HOME`, `%LOCALAPPDATA%` or `~/.cache`; None where the system
    names no such place."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    else:
        home = os.environ.get("HOME", "")
        base = os.environ.get("XDG_CACHE_HOME", "") or (f"{home}/.cache" if home else "")
    return Path(base) / "afterpatch" if base and Path(base).is_absolute() else None


def load(name: str, key: str) -> bytes | None:
    """What was kept under this name and key (hex), or None."""
    place = folder()
    if place is None:
        return None
    path = place / f"{name}-{key[:40]}"
    try:
        if not _is_ours(path):
            return None
        raw = path.read_bytes()
    except OSError:
        return None
    return raw[32:] if hashlib.sha256(raw[32:]).digest() == raw[:32] else None


def store(name: str, key: str, data: bytes) -> None:
    """Keeps the data; the oldest of the same name make room."""
    place = folder()
    if place is None or len(data) > MAX_BYTES:
        return
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=place, delete=False) as stream:
            stream.write(hashlib.sha256(data).digest() + data)
        Path(stream.name).replace(place / f"{name}-{key[:40]}")
        kept = sorted(place.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[MAX_FILES:]:
            path.unlink()


def _is_ours(path: Path) -> bool:
    """A plain file of this user that nobody else may write."""
    status = path.lstat()
    if path.is_symlink() or not path.is_file() or status.st_size > MAX_BYTES:
        return False
    return sys.platform == "win32" or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
