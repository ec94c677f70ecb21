"""What a hunt found, counted: by rule, by level, by host, by day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from afterpatch.hunt.findings import Hit
from afterpatch.model import SEVERITIES

NO_DAY = "-"


@dataclass(frozen=True, slots=True)
class RuleCount:
    """A rule that fired: how often, on how many hosts."""

    detection: str
    title: str
    level: str
    count: int
    hosts: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of hits. Rules: the gravest first, then the most frequent; levels: the gravest first; hosts: the most
    frequent first; days: in order."""

    rules: tuple[RuleCount, ...]
    levels: tuple[tuple[str, int], ...]
    hosts: tuple[tuple[str, int], ...]
    days: tuple[tuple[str, int], ...]


def summarise(hits: Sequence[Hit]) -> Summary:
    """The counts of some hits."""
    by_rule: dict[str, Counter[str]] = {}
    first: dict[str, Hit] = {}
    for hit in hits:
        by_rule.setdefault(hit.detection, Counter())[hit.host] += 1
        first.setdefault(hit.detection, hit)
    rules = [
        RuleCount(rule, first[rule].title, first[rule].level, sum(hosts.values()), len(hosts)) for rule, hosts in by_rule.items()
    ]
    levels = Counter(hit.level for hit in hits)
    hosts = Counter(hit.host for hit in hits)
    days = Counter(hit.time.date().isoformat() if hit.time else NO_DAY for hit in hits)
    return Summary(
        rules=tuple(sorted(rules, key=lambda one: (-SEVERITIES.index(one.level), -one.count, one.title, one.detection))),
        levels=tuple((level, levels[level]) for level in reversed(SEVERITIES) if levels[level]),
        hosts=tuple(sorted(hosts.items(), key=lambda pair: (-pair[1], pair[0]))),
        days=tuple(sorted(days.items())),
    )
