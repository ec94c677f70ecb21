"""From listed entries to places on servers: collectors' layouts, drives, anchors, and which entries belong together."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote

from afterpatch.evidence import kape, velociraptor
from afterpatch.evidence.entry import Entry, NoticeBook, Scope
from afterpatch.evidence.kape import Originals
from afterpatch.evidence.serverpath import Folder, Place, Tree
from afterpatch.evidence.table import Table, load_table
from afterpatch.evidence.velociraptor import Uploads

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9-]{1,63}){0,6}")


@dataclass(slots=True)
class Spot:
    """An entry and where it belongs. `group`: (scope, folder) that stands for one server so far."""

    entry: Entry
    path: str
    drive: str
    how: str
    group: Group
    modified: datetime | None
    created: datetime | None
    original: bool = False
    sha1: str = ""
    partial: bool = False


@dataclass(slots=True, eq=False)
class Group:
    """Entries collected from one place. Groups are joined when side files say so (`joined`)."""

    scope: Scope
    folder: Folder
    layout: str = ""
    host: str = ""
    joined: Group | None = None
    drives: set[str] = field(default_factory=set)

    def top(self) -> Group:
        """The group this one was joined to, itself if none."""
        return self if self.joined is None else self.joined.top()

    def join(self, other: Group) -> None:
        """Makes both one; the earlier stays."""
        mine, theirs = self.top(), other.top()
        if mine is not theirs:
            theirs.joined = mine
            mine.host = mine.host or theirs.host
            mine.layout = mine.layout or theirs.layout


def host_like(name: str) -> str:
    """The name where it can be a computer's name, "" for plain words, numbers and dates."""
    if not HOST.fullmatch(name) or name.lower() in load_table().plain_words or not re.search(r"[A-Za-z]", name):
        return ""
    return name if len(name) > 1 else ""


@dataclass(slots=True)
class Resolver:
    """Works on one scope after another; `spots` is the result."""

    table: Table
    book: NoticeBook
    groups: dict[tuple[Scope, Folder], Group] = field(default_factory=dict)
    spots: list[Spot] = field(default_factory=list)

    def scope(self, scope: Scope, entries: list[Entry]) -> None:
        """Places all entries of one scope."""
        tree = Tree(self.table, scope.context)
        folders = {entry.parts[:-1] for entry in entries}
        tree.grow(folders)
        for entry in entries:
            if entry.parts[-1].startswith("$") and len(entry.parts) < 8:
                tree.add_names(entry.parts[:-1], (entry.parts[-1],))
        uploads = self._velociraptor(scope, entries)
        anchored = self._anchor_groups(tree, folders)
        for entry in entries:
            self.spots.append(self._spot(scope, entry, tree.place(entry.parts[:-1]), anchored, uploads))

    # ---- one entry -----------------------------------------------------------------------------------------------

    def _spot(
        self, scope: Scope, entry: Entry, place: Place, anchored: dict[Folder, Folder],
        uploads: dict[Folder, Uploads],
    ) -> Spot:  # fmt: skip
        name = entry.parts[-1]
        base = _deepest(entry.parts[:-1], uploads)
        if base is not None:
            return self._upload_spot(scope, entry, place, base, uploads[base])
        if place.how == "drive":
            root = _without_accessor(place.root)
            name = unquote(name) if root != place.root else name
        else:
            root = anchored.get(place.root if place.how == "anchor" else entry.parts[:-1], ())
            if place.how == "plain":
                root = _deepest(entry.parts[:-1], {group[1]: 1 for group in self.groups if group[0] is scope}) or root
        group = self.group(scope, root)
        if place.drive:
            group.drives.add(place.drive)
        path = f"{place.path}\\{name}" if place.path else name
        return Spot(entry, path, place.drive, place.how, group, entry.modified, entry.created, partial=entry.partial)

    def _upload_spot(self, scope: Scope, entry: Entry, place: Place, base: Folder, uploads: Uploads) -> Spot:
        group = self.group(scope, base)
        inside = entry.parts[len(base) :]
        row = velociraptor.lookup(uploads, inside)
        path = row.path if row and row.path else velociraptor.path_of([unquote(part) for part in inside[1:]])
        if not path:
            path = "\\".join(inside)
        drive = path[: path.index(":") + 1] if ":" in path[:12] else ""
        group.drives.update({drive} - {""})
        partial = entry.partial or bool(row and row.partial)
        if row and row.partial:
            self.book.add(entry.shown, "", "notice.partial-upload", group=entry.scope.shown)
        how = "drive" if drive else place.how
        spot = Spot(entry, path, drive, how, group, entry.modified, entry.created, partial=partial)
        known = uploads.originals.get(path.lower())
        if known:
            spot.modified, spot.created, spot.original = known.modified, known.created, True
        return spot

    def group(self, scope: Scope, folder: Folder) -> Group:
        """The group of a folder of a scope."""
        found = self.groups.get((scope, folder))
        if found is None:
            found = self.groups[(scope, folder)] = Group(scope, folder)
            found.host = host_like(folder[-1]) if folder else ""
        return found

    # ---- folders without drives ----------------------------------------------------------------------------------

    def _anchor_groups(self, tree: Tree, folders: set[Folder]) -> dict[Folder, Folder]:
        """Folder before an anchor -> folder that stands for its server.

        Folders next to each other are different servers when they hold the same server paths (`EXCH01/W3SVC1` and
        `EXCH02/W3SVC1`); else all is one server.
        """
        found: dict[Folder, set[str]] = defaultdict(set)
        drives: set[Folder] = set()
        for folder in folders:
            place = tree.place(folder)
            if place.how == "anchor":
                found[place.root].add(place.path.lower())
            elif place.how == "drive":
                drives.add(place.root)
                found[place.root].add(place.path.lower().partition(":\\")[2])
        if not found:
            return {}
        shared = _common([*found])
        branches: dict[Folder, set[str]] = defaultdict(set)
        for root, paths in found.items():
            branches[root[: len(shared) + 1]] |= paths
        split = _share_paths([paths for branch, paths in branches.items() if len(branch) > len(shared)])
        return {root: self._home(root, shared, split, drives) for root in {*found, *folders}}

    @staticmethod
    def _home(root: Folder, shared: Folder, split: bool, drives: set[Folder]) -> Folder:
        for depth in range(len(root), 0, -1):
            if root[:depth] in drives:
                return root[:depth]
        inside = root[: len(shared)] == shared and len(root) > len(shared)
        return root[: len(shared) + 1] if split and inside else ()

    # ---- collectors ----------------------------------------------------------------------------------------------

    def _velociraptor(self, scope: Scope, entries: list[Entry]) -> dict[Folder, Uploads]:
        """Folder of a Velociraptor collection -> what its side files say."""
        found: dict[Folder, Uploads] = {}
        tops = {entry.parts[: entry.parts.index("uploads")] for entry in entries if "uploads" in entry.parts[:-1]}
        for entry in entries:
            base, name = entry.parts[:-1], entry.parts[-1].lower()
            if name in velociraptor.SIDE_FILES and (base in tops or name == "uploads.json"):
                uploads = found.setdefault(base, Uploads())
                if name == "uploads.json":
                    velociraptor.read_uploads(entry, uploads, self.book)
                elif name == "client_info.json":
                    velociraptor.read_client_info(entry, uploads, self.book)
        for entry in entries:
            name = unquote(entry.parts[-1]).lower()
            if entry.parts[-2:-1] == ("results",) and name.endswith(("metadata.json", "uploads.json")):
                base = entry.parts[:-2]
                if base in found:
                    velociraptor.read_metadata(entry, found[base], self.book)
        for base, uploads in found.items():
            group = self.group(scope, base)
            group.layout, group.host = "velociraptor", uploads.host or group.host
        return found

    def kape(self) -> None:
        """Applies KAPE's logs to what was collected below their folder, archives next to them included."""
        logs: dict[tuple[Scope, Folder], Originals] = {}
        for spot in self.spots:
            name = spot.entry.parts[-1].lower()
            base = (spot.entry.scope, spot.entry.parts[:-1])
            if name.endswith("_copylog.csv"):
                kape.read_copy_log(spot.entry, logs.setdefault(base, Originals()), self.book)
            elif name.endswith("_consolelog.txt"):
                kape.read_console_log(spot.entry, logs.setdefault(base, Originals()), self.book)
        for spot in self.spots:
            base = (spot.entry.scope, spot.entry.parts[:-1])
            if spot.entry.parts[-1].lower().endswith(("_skiplog.csv", "_skiplog.csv.csv")) and base in logs:
                kape.read_skip_log(spot.entry, logs[base], self.book)
        for (scope, folder), originals in sorted(logs.items(), key=lambda item: (item[0][0].shown, item[0][1])):
            self._apply(scope, folder, originals)

    def _apply(self, scope: Scope, folder: Folder, originals: Originals) -> None:
        covered = [spot for spot in self.spots if _lies_below(spot.entry, scope, folder)]
        groups = {id(spot.group): spot.group for spot in covered if spot.drive}
        if len(groups) == 1:
            home = next(iter(groups.values()))
            home.layout, home.host = home.layout or "kape", originals.host or home.host
            for spot in covered:
                if not spot.drive and spot.entry.parts[:-1] == folder and spot.entry.scope is scope:
                    spot.group = home
        by_sha1: dict[str, Spot] = {}
        for spot in covered:
            known = originals.copied.get(spot.path.lower())
            if known is None:
                continue
            spot.modified, spot.created, spot.sha1 = known.modified, known.created, known.sha1
            spot.original = bool(known.modified or known.created)
            by_sha1.setdefault(known.sha1, spot)
        self._twins(originals, by_sha1)

    def _twins(self, originals: Originals, by_sha1: dict[str, Spot]) -> None:
        """Files KAPE left out as duplicates: their path, the bytes of the copy, times unknown."""
        taken = {spot.path.lower() for spot in self.spots}
        for twin in originals.twins:
            copy = by_sha1.get(twin.sha1) if twin.sha1 else None
            if copy is None:
                self.book.add(twin.path, "", "notice.collector-skipped: Deduped, and no copy with this content is here")
            elif twin.path.lower() not in taken:
                self.spots.append(
                    Spot(copy.entry, twin.path, copy.drive, copy.how, copy.group, None, None, False, twin.sha1,
                         copy.partial)
                )  # fmt: skip


def _lies_below(entry: Entry, scope: Scope, folder: Folder) -> bool:
    """Whether an entry lies below a folder of a scope, also inside archives there."""
    inner: Scope | None = entry.scope
    parts = entry.parts
    while inner is not None:
        if inner is scope:
            return parts[: len(folder)] == folder
        parts, inner = inner.place, inner.parent
    return False


def _deepest(folder: Folder, known: dict[Folder, object] | dict[Folder, Uploads] | dict[Folder, int]) -> Folder | None:
    """The longest beginning of `folder` that is a key."""
    return next((folder[:depth] for depth in range(len(folder), -1, -1) if folder[:depth] in known), None)


def _without_accessor(root: Folder) -> Folder:
    """`uploads/<accessor>` of an unpacked collection without side files is not a folder of its own."""
    if len(root) >= 2 and root[-2].lower() == "uploads" and root[-1].lower() in velociraptor.ACCESSORS:
        return root[:-2]
    return root


def _common(folders: list[Folder]) -> Folder:
    """The longest common beginning."""
    low, high = min(folders), max(folders)
    same = 0
    while same < min(len(low), len(high)) and low[same] == high[same]:
        same += 1
    return low[:same]


def _share_paths(branches: list[set[str]]) -> bool:
    seen: set[str] = set()
    for paths in branches:
        if not seen.isdisjoint(paths):
            return True
        seen |= paths
    return False
