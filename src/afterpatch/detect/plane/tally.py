"""What the plane hands on: hits grouped by detection and subject, use of unusual pages, and counts per log."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, NamedTuple

MAX_SAMPLES = 6
MAX_SEEN = 16
MAX_CLIENTS = 200
MAX_RAW = 4000
MAX_EVENTS = 100_000
MAX_GROUPS = 20_000


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """A raw line as proof. Ordered by time, artifact and place, so that merging never depends on the work's order."""

    time: datetime
    artifact: int
    line: int
    offset: int
    raw: str

    def moved(self, lines: int) -> Sample:
        """The same sample when its piece of the file begins so many lines further down."""
        return Sample(self.time, self.artifact, self.line + lines, self.offset, self.raw)


@dataclass(slots=True)
class Samples:
    """The earliest few samples and the latest one."""

    kept: list[Sample] = field(default_factory=list)

    def add(self, sample: Sample) -> None:
        """Keeps the sample if it is among the first few or the last."""
        if len(self.kept) < MAX_SAMPLES:
            insort(self.kept, sample)
        elif sample > self.kept[-1]:
            self.kept[-1] = sample
        elif sample < self.kept[-2]:
            insort(self.kept, sample)
            del self.kept[-2]

    def merge(self, other: Samples) -> None:
        for sample in other.kept:
            self.add(sample)


@dataclass(slots=True)
class Seen:
    """The alphabetically first few of the values seen: bounded, and the same in whatever order they came."""

    values: set[str] = field(default_factory=set)

    def add(self, value: str) -> None:
        if not value or value in self.values:
            return
        self.values.add(value[:500])
        if len(self.values) > MAX_SEEN:
            self.values.discard(max(self.values))

    def merge(self, other: Seen) -> None:
        for value in other.values:
            self.add(value)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other


@dataclass(slots=True)
class Group:
    """All hits of one detection on one subject."""

    detection: str
    subject: tuple[tuple[str, str], ...]
    counts: Counter[str] = field(default_factory=Counter)  # by artifact kind
    first: datetime | None = None
    last: datetime | None = None
    samples: Samples = field(default_factory=Samples)
    seen: dict[str, Seen] = field(default_factory=dict)
    bytes_out: int = 0

    def add(self, kind: str, sample: Sample, values: dict[str, str], bytes_out: int) -> None:
        self.counts[kind] += 1
        self.first, self.last = _earlier(self.first, sample.time), _later(self.last, sample.time)
        self.samples.add(sample)
        self.bytes_out += bytes_out
        for name, value in values.items():
            if value:
                self.seen.setdefault(name, Seen()).add(value)

    def merge(self, other: Group) -> None:
        self.counts.update(other.counts)
        self.first, self.last = _earlier(self.first, other.first), _later(self.last, other.last)
        self.samples.merge(other.samples)
        self.bytes_out += other.bytes_out
        for name, seen in other.seen.items():
            self.seen.setdefault(name, Seen()).merge(seen)


@dataclass(slots=True)
class PageUse:
    """Requests to one unusual script page. `clients` counts by address; past MAX_CLIENTS new ones are only counted."""

    page: str
    side: str
    count: int = 0
    answered: int = 0  # status 2xx
    posts: int = 0
    with_referer: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    clients: Counter[str] = field(default_factory=Counter)
    answered_clients: Counter[str] = field(default_factory=Counter)
    uncounted_clients: int = 0
    agents: Seen = field(default_factory=Seen)
    kinds: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None
    first_answered: datetime | None = None
    last_answered: datetime | None = None
    samples: Samples = field(default_factory=Samples)

    def add(self, kind: str, sample: Sample, client: str, method: str, status: str, agent: str, referer: bool) -> None:
        self.count += 1
        self.kinds[kind] += 1
        self.statuses[status] += 1
        self.posts += method == "POST"
        self.with_referer += referer
        self.agents.add(agent)
        self._count_client(self.clients, client, 1)
        self.first, self.last = _earlier(self.first, sample.time), _later(self.last, sample.time)
        if status.startswith("2"):
            self.answered += 1
            self._count_client(self.answered_clients, client, 1)
            self.first_answered = _earlier(self.first_answered, sample.time)
            self.last_answered = _later(self.last_answered, sample.time)
        if status.startswith("2") or not self.answered:
            self.samples.add(sample)

    def _count_client(self, clients: Counter[str], client: str, times: int) -> None:
        if client in clients or len(clients) < MAX_CLIENTS:
            clients[client] += times
        else:
            self.uncounted_clients += times

    def merge(self, other: PageUse) -> None:
        for name in ("count", "answered", "posts", "with_referer", "uncounted_clients"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.statuses.update(other.statuses)
        self.kinds.update(other.kinds)
        self.agents.merge(other.agents)
        self.samples.merge(other.samples)
        for mine, theirs in ((self.clients, other.clients), (self.answered_clients, other.answered_clients)):
            for client, times in sorted(theirs.items()):
                self._count_client(mine, client, times)
        self.first, self.last = _earlier(self.first, other.first), _later(self.last, other.last)
        self.first_answered = _earlier(self.first_answered, other.first_answered)
        self.last_answered = _later(self.last_answered, other.last_answered)


@dataclass(frozen=True, slots=True)
class Event:
    """A hit that a correlation counts."""

    detection: str
    sample: Sample
    fields: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Hour:
    """Rows of one hour: how many, first and last second since 1970."""

    count: int
    first: int
    last: int


@dataclass(slots=True)
class ChannelUse:
    """One channel of an event log: records by hour, unbroken runs (first, last) of record numbers. `whole`: no run was
    left out."""

    hours: dict[int, Hour] = field(default_factory=dict)
    spans: list[tuple[int, int]] = field(default_factory=list)
    whole: bool = True

    @property
    def records(self) -> int:
        return sum(hour.count for hour in self.hours.values())

    def hour(self, number: int, hour: Hour) -> None:
        """Adds the records of an hour."""
        known = self.hours.get(number)
        if known is None:
            self.hours[number] = Hour(hour.count, hour.first, hour.last)
        else:
            known.count += hour.count
            known.first, known.last = min(known.first, hour.first), max(known.last, hour.last)

    def merge(self, other: ChannelUse) -> None:
        for number, hour in other.hours.items():
            self.hour(number, hour)
        self.spans += other.spans
        self.whole = self.whole and other.whole


class Block(NamedTuple):
    """A header block of a log: where it stands, what version wrote it, when it says it began."""

    line: int
    version: str = ""
    date: str = ""
    log_type: str = ""
    fields: int = 0


class Install(NamedTuple):
    """An event about an installation, a crash report or a change of configuration: its values in order, the rendered
    sentence ("" where there is none) last."""

    time: datetime
    provider: str
    event_id: int
    values: tuple[str, ...]


class Mark(NamedTuple):
    """A row that names the build which wrote it."""

    time: datetime
    version: str


@dataclass(slots=True)
class LogScan:
    """All that one log (or piece of a big one) gave."""

    artifact: int
    piece: int = 0
    lines: int = 0
    headers: int = 0
    records: int = 0
    bytes: int = 0
    bad: Counter[str] = field(default_factory=Counter)  # reason -> lines
    bad_first: dict[str, int] = field(default_factory=dict)  # reason -> first line
    hours: dict[int, Hour] = field(default_factory=dict)  # hours since 1970
    blocks: list[Block] = field(default_factory=list)
    versions: dict[str, list[Mark]] = field(default_factory=dict)  # basis of a reading -> rows at the ends of its runs
    installs: list[Install] = field(default_factory=list)  # event logs: what tells of updates and configuration
    names: Counter[str] = field(default_factory=Counter)  # names of the server that wrote the log
    addresses: Counter[str] = field(default_factory=Counter)  # its own addresses (s-ip)
    joins: set[str] = field(default_factory=set)  # a few request ids, to tell servers apart
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], Group] = field(default_factory=dict)
    pages: dict[tuple[str, str], PageUse] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)  # what the bounds cut off
    failed: Counter[str] = field(default_factory=Counter)  # detection -> failures
    clock_jumps: int = 0
    undecodable: int = 0
    guessed: int = 0
    sha256: str = ""
    error: str = ""  # message for a stream that broke off
    kinds: Counter[str] = field(default_factory=Counter)  # record kinds, where an artifact holds several
    sides: Counter[str] = field(default_factory=Counter)  # front | back, as the first rows of each block tell
    columns: tuple[str, ...] = ()  # column list in force at the end
    channels: dict[str, ChannelUse] = field(default_factory=dict)  # of event logs
    judged: int = 0  # candidate lines that were parsed

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], LogScan], tuple[dict[str, Any]]]:
        """What is sent from a worker: only what differs from the start. Most of a quiet log's twenty containers are
        empty, and there are thousands of logs."""
        filled = {name: value for name in _FIELDS if (value := getattr(self, name)) or not isinstance(value, _CONTAINERS)}
        return _received, (filled,)


_CONTAINERS = (dict, list, set)  # a Counter is a dict
_FIELDS = tuple(each.name for each in fields(LogScan))
_EMPTY = LogScan(0)  # its containers are shared by all scans that came from workers: those are read, never added to


def _received(filled: dict[str, Any]) -> LogScan:
    scan = LogScan.__new__(LogScan)
    for name in _FIELDS:
        setattr(scan, name, filled[name] if name in filled else getattr(_EMPTY, name))
    return scan
