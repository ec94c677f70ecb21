"""What of a long examination goes onto a page, and how many of each are left out: nothing is left out in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from afterpatch.model import Chain, DetectionState, EvidenceRef, Finding, Notice, ServerExamination, TimelineEntry
from afterpatch.model.finding import SEVERITIES, STAGES
from afterpatch.report.catalogue import Catalogue
from afterpatch.report.codec import worded
from afterpatch.report.pictures import severity_of
from afterpatch.report.text import parse_message, shorten, visible

MAX_RAW = 2_000
MAX_VALUE = 400
MAX_PROOFS = 4
MAX_IN_GROUP = 120
MAX_GROUPS = 400
MAX_TIMELINE = 1_200
MAX_NOTICES = 100
MAX_DETECTIONS = 2_000
BUDGET = 5_000_000  # characters of evidence on one page, as escaped
DETECTION_STATES = ("fired", "failed", "evidence-missing", "quiet", "not-applicable")


class Raw(str):
    """A raw line of evidence: shown as it is, but for characters that a screen hides or obeys."""

    __slots__ = ()


class Budget:
    """How much evidence still fits on the page."""

    def __init__(self, characters: int = BUDGET) -> None:
        self.left = characters

    def take(self, texts: Iterable[str]) -> bool:
        """Pay for some texts, as long as they will be when escaped; False where there is no room left."""
        if self.left <= 0:
            return False
        self.left -= sum(_escaped_length(text) for text in texts) + 600
        return True


def _escaped_length(text: str) -> int:
    return len(visible(text)) + 4 * sum(text.count(char) for char in "&<>\"'")


@dataclass(frozen=True, slots=True)
class Proof:
    """One piece of evidence, cut to what a page can hold. `length` is the raw line's whole length where it was cut."""

    path: str
    place: tuple[tuple[str, int], ...]
    sha256: str
    raw: Raw
    length: int


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """A finding with its place on the page and the proofs that are shown. `title` is "" where it is the group's."""

    finding: Finding
    anchor: str
    title: str
    subject: tuple[tuple[str, str], ...]
    proofs: tuple[Proof, ...]
    hidden: int


@dataclass(frozen=True, slots=True)
class Group:
    """All findings of one detection; `findings` the ones shown, `total` how many there are.

    `same_reason` and `same_advice`: all of them have one explanation, and one list of causes and steps.
    """

    title: str
    severity: str
    first: datetime | None
    last: datetime | None
    total: int
    findings: tuple[ShownFinding, ...]
    same_reason: bool = True
    same_advice: bool = True

    @property
    def hidden(self) -> int:
        """How many are not shown."""
        return self.total - len(self.findings)


def severity_rank(severity: str) -> int:
    """Position of a severity, 0 for an unknown one."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


def groups(findings: Sequence[Finding], catalogue: Catalogue, prefix: str, budget: Budget) -> tuple[Group, ...]:
    """The findings by detection and kind of title, the most severe and the earliest first."""
    together: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        named = parse_message(finding.title)  # a title with values in it: one group for all of them
        together.setdefault((finding.detection, named.key if named else finding.title), []).append(finding)
    made = [sorted(group, key=_order) for group in together.values()]
    made.sort(key=lambda group: (*_order(group[0]), group[0].detection))
    numbers = {id(finding): index for index, finding in enumerate(findings)}
    return tuple(_group(group, catalogue, prefix, numbers, budget, index) for index, group in enumerate(made))


def _order(finding: Finding) -> tuple[int, bool, str, str]:
    when = finding.time
    return (-severity_rank(finding.severity), when is None, when.isoformat() if when else "", finding.id)


def _group(
    group: Sequence[Finding],
    catalogue: Catalogue,
    prefix: str,
    numbers: Mapping[int, int],
    budget: Budget,
    index: int,
) -> Group:
    first, shown = group[0], []
    title = group_title(group, catalogue)
    for finding in group[: MAX_IN_GROUP if index < MAX_GROUPS else 0]:
        own = "" if catalogue.title(finding) == title else shorten(catalogue.title(finding), MAX_VALUE)
        one = _shown(finding, f"{prefix}f{numbers[id(finding)]}", own, catalogue)
        if not budget.take(_texts(one)):
            break
        shown.append(one)
    times = [time for one in group for time in (one.time, one.end_time) if time]
    severity = first.severity if first.severity in SEVERITIES else "info"
    same_reason = all(one.explanation == first.explanation for one in group)
    advice = (first.benign_causes, first.next_steps)
    same_advice = all((one.benign_causes, one.next_steps) == advice for one in group)
    title, start, end = shorten(title, MAX_VALUE), min(times, default=None), max(times, default=None)
    return Group(title, severity, start, end, len(group), tuple(shown), same_reason, same_advice)


def group_title(group: Sequence[Finding], catalogue: Catalogue) -> str:
    """What a group is called: its findings' title, or, where they have titles of their own, the detection's name."""
    first = catalogue.title(group[0])
    if all(one.title == group[0].title for one in group):
        return first
    return catalogue.detection_name(group[0]) or first


def _shown(finding: Finding, anchor: str, title: str, catalogue: Catalogue) -> ShownFinding:
    proofs = tuple(_proof(one) for one in finding.evidence[:MAX_PROOFS])
    return ShownFinding(finding, anchor, title, subject_pairs(finding, catalogue), proofs, len(finding.evidence) - len(proofs))


def _texts(one: ShownFinding) -> Iterable[str]:
    yield from (value for _, value in one.subject)
    for proof in one.proofs:
        yield from (proof.raw, proof.path)


def _proof(one: EvidenceRef) -> Proof:
    place = (("line", one.line), ("record", one.record), ("offset", one.offset))
    cut = len(one.raw) > MAX_RAW
    return Proof(
        shorten(one.path, MAX_VALUE),
        tuple((name, number) for name, number in place if number is not None),
        shorten(one.sha256, 64),
        Raw(shorten(one.raw, MAX_RAW)),
        len(one.raw) if cut else 0,
    )


def subject_pairs(finding: Finding, catalogue: Catalogue) -> tuple[tuple[str, str], ...]:
    """Whom a finding is about: (field, value), the known ones only."""
    subject = finding.subject
    names = ("ip", "user", "mailbox", "host", "path", "url", "status", "agent")
    known = [(name, getattr(subject, name)) for name in names]
    told = [(name, worded(name, value, catalogue)) for name, value in subject.extra]
    return tuple((shorten(name, 60), shorten(value, MAX_VALUE)) for name, value in (*known, *told) if value)


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One line of the timeline's table; `anchor` leads to its finding where that is on the page."""

    time: datetime
    severity: str
    what: str
    subject: str
    anchor: str


def timeline_rows(
    server: ServerExamination, catalogue: Catalogue, anchors: Mapping[str, str], most: int
) -> tuple[TimelineRow, ...]:
    """The table's rows by time; where there are too many, the most severe and then the earliest are kept."""
    findings = {one.id: one for one in server.findings}
    ranked = [(severity_rank(severity_of(one, findings)), one) for one in server.timeline]
    if len(ranked) > most:
        ranked = sorted(ranked, key=lambda pair: (-pair[0], pair[1].time))[:most]
    rows = [_row(one, SEVERITIES[rank], findings, catalogue, anchors) for rank, one in ranked]
    return tuple(sorted(rows, key=lambda row: row.time))


def _row(
    entry: TimelineEntry,
    severity: str,
    findings: Mapping[str, Finding],
    catalogue: Catalogue,
    anchors: Mapping[str, str],
) -> TimelineRow:
    subject = entry.subject
    parts = [subject.ip, subject.user or subject.mailbox, subject.url or subject.path]
    anchor = next((anchors[one] for one in entry.findings if one in anchors), "")
    about = " · ".join(shorten(part, 160) for part in parts if part)
    return TimelineRow(entry.time, severity, entry_title(entry, findings, catalogue), about, anchor)


def entry_title(entry: TimelineEntry, findings: Mapping[str, Finding], catalogue: Catalogue) -> str:
    """The entry's title, in the catalogue's language where it is the title of one of its findings."""
    named = (findings[one] for one in entry.findings if one in findings)
    same = next((one for one in named if one.title == entry.what), None)
    return shorten(catalogue.title(same) if same else catalogue.words(entry.what), MAX_VALUE)


@dataclass(frozen=True, slots=True)
class StepRow:
    """All steps of a chain with one title and one client: when first and last, how often, and where first."""

    first: datetime
    last: datetime
    what: str
    ip: str
    place: str
    findings: tuple[str, ...]
    count: int


def step_rows(server: ServerExamination, chain: Chain, catalogue: Catalogue) -> tuple[StepRow, ...]:
    """A chain's steps by title and client, in the order of their first time."""
    wanted = {one for step in chain.steps for one in step.findings}
    findings = {one.id: one for one in server.findings if one.id in wanted}
    together: dict[tuple[str, str], list[TimelineEntry]] = {}
    for step in sorted(chain.steps, key=lambda step: step.time):
        together.setdefault((entry_title(step, findings, catalogue), step.subject.ip), []).append(step)
    return tuple(_step(what, steps, findings) for (what, _ip), steps in together.items())


def _step(what: str, steps: Sequence[TimelineEntry], findings: Mapping[str, Finding]) -> StepRow:
    """Steps are a few samples of each finding; how often and until when, the findings know."""
    first = steps[0]
    behind = [findings[one] for one in dict.fromkeys(one for step in steps for one in step.findings) if one in findings]
    count = max(len(steps), sum(one.count for one in behind))
    last = max([step.time for step in steps] + [one.end_time for one in behind if one.end_time])
    place = first.subject.url or first.subject.path
    shown_place = "" if place in what else shorten(place, 200)
    ip = shorten(first.subject.ip, 60)
    return StepRow(first.time, last, what, ip, shown_place, first.findings, count)


def stage_times(server: ServerExamination, chain: str, findings: Sequence[str]) -> dict[str, datetime]:
    """When each stage of a chain was first seen. A stage that was seen only after a later one was passed without a trace of
    its own: somebody else looked for the hole afterwards."""
    wanted, times = set(findings), dict[str, datetime]()
    for one in server.findings:
        if one.stage in STAGES and one.time and (one.id in wanted or one.chain == chain):
            times[one.stage] = min(one.time, times.get(one.stage, one.time))
    order = [stage for stage in STAGES if stage in times]
    return {
        stage: times[stage] for place, stage in enumerate(order) if all(times[stage] <= times[more] for more in order[place:])
    }


@dataclass(frozen=True, slots=True)
class NoticeGroup:
    """Notices of one kind: how many lines or files they stand for, and the first of them."""

    text: str
    total: int
    notices: tuple[Notice, ...]
    hidden: int


def notice_groups(notices: Sequence[Notice], catalogue: Catalogue) -> tuple[NoticeGroup, ...]:
    """The notices by reason, the most frequent first."""
    together: dict[str, list[Notice]] = {}
    totals: Counter[str] = Counter()
    for notice in notices:
        kind = catalogue.notice_kind(notice)
        together.setdefault(kind, []).append(notice)
        totals[kind] += notice.count
    ranked = sorted(together, key=lambda kind: (-totals[kind], kind))[:MAX_GROUPS]
    return tuple(
        NoticeGroup(kind, totals[kind], tuple(together[kind][:MAX_NOTICES]), max(0, len(together[kind]) - MAX_NOTICES))
        for kind in ranked
    )


def detection_groups(detections: Sequence[DetectionState]) -> tuple[tuple[str, tuple[DetectionState, ...]], ...]:
    """The detections by state, in the order that matters to a reader."""
    known = {state: tuple(one for one in detections if one.state == state) for state in DETECTION_STATES}
    return tuple((state, known[state]) for state in DETECTION_STATES)
