"""Multi-pattern search over raw bytes: Hyperscan where there is a build of it, Aho-Corasick elsewhere.

A needle is a set of literals that must all occur in one line (caseless). Both engines report every line that holds
all literals of a needle; both may report more (the judge is exact), never less.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import ahocorasick_rs
import numpy as np
from numpy.typing import NDArray

hyperscan: Any
try:
    import hyperscan
except ImportError:  # no build for this platform: the slower engine does the same
    hyperscan = None

MAX_ORDERED = 3  # literals of one needle whose orders are spelled out for Hyperscan: 3! patterns

# Words that occur on a large share of Exchange log lines: never the only anchor of a needle where there is another.
COMMON_WORDS = frozenset(
    b"owa ecp ews auth post get aspx asmx svc http https exchange autodiscover powershell 200 302 401 403 404 500 443 444 "
    b"mozilla windows microsoft default json xml mail user true false mapi localhost healthmailbox correlationid empty "
    b"outlook activesync server com local proxy www com net org html path name set get new url".split()
)


@dataclass(frozen=True, slots=True)
class Needle:
    """`literals` (lower case) must all occur in a line. `expression` is a Hyperscan pattern that says the same or more
    narrowly; empty means: made from the literals."""

    literals: tuple[bytes, ...]
    expression: bytes = b""


def rarity(literal: bytes) -> float:
    """A guess at how rarely a literal occurs: long is rare, common words are not."""
    return 0.5 if literal in COMMON_WORDS else float(len(literal))


def _expressions(needle: Needle) -> list[bytes]:
    if needle.expression:
        return [needle.expression]
    rare = sorted(needle.literals, key=rarity, reverse=True)[:MAX_ORDERED]
    if len(rare) == 1 or rarity(rare[0]) >= 12:
        return [re.escape(rare[0])]
    escaped = [re.escape(literal) for literal in sorted(rare)]
    return [b"[^\\n]*".join(order) for order in itertools.permutations(escaped)]


class Needles:
    """A compiled set of needles; the position of a needle in the sequence is its number."""

    def __init__(self, needles: Sequence[Needle], *, force_fallback: bool = False) -> None:
        self.needles = tuple(needles)
        self.engine = "none" if not needles else "aho-corasick" if force_fallback or hyperscan is None else "hyperscan"
        if self.engine == "hyperscan":
            self._compile_hyperscan()
        elif self.engine == "aho-corasick":
            self._compile_fallback()

    def _compile_hyperscan(self) -> None:
        expressions, ids = [], []
        for number, needle in enumerate(self.needles):
            for expression in _expressions(needle):
                expressions.append(expression)
                ids.append(number)
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = [hyperscan.HS_FLAG_CASELESS] * len(expressions)
        self._database.compile(expressions=expressions, ids=ids, flags=flags)

    def _compile_fallback(self) -> None:
        anchors: dict[bytes, list[int]] = {}
        for number, needle in enumerate(self.needles):
            anchors.setdefault(max(needle.literals, key=rarity), []).append(number)
        self._anchor_numbers = list(anchors.values())
        self._automaton = ahocorasick_rs.BytesAhoCorasick(list(anchors))

    def scan(self, data: bytes | memoryview) -> list[tuple[int, int]]:
        """(needle number, offset of the last byte + 1) of every match in `data`, in no particular order."""
        if self.engine == "none":
            return []
        if self.engine == "hyperscan":
            found: list[tuple[int, int]] = []
            append = found.append

            def on_match(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
                append((number, end))

            self._database.scan(data, match_event_handler=on_match)
            return found
        matches = self._automaton.find_matches_as_indexes(bytes(data).lower(), overlapping=True)
        return [(number, end) for anchor, _start, end in matches for number in self._anchor_numbers[anchor]]


def lines_of(matches: Iterable[tuple[int, int]], line_ends: NDArray[np.int64]) -> dict[int, set[int]]:
    """Line number within the chunk -> needles found in it."""
    pairs = list(matches)
    if not pairs:
        return {}
    ends = np.fromiter((end for _number, end in pairs), dtype=np.int64, count=len(pairs))
    lines = np.searchsorted(line_ends, ends - 1, side="left").tolist()
    result: dict[int, set[int]] = {}
    for (number, _end), line in zip(pairs, lines, strict=True):
        result.setdefault(line, set()).add(number)
    return result
