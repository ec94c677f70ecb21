"""Byte ranges of a block as numbers: words, keyed hashes, and positions in a list of distinct values."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
PADDING = 16  # bytes that must follow the last cell
_SLOTS = 17  # bits
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_WIDE = 40  # bytes of a range up to which ranges are copied as words


def new_key() -> tuple[int, int]:
    """The key of a run's hashes: what an attacker writes cannot be made to collide. Results do not depend on it."""
    return secrets.randbits(64) | 1, secrets.randbits(64) | 1


def aligned(data: Bytes) -> Words:
    """Bytes as words of eight. A copy where they do not begin at the border of a word: NumPy is slow there."""
    if data.ctypes.data % 8 or not data.flags.c_contiguous:
        data = data.copy()
    return data[: len(data) & ~7].view("<u8")


def words_at(words: Words, starts: Ints) -> Words:
    """The eight bytes that begin at each place, which need not be the border of a word. PADDING bytes must follow."""
    place = starts >> 3
    shift = (starts & 7).view(np.uint64) << np.uint64(3)
    low: Words = words[place]
    high: Words = words[place + 1]
    low >>= shift
    high <<= np.uint64(64) - shift  # by 64: nothing is left, as it should be
    low |= high
    return low


def hashes(data: Bytes, starts: Ints, lengths: Ints, key: tuple[int, int]) -> Words:
    """A hash of every range. `data` goes on for PADDING bytes behind the last one."""
    words = aligned(data)
    first, second = np.uint64(key[0]), np.uint64(key[1])
    found = (lengths.view(np.uint64) + first) * second
    longest, shortest = (int(lengths.max()), int(lengths.min())) if len(lengths) else (0, 0)
    for begin in range(0, max(longest, 1), 8):
        if not begin or begin < shortest:
            found = _mixed(found, _part(words, starts, lengths, begin), second)
        else:
            rows = np.flatnonzero(lengths > begin)
            found[rows] = _mixed(found[rows], _part(words, starts[rows], lengths[rows], begin), second)
    return found


def _part(words: Words, starts: Ints, lengths: Ints, begin: int) -> Words:
    """Up to eight bytes of each range, from its byte `begin` on, at the upper end of a word."""
    found = words_at(words, starts + begin if begin else starts)
    found <<= ((8 - np.minimum(lengths - begin, 8)) << 3).view(np.uint64)
    return found


def _mixed(state: Words, words: Words, odd: np.uint64) -> Words:
    words ^= state
    words *= odd
    words ^= words >> np.uint64(29)
    words *= _GOLDEN
    words ^= words >> np.uint64(32)
    return words


@dataclass(frozen=True, slots=True)
class Coded:
    """Rows as positions in a list: `codes` of all rows, and for each position a row that has the value (`firsts`)."""

    codes: npt.NDArray[np.int32]
    firsts: Ints


def coded(keys: Words) -> Coded:
    """Sorts keys into few values, quick where they are few, right where they are many. Values stand in the order in which
    they first come, so that nothing hangs on the key of the hashes."""
    slots = ((keys * _GOLDEN) >> np.uint64(64 - _SLOTS)).view(np.int64)
    table = np.full(1 << _SLOTS, -1, np.int32)
    table[slots[::-1]] = np.arange(len(keys) - 1, -1, -1, dtype=np.int32)  # the last one written stays: the first row
    used = np.flatnonzero(table >= 0)
    used = used[np.argsort(table[used])]
    firsts = table[used].astype(np.int64)
    table[used] = np.arange(len(used), dtype=np.int32)
    codes = table[slots]
    others = np.flatnonzero(keys[firsts][codes] != keys)
    if len(others):
        _values, first, inverse = np.unique(keys[others], return_index=True, return_inverse=True)
        codes[others] = len(firsts) + inverse
        firsts = np.concatenate([firsts, others[first]])
        order = np.argsort(firsts)
        places = np.empty(len(order), np.int32)
        places[order] = np.arange(len(order), dtype=np.int32)
        codes, firsts = places[codes], firsts[order]
    return Coded(codes, firsts)


def gathered(data: Bytes, starts: Ints, lengths: Ints, gap: int = 0) -> tuple[Bytes, Ints]:
    """The bytes of all ranges one after the other, `gap` free bytes before each and PADDING at the end; and where each
    begins. `data` goes on for PADDING bytes behind the last one."""
    steps = lengths + gap
    begins = np.cumsum(steps) - lengths
    total = int(begins[-1] + lengths[-1]) if len(begins) else 0
    out = np.zeros(total + PADDING, np.uint8)
    longest = int(lengths.max()) if len(begins) else 0
    if longest <= _WIDE:
        out[:total] = _as_words(data, starts, lengths, gap, -(-longest // 8))
        return out, begins
    at = np.arange(total, dtype=np.int64)
    at += np.repeat(starts - begins, steps)
    np.clip(at, 0, len(data) - 1, out=at)
    out[:total] = data[at]
    return out, begins


def _as_words(data: Bytes, starts: Ints, lengths: Ints, gap: int, width: int) -> Bytes:
    """Short ranges: as many words as the longest has of each, and then only the bytes that are wanted."""
    words = aligned(data)
    last = 8 * len(words) - 9  # the last place that a word can be read at
    table = np.zeros((len(starts), gap + 8 * width), np.uint8)
    for word in range(width):
        at = np.minimum(starts + 8 * word, last)
        table[:, gap + 8 * word : gap + 8 * word + 8] = words_at(words, at).view(np.uint8).reshape(-1, 8)
    return table[np.arange(gap + 8 * width) < (lengths + gap)[:, None]]
