"""Lines, columns and times of a log chunk, read as columns of bytes (numpy), without parsing a line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

_OFFSETS = np.arange(19)
_DIGITS = (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18)  # of 2021-03-03 06:59:10 / 2021-03-03T06:59:10
_DAYS_BEFORE = np.array([0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334], dtype=np.int64)
_DAYS_IN = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)
_CLOCK = np.array([24, 60, 60], dtype=np.int32)
_SECONDS = np.array([3600, 60, 1], dtype=np.int64)
STAMP = 19  # characters


@dataclass(frozen=True, slots=True)
class Lines:
    """All lines of a chunk. Offsets are within the chunk; `end` excludes the line feed."""

    start: Int
    end: Int

    def __len__(self) -> int:
        return len(self.start)


def find_lines(data: bytes | memoryview) -> tuple[NDArray[np.uint8], Lines]:
    """The bytes as an array and its lines; `data` ends with a line feed or is the last piece of a file."""
    view = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(view == 10)
    if not len(ends) or ends[-1] != len(view) - 1:
        ends = np.append(ends, len(view))
    starts = np.empty_like(ends)
    starts[0] = 0
    starts[1:] = ends[:-1] + 1
    return view, Lines(starts, ends)


class ByteCounter:
    """Counts one byte value in any range of a chunk: one bit per byte, popcounts per 64 bytes, prefix sums."""

    def __init__(self, view: NDArray[np.uint8], value: int) -> None:
        bits = np.packbits(view == value, bitorder="little")
        words = np.zeros(len(bits) // 8 + 2, np.uint64)
        words.view(np.uint8)[: len(bits)] = bits
        self._words = words
        self._before = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.bitwise_count(words), dtype=np.int64)))

    def _upto(self, position: Int) -> Int:
        word = position >> 6
        mask = (np.uint64(1) << (position & 63).astype(np.uint64)) - np.uint64(1)
        counted: Int = self._before[word] + np.bitwise_count(self._words[word] & mask)
        return counted

    def between(self, start: Int, end: Int) -> Int:
        """How often the value occurs in [start, end), element by element."""
        result: Int = self._upto(end) - self._upto(start)
        return result


def stamps(view: NDArray[np.uint8], lines: Lines) -> tuple[Bool, Int]:
    """(lines that begin with a valid ISO time, seconds since 1970 where they do, else 0)."""
    long_enough = lines.end - lines.start >= STAMP
    good = np.zeros(len(lines), np.bool_)
    seconds = np.zeros(len(lines), np.int64)
    where = np.flatnonzero(long_enough)
    if len(where):
        good[where], seconds[where] = _stamps(view, lines.start[where])
    return good, seconds


def _stamps(view: NDArray[np.uint8], starts: Int) -> tuple[Bool, Int]:
    text = view[starts[:, None] + _OFFSETS]
    good = ((text[:, _DIGITS] - np.uint8(48)) < 10).all(axis=1)
    good &= (text[:, 4] == 45) & (text[:, 7] == 45) & (text[:, 13] == 58) & (text[:, 16] == 58)
    good &= (text[:, 10] == 32) | (text[:, 10] == 84)
    tens = (text[:, (11, 14, 17)].astype(np.int32) - 48) * 10 + text[:, (12, 15, 18)] - 48
    good &= (tens < _CLOCK).all(axis=1)
    if (text[:, :10] == text[0, :10]).all():  # one day, as nearly always
        real, days = _days(text[:1])
    else:
        real, days = _days(text)
    good &= real
    seconds = days * 86400 + tens @ _SECONDS
    return good, np.where(good, seconds, 0)


def _number(text: NDArray[np.uint8], start: int, length: int) -> NDArray[np.int32]:
    result = np.zeros(len(text), np.int32)
    for i in range(start, start + length):
        result = result * 10 + (text[:, i].astype(np.int32) - 48)
    return result


def _days(text: NDArray[np.uint8]) -> tuple[Bool, Int]:
    """(whether such a day exists, days since 1970) of the dates at the start of each row."""
    year, month, day = (_number(text, *where).astype(np.int64) for where in ((0, 4), (5, 2), (8, 2)))
    good = (month >= 1) & (month <= 12) & (year >= 1)
    month = np.where(good, month, 1)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    good &= (day >= 1) & (day <= _DAYS_IN[month] - ((month == 2) & ~leap))
    before = year - 1
    passed = before * 365 + before // 4 - before // 100 + before // 400
    return good, passed + _DAYS_BEFORE[month] + (leap & (month > 2)) + day - 1 - 719162
