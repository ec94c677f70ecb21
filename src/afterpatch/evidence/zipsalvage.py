"""A ZIP archive whose directory is lost: follow the local headers.

Real collections arrive so, when the collector was killed or the copy broke off. Sizes that the header does not tell
(bit 3: they follow the data) are found by decoding, within the bounds of `limits`.
"""

from __future__ import annotations

import struct

from afterpatch.evidence import limits
from afterpatch.evidence.decoders import Decoder
from afterpatch.evidence.errors import DamagedError, EncryptedError, TruncatedError, UnsupportedError
from afterpatch.evidence.members import Directory, Member, judged
from afterpatch.evidence.rawbytes import RandomBytes
from afterpatch.evidence.zipdir import (
    CENTRAL,
    LOCAL,
    MAX32,
    METHODS,
    bound_total,
    decode_name,
    extra_field,
    read_central,
    refuse_overlaps,
    times,
)
from afterpatch.model import EvidenceError

DESCRIPTOR = b"PK\x07\x08"


def read_zip(data: RandomBytes) -> Directory:
    """The members of a ZIP archive. Raises DamagedError where there is not one member to be found."""
    found = read_central(data)
    if found is None:
        return salvage(data)
    members, problems = found
    if not members:
        problems.append(("", "notice.empty-archive"))
    members, bound = bound_total(refuse_overlaps(members))
    return Directory(tuple(members), tuple(problems + bound))


def salvage(data: RandomBytes) -> Directory:
    """What the local headers tell; every member is partial. Raises DamagedError where there is not one."""
    members: list[Member] = []
    at = _find(data, 0, LOCAL)
    while 0 <= at < data.size and len(members) < limits.MAX_MEMBERS:
        member, end = _local(data, at, len(members))
        if member is not None:
            members.append(member)
        if data.read_at(end, 4) == CENTRAL:
            break
        at = _find(data, max(end, at + 4), LOCAL)
    if not members:
        raise DamagedError("the archive holds no readable member")
    return Directory(tuple(members), (("", "notice.archive-salvaged"),), salvaged=True)


def _find(data: RandomBytes, at: int, wanted: bytes) -> int:
    """Position of the next signature from `at`, -1 where there is none."""
    while at < data.size:
        chunk = data.read_at(at, limits.MIB)
        found = chunk.find(wanted)
        if found >= 0:
            return at + found
        if len(chunk) <= 3:
            break
        at += len(chunk) - 3
    return -1


def _local(data: RandomBytes, at: int, index: int) -> tuple[Member | None, int]:
    """The member whose local header stands at `at`, and where its data ends."""
    fixed = data.read_at(at, 30)
    if len(fixed) < 30:
        return None, data.size
    flags, method, clock, date, crc, packed, size, name_len, extra_len = struct.unpack("<6xHHHHIIIHH", fixed)
    rest = data.read_at(at + 30, name_len + extra_len)
    raw_name, extra = rest[:name_len], rest[name_len:]
    start = at + 30 + name_len + extra_len
    if len(rest) < name_len + extra_len:
        return None, data.size
    wide = extra_field(extra, 0x0001)
    if MAX32 in (size, packed) and len(wide) >= 16:
        size, packed = struct.unpack("<QQ", wide[:16])
    name = decode_name(raw_name, flags)
    problem = EncryptedError.reason if flags & 0x41 or method == 99 else ""
    if not problem and method not in METHODS:
        problem = UnsupportedError.reason
    if flags & 8 and packed in (0, MAX32) and not problem:
        size, packed, crc = _measure(data, start, METHODS[method])
    packed = min(packed, data.size - start)
    modified, created = times(extra, clock, date)
    kind = "folder" if name.endswith(("/", "\\")) else "file"
    member = Member(
        index, name, kind, METHODS.get(method, "other"), at, packed, size, crc, modified, created, problem, partial=True
    )
    return judged(member), start + packed


def _measure(data: RandomBytes, start: int, encoding: str) -> tuple[int, int, int]:
    """(size, packed size, CRC) of data whose header does not tell; -1 for what stays unknown."""
    if encoding == "stored":
        end = _find(data, start, DESCRIPTOR)
        if end < 0:
            end = _find(data, start, LOCAL)
        length = (end if end >= 0 else data.size) - start
        return length, length, -1
    decoder = Decoder(encoding, data, start, data.size - start)
    try:
        while decoder.next(limits.MIB):
            pass
    except TruncatedError:
        return -1, data.size - start, -1
    except EvidenceError:
        return -1, max(0, decoder.position), -1
    return decoder.produced, decoder.position, -1
