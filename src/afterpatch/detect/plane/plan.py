"""What the plane looks for: rules, indicators and unusual pages, turned into needles once per run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from afterpatch.detect.plane.needles import Needle, Needles
from afterpatch.detect.plane.pages import page_needles
from afterpatch.detect.sigma.compile import CompiledRule
from afterpatch.parsers.formats import formats

# A percent-encoded letter or digit: nobody needs to encode those, so the line is read by every rule on decoded URLs.
NEEDLESS_ENCODING = Needle((b"%",), rb"%(?:25)*(?:3[0-9]|[46][1-9a-f]|[57][0-9a]|u[0-9a-f]{4})")


class IndicatorMatcher(Protocol):
    """What the plane asks of a set of indicators (knowledge/indicators.py)."""

    def literals(self) -> Sequence[bytes]: ...
    def match_value(self, type_: str, value: str) -> Sequence[object]: ...


@dataclass(frozen=True, slots=True)
class Roles:
    """What the needles stand for, by needle number."""

    rules: tuple[tuple[int, ...], ...]
    pages: frozenset[int]
    indicators: frozenset[int]
    encoded: int


@dataclass(slots=True)
class Plan:
    """Everything a worker needs; made before the workers start."""

    rules: tuple[CompiledRule, ...]
    needles: Needles
    roles: Roles
    rules_of_kind: dict[str, frozenset[int]]
    always: dict[str, tuple[int, ...]]  # rules without necessary literals: they judge every row of the kind
    decoded: dict[str, tuple[int, ...]]  # rules on decoded URLs
    correlated: Mapping[str, tuple[str, ...]]  # rule id -> fields its correlations need
    matcher: IndicatorMatcher | None


DECODED_FIELDS = frozenset(
    [
        "url.full",
        "url.path",
        "url.query",
        "url.page",
        "url.original",
        "cs-uri",
        "cs-uri-query",
        "cs-uri-stem",
        "c-uri",
        "cs-uri-path",
    ]
)


def make_plan(
    rules: Sequence[CompiledRule],
    *,
    frequent_pages: Sequence[str],
    correlated: Mapping[str, tuple[str, ...]],
    matcher: IndicatorMatcher | None = None,
    force_fallback: bool = False,
) -> Plan:
    """The plan for these rules. `frequent_pages`: shipped pages that are not even parsed (lower-case URL paths)."""
    needles: list[Needle] = [NEEDLESS_ENCODING]
    numbers: dict[tuple[bytes, ...], int] = {}
    triggered: list[list[int]] = [[]]
    always: dict[str, list[int]] = {}
    for number, rule in enumerate(rules):
        if rule.necessary is None:
            for kind in rule.kinds:
                always.setdefault(kind, []).append(number)
            continue
        for clause in rule.necessary.clauses:
            key = tuple(sorted(clause))
            if key not in numbers:
                numbers[key] = len(needles)
                needles.append(Needle(key))
                triggered.append([])
            triggered[numbers[key]].append(number)
    pages = page_needles(sorted(frequent_pages), sorted(formats().executable))
    first_page = len(needles)
    indicators = [Needle((literal.lower(),)) for literal in (matcher.literals() if matcher else ())]
    first_indicator = first_page + len(pages)
    needles += [*pages, *indicators]
    triggered += [[] for _ in range(len(needles) - len(triggered))]
    kinds = sorted({kind for rule in rules for kind in rule.kinds})
    return Plan(
        rules=tuple(rules),
        needles=Needles(needles, force_fallback=force_fallback),
        roles=Roles(
            rules=tuple(tuple(each) for each in triggered),
            pages=frozenset(range(first_page, first_indicator)),
            indicators=frozenset(range(first_indicator, len(needles))),
            encoded=0,
        ),
        rules_of_kind={kind: frozenset(i for i, rule in enumerate(rules) if kind in rule.kinds) for kind in kinds},
        always={kind: tuple(each) for kind, each in always.items()},
        decoded={
            kind: tuple(i for i, rule in enumerate(rules) if kind in rule.kinds and rule.fields & DECODED_FIELDS)
            for kind in kinds
        },
        correlated=correlated,
        matcher=matcher,
    )
