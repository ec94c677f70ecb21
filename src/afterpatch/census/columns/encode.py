"""Byte ranges of a block as numbers: words, keyed hashes, and positions in a list of distinct values."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
PADDING = 16  # bytes that must follow the last cell
_SLOTS = 17  # bits
_MASKS = np.array([(1 << (8 * size)) - 1 for size in range(9)], dtype=np.uint64)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def new_key() -> tuple[int, int]:
    """The key of a run's hashes: what an attacker writes cannot be made to collide. Results do not depend on it."""
    return secrets.randbits(64) | 1, secrets.randbits(64) | 1


def hashes(data: npt.NDArray[np.uint8], starts: Ints, lengths: Ints, key: tuple[int, int]) -> Words:
    """A hash of every range. `data` goes on for PADDING bytes behind the last one."""
    view = np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))
    first, second = np.uint64(key[0]), np.uint64(key[1])
    found = (lengths.astype(np.uint64) + first) * second
    found = _mixed(found, view[starts] & _MASKS[np.minimum(lengths, 8)], second)
    place, word = np.flatnonzero(lengths > 8), 1
    while len(place):
        at, left = starts[place] + 8 * word, lengths[place] - 8 * word
        found[place] = _mixed(found[place], view[at] & _MASKS[np.minimum(left, 8)], second)
        word += 1
        place = place[lengths[place] > 8 * word]
    return found


def _mixed(state: Words, words: Words, odd: np.uint64) -> Words:
    state = (state ^ words) * odd
    state ^= state >> np.uint64(29)
    state *= _GOLDEN
    state ^= state >> np.uint64(32)
    return state


@dataclass(frozen=True, slots=True)
class Coded:
    """Rows as positions in a list: `codes` of all rows, and for each position a row that has the value (`firsts`)."""

    codes: npt.NDArray[np.int32]
    firsts: Ints


def coded(keys: Words) -> Coded:
    """Sorts keys into few values, quick where they are few, right where they are many."""
    slots = ((keys * _GOLDEN) >> np.uint64(64 - _SLOTS)).astype(np.int32)
    table = np.full(1 << _SLOTS, -1, np.int32)
    table[slots] = np.arange(len(keys), dtype=np.int32)
    used = np.flatnonzero(table >= 0)
    firsts = table[used].astype(np.int64)
    numbers = np.empty(1 << _SLOTS, np.int32)
    numbers[used] = np.arange(len(used), dtype=np.int32)
    codes = numbers[slots]
    others = np.flatnonzero(keys[firsts[codes]] != keys)
    if len(others):
        _values, first, inverse = np.unique(keys[others], return_index=True, return_inverse=True)
        codes[others] = len(firsts) + inverse
        firsts = np.concatenate([firsts, others[first]])
    return Coded(codes, firsts)


def gathered(data: npt.NDArray[np.uint8], starts: Ints, lengths: Ints, gap: int = 0) -> tuple[npt.NDArray[np.uint8], Ints]:
    """The bytes of all ranges one after the other, `gap` free bytes before each and PADDING at the end; and where each
    begins."""
    steps = lengths + gap
    begins = np.cumsum(steps) - lengths
    total = int(begins[-1] + lengths[-1]) if len(begins) else 0
    out = np.zeros(total + PADDING, np.uint8)
    if gap == 0:
        out[:total] = data[np.repeat(starts - begins, lengths) + np.arange(total)]
        return out, begins
    at = np.arange(total, dtype=np.int64)
    at += np.repeat(starts - begins, steps)
    np.clip(at, 0, len(data) - 1, out=at)
    out[:total] = data[at]
    return out, begins
