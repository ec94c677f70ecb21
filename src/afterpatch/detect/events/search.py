"""The search for literals: which of a set a record's text holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import ahocorasick_rs

from afterpatch.detect.events.literals import NON_ASCII

hyperscan: Any
try:
    import hyperscan
except ImportError:  # no build for this platform: the slower engine does the same
    hyperscan = None


class Anchors:
    """A compiled set of literals (lower case); the position of a literal is its number. NON_ASCII among them stands for
    any byte that is not ASCII."""

    def __init__(self, literals: Sequence[bytes], *, force_fallback: bool = False, compiled: bytes = b"") -> None:
        self.literals = tuple(literals)
        self._numbers: list[int] = []
        self._database: Any = None
        self._automaton: Any = None
        self._other = self.literals.index(NON_ASCII) if NON_ASCII in self.literals else -1
        plain = [(number, literal) for number, literal in enumerate(self.literals) if literal != NON_ASCII]
        if not plain:
            return
        if force_fallback or hyperscan is None:
            self._plain = [number for number, _literal in plain]
            self._automaton = ahocorasick_rs.BytesAhoCorasick([literal for _number, literal in plain])
        elif not (compiled and self._loaded(compiled)):
            self._compile(plain)

    def _compile(self, plain: Sequence[tuple[int, bytes]]) -> None:
        flags = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SINGLEMATCH
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[re.escape(literal) for _number, literal in plain],
            ids=[number for number, _literal in plain],
            flags=[flags] * len(plain),
        )

    def _loaded(self, compiled: bytes) -> bool:
        try:
            self._database = hyperscan.loadb(compiled, hyperscan.HS_MODE_BLOCK)
            self._database.scratch = hyperscan.Scratch(self._database)
        except hyperscan.error:
            self._database = None
            return False
        return True

    def compiled(self) -> bytes:
        """The compiled form for `compiled` of another time on the same kind of processor; empty where there is none."""
        return bytes(hyperscan.dumpb(self._database)) if self._database is not None else b""

    def found(self, data: bytes) -> list[int]:
        """The numbers of the literals that `data` holds, letter case of ASCII aside, each once."""
        numbers: list[int] = []
        if self._database is not None:
            self._database.scan(data, match_event_handler=_noting(numbers))
        elif self._automaton is not None:
            matches = self._automaton.find_matches_as_indexes(data.lower(), overlapping=True)
            numbers = [self._plain[number] for number in {match[0] for match in matches}]
        if self._other >= 0 and not data.isascii():
            numbers.append(self._other)
        return numbers


def _noting(numbers: list[int]) -> Any:
    append = numbers.append

    def on_match(number: int, _start: int, _end: int, _flags: int, _context: object) -> None:
        append(number)

    return on_match
