"""A block of a CSV file as columns, all rows at once. The exact reader (`tables.exact_rows`) is what it must agree with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from afterpatch.census.columns import values
from afterpatch.census.columns.cells import NEWLINE, Cells, Flags, Shape, cut
from afterpatch.census.columns.encode import Bytes, Ints, Words, coded, hashes
from afterpatch.census.columns.pieces import MEANINGS, NOT_STORED, Column, Hosts

_STRIDE = 1 << 20  # bytes looked at at once: what the processor's cache holds
_WINDOW = 1 << 12
_MANY, _LONGEST_PLAIN = 2000, 120
_AS_GIVEN = ("sector", "owner", "tag")  # a text without anything special in it means itself
_DOT, _DASH, _UNDERSCORE, _SPACE = ord("."), ord("-"), ord("_"), ord(" ")


@dataclass(slots=True)
class Quick:
    """A block: hosts and columns of `rows` rows; how many rows were `bad`, have text that is no UTF-8 (`strange`), or were
    `left` out as another product's; and the lines that the exact reader must read (`odd`)."""

    hosts: Hosts
    columns: dict[str, Column]
    rows: int
    bad: int
    strange: int
    left: int
    odd: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _Texts:
    """The texts of a column: a hash of each, and where they lie in the block."""

    keys: Words
    starts: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int16]

    def kept(self, rows: Flags) -> _Texts:
        return _Texts(self.keys[rows], self.starts[rows], self.lengths[rows])

    @classmethod
    def joined(cls, parts: Sequence[_Texts]) -> _Texts:
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("keys", "starts", "lengths")))


@dataclass(slots=True)
class _Part:
    """Some rows of a block: hosts, which of them can be read (`good`), and the columns."""

    rows: int
    hosts: Hosts
    good: Flags
    texts: dict[str, _Texts]

    def kept(self, rows: Flags) -> _Part:
        return _Part(
            int(np.count_nonzero(rows)), self.hosts.kept(rows), self.good[rows],
            {name: texts.kept(rows) for name, texts in self.texts.items()},
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[_Part]) -> _Part:
        return cls(
            sum(part.rows for part in parts), Hosts.joined([part.hosts for part in parts]),
            np.concatenate([part.good for part in parts]),
            {name: _Texts.joined([part.texts[name] for part in parts]) for name in parts[0].texts},
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """A table: its delimiter, the number of its columns, and the column of each meaning."""

    delimiter: str
    width: int
    places: Mapping[str, int]


def quick(data: Bytes, size: int, layout: Layout, key: tuple[int, int]) -> Quick | None:
    """Reads `data[:size]`, which ends with a line end and has PADDING bytes behind it. None where a quote is open at the
    end of a line."""
    shape = Shape(ord(layout.delimiter), layout.width, tuple(sorted(set(layout.places.values()))))
    parts, bad, odd, start = [], 0, [], 0
    while start < size:
        end = _line_end(data, start, size)
        cells = cut(data, start, end, shape)
        if cells is None:
            return None
        parts.append(_part(data, cells, layout.places, key))
        bad += cells.bad
        odd += [data[first:last].tobytes() for first, last in cells.odd]
        start = end
    return _read(data, _Part.joined(parts), bad, odd)


def _line_end(data: Bytes, start: int, size: int) -> int:
    """Behind the last line that ends before the stride does, else behind the first line."""
    if start + _STRIDE >= size:
        return size
    end = start + _STRIDE
    while end > start:
        begin = max(start, end - _WINDOW)
        found = data[begin:end].tobytes().rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return start + _STRIDE + int(np.argmax(data[start + _STRIDE : size] == NEWLINE)) + 1


def _part(data: Bytes, cells: Cells, places: Mapping[str, int], key: tuple[int, int]) -> _Part:
    texts: dict[str, _Texts] = {}
    cells_of: dict[str, tuple[Ints, Ints]] = {}
    for name, column in places.items():
        starts = cells.starts[column]
        lengths = np.minimum(cells.ends[column] - starts, values.DAY_CELL if name == "day" else values.LONGEST_CELL)
        if name not in ("host", "name"):
            texts[name] = _Texts(hashes(data, starts, lengths, key), starts.astype(np.int32), lengths.astype(np.int16))
        else:
            cells_of[name] = (starts, lengths)
    good, hosts = _hosts(data, cells.rows, cells_of.get("host"), cells_of.get("name"))
    return _Part(cells.rows, hosts, good, texts)


def _read(data: Bytes, part: _Part, bad: int, odd: list[bytes]) -> Quick:
    """The rows of a block that can be used, column by column."""
    versions = _column(data, part, "version", strict=True)
    good = part.good & versions.good
    other = _other_products(data, part, versions) & good
    if other.any() or not good.all():
        bad += int(np.count_nonzero(~good))
        part = part.kept(good & ~other)
        versions = _column(data, part, "version", strict=True)
    read = {name: _column(data, part, name) for name in MEANINGS if name in part.texts and name != "version"}
    strange = np.zeros(part.rows, bool)
    for one in read.values():
        if one.strange:
            strange |= ~one.good
    columns = {"version": versions.column, **{name: one.column for name, one in read.items()}}
    left = int(np.count_nonzero(other))
    return Quick(part.hosts, columns, part.rows, bad, int(np.count_nonzero(strange)), left, odd)


def _other_products(data: Bytes, part: _Part, versions: _Read) -> Flags:
    """Rows that name another product, and whose version is no build of Exchange."""
    products = _column(data, part, "product").column
    if not any(products.values):
        return np.zeros(part.rows, bool)
    named = np.array([bool(value) for value in products.values], bool)[products.codes]
    build = np.array([values.is_build(str(value)) for value in versions.column.values], bool)[versions.column.codes]
    found: Flags = named & ~build
    return found


def _hosts(data: Bytes, rows: int, host: tuple[Ints, Ints] | None, name: tuple[Ints, Ints] | None) -> tuple[Flags, Hosts]:
    """The hosts, and which rows have one that can be read. What is more than letters, digits, dots and hyphens is looked
    at one by one; an empty address gives way to the name, an empty name stays empty."""
    good = np.ones(rows, bool)
    if host is None:
        return good, Hosts.cut(data, np.zeros(rows, np.int64), np.zeros(rows, np.int64))
    starts, lengths = host
    if name is not None and not lengths.all():
        empty = lengths == 0
        starts, lengths = np.where(empty, name[0], starts), np.where(empty, name[1], lengths)
    found = Hosts.cut(data, starts, lengths)
    special = _special(found)
    if not len(special):
        return good, found
    names: list[bytes] = []
    for row in special.tolist():
        text = values.decoded(found.data[found.begins[row] : found.begins[row] + found.lengths[row]].tobytes())
        good[row] = text is not None
        names.append(values.host(text or "").encode())
    return good, found.named(special, names)


def _special(hosts: Hosts) -> Ints:
    """Rows whose host has other characters than those of a plain name or address, or ends with a dot."""
    size = int(hosts.begins[-1] + hosts.lengths[-1]) if len(hosts.begins) else 0
    data = hosts.data[:size]
    plain = (data - np.uint8(48)) < 10
    plain |= ((data | np.uint8(32)) - np.uint8(97)) < 26
    for byte in (_DOT, _DASH, _UNDERSCORE):
        plain |= data == byte
    heads = hosts.begins - 4
    for byte in range(4):
        plain[heads + byte] = True
    places = np.flatnonzero(~plain)
    rows = np.searchsorted(hosts.begins, places, side="right") - 1
    ends = np.flatnonzero((hosts.lengths > 0) & (hosts.data[hosts.begins + hosts.lengths - 1] == _DOT))
    return np.unique(np.concatenate([rows, ends]))


@lru_cache(1 << 15)
def _meaning(name: str, raw: bytes) -> tuple[str | int, bool]:
    """What a text means, and whether it is UTF-8."""
    text = values.decoded(raw)
    meaning = MEANINGS.get(name) or NOT_STORED[name]
    return meaning(text if text is not None else raw.decode("cp1252", "replace")), text is not None


@dataclass(frozen=True, slots=True)
class _Read:
    """A column, which rows of it can be used, and whether there are others (`strange`)."""

    column: Column
    good: Flags
    strange: bool = False


def _column(data: Bytes, part: _Part, name: str, *, strict: bool = False) -> _Read:
    """A column by its distinct texts. `good`: rows whose text is UTF-8; others are taken for Windows-1252 (`strict`:
    they are not wanted)."""
    texts = part.texts.get(name)
    if texts is None:
        return _Read(Column(np.zeros(part.rows, np.int32), [""]), np.ones(part.rows, bool))
    found = coded(texts.keys)
    if name in _AS_GIVEN and len(found.firsts) > _MANY:
        listed = _listed(data, texts, found.firsts)
        if listed is not None:
            return _Read(Column(found.codes, (), listed), np.ones(part.rows, bool))
    known: dict[str | int, int] = {}
    renumbered, good = [], []
    for start, length in zip(texts.starts[found.firsts].tolist(), texts.lengths[found.firsts].tolist(), strict=True):
        value, fine = _meaning(name, data[start : start + length].tobytes())
        good.append(fine)
        renumbered.append(known.setdefault("" if strict and not fine else value, len(known)))
    same = len(known) == len(renumbered)  # then the numbers stay as they are
    codes = found.codes if same else np.array(renumbered, np.int32)[found.codes]
    if all(good):
        return _Read(Column(codes, list(known)), np.ones(part.rows, bool))
    return _Read(Column(codes, list(known)), np.array(good, bool)[found.codes], strange=True)


def _listed(data: Bytes, texts: _Texts, firsts: Ints) -> Hosts | None:
    """The distinct texts of a column, where all of them are plain: ASCII on one line, short, with single spaces inside."""
    found = Hosts.cut(data, texts.starts[firsts].astype(np.int64), texts.lengths[firsts].astype(np.int64))
    size = int(found.begins[-1] + found.lengths[-1])
    signs = found.data[:size].copy()
    for byte in range(4):  # a length counts as a space: none may stand beside it
        signs[found.begins - 4 + byte] = _SPACE if byte == 3 else _DOT
    spaces = signs == _SPACE
    plain = (signs - np.uint8(_SPACE) < 127 - _SPACE).all() and not (spaces[1:] & spaces[:-1]).any()
    last = (found.begins + found.lengths - 1)[found.lengths > 0]
    return found if plain and not spaces[last].any() and int(found.lengths.max()) <= _LONGEST_PLAIN else None
