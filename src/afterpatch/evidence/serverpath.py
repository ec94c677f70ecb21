"""The server's own path of a file, as far as its place in the evidence tells it.

Rules, in this order, for the folder a file lies in:
1. A component that names a drive (`C`, `C:`, `C%3A`, `c_drive`, `C$`, `\\\\.\\C:`, a shadow copy) starts the
   path. A single letter counts when Windows folders lie below it, or below such a letter next to it.
2. A folder that looks like the root of the system drive (`Windows` and another Windows folder in it) is `C:\\`.
3. Else the path starts at the leftmost anchor of `artifacts.yml` (`inetpub\\logs`, `Exchange Server\\V15`, ...),
   without a drive letter, because none is known.
4. Else it is the path below the evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from afterpatch.evidence.table import Table

Folder = tuple[str, ...]
SHADOW = re.compile(r"HarddiskVolumeShadowCopy(\d{1,6})", re.IGNORECASE)
STRONG = re.compile(r"(?:\\\\[.?]\\)?([A-Za-z]):\\?|([A-Za-z])\$|([A-Za-z])[ _-]?drive|drive[ _-]?([A-Za-z])", re.IGNORECASE)
WEAK = re.compile(r"([C-Zc-z])_?")  # A and B are floppy disks
DATA_LETTERS = "CDEFGH"  # a folder `D` alone at the top, with nothing else to judge by, is taken as a drive
VSS = re.compile(r"VSS(\d{1,6})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Drive:
    """A drive name: `prefix` is `C:` or, for a shadow copy, `VSS3\\C:`. `escaped`: the rest is percent-encoded."""

    prefix: str
    sure: bool
    escaped: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a folder belongs: `root` is the evidence folder that stands for one server (or the part before the anchor),
    `path` the server's folder path (no trailing backslash), `drive` its prefix or "". `how`: drive | lettered (an
    anchor right below a single letter) | anchor | plain."""

    root: Folder
    path: str
    drive: str
    how: str


def drive_of(component: str) -> Drive | None:
    """The drive a path component names. A shadow copy's own letter is not recorded: C is assumed."""
    text = unquote(component)
    escaped = text != component
    if shadow := SHADOW.search(text):
        return Drive(f"VSS{int(shadow[1])}\\C:", True, escaped)
    if strong := STRONG.fullmatch(text):
        letter = next(group for group in strong.groups() if group)
        return Drive(f"{letter.upper()}:", True, escaped)
    if weak := WEAK.fullmatch(text):
        return Drive(f"{weak[1].upper()}:", False)
    if vss := VSS.fullmatch(text):
        return Drive(f"VSS{int(vss[1])}\\C:", False)
    return None


@dataclass(slots=True)
class Tree:
    """The folders of one scope and the names in each (lower case -> as spelled), for the questions above."""

    table: Table
    context: Folder = ()
    names: dict[Folder, dict[str, str]] = field(default_factory=dict)
    _seen: set[Folder] = field(default_factory=set)
    _places: dict[Folder, Place] = field(default_factory=dict)
    _drives: dict[Folder, Drive | None] = field(default_factory=dict)
    _begins: dict[tuple[str, bool], tuple[tuple[re.Pattern[str], ...], ...]] = field(default_factory=dict)

    def grow(self, folders: Iterable[Folder]) -> None:
        """Adds folders and all above them."""
        for folder in folders:
            for depth in range(len(folder), 0, -1):
                known = self.names.setdefault(folder[: depth - 1], {})
                name = folder[depth - 1]
                known.setdefault(name.lower(), name)
                if folder[:depth] in self._seen:
                    break
                self._seen.add(folder[:depth])

    def add_names(self, folder: Folder, names: Iterable[str]) -> None:
        """Adds names of files, which count as markers too ($MFT)."""
        self.names.setdefault(folder, {}).update((name.lower(), name) for name in names)

    def place(self, folder: Folder) -> Place:
        """Where this folder belongs; found once."""
        found = self._places.get(folder)
        if found is None:
            found = self._places[folder] = self._find(folder)
        return found

    def _find(self, folder: Folder) -> Place:
        for depth in range(len(folder) + 1):
            if depth and (drive := self._drive_at(folder[:depth])):
                return self._on_drive(folder, depth, drive)
            if self._is_drive_root(folder[:depth]):
                letter = self._letter_of(folder[:depth])
                return Place(folder[:depth], _join(letter, folder[depth:]), letter, "drive")
        return self._anchored(folder) or Place((), "\\".join(folder), "", "plain")

    def _on_drive(self, folder: Folder, depth: int, drive: Drive) -> Place:
        rest = folder[depth:]
        prefix = drive.prefix
        if prefix.startswith("VSS") and rest and (inner := drive_of(rest[0])) and len(inner.prefix) == 2:
            prefix, rest = prefix[:-2] + inner.prefix, rest[1:]
        if drive.escaped:
            rest = tuple(unquote(part) for part in rest)
        return Place(folder[: depth - 1], _join(prefix, rest), prefix, "drive")

    def _drive_at(self, folder: Folder) -> Drive | None:
        if folder not in self._drives:
            self._drives[folder] = self._judge_drive(folder)
        return self._drives[folder]

    def _judge_drive(self, folder: Folder) -> Drive | None:
        """A sure name counts at once, a weak one by what lies below it or below its neighbours."""
        drive = drive_of(folder[-1])
        if drive is None or drive.sure or self._has_marker(folder):
            return drive
        siblings = self.names.get(folder[:-1], {}).values()
        others = [name for name in siblings if (near := drive_of(name)) and len(near.prefix) == 2]
        if any(self._has_marker((*folder[:-1], name)) for name in others):
            return drive
        alone = len(folder) == 1 and len(others) == len(siblings) and drive.prefix[0] in DATA_LETTERS
        below = self.names.get(folder, {}).values()
        return drive if alone and not any(drive_of(name) for name in below) else None

    def _has_marker(self, folder: Folder) -> bool:
        return not self.table.drive_markers.isdisjoint(self.names.get(folder, ()))

    def _is_drive_root(self, folder: Folder) -> bool:
        names = self.names.get(folder, {})
        if not folder and self.context and drive_of(self.context[-1]) and self._has_marker(folder):
            return True
        return "windows" in names and len(self.table.drive_markers & names.keys()) > 1

    def _letter_of(self, folder: Folder) -> str:
        """The letter of a folder that is a drive's root: its own name where the evidence was given as `.../D`."""
        drive = drive_of(self.context[-1]) if not folder and self.context else None
        return drive.prefix if drive else "C:"

    def _anchored(self, folder: Folder) -> Place | None:
        """The leftmost anchor. Folders above the evidence (`context`) take part: the anchor may start in them."""
        whole = self.context + folder
        for start in range(len(whole)):
            width = self._anchor_width(whole, start)
            if not width or (start < len(self.context) and width < 2 and start + 1 < len(self.context)):
                continue
            above = drive_of(whole[start - 1]) if start else None
            letter = above.prefix if above and width > 1 and len(above.prefix) == 2 else ""
            root = folder[: max(0, start - len(self.context) - bool(letter))]
            return Place(root, _join(letter, whole[start:]), letter, "lettered" if letter else "anchor")
        return None

    def _anchor_width(self, whole: Folder, start: int) -> int:
        inside = start >= len(self.context)
        for anchor in self._beginning(whole[start].lower(), inside):
            parts = whole[start : start + len(anchor)]
            if len(parts) == len(anchor) and all(
                pattern.fullmatch(part.lower()) for pattern, part in zip(anchor, parts, strict=True)
            ):
                return len(anchor)
        return 0

    def _beginning(self, part: str, inside: bool) -> tuple[tuple[re.Pattern[str], ...], ...]:
        """The anchors that begin with a folder of this name."""
        found = self._begins.get((part, inside))
        if found is None:
            every = self.table.anchors + (self.table.staging_anchors if inside else ())
            found = self._begins[(part, inside)] = tuple(one for one in every if one[0].fullmatch(part))
        return found


def _join(prefix: str, parts: Folder) -> str:
    return "\\".join((prefix, *parts) if prefix else parts)
