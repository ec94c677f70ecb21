"""The readings of a run as numbers: for every row of every piece the numbers of its values and of its class."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from afterpatch.census.classes import NOTHING, Sorted
from afterpatch.census.columns.coding import Coding
from afterpatch.census.columns.encode import Ints
from afterpatch.census.columns.pieces import Piece, kept

Flags = npt.NDArray[np.bool_]
# What a value of a dimension is: what the input gives, else what an offline table says.
COLUMNS = {
    "version": ("version",), "country": ("country", "place"), "asn": ("asn", "net"), "sector": ("sector",),
    "owner": ("owner",), "tag": ("tag",),
}  # fmt: skip


@dataclass(slots=True)
class Run:
    """All pieces with the numbers of their values. `alive`: rows of a piece that count, None where all do (the others are
    further readings of hosts that have been put together)."""

    pieces: list[Piece]
    key: tuple[int, int]
    alive: list[Flags | None] = field(default_factory=list)
    codings: dict[str, Coding] = field(default_factory=dict)
    sorted: Sorted = field(default_factory=Sorted)

    def __post_init__(self) -> None:
        self.alive = [None] * len(self.pieces)

    def coding(self, name: str) -> Coding:
        """The values of a column, numbered when first asked for."""
        if name not in self.codings:
            self.codings[name] = Coding.of(self.pieces, COLUMNS[name], self.key)
        return self.codings[name]

    def of(self, place: int, rows: Ints | Flags | None = None) -> Rows:
        """The rows of a piece that count, or (`rows`) some of them all."""
        return Rows(self, place, self.alive[place] if rows is None else rows)

    def compact(self) -> None:
        """Takes the rows that do not count out of the pieces."""
        for place, alive in enumerate(self.alive):
            if alive is not None:
                self.pieces[place], self.alive[place] = kept(self.pieces[place], alive), None

    def append(self, piece: Piece, maps: dict[str, Ints], alive: Flags | None = None) -> None:
        """Adds a piece. `maps`: by column, the numbers of its values in the order of its list."""
        self.pieces.append(piece)
        self.alive.append(alive)
        for coding in self.codings.values():
            for name in coding.names:
                coding.maps[name].append(maps[name])


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a piece."""

    run: Run
    place: int
    chosen: Ints | Flags | None

    @property
    def piece(self) -> Piece:
        return self.run.pieces[self.place]

    def __len__(self) -> int:
        if self.chosen is None:
            return self.piece.rows
        return int(np.count_nonzero(self.chosen)) if self.chosen.dtype == bool else len(self.chosen)

    def _some(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return values if self.chosen is None else values[self.chosen]

    def looked_up(self, name: str, table: npt.NDArray[np.generic]) -> Ints:
        """For each row what the table says of its position in the piece's list of a column's values."""
        return table[self._some(self.piece.codes(name))]  # type: ignore[no-any-return]

    def numbers(self, name: str) -> Ints:
        """The numbers of the rows' values. Where the input gives none, those of the offline table."""
        coding = self.run.coding(name)
        first, *others = COLUMNS[name]
        found = self.looked_up(first, coding.maps[first][self.place])
        for other in others:
            instead = coding.maps[other][self.place]
            if len(instead) > 1 or instead[0] != coding.empty:
                found = np.where(found == coding.empty, self.looked_up(other, instead), found)
        return found

    def flags(self, name: str) -> Flags | None:
        """A column of truth values, None where all are false."""
        found = self.piece.flags(name)
        return None if found is None else self._some(found)  # type: ignore[return-value]

    def days(self) -> Ints:
        """Days since 1970, 0 for none."""
        return self.looked_up("day", np.asarray(self.piece.entries("day"), np.int64))

    def classes(self) -> Ints:
        """The places of the rows' classes (Sorted.places)."""
        return self._by_version(self.run.sorted.places, np.int64(NOTHING))

    def keys(self) -> Ints:
        """Numbers by which builds are compared, -1 where there is no build."""
        return self._by_version(self.run.sorted.keys, np.int64(-1))

    def _by_version(self, table: npt.NDArray[np.int64], _none: np.int64) -> Ints:
        numbers = self.run.coding("version").maps["version"][self.place]
        found = self.looked_up("version", table[0][numbers])
        coarse = self.flags("coarse")
        return found if coarse is None else np.where(coarse, self.looked_up("version", table[1][numbers]), found)
