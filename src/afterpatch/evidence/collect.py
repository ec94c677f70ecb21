"""`collect`: everything that was handed in, as one ordered list of artifacts with the servers' own paths."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from afterpatch.evidence import containers, limits
from afterpatch.evidence.assemble import Collection, assemble, kind_of
from afterpatch.evidence.entry import Entry, NoticeBook, Scope, printable
from afterpatch.evidence.errors import WHY_UNUSABLE, why_unusable
from afterpatch.evidence.kapelogs import apply_kape
from afterpatch.evidence.listing import Found, Listing
from afterpatch.evidence.members import unix_time
from afterpatch.evidence.rawbytes import FileBytes
from afterpatch.evidence.resolve import Resolver
from afterpatch.evidence.serverpath import drive_of
from afterpatch.evidence.spot import Group, Spot
from afterpatch.evidence.table import Table, load_table
from afterpatch.model import EvidenceError, Locator


def collect(paths: Sequence[str]) -> Collection:
    """Lists all evidence. Reads heads and side files only; opens nothing for writing and follows no link in it.

    Raises EvidenceError (one sentence) where a path does not exist or is empty, or where nothing at all is usable.
    """
    if not paths:
        raise EvidenceError("No evidence was named: give a drive, a folder or a triage archive.")
    table, book = load_table(), NoticeBook()
    listing, resolver = Listing(table, book), Resolver(table, book)
    tops: list[Scope] = []
    for path in _unique(paths, book):
        tops.append(_list(path, listing))
    by_scope: dict[Scope, list[Entry]] = defaultdict(list)
    for entry in listing.entries:
        by_scope[entry.scope].append(entry)
    for scope in list(by_scope):
        resolver.scope(scope, by_scope[scope])
    spots = _open_on_server(resolver, table)
    resolver.spots = spots
    apply_kape(resolver.spots, book)
    _drop_locked(resolver, listing.locked, book)
    _join_groups(resolver)
    if not resolver.spots:
        raise EvidenceError(_nothing_usable(paths, book))
    return assemble(tops, resolver, table, book)


def _unique(paths: Sequence[str], book: NoticeBook) -> list[str]:
    """Each place once, in the order of the real paths, so that the order of the arguments does not matter."""
    real: dict[str, str] = {}
    for path in paths:
        if not path or "\0" in path or not os.path.lexists(path):
            raise EvidenceError(f"Evidence {path!r} does not exist: check the path.")
        real.setdefault(os.path.realpath(path), path)
    kept: list[str] = []
    for key in sorted(real, key=lambda key: Path(key).parts):
        if kept and Path(key).is_relative_to(kept[-1]):
            book.add(real[key], "", "notice.given-twice")
        else:
            kept.append(key)
    return [real[key] for key in kept]


def _list(path: str, listing: Listing) -> Scope:
    """Lists one path that was handed in."""
    real = os.path.realpath(path)
    shown = printable(os.path.normpath(path))
    shown = shown.replace("\\", "/") if os.name == "nt" else shown
    above = tuple(part for part in real.replace("\\", "/").split("/") if part)
    before = len(listing.entries), len(listing.book.notices)
    if Path(real).is_dir():
        scope = Scope(shown, "folder", printable(Path(real).name), above, realpath=real)
        listing.folder(real, scope)
        if before == (len(listing.entries), len(listing.book.notices)):
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
    kind = containers.magic_kind(head) or ("zip" if suffix == ".zip" and size else "")
    if kind:
        stem = name[: -len(suffix)] if suffix else name
        archive = Scope(shown, "archive", stem, (), realpath=real)
        item.scope = item.scope if kind in containers.COMPRESSED and not _tar_inside(suffix) else archive
        listing.open(item, kind, suffix, 0)
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


def _drop_locked(resolver: Resolver, locked: set[Scope], book: NoticeBook) -> None:
    """Velociraptor's encrypted container: `metadata.json`, which alone is no evidence, and an encrypted `data.zip`."""
    for scope in sorted(locked, key=lambda scope: scope.shown):
        inside = [spot for spot in resolver.spots if _lies_in(spot.entry.scope, scope)]
        names = {spot.entry.parts[-1].lower() for spot in inside}
        if names <= {"metadata.json"}:
            book.add(scope.shown, "", "notice.encrypted-collection")
            resolver.spots = [spot for spot in resolver.spots if spot not in inside]


def _lies_in(inner: Scope | None, outer: Scope) -> bool:
    while inner is not None and inner is not outer:
        inner = inner.parent
    return inner is outer


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
    """One sentence; the most telling reasons first."""
    rank = {key: place for place, key in enumerate(WHY_UNUSABLE)}
    notices = sorted(book.finished(), key=lambda notice: rank.get(notice.reason.partition(":")[0], len(rank)))
    reasons = dict.fromkeys(f"{notice.path} is {why_unusable(notice.reason)}" for notice in notices[:3])
    text = f"Nothing usable in the evidence {', '.join(map(repr, paths))}"
    return " ".join((text + (f" ({'; '.join(reasons)})." if reasons else ".")).splitlines())
