"""Multi-pattern search over raw bytes: Hyperscan where there is a build of it, Aho-Corasick elsewhere.

A needle is a set of literals that must all occur in one line (caseless). Both engines report every line that holds
all literals of a needle; both may report more (the judge is exact), never less.
"""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import ahocorasick_rs
import numpy as np
from numpy.typing import NDArray

from afterpatch.detect import kept
from afterpatch.detect.sigma.literals import UNUSUAL_PARTS, frequency, spellings

hyperscan: Any
try:
    import hyperscan
except ImportError:  # no build for this platform: the slower engine does the same
    hyperscan = None

_ENGINE = f"{getattr(hyperscan, '__version__', '')} {platform.machine()} {platform.processor()}".encode()


@dataclass(frozen=True, slots=True)
class Needle:
    """`literals` (lower case) must all occur in a line. `expression` is a Hyperscan pattern that says the same or more
    narrowly; empty means: the rarest literal is searched for, the others are asked about where it was found."""

    literals: tuple[bytes, ...]
    expression: bytes = b""


UNUSUAL_GROUP = 0  # the engine's group that finds lines with an unusual spelling
FREQUENT = 0.04  # share of lines from which a literal is not worth searching alone
_WORDS = re.compile(rb"[a-z0-9_]+")


def longest_piece(literal: bytes) -> bytes:
    """The piece of a literal that an engine without expressions looks for."""
    pieces = _WORDS.findall(literal)
    return min(pieces, key=lambda piece: (frequency(piece), -len(piece))) if pieces else literal


def _pair(one: bytes, other: bytes) -> bytes:
    """An expression for two frequent literals in either order; b"" where they could overlap in a line."""
    if any(one[-n:] == other[:n] or other[-n:] == one[:n] for n in range(1, min(len(one), len(other)) + 1)):
        return b""
    left, right = re.escape(one), re.escape(other)
    return b"(?:%s[^\n]*%s|%s[^\n]*%s)" % (left, right, right, left)


class Needles:
    """A compiled set of needles, by number.

    Needles that look for the same text are one group of the engine, so that it is reported once."""

    def __init__(self, needles: Mapping[int, Needle], *, force_fallback: bool = False) -> None:
        self.needles = dict(needles)
        self.engine = "none" if not needles else "aho-corasick" if force_fallback or hyperscan is None else "hyperscan"
        groups: dict[bytes, list[int]] = {b"%": []}  # the first group: lines with an unusual spelling
        for number, needle in self.needles.items():
            groups.setdefault(self._searched(needle), []).append(number)
        self.groups = tuple(map(tuple, groups.values()))
        if self.engine == "hyperscan":
            self._compile_hyperscan([*UNUSUAL_PARTS, *list(groups)[1:]])
        elif self.engine == "aho-corasick":
            self._automaton = ahocorasick_rs.BytesAhoCorasick([*groups, b"//"])

    def _searched(self, needle: Needle) -> bytes:
        ordered = sorted(needle.literals, key=lambda literal: (frequency(literal), literal))
        if self.engine != "hyperscan":
            return longest_piece(ordered[0])
        if needle.expression:
            return needle.expression
        if len(ordered) > 1 and frequency(ordered[0]) > FREQUENT:
            return _pair(*ordered[:2]) or re.escape(ordered[0])
        return re.escape(ordered[0])

    def _compile_hyperscan(self, expressions: list[bytes]) -> None:
        key = hashlib.sha256(_ENGINE + b"\0".join(expressions)).hexdigest()
        data = kept.load("needles", key)
        if data is not None:
            try:  # a database is bound to the engine's version and the processor: the engine itself refuses others
                self._database = hyperscan.loadb(data, hyperscan.HS_MODE_BLOCK)
                self._database.scratch = hyperscan.Scratch(self._database)
                return
            except hyperscan.error:
                pass
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        ids = [UNUSUAL_GROUP] * len(UNUSUAL_PARTS) + list(range(1, len(self.groups)))
        self._database.compile(expressions=expressions, ids=ids, flags=[hyperscan.HS_FLAG_CASELESS] * len(ids))
        kept.store("needles", key, hyperscan.dumpb(self._database))

    def confirmed(self, groups: set[int], line: bytes) -> set[int]:
        """The needles whose literals are all in the line; an unusual line is searched in its plain spellings too."""
        known: tuple[bytes, ...] = (line.lower(),)
        if UNUSUAL_GROUP in groups:
            known = spellings(line)
            groups = groups.union(group for each in known[1:] for group, _end in self.scan(each))
        return {
            number
            for group in groups
            if group != UNUSUAL_GROUP
            for number in self.groups[group]
            if self._holds(self.needles[number], known)
        }

    def _holds(self, needle: Needle, known: tuple[bytes, ...]) -> bool:
        if needle.expression and self.engine == "hyperscan":
            return True
        return all(any(literal in each for each in known) for literal in needle.literals)

    def scan(self, data: bytes | memoryview) -> list[tuple[int, int]]:
        """(group, offset of the last byte + 1) of every match in `data`, in no particular order."""
        if self.engine == "none":
            return []
        if self.engine == "hyperscan":
            found: list[tuple[int, int]] = []
            append = found.append

            def on_match(group: int, _start: int, end: int, _flags: int, _context: object) -> None:
                append((group, end))

            self._database.scan(data, match_event_handler=on_match)
            return found
        matches = self._automaton.find_matches_as_indexes(bytes(data).lower(), overlapping=True)
        last = len(self.groups)
        return [(group if group < last else UNUSUAL_GROUP, end) for group, _start, end in matches]


def lines_of(matches: Iterable[tuple[int, int]], line_ends: NDArray[np.int64]) -> dict[int, set[int]]:
    """Line number within the chunk -> groups found in it."""
    pairs = list(matches)
    if not pairs:
        return {}
    ends = np.fromiter((end for _number, end in pairs), dtype=np.int64, count=len(pairs))
    lines = np.searchsorted(line_ends, ends - 1, side="left").tolist()
    result: dict[int, set[int]] = {}
    for (number, _end), line in zip(pairs, lines, strict=True):
        result.setdefault(line, set()).add(number)
    return result
