"""The builds a server ran, as its evidence tells them over time, and when its holes were open.

A reading of the cumulative update alone never says whether a security update is there: it neither opens nor closes a
hole that only a security update closes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from afterpatch.assess.configuration import RootConfiguration
from afterpatch.assess.server import Server
from afterpatch.detect.plane.tally import LogScan
from afterpatch.knowledge import builds, vulnerabilities
from afterpatch.knowledge.builds import Build
from afterpatch.model import parse_iso

# Logs whose header names the running build with its security update. ECP and SMTP logs write a fixed 15.0.0.0.
BUILD_KINDS = frozenset(
    (
        "httpproxy",
        "ews",
        "cmdlet",
        "rps-http",
        "admin-audit",
        "message-tracking",
        "autodiscover",
        "mapi-http",
        "oab-generator",
        "owa-server",
    )
)


@dataclass(frozen=True, slots=True, order=True)
class Reading:
    """A build seen at a time. `precision`: exact | cu | product. `basis`: log-header | setup | log-row."""

    time: datetime
    build: Build
    precision: str
    basis: str
    path: str


@dataclass(frozen=True, slots=True)
class OpenTime:
    """What is known of one hole from `start` (None: from before all readings) until `end` (None: still)."""

    start: datetime | None
    end: datetime | None
    state: str  # open | closed | unknown


def readings_of(server: Server, scans: Mapping[int, LogScan], configuration: Mapping[str, RootConfiguration]) -> list[Reading]:
    """All readings in the order of time; of a run of equal ones the first and the last."""
    found: list[Reading] = []
    for artifact in server.artifacts:
        scan = scans.get(artifact.index)
        if scan is None or artifact.kind not in BUILD_KINDS:
            continue
        for block in scan.blocks:
            moment, build = parse_iso(block.date), Build.try_parse(block.version)
            if moment is not None and build is not None and build.build:
                found.append(Reading(moment, build, build.precision, "log-header", artifact.path))
    for root in sorted(server.roots):
        for path, run in configuration[root].setup if root in configuration else ():
            build = Build.try_parse(run.version)
            moment = run.ended or run.last or run.started
            if build is not None and moment is not None and not run.failed:
                found.append(Reading(moment, build, "cu", "setup", path))
    return _thinned(sorted(found))


def _thinned(found: Sequence[Reading]) -> list[Reading]:
    kept: list[Reading] = []
    for position, reading in enumerate(found):
        before = found[position - 1] if position else None
        after = found[position + 1] if position + 1 < len(found) else None
        same = (
            before is not None
            and after is not None
            and before.build == reading.build == after.build
            and before.precision == reading.precision == after.precision
        )
        if not same:
            kept.append(reading)
    return kept


def latest_build(server: Server, scans: Mapping[int, LogScan]) -> str:
    """The last build that logs name, "" where none does."""
    found = readings_of(server, scans, {})
    exact = [reading for reading in found if reading.precision == "exact"]
    last = (exact or found)[-1:]
    return str(last[0].build) if last else ""


def installed_at(server: Server, configuration: Mapping[str, RootConfiguration]) -> datetime | None:
    """When Exchange was first installed on this server, where a setup log tells it."""
    times = [
        run.started
        for root in server.roots
        if root in configuration
        for _path, run in configuration[root].setup
        if run.mode.lower() == "install" and not run.failed and run.started is not None
    ]
    return min(times) if times else None


def hole_times(cve: str, readings: Sequence[Reading], installed: datetime | None) -> list[OpenTime]:
    """When the hole was open on this server, by its readings: adjoining times in order, the first and last unbounded.

    Between two readings that differ nobody knows the moment of the change: the hole counts as it was before."""
    states: list[tuple[datetime | None, str]] = [(installed, "unknown")]
    for reading in readings:
        state = vulnerabilities.state(cve, reading.build, reading.precision).state
        if state == "unknown" and states[-1][1] != "unknown" and _same_branch(reading, readings):
            continue  # a CU-level reading beside exact ones says nothing new
        state = {"not-affected": "closed", "configuration": "unknown"}.get(state, state)
        states.append((reading.time, state))
    if installed is not None and len(states) > 1 and states[1][1] == "open":
        states[0] = (installed, "open")
    times: list[OpenTime] = []
    for position, (start, state) in enumerate(states):
        end = states[position + 1][0] if position + 1 < len(states) else None
        if times and times[-1].state == state:
            times[-1] = OpenTime(times[-1].start, end, state)
        else:
            times.append(OpenTime(start, end, state))
    return times


def _same_branch(reading: Reading, readings: Iterable[Reading]) -> bool:
    key = builds.branch_key(reading.build)
    return any(other.precision == "exact" and builds.branch_key(other.build) == key for other in readings)
