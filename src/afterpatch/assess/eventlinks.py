"""What was done on a server after a break-in, as its event logs tell it, joined to the way in it followed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from afterpatch.assess.chains import GENERIC, JOIN, chain_of
from afterpatch.assess.eventdoors import AFTERWARDS, REMOVAL, is_own
from afterpatch.assess.findings import Hit
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.model import severity_at_least, stage_rank

Moments = list[tuple[datetime, str]]
APART = timedelta(minutes=10)  # how much nearer one way in must be than any other
ANSWERED = frozenset(("intrusion", "anomaly"))


def attached(hits: Sequence[Hit], name: str, doors: Iterable[str]) -> list[Hit]:
    """Hits of event logs that name no way in, with the one that was used in the hours before them. `doors`: ids of
    findings that made a back door; they and what is plainly an intruder's work become steps of that chain."""
    entries = _entries(hits)
    made = frozenset(doors)
    return [_attached(hit, entries, made) if _is_loose(hit, made) and is_own(hit, name) else hit for hit in hits]


def _entries(hits: Iterable[Hit]) -> Moments:
    """(when, way in) of every row of an attack that got through; a way that names a hole is enough, else any."""
    found = [
        (sample.time, chain_of(hit.finding), hit.finding.chain not in GENERIC)
        for hit in hits
        if hit.role == "intrusion" and chain_of(hit.finding) and stage_rank(hit.finding.stage) >= stage_rank("succeeded")
        for sample in hit.group.samples.kept
    ]
    named = [(time, chain) for time, chain, holed in found if holed]
    return sorted(named or [(time, chain) for time, chain, _holed in found])


def _is_loose(hit: Hit, made: frozenset[str]) -> bool:
    return (
        EVENT_LOG in hit.group.counts
        and (hit.finding.chain in GENERIC or hit.finding.id in made)
        and hit.finding.chain not in ("mail-theft", "tampering")
        and REMOVAL not in hit.finding.tags
        and hit.role in (*ANSWERED, "admin")
        and not hit.finding.subject.ip
    )


def _attached(hit: Hit, entries: Moments, made: frozenset[str]) -> Hit:
    finding = hit.finding
    known = finding.chain if finding.chain not in GENERIC else ""  # the door's maker was found already
    chain = known or _nearest([sample.time for sample in hit.group.samples.kept], entries)
    if not chain:
        return hit
    door = finding.id in made
    plain = hit.role in ANSWERED and severity_at_least(finding.severity, "high")
    if not (door or plain or (hit.role == "intrusion" and finding.stage)):
        return hit
    stage = finding.stage or "used"
    return replace(hit, finding=replace(finding, chain=chain, stage=stage), role="intrusion")


def _nearest(times: Sequence[datetime], entries: Moments) -> str:
    """The way in whose traces lie nearest before one of the times; "" where none does, or two are as near."""
    best: dict[str, timedelta] = {}
    for time in times:
        for moment, chain in entries:
            away = time - moment
            if -JOIN <= away <= AFTERWARDS and (chain not in best or away < best[chain]):
                best[chain] = away
    ordered = sorted(best.items(), key=lambda pair: (pair[1], pair[0]))
    if len(ordered) > 1 and ordered[1][1] - ordered[0][1] < APART:
        return ""
    return ordered[0][0] if ordered else ""
