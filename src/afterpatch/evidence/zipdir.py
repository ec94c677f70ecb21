"""The directory of a ZIP archive (APPNOTE 6.3.10, sections 4.3 and 4.4), read without trust.

The central directory is read in bounded steps; where it is missing or damaged, the local headers are followed instead
(`salvage`) and everything found is marked partial. Overlapping members (the trick of non-recursive zip bombs) are
refused but for the first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from afterpatch.evidence import limits
from afterpatch.evidence.errors import BombError, DamagedError, EncryptedError, UnsupportedError
from afterpatch.evidence.members import Member, judged, unix_time
from afterpatch.evidence.rawbytes import RandomBytes

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END64, LOCATOR64 = b"PK\x06\x06", b"PK\x06\x07"
METHODS = {0: "stored", 8: "deflate", 12: "bzip2"}
MAX32 = 0xFFFFFFFF
FILETIME_EPOCH = 11_644_473_600  # seconds from 1601 to 1970


def read_central(data: RandomBytes) -> tuple[list[Member], list[tuple[str, str]]] | None:
    """(members, problems) by the central directory, None where there is none or its first entry is damaged."""
    place = _find_directory(data)
    if place is None:
        return None
    start, size, shift = place
    members: list[Member] = []
    problems: list[tuple[str, str]] = []
    for raw in _headers(data, start, size):
        if raw is None:
            if not members:
                return None
            problems.append(("", "notice.archive-directory-damaged"))
            break
        if len(members) >= limits.MAX_MEMBERS:
            problems.append(("", f"notice.too-many-members: {limits.MAX_MEMBERS}"))
            break
        members.append(_member(len(members), raw, shift))
    if not members and size:
        return None
    return members, problems


def _find_directory(data: RandomBytes) -> tuple[int, int, int] | None:
    """(start, size, shift) of the central directory; `shift` is what stands before the archive in the file."""
    tail_at = max(0, data.size - 65_557)
    tail = data.read_at(tail_at, 65_557)
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < 22:
        return None
    count, size, offset = struct.unpack("<HII", tail[at + 10 : at + 20])
    end_at = tail_at + at
    if MAX32 in (size, offset) or count == 0xFFFF:
        wide = _find64(data, end_at)
        if wide is not None:
            size, offset, end_at = wide
    start = end_at - size
    if start < 0:
        return None
    if size and data.read_at(start, 4) != CENTRAL:
        start = offset  # something stands between directory and end record
        if data.read_at(start, 4) != CENTRAL:
            return None
    return start, size, start - offset


def _find64(data: RandomBytes, end_at: int) -> tuple[int, int, int] | None:
    """(size, offset, position of the record) of the zip64 end record."""
    locator = data.read_at(end_at - 20, 20) if end_at >= 20 else b""
    if locator[:4] != LOCATOR64:
        return None
    (record_at,) = struct.unpack("<Q", locator[8:16])
    record = data.read_at(record_at, 56) if record_at < data.size else b""
    if record[:4] != END64 or len(record) < 56:
        return None
    size, offset = struct.unpack("<QQ", record[40:56])
    return size, offset, record_at


def _headers(data: RandomBytes, start: int, size: int) -> Iterator[tuple[bytes, bytes, bytes] | None]:
    """(fixed part, name, extra) of each central header; None where the directory breaks off."""
    stop = min(start + size, data.size)
    buffer, base = b"", start
    at = start
    while at < stop:
        if at + 46 + 3 * 65_536 > base + len(buffer) and base + len(buffer) < stop:
            base, buffer = at, data.read_at(at, min(limits.MIB, stop - at))
        fixed = buffer[at - base : at - base + 46]
        if len(fixed) < 46 or fixed[:4] != CENTRAL:
            yield None
            return
        name_len, extra_len, comment_len = struct.unpack("<HHH", fixed[28:34])
        name_at = at - base + 46
        name = buffer[name_at : name_at + name_len]
        extra = buffer[name_at + name_len : name_at + name_len + extra_len]
        if len(name) < name_len or len(extra) < extra_len:
            yield None
            return
        yield fixed, name, extra
        at += 46 + name_len + extra_len + comment_len


def _member(index: int, raw: tuple[bytes, bytes, bytes], shift: int) -> Member:
    fixed, raw_name, extra = raw
    made_by, flags, method, clock, date, crc, packed, size = struct.unpack("<4xH2xHHHHIII", fixed[:28])
    attributes, offset = struct.unpack("<II", fixed[38:46])
    size, packed, offset = _wide_sizes(extra, size, packed, offset)
    modified, created = times(extra, clock, date)
    name = decode_name(raw_name, flags)
    member = Member(
        index,
        name,
        _type(made_by >> 8, attributes, name),
        METHODS.get(method, "other"),
        offset + shift,
        packed,
        size,
        crc,
        modified,
        created,
        _problem(flags, method, offset + shift),
    )
    return judged(member)


def _problem(flags: int, method: int, offset: int) -> str:
    if flags & 0x41 or method == 99:
        return EncryptedError.reason
    if method not in METHODS:
        return UnsupportedError.reason
    return DamagedError.reason if offset < 0 else ""


def _wide_sizes(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Zip64 values stand in the extra field, in this order, for each 32-bit value that is all ones."""
    wide = extra_field(extra, 0x0001)
    values = [size, packed, offset]
    for place, value in enumerate(values):
        if value == MAX32 and len(wide) >= 8:
            (values[place],) = struct.unpack("<Q", wide[:8])
            wide = wide[8:]
    return values[0], values[1], values[2]


def _type(system: int, attributes: int, name: str) -> str:
    """Unix modes stand in the upper half of the attributes (system 3 and 19); 0x400 is a Windows reparse point."""
    mode = (attributes >> 16) & 0xF000 if system in (3, 19) else 0
    if mode == 0xA000 or (system in (0, 10, 11) and attributes & 0x400):
        return "link"
    if mode in (0x1000, 0x2000, 0x6000, 0xC000):
        return "device"
    return "folder" if name.endswith(("/", "\\")) or mode == 0x4000 else "file"


def extra_field(extra: bytes, wanted: int) -> bytes:
    """The first extra field of this id, b"" where there is none."""
    at = 0
    while at + 4 <= len(extra):
        field, length = struct.unpack("<HH", extra[at : at + 4])
        if field == wanted:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return b""


def decode_name(raw: bytes, flags: int) -> str:
    """UTF-8 where it is valid (many writers forget the flag), else the code page of the format, 437."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace") if flags & 0x800 else raw.decode("cp437")


def times(extra: bytes, clock: int, date: int) -> tuple[datetime | None, datetime | None]:
    """(modified, created): NTFS field 0x000a, Unix field 0x5455, else the DOS time, taken as UTC."""
    ntfs = extra_field(extra, 0x000A)
    if len(ntfs) >= 32 and ntfs[4:8] == b"\x01\x00\x18\x00":
        modified, _, created = struct.unpack("<QQQ", ntfs[8:32])
        return _filetime(modified), _filetime(created)
    unix = extra_field(extra, 0x5455)
    if len(unix) >= 5 and unix[0] & 1:
        return unix_time(struct.unpack("<i", unix[1:5])[0]), None
    try:
        moment = datetime(
            1980 + (date >> 9),
            (date >> 5) & 15,
            date & 31,
            clock >> 11,
            (clock >> 5) & 63,
            (clock & 31) * 2,
            tzinfo=UTC,
        )
    except ValueError:
        return None, None
    return moment, None


def _filetime(ticks: int) -> datetime | None:
    return unix_time(ticks / 10_000_000 - FILETIME_EPOCH) if ticks else None


def refuse_overlaps(members: list[Member]) -> list[Member]:
    """Members whose bytes lie inside an earlier member's bytes are refused. 30 bytes is the shortest local header."""
    order = sorted((member.offset, member.index) for member in members if member.type == "file")
    out = list(members)
    end = -1
    for offset, index in order:
        member = members[index]
        if offset < end:
            out[index] = replace(member, problem="notice.overlapping-member")
            continue
        end = offset + 30 + member.packed if member.packed else offset
    return out


def bound_total(members: list[Member]) -> tuple[list[Member], list[tuple[str, str]]]:
    total, out, refused = 0, [], 0
    for member in members:
        total += max(0, member.size) if not member.problem else 0
        if total > limits.MAX_ARCHIVE_BYTES and not member.problem:
            member, refused = replace(member, problem=BombError.reason), refused + 1
        out.append(member)
    return out, [("", f"{BombError.reason}: archive")] if refused else []


def data_offset(data: RandomBytes, member: Member) -> int:
    """Where the member's data starts: behind its local header. Raises DamagedError where there is no such header."""
    fixed = data.read_at(member.offset, 30)
    if len(fixed) < 30 or fixed[:4] != LOCAL:
        raise DamagedError("the archive has no data where its directory says")
    name_len, extra_len = struct.unpack("<HH", fixed[26:30])
    return member.offset + 30 + int(name_len) + int(extra_len)
