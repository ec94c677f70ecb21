"""Scans one text log, or a piece of a big one, into a LogScan."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from afterpatch.detect.plane.chunks import CHUNK, Chunk, Counted, Joined, chunks
from afterpatch.detect.plane.judge import Judge
from afterpatch.detect.plane.memo import memo_of
from afterpatch.detect.plane.needles import lines_of
from afterpatch.detect.plane.plan import Plan
from afterpatch.detect.plane.structure import ByteCounter, Int, Lines, find_lines, stamps
from afterpatch.detect.plane.tally import Block, Hour, LogScan
from afterpatch.evidence import local_path, open_locator
from afterpatch.model import EvidenceError, Locator, Record
from afterpatch.parsers.fields import derive
from afterpatch.parsers.lineparser import LineParser
from afterpatch.parsers.lines import LIMIT, Line, physical_lines
from afterpatch.parsers.outcome import BadLine, Counts, Header
from afterpatch.parsers.textlog import read_log
from afterpatch.parsers.timestamps import EARLIEST, LATEST

SLOW_KINDS = frozenset(("log-excerpt",))
_FIRST_SECOND = int(np.datetime64(f"{EARLIEST}-01-01", "s").astype(np.int64))
_AFTER_LAST = int(np.datetime64(f"{LATEST + 1}-01-01", "s").astype(np.int64))
NAMED = 1  # rows after each header that are looked at for the name of the server
JUMP = 3600  # seconds a clock may run backwards before it is called a jump
MAX_JOINS = 50


@dataclass(frozen=True, slots=True)
class Job:
    """One artifact, or the bytes [start, end) of a big one (both at a line start). `columns` and `schema` are those in
    force at `start`."""

    artifact: int
    kind: str
    locator: Locator
    side: str
    size: int
    piece: int = 0
    start: int = 0
    end: int | None = None
    columns: tuple[str, ...] = ()
    hashed: bool = True
    scanned: bool = True  # False: only hashed


def scan_log(job: Job, plan: Plan, *, slow: bool = False) -> LogScan:
    """Everything the log gives. A stream that breaks off leaves what was read and `error`.

    `slow` reads every line by the exact parser and judges it by every rule: the oracle of the fast way."""
    scan = LogScan(job.artifact, job.piece)
    worker = _Worker(job, plan, scan)
    stream: Counted | None = None
    limits = {id(rule.limits): rule.limits for rule in plan.rules}.values()
    before = sum(each.truncated for each in limits)
    try:
        with open_log(job.locator) as opened:
            if job.start:
                opened.seek(job.start)
            limit = None if job.end is None else job.end - job.start
            stream = Counted(opened, hashed=job.hashed, limit=limit)
            if not job.scanned:
                worker.hash_only(stream)
            elif slow or job.kind in SLOW_KINDS:
                worker.slow(stream)
            else:
                worker.fast(stream)
    except EvidenceError as error:
        scan.error = str(error)
    except OSError as error:
        scan.error = error.strerror or type(error).__name__
    worker.finish()
    cut = sum(each.truncated for each in limits) - before
    if cut:
        scan.lost["regex-value"] += cut
    if stream is not None:
        scan.bytes, scan.sha256 = stream.bytes, stream.sha256 if not scan.error else ""
    return scan


def open_log(locator: Locator) -> BinaryIO:
    """A plain file without Python's buffer in between, anything else through its containers."""
    plain = local_path(locator)
    return cast(BinaryIO, open(plain, "rb", buffering=0)) if plain is not None else open_locator(locator)


class _Worker:
    def __init__(self, job: Job, plan: Plan, scan: LogScan) -> None:
        self._job, self._plan, self._scan = job, plan, scan
        self._judge = Judge(plan, scan, job.side, reraise=os.environ.get("AFTERPATCH_RAISE") == "1")
        self._last_second = 0
        self._counts = Counts()
        self._named = 0
        self._all = job.kind in plan.always  # a rule without necessary literals judges every row
        if job.kind not in SLOW_KINDS:
            self._parser = LineParser(job.kind, self._counts)
            self._memo = memo_of(plan, self._parser.format)
            self._needles = plan.needles_of(self._parser.format.record_kind, job.side)
            if job.columns:
                self._parser.use(job.columns)

    def finish(self) -> None:
        """Totals that the line parser kept."""
        self._scan.undecodable, self._scan.guessed = self._counts.undecodable, self._counts.guessed

    def hash_only(self, stream: Counted) -> None:
        """Reads a big file for its hash; its pieces are scanned elsewhere."""
        room = memoryview(bytearray(CHUNK))
        while stream.readinto(room):
            pass

    # The exact way

    def slow(self, stream: Counted) -> None:
        """Every line by the exact reader; every record judged by every rule."""
        for outcome in read_log(self._job.kind, cast(BinaryIO, _Sized(stream)), self._counts):
            self._outcome(outcome, None)

    def _outcome(self, outcome: Record | BadLine | Header, needles: set[int] | None) -> bool:
        """Accounts for a line; whether it is a record that was judged and nothing came of it."""
        scan = self._scan
        scan.lines += 1
        if isinstance(outcome, BadLine):
            self._bad(outcome.reason, 1, outcome.line)
        elif isinstance(outcome, Header):
            scan.headers += 1
            self._header(outcome)
        else:
            scan.records += 1
            self._seen(outcome)
            if (needles is None or needles or self._all) and not self._judge.record(outcome, needles):
                return True
        return False

    def _bad(self, reason: str, count: int, line: int) -> None:
        self._scan.bad[reason] += count
        self._scan.bad_first[reason] = min(line, self._scan.bad_first.get(reason, line))

    def _header(self, header: Header) -> None:
        blocks = self._scan.blocks
        if (header.what == "comment" and header.name == "software") or not blocks:
            blocks.append(Block(header.line))
        if header.what == "comment" and header.name in ("version", "date", "log-type"):
            value = header.value[:200]
            if header.name == "version":
                blocks[-1] = blocks[-1]._replace(version=value)
            elif header.name == "date":
                blocks[-1] = blocks[-1]._replace(date=value)
            else:
                blocks[-1] = blocks[-1]._replace(log_type=value)
        elif header.columns:
            blocks[-1] = blocks[-1]._replace(fields=len(header.columns))
            self._named = 0  # look at the first rows of every block for the name of the server

    def _seen(self, record: Record) -> None:
        """Counts a record's hour and notes who wrote it; the fast way does the first by columns."""
        self._scan.kinds[record.kind] += 1
        if record.time is not None:
            second = int(record.time.timestamp())
            self._hour(1, second, second)
        self._names(record)

    def _names(self, record: Record) -> None:
        if self._named >= NAMED:
            return
        self._named += 1
        view = derive(record.kind, record.fields, self._job.side)
        for name in ("ServerHostName", "ServerName", "s-computername", "Server", "server-hostname"):
            values = view.get(name)
            if values and values[0]:
                self._scan.names[values[0][:255]] += 1
                break
        side = view.get("server.side")
        if side and side[0]:
            self._scan.sides[side[0]] += 1
        address = view.get("s-ip")
        if address and address[0]:
            self._scan.addresses[address[0][:64]] += 1
        build = view.get("exchange.build")
        if build and build[0] and self._scan.blocks and not self._scan.blocks[-1].version:
            self._scan.blocks[-1] = self._scan.blocks[-1]._replace(version=build[0], date=record.raw[:24])
        if len(self._scan.joins) < MAX_JOINS:
            self._join(record)

    def _join(self, record: Record) -> None:
        """Request ids that front-end IIS and HttpProxy share tell which logs are of one server."""
        query = record.fields.get("cs-uri-query", "")
        if "cafeReqId=" in query:
            self._scan.joins.add(query.partition("cafeReqId=")[2][:36].lower())
        elif record.kind == "httpproxy":
            self._scan.joins.add(record.fields.get("RequestId", "")[:36].lower())

    # The fast way

    def fast(self, stream: Counted) -> None:
        """Columns of bytes; only unusual lines and candidates are parsed."""
        first = True
        for chunk in chunks(stream):
            if first and bytes(chunk.data[:2]) in (b"\xff\xfe", b"\xfe\xff"):
                self._take_over(chunk, stream)  # UTF-16
                return
            first = False
            if chunk.endless:
                self._take_over(chunk, stream)
                return
            self._chunk(chunk)
        self._scan.columns = self._parser.columns

    def _take_over(self, chunk: Chunk, stream: Counted) -> None:
        """From here on line by line."""
        base_line, base_offset = self._scan.lines, chunk.offset + self._job.start
        for line in physical_lines(cast(BinaryIO, Joined(bytes(chunk.data), stream))):
            moved = replace(line, number=line.number + base_line, offset=line.offset + base_offset)
            self._outcome(self._parser.feed(moved), None)
        self._scan.columns = self._parser.columns

    def _chunk(self, chunk: Chunk) -> None:
        view, lines = find_lines(chunk.data)
        needles = self._candidates(chunk.data, lines)
        plain, seconds = self._plain(view, lines)
        offset = chunk.offset + self._job.start
        piece = _Piece(chunk.data, offset, self._scan.lines, view, lines, plain, seconds, needles)
        self._clock(seconds[plain])
        self._walk(piece)

    def _candidates(self, data: memoryview, lines: Lines) -> dict[int, set[int]]:
        """Line of the chunk -> needles of this kind of log that are in it. All rows of a log are of one site: once the
        first told which, rules for the other site are not looked for."""
        side = self._job.side or (max(self._scan.sides, key=lambda each: self._scan.sides[each]) if self._scan.sides else "")
        self._needles = self._plan.needles_of(self._parser.format.record_kind, side)
        found: dict[int, set[int]] = {}
        for index, groups in lines_of(self._needles.scan(data), lines.end).items():
            line = bytes(data[int(lines.start[index]) : int(lines.end[index])])
            needles = self._needles.confirmed(groups, line)
            if needles:
                found[index] = needles
        return found

    def _plain(self, view: NDArray[np.uint8], lines: Lines) -> tuple[NDArray[np.bool_], Int]:
        """Lines that need no exact reading: a valid time at the start, nothing odd in them, ended by a line feed."""
        plain, seconds = stamps(view, lines)
        plain &= (seconds >= _FIRST_SECOND) & (seconds < _AFTER_LAST)
        plain &= lines.end - lines.start <= LIMIT
        plain &= self._time_ends(view, lines)
        if view[-1] != 10:
            plain[-1] = False
        if view.min() == 0:
            plain &= ByteCounter(view, 0).between(lines.start, lines.end) == 0
        if view.max() > 127:
            high = ByteCounter(view & np.uint8(128), 128).between(lines.start, lines.end)
            plain &= high == 0
        if not self._parser.format.quoted:
            last = view[np.maximum(lines.end - 1, lines.start)]
            before = view[np.maximum(lines.end - 2, lines.start)]
            plain &= (np.where(last == 13, before, last) != 32) & (before != 13)
        return plain, seconds

    def _time_ends(self, view: NDArray[np.uint8], lines: Lines) -> NDArray[np.bool_]:
        """Whether the time of each line ends as this log writes it: `10 ` in IIS, `10.123Z,` elsewhere."""
        top = len(view) - 1
        at = [view[np.minimum(lines.start + 19 + i, top)] for i in range(6)]
        if not self._parser.format.quoted:
            return cast(NDArray[np.bool_], at[0] == 32)
        digits = [(each >= 48) & (each <= 57) for each in at[1:4]]
        return cast(
            NDArray[np.bool_],
            (at[0] == 46) & digits[0] & digits[1] & digits[2] & (at[4] == 90) & (at[5] == 44),
        )

    def _walk(self, piece: _Piece) -> None:
        """Unusual lines and candidates are read exactly, in order. The plain lines between two lines that may change
        the column list are counted together, by columns."""
        separators = self._counter(piece, ord(self._parser.format.separator))
        quotes = self._counter(piece, 34) if self._parser.format.quoted and (piece.view == 34).any() else None
        waiting = piece.plain.copy()
        flushed = 0
        for index in sorted(set(np.flatnonzero(~piece.plain).tolist()) | set(piece.needles)):
            if index > flushed and not piece.plain[index] and not 48 <= piece.view[piece.lines.start[index]] <= 57:
                self._flush(piece, separators, quotes, waiting, flushed, index)
                flushed = index
            flushed += index == flushed
            waiting[index] = False
            self._exact(piece, index)
        self._flush(piece, separators, quotes, waiting, flushed, len(piece.lines))

    @staticmethod
    def _counter(piece: _Piece, value: int) -> Int:
        return ByteCounter(piece.view, value).between(piece.lines.start, piece.lines.end)

    def _flush(
        self, piece: _Piece, separators: Int, quotes: Int | None, waiting: NDArray[np.bool_], start: int, end: int
    ) -> None:
        """Accounts for the waiting lines of [start, end) under the column list in force."""
        rows = np.flatnonzero(waiting[start:end]) + start
        if not len(rows):
            return
        parser = self._parser
        known = parser.columns and not parser.schema and self._time_first() and not self._all
        exact = NAMED - min(self._named, NAMED) if known else len(rows)
        for index in rows[:exact].tolist():
            self._exact(piece, index)
        rows = rows[exact:]
        if len(rows):
            self._count(piece, separators, quotes, rows)

    def _count(self, piece: _Piece, separators: Int, quotes: Int | None, rows: Int) -> None:
        """Rows of a known column list: records where they have enough columns, else bad."""
        wanted = len(self._parser.columns)
        enough = separators[rows] >= wanted - 1
        unclosed = np.zeros(len(rows), np.bool_)
        if quotes is not None:
            for at in np.flatnonzero(quotes[rows]).tolist():  # a comma inside quotes is no separator: cut exactly
                values = self._parser.split(self._line(piece, int(rows[at])).data.decode("utf-8", "replace"))
                unclosed[at] = values is None
                enough[at] = values is not None and len(values) >= wanted
        good = int(np.count_nonzero(enough))
        self._scan.lines += len(rows)
        self._scan.records += good
        self._scan.kinds[self._parser.format.record_kind] += good
        for reason, mask in (("unclosed-quote", unclosed), ("too-few-columns", ~enough & ~unclosed)):
            if mask.any():
                self._bad(reason, int(np.count_nonzero(mask)), piece.base + int(rows[mask][0]) + 1)
        self._hours(piece.seconds[rows[enough]])

    def _time_first(self) -> bool:
        columns = [column.lower() for column in self._parser.columns[:2]]
        if self._parser.format.shape == "date-and-time":
            return columns == list(self._parser.format.time)
        return bool(columns) and columns[0] in self._parser.format.time

    def _line(self, piece: _Piece, index: int) -> Line:
        """The line as the exact reader would see it."""
        start, end = int(piece.lines.start[index]), int(piece.lines.end[index])
        content = bytes(piece.data[start:end])
        clean = content.replace(b"\0", b"") if b"\0" in content else content
        nuls, long = len(content) - len(clean), len(clean) > LIMIT
        bare = clean = b"" if long else clean.rstrip(b"\r")
        while bare.startswith(b"\xef\xbb\xbf"):
            bare = bare[3:]
        ended = end < len(piece.data)
        return Line(piece.base + index + 1, piece.offset + start, bare, nuls, len(bare) < len(clean), ended, long)

    def _exact(self, piece: _Piece, index: int) -> None:
        needles = piece.needles.get(index, _NONE)
        key = self._key(piece, index, needles) if needles and piece.plain[index] and not self._all else None
        if key is not None and self._named >= NAMED and self._memo.is_quiet(key):
            self._scan.lines += 1
            self._scan.records += 1
            self._scan.kinds[self._parser.format.record_kind] += 1
            second = int(piece.seconds[index])
            self._hour(1, second, second)
        elif self._outcome(self._parser.feed(self._line(piece, index)), needles) and key is not None:
            self._memo.remember(key)

    def _key(self, piece: _Piece, index: int, needles: set[int]) -> tuple[object, ...] | None:
        """What tells a plain row apart for its rules; None where it must be read exactly."""
        parser = self._parser
        if not parser.columns or parser.schema or not self._time_first():
            return None
        raw = bytes(piece.data[int(piece.lines.start[index]) : int(piece.lines.end[index])])
        values = parser.split(raw.rstrip(b"\r").decode("ascii"))  # a plain line has no byte above 127
        if values is None or len(values) < len(parser.columns):
            return None
        return self._memo.key(needles, parser.columns, values)

    def _clock(self, seconds: Int) -> None:
        """Counts how often the clock runs back by more than an hour from one row to the next."""
        if len(seconds):
            steps = np.diff(seconds, prepend=self._last_second or seconds[0])
            self._scan.clock_jumps += int(np.count_nonzero(steps < -JUMP))
            self._last_second = int(seconds[-1])

    def _hours(self, seconds: Int) -> None:
        """Adds rows to their hours."""
        if not len(seconds):
            return
        hours = seconds // 3600
        edges = np.flatnonzero(np.diff(hours)) + 1
        if len(edges) > 5000:  # a clock that jumps with every row
            seconds = np.sort(seconds)
            edges = np.flatnonzero(np.diff(seconds // 3600)) + 1
        bounds = [0, *edges.tolist(), len(seconds)]
        lowest = np.minimum.reduceat(seconds, bounds[:-1]).tolist()
        highest = np.maximum.reduceat(seconds, bounds[:-1]).tolist()
        for position, (low, high) in enumerate(zip(lowest, highest, strict=True)):
            self._hour(bounds[position + 1] - bounds[position], low, high)

    def _hour(self, count: int, first: int, last: int) -> None:
        known = self._scan.hours.get(first // 3600)
        if known is None:
            self._scan.hours[first // 3600] = Hour(count, first, last)
        else:
            known.count += count
            known.first, known.last = min(known.first, first), max(known.last, last)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A chunk and what was read off it by columns. `base`: lines before it; `needles`: by line of the chunk."""

    data: memoryview
    offset: int
    base: int
    view: NDArray[np.uint8]
    lines: Lines
    plain: NDArray[np.bool_]
    seconds: Int
    needles: dict[int, set[int]]


class _Sized:
    """A Counted stream with the default size that the slow reader's protocol allows."""

    def __init__(self, stream: Counted) -> None:
        self._stream = stream

    def read(self, size: int = 1 << 16) -> bytes:
        return self._stream.read(size)


_NONE: set[int] = set()
