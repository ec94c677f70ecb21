"""The exact judgement of one event by the rules that may fire; hits go into the tally of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from afterpatch.detect.events.memory import Choice
from afterpatch.detect.events.plan import EventPlan
from afterpatch.detect.events.program import Candidate, Views
from afterpatch.detect.events.view import EventView
from afterpatch.detect.plane.judge import INDICATOR
from afterpatch.detect.plane.tally import MAX_EVENTS, MAX_GROUPS, MAX_RAW, Event, Group, LogScan, Sample
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.detect.sigma.model import Rule
from afterpatch.model import EPOCH
from afterpatch.parsers.events.record import EventRecord

# What every finding of an event tells besides its subject.
SEEN_FIELDS = (
    "source.ip", "user.name", "target.user", "host.name", "process.path", "process.command", "process.parent",
    "process.parent.command", "file.path", "service.name", "cmdlet.name", "cmdlet.parameters", "event.id", "event.channel",
    "url.page", "ExceptionType", "source.host", "target.host", "TargetDomainName", "TaskContent", "NewValue",
)  # fmt: skip
SUBJECT = ("host.name",)  # of rules that name none
BRIEF = 240


def sample_of(record: EventRecord, artifact: int) -> Sample:
    """An event as a proof."""
    return Sample(record.time or EPOCH, artifact, record.record_id, record.offset, record.raw[:MAX_RAW])


class Found(Protocol):
    """An event that was found in the text of a log and is parsed as far as it must be.

    `data`: its named values where they are a plain list; `kind`: what stands for provider, id, channel and computer, and
    `system` says them by their names; `record()` is the whole of it."""

    @property
    def data(self) -> Mapping[str, object] | None: ...

    @property
    def kind(self) -> object: ...

    @property
    def system(self) -> Mapping[str, str]: ...

    def record(self) -> EventRecord: ...

    def sample(self, artifact: int) -> Sample: ...


class EventJudge:
    """Judges the events of one artifact into `scan`."""

    def __init__(self, plan: EventPlan, scan: LogScan, *, reraise: bool = False) -> None:
        self._plan, self._scan, self._reraise = plan, scan, reraise

    def record(self, record: EventRecord, candidates: Iterable[Candidate]) -> None:
        """Judges one event that was parsed."""
        self._scan.judged += 1
        event = EventView(None, lambda: record)
        self._hits(self._fired(event, candidates), event, lambda: sample_of(record, self._scan.artifact))

    def found(self, found: Found, choice: Choice) -> None:
        """Judges one event by candidates that were chosen before: events that agree in all that those rules look at are
        judged once."""
        self._scan.judged += 1
        key = choice.key(found.data, found.kind) if found.data is not None else None
        fired = choice.recall(key) if key is not None else None
        if fired is not None and not fired:
            return
        event = EventView(found.data, found.record, found.system)
        if fired is None:
            failures = self._scan.failed.total()
            fired = tuple(self._fired(event, choice.candidates))
            if key is not None and failures == self._scan.failed.total():
                choice.remember(key, fired)
        self._hits(fired, event, lambda: found.sample(self._scan.artifact))

    def indicators(self, record: EventRecord, told: Iterable[tuple[str, str]]) -> None:
        """Notes that values of an event overlap with published indicators."""
        event = EventView(None, lambda: record)
        seen = {name: value for name in SEEN_FIELDS if (value := event.first(name))}
        for kind, value in told:
            subject = (("type", kind), ("value", value), ("source.ip", event.first("source.ip")))
            self._group(INDICATOR, subject).add(EVENT_LOG, sample_of(record, self._scan.artifact), seen, 0)

    def _fired(self, event: EventView, candidates: Iterable[Candidate]) -> list[Candidate]:
        views = Views(event)
        found = []
        for candidate in candidates:
            view = views.of(candidate)
            if view is not None and self._matches(candidate, view):
                found.append(candidate)
        return found

    def _hits(self, fired: Sequence[Candidate], event: EventView, make: Callable[[], Sample]) -> None:
        if fired:
            sample = make()
            seen = {name: value for name in SEEN_FIELDS if (value := event.first(name))}
            told: dict[tuple[str, ...], tuple[tuple[str, str], ...]] = {}
            for candidate in fired:
                self._hit(candidate, event, sample, seen, told)

    def _matches(self, candidate: Candidate, view: object) -> bool:
        """The boundary of a detection: a bug in one rule marks it as failed and the others go on."""
        try:
            return candidate.rule.judge(view) is True  # type: ignore[arg-type]
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            if self._reraise:
                raise
            self._scan.failed[candidate.rule.rule.id] += 1
            return False

    def _hit(
        self,
        candidate: Candidate,
        event: EventView,
        sample: Sample,
        seen: dict[str, str],
        told: dict[tuple[str, ...], tuple[tuple[str, str], ...]],
    ) -> None:
        rule = candidate.rule.rule
        subject = tuple([(name, event.first(name)) for name in subject_fields(rule)])
        self._group(rule.id, subject).add(EVENT_LOG, sample, seen, 0)
        wanted = self._plan.correlated.get(rule.id)
        if wanted is None:
            return
        if len(self._scan.events) >= MAX_EVENTS:
            self._scan.lost["correlation-events"] += 1
            return
        if wanted not in told:
            told[wanted] = tuple([(name, values[0]) for name in wanted if (values := event.get(name))])
        if self._plan.brief and len(sample.raw) > BRIEF:
            sample = replace(sample, raw=sample.raw[:BRIEF])
        self._scan.events.append(Event(rule.id, sample, told[wanted]))

    def _group(self, detection: str, subject: tuple[tuple[str, str], ...]) -> Group:
        key = (detection, subject)
        groups = self._scan.groups
        if key not in groups and len(groups) >= MAX_GROUPS:
            self._scan.lost["subjects"] += 1
            key = (detection, ())
        if key not in groups:
            groups[key] = Group(*key)
        return groups[key]


def subject_fields(rule: Rule) -> tuple[str, ...]:
    """The fields that make one finding of an event rule."""
    return rule.keys.subject if rule.keys.present else SUBJECT


__all__ = ["SEEN_FIELDS", "EventJudge", "subject_fields"]
