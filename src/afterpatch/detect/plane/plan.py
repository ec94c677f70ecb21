"""What the plane looks for: rules, indicators and unusual pages, turned into needles once per run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from afterpatch.detect.plane.needles import Needle, Needles
from afterpatch.detect.plane.pages import page_needles
from afterpatch.detect.sigma.compile import CompiledRule, compile_node
from afterpatch.detect.sigma.model import All, Node, Not, items_of
from afterpatch.detect.sigma.view import DictView
from afterpatch.parsers.formats import formats


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


@dataclass(slots=True)
class Plan:
    """Everything a worker needs; made before the workers start."""

    rules: tuple[CompiledRule, ...]
    roles: Roles
    rules_of_kind: dict[str, frozenset[int]]
    always: dict[str, tuple[int, ...]]  # rules without necessary literals: they judge every row of the kind
    correlated: Mapping[str, tuple[str, ...]]  # rule id -> fields its correlations need
    matcher: IndicatorMatcher | None
    wanted: dict[tuple[str, str], tuple[int, ...]]  # (kind, side) -> needles that mean something in its logs
    all_needles: tuple[Needle, ...]
    force_fallback: bool = False
    memos: dict[str, Any] = field(default_factory=dict)  # memo.py: what this process remembers, by kind of log
    limits: tuple[Any, ...] = ()  # what the rules share to bound the work of regular expressions
    _compiled: dict[tuple[int, ...], Needles] = field(default_factory=dict)

    def cut_values(self) -> int:
        """How many values were longer than a regular expression of a rule reads, so far in this process."""
        return sum(each.truncated for each in self.limits)

    def needles_of(self, kind: str, side: str = "") -> Needles:
        """The search for the needles of one kind of log (of one site, where known), compiled when first asked for."""
        # only logs of the web have sides; what is looked for in the others never depends on one
        numbers = self.wanted.get((kind, side), self.wanted.get((kind, ""), ()))
        if numbers not in self._compiled:
            chosen = {number: self.all_needles[number] for number in numbers}
            self._compiled[numbers] = Needles(chosen, force_fallback=self.force_fallback)
        return self._compiled[numbers]


PAGE, SIDE = "url.page", "server.side"
SIDES = ("front", "back")
WEB_KINDS = frozenset(("iis", "httpproxy"))


def make_plan(
    rules: Sequence[CompiledRule],
    *,
    frequent_pages: Sequence[str],
    correlated: Mapping[str, tuple[str, ...]],
    matcher: IndicatorMatcher | None = None,
    force_fallback: bool = False,
) -> Plan:
    """The plan for these rules. `frequent_pages`: shipped pages that are not even parsed (lower-case URL paths)."""
    needles = page_needles(sorted(frequent_pages), sorted(formats().executable))
    pages = frozenset(range(len(needles)))
    numbers: dict[tuple[bytes, ...], int] = {}
    triggered: list[list[int]] = [[] for _ in needles]
    always: dict[str, list[int]] = {}
    for number, rule in enumerate(rules):
        if passes_over(rule, frequent_pages):
            for page in pages:
                triggered[page].append(number)
        elif rule.necessary is None:
            for kind in rule.kinds:
                always.setdefault(kind, []).append(number)
        else:
            for clause in rule.necessary.clauses:
                key = tuple(sorted(clause))
                if key not in numbers:
                    numbers[key] = len(needles)
                    needles.append(Needle(key))
                    triggered.append([])
                triggered[numbers[key]].append(number)
    first_indicator = len(needles)
    listed = matcher.literals() if matcher else ()
    needles += [Needle((literal.lower(),), re.escape(literal.lower())) for literal in listed]
    triggered += [[] for _ in range(len(needles) - first_indicator)]
    indicators = frozenset(range(first_indicator, len(needles)))
    kinds = sorted({kind for rule in rules for kind in rule.kinds})
    return Plan(
        rules=tuple(rules),
        roles=Roles(
            rules=tuple(tuple(each) for each in triggered),
            pages=pages,
            indicators=indicators,
        ),
        rules_of_kind={kind: frozenset(i for i, rule in enumerate(rules) if kind in rule.kinds) for kind in kinds},
        always={kind: tuple(each) for kind, each in always.items()},
        correlated=correlated,
        matcher=matcher,
        wanted={
            (kind, side): _wanted(kind, side, rules, triggered, pages, indicators)
            for kind in formats().by_kind
            for side in ("", *(SIDES if kind in WEB_KINDS else ()))
        },
        all_needles=tuple(needles),
        force_fallback=force_fallback,
        limits=tuple({id(rule.limits): rule.limits for rule in rules}.values()),
    )


def _wanted(
    kind: str,
    side: str,
    rules: Sequence[CompiledRule],
    triggered: Sequence[Sequence[int]],
    pages: frozenset[int],
    indicators: frozenset[int],
) -> tuple[int, ...]:
    """The needles that lead to a rule of this kind of log, to an indicator, or to an unusual page of a web log."""
    mine = {number for number, rule in enumerate(rules) if kind in rule.kinds and _may_be(rule, side)}
    of_rules = {n for n, numbers in enumerate(triggered) if not mine.isdisjoint(numbers)}
    return tuple(sorted(of_rules | (pages if kind in WEB_KINDS else set()) | indicators))


def _may_be(rule: CompiledRule, side: str) -> bool:
    """Whether a rule can fire on this side's rows, as its own conditions on the side say."""
    asked = [node for node in _conjuncts(rule.mapping.prepare(rule.rule.condition)) if _fields(node) == {SIDE}]
    return not side or not asked or compile_node(All(tuple(asked)), rule.limits)(DictView({SIDE: side})) is not False


def passes_over(rule: CompiledRule, frequent: Sequence[str]) -> bool:
    """Whether a rule can never fire on one of the frequent pages, as its own conditions on the page say. Such a rule
    asks for a page, so the search for other pages finds every line it can fire on."""
    asked = [node for node in _conjuncts(rule.mapping.prepare(rule.rule.condition)) if _fields(node) == {PAGE}]
    if not any(not isinstance(node, Not) for node in asked) or not rule.kinds <= WEB_KINDS:
        return False
    judge = compile_node(All(tuple(asked)), rule.limits)
    return not judge(DictView({PAGE: ""})) and not any(judge(DictView({PAGE: page})) for page in frequent)


def _conjuncts(node: Node) -> list[Node]:
    return [part for child in node.nodes for part in _conjuncts(child)] if isinstance(node, All) else [node]


def _fields(node: Node) -> set[str]:
    return {item.field for item in items_of(node)}
