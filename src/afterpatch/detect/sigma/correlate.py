"""Correlations over a stream of fired rules, in the order of time.

A hit is an episode: from the first event of the time span in which the condition came true to the last event at which
it still was. Correlations may refer to correlations: each new episode is an event of its own, with the fields of the
event that completed it.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from afterpatch.detect.sigma.model import Correlation, RuleSet
from afterpatch.detect.sigma.resolve import order
from afterpatch.detect.sigma.text import fold
from afterpatch.detect.sigma.windows import Anchored, Seen, Sliding, Verdict, is_sliding, sliding

MAX_GROUPS = 100_000
MAX_REFS = 1_000


@dataclass(frozen=True, slots=True)
class CorrelationEvent:
    """A rule that fired: `ref` leads the caller back to the record."""

    rule_id: str
    time: datetime
    fields: Mapping[str, str]
    ref: int


@dataclass(frozen=True, slots=True)
class CorrelationHit:
    """An episode. `refs`: the first MAX_REFS records; `count`: all events of the episode; `value`: what was
    compared."""

    rule_id: str
    first: datetime
    last: datetime
    group: tuple[tuple[str, str], ...]
    refs: tuple[int, ...]
    count: int
    value: str


@dataclass(slots=True)
class Losses:
    """What could not be correlated: events without a group-by field, out of order, groups forgotten for lack of
    room."""

    ungrouped: int = 0
    late: int = 0
    forgotten: int = 0


@dataclass(slots=True)
class _Episode:
    """A hit that may still grow. `refs` keeps the order of arrival."""

    rule_id: str
    group: tuple[tuple[str, str], ...]
    first: float
    last: float
    refs: dict[int, None]
    count: int
    value: str
    order: int

    def hit(self) -> CorrelationHit:
        return CorrelationHit(
            self.rule_id,
            datetime.fromtimestamp(self.first, UTC),
            datetime.fromtimestamp(self.last, UTC),
            self.group,
            tuple(self.refs)[:MAX_REFS],
            self.count,
            self.value,
        )


@dataclass(slots=True)
class _Group:
    shown: tuple[tuple[str, str], ...]
    window: Sliding | None = None
    anchored: Anchored | None = None
    episode: _Episode | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    touched: float = 0.0


class _Runner:
    """One correlation and its groups, the one used last at the end."""

    def __init__(self, correlation: Correlation, losses: Losses) -> None:
        self.correlation, self.losses = correlation, losses
        self.sliding = is_sliding(correlation)
        self.groups: OrderedDict[tuple[str, ...], _Group] = OrderedDict()
        self.due: list[tuple[float, int, tuple[str, ...]]] = []
        self.opened = 0
        self.aliases = {(alias, rule): name for alias, rule, name in correlation.aliases}

    def group_of(self, rule: str, fields: Mapping[str, str]) -> tuple[str, ...] | None:
        values = []
        for name in self.correlation.group_by:
            value = fields.get(self.aliases.get((name, rule), name))
            if value is None:
                return None
            values.append(value)
        return tuple(values)

    def group(self, values: tuple[str, ...], now: float) -> _Group:
        key = tuple(map(fold, values))
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = _Group(tuple(zip(self.correlation.group_by, values, strict=True)))
            if len(self.groups) > MAX_GROUPS:
                _, oldest = self.groups.popitem(last=False)
                self.losses.forgotten += now - oldest.touched <= self.correlation.timespan
        else:
            self.groups.move_to_end(key)
        group.touched = now
        return group

    def named(self, rule: str, fields: Mapping[str, str]) -> dict[str, str]:
        """The fields with the aliases beside them, as a correlation of this one may group by those."""
        shown = dict(fields)
        for (alias, of), name in self.aliases.items():
            if of == rule and name in fields:
                shown[alias] = fields[name]
        return shown


def _grow(episode: _Episode, seen: Seen, verdict: Verdict) -> None:
    episode.last, episode.count, episode.value = seen.time, episode.count + 1, verdict.value
    if len(episode.refs) < MAX_REFS:
        episode.refs[seen.ref] = None


class Correlator:
    """Feeds events to all correlations; `finish` gives the hits in the order they came true.

    Memory is bounded: by MAX_GROUPS groups a correlation, MAX_KEPT values a group, and the episodes found.
    """

    def __init__(self, correlations: Sequence[Correlation]) -> None:
        self.losses = Losses()
        ordered, circular = order({one.id: one for one in correlations})
        assert not circular, "resolve() lets no circle through"
        self.runners = [_Runner(one, self.losses) for one in ordered]
        self.by_rule: dict[str, list[_Runner]] = {}
        for runner in self.runners:
            for rule in runner.correlation.rules:
                self.by_rule.setdefault(rule, []).append(runner)
        self.episodes: list[_Episode] = []
        self.now = float("-inf")

    def feed(self, event: CorrelationEvent) -> None:
        """One event; an event older than the one before is taken at that one's time and counted as late."""
        time = event.time.timestamp()
        if time < self.now:
            self.losses.late += 1
            time = self.now
        self._close(time)
        self.now = time
        self._dispatch(event.rule_id, time, event.fields, event.ref)

    def finish(self) -> list[CorrelationHit]:
        """All hits, after the spans that are still open were judged."""
        self._close(float("inf"))
        return [episode.hit() for episode in self.episodes]

    def _dispatch(self, rule: str, time: float, fields: Mapping[str, str], ref: int) -> None:
        for runner in self.by_rule.get(rule, ()):
            values = runner.group_of(rule, fields)
            if values is None:
                self.losses.ungrouped += 1
                continue
            seen = Seen(time, rule, ref, runner.named(rule, fields) if runner.aliases else fields)
            group = runner.group(values, time)
            if runner.sliding:
                self._slide(runner, group, seen)
            else:
                self._anchor(runner, group, tuple(map(fold, values)), seen)

    def _slide(self, runner: _Runner, group: _Group, seen: Seen) -> None:
        if group.window is None:
            group.window = sliding(runner.correlation)
        verdict = group.window.add(seen)
        if verdict is None:
            group.episode = None
        elif group.episode is not None:
            _grow(group.episode, seen, verdict)
        else:
            group.episode = self._open(runner, group, verdict, seen.time)
            self._dispatch(runner.correlation.id, seen.time, seen.fields, seen.ref)

    def _anchor(self, runner: _Runner, group: _Group, key: tuple[str, ...], seen: Seen) -> None:
        if group.anchored is None:
            group.anchored = Anchored(runner.correlation, seen.time)
            runner.opened += 1
            heapq.heappush(runner.due, (seen.time + runner.correlation.timespan, runner.opened, key))
        group.anchored.add(seen)
        group.fields = seen.fields

    def _open(self, runner: _Runner, group: _Group, verdict: Verdict, last: float) -> _Episode:
        refs = dict.fromkeys(verdict.refs[:MAX_REFS])
        number = len(self.episodes)
        count = len(verdict.refs)
        episode = _Episode(runner.correlation.id, group.shown, verdict.start, last, refs, count, verdict.value, number)
        self.episodes.append(episode)
        return episode

    def _close(self, until: float) -> None:
        """Judges the anchored spans that end before a time, the earliest first, over all correlations."""
        while True:
            waiting = [runner for runner in self.runners if runner.due and runner.due[0][0] < until]
            if not waiting:
                return
            runner = min(waiting, key=lambda one: one.due[0][0])
            ends, _, key = heapq.heappop(runner.due)
            group = runner.groups.get(key)
            if group is None or group.anchored is None:
                continue
            span, group.anchored = group.anchored, None
            for verdict in span.verdicts():
                episode = self._open(runner, group, verdict, span.last)
                episode.count = span.events
                self._dispatch(runner.correlation.id, ends, group.fields, span.refs[-1])


def correlate(rules: RuleSet | Sequence[Correlation], events: Iterable[CorrelationEvent]) -> list[CorrelationHit]:
    """All hits of the correlations over events in the order of time."""
    correlator = Correlator(rules.correlations if isinstance(rules, RuleSet) else rules)
    for event in events:
        correlator.feed(event)
    return correlator.finish()


def standalone(rules: RuleSet) -> frozenset[str]:
    """Ids of rules and correlations to be reported for themselves: all that no correlation uses, and those of
    correlations that say `generate: true`."""
    everything = {rule.id for rule in rules.rules} | {one.id for one in rules.correlations}
    used = {rule for one in rules.correlations if not one.generate for rule in one.rules}
    kept = {rule for one in rules.correlations if one.generate for rule in one.rules}
    return frozenset((everything - used) | kept)
