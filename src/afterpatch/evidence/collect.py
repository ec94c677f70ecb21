"""`collect`: everything that was handed in, as one ordered list of artifacts with the servers' own paths."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from afterpatch.evidence import containers, limits
from afterpatch.evidence.entry import Entry, NoticeBook, Scope, printable
from afterpatch.evidence.listing import Found, Listing
from afterpatch.evidence.members import unix_time
from afterpatch.evidence.rawbytes import FileBytes
from afterpatch.evidence.resolve import Group, Resolver, Spot, host_like
from afterpatch.evidence.serverpath import drive_of
from afterpatch.evidence.table import OTHER, Table, load_table
from afterpatch.model import Artifact, EvidenceError, Locator, Notice, Source

CONTAINER_PARTS = {"metadata.json", "data.zip"}


@dataclass(frozen=True, slots=True)
class Root:
    """One place evidence was collected from, usually one server. `layout` as in Source; `drives` as `C:`, `VSS1\\C:`.
    `host_hint` is a name from a side file, an archive or a folder, "" where there is none."""

    key: str
    host_hint: str
    layout: str
    drives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Collection:
    """All evidence of one run. `artifacts` are sorted by (root, path, shown); `Artifact.index` is the position."""

    sources: tuple[Source, ...]
    roots: tuple[Root, ...]
    artifacts: tuple[Artifact, ...]
    notices: tuple[Notice, ...]


def collect(paths: Sequence[str]) -> Collection:
    """Lists all evidence. Reads heads and side files only; opens nothing for writing and follows no link in it.

    Raises EvidenceError (one sentence) where a path does not exist or is empty, or where nothing at all is usable.
    """
    if not paths:
        raise EvidenceError("No evidence was named: give a drive, a folder or a triage archive.")
    table, book = load_table(), NoticeBook()
    listing, resolver = Listing(table, book), Resolver(table, book)
    tops: list[Scope] = []
    for path in _unique(paths):
        tops.append(_list(path, listing))
    by_scope: dict[Scope, list[Entry]] = defaultdict(list)
    for entry in listing.entries:
        by_scope[entry.scope].append(entry)
    for scope in list(by_scope):
        resolver.scope(scope, by_scope[scope])
    spots = _open_on_server(resolver, table)
    resolver.spots = spots
    resolver.kape()
    _encrypted_containers(resolver.spots, book)
    _join_groups(resolver)
    if not resolver.spots:
        raise EvidenceError(_nothing_usable(paths, book))
    return _assemble(tops, resolver, table, book)


def _unique(paths: Sequence[str]) -> list[str]:
    """Each place once, in the order of the real paths, so that the order of the arguments does not matter."""
    real: dict[str, str] = {}
    for path in paths:
        if "\0" in path or not os.path.lexists(path):
            raise EvidenceError(f"Evidence {path!r} does not exist: check the path.")
        real.setdefault(os.path.realpath(path), path)
    return [real[key] for key in sorted(real)]


def _list(path: str, listing: Listing) -> Scope:
    """Lists one path that was handed in."""
    real = os.path.realpath(path)
    shown = printable(os.path.normpath(path))
    shown = shown.replace("\\", "/") if os.name == "nt" else shown
    above = tuple(part for part in real.replace("\\", "/").split("/") if part)
    before = len(listing.entries)
    if Path(real).is_dir():
        scope = Scope(shown, "folder", printable(Path(real).name), above, realpath=real)
        listing.folder(real, scope)
        if len(listing.entries) == before and not listing.book.notices:
            raise EvidenceError(f"Evidence {path!r} is an empty folder.")
        return scope
    return _list_file(path, real, shown, above[:-1], listing)


def _list_file(path: str, real: str, shown: str, above: tuple[str, ...], listing: Listing) -> Scope:
    try:
        file = FileBytes(real)
    except EvidenceError as error:
        raise EvidenceError(f"Evidence {path!r} cannot be opened: {error}.") from error
    head, size = file.read_at(0, 512), file.size
    file.close()
    name = printable(Path(real).name)
    status = Path(real).stat()
    item = Found(Scope(shown, "file", name, above, realpath=real), (name,), shown, Locator(real), size,
                 unix_time(status.st_mtime))  # fmt: skip
    suffix, _ = containers.suffix_kind(name)
    kind = containers.magic_kind(head)
    if kind:
        stem = name[: -len(suffix)] if suffix else name
        archive = Scope(shown, "archive", stem, (), realpath=real)
        item.scope = item.scope if kind in containers.COMPRESSED and not _tar_inside(suffix) else archive
        if listing.open(item, kind, suffix, 0):
            return item.scope
        return item.scope
    refused = containers.refused_kind(head)
    if refused:
        hint = containers.refusal_hint(refused)
        listing.book.add(shown, "", f"notice.container-not-supported: {refused}: {hint}")
        return item.scope
    listing.found(item, limits.MAX_NESTING if not suffix else 0)
    return item.scope


def _tar_inside(suffix: str) -> bool:
    return suffix.startswith((".t",))


def _open_on_server(resolver: Resolver, table: Table) -> list[Spot]:
    """Archives that lie on the server itself (below a drive): kept as artifacts, and only logs are taken out of them.

    Archives that lie in a heap of evidence are containers and no artifacts.
    """
    holders = {spot.entry.container: spot for spot in resolver.spots if spot.entry.container is not None}
    on_server = {scope: spot for scope, spot in holders.items() if scope is not None and spot.drive}
    kept: list[Spot] = []
    for spot in resolver.spots:
        if spot.entry.container is not None:
            if spot.entry.container in on_server:
                kept.append(spot)
            continue
        holder = _holder(spot.entry.scope, on_server)
        if holder is None:
            kept.append(spot)
        elif kind_of(table, spot) in table.text_logs:
            spot.path, spot.group, spot.drive = f"{holder.path}\\{spot.path}", holder.group, holder.drive
            kept.append(spot)
    return kept


def _holder(scope: Scope, on_server: dict[Scope, Spot]) -> Spot | None:
    inner: Scope | None = scope
    found = None
    while inner is not None:
        found = on_server.get(inner, found)
        inner = inner.parent
    return found


def kind_of(table: Table, spot: Spot) -> str:
    """The kind by header and path. A text log's header wins; `exchange-log` only says that it is one."""
    folder, _, name = spot.path.rpartition("\\")
    by_path, sniffed = table.paths.kind(folder, name), spot.entry.sniffed
    if by_path == "side-file":
        return by_path
    if sniffed in table.text_logs and sniffed != "log-excerpt":
        return by_path if sniffed == "exchange-log" and by_path in table.text_logs else sniffed
    return by_path if by_path != OTHER else sniffed


def _encrypted_containers(spots: list[Spot], book: NoticeBook) -> None:
    """Velociraptor's encrypted container: `metadata.json` and an encrypted `data.zip` at the top and nothing else."""
    by_group: dict[int, list[Spot]] = defaultdict(list)
    for spot in spots:
        by_group[id(spot.group.top())].append(spot)
    for members in by_group.values():
        names = {spot.entry.parts[-1].lower() for spot in members}
        if names and names <= CONTAINER_PARTS and "metadata.json" in names:
            book.add(members[0].entry.scope.shown, "", "notice.encrypted-collection")
            for spot in members:
                spots.remove(spot)


def _join_groups(resolver: Resolver) -> None:
    """One server: groups whose side files name the same host, and drives handed in next to each other."""
    by_host: dict[str, Group] = {}
    by_parent: dict[str, Group] = {}
    for group in resolver.groups.values():
        if group.layout in ("velociraptor", "kape") and group.host:
            by_host.setdefault(group.host.lower(), group).join(group)
        drive = drive_of(group.scope.context[-1]) if group.scope.kind == "folder" and group.scope.context else None
        if drive and not group.folder and group.drives == {drive.prefix}:
            by_parent.setdefault(str(Path(group.scope.realpath).parent), group).join(group)


def _nothing_usable(paths: Sequence[str], book: NoticeBook) -> str:
    reasons = "; ".join(
        f"{notice.path}: {notice.reason.removeprefix('notice.')}" for notice in book.finished()[:3]
    )
    return f"Nothing usable in the evidence {', '.join(map(repr, paths))}" + (f" ({reasons})." if reasons else ".")


# ---- putting it together -------------------------------------------------------------------------------------------


def _assemble(tops: list[Scope], resolver: Resolver, table: Table, book: NoticeBook) -> Collection:
    names = _scope_names(tops)
    keys: dict[int, str] = {}
    for group in resolver.groups.values():
        keys[id(group)] = _key(group, names)
    rows = sorted(
        ((keys[id(spot.group.top())], spot) for spot in resolver.spots),
        key=lambda row: (row[0], row[1].path, row[1].entry.shown, row[1].entry.locator.steps),
    )
    artifacts = tuple(_artifact(index, key, spot, kind_of(table, spot)) for index, (key, spot) in enumerate(rows))
    used = {key for key, _ in rows}
    roots = tuple(
        sorted(
            (_root(group, keys[id(group)], resolver) for group in resolver.groups.values()
             if group.joined is None and keys[id(group)] in used),
            key=lambda root: root.key,
        )
    )  # fmt: skip
    sources = tuple(_source(scope, resolver) for scope in tops)
    return Collection(sources, roots, artifacts, book.finished())


def _scope_names(tops: list[Scope]) -> dict[Scope, str]:
    """Short, unique names of what was handed in; they do not depend on where it lies on this machine."""
    names: dict[Scope, str] = {}
    for scope in tops:
        base = printable(Path(scope.realpath).name) or scope.shown
        name, number = base, 1
        while name in names.values():
            number += 1
            name = f"{base}#{number}"
        names[scope] = name
    return names


def _key(group: Group, names: dict[Scope, str]) -> str:
    parts: list[str] = list(group.folder)
    scope = group.scope
    while scope.parent is not None:
        parts = [*scope.place, *parts]
        scope = scope.parent
    return "/".join([names[scope], *parts])


def _artifact(index: int, key: str, spot: Spot, kind: str) -> Artifact:
    entry = spot.entry
    return Artifact(
        index, spot.path, entry.shown, entry.locator, kind, key, entry.size, spot.modified, spot.created, spot.sha1,
        spot.partial, spot.original,
    )  # fmt: skip


def _root(group: Group, key: str, resolver: Resolver) -> Root:
    members = [other for other in resolver.groups.values() if other.top() is group]
    drives = sorted({drive for member in members for drive in member.drives})
    layout = group.layout or _scope_layout(group.scope, bool(drives))
    return Root(key, group.host or _scope_host(group.scope, layout), layout, tuple(drives))


def _scope_layout(scope: Scope, drives: bool) -> str:
    if scope.kind == "archive":
        return "cylr" if drives and _machine_name(scope.name) else "archive"
    return "drive" if drives else "folder"


def _machine_name(name: str) -> bool:
    """NetBIOS names in capitals, as CyLR names its archives; a plain word is no host."""
    return bool(host_like(name)) and name.upper() == name and len(name) <= 15


def _scope_host(scope: Scope, layout: str) -> str:
    if layout == "cylr" or (scope.parent is not None and scope.kind == "archive"):
        return host_like(scope.name)
    return host_like(scope.name) if _machine_name(scope.name) and scope.kind != "file" else ""


def _source(scope: Scope, resolver: Resolver) -> Source:
    spots = [spot for spot in resolver.spots if _top(spot.entry.scope) is scope]
    layouts = {spot.group.top().layout for spot in spots} - {""}
    drives = any(spot.drive for spot in spots)
    layout = sorted(layouts)[0] if layouts else _scope_layout(scope, drives)
    return Source(scope.shown, layout, len(spots), sum(spot.entry.size for spot in spots))


def _top(scope: Scope) -> Scope:
    while scope.parent is not None:
        scope = scope.parent
    return scope
