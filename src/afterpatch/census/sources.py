"""Which format an input has, by its content, and its way into the pieces."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import orjson

from afterpatch.census.blocks import Source, blocks, head, sources
from afterpatch.census.documents import read_document, read_headers, read_nmap
from afterpatch.census.read import Done, Job, Task, Workers, write_rows
from afterpatch.census.rows import Row, Tally
from afterpatch.census.store import Store
from afterpatch.census.tables import Table, recognise_table
from afterpatch.model import Notice, UsageError

Reader = Callable[[Source, Tally], Iterator[Row]]
READERS: dict[str, Reader] = {"json": read_document, "headers": read_headers, "nmap": read_nmap}
FORMATS = (*READERS, "json-lines", "table", "compromised")
_AT_ONCE = 50_000
# What a dump of answers shows at the beginning of a line, behind the marks of nmap and curl.
_ANSWERS = re.compile(
    rb"^[|_< \t]*(?:HTTP/\d|x-owa-version:|nmap scan report for )|^\* +connected to ", re.IGNORECASE | re.MULTILINE
)


@dataclass(slots=True)
class Loaded:
    """Inputs that were read: (name, format) of each, rows, bad rows, notices."""

    inputs: list[tuple[str, str]] = field(default_factory=list)
    rows: int = 0
    bad: int = 0
    notices: list[Notice] = field(default_factory=list)

    def add(self, name: str, kind: str, tally: Tally) -> None:
        """Takes the counts of one input."""
        self.inputs.append((name, kind))
        self.rows, self.bad = self.rows + tally.rows, self.bad + tally.bad
        self.notices += [Notice(name, "", reason, count) for reason, count in sorted(tally.reasons.items())]


def recognise(start: bytes) -> str:
    """A name out of FORMATS, or "" where the content is of none of them."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<"):
        return "nmap" if b"<nmaprun" in text[:8192] else ""
    if text.startswith((b"{", b"[{", b"[\n", b"[\r", b"[ ", b"[]")):
        return "json-lines" if _is_json_line(text) else "json"
    table = recognise_table(start)
    if _ANSWERS.search(text) is not None and not (table is not None and {"host", "version"} <= set(table.places)):
        return "headers"
    return "" if table is None else "compromised" if table.shells else "table"


def _is_json_line(text: bytes) -> bool:
    """Whether one of the first lines is a record by itself, or the line goes on behind what was read."""
    for line in text.split(b"\n")[:3]:
        line = line.strip(b" \t\r,[]")
        if line.startswith(b"{"):
            try:
                return isinstance(orjson.loads(line), dict)
            except orjson.JSONDecodeError:
                return len(text.split(b"\n", 1)[0]) > 1000 or line.endswith(b"}") or len(line) > 1000
    return False


def load(store: Store, paths: Sequence[Path], job: Job, jobs: int) -> Loaded:
    """Reads all inputs into pieces. Raises UsageError where a file cannot be read or holds nothing that is known."""
    listed = [(path, one) for path in paths for one in _sources(path)]
    workers = Workers(job, jobs=jobs, size=sum(_weight(one) for _path, one in listed))
    loaded = Loaded()
    try:
        for number, (_path, source) in enumerate(listed):
            _load(store, source, workers, number * 1_000_000, loaded)
    finally:
        workers.close()
    return loaded


def _sources(path: Path) -> list[Source]:
    found = sources(path)
    if not found:
        raise UsageError(f"{path} holds no file that can be read: name an inventory or scan file.")
    return found


def _weight(source: Source) -> int:
    return source.path.stat().st_size * (8 if source.packing else 1)


def _load(store: Store, source: Source, workers: Workers, first: int, loaded: Loaded) -> None:
    start = head(source)
    kind, tally = recognise(start), Tally()
    if not kind and source.member:
        tally.leave_out("notice.census-unknown-file")
    elif not kind:
        raise UsageError(_refusal(source, start))
    elif kind in READERS:
        for done in _in_batches(READERS[kind](source, tally), workers.job, first):
            _take(store, done, tally)
    else:
        table = None if kind == "json-lines" else recognise_table(start)
        for done in workers.read(_tasks(source, table, first, tally)):
            _take(store, done, tally)
    if not tally.rows and not tally.reasons:
        tally.leave_out("notice.census-no-rows")
    loaded.add(source.name, kind or "unknown", tally)


def _tasks(source: Source, table: Table | None, first: int, tally: Tally) -> Iterator[Task]:
    skip = 0
    for number, block in enumerate(blocks(source, tally)):
        if number == 0 and table is not None:
            skip = len(b"".join(block.text().splitlines(keepends=True)[: table.skip]))
        yield Task(first + number, block, table, skip)
        skip = 0


def _in_batches(rows: Iterator[Row], job: Job, first: int) -> Iterator[Done]:
    number = first
    while batch := list(islice(rows, _AT_ONCE)):
        yield write_rows(job, number, batch)
        number += 1


def _take(store: Store, done: Done, tally: Tally) -> None:
    store.pieces += done.pieces
    tally.add(done.tally)


def _refusal(source: Source, start: bytes) -> str:
    if not start.strip(b"\0 \t\r\n"):
        size = source.path.stat().st_size
        return (
            f"{source.name} is empty."
            if not size or not source.packing
            else f"{source.name} is damaged or empty: fetch it again."
        )
    return (
        f"{source.name} is no build, inventory or scan data: expected a CSV file with a heading such as ip,version, JSON of "
        "Shodan, Censys, zgrab2 or httpx, a dump of HTTP headers, or an nmap report."
    )
