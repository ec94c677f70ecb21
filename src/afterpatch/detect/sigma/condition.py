"""The condition language: text to a tree over selection names.

Grammar (specification 2.1.0, Condition; least to most binding): `or`, `and`, `not`, `N of pattern`, parentheses.
Keywords are lower case in the specification; other cases are accepted, as other engines do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

MAX_DEPTH = 60
MAX_TOKENS = 2_000

_TOKEN = re.compile(r"\s*(?:(?P<paren>[()])|(?P<word>[^\s()|]+)|(?P<pipe>\|))")
_KEYWORDS = frozenset({"and", "or", "not", "of", "them"})
T = TypeVar("T")


class ConditionError(Exception):
    """A condition cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Builder(Generic[T]):
    """How to make nodes: a leaf from a name, a group from (nodes, needed), a negation."""

    leaf: Callable[[str], T]
    every: Callable[[tuple[T, ...]], T]
    some: Callable[[tuple[T, ...], int], T]
    negate: Callable[[T], T]


def tokens_of(text: str) -> list[str]:
    """Words and parentheses; `|` is refused, it is the aggregation syntax of Sigma 1."""
    tokens: list[str] = []
    position, stop = 0, len(text.rstrip())
    while position < stop:
        found = _TOKEN.match(text, position)
        if found is None:
            raise ConditionError(f"cannot read '{text[position : position + 20]}'")
        if found["pipe"]:
            aggregation = text[found.end() :].strip()[:40]
            raise ConditionError(
                f"the aggregation '| {aggregation}' was dropped from Sigma: write a correlation rule (event_count, "
                "value_count, temporal) that refers to this rule"
            )
        tokens.append(found["paren"] or found["word"])
        position = found.end()
    if not tokens:
        raise ConditionError("the condition is empty")
    if len(tokens) > MAX_TOKENS:
        raise ConditionError(f"the condition has more than {MAX_TOKENS} words")
    return tokens


def select(pattern: str, names: Sequence[str]) -> list[str]:
    """The selections that a pattern means. Names that start with `_` only for patterns that do so too."""
    if pattern.lower() == "them":
        return [name for name in names if not name.startswith("_")]
    match = re.compile(re.escape(pattern).replace(r"\*", ".*")).fullmatch
    return [name for name in names if match(name) and (pattern.startswith("_") or not name.startswith("_"))]


class _Parser(Generic[T]):
    def __init__(self, text: str, names: Sequence[str], build: Builder[T]) -> None:
        self.tokens, self.names, self.build = tokens_of(text), names, build
        self.at, self.depth = 0, 0
        self.used: set[str] = set()

    def peek(self, ahead: int = 0) -> str:
        index = self.at + ahead
        return self.tokens[index] if index < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def alternatives(self) -> T:
        nodes = [self.conjunction()]
        while self.peek().lower() == "or":
            self.take()
            nodes.append(self.conjunction())
        return nodes[0] if len(nodes) == 1 else self.build.some(tuple(nodes), 1)

    def conjunction(self) -> T:
        nodes = [self.negation()]
        while self.peek().lower() == "and":
            self.take()
            nodes.append(self.negation())
        return nodes[0] if len(nodes) == 1 else self.build.every(tuple(nodes))

    def negation(self) -> T:
        negations = 0
        while self.peek().lower() == "not":
            self.take()
            negations += 1
        node = self.operand()
        for _ in range(negations):
            node = self.build.negate(node)
        return node

    def operand(self) -> T:
        word = self.take()
        if word == "(":
            return self.group()
        if self.peek().lower() == "of" and word not in self.names:
            return self.quantified(word)
        if word in self.names:
            self.used.add(word)
            return self.build.leaf(word)
        if not word or word == ")" or word.lower() in _KEYWORDS:
            raise ConditionError(f"a selection name is missing before '{word or 'the end'}'")
        raise ConditionError(f"'{word}' is not defined" if "*" not in word else f"'{word}' needs '1 of' or 'all of'")

    def group(self) -> T:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ConditionError(f"parentheses nested deeper than {MAX_DEPTH}")
        node = self.alternatives()
        if self.take() != ")":
            raise ConditionError("a closing parenthesis is missing")
        self.depth -= 1
        return node

    def quantified(self, quantifier: str) -> T:
        self.take()
        pattern = self.take()
        if not pattern or pattern in "()":
            raise ConditionError(f"'{quantifier} of' needs a pattern")
        if pattern.startswith("("):
            raise ConditionError(f"'{quantifier} of' needs a pattern, not a list")
        names = select(pattern, self.names)
        if not names:
            raise ConditionError(f"'{quantifier} of {pattern}': no selection has such a name")
        self.used.update(names)
        nodes = tuple(self.build.leaf(name) for name in names)
        return self.quantify(quantifier, pattern, nodes)

    def quantify(self, quantifier: str, pattern: str, nodes: tuple[T, ...]) -> T:
        word = quantifier.lower()
        if word == "all":
            return nodes[0] if len(nodes) == 1 else self.build.every(nodes)
        count = 1 if word == "any" else int(word) if word.isdecimal() and len(word) < 6 else 0
        if count < 1:
            raise ConditionError(f"'{quantifier} of': expected a number from 1, 'any' or 'all'")
        if count > len(nodes):
            raise ConditionError(f"'{quantifier} of {pattern}': only {len(nodes)} selections have such a name")
        return nodes[0] if len(nodes) == 1 else self.build.some(nodes, count)


def parse(text: str, names: Sequence[str], build: Builder[T]) -> tuple[T, set[str]]:
    """The tree of a condition over the selections `names`, and the names it uses. Raises ConditionError."""
    parser = _Parser(text, names, build)
    node = parser.alternatives()
    if parser.at < len(parser.tokens):
        raise ConditionError(f"'{parser.peek()}' is not expected here (and, or missing?)")
    return node, parser.used
