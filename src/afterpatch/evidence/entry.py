"""What a listing finds, before it is known where on the server it comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from afterpatch.evidence import limits
from afterpatch.model import Locator, Notice

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SURROGATE = re.compile("[\ud800-\udfff]")
RESERVED = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}


@dataclass(slots=True, eq=False)
class Scope:
    """One thing that was listed: a folder, a file, an archive. `context`: the folders it lies in on this machine;
    `place`: where it lies in its parent scope; `kind`: folder | file | archive."""

    shown: str
    kind: str
    name: str = ""
    context: tuple[str, ...] = ()
    parent: Scope | None = None
    place: tuple[str, ...] = ()
    salvaged: bool = False
    realpath: str = ""


@dataclass(slots=True)
class Entry:
    """One file found. `parts`: its path in the scope, untrusted. `sniffed`: what its header says."""

    scope: Scope
    parts: tuple[str, ...]
    shown: str
    locator: Locator
    size: int
    modified: datetime | None
    created: datetime | None
    sniffed: str
    partial: bool = False
    container: Scope | None = None  # the scope this file was opened as


@dataclass(slots=True)
class NoticeBook:
    """Gathers notices; beyond NOTICES_PER_REASON of one kind and place they are summed up in one."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def add(self, path: str, where: str, reason: str, count: int = 1, group: str = "") -> None:
        """`group`: the folder or archive whose notices are counted together (default: the path itself)."""
        key = (group or path, reason.partition(":")[0])
        seen = self.counts.get(key, 0)
        self.counts[key] = seen + count
        if seen < limits.NOTICES_PER_REASON:
            self.notices.append(Notice(printable(path), printable(where), reason, count))
            self.groups.append(key[0])

    def finished(self) -> tuple[Notice, ...]:
        """All notices in order, each once, the sums of the rest included."""
        shown: dict[tuple[str, str], int] = {}
        for (group, reason), total in self.counts.items():
            shown[(group, reason)] = total
        for notice, group in zip(self.notices, self.groups, strict=True):
            shown[(group, notice.reason.partition(":")[0])] -= notice.count
        rest = {Notice(printable(group), "", reason, count) for (group, reason), count in shown.items() if count > 0}
        return tuple(sorted(set(self.notices) | rest))


def split_name(name: str) -> tuple[str, ...]:
    """The components of an untrusted name: `/` and `\\` both separate, empty ones and `.` fall away, `..` stays."""
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def printable(text: str) -> str:
    """Text that can be encoded as UTF-8: a byte of a file name that is no UTF-8 becomes `%NN`."""
    return SURROGATE.sub(lambda found: f"%{ord(found[0]) & 0xFF:02X}", text)


def is_odd(name: str, parts: tuple[str, ...]) -> bool:
    """Whether a name would do harm if somebody wrote to it: it is kept as data, and named in a notice."""
    if name.startswith(("/", "\\")) or len(name) > limits.MAX_PATH or ".." in parts or not parts:
        return True
    if CONTROL.search(name):
        return True
    return any(len(part) > limits.MAX_NAME or part.partition(".")[0].strip().lower() in RESERVED for part in parts)
