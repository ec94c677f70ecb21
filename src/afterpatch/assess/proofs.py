"""Steps of a chain that several logs tell of: one step with all its proofs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from importlib import resources

from afterpatch.assess.findings import Hit
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.model import EvidenceRef, TimelineEntry
from afterpatch.model.shipped import shipped_yaml

TOGETHER = timedelta(seconds=3)  # logs of one machine: a row is written when the work is done
MAX_PROOFS = 8


@dataclass(frozen=True, slots=True)
class Step:
    """A step and what it tells of. `event`: it stands in an event log; `request`: an answered request to a back door."""

    entry: TimelineEntry
    act: str
    event: bool
    request: bool


@cache
def _acts() -> tuple[dict[str, str], frozenset[str]]:
    """(rule name -> act, acts that a request asked for)."""
    table = shipped_yaml(resources.files("afterpatch.assess").joinpath("acts.yml").read_text("utf-8"))
    return {f"rule:{name}": act for act, names in table["acts"].items() for name in names}, frozenset(table["asked"])


def step_of(entry: TimelineEntry, hit: Hit) -> Step:
    """The step of one row of a hit."""
    named, _asked = _acts()
    act = next((named[tag] for tag in hit.finding.tags if tag in named), hit.finding.detection)
    event = entry.evidence is not None and entry.evidence.record is not None and EVENT_LOG in hit.group.counts
    return Step(entry, act, event, bool(hit.backdoor) and bool(hit.finding.subject.ip) and not event)


def proved(steps: Iterable[Step], requests: Sequence[Step] = ()) -> list[TimelineEntry]:
    """The entries, those of one act in an event log and in another log as one, in the order of time. `requests`: all
    requests to back doors that were kept, for what they asked for."""
    ordered = sorted(steps, key=lambda step: (step.entry.time, step.entry.findings))
    found: list[Step] = []
    for step in ordered:
        place = _same(step, found)
        if place is None:
            found.append(step)
        else:
            found[place] = replace(found[place], entry=_joined(found[place].entry, step.entry))
    return [_asked_for(step, requests) for step in found]


def _same(step: Step, found: Sequence[Step]) -> int | None:
    """The place of an earlier step that tells of the same act in another log."""
    for place in range(len(found) - 1, -1, -1):
        other = found[place]
        if step.entry.time - other.entry.time > TOGETHER:
            return None
        if other.act == step.act and (step.event or other.event) and not _repeats(step, other.entry):
            return place
    return None


def _repeats(step: Step, entry: TimelineEntry) -> bool:
    """Whether a step is a further row of the same log about the same thing: not one act but two."""
    return _path(step) in _paths(entry) and bool(set(step.entry.findings) & set(entry.findings))


def _path(step: Step) -> str:
    return step.entry.evidence.path if step.entry.evidence is not None else ""


def _paths(entry: TimelineEntry) -> set[str]:
    return {proof.path for proof in (entry.evidence, *entry.proofs) if proof is not None}


def _joined(one: TimelineEntry, other: TimelineEntry) -> TimelineEntry:
    proofs = tuple(dict.fromkeys((*one.proofs, *((other.evidence,) if other.evidence else ()), *other.proofs)))
    subject = one.subject if one.subject.ip or not other.subject.ip else other.subject
    findings = tuple(dict.fromkeys((*one.findings, *other.findings)))
    return replace(one, subject=subject, findings=findings, proofs=proofs[:MAX_PROOFS])


def _asked_for(step: Step, requests: Sequence[Step]) -> TimelineEntry:
    """The entry with the nearest request that asked a web worker for it."""
    if not step.event or step.act not in _acts()[1]:
        return step.entry
    near = [other for other in requests if abs(step.entry.time - other.entry.time) <= TOGETHER]
    if not near:
        return step.entry
    best = min(near, key=lambda other: (abs(step.entry.time - other.entry.time), other.entry.findings))
    proofs: tuple[EvidenceRef, ...] = (best.entry.evidence,) if best.entry.evidence is not None else ()
    return replace(step.entry, proofs=(*step.entry.proofs, *proofs)[:MAX_PROOFS])
