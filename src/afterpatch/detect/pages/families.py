"""Naming the family of a page from what its code does; `data/families.yml` is the table and tells its columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from afterpatch.detect.pages.catalogue import load_data
from afterpatch.detect.pages.verdict import Flow, at_least

MAX_TEXT = 300_000
Patterns = tuple[re.Pattern[str], ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a family is told from."""

    text: str
    size: int
    flows: Sequence[Flow]
    reasons: Sequence[str]
    languages: Sequence[str]


@dataclass(frozen=True, slots=True)
class Family:
    """One row: what the page's flows, reasons and text have to be like."""

    name: str
    sinks: frozenset[str]
    least: str
    many: int
    reason: str
    sources: Patterns
    steps: Patterns
    needs: Patterns
    absent: Patterns
    languages: frozenset[str]
    most_bytes: int

    def fits(self, page: Seen) -> bool:
        """Whether a page is of the family; what costs least is asked first."""
        if (self.most_bytes and page.size > self.most_bytes) or (self.languages and not self.languages & set(page.languages)):
            return False
        flows = [flow for flow in page.flows if at_least(flow.severity, self.least)]
        reached = {flow.sink for flow in flows}
        if not self.sinks <= reached or len(reached) < self.many:
            return False
        if self.reason and not any(self.reason in reason for reason in page.reasons):
            return False
        if not _all_met(self.sources, (flow.source for flow in flows)):
            return False
        if self.steps and not any(_all_met(self.steps, (step.what for step in flow.path)) for flow in flows):
            return False
        return _all_met(self.needs, (page.text,)) and not any(one.search(page.text) for one in self.absent)


def _all_met(patterns: Patterns, texts: Iterable[str]) -> bool:
    """Whether every pattern is found in one of the texts."""
    if not patterns:
        return True
    held = list(texts)
    return all(any(one.search(text) for text in held) for one in patterns)


def _patterns(row: dict[str, Any], column: str) -> Patterns:
    return tuple(re.compile(one) for one in row.get(column, ()))


@cache
def families() -> tuple[Family, ...]:
    """The table, in its order."""
    return tuple(
        Family(
            name=str(row["name"]),
            sinks=frozenset(row.get("sinks", ())),
            least=row.get("least", "high"),
            many=row.get("many", 0),
            reason=row.get("reasons", ""),
            sources=_patterns(row, "sources"),
            steps=_patterns(row, "steps"),
            needs=_patterns(row, "needs"),
            absent=_patterns(row, "absent"),
            languages=frozenset(row.get("languages", ())),
            most_bytes=row.get("bytes", 0),
        )
        for row in load_data("families")["families"]
    )


def family_of(text: str, size: int, flows: Sequence[Flow], reasons: Sequence[str], languages: Sequence[str] = ()) -> str:
    """The family's name, "" where none fits. `text`: the decoded page, `size`: its bytes."""
    seen = Seen(text[:MAX_TEXT], size, flows, reasons, languages)
    return next((one.name for one in families() if one.fits(seen)), "")
