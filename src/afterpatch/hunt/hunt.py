"""The hunt: rules in, logs in, findings out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from afterpatch.assess.detections import RULES
from afterpatch.detect.events import EventPlan, make_event_plan, scan_events
from afterpatch.detect.plane.plan import Plan, make_plan
from afterpatch.detect.plane.pool import cores
from afterpatch.detect.plane.run import Scanned, scan_logs
from afterpatch.detect.plane.tally import LogScan
from afterpatch.detect.sigma.cache import load_rules_cached
from afterpatch.detect.sigma.compile import CompiledRule, compile_rules
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.detect.sigma.model import Correlation, Rule, RuleSet
from afterpatch.evidence import collect
from afterpatch.hunt.findings import Hit, findings_of, hits_of
from afterpatch.hunt.levels import from_level
from afterpatch.model import Artifact, DetectionState, EvidenceSource, Examination, Notice
from afterpatch.parsers.events import tell_events
from afterpatch.parsers.formats import kinds

# What every hit of the timeline tells, as far as its log has it.
TOLD = (
    "host.name", "ServerHostName", "source.ip", "user.name", "process.command", "process.path", "file.path",
    "cmdlet.name", "service.name", "url.original", "event.id", "event.channel",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HuntOptions:
    """`since` and `until` are aware UTC times; `jobs` 0: as many as there are cores; `shipped`: the rules that come with
    the program too (they are taken alone where no folder is given); `level`: rules from this severity on, "" all."""

    since: datetime | None = None
    until: datetime | None = None
    jobs: int = 0
    shipped: bool = False
    level: str = ""


@dataclass(frozen=True, slots=True)
class HuntResult:
    """`examination` has the findings at its top. `hits`: one entry for each record a rule fired on, in the order of time.
    `records`: how many were read; `judged`: how many of them were parsed for a rule; `unread`: how many could not be
    read. `version` of the rules."""

    examination: Examination
    hits: tuple[Hit, ...]
    records: int
    judged: int
    unread: int
    bytes: int
    version: str
    refused: int
    interrupted: bool = False
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Rules:
    """Makes rules and plans, also again in a worker that could not inherit them."""

    folders: tuple[str, ...]
    level: str = ""

    def load(self) -> tuple[RuleSet, tuple[CompiledRule, ...]]:
        rules = from_level(load_rules_cached([Path(folder) for folder in self.folders]), self.level)
        return rules, compile_rules(rules, applicable_only=True)

    def told(self, rules: RuleSet) -> dict[str, tuple[str, ...]]:
        """Every rule's hits are kept, with the fields its correlations need beside those that are told."""
        wanted: dict[str, set[str]] = {}
        for one in rules.correlations:
            aliases = {(rule, alias): name for alias, rule, name in one.aliases}
            counted = one.threshold.fields if one.threshold else ()
            for rule in one.rules:
                names = {aliases.get((rule, name), name) for name in (*one.group_by, *counted)}
                wanted.setdefault(rule, set(TOLD)).update(names)
        usual = tuple(sorted(TOLD))
        return {rule.id: tuple(sorted(wanted[rule.id])) if rule.id in wanted else usual for rule in rules.rules}

    def events(self) -> EventPlan:
        rules, compiled = self.load()
        return make_event_plan(compiled, self.told(rules), brief=True, version=rules.version)

    def texts(self) -> Plan:
        rules, compiled = self.load()
        return _text_plan(compiled, self.told(rules))


def hunt(
    paths: Sequence[str],
    rules_dirs: Sequence[str],
    options: HuntOptions | None = None,
    progress: Callable[[int], None] = lambda _bytes: None,
) -> HuntResult:
    """Every rule over every log below the paths. Raises EvidenceError where there is nothing to read.

    `progress` is told the bytes that are done."""
    options = options or HuntOptions()
    made = _Rules((*_shipped(options, rules_dirs), *rules_dirs), options.level)
    collection = collect(paths)
    rules, compiled = made.load()
    artifacts = tell_events(collection.artifacts)
    texts = [artifact for artifact in artifacts if artifact.kind in kinds()]
    events = [artifact for artifact in artifacts if artifact.kind == EVENT_LOG]
    jobs = options.jobs or cores()
    told = made.told(rules)
    parts = [Scanned({}, (), False)]
    if events:
        plan = make_event_plan(compiled, told, brief=True, version=rules.version)
        parts.append(scan_events(events, plan, jobs=jobs, make_plan=made.events, progress=progress))
    if texts and not parts[-1].interrupted:
        text_plan = _text_plan(compiled, told)
        parts.append(scan_logs(texts, lambda _artifact: "", text_plan, jobs=jobs, make_plan=made.texts, progress=progress))
    scans = {index: scan for part in parts for index, scan in part.scans.items()}
    died = [index for part in parts for index in part.died]
    notices = [*collection.notices, *_refused(rules), *_log_notices(artifacts, scans), *_died(artifacts, died)]
    sources = tuple(EvidenceSource(each.path, each.layout, each.files, each.bytes) for each in collection.sources)
    hits = hits_of(artifacts, scans, rules, options.since, options.until)
    findings = findings_of(artifacts, scans, rules, options.since, options.until)
    states = _states(rules, compiled, {finding.detection for finding in findings}, scans, artifacts)
    hours = [hour for scan in scans.values() for hour in scan.hours.values()]
    return HuntResult(
        examination=Examination(sources, (), states, tuple(sorted(set(notices))), findings),
        hits=hits,
        records=sum(scan.records for scan in scans.values()),
        judged=sum(scan.judged for scan in scans.values()),
        unread=sum(sum(scan.bad.values()) + bool(scan.error) for scan in scans.values()) + len(died),
        bytes=sum(scan.bytes for scan in scans.values()),
        version=rules.version,
        refused=len(rules.errors),
        interrupted=any(part.interrupted for part in parts),
        first=_moment(min((hour.first for hour in hours), default=None)),
        last=_moment(max((hour.last for hour in hours), default=None)),
    )


def _shipped(options: HuntOptions, rules_dirs: Sequence[str]) -> list[str]:
    if rules_dirs and not options.shipped:
        return []
    return [str(path) for path in sorted(RULES.iterdir()) if path.is_dir() and path.name != "lists"]


def _moment(second: int | None) -> datetime | None:
    return None if second is None else datetime.fromtimestamp(second, UTC)


def _text_plan(compiled: Sequence[CompiledRule], told: Mapping[str, tuple[str, ...]]) -> Plan:
    mine = [rule for rule in compiled if rule.kinds - {EVENT_LOG}]
    return make_plan(mine, frequent_pages=(), correlated=told)


def _refused(rules: RuleSet) -> list[Notice]:
    return [Notice(error.path, f"line {error.line}", f"notice.rule-refused: {error.message}") for error in rules.errors]


def _log_notices(artifacts: Sequence[Artifact], scans: Mapping[int, LogScan]) -> list[Notice]:
    notices = []
    for index, scan in sorted(scans.items()):
        artifact = artifacts[index]
        place = "offset" if artifact.kind == EVENT_LOG else "line"
        if scan.error:
            notices.append(Notice(artifact.shown, "", f"notice.broke-off: {scan.error}"))
        for reason, count in sorted(scan.bad.items()):
            key = f"notice.{reason}" if artifact.kind == EVENT_LOG else f"notice.line-{reason}"
            notices.append(Notice(artifact.shown, f"{place} {scan.bad_first[reason]}", key, count))
        for what, count in sorted(scan.lost.items()):
            notices.append(Notice(artifact.shown, "", f"notice.lost-{what}", count))
    return notices


def _died(artifacts: Sequence[Artifact], died: Sequence[int]) -> list[Notice]:
    return [Notice(artifacts[index].shown, "", "notice.worker-died") for index in died]


def _states(
    rules: RuleSet,
    compiled: Sequence[CompiledRule],
    fired: set[str],
    scans: Mapping[int, LogScan],
    artifacts: Sequence[Artifact],
) -> tuple[DetectionState, ...]:
    """How every rule ended."""
    kinds_of = {rule.rule.id: rule.kinds for rule in compiled}
    for one in rules.correlations:
        kinds_of[one.id] = frozenset(kind for rule in one.rules for kind in kinds_of.get(rule, ()))
    present = {artifacts[index].kind for index in scans} | {kind for scan in scans.values() for kind in scan.kinds}
    failed = {rule for scan in scans.values() for rule, count in scan.failed.items() if count}
    states = []
    every: tuple[Rule | Correlation, ...] = (*rules.rules, *rules.correlations)
    for rule in every:
        mine = kinds_of.get(rule.id, frozenset())
        if rule.id in failed:
            state = "failed"
        elif rule.id in fired:
            state = "fired"
        elif not mine:
            state = "not-applicable"
        else:
            state = "quiet" if mine & present else "evidence-missing"
        states.append(DetectionState(rule.id, state, rule.title))
    return tuple(sorted(states, key=lambda one: one.id))
