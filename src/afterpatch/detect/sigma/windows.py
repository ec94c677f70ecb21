"""What a correlation remembers of one group: as little as its condition needs, so that memory is bounded.

Two ways of looking. *Sliding*: conditions that more events can only make truer (`gte`, `gt`, all rules seen) are
judged at every event over the time span that ends there. *Anchored*: all others (`lt`, `eq`, ranges, `not`, averages,
percentiles) are judged once, at the end of a time span that starts with the first event.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from afterpatch.detect.sigma.model import Correlation, RefAll, RefNode, RefNot, RuleRef, Threshold
from afterpatch.detect.sigma.values import number_in

MAX_KEPT = 100_000
OPERATORS = {
    "gt": lambda left, right: left > right,
    "gte": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "lte": lambda left, right: left <= right,
    "eq": lambda left, right: left == right,
    "neq": lambda left, right: left != right,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One event as a window sees it. `fields` has the counted field's values."""

    time: float
    rule: str
    ref: int
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A condition that holds: since when, over which records, and the value it was judged on."""

    start: float
    refs: tuple[int, ...]
    value: str


def satisfies(threshold: Threshold, value: float) -> bool:
    """Whether every test of a threshold holds."""
    return all(OPERATORS[operator](value, number) for operator, number in threshold.tests)


def least(threshold: Threshold) -> int:
    """The smallest count that a threshold of `gt` and `gte` accepts."""
    return max(1, *(math.floor(number) + 1 if operator == "gt" else math.ceil(number) for operator, number in threshold.tests))


def counted(threshold: Threshold, seen: Seen) -> str | None:
    """The value of the counted field or fields, None where the event lacks one."""
    values = [seen.fields.get(name) for name in threshold.fields]
    return None if any(value is None for value in values) else "\x1f".join(value or "" for value in values)


class Sliding(Protocol):
    """Judged at every event: what holds over the time span that ends there."""

    def add(self, seen: Seen) -> Verdict | None: ...


class LastEvents:
    """event_count: the last events, as many as are needed."""

    def __init__(self, needed: int, span: float) -> None:
        self.needed, self.span = needed, span
        self.kept: deque[tuple[float, int]] = deque(maxlen=min(needed, MAX_KEPT))

    def add(self, seen: Seen) -> Verdict | None:
        """See Sliding."""
        self.kept.append((seen.time, seen.ref))
        start = self.kept[0][0]
        if len(self.kept) < self.needed or seen.time - start > self.span:
            return None
        return Verdict(start, tuple(ref for _, ref in self.kept), str(len(self.kept)))


class LastValues:
    """value_count: the values seen last, as many as are needed."""

    def __init__(self, threshold: Threshold, needed: int, span: float) -> None:
        self.threshold, self.needed, self.span = threshold, needed, span
        self.kept: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def add(self, seen: Seen) -> Verdict | None:
        """See Sliding."""
        value = counted(self.threshold, seen)
        if value is None:
            return None
        self.kept.pop(value, None)
        self.kept[value] = (seen.time, seen.ref)
        if len(self.kept) > min(self.needed, MAX_KEPT):
            self.kept.popitem(last=False)
        start = next(iter(self.kept.values()))[0]
        if len(self.kept) < self.needed or seen.time - start > self.span:
            return None
        return Verdict(start, tuple(ref for _, ref in self.kept.values()), str(len(self.kept)))


class RunningSum:
    """value_sum with `gt` or `gte`: the numbers of the time span. A value that is no number counts nothing."""

    def __init__(self, threshold: Threshold, span: float) -> None:
        self.threshold, self.span, self.total = threshold, span, 0.0
        self.kept: deque[tuple[float, int, float]] = deque()

    def add(self, seen: Seen) -> Verdict | None:
        """See Sliding."""
        number = number_in(counted(self.threshold, seen) or "")
        if number is None:
            return None
        self.kept.append((seen.time, seen.ref, number))
        self.total += number
        while seen.time - self.kept[0][0] > self.span or len(self.kept) > MAX_KEPT:
            self.total -= self.kept.popleft()[2]
        if not satisfies(self.threshold, self.total):
            return None
        return Verdict(self.kept[0][0], tuple(ref for _, ref, _ in self.kept), f"{self.total:g}")


class LastOfEach:
    """temporal: the last event of each rule."""

    def __init__(self, correlation: Correlation, needed: int, span: float) -> None:
        self.expression, self.needed, self.span = correlation.expression, needed, span
        self.kept: dict[str, tuple[float, int]] = {}

    def add(self, seen: Seen) -> Verdict | None:
        """See Sliding."""
        self.kept[seen.rule] = (seen.time, seen.ref)
        recent = {rule: at for rule, at in self.kept.items() if seen.time - at[0] <= self.span}
        if self.expression is not None:
            if not holds(self.expression, recent.keys()):
                return None
        elif len(recent) < self.needed:
            return None
        ordered = sorted(recent.values())
        return Verdict(ordered[0][0], tuple(ref for _, ref in ordered), str(len(recent)))


class InOrder:
    """temporal_ordered: for each rule and number of steps the chain of events that started last."""

    def __init__(self, rules: Sequence[str], needed: int, span: float) -> None:
        self.rules, self.needed, self.span = {rule: index for index, rule in enumerate(rules)}, needed, span
        self.best: list[dict[int, tuple[float, tuple[int, ...]]]] = [{} for _ in rules]

    def add(self, seen: Seen) -> Verdict | None:
        """See Sliding."""
        index = self.rules[seen.rule]
        chains: dict[int, tuple[float, tuple[int, ...]]] = {1: (seen.time, (seen.ref,))}
        for earlier in self.best[:index]:
            for steps, (start, refs) in earlier.items():
                if seen.time - start <= self.span and start > chains.get(steps + 1, (-math.inf, ()))[0]:
                    chains[steps + 1] = (start, (*refs, seen.ref))
        self.best[index] = chains
        reached = [steps for steps in chains if steps >= self.needed]
        if not reached:
            return None
        start, refs = chains[max(reached)]
        return Verdict(start, refs, str(max(reached)))


def holds(node: RefNode, rules: object) -> bool:
    """An expression over the rules that were seen."""
    if isinstance(node, RuleRef):
        return node.rule in rules  # type: ignore[operator]
    if isinstance(node, RefNot):
        return not holds(node.node, rules)
    found = [holds(child, rules) for child in node.nodes]
    return all(found) if isinstance(node, RefAll) else sum(found) >= node.count


@dataclass(slots=True)
class Anchored:
    """One time span of a group, from its first event on; judged by `verdicts` when it is over."""

    correlation: Correlation
    start: float
    events: int = 0
    last: float = 0.0
    refs: list[int] = field(default_factory=list)
    rules: set[str] = field(default_factory=set)
    values: Counter[str] = field(default_factory=Counter)

    def add(self, seen: Seen) -> None:
        """Takes note of one event."""
        self.events += 1
        self.last = seen.time
        self.rules.add(seen.rule)
        if len(self.refs) < MAX_KEPT:
            self.refs.append(seen.ref)
        threshold = self.correlation.threshold
        if threshold and threshold.fields:
            value = counted(threshold, seen)
            if value is not None and (value in self.values or len(self.values) < MAX_KEPT):
                self.values[value] += 1

    def verdicts(self) -> list[Verdict]:
        """What holds over the whole span: at most one verdict, but one a value for shares (value_percentile)."""
        threshold, refs = self.correlation.threshold, tuple(self.refs)
        if threshold is None:
            expression = self.correlation.expression
            found = expression is not None and holds(expression, self.rules)
            return [Verdict(self.start, refs, str(len(self.rules)))] if found else []
        if self.correlation.type == "value_percentile" and threshold.percentile is None:
            return self._shares(threshold, refs)
        value = self._value(threshold)
        if value is None or not satisfies(threshold, value):
            return []
        return [Verdict(self.start, refs, f"{value:g}")]

    def _shares(self, threshold: Threshold, refs: tuple[int, ...]) -> list[Verdict]:
        """Without `percentile` the number is a value's share of all values, in percent."""
        total = sum(self.values.values())
        kept = [value for value, count in self.values.items() if satisfies(threshold, 100 * count / total)]
        return [Verdict(self.start, refs, value) for value in sorted(kept)]

    def _value(self, threshold: Threshold) -> float | None:
        kind = self.correlation.type
        if kind == "event_count":
            return self.events
        if kind == "value_count":
            return len(self.values)
        if kind == "temporal":
            return len(self.rules)
        pairs = [(number_in(value), count) for value, count in self.values.items()]
        numbers = sorted((number, count) for number, count in pairs if number is not None)
        if not numbers:
            return None
        total, events = math.fsum(number * count for number, count in numbers), sum(count for _, count in numbers)
        if kind == "value_sum":
            return total
        if kind == "value_avg":
            return total / events
        return nearest_rank(numbers, threshold.percentile or 0, events)


def nearest_rank(numbers: Sequence[tuple[float, int]], percentile: float, events: int) -> float:
    """The percentile of sorted (number, count) pairs: the smallest number that so many percent do not exceed."""
    rank = max(1, math.ceil(percentile / 100 * events))
    for number, count in numbers:
        rank -= count
        if rank <= 0:
            return number
    return numbers[-1][0]


def _only_grows(node: RefNode) -> bool:
    if isinstance(node, RuleRef):
        return True
    return not isinstance(node, RefNot) and all(_only_grows(child) for child in node.nodes)


def is_sliding(correlation: Correlation) -> bool:
    """Whether more events can only make the condition truer."""
    if correlation.expression is not None:
        return _only_grows(correlation.expression)
    if correlation.type in ("value_avg", "value_percentile"):
        return False
    return correlation.threshold is None or all(operator in ("gt", "gte") for operator, _ in correlation.threshold.tests)


def sliding(correlation: Correlation) -> Sliding:
    """A fresh window of a sliding correlation."""
    threshold, span = correlation.threshold, float(correlation.timespan)
    needed = least(threshold) if threshold else len(correlation.rules)
    if correlation.type == "temporal":
        return LastOfEach(correlation, needed, span)
    if correlation.type == "temporal_ordered":
        return InOrder(correlation.rules, needed, span)
    assert threshold is not None
    if correlation.type == "event_count":
        return LastEvents(needed, span)
    if correlation.type == "value_count":
        return LastValues(threshold, needed, span)
    return RunningSum(threshold, span)
