"""Groups of hits as findings, and single hits for the timeline."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from afterpatch.assess.findings import merged_groups, subject_of, techniques
from afterpatch.detect.plane.tally import Event, Group, LogScan
from afterpatch.detect.sigma.correlate import CorrelationEvent, correlate, standalone
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.detect.sigma.model import Correlation, Rule, RuleSet
from afterpatch.hunt.levels import level_of
from afterpatch.model import EPOCH, SEVERITIES, Artifact, EvidenceRef, Finding

MAX_DETAIL = 240
DETAIL_FIELDS = ("process.command", "cmdlet.name", "service.name", "file.path", "url.original", "process.path")


@dataclass(frozen=True, slots=True)
class Hit:
    """One record on which a rule fired. `record`: its number in an event log, its line in a text log. `detail`: what it
    was about, in short."""

    time: datetime | None
    level: str
    detection: str
    title: str
    host: str
    user: str
    ip: str
    detail: str
    path: str
    record: int
    raw: str


def _rules(rules: RuleSet) -> dict[str, Rule | Correlation]:
    every: tuple[Rule | Correlation, ...] = (*rules.rules, *rules.correlations)
    return {rule.id: rule for rule in every}


def hits_of(
    artifacts: Sequence[Artifact],
    scans: Mapping[int, LogScan],
    rules: RuleSet,
    since: datetime | None,
    until: datetime | None,
) -> tuple[Hit, ...]:
    """Every single hit within the time asked for, in the order of time; those without a time come first."""
    known = _rules(rules)
    shown = standalone(rules)
    found: list[Hit] = []
    for index, scan in scans.items():
        name = scan.names.most_common(1)[0][0] if scan.names else ""
        for event in scan.events:
            time = None if event.sample.time == EPOCH else event.sample.time
            if event.detection in shown and _within(time, time, since, until):
                found.append(_hit(event, time, known[event.detection], artifacts[index].shown, name))
    return tuple(sorted(found, key=lambda hit: (hit.time or EPOCH, hit.path, hit.record, hit.detection)))


def _hit(event: Event, time: datetime | None, rule: Rule | Correlation, path: str, name: str) -> Hit:
    fields = dict(event.fields)
    detail = next((fields[each] for each in DETAIL_FIELDS if fields.get(each)), "")
    number = fields.get("event.id", "")
    return Hit(
        time=time,
        level=level_of(rule),
        detection=rule.id,
        title=rule.title,
        host=fields.get("host.name") or fields.get("ServerHostName") or name,
        user=fields.get("user.name", ""),
        ip=fields.get("source.ip", ""),
        detail=(f"{fields.get('event.channel', '')} {number}: " if number else "") + detail[:MAX_DETAIL],
        path=path,
        record=event.sample.line,
        raw=event.sample.raw,
    )


def findings_of(
    artifacts: Sequence[Artifact],
    scans: Mapping[int, LogScan],
    rules: RuleSet,
    since: datetime | None,
    until: datetime | None,
) -> tuple[Finding, ...]:
    """One finding for each rule and subject, the gravest first. Rules that only serve a correlation give none."""
    known, shown = _rules(rules), standalone(rules)
    groups = [group for group in merged_groups(scans.values()).values() if group.detection in shown]
    groups += _correlated(rules, [event for scan in scans.values() for event in scan.events])
    hashes = {index: scan.sha256 for index, scan in scans.items()}
    found = [
        _finding(known[group.detection], group, artifacts, hashes)
        for group in groups
        if _within(_time(group.first), _time(group.last), since, until)
    ]
    return tuple(sorted(found, key=_order))


def _time(moment: datetime | None) -> datetime | None:
    return None if moment == EPOCH else moment


def _within(first: datetime | None, last: datetime | None, since: datetime | None, until: datetime | None) -> bool:
    if first is None or last is None:
        return True
    return not (since and last < since) and not (until and first > until)


def _order(finding: Finding) -> tuple[int, datetime, str, str]:
    return -SEVERITIES.index(finding.severity), finding.time or EPOCH, finding.detection, finding.id


def _correlated(rules: RuleSet, events: Iterable[Event]) -> list[Group]:
    if not rules.correlations:
        return []
    ordered = sorted(events, key=lambda event: (event.sample, event.detection))
    stream = [
        CorrelationEvent(event.detection, event.sample.time, dict(event.fields), number)
        for number, event in enumerate(ordered)
        if event.sample.time != EPOCH
    ]
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], Group] = {}
    shown = standalone(rules)
    for hit in correlate(rules, stream):
        if hit.rule_id not in shown:
            continue
        key = (hit.rule_id, hit.group)
        group = groups.setdefault(key, Group(*key))
        for ref in hit.refs:
            group.add("correlation", ordered[ref].sample, dict(ordered[ref].fields), 0)
        group.counts["correlation"] += hit.count - len(hit.refs)
    return list(groups.values())


def _finding(rule: Rule | Correlation, group: Group, artifacts: Sequence[Artifact], hashes: Mapping[int, str]) -> Finding:
    text = "\0".join((rule.id, *(f"{name}={value}" for name, value in group.subject)))
    return Finding(
        id=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        detection=rule.id,
        title=rule.title,
        severity=level_of(rule),
        confidence=rule.keys.confidence,
        stage=rule.keys.stage,
        chain=rule.keys.chain,
        techniques=techniques(rule.header.tags),
        time=_time(group.first),
        end_time=_time(group.last),
        count=sum(group.counts.values()),
        subject=subject_of(group),
        explanation=rule.keys.explain or rule.header.description,
        benign_causes=rule.keys.benign or rule.header.falsepositives,
        next_steps=rule.keys.next_steps,
        evidence=_proofs(group, artifacts, hashes),
        origin="rule",
        tags=rule.header.tags,
    )


def _proofs(group: Group, artifacts: Sequence[Artifact], hashes: Mapping[int, str]) -> tuple[EvidenceRef, ...]:
    """The way back to each sample: record numbers in event logs, lines in text logs."""
    proofs = []
    for sample in group.samples.kept:
        artifact = artifacts[sample.artifact]
        is_event = artifact.kind == EVENT_LOG
        proofs.append(
            EvidenceRef(
                path=artifact.shown,
                raw=sample.raw,
                line=None if is_event else sample.line,
                record=sample.line if is_event else None,
                offset=sample.offset,
                sha256=hashes.get(sample.artifact, ""),
            )
        )
    return tuple(proofs)
