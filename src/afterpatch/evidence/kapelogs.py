"""KAPE's logs applied to what was collected: original times and hashes, left-out duplicates, the host's name."""

from __future__ import annotations

import re

from afterpatch.evidence import kape
from afterpatch.evidence.entry import Entry, NoticeBook, Scope
from afterpatch.evidence.kape import Originals
from afterpatch.evidence.serverpath import Folder
from afterpatch.evidence.spot import Spot

STAMP = re.compile(r"\d{4}-?\d\d-?\d\dT\d{4,6}")
SHADOWED = re.compile(r"^vss\d+\\")
Run = tuple[Scope, Folder, str]  # the folder of the logs, and the time stamp all files of one run start with
READERS = (
    ("_copylog.csv", kape.read_copy_log),
    ("_skiplog.csv", kape.read_skip_log),
    ("_skiplog.csv.csv", kape.read_skip_log),
    ("_consolelog.txt", kape.read_console_log),
)


def apply_kape(spots: list[Spot], book: NoticeBook) -> None:
    """Reads all logs of KAPE among the spots and corrects and completes the spots in place."""
    runs: dict[Run, Originals] = {}
    for spot in spots:
        name = spot.entry.parts[-1].lower()
        for suffix, read in READERS:
            if name.endswith(suffix):
                run = (spot.entry.scope, spot.entry.parts[:-1], _stamp(name))
                read(spot.entry, runs.setdefault(run, Originals()), book)
                break
    for run in sorted(runs, key=lambda run: (run[0].shown, run[1], run[2])):
        _apply(spots, run, runs[run], book)


def host_of(name: str) -> str:
    """The rest of `<time stamp>_<name>`, which collections are often named by their host."""
    stamp = _stamp(name)
    return name[len(stamp) :].lstrip("_- ") if stamp else name


def _stamp(name: str) -> str:
    found = STAMP.match(name.upper())
    return found[0] if found else ""


def _apply(spots: list[Spot], run: Run, originals: Originals, book: NoticeBook) -> None:
    scope, folder, stamp = run
    covered = [spot for spot in spots if _lies_below(spot.entry, scope, folder)]
    groups = {id(spot.group): spot.group for spot in covered if spot.drive}
    if len(groups) > 1:
        groups = {key: group for key, group in groups.items() if stamp and _stamp(group.scope.name) == stamp}
    if len(groups) != 1:
        if originals.copied or originals.twins:
            book.add("/".join((scope.shown, *folder)), "", "notice.copy-log-without-copies")
        return
    home = next(iter(groups.values()))
    home.layout, home.host = home.layout or "kape", originals.host or home.host
    inside = [spot for spot in covered if spot.group is home]
    for spot in covered:
        if not spot.drive and spot.entry.scope is scope and spot.entry.parts[:-1] == folder:
            spot.group = home
    _twins(spots, inside, originals, _known(inside, originals), book)


def _known(inside: list[Spot], originals: Originals) -> dict[str, Spot]:
    """Takes over times and hashes; returns the copies by SHA-1."""
    by_sha1: dict[str, Spot] = {}
    for spot in inside:
        known = originals.copied.get(spot.path.lower())
        if known is not None:
            spot.modified, spot.created, spot.sha1 = known.modified, known.created, known.sha1
            spot.original = bool(known.modified or known.created)
            by_sha1.setdefault(known.sha1, spot)
    return by_sha1


def _twins(spots: list[Spot], inside: list[Spot], originals: Originals, by_sha1: dict[str, Spot], book: NoticeBook) -> None:
    """Files KAPE left out as duplicates: their own path, the bytes of the copy, times unknown.

    A shadow copy of a file that has not changed since is no second file.
    """
    taken = {spot.path.lower() for spot in inside}
    for twin in originals.twins:
        copy = by_sha1.get(twin.sha1) if twin.sha1 else None
        if copy is None:
            book.add(twin.path, "", "notice.collector-skipped: Deduped, and no copy with this content is here")
        elif twin.path.lower() not in taken and SHADOWED.sub("", twin.path.lower()) != copy.path.lower():
            taken.add(twin.path.lower())
            spots.append(
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
