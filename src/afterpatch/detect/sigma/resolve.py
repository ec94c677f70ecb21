"""References between rules: names to ids, unknown and circular ones refused, global filters put into the rules they
name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from afterpatch.detect.sigma.model import (
    All,
    Correlation,
    Filter,
    LogSource,
    Not,
    RefAll,
    RefNode,
    RefNot,
    RefSome,
    Rule,
    RuleRef,
    RuleSet,
)
from afterpatch.model import RuleError

Named = Rule | Correlation


def _unique(rules: tuple[Rule, ...], others: tuple[Correlation, ...], errors: list[RuleError]) -> dict[str, Named]:
    """By id, first one wins; a second rule of the same id is refused."""
    known: dict[str, Named] = {}
    every: tuple[Named, ...] = (*rules, *others)
    for rule in every:
        if rule.id in known:
            first = known[rule.id].header
            message = f"the id {rule.id} is taken by {first.path}:{first.line}"
            errors.append(RuleError(message, rule.header.path, rule.header.line))
        else:
            known[rule.id] = rule
    return known


def _by_name(known: Mapping[str, Named], errors: list[RuleError]) -> dict[str, str]:
    """Names and ids to ids. An ambiguous name is no reference."""
    names: dict[str, str] = {key: key for key in known}
    for key, rule in known.items():
        if not rule.name or rule.name == key:
            continue
        if names.get(rule.name, key) != key:
            errors.append(RuleError(f"the name '{rule.name}' is taken", rule.header.path, rule.header.line))
        else:
            names[rule.name] = key
    return names


def _expression(node: RefNode, names: Mapping[str, str]) -> RefNode:
    if isinstance(node, RuleRef):
        return RuleRef(names[node.rule])
    if isinstance(node, RefNot):
        return RefNot(_expression(node.node, names))
    nodes = tuple(_expression(child, names) for child in node.nodes)
    return RefAll(nodes) if isinstance(node, RefAll) else RefSome(nodes, node.count)


def _resolved(correlation: Correlation, names: Mapping[str, str]) -> Correlation:
    """The correlation with ids in place of names. Raises RuleError for a name nobody has."""
    for name in (*correlation.rules, *(rule for _, rule, _ in correlation.aliases)):
        if name not in names:
            raise RuleError(f"refers to '{name}', which is not loaded", correlation.header.path, correlation.header.line)
    rules = tuple(dict.fromkeys(names[name] for name in correlation.rules))
    aliases = tuple((alias, names[rule], field) for alias, rule, field in correlation.aliases)
    expression = _expression(correlation.expression, names) if correlation.expression else None
    return replace(correlation, rules=rules, aliases=aliases, expression=expression)


def order(correlations: Mapping[str, Correlation]) -> tuple[list[Correlation], list[Correlation]]:
    """Correlations so that each comes after those it refers to, and those that are in a circle."""
    waiting = dict(correlations)
    ordered: list[Correlation] = []
    while True:
        ready = [one for one in waiting.values() if not any(rule in waiting for rule in one.rules)]
        if not ready:
            return ordered, list(waiting.values())
        for one in ready:
            ordered.append(one)
            del waiting[one.id]


def covers(wanted: LogSource, given: LogSource) -> bool:
    """Whether a filter's log source is that of a rule, or wider."""
    pairs = ((wanted.category, given.category), (wanted.product, given.product), (wanted.service, given.service))
    return all(not mine or mine == theirs for mine, theirs in pairs)


def _filtered(rule: Rule, filters: tuple[Filter, ...], names: Mapping[str, str]) -> Rule:
    applying = [
        one.condition
        for one in filters
        if covers(one.logsource, rule.logsource) and (not one.rules or rule.id in {names.get(name) for name in one.rules})
    ]
    if not applying:
        return rule
    return replace(rule, condition=All((rule.condition, *(Not(condition) for condition in applying))))


def _check_filters(filters: tuple[Filter, ...], names: Mapping[str, str], errors: list[RuleError]) -> None:
    for one in filters:
        for name in one.rules:
            if name not in names:
                errors.append(RuleError(f"refers to '{name}', which is not loaded", one.header.path, one.header.line))


def resolve(loaded: RuleSet) -> RuleSet:
    """The set with references resolved, correlations in the order of evaluation, and filters applied."""
    errors = list(loaded.errors)
    known = _unique(loaded.rules, loaded.correlations, errors)
    names = _by_name(known, errors)
    correlations: dict[str, Correlation] = {}
    for rule in known.values():
        if isinstance(rule, Correlation):
            try:
                correlations[rule.id] = _resolved(rule, names)
            except RuleError as error:
                errors.append(error)
    correlations = _drop_dangling(correlations, known, errors)
    ordered, circular = order(correlations)
    for one in circular:
        errors.append(RuleError("refers to itself in a circle", one.header.path, one.header.line))
    _check_filters(loaded.filters, names, errors)
    rules = tuple(_filtered(rule, loaded.filters, names) for rule in known.values() if isinstance(rule, Rule))
    return replace(loaded, rules=rules, correlations=tuple(ordered), errors=tuple(errors))


def _drop_dangling(
    correlations: dict[str, Correlation], known: Mapping[str, Named], errors: list[RuleError]
) -> dict[str, Correlation]:
    """Without those that lean on a correlation that was refused."""
    while True:
        refused = {key for key, rule in known.items() if isinstance(rule, Correlation)} - correlations.keys()
        bad = [one for one in correlations.values() if refused.intersection(one.rules)]
        if not bad:
            return correlations
        for one in bad:
            errors.append(RuleError("refers to a correlation that was refused", one.header.path, one.header.line))
            del correlations[one.id]
