"""How bad a text can make a backtracking search: read from the parse tree of the expression."""

from __future__ import annotations

from dataclasses import dataclass
from re import _constants as _c  # type: ignore[attr-defined]
from typing import Any

from afterpatch.detect.sigma.regex_literals import parse

LARGE = 8
"""A repeat whose number of rounds varies by more than this counts as one without a bound."""
MAX_WAYS = 4_096
"""More ways than this to match one place of a text count as exponential."""


@dataclass(frozen=True, slots=True)
class Danger:
    """`degree`: the time grows at most with this power of the text's length; `exponential`: it may double with each
    character (a repeat inside a repeat, or very many choices); `ways`: choices beside the repeats."""

    degree: int
    exponential: bool
    ways: int = 1


def _inner(op: Any, argument: Any) -> list[Any]:
    if op is _c.SUBPATTERN:
        return [argument[3]]
    if op is _c.BRANCH:
        return list(argument[1])
    if op in (_c.ASSERT, _c.ASSERT_NOT):
        return [argument[1]]
    if op is _c.ATOMIC_GROUP:
        return [argument]
    if op is _c.GROUPREF_EXISTS:
        return [part for part in argument[1:] if part]
    return []


def _repeat(argument: Any) -> Danger:
    low, high, sequence = argument
    inner = _measure(sequence)
    bounded = high is not _c.MAXREPEAT
    if bounded and high - low <= LARGE:
        exponential = inner.exponential or (high > 1 and inner.degree * high > 4)
        ways = min(inner.ways ** min(high, 64), MAX_WAYS + 1) * (high - low + 1)
        return Danger(inner.degree * max(high, 1), exponential, ways)
    return Danger(inner.degree + 1, inner.exponential or inner.degree > 0 or inner.ways > 1)


_ATOMIC = frozenset({_c.ASSERT, _c.ASSERT_NOT, _c.ATOMIC_GROUP, _c.POSSESSIVE_REPEAT})


def _element(op: Any, argument: Any) -> Danger:
    if op in (_c.MAX_REPEAT, _c.MIN_REPEAT, _c.POSSESSIVE_REPEAT):
        return _repeat(argument)
    parts = [_measure(part) for part in _inner(op, argument)]
    ways = [part.ways for part in parts] or [1]
    return Danger(
        max((part.degree for part in parts), default=0),
        any(part.exponential for part in parts),
        sum(ways) if op is _c.BRANCH else max(ways),
    )


def _measure(sequence: Any) -> Danger:
    degree = aside = 0
    exponential, ways = False, 1
    for op, argument in sequence:
        found = _element(op, argument)
        exponential |= found.exponential
        if op in _ATOMIC:  # never gone back into: its work comes beside that of what follows
            aside = max(aside, degree + found.degree)
        else:
            degree, ways = degree + found.degree, ways * found.ways
    return Danger(max(degree, aside), exponential or ways > MAX_WAYS, min(ways, MAX_WAYS + 1))


def danger_of(pattern: str, flags: str = "") -> Danger:
    """The danger of a pattern that compiles; the search from every place of the text adds one to the degree."""
    found = _measure(parse(pattern, flags))
    return Danger(found.degree + 1, found.exponential, found.ways)
