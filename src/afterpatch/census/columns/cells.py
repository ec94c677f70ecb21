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


@dataclass(frozen=True, slots=True)
class Shape:
    """How a table is cut: its delimiter, the number of its columns, and those that are wanted."""

    delimiter: int
    width: int
    wanted: tuple[int, ...]


def cut(data: Bytes, begin: int, end: int, shape: Shape) -> Cells | None:
    """Cuts `data[begin:end]`, which ends with a line end and goes on with at least one byte. None where a quote is open
    at the end of a line."""
    text = data[begin:end]
    returns = bool((text == RETURN).any())
    lines = text == NEWLINE
    marks = text == shape.delimiter
    marks |= lines
    improper: Ints | None = None
    quotes = text == QUOTE
    if quotes.any():
        outside = _outside(text, quotes, marks, lines, returns=returns)
        if outside is None:
            return None
        marks, improper = outside
    at = np.flatnonzero(marks)
    at += begin
    if improper is None or not len(improper):
        found = _regular(data, at, begin, shape, int(np.count_nonzero(lines)), quoted=improper is not None, returns=returns)
        if found is not None:
            return found
    return _rows(data, at, begin, shape, improper)


def _regular(data: Bytes, at: Ints, begin: int, shape: Shape, lines: int, *, quoted: bool, returns: bool) -> Cells | None:
    """`lines` rows that all have the right width, so that every `width`-th mark ends one. None where that is not so."""
    if shape.width == 1 or len(at) != lines * shape.width:
        return None
    table = at.reshape(lines, shape.width)
    ends = table[:, -1]
    if not (data[ends] == NEWLINE).all():
        return None
    found = Cells({}, {}, len(table), 0)
    for column in shape.wanted:
        start = np.empty(len(table), np.int64)
        start[:1] = begin
        if column:
            np.add(table[:, column - 1], 1, out=start)
        else:
            np.add(ends[:-1], 1, out=start[1:])
        stop = table[:, column]
        if returns and column == shape.width - 1:
            stop = _before_return(data, start, stop)
        found.starts[column], found.ends[column] = _unquoted(data, start, stop) if quoted else (start, stop)
    return found


def _before_return(data: Bytes, start: Ints, stop: Ints) -> Ints:
    """The ends of the last cells, without the carriage return."""
    found: Ints = stop - ((data[np.maximum(stop - 1, 0)] == RETURN) & (stop > start))
    return found


def _unquoted(data: Bytes, start: Ints, stop: Ints) -> tuple[Ints, Ints]:
    """Cells without the quotes around them."""
    wrapped = data[start] == QUOTE
    return (start + wrapped, stop - wrapped) if wrapped.any() else (start, stop)


def _rows(data: Bytes, at: Ints, begin: int, shape: Shape, improper: Ints | None) -> Cells:
    """Rows of any width: those of the right one, and how many have another."""
    last = np.flatnonzero(data[at] == NEWLINE)
    ends = at[last]
    begins = np.concatenate(([begin], ends[:-1] + 1))
    cells = np.diff(last, prepend=-1)
    empty = (ends == begins) | ((ends - begins == 1) & (data[begins] == RETURN))
    odd = np.zeros(len(last), bool)
    if improper is not None and len(improper):
        odd[np.searchsorted(ends, improper + begin)] = True
        odd &= ~empty
    fits = (cells == shape.width) & ~empty & ~odd
    rows = last[fits]
    found = Cells({}, {}, len(rows), len(last) - len(rows) - int(np.count_nonzero(odd | empty)))
    found.odd = [(int(begins[row]), int(ends[row])) for row in np.flatnonzero(odd)]
    for column in shape.wanted:
        start = begins[fits] if column == 0 else at[rows - (shape.width - column)] + 1
        stop = at[rows - (shape.width - 1 - column)]
        if column == shape.width - 1:
            stop = _before_return(data, start, stop)
        found.starts[column], found.ends[column] = (start, stop) if improper is None else _unquoted(data, start, stop)
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


def _outside(text: Bytes, quotes: Flags, marks: Flags, lines: Flags, *, returns: bool) -> tuple[Flags, Ints] | None:
    """The marks that lie outside of quotes, and where quotes do not stand around a whole cell. None where one is open at
    the end of a line."""
    quote, mark, line = _packed(quotes), _packed(marks), _packed(lines)
    inside = _parity(quote)
    if (inside & line).any():
        return None
    outside = mark & ~inside
    borders = outside | (_packed(text == RETURN) & _earlier(line)) if returns else outside
    wrong = (quote & inside & ~_later(outside, 1)) | (quote & ~inside & ~_earlier(borders))
    places = np.flatnonzero(_unpacked(wrong, len(text))) if wrong.any() else np.empty(0, np.int64)
    return marks if (outside == mark).all() else _unpacked(outside, len(text)), places
