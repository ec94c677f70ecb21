"""What a scenario puts on one server: rows between the benign traffic, files, and the truth about both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from afterpatch.demo.evtxfile import Record
from afterpatch.demo.rows import Hit, Ids, Row
from afterpatch.demo.scribe import Scribe
from afterpatch.demo.server import Server
from afterpatch.demo.truth import TrueActor, TrueChain, TrueDoor


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A file of the server by its own path; `created` defaults to `modified`."""

    path: str
    content: bytes
    modified: datetime
    created: datetime | None = None


@dataclass(slots=True)
class Ledger:
    """The book of one server. Rows marked planted are those of an intruder or a scanner."""

    server: Server
    seed: int
    rows: dict[str, list[tuple[Row, bool]]] = field(default_factory=dict)
    files: list[PlainFile] = field(default_factory=list)
    events: list[Record] = field(default_factory=list)
    chains: list[TrueChain] = field(default_factory=list)
    doors: list[TrueDoor] = field(default_factory=list)
    actors: list[TrueActor] = field(default_factory=list)
    scanners: list[str] = field(default_factory=list)
    mailboxes: list[str] = field(default_factory=list)
    verdict: str = "no-evidence"
    _scribe: Scribe | None = None

    @property
    def scribe(self) -> Scribe:
        """The writer of this server's dated rows."""
        if self._scribe is None:
            self._scribe = Scribe(self.server, Ids(f"{self.seed}:{self.server.name}"))
        return self._scribe

    def add(self, rows: Iterable[Row], planted: bool = True) -> None:
        """Note rows."""
        for row in rows:
            self.rows.setdefault(row.stream, []).append((row, planted))

    def note(self, *events: Record | None) -> None:
        """Note events; None stands for an act that leaves none."""
        self.events += [event for event in events if event is not None]

    def hit(self, hit: Hit, planted: bool = True) -> None:
        """Note the rows of one request."""
        self.add(self.scribe.hit(hit), planted)

    def put(self, path: str, content: bytes, modified: datetime) -> None:
        """Note a file; `{ex}` stands for the installation folder."""
        self.files.append(PlainFile(self.place(path), content, modified))

    def place(self, path: str) -> str:
        """A server path with `{ex}` filled in."""
        return path.replace("{ex}", self.server.install)

    def chain(self, chain: str, stage: str, sources: Iterable[str], first: datetime, last: datetime) -> None:
        """Note the truth about a chain."""
        self.chains.append(TrueChain(chain, stage, self.server.name, tuple(sources), first, last))

    def door(self, path: str, state: str, kind: str = "web-shell", used_by: tuple[str, ...] = ()) -> None:
        """Note the truth about a back door."""
        self.doors.append(TrueDoor(self.place(path), kind, state, self.server.name, used_by))

    def actor(self, name: str, addresses: Iterable[str], agents: Iterable[str] = ()) -> None:
        """Note the truth about an intruder."""
        self.actors.append(TrueActor(name, tuple(addresses), tuple(agents)))
