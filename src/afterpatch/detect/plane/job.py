"""What a worker is handed: one log, or a piece of a big one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, cast

from afterpatch.evidence import local_path, open_locator
from afterpatch.model import Locator

SLOW_KINDS = frozenset(("log-excerpt",))


@dataclass(frozen=True, slots=True)
class Job:
    """One artifact, or the bytes [start, end) of a big one (both at a line start). `columns` and `schema` are those in
    force at `start`."""

    artifact: int
    kind: str
    locator: Locator
    side: str
    size: int
    piece: int = 0
    start: int = 0
    end: int | None = None
    columns: tuple[str, ...] = ()
    hashed: bool = True
    scanned: bool = True  # False: only hashed


def open_log(locator: Locator) -> BinaryIO:
    """A plain file without Python's buffer in between, anything else through its containers."""
    plain = local_path(locator)
    return cast(BinaryIO, open(plain, "rb", buffering=0)) if plain is not None else open_locator(locator)
