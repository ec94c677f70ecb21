"""The timeline of a server: what was done, what was left, what changed on the server itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from afterpatch.exposure import Reading
from afterpatch.model import (
    BackDoor,
    Chain,
    Coverage,
    EvidenceRef,
    Finding,
    Subject,
    TimelineEntry,
    message,
    severity_at_least,
)

MAX_ENTRIES = 20_000


def build_timeline(
    findings: Sequence[Finding],
    chains: Sequence[Chain],
    doors: Sequence[BackDoor],
    readings: Sequence[Reading],
    coverage: Mapping[str, Coverage],
) -> tuple[TimelineEntry, ...]:
    """Everything with a time, in order; one entry for the same moment, title and subject."""
    entries = [step for chain in chains for step in chain.steps]
    in_chains = {identity for chain in chains for identity in chain.findings}
    entries += [entry for each in findings if each.id not in in_chains for entry in _finding(each)]
    entries += [entry for door in doors for entry in _door(door)]
    entries += _updates(readings)
    entries += [entry for kind, each in sorted(coverage.items()) for entry in _logs(kind, each)]
    unique = {(entry.time, entry.what, entry.subject): entry for entry in entries}
    ordered = sorted(unique.values(), key=lambda entry: (entry.time, entry.what, entry.findings))
    return tuple(ordered[:MAX_ENTRIES])


def _finding(finding: Finding) -> Iterable[TimelineEntry]:
    if finding.time is not None and severity_at_least(finding.severity, "low"):
        proof = finding.evidence[0] if finding.evidence else None
        yield TimelineEntry(finding.time, finding.title, finding.subject, (finding.id,), proof)


def _door(door: BackDoor) -> Iterable[TimelineEntry]:
    subject = Subject(path=door.path)
    if door.first_seen is not None:
        yield TimelineEntry(door.first_seen, message("timeline.backdoor-used", path=door.path), subject, door.findings)
    if door.last_used is not None and door.last_used != door.first_seen:
        yield TimelineEntry(door.last_used, message("timeline.backdoor-last-used", path=door.path), subject, door.findings)


def _updates(readings: Sequence[Reading]) -> Iterable[TimelineEntry]:
    exact = [reading for reading in readings if reading.precision == "exact"]
    for before, after in pairwise(exact):
        if before.build != after.build:
            proof = EvidenceRef(after.path, f"{before.build} -> {after.build}")
            yield TimelineEntry(after.time, message("timeline.update-installed", build=after.build), Subject(), (), proof)
    for reading in readings:
        if reading.basis == "setup":
            proof = EvidenceRef(reading.path, str(reading.build))
            yield TimelineEntry(reading.time, message("timeline.setup", build=reading.build), Subject(), (), proof)


def _logs(kind: str, coverage: Coverage) -> Iterable[TimelineEntry]:
    if kind not in ("iis", "httpproxy", "ecp-server"):
        return
    if coverage.first is not None:
        yield TimelineEntry(coverage.first, message("timeline.logs-begin", artifact=kind))
    for gap in coverage.gaps[:50]:
        yield TimelineEntry(gap.start, message("timeline.gap", artifact=kind))
