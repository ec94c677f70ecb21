"""Scans text logs, or pieces of big ones, into LogScans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np

from afterpatch.detect.plane.chunks import CHUNK, UTF_16, Counted
from afterpatch.detect.plane.job import SLOW_KINDS, Job, open_log
from afterpatch.detect.plane.plan import Plan
from afterpatch.detect.plane.sheet import read_sheet
from afterpatch.detect.plane.tally import LogScan
from afterpatch.detect.plane.worker import Worker
from afterpatch.model import EvidenceError
from afterpatch.parsers.formats import formats

SMALL_LOG = CHUNK // 4  # bytes up to which a log shares a buffer with others


def scan_log(job: Job, plan: Plan, *, slow: bool = False) -> LogScan:
    """Everything the log gives. A stream that breaks off leaves what was read and `error`.

    `slow` reads every line by the exact parser and judges it by every rule: the oracle of the fast way."""
    scan = LogScan(job.artifact, job.piece)
    worker = Worker(job, plan, scan)

    def read(stream: Counted) -> None:
        if not job.scanned:
            worker.hash_only(stream)
        elif slow or job.kind in SLOW_KINDS:
            worker.slow(stream)
        else:
            worker.fast(stream)

    _read(job, scan, read)
    worker.finish()
    return scan


def _read(job: Job, scan: LogScan, reader: Callable[[Counted], None]) -> None:
    """Lets `reader` take the log's bytes; notes their number and hash, and the error where they broke off."""
    stream: Counted | None = None
    try:
        with open_log(job.locator) as opened:
            if job.start:
                opened.seek(job.start)
            limit = None if job.end is None else job.end - job.start
            stream = Counted(opened, hashed=job.hashed, limit=limit)
            reader(stream)
    except EvidenceError as error:
        scan.error = str(error)
    except OSError as error:
        scan.error = error.strerror or type(error).__name__
    if stream is not None:
        scan.bytes, scan.sha256 = stream.bytes, stream.sha256 if not scan.error else ""


def scan_batch(batch: Sequence[Job], plan: Plan) -> list[LogScan]:
    """`scan_log` for each job. Small logs of one kind and site are read into one buffer and looked at together: to ask
    the same of each of thousands of hourly logs alone would cost more than reading them."""
    scans: list[LogScan] = []
    for shared, jobs in groupby(batch, key=_shared):
        if shared is None:
            scans += [scan_log(job, plan) for job in jobs]
        else:
            scans += _Bundle(plan).scan(list(jobs))
    return scans


def _shared(job: Job) -> tuple[str, str] | None:
    whole = job.scanned and job.end is None and job.size <= SMALL_LOG and job.kind not in SLOW_KINDS
    return (job.kind, job.side) if whole else None


@lru_cache(maxsize=1)
def _buffer() -> memoryview:
    return memoryview(bytearray(CHUNK))


class _Bundle:
    """Small logs of one kind that share a buffer."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._room = _buffer()
        self._used = 0
        self._held: list[tuple[Job, LogScan, int, int]] = []  # with the place of each in the buffer
        self._cuts: list[int] = []  # line feeds that were put behind a log which ends without one

    def scan(self, jobs: Sequence[Job]) -> list[LogScan]:
        """The results, in the order of the jobs."""
        scans = [self._take(job) for job in jobs]
        self._look()
        return scans

    def _take(self, job: Job) -> LogScan:
        if self._used + job.size + 2 > len(self._room):
            self._look()
        scan, start = LogScan(job.artifact), self._used
        _read(job, scan, self._fill)
        if self._used >= len(self._room) or bytes(self._room[start : start + 2]) in UTF_16:
            self._used = start  # longer than was said, or no text of single bytes
            return scan_log(job, self._plan)
        if self._used > start and self._room[self._used - 1] != 10:
            self._cuts.append(self._used)
            self._room[self._used] = 10
            self._used += 1
        self._held.append((job, scan, start, self._used))
        return scan

    def _fill(self, stream: Counted) -> None:
        while self._used < len(self._room) and (size := stream.readinto(self._room[self._used :])):
            self._used += size

    def _look(self) -> None:
        """Looks at what the buffer holds and empties it."""
        if self._used:
            form = formats().by_kind[self._held[0][0].kind]
            needles = self._plan.needles_of(form.record_kind, self._held[0][0].side)
            sheet = read_sheet(self._room[: self._used], form, needles, self._cuts)
            for job, scan, start, end in self._held:
                worker = Worker(job, self._plan, scan)
                first, last = np.searchsorted(sheet.lines.start, (start, end)).tolist()
                worker.lines(sheet, first, last, -start)
                worker.end()
                worker.finish()
        self._used, self._held, self._cuts = 0, [], []
