"""From listed entries to places on servers: collectors' layouts, drives, anchors, and which entries belong together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from urllib.parse import unquote

from afterpatch.evidence import velociraptor
from afterpatch.evidence.entry import Entry, NoticeBook, Scope
from afterpatch.evidence.serverpath import Folder, Place, Tree
from afterpatch.evidence.spot import Group, Spot, host_like
from afterpatch.evidence.table import Table
from afterpatch.evidence.velociraptor import Uploads


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
        anchored = self._anchor_groups(scope, tree, folders)
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
        if place.how in ("drive", "lettered"):
            root = _without_accessor(place.root)
            name = unquote(name) if root != place.root else name
        else:
            root = anchored.get(place.root if place.how == "anchor" else entry.parts[:-1], ())
        group = self.group(scope, root)
        if place.drive:
            group.drives.add(place.drive)
            group.on_drive |= place.how == "drive"
        path = f"{place.path}\\{name}" if place.path else name
        return Spot(entry, path, place.drive, place.how, group, entry.modified, entry.created, partial=entry.partial)

    def _upload_spot(self, scope: Scope, entry: Entry, place: Place, base: Folder, uploads: Uploads) -> Spot:
        group = self.group(scope, base)
        inside = entry.parts[len(base) :]
        row = velociraptor.lookup(uploads, inside)
        if inside[0].lower() != "uploads":
            entry.sniffed = "side-file"
        path = row.path if row and row.path else velociraptor.path_of([unquote(part) for part in inside[1:]])
        if not path:
            path = "\\".join(inside)
        drive = path[: path.index(":") + 1] if ":" in path[:12] else ""
        group.drives.update({drive} - {""})
        group.on_drive |= bool(drive)
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

    def _anchor_groups(self, scope: Scope, tree: Tree, folders: set[Folder]) -> dict[Folder, Folder]:
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
            elif place.how in ("drive", "lettered"):
                root = _without_accessor(place.root)
                drives.add(root)
                found[root].add(place.path.lower().partition(":\\")[2])
        if not found:
            return {}
        shared = _common([*found])
        branches: dict[Folder, set[str]] = defaultdict(set)
        for root, paths in found.items():
            branches[root[: len(shared) + 1]] |= paths
        split = _share_paths([paths for branch, paths in branches.items() if len(branch) > len(shared)])
        if not split and shared and not drives:
            self.group(scope, ()).host = host_like(shared[-1])
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


def _deepest(folder: Folder, known: dict[Folder, Uploads]) -> Folder | None:
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
