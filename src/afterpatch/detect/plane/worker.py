"""Reads the lines of one text log: rows by columns of bytes, unusual lines and candidates exactly."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from afterpatch.detect.plane.chunks import CHUNK, UTF_16, Chunk, Counted, Joined, chunks
from afterpatch.detect.plane.job import SLOW_KINDS, Job
from afterpatch.detect.plane.judge import Judge
from afterpatch.detect.plane.memo import memo_of
from afterpatch.detect.plane.needles import Needles
from afterpatch.detect.plane.plan import Plan
from afterpatch.detect.plane.sheet import Sheet, read_sheet
from afterpatch.detect.plane.structure import Int
from afterpatch.detect.plane.tally import Block, Hour, LogScan
from afterpatch.detect.plane.versions import Versions
from afterpatch.model import Record
from afterpatch.parsers.fields import derive
from afterpatch.parsers.lineparser import LineParser
from afterpatch.parsers.lines import physical_lines
from afterpatch.parsers.outcome import BadLine, Counts, Header
from afterpatch.parsers.textlog import read_log

NAMED = 1  # rows after each header that are looked at for the name of the server
JUMP = 3600  # seconds a clock may run backwards before it is called a jump
MAX_JOINS = 50


class Worker:
    """Reads the lines of one log, in order, into its LogScan."""

    def __init__(self, job: Job, plan: Plan, scan: LogScan) -> None:
        self._job, self._plan, self._scan = job, plan, scan
        self._cut_before = plan.cut_values()
        self._judge = Judge(plan, scan, job.side, reraise=os.environ.get("AFTERPATCH_RAISE") == "1")
        self._last_second = 0
        self._counts = Counts()
        self._named = 0
        self._versions = Versions(scan, job.kind)
        self._all = job.kind in plan.always  # a rule without necessary literals judges every row
        if job.kind not in SLOW_KINDS:
            self._parser = LineParser(job.kind, self._counts)
            self._memo = memo_of(plan, self._parser.format)
            self._asked: tuple[str, ...] | None = None  # the column list that _known speaks of
            self._known = False
            if job.columns:
                self._parser.use(job.columns)

    def finish(self) -> None:
        """Totals that the line parser kept."""
        self._scan.undecodable, self._scan.guessed = self._counts.undecodable, self._counts.guessed
        cut = self._plan.cut_values() - self._cut_before
        if cut:
            self._scan.lost["regex-value"] += cut

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

    def _outcome(self, outcome: Record | BadLine | Header, needles: frozenset[int] | None) -> bool:
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
            if needles is None:
                self._versions.record(outcome.time, outcome.fields)
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
        self._versions.record(record.time, record.fields)
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
        for chunk in chunks(stream):
            if chunk.endless or (not chunk.offset and bytes(chunk.data[:2]) in UTF_16):
                self._take_over(chunk, stream)
                return
            sheet = read_sheet(chunk.data, self._parser.format, self._needles())
            self.lines(sheet, 0, len(sheet.lines), chunk.offset + self._job.start)
        self.end()

    def end(self) -> None:
        """Notes the column list in force behind the last line."""
        self._scan.columns = self._parser.columns

    def _take_over(self, chunk: Chunk, stream: Counted) -> None:
        """From here on line by line."""
        base_line, base_offset = self._scan.lines, chunk.offset + self._job.start
        for line in physical_lines(cast(BinaryIO, Joined(bytes(chunk.data), stream))):
            moved = replace(line, number=line.number + base_line, offset=line.offset + base_offset)
            self._outcome(self._parser.feed(moved), None)
        self.end()

    def _needles(self) -> Needles:
        """What is looked for in this log. All its rows are of one site: once the first told which, rules for the other
        site are not looked for."""
        sides = self._scan.sides
        side = self._job.side or (max(sides, key=lambda each: sides[each]) if sides else "")
        return self._plan.needles_of(self._parser.format.record_kind, side)

    def lines(self, sheet: Sheet, first: int, end: int, shift: int) -> None:
        """The lines [first, end) of a sheet, in order. `shift`: what is added to a place in the buffer for its offset.

        Unusual lines and candidates are read exactly. The plain lines between two lines that may change the column list
        are counted together, by columns."""
        self._clock(sheet.seconds[first:end][sheet.plain[first:end]])
        walk = _Walk(sheet, self._scan.lines + 1 - first, shift, sheet.plain.copy(), first)
        odd = (np.flatnonzero(~sheet.plain[first:end]) + first).tolist()
        hits = [each for each in sheet.hits if first <= each < end]
        for index in sorted({*odd, *hits}) if hits else odd:
            # the name of the server is taken from the first row behind a header, whatever else was read exactly
            if index > walk.flushed and (self._named < NAMED or sheet.may_change_columns(index)):
                self._flush(walk, index)
                walk.flushed = index
            if self._stands(walk, index):
                walk.flushed += index == walk.flushed
                walk.waiting[index] = False
        self._flush(walk, end)
        self._builds(sheet, first, end)

    def _builds(self, sheet: Sheet, first: int, end: int) -> None:
        """Which build wrote the rows. The column list is that behind the last line; rows it does not fit are passed
        over."""
        parser, versions = self._parser, self._versions
        if first == end or not parser.columns or not self._time_first():
            return
        versions.use(parser.columns)

        def cut(index: int) -> tuple[datetime, Sequence[str]] | None:
            values = parser.split(sheet.raw(index).rstrip(b"\r").decode("ascii"))  # plain: no byte above 127
            if values is None or len(values) < len(parser.columns):
                return None
            return datetime.fromtimestamp(int(sheet.seconds[index]), UTC), values

        start = int(sheet.lines.start[first])

        def around(place: int) -> tuple[datetime, Mapping[str, str]] | None:
            index = int(np.searchsorted(sheet.lines.end, place + start))
            found = cut(index) if sheet.plain[index] else None
            return (found[0], dict(zip(parser.columns, found[1], strict=False))) if found is not None else None

        if versions.reads_rows:
            rows = np.flatnonzero(sheet.plain[first:end]) + first
            versions.rows(len(rows), lambda position: cut(int(rows[position])))
        versions.paths(sheet.data[start : int(sheet.lines.end[end - 1])], around)

    def _stands(self, walk: _Walk, index: int) -> bool:
        """Reads a line exactly, unless it is a plain row that was judged before: whether it was accounted for."""
        sheet = walk.sheet
        needles: frozenset[int] | None = sheet.hits.get(index, _NONE)
        if index in sheet.nuls:
            needles = None  # a NUL may stand inside of what was looked for
        key = None
        if needles and sheet.plain[index]:
            key = self._key(sheet, index, needles)
            if key is not None and self._memo.is_quiet(key):
                return False
        quiet = self._outcome(self._parser.feed(sheet.line(index, walk.base + index, walk.shift)), needles)
        if quiet and key is not None:
            self._memo.remember(key)
        return True

    def _flush(self, walk: _Walk, end: int) -> None:
        """Accounts for the waiting lines up to `end` under the column list in force."""
        rows = np.flatnonzero(walk.waiting[walk.flushed : end]) + walk.flushed
        if not len(rows):
            return
        known = self._by_column() and not self._all
        exact = NAMED - min(self._named, NAMED) if known else len(rows)
        for index in rows[:exact].tolist():
            line = walk.sheet.line(index, walk.base + index, walk.shift)
            self._outcome(self._parser.feed(line), walk.sheet.hits.get(index, _NONE))
        rows = rows[exact:]
        if len(rows):
            self._count(walk, rows)

    def _count(self, walk: _Walk, rows: Int) -> None:
        """Rows of a known column list: records where they have enough columns, else bad."""
        sheet, wanted = walk.sheet, len(self._parser.columns)
        enough = sheet.separators[rows] >= wanted - 1
        unclosed = np.zeros(len(rows), np.bool_)
        if sheet.quotes is not None:
            for at in np.flatnonzero(sheet.quotes[rows]).tolist():  # a comma inside quotes is no separator: cut exactly
                line = sheet.line(int(rows[at]), 0, 0)
                values = self._parser.split(line.data.decode("utf-8", "replace"))
                unclosed[at] = values is None
                enough[at] = values is not None and len(values) >= wanted
        good = int(np.count_nonzero(enough))
        self._scan.lines += len(rows)
        self._scan.records += good
        self._scan.kinds[self._parser.format.record_kind] += good
        for reason, mask in (("unclosed-quote", unclosed), ("too-few-columns", ~enough & ~unclosed)):
            if mask.any():
                self._bad(reason, int(np.count_nonzero(mask)), walk.base + int(rows[mask][0]))
        self._hours(sheet.seconds[rows[enough]])

    def _time_first(self) -> bool:
        columns = [column.lower() for column in self._parser.columns[:2]]
        if self._parser.format.shape == "date-and-time":
            return columns == list(self._parser.format.time)
        return bool(columns) and columns[0] in self._parser.format.time

    def _by_column(self) -> bool:
        """Whether rows begin with their time and the file itself named their columns."""
        columns = self._parser.columns
        if columns is not self._asked:
            self._asked = columns
            self._known = bool(columns) and self._time_first()
        return self._known and not self._parser.schema

    def _key(self, sheet: Sheet, index: int, needles: frozenset[int]) -> tuple[object, ...] | None:
        """What tells a plain row apart for its rules; None where it must be read exactly."""
        if self._all or not self._by_column():
            return None
        columns = self._parser.columns
        values = self._parser.split(sheet.raw(index).rstrip(b"\r").decode("ascii"))  # plain: no byte above 127
        if values is None or len(values) < len(columns):
            return None
        return self._memo.key(needles, columns, values)

    def _clock(self, seconds: Int) -> None:
        """Counts how often the clock runs back by more than an hour from one row to the next."""
        if len(seconds):
            steps = seconds[1:] - seconds[:-1]
            if self._last_second:
                self._scan.clock_jumps += int(seconds[0]) - self._last_second < -JUMP
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


@dataclass(slots=True)
class _Walk:
    """The way through the lines of one log in a sheet. `base`: what is added to a line of the sheet for its number in
    the log; `waiting`: lines that were not accounted for, from `flushed` on."""

    sheet: Sheet
    base: int
    shift: int
    waiting: NDArray[np.bool_]
    flushed: int


class _Sized:
    """A Counted stream with the default size that the slow reader's protocol allows."""

    def __init__(self, stream: Counted) -> None:
        self._stream = stream

    def read(self, size: int = 1 << 16) -> bytes:
        return self._stream.read(size)


_NONE: frozenset[int] = frozenset()
