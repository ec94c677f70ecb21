"""Scans all text logs of a collection: shares big files out in pieces and puts the pieces together again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from afterpatch.detect.plane.chunks import CHUNK, Counted, chunks
from afterpatch.detect.plane.job import SLOW_KINDS, Job, open_log
from afterpatch.detect.plane.plan import Plan
from afterpatch.detect.plane.pool import run_tasks
from afterpatch.detect.plane.scan import scan_batch, scan_log
from afterpatch.detect.plane.tally import Block, LogScan, Sample, Samples
from afterpatch.evidence import local_path
from afterpatch.model import Artifact, EvidenceError

PIECE = 96 << 20  # bytes of one piece of a big file
BUNDLE, MAX_BUNDLE = 8 << 20, 64  # bytes and files of a bundle of small logs
LONGEST_SEARCH = 8 << 20  # bytes in which a piece must find a line end


@dataclass(frozen=True, slots=True)
class Scanned:
    """The logs that were read, by artifact index. `died`: artifacts whose worker crashed. `interrupted`: see pool."""

    scans: dict[int, LogScan]
    died: tuple[int, ...]
    interrupted: bool


Batch = tuple[Job, ...]


def _task(plan: Plan, batch: Batch) -> list[LogScan]:
    return scan_batch(batch, plan)


def _batched(jobs: Sequence[Job]) -> list[Batch]:
    """Small logs in bundles: handing each of thousands of hourly files over alone would cost more than reading it."""
    batches: list[Batch] = []
    bundle: list[Job] = []
    size = 0
    for job in jobs:
        if job.end is not None or not job.scanned or job.size >= BUNDLE:
            batches.append((job,))
            continue
        bundle.append(job)
        size += job.size
        if size >= BUNDLE or len(bundle) >= MAX_BUNDLE:
            batches.append(tuple(bundle))
            bundle, size = [], 0
    return [*batches, *([tuple(bundle)] if bundle else [])]


def _weight(batch: Batch) -> int:
    return sum((job.end or job.size) - job.start if job.scanned else job.size // 2 for job in batch)


def scan_logs(
    artifacts: Sequence[Artifact],
    sides: Callable[[Artifact], str],
    plan: Plan,
    *,
    jobs: int,
    make_plan: Callable[[], Plan],
    progress: Callable[[int], None] = lambda _bytes: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Scanned:
    """Every log of the list. `sides`: front | back | "" by the site table. `meanwhile` is called once while other
    processes read."""
    tasks = _batched([job for artifact in artifacts for job in _jobs(artifact, sides(artifact), jobs)])
    weights = [_weight(batch) for batch in tasks]
    outcome: Any = run_tasks(
        _task, tasks, weights, jobs=jobs, state=plan, make_state=make_plan, progress=progress, meanwhile=meanwhile
    )
    pieces: dict[int, list[LogScan]] = {}
    for _position, scans in sorted(outcome.results.items()):
        for scan in scans:
            pieces.setdefault(scan.artifact, []).append(scan)
    for parts in pieces.values():
        parts.sort(key=lambda scan: scan.piece)
    _mend([job for batch in tasks for job in batch], pieces, plan)
    whole = {index: _joined(parts) for index, parts in pieces.items()}
    died = sorted({job.artifact for position in outcome.died for job in tasks[position]})
    return Scanned(whole, tuple(died), outcome.interrupted)


def _jobs(artifact: Artifact, side: str, jobs: int) -> list[Job]:
    """One job, or for a big plain file one for each piece and one that hashes it."""
    whole = Job(artifact.index, artifact.kind, artifact.locator, side, artifact.size)
    plain = local_path(artifact.locator)
    if plain is None or jobs <= 1 or artifact.size <= PIECE * 3 // 2 or artifact.kind in SLOW_KINDS:
        return [whole]
    try:
        cuts = _cuts(plain, artifact.size)
        columns = _first_columns(whole)
    except (OSError, EvidenceError):
        return [whole]
    if not columns or len(cuts) < 3:
        return [whole]
    pieces = [
        replace(whole, piece=number, start=start, end=end, columns=columns if number else (), hashed=False)
        for number, (start, end) in enumerate(pairwise(cuts))
    ]
    return [*pieces, replace(whole, piece=len(pieces), scanned=False)]


def _cuts(path: str, size: int) -> list[int]:
    """Line starts about every PIECE bytes, with 0 and the size."""
    cuts = [0]
    with open(path, "rb", buffering=0) as stream:
        if stream.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            return [0, size]  # UTF-16: a line feed is two bytes
        for wanted in range(PIECE, size - PIECE // 2, PIECE):
            stream.seek(wanted)
            found = _line_end(stream)
            if found is not None and wanted + found > cuts[-1]:
                cuts.append(wanted + found)
    return [*cuts, size]


def _line_end(stream: Any) -> int | None:
    read = 0
    while read < LONGEST_SEARCH:
        data = stream.read(1 << 16)
        if not data:
            return None
        at = data.find(b"\n")
        if at >= 0:
            return int(read + at + 1)
        read += len(data)
    return None


def _first_columns(job: Job) -> tuple[str, ...]:
    """The column list of the file's first header."""
    from afterpatch.parsers.lineparser import LineParser
    from afterpatch.parsers.lines import Line

    parser = LineParser(job.kind)
    with open_log(job.locator) as opened:
        head = next(chunks(Counted(opened, hashed=False, limit=CHUNK)), None)
    lines = bytes(head.data[: 1 << 16]).split(b"\n")[:40] if head is not None else []
    for number, line in enumerate(lines, 1):
        parser.feed(Line(number, 0, line.rstrip(b"\r").removeprefix(b"\xef\xbb\xbf")))
        if parser.columns:
            return parser.columns if not parser.schema else ()
    return ()


def _mend(tasks: Iterable[Job], pieces: dict[int, list[LogScan]], plan: Plan) -> None:
    """A piece began under the column list of the file's first header. Where an earlier piece changed the list, the
    piece is read again under the right one."""
    by_place = {(job.artifact, job.piece): job for job in tasks if job.scanned and job.end is not None}
    for index, parts in pieces.items():
        columns: tuple[str, ...] = ()
        for place, scan in enumerate(parts):
            job = by_place.get((index, scan.piece))
            if job is None:
                continue
            if job.piece and columns and columns != job.columns:
                parts[place] = scan = scan_log(replace(job, columns=columns), plan)
            columns = scan.columns or columns


def _joined(parts: list[LogScan]) -> LogScan:
    """The pieces of one log as one; lines of later pieces move down by the lines before them."""
    if len(parts) == 1:
        return parts[0]
    parts = sorted(parts, key=lambda scan: scan.piece)
    whole = LogScan(parts[0].artifact)
    for part in parts:
        _add(whole, part)
    return whole


def _add(whole: LogScan, part: LogScan) -> None:
    base = whole.lines
    if part.sha256:
        whole.sha256 = part.sha256
        whole.error = whole.error or part.error
        return
    for name in ("lines", "headers", "records", "bytes", "clock_jumps", "judged", "undecodable", "guessed"):
        setattr(whole, name, getattr(whole, name) + getattr(part, name))
    for name in ("bad", "names", "addresses", "lost", "failed", "kinds", "sides"):
        getattr(whole, name).update(getattr(part, name))
    for reason, line in part.bad_first.items():
        whole.bad_first.setdefault(reason, line + base)
    for number, hour in part.hours.items():
        known = whole.hours.setdefault(number, hour)
        if known is not hour:
            known.count += hour.count
            known.first, known.last = min(known.first, hour.first), max(known.last, hour.last)
    whole.blocks += [Block(block.line + base, *block[1:]) for block in part.blocks]
    for basis, marks in part.versions.items():
        whole.versions.setdefault(basis, []).extend(marks)
    whole.joins |= part.joins
    whole.error = whole.error or part.error
    _add_hits(whole, part, base)


def _add_hits(whole: LogScan, part: LogScan, base: int) -> None:
    def moved(sample: Sample) -> Sample:
        return sample.moved(base)

    for key, group in part.groups.items():
        group.samples = Samples(sorted(moved(sample) for sample in group.samples.kept))
        if key in whole.groups:
            whole.groups[key].merge(group)
        else:
            whole.groups[key] = group
    for place, page in part.pages.items():
        page.samples = Samples(sorted(moved(sample) for sample in page.samples.kept))
        if place in whole.pages:
            whole.pages[place].merge(page)
        else:
            whole.pages[place] = page
    whole.events += [replace(event, sample=moved(event.sample)) for event in part.events]
