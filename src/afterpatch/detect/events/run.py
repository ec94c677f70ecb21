"""Scans all event logs of a collection: shares big EVTX files out in pieces and puts the pieces together again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from afterpatch.detect.events.plan import EventPlan
from afterpatch.detect.events.scan import EVTX, EventJob, open_event_log, scan_event_log
from afterpatch.detect.plane.pool import SMALL, run_tasks
from afterpatch.detect.plane.run import Scanned
from afterpatch.detect.plane.tally import ChannelUse, LogScan
from afterpatch.evidence import local_path
from afterpatch.model import Artifact, EvidenceError
from afterpatch.parsers.events.chunks import CHUNK_SIZE, FILE_MAGIC, HEADER_SIZE

_SYSMON = "Microsoft-Windows-Sysmon/Operational"
# Events that make up most of what servers log and rules ask for.
USUAL = (
    *((_SYSMON, number) for number in (1, 3, 5, 7, 8, 10, 11, 12, 13, 15, 17, 18, 22, 23)),
    *(("Security", number) for number in (4624, 4625, 4634, 4648, 4656, 4658, 4663, 4672, 4688, 4689, 4769, 5145, 5156)),
    *(("System", number) for number in (7036, 7045)),
    *(("Microsoft-Windows-PowerShell/Operational", number) for number in (4103, 4104)),
    ("MSExchange Management", 1),
)
PIECE = 256 * CHUNK_SIZE  # 16 MiB of chunks


def _task(plan: EventPlan, job: EventJob) -> LogScan:
    return scan_event_log(job, plan)


def scan_events(
    artifacts: Sequence[Artifact],
    plan: EventPlan,
    *,
    jobs: int,
    make_plan: Callable[[], EventPlan],
    progress: Callable[[int], None] = lambda _bytes: None,
) -> Scanned:
    """Every event log of the list, by artifact index. `make_plan` makes the plan again in a worker that could not
    inherit it."""
    tasks = [job for artifact in artifacts for job in _jobs(artifact)]
    weights = [_weight(job) for job in tasks]
    plan.prepare(USUAL, worth=sum(weights) >= SMALL)
    outcome: Any = run_tasks(_task, tasks, weights, jobs=jobs, state=plan, make_state=make_plan, progress=progress)
    pieces: dict[int, list[LogScan]] = {}
    for position, scan in sorted(outcome.results.items()):
        pieces.setdefault(tasks[position].artifact, []).append(scan)
    died = sorted({tasks[position].artifact for position in outcome.died})
    return Scanned({index: _joined(parts) for index, parts in pieces.items()}, tuple(died), outcome.interrupted)


def _weight(job: EventJob) -> int:
    size = (job.end if job.end is not None else job.size) - job.start
    return size if job.scanned else size // 8


def _jobs(artifact: Artifact) -> list[EventJob]:
    """One job, or for a big plain EVTX file one for each piece and one that hashes it. The same pieces whatever the
    number of processes, so that results never depend on it."""
    whole = EventJob(artifact.index, artifact.locator, artifact.size)
    if local_path(artifact.locator) is None or artifact.size <= PIECE * 3 // 2 or not _is_evtx(whole):
        return [whole]
    starts = [0, *range(HEADER_SIZE + PIECE, artifact.size - PIECE // 2, PIECE)]
    ends = [*starts[1:], None]
    pieces = [
        EventJob(artifact.index, artifact.locator, artifact.size, number, start, end, EVTX, hashed=False)
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    return [*pieces, EventJob(artifact.index, artifact.locator, artifact.size, len(pieces), form=EVTX, scanned=False)]


def _is_evtx(job: EventJob) -> bool:
    try:
        with open_event_log(job.locator) as stream:
            return stream.read(len(FILE_MAGIC)) == FILE_MAGIC
    except (OSError, EvidenceError):
        return False


def _joined(parts: list[LogScan]) -> LogScan:
    """The pieces of one log as one."""
    if len(parts) == 1:
        return parts[0]
    parts = sorted(parts, key=lambda scan: scan.piece)
    whole = LogScan(parts[0].artifact)
    for part in parts:
        _add(whole, part)
    return whole


def _add(whole: LogScan, part: LogScan) -> None:
    whole.error = whole.error or part.error
    if part.sha256:
        whole.sha256, whole.bytes = part.sha256, part.bytes
        return
    for name in ("lines", "records", "judged"):
        setattr(whole, name, getattr(whole, name) + getattr(part, name))
    for name in ("bad", "names", "lost", "failed"):
        getattr(whole, name).update(getattr(part, name))
    for reason, offset in part.bad_first.items():
        whole.bad_first[reason] = min(offset, whole.bad_first.get(reason, offset))
    for number, hour in part.hours.items():
        known = whole.hours.setdefault(number, hour)
        if known is not hour:
            known.count += hour.count
            known.first, known.last = min(known.first, hour.first), max(known.last, hour.last)
    for key, group in part.groups.items():
        if key in whole.groups:
            whole.groups[key].merge(group)
        else:
            whole.groups[key] = group
    for name, use in part.channels.items():
        whole.channels.setdefault(name, ChannelUse()).merge(use)
    whole.events += part.events
    whole.installs += part.installs


def cores() -> int:
    """How many processes make sense here."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
