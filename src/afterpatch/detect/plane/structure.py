"""Lines, columns and times of a log chunk, read as columns of bytes (numpy), without parsing a line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

_DAYS_BEFORE = np.array([0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334], dtype=np.int64)
_DAYS_IN = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)


def _word(text: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(text, "little"))


# 2021-03-03 06:59:10 / 2021-03-03T06:59:10.123Z as three words of eight bytes: what is left of a digit when `0` is taken
# from it, and nothing of a separator. The byte between date and time (space or T) is looked at by itself.
_SHAPES = (_word(b"0000-00-"), _word(b"00\x0000:00"), _word(b":00 \0\0\0\0"), _word(b":00.000Z"))
_KEPT = (_word(b"\xff" * 8), _word(b"\xff\xff\0\xff\xff\xff\xff\xff"), _word(b"\xff" * 4), _word(b"\xff" * 8))
_DIGITS = (_word(b"\x76" * 4 + b"\x7f\x76\x76\x7f"), _word(b"\x76\x76\x7f\x76\x76\x7f\x76\x76"),
           _word(b"\x7f\x76\x76\x7f" + b"\0" * 4), _word(b"\x7f\x76\x76\x7f\x76\x76\x76\x7f"))  # fmt: skip
_HIGH = _word(b"\x80" * 8)
STAMP = 25  # bytes from a line's start that are looked at; a line nearer to the end of the buffer is read exactly


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


def stamps(view: NDArray[np.uint8], lines: Lines, *, quoted: bool) -> tuple[Int, Bool]:
    """(seconds since 1970, lines that begin with a valid ISO time and what this kind of log writes behind it: `10 ` in
    IIS, `10.123Z,` in the `quoted` logs of Exchange). Seconds mean nothing where there is no such time."""
    good = np.zeros(len(lines), np.bool_)
    seconds = np.zeros(len(lines), np.int64)
    inside = len(lines) if len(view) < STAMP else int(np.searchsorted(lines.start, len(view) - STAMP, side="right"))
    if len(view) >= STAMP and inside:
        seconds[:inside], good[:inside] = _stamps(view, lines.start[:inside], quoted)
    return seconds, good


def _stamps(view: NDArray[np.uint8], starts: Int, quoted: bool) -> tuple[Int, Bool]:
    words = np.ndarray((len(view) - 7,), "<u8", view.data, strides=(1,))
    day, clock, rest = words[starts], words[starts + 8], words[starts + 16]
    between = (clock >> np.uint64(16)) & np.uint64(255)
    good = between == 32  # in IIS date and time are two columns
    if quoted:
        good |= between == 84
    left = [_left(day, 0), _left(clock, 1), _left(rest, 3 if quoted else 2)]
    for each, number in zip(left, (0, 1, 3 if quoted else 2), strict=True):
        good &= ((each | (each + _DIGITS[number])) & _HIGH) == 0
    if quoted:
        good &= view[starts + 24] == 44
    hours, minutes = _two(left[1], 3), _two(left[1], 6)
    second = _two(left[2], 1)
    good &= (hours < 24) & (minutes < 60) & (second < 60)
    real, days = _days(left[0], left[1])
    good &= real
    return days * 86400 + hours * 3600 + minutes * 60 + second, good


def _left(words: NDArray[np.uint64], number: int) -> NDArray[np.uint64]:
    return (words ^ _SHAPES[number]) & _KEPT[number]


def _two(digits: NDArray[np.uint64], place: int) -> Int:
    """The number that the two digits from this byte on make."""
    tens = (digits >> np.uint64(8 * place)) & np.uint64(255)
    ones = (digits >> np.uint64(8 * place + 8)) & np.uint64(255)
    return (tens * np.uint64(10) + ones).astype(np.int64)


def _days(date: NDArray[np.uint64], rest: NDArray[np.uint64]) -> tuple[Bool, Int]:
    """(whether such a day exists, days since 1970) of `0000-00-` and the first two bytes of `00 `."""
    rest = rest & np.uint64(0xFFFF)
    if len(date) > 1 and (date == date[0]).all() and (rest == rest[0]).all():  # one day, as nearly always
        date, rest = date[:1], rest[:1]
    year, month, day = _two(date, 0) * 100 + _two(date, 2), _two(date, 5), _two(rest, 0)
    good = (month >= 1) & (month <= 12) & (year >= 1)
    month = np.where(good, month, 1)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    good &= (day >= 1) & (day <= _DAYS_IN[month] - ((month == 2) & ~leap))
    before = year - 1
    passed = before * 365 + before // 4 - before // 100 + before // 400
    return good, passed + _DAYS_BEFORE[month] + (leap & (month > 2)) + day - 1 - 719162
