"""Puts benign blocks and dated rows together, file by file, and hands them to a sink."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from afterpatch.demo.blocks import EMPTY, Block, Blocks, hours
from afterpatch.demo.formats import EOL
from afterpatch.demo.layouts import Sink
from afterpatch.demo.ledger import Ledger
from afterpatch.demo.rows import Row
from afterpatch.demo.streams import HOUR, Stream, streams_of
from afterpatch.demo.truth import Planted


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when logs exist; `keep_days`: age at which the server deletes its component logs,
    `proof_days`: the same for HttpProxy, ECP server and OAB generator."""

    start: datetime
    end: datetime
    keep_days: int
    proof_days: int

    def first_of(self, stream: Stream) -> datetime:
        """The oldest hour of a log."""
        if not stream.kept:
            return self.start
        days = self.proof_days if stream.proof else self.keep_days
        return max(self.start, (self.end - timedelta(days=days)).replace(hour=0, minute=0, second=0))


@dataclass(slots=True)
class LogWriter:
    """Writes the logs of one server. `planted`, `files` and `size` (bytes) grow while it works."""

    ledger: Ledger
    blocks: Blocks
    span: Span
    sink: Sink
    planted: list[Planted]
    files: int = 0
    size: int = 0

    def write(self) -> None:
        """All logs, log by log."""
        for stream in streams_of(self.ledger.server):
            dated = sorted(self.ledger.rows.get(stream.id, ()), key=lambda pair: pair[0].time)
            for start, group in groupby(hours(self.span.first_of(stream), self.span.end), key=stream.start_of):
                here = [pair for pair in dated if stream.start_of(pair[0].time) == start]
                self._write_file(stream, list(group), here)

    def _write_file(self, stream: Stream, group: list[datetime], dated: list[tuple[Row, bool]]) -> None:
        first, last = group[0], group[-1] + HOUR
        inside = [(row, planted) for row, planted in dated if first <= row.time < last]
        pieces: list[bytes] = []
        for hour in group:
            if pieces and self._restarted(stream, hour):
                pieces.append(stream.header(self.ledger.server, hour + timedelta(seconds=41), again=True))
            block = self.blocks.hour(hour).get(stream.id, EMPTY)
            rows = [row for row, _ in inside if hour <= row.time < hour + HOUR]
            pieces.extend(merged(block, rows, hour))
        if pieces:
            self._store(stream, group, pieces, [row.line for row, planted in inside if planted])

    def _restarted(self, stream: Stream, hour: datetime) -> bool:
        """Logs are opened again on Sunday mornings and when an update changes the build."""
        if stream.period != "day" or stream.style == "httperr":
            return False
        changed = any(hour <= build.since < hour + HOUR for build in self.ledger.server.builds)
        return changed or (hour.weekday() == 6 and hour.hour == 3)

    def _store(self, stream: Stream, group: list[datetime], pieces: list[bytes], lines: list[str]) -> None:
        server = self.ledger.server
        created, modified = group[0] + timedelta(seconds=1), group[-1] + HOUR - timedelta(seconds=1)
        left = list(lines)
        for instance, body in enumerate(split(pieces, stream.limit), start=1):
            path = stream.path(server, group[0], instance)
            self.size += self.sink.put(path, [stream.header(server, created), *body], modified, created)
            self.files += 1
            if left:
                here = [line for line in left if any(line.encode() + EOL in piece for piece in body)]
                left = [line for line in left if line not in here]
                if here:
                    self.planted.append(Planted(server.name, path, tuple(here)))


def merged(block: Block, rows: list[Row], hour: datetime) -> Iterator[bytes]:
    """The stamped block with rows put in where their time belongs; pieces end at line ends."""
    data = block.stamped(hour, f"{int(hour.timestamp()) // 3600:08x}") if block.data else b""
    place = 0
    for row in rows:
        cut = block.offset_at((row.time - hour).total_seconds())
        if cut > place:
            yield data[place:cut]
            place = cut
        yield row.line.encode() + EOL
    if place < len(data):
        yield data[place:] if place else data


def split(pieces: list[bytes], limit: int) -> Iterator[list[bytes]]:
    """Pieces as files of at most `limit` bytes (0: one file), cut at line ends."""
    body: list[bytes] = []
    size = 0
    for whole in pieces:
        piece = whole
        while limit and size + len(piece) > limit:
            found = piece.rfind(EOL, 0, limit - size)
            cut = found + len(EOL) if found >= 0 else 0
            if not cut and not body:  # a line longer than a file gets one of its own
                cut = piece.index(EOL) + len(EOL)
            yield [*body, piece[:cut]] if cut else body
            body, size, piece = [], 0, piece[cut:]
        if piece:
            body.append(piece)
            size += len(piece)
    if body:
        yield body


def measure(ledger: Ledger, blocks: Blocks, span: Span) -> int:
    """Bytes that the benign traffic and the headers will take, without writing anything."""
    total = 0
    for stream in streams_of(ledger.server):
        header = len(stream.header(ledger.server, span.start))
        for _, group in groupby(hours(span.first_of(stream), span.end), key=stream.start_of):
            body = sum(len(blocks.hour(hour).get(stream.id, EMPTY).data) for hour in group)
            total += body + (header if body else 0)
    return total
