"""Blocks of inputs into pieces: what a worker does, and the order in which results are taken."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from afterpatch.census.blocks import Block
from afterpatch.census.columns import values
from afterpatch.census.columns.pieces import MEANINGS, NAMELESS, Column, Hosts, Piece, meant, write
from afterpatch.census.columns.quick import Layout, quick
from afterpatch.census.places import Places
from afterpatch.census.rows import Row, Tally
from afterpatch.census.scanners import json_rows
from afterpatch.census.tables import Table, exact_rows

FURTHER = 2 << 20  # bytes behind a block that a row of it may go on in
_WANTED = frozenset({*MEANINGS, "host", "name", "date", "product"})
SMALL = 24 << 20  # bytes below which starting processes costs more than it brings


@dataclass(frozen=True, slots=True)
class Job:
    """What all blocks of a run share: the folder of the pieces, the key of the hashes, the offline tables of addresses."""

    folder: Path
    key: tuple[int, int]
    places: Places | None = None
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """One block: its number in the run, what it holds (a table, or JSON lines), and how many of its first bytes belong to
    the block before."""

    number: int
    block: Block
    table: Table | None
    skip: int = 0


@dataclass(slots=True)
class Done:
    """What came of a block. `taken`: bytes of the next block that its last row took."""

    pieces: list[Piece] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    taken: int = 0


def read_block(job: Job, task: Task) -> Done:
    """Reads one block and writes its pieces."""
    done = Done()
    table = task.table
    if table is not None and not job.slow and not table.shells and _quickly(job, task, table, done):
        return done
    block = task.block.text()[task.skip :]
    if not block:
        return done
    if table is None:
        _write(job, task, list(json_rows(block, done.tally)), done)
        return done
    rows: list[Row] = []
    for one in exact_rows(block, task.block.further(FURTHER), table, done.tally):
        if isinstance(one, int):
            done.taken = one
        else:
            rows.append(one)
    _write(job, task, rows, done)
    return done


def _quickly(job: Job, task: Task, table: Table, done: Done) -> bool:
    meant = {name: place for name, place in table.places.items() if name in _WANTED}
    if "date" in meant:
        meant["day"] = meant.pop("date")
    data, size = task.block.padded()
    if size <= task.skip:
        return True
    rest = data[task.skip :].copy() if task.skip else data  # words begin at borders of words
    found = quick(rest, size - task.skip, Layout(table.delimiter, table.width, meant), job.key)
    if found is None:
        return False
    done.tally.pass_over("notice.census-bad-row", found.bad)
    done.tally.leave_out("notice.census-characters", found.strange)
    done.tally.leave_out("notice.census-not-exchange", found.left)
    if found.rows:
        _piece(job, task, found.hosts, found.columns, {}, done)
    rows = [row for line in found.odd for row in exact_rows(line + b"\n", b"", table, done.tally) if not isinstance(row, int)]
    _write(job, task, rows, done)
    return True


def write_rows(job: Job, number: int, rows: Sequence[Row]) -> Done:
    """Rows of a reader of another format as a piece."""
    done = Done()
    _write(job, Task(number, Block(Path(), 0, 0), None), rows, done)
    return done


def _write(job: Job, task: Task, rows: Sequence[Row], done: Done) -> None:
    """Rows of a reader that gives them one by one, as a piece."""
    if not rows:
        return
    texts = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
    names = [values.host(name).encode("utf-8", "replace") for name in texts["host"]]
    columns = {name: meant(name, texts[name]) for name in MEANINGS}
    flags = {name: np.fromiter((getattr(row, name) for row in rows), bool, len(rows)) for name in ("coarse", "shell")}
    _piece(job, task, Hosts.of(names), columns, {name: given if given.any() else None for name, given in flags.items()}, done)


def _piece(job: Job, task: Task, hosts: Hosts, columns: dict[str, Column], flags: dict[str, object], done: Done) -> None:
    label = f"{task.number:07d}-{task.skip}-{len(done.pieces)}"
    hids = hosts.hashes(job.key)
    nameless = np.flatnonzero(hosts.lengths == 0)
    if len(nameless):
        hosts = hosts.named(nameless, [f"{NAMELESS}{label}.{row}".encode() for row in nameless.tolist()])
        hids[nameless] = 0
        done.tally.leave_out("notice.census-no-host", len(nameless))
    if job.places is not None:
        columns |= job.places.columns(hosts, columns)
    done.pieces.append(write(job.folder / f"{label}.parquet", hosts, hids, columns, flags))  # type: ignore[arg-type]
    done.tally.rows += len(hids)


_JOB: Job | None = None


def _start(job: Job | None) -> None:
    global _JOB
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    if job is not None:
        _JOB = job


def _work(task: Task) -> Done:
    assert _JOB is not None
    return read_block(_JOB, task)


class Workers:
    """Reads blocks with several processes, or here where there is little to read."""

    def __init__(self, job: Job, *, jobs: int, size: int) -> None:
        global _JOB
        self.job = job
        self.jobs = max(1, jobs or os.cpu_count() or 1)
        self.pool: ProcessPoolExecutor | None = None
        if self.jobs > 1 and size >= SMALL:
            fork = "fork" in multiprocessing.get_all_start_methods()
            _JOB = job
            context = multiprocessing.get_context("fork" if fork else "spawn")
            self.pool = ProcessPoolExecutor(self.jobs, mp_context=context, initializer=_start, initargs=(None if fork else job,))

    def read(self, tasks: Iterable[Task]) -> Iterator[Done]:
        """The results in the order of the tasks. A block whose beginning belongs to the block before is read again."""
        taken = 0
        for task, done in self._in_order(tasks):
            if taken:
                for piece in done.pieces:
                    piece.path.unlink()
                done = self._begin(Task(task.number, task.block, task.table, taken))()
            taken = done.taken
            yield done

    def _in_order(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Done]]:
        waiting: deque[tuple[Task, Callable[[], Done]]] = deque()
        for task in tasks:
            waiting.append((task, self._begin(task)))
            if len(waiting) > (2 * self.jobs if self.pool is not None else 0):
                first, result = waiting.popleft()
                yield first, result()
        while waiting:
            first, result = waiting.popleft()
            yield first, result()

    def _begin(self, task: Task) -> Callable[[], Done]:
        if self.pool is None:
            return lambda: read_block(self.job, task)
        try:
            future: Future[Done] = self.pool.submit(_work, task)
        except BrokenProcessPool:
            self.pool = None
            return lambda: read_block(self.job, task)
        return lambda: self._result(future, task)

    def _result(self, future: Future[Done], task: Task) -> Done:
        """A block whose worker died is read here."""
        try:
            return future.result()
        except BrokenProcessPool:
            return read_block(self.job, task)

    def close(self) -> None:
        """Ends the processes."""
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)
