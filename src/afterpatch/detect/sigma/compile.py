"""Conditions compiled to closures; three-valued: True, False, None for unknown (Kleene's strong logic).

`not` of unknown is unknown, so `not filter` over a field the log cannot carry never makes a rule fire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from afterpatch.detect.sigma.literals import Necessary, necessary_of
from afterpatch.detect.sigma.mapping import FieldMapping, Mappings, default_mappings
from afterpatch.detect.sigma.model import All, FieldRef, Item, Node, Not, Rule, RuleSet, items_of
from afterpatch.detect.sigma.values import Limits, Test, alternatives, cost
from afterpatch.detect.sigma.view import FieldView

Judge = Callable[[FieldView], bool | None]


def _every(judges: Sequence[Judge]) -> Judge:
    if len(judges) == 1:
        return judges[0]

    def every(view: FieldView) -> bool | None:
        result: bool | None = True
        for judge in judges:
            one = judge(view)
            if one is False:
                return False
            if one is None:
                result = None
        return result

    return every


def _some(judges: Sequence[Judge]) -> Judge:
    if len(judges) == 1:
        return judges[0]

    def some(view: FieldView) -> bool | None:
        result: bool | None = False
        for judge in judges:
            one = judge(view)
            if one:
                return True
            if one is None:
                result = None
        return result

    return some


def _at_least(judges: Sequence[Judge], count: int) -> Judge:
    def at_least(view: FieldView) -> bool | None:
        true = unknown = 0
        for judge in judges:
            one = judge(view)
            if one:
                true += 1
                if true >= count:
                    return True
            elif one is None:
                unknown += 1
        return None if true + unknown >= count else False

    return at_least


def _negated(judge: Judge) -> Judge:
    def negated(view: FieldView) -> bool | None:
        one = judge(view)
        return None if one is None else not one

    return negated


def _field_judge(name: str, test: Test) -> Judge:
    def judge(view: FieldView) -> bool | None:
        values = view.get(name)
        return None if values is None else test(values, view)

    return judge


def _item(item: Item, limits: Limits) -> Judge:
    if item.every:
        judge = _every([_field_judge(item.field, alternatives(group, limits)) for group in item.values])
    else:
        judge = _field_judge(item.field, alternatives([value for group in item.values for value in group], limits))
    return _negated(judge) if item.negated else judge


def _cost(node: Node) -> int:
    if isinstance(node, Item):
        return sum(cost(value) for group in node.values for value in group)
    return sum(_cost(child) for child in ((node.node,) if isinstance(node, Not) else node.nodes)) + 1


def compile_node(node: Node, limits: Limits) -> Judge:
    """The closure of a condition tree. Cheap parts of a conjunction or disjunction are judged first."""
    if isinstance(node, Item):
        return _item(node, limits)
    if isinstance(node, Not):
        return _negated(compile_node(node.node, limits))
    judges = [compile_node(child, limits) for child in sorted(node.nodes, key=_cost)]
    if isinstance(node, All):
        return _every(judges)
    return _some(judges) if node.count == 1 else _at_least(judges, node.count)


def _when_asked(node: Node, limits: Limits) -> Judge:
    """The closure of a tree, made when the first record is judged: most rules of a large set never are."""
    made: list[Judge] = []

    def judge(view: FieldView) -> bool | None:
        if not made:
            made.append(compile_node(node, limits))
        return made[0](view)

    return judge


def _fields(node: Node) -> frozenset[str]:
    """Every name a condition asks the view for."""
    items = list(items_of(node))
    values = (value for item in items for group in item.values for value in group)
    return frozenset(item.field for item in items) | {one.field for one in values if isinstance(one, FieldRef)}


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRule:
    """A rule that can judge records.

    `kinds`: the artifact kinds it applies to; empty: not applicable. `fields`: the names it asks the view for.
    `condition`: as the mapping prepared it.
    `mapping`: what MappedView needs to give the rule the field names it knows. `limits` counts values cut short.
    """

    rule: Rule
    kinds: frozenset[str]
    fields: frozenset[str]
    condition: Node = field(repr=False)
    mapping: FieldMapping
    limits: Limits
    judge: Judge = field(repr=False)
    _necessary: list[Necessary | None] = field(default_factory=list, repr=False)

    @property
    def necessary(self) -> Necessary | None:
        """What a raw line of a text log must hold (literals.py); None: every line must be judged."""
        if not self._necessary:
            self._necessary.append(necessary_of(self.condition, self.mapping))
        return self._necessary[0]

    def match(self, view: FieldView) -> bool:
        """Whether the rule fires. `view` must speak the rule's field names: a MappedView of the record."""
        return self.judge(view) is True


def compile_rule(rule: Rule, mappings: Mappings | None = None, limits: Limits | None = None) -> CompiledRule:
    """The compiled form of one rule."""
    mapping = (mappings or default_mappings()).for_logsource(rule.logsource)
    condition = mapping.prepare(rule.condition)
    limits = limits or Limits()
    return CompiledRule(
        rule=rule,
        kinds=mapping.kinds,
        fields=_fields(condition),
        condition=condition,
        mapping=mapping,
        limits=limits,
        judge=_when_asked(condition, limits),
    )


def compile_rules(
    rules: RuleSet | Iterable[Rule], mappings: Mappings | None = None, *, applicable_only: bool = False
) -> tuple[CompiledRule, ...]:
    """All rules of a set, in order; `applicable_only` leaves out those no artifact kind of ours serves."""
    mappings = mappings or default_mappings()
    listed = rules.rules if isinstance(rules, RuleSet) else rules
    if applicable_only:
        listed = [rule for rule in listed if mappings.for_logsource(rule.logsource).kinds]
    limits = Limits()  # shared: what was cut is counted over all rules
    return tuple(compile_rule(rule, mappings, limits) for rule in listed)
