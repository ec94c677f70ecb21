"""A column over all pieces: every distinct value has one number, in the order in which values first appear.

Values are told apart by keyed hashes, so that memory grows by some bytes with each distinct value and not with its text;
texts are read from their pieces when they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from afterpatch.census.columns.encode import Ints, Words, coded, hashes
from afterpatch.census.columns.pieces import Hosts, Piece

_FEW = 1 << 17  # values whose order by text is looked at


@dataclass(slots=True)
class Coding:
    """`maps[name][piece]`: position in the piece's list of values -> number. The first place of each value is entry
    `entries` of column `columns` (a position in `names`) of piece `places`. `empty`: the number of the empty value ("" or
    0), which always has one. `added`: values of no piece, with the numbers after those."""

    names: tuple[str, ...]
    pieces: Sequence[Piece]
    maps: dict[str, list[Ints]]
    places: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int8]
    entries: npt.NDArray[np.int32]
    empty: int = 0
    added: list[str | int] = field(default_factory=list)

    @classmethod
    def of(cls, pieces: Sequence[Piece], names: tuple[str, ...], key: tuple[int, int]) -> Coding:
        """The values of one column, or of several that mean the same."""
        lists = [_keys(piece.entries(name), key) for piece in pieces for name in names]
        sizes = np.array([len(one) for one in lists], np.int64)
        distinct, first, inverse = np.unique(np.concatenate(lists), return_index=True, return_inverse=True)
        order = np.argsort(first)
        numbers = np.empty(len(order), np.int64)
        numbers[order] = np.arange(len(order))
        codes = np.split(numbers[inverse], np.cumsum(sizes)[:-1])
        first = first[order]
        slot = np.searchsorted(np.cumsum(sizes), first, side="right")
        maps = {name: codes[place :: len(names)] for place, name in enumerate(names)}
        entries = first - (np.cumsum(sizes) - sizes)[slot]
        places, columns = (slot // len(names)).astype(np.int32), (slot % len(names)).astype(np.int8)
        found = cls(names, pieces, maps, places, columns, entries.astype(np.int32))
        texts = isinstance(pieces[0].entries(names[0]), Hosts)
        nothing = _keys(Hosts.of([b""]) if texts else np.zeros(1, np.int64), key)
        place = int(np.searchsorted(distinct, nothing[0]))
        if place < len(distinct) and distinct[place] == nothing[0]:
            found.empty = int(numbers[place])
        else:
            found.empty = found.add(["" if texts else 0])
        return found

    @property
    def count(self) -> int:
        """How many distinct values there are."""
        return len(self.places) + len(self.added)

    def values(self, numbers: Ints | None = None) -> list[str | int]:
        """The values with these numbers (default: all), in their order."""
        wanted = np.arange(self.count) if numbers is None else numbers
        found: list[str | int] = [""] * len(wanted)
        known = len(self.places)
        for row in np.flatnonzero(wanted >= known).tolist():
            found[row] = self.added[int(wanted[row]) - known]
        inside = np.flatnonzero(wanted < known)
        slots = self.places[wanted[inside]].astype(np.int64) * len(self.names) + self.columns[wanted[inside]]
        order = np.argsort(slots, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(slots[order])) + 1) if len(order) else ():
            place, column = divmod(int(slots[group[0]]), len(self.names))
            listed = self.pieces[place].entries(self.names[column])
            rows = inside[group]
            entries = self.entries[wanted[rows]].astype(np.int64)
            values = listed.strings(entries) if isinstance(listed, Hosts) else listed[entries].tolist()
            for row, value in zip(rows.tolist(), values, strict=True):
                found[row] = value
        return found

    def ranks(self) -> Ints:
        """The place of each number in the order of the values; where there are very many, the empty one comes first and the
        others as they appear."""
        if self.count > _FEW:
            ranks = np.arange(1, self.count + 1)
            ranks[self.empty] = 0
            return ranks
        values = self.values()
        ranks = np.empty(self.count, np.int64)
        ranks[sorted(range(self.count), key=values.__getitem__)] = np.arange(self.count)
        return ranks

    def add(self, values: Sequence[str | int]) -> int:
        """Takes values that no piece has; the number of the first."""
        first = self.count
        self.added += values
        return first


def _keys(values: Hosts | Ints, key: tuple[int, int]) -> Words:
    return hashes(values.data, values.begins, values.lengths, key) if isinstance(values, Hosts) else values.astype(np.uint64)


def listed(numbers: Ints) -> tuple[npt.NDArray[np.int32], Ints]:
    """Numbers as positions in the list of the distinct ones, and that list."""
    found = coded(numbers.astype(np.uint64))
    return found.codes, numbers[found.firsts]
