"""Necessary literals: what a raw line must hold for a rule to have a chance.

`Necessary.clauses`: of the clauses at least one must hold; a clause holds when all its literals are in the raw line,
letter case aside. The scan over bytes looks for these and only the lines it finds are parsed and judged.

What is in a value is in the line, but not letter by letter: IIS writes `+` for a space and percent-encodes, CSV doubles
quotes, commas and line ends are replaced, slashes may be doubled or turned. So a literal is cut where that may happen
(FieldMapping.literal_class), and a line that spells something unusually (UNUSUAL) is looked at in its plain spellings too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from afterpatch.detect.sigma.mapping import ADJACENT, COMPUTED, PLAIN, FieldMapping, default_mappings
from afterpatch.detect.sigma.model import All, Item, Node, Not, Part, Regex, Text, Value, Wild
from afterpatch.detect.sigma.regex_literals import required_runs
from afterpatch.parsers.urls import decode_once

MAX_CLAUSES = 256
MAX_LITERALS = 4
MAX_PRODUCT = 64
EVERYWHERE_SHARE, COMMON_SHARE, LESS_COMMON_SHARE, LETTERS_PER_TENTH = 0.8, 0.2, 0.05, 2.5
MAX_NARROWED = 64
RARE_ENOUGH = 0.003  # share of lines
MIN_LENGTH = 3
UNUSUAL_PARTS = (
    rb"%(?:25)*(?:[uU][0-9a-fA-F]{4}|2[defDEF]|3[0-9aAdD]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aAeE])",
    rb"[^:\r\n]//",
)
"""A line to be read in its plain spellings too: a letter, digit or one of `_-./=~:` percent-encoded (once or more often, or
as IIS reads `%u0041`), or a doubled slash that is no `://`."""
UNUSUAL = b"|".join(UNUSUAL_PARTS)

_RUNS = {
    True: re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.~:/$-]*[A-Za-z0-9_])?"),
    False: re.compile(r"[A-Za-z0-9_]+"),
}

_WORDS = re.compile(r"[a-z0-9_]+")

_DATE = re.compile(r"20\d\d")  # of the row: on every line
_NUMBER = re.compile(r"20\d\d-\d\d(?:-\d\d)?|\d{1,4}")
NUMBER_SHARES = {1: 1.0, 2: 0.8, 3: 0.1, 4: 0.02}  # digits -> share of lines: times, addresses, counters

_CUT = re.compile(r"[^A-Za-z0-9_./=~:-]+|/{2,}")
_TURNED = re.compile(rb"[/\\]+")
_UNUSUAL = re.compile(UNUSUAL)
MAX_LINE = 1 << 16  # of a longer line only the start is respelled

Clause = tuple[bytes, ...]
Clauses = tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Necessary:
    """At least one clause holds in every raw line the rule can fire on."""

    clauses: Clauses


Cut = Callable[[str], list[str]]


def _side_by_side(text: str) -> list[str]:
    """The pieces of an address or client name that stand in a plainly spelled line as they are."""
    parts = (part.lower() for part in _CUT.split(text))
    return [part for part in parts if _is_long(part)]


def _is_long(part: str) -> bool:
    """Enough to search for: three letters or digits, two behind a `.`, `/` or around a `=`, one in `=c:`."""
    letters = sum(map(len, _WORDS.findall(part)))
    return (
        letters >= MIN_LENGTH
        or (letters == 2 and (part[:1] in "./" or "=" in part))
        or (letters == 1 and len(part) > 2 and part[0] == "=")
    )


def spellings(line: bytes) -> tuple[bytes, ...]:
    """The line in lower case, and for an unusual one also decoded once and twice with plain slashes."""
    low = line.lower()
    return (low,) if _UNUSUAL.search(line) is None else (low, *respellings(line))


def respellings(line: bytes) -> tuple[bytes, ...]:
    """The other spellings of an unusual line, or of one of its words; in lower case."""
    text = line[:MAX_LINE].decode("utf-8", "replace")
    once = decode_once(text)
    found = (text, once, decode_once(once))
    plain = (_with_plain_slashes(each.encode("utf-8", "replace").lower()) for each in found)
    low = line.lower()
    return tuple(each for each in dict.fromkeys(plain) if each != low)


def _with_plain_slashes(text: bytes) -> bytes:
    return _TURNED.sub(b"/", text) if b"\\" in text or b"//" in text else text


def _cut(kind: str) -> Cut:
    if kind == ADJACENT:
        return _side_by_side
    find = _RUNS[kind == PLAIN].findall
    alone = ["$"] if kind == PLAIN else []  # the end of a computer account's name, and rare elsewhere

    def cut(text: str) -> list[str]:
        runs = [run.lower() for run in find(text) if len(run) >= MIN_LENGTH]
        return runs or (alone if "$" in text else [])

    return cut


class _Chooser:
    """Joins and compares clauses. None stands for no knowledge: every line must be judged."""

    def __init__(self, common: frozenset[str]) -> None:
        self.common = common
        self.worths: dict[bytes, float] = {}

    def worth(self, literal: bytes) -> float:
        """How much a literal selects: long is rare, words that are on most lines are worth next to nothing."""
        known = self.worths.get(literal)
        if known is None:
            text = literal.decode("ascii")
            if _NUMBER.fullmatch(text):
                return len(text) / 100
            rare = [run for run in _WORDS.findall(text) if run not in self.common]
            words = _WORDS.findall(text)
            beside = (2.0 if rare else 0.4) * min(2, max(0, len(words) - 1)) + (0.5 if text != "".join(words) else 0.0)
            beside += 3.0 if text.startswith("=") else 0.0  # a value that begins so is rare
            known = self.worths[literal] = max((len(run) for run in rare), default=0) + beside + len(text) / 100
        return known

    def frequency(self, literal: bytes) -> float:
        """A guess at the share of lines that hold a literal: 0.2 for common words, a tenth of it every 2.5 letters."""
        if literal == b"$":
            return LESS_COMMON_SHARE / 2
        if _NUMBER.fullmatch(text := literal.decode("ascii")):
            return EVERYWHERE_SHARE if _DATE.match(text) else NUMBER_SHARES[len(text)]
        worth = self.worth(literal)
        words = _WORDS.findall(literal.decode("ascii"))
        if words and all(word in _words("everywhere") for word in words):
            return EVERYWHERE_SHARE
        share = LESS_COMMON_SHARE if any(word in _words("less_common") for word in words) else COMMON_SHARE
        return share if worth < 1 else float(share * 10 ** (-worth / LETTERS_PER_TENTH))

    def score(self, clauses: Clauses) -> float:
        """How few lines hold one of the clauses, as a negative share: nearer to 0 is better."""
        return -sum(math.prod(map(self.frequency, clause)) for clause in clauses)

    def clause(self, literals: Iterable[bytes]) -> Clause:
        """The best literals, without those that are inside another, and without common words beside rare ones."""
        distinct = set(literals)
        if len(distinct) == 1:
            return tuple(distinct)
        ordered = sorted(distinct, key=lambda one: (-self.worth(one), one))
        kept: list[bytes] = []
        share = 1.0
        for one in ordered:
            dull = share <= RARE_ENOUGH and self.worth(one) < 1
            if len(kept) < MAX_LITERALS and not dull and not any(one in other for other in kept):
                kept.append(one)
                share *= self.frequency(one)
        return tuple(kept)

    def every(self, parts: Iterable[Clauses | None]) -> Clauses | None:
        """A conjunction: the best part, narrowed by the others while the clauses stay few."""
        known = sorted((part for part in parts if part), key=self.score, reverse=True)
        if not known:
            return None
        joined = known[0]
        for part in known[1:]:
            if len(part) == 1 or len(joined) * len(part) <= MAX_PRODUCT:
                pairs = (self.clause((*left, *right)) for left in joined for right in part)
                joined = tuple(dict.fromkeys(pairs))
        return joined

    def some(self, parts: Iterable[Clauses | None]) -> Clauses | None:
        """A disjunction: all clauses of all parts, no knowledge where one part has none."""
        union: dict[Clause, None] = {}
        for part in parts:
            if not part:
                return None
            union.update(dict.fromkeys(part))
        if len(union) > 4 * MAX_CLAUSES:
            return None
        return tuple(_without_narrower(list(union))) or None


@lru_cache(maxsize=4)
def _words(name: str) -> frozenset[str]:
    return frozenset(default_mappings().spec["literals"][name])


@lru_cache(maxsize=8)
def _chooser(common: frozenset[str]) -> _Chooser:
    return _Chooser(common)


def _without_narrower(clauses: list[Clause]) -> list[Clause]:
    """Without clauses that another one already covers (fewer literals, each inside one of theirs)."""
    if len(clauses) == 1 or len(clauses) > MAX_NARROWED:
        return clauses  # it is only thrift, and the work is quadratic
    kept: list[Clause] = []
    for clause in sorted(clauses, key=lambda one: (len(one), sum(map(len, one)), one)):
        if not any(all(any(short in long for long in clause) for short in wider) for wider in kept):
            kept.append(clause)
    return kept


def _runs(parts: Sequence[Part], cut: Cut) -> list[str]:
    runs: list[str] = []
    for part in parts:
        if not isinstance(part, Wild):
            runs += cut(part)
    return runs


def _value(value: Value, cut: Cut, choose: _Chooser) -> Clauses | None:
    if isinstance(value, Text):
        runs = [run.encode("ascii") for run in _runs(value.parts, cut)]
        return (choose.clause(runs),) if runs else None
    if isinstance(value, Regex):
        tree = required_runs(value.pattern, value.flags)
        return _from_runs(tree, cut, choose)
    return None


def _from_runs(tree: object, cut: Cut, choose: _Chooser) -> Clauses | None:
    """A tree of required runs: a string, ("every", ...), ("some", ...) or None."""
    if isinstance(tree, str):
        runs = [run.encode("ascii") for run in cut(tree)]
        return (choose.clause(runs),) if runs else None
    if not isinstance(tree, tuple):
        return None
    parts = [_from_runs(part, cut, choose) for part in tree[1]]
    return choose.every(parts) if tree[0] == "every" else choose.some(parts)


def _item(item: Item, mapping: FieldMapping, choose: _Chooser) -> Clauses | None:
    kind = mapping.literal_class(item.field)
    if item.negated or kind == COMPUTED:
        return None
    cut = _cut(kind)
    groups = [choose.some([_value(value, cut, choose) for value in group]) for group in item.values]
    return choose.every(groups) if item.every else choose.some(groups)


def _node(node: Node, mapping: FieldMapping, choose: _Chooser) -> Clauses | None:
    if isinstance(node, Item):
        return _item(node, mapping, choose)
    if isinstance(node, Not):
        return None
    parts = [_node(child, mapping, choose) for child in node.nodes]
    if isinstance(node, All):
        return choose.every(parts)
    # Of N of M parts, any M - N + 1 have one that holds: the best such choice.
    if node.count > 1:
        needed = len(parts) - node.count + 1
        ranked = sorted((part for part in parts if part), key=choose.score, reverse=True)
        return choose.some(ranked[:needed]) if len(ranked) >= needed else None
    return choose.some(parts)


def frequency(literal: bytes) -> float:
    """A guess at the share of lines of a front end that hold a literal, by the common words of mapping.yml."""
    return _chooser(frozenset(default_mappings().spec["literals"]["common"])).frequency(literal)


def necessary_of(node: Node, mapping: FieldMapping) -> Necessary | None:
    """The clauses of a condition (already prepared by the mapping); None where there are none, or more than
    MAX_CLAUSES."""
    clauses = _node(node, mapping, _chooser(mapping.common))
    return Necessary(clauses) if clauses and len(clauses) <= MAX_CLAUSES else None


def holds(necessary: Necessary, line: bytes) -> bool:
    """Whether a raw line may fire the rule: the slow form of what the scan does."""
    known = spellings(line)
    return any(all(any(literal in each for each in known) for literal in clause) for clause in necessary.clauses)
