"""One member of an archive, of whatever kind, and the bytes behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from afterpatch.evidence import limits
from afterpatch.evidence.decoders import Decoder
from afterpatch.evidence.errors import BombError, DamagedError, EncryptedError, UnsupportedError
from afterpatch.evidence.rawbytes import RandomBytes, WindowBytes

ENCODINGS = {"stored": "", "deflate": "deflate", "bzip2": "bzip2"}


@dataclass(frozen=True, slots=True)
class Member:
    """`encoding`: stored | deflate | bzip2 | other. `offset`: where the data (tar) or the local header (zip) starts.
    `type`: file | folder | link | device. `problem`: "" or the notice key that forbids reading it.
    `size` and `crc` are -1 where unknown."""

    index: int
    name: str
    type: str
    encoding: str
    offset: int
    packed: int
    size: int
    crc: int = -1
    modified: datetime | None = None
    created: datetime | None = None
    problem: str = ""
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Directory:
    """What an archive holds. `problems` are (where, notice reason) pairs about the archive itself."""

    members: tuple[Member, ...]
    problems: tuple[tuple[str, str], ...] = ()
    salvaged: bool = False


def unix_time(seconds: float) -> datetime | None:
    """An aware UTC time, None out of range."""
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def guard(member: Member) -> None:
    """Raises the typed error of a member that must not be read."""
    if member.problem == EncryptedError.reason:
        raise EncryptedError("the archive member is encrypted")
    if member.problem == BombError.reason:
        raise BombError("the archive member is out of bounds")
    if member.problem == UnsupportedError.reason or member.encoding not in ENCODINGS:
        raise UnsupportedError("the archive member uses a compression that is not supported")
    if member.problem or member.type != "file":
        raise DamagedError("the archive member cannot be used")


def judged(member: Member) -> Member:
    """The member with its problem set where its declared sizes are out of bounds."""
    if member.problem or member.type != "file" or member.size < 0:
        return member
    bomb = member.size > limits.MAX_MEMBER_BYTES
    bomb |= member.encoding != "stored" and member.size > max(limits.RATIO_FLOOR, limits.MAX_RATIO * member.packed)
    return replace(member, problem=BombError.reason) if bomb else member


def decoder_of(member: Member, base: RandomBytes, data_at: int, copyable: bool = False) -> Decoder | None:
    """The decoder of a compressed member, None for a stored one."""
    kind = ENCODINGS[member.encoding]
    if not kind:
        return None
    return Decoder(kind, base, data_at, member.packed, member.size, member.crc, copyable)


def window(member: Member, base: RandomBytes, data_at: int) -> WindowBytes:
    """The bytes of a stored member, never beyond the end of the archive."""
    return WindowBytes(base, data_at, min(member.packed, max(0, base.size - data_at)))
