"""The search for anchors: which literals of a set a record's text holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import ahocorasick_rs

hyperscan: Any
try:
    import hyperscan
except ImportError:  # no build for this platform: the slower engine does the same
    hyperscan = None


class Anchors:
    """A compiled set of literals (lower case); the position of a literal is its number."""

    def __init__(self, literals: Sequence[bytes], *, force_fallback: bool = False) -> None:
        self.literals = tuple(literals)
        self._database: Any = None
        self._automaton: Any = None
        if not literals:
            return
        if force_fallback or hyperscan is None:
            self._automaton = ahocorasick_rs.BytesAhoCorasick(list(literals))
        else:
            self._compile()

    def _compile(self) -> None:
        flags = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SINGLEMATCH
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[re.escape(literal) for literal in self.literals],
            ids=list(range(len(self.literals))),
            flags=[flags] * len(self.literals),
        )

    def found(self, data: bytes) -> set[int]:
        """The numbers of the literals that `data` holds, letter case of ASCII aside."""
        if self._database is not None:
            numbers: list[int] = []
            self._database.scan(data, match_event_handler=_noting(numbers))
            return set(numbers)
        if self._automaton is not None:
            return {match[0] for match in self._automaton.find_matches_as_indexes(data.lower(), overlapping=True)}
        return set()


def _noting(numbers: list[int]) -> Any:
    append = numbers.append

    def on_match(number: int, _start: int, _end: int, _flags: int, _context: object) -> None:
        append(number)

    return on_match
