"""How often pairs of numbers occur."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from afterpatch.census.columns.encode import Ints

_DENSE = 1 << 21  # pairs up to which each has a place of its own
_AT_ONCE = 1 << 20  # pairs counted at once


@dataclass(slots=True)
class Pairs:
    """How often each pair of numbers occurs: `left` and `right` sorted, with `counts`."""

    left: Ints
    right: Ints
    counts: Ints

    @classmethod
    def none(cls) -> Pairs:
        """No pair."""
        return cls(*(np.empty(0, np.int64) for _column in range(3)))

    def by_left(self, size: int, weights: npt.NDArray[np.bool_] | None = None) -> Ints:
        """The sum for each number on the left. `weights`: what a pair counts by its right number (default: once)."""
        counts = self.counts if weights is None else self.counts * weights[self.right]
        return np.bincount(self.left, counts, size).astype(np.int64)

    def table(self, first: int, last: int, width: int) -> Ints:
        """Left x right, for the numbers from `first` to before `last` on the left."""
        begin, end = np.searchsorted(self.left, [first, last])
        found = np.zeros((last - first, width), np.int64)
        found[self.left[begin:end] - first, self.right[begin:end]] = self.counts[begin:end]
        return found


class PairCounter:
    """Counts pairs of numbers: in a table where it is small, else by sorting, so that memory grows with the distinct pairs."""

    def __init__(self, left: int, right: int) -> None:
        self.right = right
        self.dense = np.zeros(left * right, np.int64) if left * right <= _DENSE else None
        self.waiting: list[Ints] = []
        self.size = 0
        self.sorted: list[tuple[Ints, Ints]] = []

    def add(self, left: Ints, right: Ints) -> None:
        """Takes some pairs."""
        pairs = left * self.right
        pairs += right
        self.waiting.append(pairs)
        self.size += len(pairs)
        if self.size >= _AT_ONCE:
            self._count()

    def _count(self) -> None:
        waiting = np.concatenate(self.waiting)
        self.waiting, self.size = [], 0
        if self.dense is not None:
            self.dense += np.bincount(waiting, minlength=len(self.dense))
            return
        waiting.sort()
        starts = np.flatnonzero(np.diff(waiting, prepend=-1))
        self.sorted.append((waiting[starts], np.diff(starts, append=len(waiting))))
        while len(self.sorted) > 1 and len(self.sorted[-1][0]) * 2 > len(self.sorted[-2][0]):
            self._join()

    def _join(self) -> None:
        """Puts the last two lists together: only such as are about as long, so that few pairs are sorted again often."""
        (first, counts), (second, more) = self.sorted.pop(-2), self.sorted.pop()
        known, numbers = np.concatenate([first, second]), np.concatenate([counts, more])
        order = np.argsort(known, kind="stable")
        known, numbers = known[order], numbers[order]
        starts = np.flatnonzero(np.diff(known, prepend=-1))
        self.sorted.append((known[starts], np.add.reduceat(numbers, starts)))

    def pairs(self) -> Pairs:
        """All that were counted."""
        if self.waiting:
            self._count()
        if self.dense is not None:
            places = np.flatnonzero(self.dense)
            return Pairs(places // self.right, places % self.right, self.dense[places])
        while len(self.sorted) > 1:
            self._join()
        if not self.sorted:
            return Pairs.none()
        pairs, counts = self.sorted[0]
        return Pairs(pairs // self.right, pairs % self.right, counts)
