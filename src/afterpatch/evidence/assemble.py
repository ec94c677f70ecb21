"""From placed entries to the ordered Collection: keys and hints of roots, kinds, sources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from afterpatch.evidence.entry import NoticeBook, Scope, printable
from afterpatch.evidence.kapelogs import host_of
from afterpatch.evidence.resolve import Resolver
from afterpatch.evidence.spot import Group, Spot, host_like
from afterpatch.evidence.table import OTHER, Table
from afterpatch.model import Artifact, Notice, Source

LAYOUTS = ("velociraptor", "kape", "cylr", "drive", "archive", "folder")  # what a mixed source is called by


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


def assemble(tops: list[Scope], resolver: Resolver, table: Table, book: NoticeBook) -> Collection:
    """The collection out of placed entries, in its order."""
    names = _scope_names(tops)
    keys: dict[int, str] = {}
    for group in resolver.groups.values():
        keys[id(group)] = _key(group, names)
    rows = sorted(
        ((keys[id(spot.group.top())], spot) for spot in resolver.spots),
        key=lambda row: (row[0], row[1].path, row[1].entry.shown, _steps(row[1])),
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


def _steps(spot: Spot) -> list[tuple[int, str]]:
    """The order of members that share one name."""
    return [(step.index, step.kind) for step in spot.entry.locator.steps]


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
    layout = _layout(group, resolver)
    return Root(key, group.host or _scope_host(group.scope, layout), layout, tuple(drives))


def _layout(group: Group, resolver: Resolver) -> str:
    on_drive = any(other.on_drive for other in resolver.groups.values() if other.top() is group)
    return group.layout or _scope_layout(group.scope, on_drive)


def _scope_layout(scope: Scope, drives: bool) -> str:
    if scope.kind == "archive":
        return "cylr" if drives and _machine_name(scope.name) else "archive"
    return "drive" if drives else "folder"


def _machine_name(name: str) -> bool:
    """NetBIOS names in capitals, as CyLR names its archives; a plain word is no host."""
    return bool(host_like(name)) and name.upper() == name and len(name) <= 15


def _scope_host(scope: Scope, layout: str) -> str:
    if layout == "kape" and scope.kind == "archive":
        name = host_of(scope.name)
        return name if _machine_name(name) else ""
    if layout == "cylr" or (scope.parent is not None and scope.kind == "archive"):
        return host_like(scope.name)
    return host_like(scope.name) if _machine_name(scope.name) and scope.kind != "file" else ""


def _source(scope: Scope, resolver: Resolver) -> Source:
    spots = [spot for spot in resolver.spots if _top(spot.entry.scope) is scope]
    groups = {id(spot.group.top()): spot.group.top() for spot in spots}
    layouts = {_layout(group, resolver) for group in groups.values()}
    layout = next((name for name in LAYOUTS if name in layouts), _scope_layout(scope, False))
    return Source(scope.shown, layout, len(spots), sum(spot.entry.size for spot in spots))


def _top(scope: Scope) -> Scope:
    while scope.parent is not None:
        scope = scope.parent
    return scope


def kind_of(table: Table, spot: Spot) -> str:
    """The kind by header and path. A text log's header wins; `exchange-log` only says that it is one."""
    folder, _, name = spot.path.rpartition("\\")
    by_path, sniffed = table.paths.kind(folder, name), spot.entry.sniffed
    if "side-file" in (by_path, sniffed):
        return "side-file"
    if by_path == "other-log":
        return OTHER
    if sniffed in table.text_logs and sniffed != "log-excerpt":
        return by_path if sniffed == "exchange-log" and by_path in table.text_logs else sniffed
    return by_path if by_path != OTHER else sniffed
