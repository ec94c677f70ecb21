"""The builds a server ran, as its evidence tells them over time: every place that names one, as readings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime

from afterpatch.assess.heap import short_name
from afterpatch.assess.machine import Machine
from afterpatch.assess.server import Server
from afterpatch.detect.plane.tally import Install, LogScan
from afterpatch.exposure import BuildHistory, Reading, build_history, installed_at
from afterpatch.exposure.doubtful import ENOUGH
from afterpatch.exposure.installs import from_installs, from_title
from afterpatch.exposure.readings import from_baseline, from_locations, from_owa_path, from_setup, from_versions, reading
from afterpatch.knowledge.baseline import baseline
from afterpatch.knowledge.builds import Build
from afterpatch.model import Artifact, parse_iso
from afterpatch.parsers.iisconfig import IisConfig
from afterpatch.parsers.setuplog import SetupRun

# Logs of IIS, whose header names a version of its own, and texts that quote logs. Control panel and SMTP logs write a
# fixed 15.0.0.0, which is no build.
FIXED_KINDS = frozenset(("iis", "httperr", "log-excerpt"))
_FOLDER = re.compile(
    r"\\(?:clientaccess\\(?:owa|ecp)\\(?:prem\\|auth\\)?|frontend\\httpproxy\\owa\\(?:auth\\|prem\\)?)"
    r"(1[45]\.\d{1,2}\.\d{1,5}(?:\.\d{1,5})?)\\",
    re.IGNORECASE | re.ASCII,
)
_ENOUGH_FILES = 5
_SHARE = 0.9  # of the files, that one build must explain
SetupRuns = Sequence[tuple[str, SetupRun]]


def log_readings(artifacts: Iterable[Artifact], scans: Mapping[int, LogScan]) -> list[Reading]:
    """Headers and rows of text logs: of each day, what says the same a few times, with the first and the last."""
    of_day: dict[tuple[Build, str, str, date], list[Reading]] = {}
    for one in _all_of_logs(artifacts, scans):
        said = of_day.setdefault((one.build, one.precision, one.basis, one.time.date()), [])
        if len(said) < ENOUGH + 2:
            said.append(one)
        elif one < said[0]:
            said[0] = one
        elif one > said[-1]:
            said[-1] = one
        if len(said) == ENOUGH + 2:
            said.sort()
    return [one for said in of_day.values() for one in said]


def _all_of_logs(artifacts: Iterable[Artifact], scans: Mapping[int, LogScan]) -> Iterator[Reading]:
    for artifact in artifacts:
        scan = scans.get(artifact.index)
        if scan is None:
            continue
        if artifact.kind not in FIXED_KINDS:
            for block in scan.blocks:
                one = reading(block.version, parse_iso(block.date), "log-header", artifact.path)
                if one is not None:
                    yield one
        for basis, marks in scan.versions.items():
            for mark in marks:
                found = (
                    from_owa_path(f"/owa/{mark.version}/", mark.time, artifact.path)
                    if basis == "owa-path"
                    else reading(mark.version, mark.time, basis, artifact.path)
                )
                if found is not None:
                    yield found


def events_of(artifacts: Iterable[Artifact], scans: Mapping[int, LogScan]) -> list[tuple[str, Install]]:
    """Kept events with the path of their log, in the order of time."""
    found = [
        (artifact.path, event) for artifact in artifacts if artifact.index in scans for event in scans[artifact.index].installs
    ]
    return sorted(found, key=lambda pair: (pair[1].time, pair[0], pair[1].event_id))


def machine_readings(artifacts: Iterable[Artifact], machine: Machine) -> Iterator[Reading]:
    """The registry: what setup wrote when it ran, and the same at the hive's last change; installed updates by day."""
    for artifact in artifacts:
        hive = machine.hives.get(artifact.index)
        if hive is None:
            continue
        near: Build | None = None
        for version, written in hive.setup:
            for time in {written, hive.written}:
                one = reading(version, time, "registry", hive.path)
                if one is not None:
                    yield one
                    near = max(near or one.build, one.build)
        named = [(from_title(title, near), time) for title, time in hive.updates]
        known = [(build, time) for build, time in named if build is not None]
        for build, time in known:
            yield Reading(time, build, "exact", "update", hive.path)
        if known and hive.written is not None:
            yield Reading(hive.written, max(build for build, _time in known), "least", "update", hive.path)


def file_readings(
    artifacts: Sequence[Artifact], machine: Machine, hashes: Mapping[int, str], end: datetime | None
) -> Iterator[Reading]:
    """File versions, content of shipped files and folders that setup made, as they were at the end."""
    versions = [(each.path, machine.versions[each.index]) for each in artifacts if each.index in machine.versions]
    yield from filter(None, [from_versions(versions, end), _by_content(artifacts, hashes, end)])
    folders: dict[Build, datetime | None] = {}
    for artifact in artifacts:
        match = _FOLDER.search(artifact.path)
        one = reading(match[1], artifact.created or end, "folder") if match is not None else None
        if one is not None:
            made = artifact.created if artifact.times_original else None
            known = folders.get(one.build, made)
            folders[one.build] = min((time for time in (known, made) if time is not None), default=None)
    for build, made in folders.items():
        if made is not None:
            yield Reading(made, build, "cu", "folder")
    if folders and end is not None:
        yield Reading(end, max(folders), "cu", "folder")


def _by_content(artifacts: Iterable[Artifact], hashes: Mapping[int, str], end: datetime | None) -> Reading | None:
    """The build whose shipped files these are. Nothing where many are of no build the baseline has: then the server is
    newer than the baseline, and files that stayed the same say nothing."""
    candidates, other = [], 0
    for artifact in artifacts:
        if artifact.index not in hashes or artifact.path.lower().endswith(".config"):
            continue
        known = baseline().lookup(artifact.path)
        builds = known.versions.get(hashes[artifact.index].lower()) if known is not None else None
        if builds:
            candidates.append(builds)
        other += known is not None and not builds
    votes = Counter(build for builds in candidates for build in builds)
    most = max(votes.values(), default=0)
    if len(candidates) < _ENOUGH_FILES or most < _SHARE * (len(candidates) + other):
        return None
    best = {build for build, times in votes.items() if times == most}
    return from_baseline([[build for build in builds if build in best] for builds in candidates if best & set(builds)], end)


def iis_readings(copies: Iterable[tuple[str, IisConfig, datetime | None]]) -> Iterator[Reading]:
    """The newest build folder among the locations of each copy of applicationHost.config; older ones are left behind."""
    for path, config, time in copies:
        found = from_locations(config.locations, time, path)
        if found:
            yield max(found, key=lambda one: one.build)


def own_setup(server: Server, runs: SetupRuns) -> tuple[list[tuple[str, SetupRun]], list[str]]:
    """(setup runs of this server, names of others whose setup logs lie in its evidence)."""
    own, others = [], []
    for path, run in runs:
        name = short_name(run.server)
        if name and server.name and name != server.name:
            others.append(name)
        else:
            own.append((path, run))
    return own, sorted(set(others))


def server_history(
    server: Server,
    scans: Mapping[int, LogScan],
    of_logs: Iterable[Reading],
    setup: SetupRuns,
    machine: Machine,
    copies: Iterable[tuple[str, IisConfig, datetime | None]],
    hashes: Mapping[int, str],
    end: datetime | None,
) -> BuildHistory:
    """The build history of a server from all of its evidence. `of_logs`: see `log_readings`; `end` is the time of what has
    no time of its own."""
    found = [*of_logs, *from_setup(setup), *machine_readings(server.artifacts, machine)]
    found += [*file_readings(server.artifacts, machine, hashes, end), *iis_readings(copies)]
    near = max(found).build if found else None
    found += from_installs(events_of(server.artifacts, scans), near)
    return build_history(found, installed_at(setup))


def latest_build(of_logs: Sequence[Reading]) -> str:
    """The last build that logs name, "" where none does."""
    last = build_history(of_logs).latest
    return str(last.build) if last is not None else ""
