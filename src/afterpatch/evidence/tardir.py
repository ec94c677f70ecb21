"""The members of a tar archive: ustar, GNU long names, pax headers (POSIX.1-2001), read without trust.

Links, devices and pipes are listed with their type, so that they can be named in a notice; nothing follows them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from afterpatch.evidence import limits
from afterpatch.evidence.entry import printable
from afterpatch.evidence.errors import DamagedError, TruncatedError, UnsupportedError
from afterpatch.evidence.members import Directory, Member, judged, unix_time
from afterpatch.evidence.rawbytes import RandomBytes

BLOCK = 512
TYPES = {b"0": "file", b"\0": "file", b"7": "file", b"1": "link", b"2": "link", b"3": "device", b"4": "device",
         b"5": "folder", b"6": "device", b"S": "file"}  # fmt: skip


@dataclass(slots=True)
class _Pending:
    """What an extension header says about the member that follows."""

    name: str = ""
    values: dict[str, str] = field(default_factory=dict)


def is_tar(head: bytes) -> bool:
    """Whether the first block is a tar header: the magic, or (before POSIX) a right checksum."""
    if len(head) < BLOCK:
        return False
    return head[257:262] == b"ustar" or (bool(head[0]) and _checksum_holds(head[:BLOCK]))


def read_tar(data: RandomBytes) -> Directory:
    """The members, in order. A damaged header ends the list with a problem, what came before stays."""
    members: list[Member] = []
    problems: list[tuple[str, str]] = []
    pending = _Pending()
    at, ended = 0, True
    while True:
        block = data.read_at(at, BLOCK)
        if len(block) < BLOCK or not any(block):
            ended = len(block) == BLOCK
            break
        if not _checksum_holds(block):
            problems.append((f"offset {at}", "notice.archive-directory-damaged"))
            break
        if len(members) >= limits.MAX_MEMBERS:
            problems.append(("", f"notice.too-many-members: {limits.MAX_MEMBERS}"))
            break
        at, pending = _step(data, at, block, pending, members)
    if not members:
        raise DamagedError("the tar archive holds no readable member")
    cut = [member.index for member in members if member.type == "file" and member.offset + member.packed > data.size]
    for index in cut:
        members[index] = replace(members[index], partial=True)
    if not ended or cut or getattr(data, "error", None) is not None:
        problems.append(("", TruncatedError.reason))
    return Directory(tuple(members), tuple(problems))


def _step(data: RandomBytes, at: int, block: bytes, pending: _Pending, members: list[Member]) -> tuple[int, _Pending]:
    """Reads one header; returns where the next stands and what is pending for it."""
    kind, size = block[156:157], _number(block[124:136])
    body = at + BLOCK
    if kind in b"LKxg" and kind:
        text = data.read_at(body, min(size, limits.MAX_TAR_HEADER))
        if kind == b"L":
            pending.name = _text(text)
        elif kind == b"x":
            pending.values = _pax(text)
        return body + _padded(size), pending
    size = _whole(pending.values.get("size"), size)
    members.append(_member(len(members), block, pending, body, size))
    held = size if TYPES.get(kind, "file") == "file" else 0
    return body + _padded(held), _Pending()


def _member(index: int, block: bytes, pending: _Pending, body: int, size: int) -> Member:
    kind = block[156:157]
    name = pending.values.get("path") or pending.name or _ustar_name(block)
    sparse = kind == b"S" or any(key.startswith("GNU.sparse") for key in pending.values)
    what = TYPES.get(kind, "device")
    if what == "file" and name.endswith("/"):
        what = "folder"
    moment = _seconds(pending.values.get("mtime"), _number(block[136:148]))
    problem = UnsupportedError.reason if sparse else ""
    member = Member(index, name, what, "stored", body, size, size, -1, unix_time(moment), None, problem)
    return judged(member)


def _ustar_name(block: bytes) -> str:
    name = _text(block[:100])
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(raw: bytes) -> str:
    return printable(raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape"))


def _number(raw: bytes) -> int:
    """Octal text, or GNU base-256 where the top bit is set. 0 where it is neither."""
    if raw[0] & 0x80:
        return int.from_bytes(bytes([raw[0] & 0x7F]) + raw[1:], "big") if raw[0] != 0xFF else 0
    try:
        return max(0, int(raw.split(b"\0", 1)[0].strip() or b"0", 8))
    except ValueError:
        return 0


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else otherwise


def _seconds(text: str | None, otherwise: int) -> float:
    try:
        return float(text) if text else float(otherwise)
    except ValueError:
        return float(otherwise)


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _checksum_holds(block: bytes) -> bool:
    """The sum of all bytes, the checksum field counted as spaces."""
    return _number(block[148:156]) == sum(block[:148]) + 256 + sum(block[156:BLOCK])


def _pax(raw: bytes) -> dict[str, str]:
    """Records `<length> <key>=<value>\\n`; a malformed one ends the reading."""
    values: dict[str, str] = {}
    while raw:
        digits, blank, _ = raw.partition(b" ")
        if not blank or not digits.isdigit() or len(digits) > 9:
            break
        length = int(digits)
        key, equals, value = raw[len(digits) + 1 : length].partition(b"=")
        if not equals or length <= len(digits):
            break
        values[key.decode("utf-8", "replace")] = printable(value.removesuffix(b"\n").decode("utf-8", "surrogateescape"))
        raw = raw[length:]
    return values
