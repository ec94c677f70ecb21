"""Whose is what, where files of several servers lie in one heap without order.

Told by, in this order: the server's name in the rows; the folder; a mark that somebody put in front of or behind the
file names; request ids that logs of one server share; the server's own addresses; names in rows that also name others.
What none of them tells is said log by log.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, cast

from afterpatch.detect.plane.tally import LogScan
from afterpatch.evidence import open_locator
from afterpatch.model import Artifact, EvidenceError, Record
from afterpatch.parsers import derive, read_log
from afterpatch.parsers.formats import kinds

LOOPBACK = ("127.0.0.1", "::1", "-")
HEAD_BYTES = 512 << 10  # of each log, read again to tell whose it is
HEAD_ROWS = 1500
MOST_HEADS = 4000
LEAST_SHARE = 2 / 3  # of what a log's rows say
_LOGS = frozenset(kinds())
_WORD = re.compile(r"[^A-Za-z0-9]+")
_RELAYED = re.compile(r"\b(?:FrontEnd|RequestId)=([^&\s]{1,255})", re.IGNORECASE)


@dataclass(slots=True)
class Head:
    """What the first rows of a log say of its server: names of servers, own addresses, ids of requests."""

    names: Counter[str] = field(default_factory=Counter)
    addresses: Counter[str] = field(default_factory=Counter)
    ids: set[str] = field(default_factory=set)

    def take(self, record: Record, side: str) -> None:
        """What one row says."""
        view = derive(record.kind, record.fields, side)
        for column in ("ServerHostName", "s-computername", "server-hostname", "SourceCafeServer", "connector-id"):
            for value in view.get(column) or ():
                if value:
                    self.names[short_name(value.partition("\\")[0])] += 1
        user = record.fields.get("cs-username", "")
        if user.endswith("$"):
            self.names[short_name(user.rpartition("\\")[2][:-1])] += 1
        for column in ("s-ip", "server-ip", "local-endpoint"):
            for value in view.get(column) or ():
                address = _address(value) if column == "local-endpoint" else value
                if address and address not in LOOPBACK:
                    self.addresses[address] += 1
        self._ids(record)

    def _ids(self, record: Record) -> None:
        query = record.fields.get("cs-uri-query", "")
        for value in (query.partition("cafeReqId=")[2][:36], *_RELAYED.findall(query)):
            if len(value) == 36 and value.count("-") == 4:
                self.ids.add(value.lower())
            elif value and "." in value:
                self.names[short_name(value)] += 1
        if record.kind in ("httpproxy", "mapi-http"):
            self.ids.add(record.fields.get("RequestId", "")[:36].lower())
        self.ids.discard("")


def short_name(name: str) -> str:
    """`EXCH01.example.local` -> `EXCH01`: logs of one server write both."""
    return name.strip().partition(".")[0].upper()[:63]


def _address(endpoint: str) -> str:
    """`10.0.0.6:25` -> `10.0.0.6`."""
    return endpoint.rpartition(":")[0].strip("[]")


@dataclass(slots=True)
class Heap:
    """The files of one place and the servers whose names its logs give. `owners` fills up: artifact index -> name."""

    members: Sequence[Artifact]
    found: Sequence[str]
    owners: dict[int, str]
    scans: Mapping[int, LogScan]
    heads: dict[int, Head] = field(default_factory=dict)

    def solve(self) -> None:
        """Everything that can be told, the surest first."""
        named = dict(self.owners)
        self._by_folder(named)
        self._by_mark(named)
        for step in (self._by_ids, self._by_addresses, self._by_names, self._by_addresses, self._by_ids, self._by_addresses):
            if self._open():
                step()
        self._by_path()

    def _open(self) -> list[Artifact]:
        return [artifact for artifact in self.members if artifact.index not in self.owners]

    def _by_folder(self, named: Mapping[int, str]) -> None:
        folders: dict[str, set[str]] = {}
        for artifact in self.members:
            if artifact.index in named:
                for folder in _folders(artifact.shown):
                    folders.setdefault(folder, set()).add(named[artifact.index])
        for artifact in self._open():
            for folder in _folders(artifact.shown):
                owners = folders.get(folder)
                if owners is not None:
                    if len(owners) == 1:
                        self.owners[artifact.index] = next(iter(owners))
                    break

    def _by_mark(self, named: Mapping[int, str]) -> None:
        """The first or the last word of the file names, where it parts the named logs exactly as their rows do."""
        for place in (0, -1):
            marks: dict[str, Counter[str]] = {}
            kinds: dict[str, set[str]] = {}
            for artifact in self.members:
                if artifact.index in named:
                    mark = _words(artifact)[place]
                    marks.setdefault(mark, Counter())[named[artifact.index]] += 1
                    kinds.setdefault(mark, set()).add(artifact.kind)
            if any(len(each) < 2 for each in kinds.values()):
                continue  # a log's own name, not a mark
            told = {owner for owners in marks.values() for owner in owners}
            if len(told) == len(self.found) and all(len(owners) == 1 for owners in marks.values()) and len(marks) == len(told):
                for artifact in self._open():
                    owners = marks.get(_words(artifact)[place])
                    if owners is not None:
                        self.owners[artifact.index] = next(iter(owners))

    def _by_ids(self) -> None:
        known: dict[str, set[str]] = {}
        wanted = [artifact for artifact in self._open() if artifact.kind in ("iis", "mapi-http", "httpproxy")]
        hours = {hour for artifact in wanted for hour in _hours(self.scans.get(artifact.index))}
        for artifact in self.members:
            owner = self.owners.get(artifact.index)
            if owner is None or artifact.kind not in ("httpproxy", "iis", "mapi-http"):
                continue
            theirs = set(_hours(self.scans.get(artifact.index)))
            if artifact.kind == "iis" or not (hours and theirs) or hours & theirs:  # ids of other hours cannot meet
                known.setdefault(owner, set()).update(self._head(artifact).ids)
        for artifact in wanted:
            ids = self._head(artifact).ids
            self._decide(artifact, Counter({owner: len(ids & other) for owner, other in known.items() if ids & other}))

    def _by_addresses(self) -> None:
        owned: dict[str, Counter[str]] = {}
        for artifact in self.members:
            owner = self.owners.get(artifact.index)
            if owner is not None and artifact.kind in _LOGS:
                for address in self._addresses(artifact):
                    owned.setdefault(address, Counter())[owner] += 1
        for artifact in self._open():
            votes = Counter[str]()
            for address, times in self._addresses(artifact).items():
                for owner, files in owned.get(address, {}).items():
                    votes[owner] += times * files
            self._decide(artifact, votes)

    def _by_names(self) -> None:
        for artifact in self._open():
            names = self._head(artifact).names
            self._decide(artifact, Counter({name: names[name] for name in self.found if names[name]}))

    def _by_path(self) -> None:
        for artifact in self._open():
            words = {word.upper() for word in _WORD.split(artifact.shown)}
            named = [name for name in self.found if name in words]
            if len(named) == 1:
                self.owners[artifact.index] = named[0]

    def _decide(self, artifact: Artifact, votes: Counter[str]) -> None:
        best = votes.most_common(1)
        if best and best[0][1] > votes.total() * LEAST_SHARE:
            self.owners[artifact.index] = best[0][0]

    def _addresses(self, artifact: Artifact) -> Counter[str]:
        return self._head(artifact).addresses if artifact.kind in _LOGS else Counter()

    def _head(self, artifact: Artifact) -> Head:
        if artifact.index not in self.heads:
            scan = self.scans.get(artifact.index)
            few = len(self.heads) < MOST_HEADS and scan is not None and artifact.kind in _LOGS
            head = read_head(artifact) if few else Head()
            if scan is not None and not (head.addresses or head.ids):  # nothing that can be read again
                head.addresses.update({each: times for each, times in scan.addresses.items() if each not in LOOPBACK})
                head.ids |= scan.joins
            self.heads[artifact.index] = head
        return self.heads[artifact.index]


def read_head(artifact: Artifact) -> Head:
    """The first rows of a log; empty where it cannot be read."""
    head = Head()
    try:
        with open_locator(artifact.locator) as stream:
            rows = read_log(artifact.kind, cast(BinaryIO, _First(stream, HEAD_BYTES)))
            for row in islice(rows, HEAD_ROWS):
                if isinstance(row, Record):
                    head.take(row, "")
    except (EvidenceError, OSError):
        return head
    return head


class _First:
    """The first bytes of a stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, size: int = 1 << 16) -> bytes:
        data = self._stream.read(min(size if size >= 0 else self._left, self._left))
        self._left -= len(data)
        return data


def _hours(scan: LogScan | None) -> Iterable[int]:
    """The first hours a log has rows of."""
    return sorted(scan.hours)[:2] if scan is not None else ()


def _words(artifact: Artifact) -> list[str]:
    name = re.split(r"[\\/!]", artifact.shown)[-1]
    stem = name.lower()
    while "." in stem:  # the endings are no mark
        stem = stem.rpartition(".")[0]
    return [word for word in _WORD.split(stem) if word] or [""]


def _folders(shown: str) -> list[str]:
    parts = re.split(r"[\\/!]", shown)[:-1]
    return ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
