"""Reads the evidence: lists it, learns from configuration, scans the logs, tells servers apart, looks at the files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from afterpatch.assess.configuration import RootConfiguration, log_side, read_configuration
from afterpatch.assess.detections import Loaded, load_detections
from afterpatch.assess.machine import Machine, is_read, read_machine
from afterpatch.assess.options import Options
from afterpatch.assess.progress import Progress
from afterpatch.detect.events import EventPlan, scan_events
from afterpatch.detect.plane.plan import Plan
from afterpatch.detect.plane.pool import cores
from afterpatch.detect.plane.run import Scanned, scan_logs
from afterpatch.detect.plane.tally import LogScan
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.evidence import Collection, collect, reclassify
from afterpatch.model import Artifact, Notice
from afterpatch.parsers.events import tell_events
from afterpatch.parsers.formats import kinds

if TYPE_CHECKING:
    from afterpatch.assess.files import FileResults
    from afterpatch.assess.server import Server
    from afterpatch.exposure import Reading

LOG_KINDS = frozenset(kinds())
UNREAD_KINDS = ("registry-hive",)


@dataclass(slots=True)
class Gathered:
    """All that was read, before anything is concluded. `readings`: the builds that the logs of each server name."""

    collection: Collection
    configuration: dict[str, RootConfiguration]
    loaded: Loaded
    scans: dict[int, LogScan]
    servers: list[Server]
    readings: list[list[Reading]]
    files: FileResults
    notices: list[Notice] = field(default_factory=list)
    hashes: dict[int, str] = field(default_factory=dict)
    interrupted: bool = False
    machine: Machine = field(default_factory=Machine)


def gather(paths: Sequence[str], options: Options, progress: Progress) -> Gathered:
    """Everything the evidence gives. Raises EvidenceError where there is none."""
    collection = collect(paths)
    loaded = load_detections(options)
    configuration = read_configuration(collection.artifacts)
    collection = reclassify(
        collection,
        {root: each.web_roots for root, each in configuration.items()},
        {root: each.log_folders for root, each in configuration.items()},
    )
    collection = replace(collection, artifacts=tuple(tell_events(collection.artifacts)))
    notices = [*collection.notices, *loaded.notices]
    for each in configuration.values():
        notices += each.notices
    jobs = options.jobs or cores()
    scanned = _scan(collection.artifacts, configuration, loaded, options, jobs, progress)
    # What looks at files is imported while the logs are read, not before.
    from afterpatch.assess.doubles import drop_doubles
    from afterpatch.assess.files import FileResults, scan_files
    from afterpatch.assess.readings import latest_build, log_readings
    from afterpatch.assess.server import split_servers

    hints = {root.key: root.host_hint for root in collection.roots}
    servers, unclear = split_servers(collection.artifacts, scanned.scans, hints)
    notices += unclear
    read = {index: scan.sha256 for index, scan in scanned.scans.items() if scan.sha256}
    doubles = drop_doubles(servers, scanned.scans)
    notices += doubles.notices
    readings = [log_readings(server.artifacts, scanned.scans) for server in servers]
    files = FileResults()
    if not scanned.interrupted:
        builds = [latest_build(of_logs) for of_logs in readings]
        files = scan_files(servers, configuration, scanned.scans, builds, options, loaded.matcher, jobs=jobs, progress=progress)
    notices += [*_log_notices(collection.artifacts, scanned.scans), *_died(collection.artifacts, scanned.died)]
    machine = read_machine(collection.artifacts) if not scanned.interrupted else Machine()
    notices += [*files.notices, *machine.notices, *_unread(collection.artifacts)]
    hashes = read | doubles.hashes | files.hashes
    interrupted = scanned.interrupted or files.interrupted
    return Gathered(
        collection, configuration, loaded, scanned.scans, servers, readings, files, notices, hashes, interrupted, machine
    )


def _scan(
    artifacts: Sequence[Artifact],
    configuration: Mapping[str, RootConfiguration],
    loaded: Loaded,
    options: Options,
    jobs: int,
    progress: Progress,
) -> Scanned:
    """Text logs, then event logs."""
    texts = [artifact for artifact in artifacts if artifact.kind in LOG_KINDS]
    events = [artifact for artifact in artifacts if artifact.kind == EVENT_LOG]
    progress.start("progress.logs", sum(artifact.size for artifact in (*texts, *events)))
    again = _PlanAgain(options)
    first = scan_logs(
        texts,
        lambda artifact: log_side(artifact, configuration.get(artifact.root)) if artifact.kind == "iis" else "",
        loaded.plan,
        jobs=jobs,
        make_plan=again,
        progress=progress.step,
        meanwhile=progress.idle,
    )
    if not events or first.interrupted:
        return first
    second = scan_events(events, loaded.event_plan(), jobs=jobs, make_plan=again.events, progress=progress.step)
    return Scanned(first.scans | second.scans, (*first.died, *second.died), second.interrupted)


@dataclass(frozen=True, slots=True)
class _PlanAgain:
    """Makes the plan in a worker that could not inherit it."""

    options: Options

    def __call__(self) -> Plan:
        return load_detections(self.options).plan

    def events(self) -> EventPlan:
        """The plan of event logs."""
        return load_detections(self.options).event_plan()


def _log_notices(artifacts: Sequence[Artifact], scans: Mapping[int, LogScan]) -> Iterable[Notice]:
    for index, scan in sorted(scans.items()):
        shown = artifacts[index].shown
        if scan.error:
            yield Notice(shown, "", f"notice.broke-off: {scan.error}")
        place, key = ("offset", "") if artifacts[index].kind == EVENT_LOG else ("line", "line-")
        for reason, count in sorted(scan.bad.items()):
            yield Notice(shown, f"{place} {scan.bad_first[reason]}", f"notice.{key}{reason}", count)
        for what, count in sorted(scan.lost.items()):
            yield Notice(shown, "", f"notice.lost-{what}", count)
        if scan.clock_jumps:
            yield Notice(shown, "", "notice.clock-jumps", scan.clock_jumps)
        if scan.undecodable:
            yield Notice(shown, "", "notice.undecodable", scan.undecodable)
        if scan.guessed:
            yield Notice(shown, "", "notice.columns-guessed", scan.guessed)


def _died(artifacts: Sequence[Artifact], died: Iterable[int]) -> Iterable[Notice]:
    return [Notice(artifacts[index].shown, "", "notice.worker-died") for index in died]


def _unread(artifacts: Iterable[Artifact]) -> Iterable[Notice]:
    """Files that matter and that this version does not read: said, not skipped."""
    unread = [each for each in artifacts if each.kind in UNREAD_KINDS and not is_read(each)]
    return [Notice(each.shown, "", f"notice.not-read-{each.kind}") for each in unread]
