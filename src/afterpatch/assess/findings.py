"""From hits to findings: one finding for each detection and subject on a server."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from afterpatch.assess.detections import Loaded
from afterpatch.assess.server import Server
from afterpatch.detect.plane.judge import INDICATOR
from afterpatch.detect.plane.tally import Event, Group, LogScan, PageUse, Sample
from afterpatch.detect.sigma.correlate import CorrelationEvent, Correlator, standalone
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.detect.sigma.model import Correlation, Header, Keys, Rule
from afterpatch.knowledge.indicators import Indicator
from afterpatch.model import EPOCH, Artifact, EvidenceRef, Finding, Notice, Subject, message

LEVELS = {
    "informational": "info",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "critical": "critical",
    "": "medium",
}
SUBJECT_FIELDS = {
    "source.ip": "ip",
    "user.name": "user",
    "url.page": "path",
    "url.path": "path",
    "url.original": "url",
    "anchor.host": "host",
    "TargetServer": "host",
    "user_agent": "agent",
    "ImpersonatedUser": "mailbox",
    "http.status": "status",
    "host.name": "host",
    "file.path": "path",
    "process.path": "path",
}
MAX_JOINED = 8
OVERLAP = "overlap:"  # a tag: with what was published about whom a finding overlaps


@dataclass(frozen=True, slots=True)
class Hit:
    """A finding and the group it came from: what chains and back doors are built of."""

    finding: Finding
    group: Group
    role: str
    backdoor: str


def merged_groups(scans: Iterable[LogScan]) -> dict[tuple[str, tuple[tuple[str, str], ...]], Group]:
    """The groups of several logs as one. The scans stay as they are."""
    merged: dict[tuple[str, tuple[tuple[str, str], ...]], Group] = {}
    for scan in scans:
        for key, group in scan.groups.items():
            if key not in merged:
                merged[key] = Group(*key)
            merged[key].merge(group)
    return merged


def merged_pages(scans: Iterable[LogScan]) -> dict[tuple[str, str], PageUse]:
    """The use of pages over several logs as one."""
    merged: dict[tuple[str, str], PageUse] = {}
    for scan in scans:
        for key, use in scan.pages.items():
            if key not in merged:
                merged[key] = PageUse(use.page, use.side)
            merged[key].merge(use)
    return merged


class Findings:
    """Makes the findings of one server."""

    def __init__(self, server: Server, loaded: Loaded, hashes: Mapping[int, str]) -> None:
        self._server, self._loaded, self._hashes = server, loaded, hashes
        self._paths = {artifact.index: artifact.path for artifact in server.artifacts}
        self._events = {artifact.index for artifact in server.artifacts if artifact.kind == EVENT_LOG}
        self._rules: dict[str, Rule | Correlation] = {rule.id: rule for rule in loaded.rules.rules}
        self.notices: list[Notice] = []
        self._rules |= {correlation.id: correlation for correlation in loaded.rules.correlations}

    def of_scans(self, scans: Mapping[int, LogScan]) -> list[Hit]:
        """Findings of rules, correlations and indicators over the server's logs."""
        mine = [scans[artifact.index] for artifact in self._server.artifacts if artifact.index in scans]
        groups = merged_groups(mine)
        shown = standalone(self._loaded.rules)  # a rule that only serves a correlation is no finding of its own
        hits = [self._of_group(group) for _key, group in sorted(groups.items()) if group.detection in shown]
        hits += self._of_correlations([event for scan in mine for event in scan.events])
        hits += [self._of_indicator(group) for _key, group in sorted(groups.items()) if group.detection == INDICATOR]
        return hits

    def _of_group(self, group: Group) -> Hit:
        rule = self._rules[group.detection]
        return self._hit(rule.id, rule.header, rule.keys, group)

    def _hit(self, detection: str, header: Header, keys: Keys, group: Group) -> Hit:
        finding = Finding(
            id=self.identity(detection, group.subject),
            detection=detection,
            title=header.title,
            severity=LEVELS.get(header.level, "medium"),
            confidence=keys.confidence,
            stage=keys.stage,
            chain=keys.chain,
            techniques=techniques(header.tags),
            time=group.first if group.first != EPOCH else None,
            end_time=group.last if group.last != EPOCH else None,
            count=max(group.counts.values(), default=0),
            subject=subject_of(group),
            explanation=keys.explain or header.description,
            benign_causes=keys.benign or header.falsepositives,
            next_steps=keys.next_steps,
            evidence=self.proofs(group.samples.kept),
            origin="rule",
            tags=(*((f"rule:{header.name}",) if header.name else ()), *header.tags),
        )
        return Hit(finding, group, keys.role, keys.backdoor)

    def identity(self, detection: str, subject: Iterable[tuple[str, str]]) -> str:
        """The same finding has the same id in every run."""
        text = "\0".join((self._server.name, detection, *(f"{name}={value}" for name, value in subject)))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def proofs(self, samples: Iterable[Sample]) -> tuple[EvidenceRef, ...]:
        """Raw lines with the way back to them."""
        return tuple(
            EvidenceRef(
                path=self._paths.get(sample.artifact, ""),
                raw=sample.raw,
                line=None if sample.artifact in self._events else sample.line,
                record=sample.line if sample.artifact in self._events else None,
                offset=sample.offset,
                sha256=self._hashes.get(sample.artifact, ""),
            )
            for sample in samples
        )

    def _of_correlations(self, events: Sequence[Event]) -> list[Hit]:
        if not self._loaded.rules.correlations or not events:
            return []
        ordered = sorted(events, key=lambda event: (event.sample, event.detection))
        stream = [
            CorrelationEvent(event.detection, event.sample.time, dict(event.fields), number)
            for number, event in enumerate(ordered)
        ]
        hits: dict[tuple[str, tuple[tuple[str, str], ...]], Group] = {}
        correlator = Correlator(self._loaded.rules.correlations)
        for event in stream:
            correlator.feed(event)
        for found in correlator.finish():
            key = (found.rule_id, found.group)
            group = hits.setdefault(key, Group(*key))
            for ref in found.refs:
                group.add("correlation", ordered[ref].sample, dict(ordered[ref].fields), 0)
            group.counts["correlation"] += found.count - len(found.refs)
        for what in ("ungrouped", "late", "forgotten"):
            count = getattr(correlator.losses, what)
            if count:
                self.notices.append(Notice(self._server.name, "", f"notice.correlation-{what}", count))
        return [self._of_group(group) for _key, group in sorted(hits.items())]

    def _of_indicator(self, group: Group) -> Hit:
        """An overlap with what was published about a group: a lead, never attribution."""
        asked = dict(group.subject)
        known = self._loaded.matcher.match_value(asked["type"], asked["value"])
        names = sorted({each.group for each in known if each.group})
        sources = sorted({f"{each.source} ({each.published})" if each.published else each.source for each in known})
        in_time = any(each.in_window(group.first) and not each.caution for each in known)
        if asked["type"] in ("file-name", "url-path"):  # the name alone: somebody looked for the page; what counts is an answer
            statuses = group.seen["http.status"].values if "http.status" in group.seen else set()
            in_time = in_time and any(status.startswith("2") for status in statuses)
        finding = Finding(
            id=self.identity(INDICATOR, group.subject),
            detection=INDICATOR,
            title=message("indicator.title", type=asked["type"], value=asked["value"]),
            severity="medium" if in_time and asked["type"] != "user-agent" else "low",  # agents are programs, shared by many
            confidence="low",
            time=group.first if group.first != EPOCH else None,
            end_time=group.last if group.last != EPOCH else None,
            count=max(group.counts.values(), default=0),
            subject=replace(subject_of(group), extra=(("indicator", asked["value"]),)),
            explanation=message(
                "indicator.explain" if in_time else "indicator.explain-old",
                type=asked["type"],
                value=asked["value"],
                names=", ".join(names[:MAX_JOINED]),
                sources="; ".join(sources[:MAX_JOINED]),
            ),
            benign_causes=(message("indicator.benign.shared"), message("indicator.benign.reused")),
            next_steps=(message("indicator.next.read"), message("indicator.next.lead")),
            evidence=self.proofs(group.samples.kept),
            origin="indicator",
            tags=tuple(f"{OVERLAP}{text}" for text in sorted(_overlaps(known, group))) if in_time else (),
        )
        return Hit(finding, group, "anomaly", "")


def _overlaps(known: Iterable[Indicator], group: Group) -> set[str]:
    """`Name (publisher, date): value` of the groups an indicator was published for, in its time."""
    return {
        overlap_text(each.group, each.source, each.published, each.value)
        for each in known
        if each.group and not each.caution and each.in_window(group.first)
    }


def overlap_text(group: str, source: str, published: str, value: str) -> str:
    """`LuckyMouse (ESET, 2021-03-10): 34.90.207.23`."""
    origin = ", ".join(part for part in (source, published) if part)
    return f"{group} ({origin}): {value}" if origin else f"{group}: {value}"


def file_identity(server: str, finding: Finding) -> str:
    """The id of a finding about a file: the same wherever the evidence lies."""
    proofs = (f"{each.path}/{each.line}/{each.offset}/{each.raw}/{each.sha256}" for each in finding.evidence)
    parts = (server, finding.detection, finding.subject.path, str(finding.subject.extra), *proofs)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def techniques(tags: Iterable[str]) -> tuple[str, ...]:
    """ATT&CK technique ids out of Sigma tags."""
    found = (tag.partition("attack.")[2].upper() for tag in tags if tag.lower().startswith("attack.t"))
    return tuple(dict.fromkeys(each for each in found if each[1:5].isdigit()))


def subject_of(group: Group) -> Subject:
    """The subject of a group in the words of the document; what the grouping did not fix is taken if it is single."""
    values: dict[str, str] = {}
    extra: list[tuple[str, str]] = []
    for name, value in group.subject:
        slot = SUBJECT_FIELDS.get(name)
        if slot is not None and value:
            values.setdefault(slot, value)
        elif value:
            extra.append((name, value))
    for name, slot in SUBJECT_FIELDS.items():
        seen = group.seen.get(name)
        if slot not in values and seen is not None and len(seen.values) == 1:
            values[slot] = next(iter(seen.values))
    if "url" in values:
        values["url"] = _as_asked(values["url"])
    return Subject(**values, extra=tuple(extra))


def _as_asked(url: str) -> str:
    """The address without what the front end appends to each query (`&CorrelationID=<empty>;&cafeReqId=...;`)."""
    return url.partition("&CorrelationID=")[0].removesuffix("?")


def artifact_paths(artifacts: Iterable[Artifact]) -> dict[int, str]:
    """artifact index -> the server's own path."""
    return {artifact.index: artifact.path for artifact in artifacts}
