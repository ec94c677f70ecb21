"""Multi-pattern search over raw bytes: Hyperscan where there is a build of it, Aho-Corasick elsewhere.

A needle is a set of literals that must all occur in one line (caseless). Both engines report every line that holds
all literals of a needle; both may report more (the judge is exact), never less.
"""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ahocorasick_rs
import numpy as np

from afterpatch.detect import kept
from afterpatch.detect.plane.structure import Lines
from afterpatch.detect.sigma.literals import MAX_LINE, UNUSUAL_PARTS, frequency, respellings, spellings

hyperscan: Any
try:
    import hyperscan
except ImportError:  # no build for this platform: the slower engine does the same
    hyperscan = None

_ENGINE = f"{getattr(hyperscan, '__version__', '')} {platform.machine()}".encode()


@dataclass(frozen=True, slots=True)
class Needle:
    """`literals` (lower case) must all occur in a line. `expression` is a Hyperscan pattern that says the same or more
    narrowly; empty means: the rarest literal is searched for, the others are asked about where it was found. `proof`,
    where given, is asked about each line found, in lower case: False means that the line is of no interest."""

    literals: tuple[bytes, ...]
    expression: bytes = b""
    proof: Callable[[bytes], bool] | None = None


UNUSUAL_GROUP = 0  # the engine's group that finds lines with an unusual spelling
FREQUENT, EVERYWHERE = 0.045, 0.5  # shares of lines
HIDDEN_KEPT = 20_000  # words whose other spellings were searched
_BITS = 20  # of a packed match: the group
_GROUP = (1 << _BITS) - 1
_WORDS = re.compile(rb"[a-z0-9_]+")
STOPS = (b" ", b",", b'"')  # between the words of a line
_STOPS = re.compile(rb'[ ,"]')
_RESPELLED = re.compile(rb"[%\\]|//")


def longest_piece(literal: bytes) -> bytes:
    """The piece of a literal that an engine without expressions looks for."""
    pieces = _WORDS.findall(literal)
    return min(pieces, key=lambda piece: (frequency(piece), -len(piece))) if pieces else literal


def _pair(one: bytes, other: bytes) -> bytes:
    """An expression for two literals of one line in either order, also where they overlap."""
    left, right = re.escape(one), re.escape(other)
    ways = [left + b"[^\n]*" + right, right + b"[^\n]*" + left]
    for first, second in ((one, other), (other, one)):
        shared = range(1, min(len(one), len(other)))
        ways += [re.escape(first + second[size:]) for size in shared if first.endswith(second[:size])]
    return b"(?:%s)" % b"|".join(ways)


def _by_frequency(needle: Needle) -> list[bytes]:
    return sorted(needle.literals, key=lambda literal: (frequency(literal), literal))


def _sought(needle: Needle) -> tuple[bytes, int]:
    """(expression, how many of the needle's literals it proves, from the rarest on). A literal that many lines hold is
    searched together with the next; one that is on nearly every line is not worth it, for the engine would be busy
    with the rest of every line."""
    one, *more = _by_frequency(needle)
    if more and frequency(one) > FREQUENT and frequency(more[0]) < EVERYWHERE:
        return _pair(one, more[0]), 2
    return re.escape(one), 1


class _Asked:
    """What a line must hold besides the match of a group, for each needle of the group."""

    def __init__(self, others: tuple[tuple[int, tuple[bytes, ...]], ...]) -> None:
        self._literals = tuple(dict.fromkeys(literal for _number, rest in others for literal in rest))
        places = {literal: place for place, literal in enumerate(self._literals)}
        self._wanted = [(number, sum(1 << places[literal] for literal in rest)) for number, rest in others]
        self._known: dict[int, tuple[int, ...]] = {}

    def held(self, low: bytes) -> tuple[int, ...]:
        """The needles whose other literals are all in the line."""
        bit, present = 1, 0
        for literal in self._literals:
            if literal in low:
                present |= bit
            bit <<= 1
        known = self._known.get(present)
        if known is None:
            known = self._known[present] = tuple(number for number, wanted in self._wanted if wanted & present == wanted)
        return known


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
        self._others = tuple(tuple(map(self._unproved, group)) for group in self.groups)
        self._asked = tuple(_Asked(others) for others in self._others)
        self._by_word = not any(stop in literal for needle in needles.values() for literal in needle.literals for stop in STOPS)
        paired = [_by_frequency(needle)[:2] for needle in needles.values() if not needle.expression and _sought(needle)[1] > 1]
        self._paired = frozenset(literal for both in paired for literal in both)  # of two words, perhaps
        self._hidden = lru_cache(maxsize=HIDDEN_KEPT)(self._holds_hidden)
        if self.engine == "hyperscan":
            self._compile_hyperscan([*UNUSUAL_PARTS, *list(groups)[1:]])
        elif self.engine == "aho-corasick":
            self._automaton = ahocorasick_rs.BytesAhoCorasick([*groups, b"//"])

    def _searched(self, needle: Needle) -> bytes:
        if self.engine != "hyperscan":
            return longest_piece(_by_frequency(needle)[0])
        return needle.expression or _sought(needle)[0]

    def _unproved(self, number: int) -> tuple[int, tuple[bytes, ...]]:
        """A needle and the literals that a match of its group does not prove, the rarest first."""
        needle = self.needles[number]
        if self.engine != "hyperscan":
            return number, tuple(_by_frequency(needle))
        return number, () if needle.expression else tuple(_by_frequency(needle)[_sought(needle)[1] :])

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

    def _holds_hidden(self, word: bytes) -> bool:
        """Whether another spelling of a word holds something that is looked for."""
        for each in respellings(word):
            if any(group != UNUSUAL_GROUP for group, _end in self.scan(b" %s " % each)):
                return True
            if any(literal in each for literal in self._paired):
                return True
        return False

    def _is_plain(self, line: bytes) -> bool:
        """Whether no other spelling of a line holds what is looked for. No literal holds a separator of words, so each
        word tells by itself; the same few are seen again and again (addresses to return to after a sign-in)."""
        if not self._by_word or len(line) > MAX_LINE:
            return False
        return not any(map(self._hidden, filter(_RESPELLED.search, _STOPS.split(line))))

    def _in_spellings(self, groups: Collection[int], line: bytes) -> frozenset[int]:
        if len(groups) == 1 and self._is_plain(line):  # nothing but the unusual spelling
            return frozenset()
        known = spellings(line)
        every = {*groups, *(group for each in known[1:] for group, _end in self.scan(each))} - {UNUSUAL_GROUP}
        return frozenset(
            number
            for group in every
            for number, others in self._others[group]
            if all(any(literal in each for each in known) for literal in others)
        )

    def scan(self, data: bytes | memoryview) -> list[tuple[int, int]]:
        """(group, offset of the last byte + 1) of every match in `data`, in no particular order."""
        return [(packed & _GROUP, packed >> _BITS) for packed in self._packed(data)]

    def _packed(self, data: bytes | memoryview) -> list[int]:
        """The matches, each as offset << _BITS | group."""
        if self.engine == "none":
            return []
        if self.engine == "hyperscan":
            found: list[int] = []
            append = found.append

            def on_match(group: int, _start: int, end: int, _flags: int, _context: object) -> None:
                append(end << _BITS | group)

            self._database.scan(data, match_event_handler=on_match)
            return found
        matches = self._automaton.find_matches_as_indexes(bytes(data).lower(), overlapping=True)
        last = len(self.groups)
        return [end << _BITS | (group if group < last else UNUSUAL_GROUP) for group, _start, end in matches]

    def lines_of(self, data: memoryview, lines: Lines) -> dict[int, frozenset[int]]:
        """Line number within `data` -> the needles whose literals are all in that line. An unusual line is searched in
        its plain spellings too."""
        found = self._packed(data)
        if not found:
            return {}
        matches = np.array(found, np.int64)
        at = np.searchsorted(lines.end, (matches >> _BITS) - 1, side="left")
        keys = np.unique(at << _BITS | (matches & _GROUP))  # by line, its groups in order, UNUSUAL_GROUP first
        at = keys >> _BITS
        places = zip(at.tolist(), (keys & _GROUP).tolist(), lines.start[at].tolist(), lines.end[at].tolist(), strict=True)
        return self._confirmed(data, places)

    def _confirmed(self, data: memoryview, places: Iterable[tuple[int, int, int, int]]) -> dict[int, frozenset[int]]:
        """`places`: line, group, start and end of the line; sorted. One loop, for it runs over a tenth of all lines."""
        held: dict[int, list[int]] = {}
        unusual: dict[int, list[int]] = {}
        asked, last, odd, low = self._asked, -1, -1, b""
        for line, group, start, end in places:
            if group == UNUSUAL_GROUP:
                odd = line
                unusual[line] = [start, end]
            if line == odd:
                unusual[line].append(group)
                continue
            if line != last:
                last, low = line, data[start:end].tobytes().lower()
            for number in asked[group].held(low):
                proof = self.needles[number].proof
                if proof is None or proof(low):
                    held.setdefault(line, []).append(number)
        found = {line: frozenset(numbers) for line, numbers in held.items()}
        for line, (start, end, *groups) in unusual.items():
            if numbers := self._in_spellings(groups, data[start:end].tobytes()):
                found[line] = numbers
        return found
