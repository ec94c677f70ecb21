"""What a text must hold to match a regular expression: a tree of literal runs, read from Python's own parse of it."""

from __future__ import annotations

import re
import warnings
from re import _constants as _c  # type: ignore[attr-defined]
from re import _parser as _p  # type: ignore[attr-defined]
from typing import Any

Runs = str | tuple[str, tuple[Any, ...]] | None
"""A run that must be there (letters in any case), ("every", trees), ("some", trees), or None: nothing is known."""

_MAX_DEPTH = 50


def parse(pattern: str, flags: str) -> Any:
    """Python's parse tree of a pattern that compiles."""
    bits = re.ASCII
    for flag, bit in (("i", re.IGNORECASE), ("m", re.MULTILINE), ("s", re.DOTALL)):
        bits |= bit if flag in flags else 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _p.parse(pattern, int(bits))


def one_char(op: Any, argument: Any) -> str:
    """The one character an element stands for, letter case aside; "" where it is not one."""
    if op is _c.LITERAL:
        return chr(argument)
    if op is _c.IN and all(kind is _c.LITERAL for kind, _ in argument):
        chars = {chr(code).lower() for _, code in argument}
        return chars.pop() if len(chars) == 1 else ""
    return ""


class _Collector:
    """Runs of one sequence: neighbours are joined, what stands between them cuts."""

    def __init__(self) -> None:
        self.run: list[str] = []
        self.parts: list[Runs] = []

    def cut(self) -> None:
        if self.run:
            self.parts.append("".join(self.run))
            self.run = []

    def add(self, tree: Runs) -> None:
        self.cut()
        if tree:
            self.parts.append(tree)

    def result(self) -> Runs:
        self.cut()
        if len(self.parts) == 1:
            return self.parts[0]
        return ("every", tuple(self.parts)) if self.parts else None


def _sequence(sequence: Any, into: _Collector, depth: int) -> None:
    for op, argument in sequence:
        char = one_char(op, argument)
        if char:
            into.run.append(char)
        elif op is _c.AT:
            continue  # an anchor takes no room
        elif depth > _MAX_DEPTH:
            into.cut()
        elif op is _c.SUBPATTERN:
            _sequence(argument[3], into, depth + 1)
        elif op is _c.ATOMIC_GROUP:
            _sequence(argument, into, depth + 1)
        elif op in (_c.MAX_REPEAT, _c.MIN_REPEAT, _c.POSSESSIVE_REPEAT):
            _repeat(argument, into, depth)
        elif op is _c.BRANCH:
            into.add(("some", tuple(_tree(branch, depth + 1) for branch in argument[1])))
        elif op is _c.ASSERT_NOT or (op is _c.ASSERT and argument[0] < 0):
            into.cut()
        elif op is _c.ASSERT:
            into.add(_tree(argument[1], depth + 1))
        else:
            into.cut()


def _repeat(argument: Any, into: _Collector, depth: int) -> None:
    low, high, inner = argument
    if low == high == 1:
        _sequence(inner, into, depth + 1)
    elif low > 0:
        into.add(_tree(inner, depth + 1))
    else:
        into.cut()


def _tree(sequence: Any, depth: int) -> Runs:
    collector = _Collector()
    _sequence(sequence, collector, depth)
    return collector.result()


def required_runs(pattern: str, flags: str) -> Runs:
    """The tree of runs every matching text holds. `pattern` must compile."""
    return _tree(parse(pattern, flags), 0)
