"""A block of a CSV file cut into cells, all rows at once.

Quotes are followed as bits, sixty-four bytes a word: the running parity of quotes says which bytes lie inside of them. Rows
that need more than cutting (a doubled quote, a quote in the middle of a cell) are named, for the exact reader; a block in
which a quote is open at the end of a line is not cut at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from afterpatch.census.columns.encode import Ints, Words

QUOTE, NEWLINE, RETURN = 34, 10, 13
_ALL, _ONE, _TOP = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(1), np.uint64(63)

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Cells:
    """`starts` and `ends` of the wanted columns, for `rows` rows of the right width; `bad`: rows of another width;
    `odd`: (start, end) of lines for the exact reader. Empty lines are passed over."""

    starts: dict[int, Ints]
    ends: dict[int, Ints]
    rows: int
    bad: int
    odd: list[tuple[int, int]] = field(default_factory=list)


def cut(data: Bytes, size: int, delimiter: int, width: int, wanted: tuple[int, ...]) -> Cells | None:
    """Cuts `data[:size]`, which ends with a line end and goes on with at least one byte. None where a quote is open at
    the end of a line."""
    text = data[:size]
    lines = text == NEWLINE
    marks = text == delimiter
    marks |= lines
    improper: Ints | None = None
    quotes = text == QUOTE
    if quotes.any():
        outside = _outside(text, quotes, marks, lines)
        if outside is None:
            return None
        marks, improper = outside
    at = np.flatnonzero(marks)
    last = _row_ends(data, at, width, int(np.count_nonzero(lines)))
    return _rows(data, at, last, width, wanted, improper)


def _row_ends(data: Bytes, at: Ints, width: int, lines: int) -> Ints:
    """Which of the marks end a row; where all rows have the right width, that is every `width`-th."""
    if len(at) == width * lines:
        last = np.arange(width - 1, len(at), width)
        if (data[at[last]] == NEWLINE).all():
            return last
    return np.flatnonzero(data[at] == NEWLINE)


def _rows(data: Bytes, at: Ints, last: Ints, width: int, wanted: tuple[int, ...], improper: Ints | None) -> Cells:
    ends = at[last]
    begins = np.concatenate(([0], ends[:-1] + 1))
    cells = np.diff(last, prepend=-1)
    empty = (ends == begins) | ((ends - begins == 1) & (data[begins] == RETURN))
    odd = np.zeros(len(last), bool)
    if improper is not None and len(improper):
        odd[np.searchsorted(ends, improper)] = True
        odd &= ~empty
    fits = (cells == width) & ~empty & ~odd
    rows = last[fits]
    found = Cells({}, {}, len(rows), len(last) - len(rows) - int(np.count_nonzero(odd | empty)))
    found.odd = [(int(begins[row]), int(ends[row])) for row in np.flatnonzero(odd)]
    for column in wanted:
        start = begins[fits] if column == 0 else at[rows - (width - column)] + 1
        stop = at[rows - (width - 1 - column)]
        if column == width - 1:
            stop = stop - ((data[np.maximum(stop - 1, 0)] == RETURN) & (stop > start))
        if improper is not None:
            wrapped = data[start] == QUOTE
            start, stop = start + wrapped, stop - wrapped
        found.starts[column], found.ends[column] = start, stop
    return found


def _packed(flags: Flags) -> Words:
    bits = np.zeros(-(-len(flags) // 64), np.uint64)
    packed = np.packbits(flags, bitorder="little")
    bits.view(np.uint8)[: len(packed)] = packed
    return bits


def _unpacked(bits: Words, size: int) -> Flags:
    return np.unpackbits(bits.view(np.uint8), count=size, bitorder="little").view(bool)


def _later(bits: Words, first: int = 0) -> Words:
    """Every bit one place further on; `first` comes to the first place."""
    moved = bits << _ONE
    moved[1:] |= bits[:-1] >> _TOP
    moved[0] |= np.uint64(first)
    return moved


def _earlier(bits: Words) -> Words:
    moved = bits >> _ONE
    moved[:-1] |= bits[1:] << _TOP
    return moved


def _parity(quotes: Words) -> Words:
    """The running parity: set from every opening quote to the byte before its closing one."""
    bits = quotes.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        bits ^= bits << np.uint64(shift)
    carried = np.bitwise_xor.accumulate(bits >> _TOP)
    bits[1:] ^= carried[:-1] * _ALL
    return bits


def _outside(text: Bytes, quotes: Flags, marks: Flags, lines: Flags) -> tuple[Flags, Ints] | None:
    """The marks that lie outside of quotes, and where quotes do not stand around a whole cell. None where one is open at
    the end of a line."""
    quote, mark, line = _packed(quotes), _packed(marks), _packed(lines)
    inside = _parity(quote)
    if (inside & line).any():
        return None
    mark &= ~inside
    borders = mark | (_packed(text == RETURN) & _earlier(line))
    wrong = (quote & inside & ~_later(mark, 1)) | (quote & ~inside & ~_earlier(borders))
    places = np.flatnonzero(_unpacked(wrong, len(text))) if wrong.any() else np.empty(0, np.int64)
    return _unpacked(mark, len(text)), places
