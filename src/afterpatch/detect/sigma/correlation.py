"""The `correlation` section: tree to a Correlation (specification 2.1.0, Correlation rules).

Beyond the page: `timeframe` and several `field`s as other engines take them, the units w, M and y, and a condition
that is an expression over rules (`a and not b`) for the temporal types.
"""

from __future__ import annotations

import re
from typing import get_args

from afterpatch.detect.sigma.condition import Builder, ConditionError, parse, tokens_of
from afterpatch.detect.sigma.document import Mapping, Scalar, Sequence
from afterpatch.detect.sigma.header import read_header, read_keys
from afterpatch.detect.sigma.model import (
    Aggregate,
    Correlation,
    RefAll,
    RefNode,
    RefNot,
    RefSome,
    RuleRef,
    Threshold,
)
from afterpatch.model import RuleError

OPERATORS = ("gt", "gte", "lt", "lte", "eq", "neq")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "M": 2_629_746, "y": 31_556_952}
_TIMESPAN = re.compile(r"(\d{1,9})([smhdwMy])")
_TYPES: dict[str, Aggregate] = {name: name for name in get_args(Aggregate)}
_KNOWN = frozenset(["type", "rules", "group-by", "timespan", "timeframe", "condition", "aliases", "generate"])
_WITH_FIELD = frozenset({"value_count", "value_sum", "value_avg", "value_percentile"})


def _list(tree: Mapping, key: str, path: str) -> tuple[str, ...]:
    value = tree.get(key)
    if value is None:
        return ()
    listed = value.items if isinstance(value, Sequence) else (value,)
    if not all(isinstance(entry, Scalar) and entry.text for entry in listed):
        raise RuleError(f"'{key}' must be a list of names", path, tree.line_of(key))
    return tuple(entry.text for entry in listed if isinstance(entry, Scalar))


def _timespan(tree: Mapping, path: str) -> int:
    key = "timeframe" if tree.get("timespan") is None and tree.get("timeframe") is not None else "timespan"
    value = tree.get(key)
    found = _TIMESPAN.fullmatch(value.text.strip()) if isinstance(value, Scalar) else None
    if found is None or int(found[1]) == 0:
        raise RuleError("'timespan' must be a number and one of s, m, h, d (90m)", path, tree.line_of(key))
    return int(found[1]) * _UNITS[found[2]]


def _number(value: object, what: str, path: str, line: int) -> float:
    if not isinstance(value, Scalar) or isinstance(value.value, bool) or not isinstance(value.value, int | float):
        raise RuleError(f"'{what}' needs a number", path, line)
    return float(value.value)


def _threshold(tree: Mapping, path: str) -> Threshold:
    tests = tuple((key, _number(value, key, path, tree.line_of(key))) for key, value in tree.entries.items() if key in OPERATORS)
    unknown = sorted(tree.entries.keys() - {*OPERATORS, "field", "percentile"})
    if unknown:
        raise RuleError(f"the condition has no key '{unknown[0]}'", path, tree.line_of(unknown[0]))
    if not tests:
        raise RuleError(f"the condition needs one of {', '.join(OPERATORS)}", path, tree.line)
    percentile = None
    if tree.get("percentile") is not None:
        percentile = _number(tree.get("percentile"), "percentile", path, tree.line_of("percentile"))
        if not 0 <= percentile <= 100:
            raise RuleError("'percentile' goes from 0 to 100", path, tree.line_of("percentile"))
    return Threshold(tests, _list(tree, "field", path), percentile)


def _names_in(text: str) -> tuple[str, ...]:
    words = [token for token in tokens_of(text) if token not in ("(", ")", "and", "or", "not")]
    return tuple(dict.fromkeys(words))


def _expression(text: str, path: str, line: int) -> tuple[RefNode, tuple[str, ...]]:
    build: Builder[RefNode] = Builder(leaf=RuleRef, every=RefAll, some=RefSome, negate=RefNot)
    try:
        names = _names_in(text)
        node, _ = parse(text, names, build)
    except ConditionError as error:
        raise RuleError(f"condition: {error}", path, line) from error
    return node, names


def _aliases(tree: Mapping, path: str) -> tuple[tuple[str, str, str], ...]:
    value = tree.get("aliases")
    if value is None:
        return ()
    results = []
    entries = value.entries.items() if isinstance(value, Mapping) else ()
    for alias, fields in entries:
        if not isinstance(fields, Mapping):
            raise RuleError(f"the alias '{alias}' must be a mapping of rule and field", path, fields.line)
        for rule, name in fields.entries.items():
            if not isinstance(name, Scalar) or not name.text:
                raise RuleError(f"the alias '{alias}' needs a field for '{rule}'", path, fields.line_of(rule))
            results.append((alias, rule, name.text))
    if not results:
        raise RuleError("'aliases' must be a mapping of alias, rule and field", path, value.line)
    return tuple(results)


def _condition(tree: Mapping, kind: Aggregate, path: str) -> tuple[Threshold | None, RefNode | None, tuple[str, ...]]:
    """The threshold, or the expression and the rules it names."""
    value, line = tree.get("condition"), tree.line_of("condition")
    temporal = kind in ("temporal", "temporal_ordered")
    if value is None:
        if not temporal:
            raise RuleError(f"'{kind}' needs a condition", path, tree.line)
        return None, None, ()
    if isinstance(value, Scalar) and isinstance(value.value, str) and temporal:
        if kind == "temporal_ordered":
            raise RuleError("'temporal_ordered' takes no expression: the order of 'rules' is the condition", path, line)
        node, names = _expression(value.text, path, line)
        return None, node, names
    if not isinstance(value, Mapping):
        raise RuleError("the condition must be a mapping such as 'gte: 10'", path, line)
    threshold = _threshold(value, path)
    if kind == "temporal_ordered" and any(operator not in ("gt", "gte") for operator, _ in threshold.tests):
        raise RuleError("'temporal_ordered' takes only 'gt' and 'gte'", path, line)
    if kind in _WITH_FIELD and not threshold.fields:
        raise RuleError(f"'{kind}' needs a 'field' in its condition", path, line)
    if len(threshold.fields) > 1 and kind != "value_count":
        raise RuleError(f"'{kind}' takes one field", path, line)
    if threshold.fields and kind not in _WITH_FIELD:
        raise RuleError(f"'field' is of no use for '{kind}'", path, line)
    if threshold.percentile is not None and kind != "value_percentile":
        raise RuleError(f"'percentile' is of no use for '{kind}'", path, line)
    return threshold, None, ()


def read_correlation(tree: Mapping, path: str) -> Correlation:
    """A correlation rule; its references are not resolved yet. Raises RuleError."""
    section = tree.get("correlation")
    if not isinstance(section, Mapping):
        raise RuleError("'correlation' must be a mapping", path, tree.line_of("correlation"))
    unknown = sorted(section.entries.keys() - _KNOWN)
    if unknown:
        raise RuleError(f"'correlation' has no key '{unknown[0]}'", path, section.line_of(unknown[0]))
    written = section.get("type")
    kind = _TYPES.get(written.text) if isinstance(written, Scalar) else None
    if kind is None:
        raise RuleError(f"the correlation type must be one of {', '.join(_TYPES)}", path, section.line_of("type"))
    threshold, expression, named = _condition(section, kind, path)
    rules = _list(section, "rules", path) or named
    if not rules:
        raise RuleError("the correlation names no rules", path, section.line)
    outside = [name for name in named if name not in rules]
    if outside:
        raise RuleError(f"the condition names '{outside[0]}', which is not in 'rules'", path, section.line_of("condition"))
    generate = section.get("generate") or tree.get("generate")
    return Correlation(
        header=read_header(tree, path),
        type=kind,
        rules=rules,
        group_by=_list(section, "group-by", path),
        timespan=_timespan(section, path),
        threshold=threshold,
        expression=expression,
        aliases=_aliases(section, path),
        generate=isinstance(generate, Scalar) and generate.value is True,
        keys=read_keys(tree, path),
    )
