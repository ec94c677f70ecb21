"""A buffer of whole lines, of one log or of several small ones, read as columns of bytes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from afterpatch.detect.plane.needles import Needles
from afterpatch.detect.plane.structure import Bool, ByteCounter, Int, Lines, find_lines, stamps
from afterpatch.parsers.formats import Format
from afterpatch.parsers.lines import LIMIT, Line
from afterpatch.parsers.timestamps import EARLIEST, LATEST

_FIRST_SECOND = int(np.datetime64(f"{EARLIEST}-01-01", "s").astype(np.int64))
_AFTER_LAST = int(np.datetime64(f"{LATEST + 1}-01-01", "s").astype(np.int64))


@dataclass(frozen=True, slots=True)
class Sheet:
    """`plain`: lines that need no exact reading: a valid time at the start, nothing odd in them, ended by a line feed.
    `seconds` since 1970 where plain. `separators`, `quotes` (None: there are none): how many each line has. `nuls`:
    lines that hold NUL bytes. `hits`: line -> the needles that were found in it. `unended`: lines that no line
    feed ended in their file."""

    data: memoryview
    view: NDArray[np.uint8]
    lines: Lines
    plain: Bool
    seconds: Int
    separators: Int
    quotes: Int | None
    hits: dict[int, frozenset[int]]
    unended: Collection[int]
    nuls: frozenset[int] = field(default_factory=frozenset)

    def raw(self, index: int) -> bytes:
        """The bytes of a line without its line feed."""
        return bytes(self.data[int(self.lines.start[index]) : int(self.lines.end[index])])

    def line(self, index: int, number: int, shift: int) -> Line:
        """The line as the exact reader would see it; `shift`: what is added to a place in the buffer for its offset."""
        content = self.raw(index)
        clean = content.replace(b"\0", b"") if b"\0" in content else content
        nuls, long = len(content) - len(clean), len(clean) > LIMIT
        bare = clean = b"" if long else clean.rstrip(b"\r")
        while bare.startswith(b"\xef\xbb\xbf"):
            bare = bare[3:]
        start = int(self.lines.start[index])
        return Line(number, start + shift, bare, nuls, len(bare) < len(clean), index not in self.unended, long)

    def may_change_columns(self, index: int) -> bool:
        """Whether a line could be a header: it is not plain and begins with no digit."""
        return not self.plain[index] and not 48 <= self.view[self.lines.start[index]] <= 57


def read_sheet(data: memoryview, form: Format, needles: Needles, cuts: Sequence[int] = ()) -> Sheet:
    """Lines, times and counts of `data`, and the lines that hold a needle. `cuts`: places of line feeds that no log
    wrote; the line before one is unended, as is a last line without a line feed."""
    view, lines = find_lines(data)
    unended = set(np.searchsorted(lines.end, cuts).tolist()) if cuts else set()
    if view[-1] != 10:
        unended.add(len(lines) - 1)
    seconds, plain = _plain(view, lines, form)
    plain[list(unended)] = False
    nuls: frozenset[int] = frozenset()
    if view.min() == 0:
        with_nuls = ByteCounter(view, 0).between(lines.start, lines.end) != 0
        plain &= ~with_nuls
        nuls = frozenset(np.flatnonzero(with_nuls).tolist())
    separators = ByteCounter(view, ord(form.separator)).between(lines.start, lines.end)
    quotes = ByteCounter(view, 34).between(lines.start, lines.end) if form.quoted and (view == 34).any() else None
    return Sheet(data, view, lines, plain, seconds, separators, quotes, needles.lines_of(data, lines), unended, nuls)


def _plain(view: NDArray[np.uint8], lines: Lines, form: Format) -> tuple[Int, Bool]:
    seconds, plain = stamps(view, lines, quoted=form.quoted)
    plain &= (seconds >= _FIRST_SECOND) & (seconds < _AFTER_LAST)
    if len(view) > LIMIT:
        plain &= lines.end - lines.start <= LIMIT
    if view.max() > 127:
        plain &= ByteCounter(view & np.uint8(128), 128).between(lines.start, lines.end) == 0
    if not form.quoted:
        last = view[np.maximum(lines.end - 1, lines.start)]
        before = view[np.maximum(lines.end - 2, lines.start)]
        plain &= (np.where(last == 13, before, last) != 32) & (before != 13)
    return seconds, plain
