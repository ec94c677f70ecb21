"""A block of a CSV file as columns, all rows at once. The exact reader (`tables.exact_rows`) is what it must agree with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from afterpatch.census.columns import values
from afterpatch.census.columns.cells import Bytes, Cells, Flags, cut
from afterpatch.census.columns.encode import PADDING, Ints, coded, hashes
from afterpatch.census.columns.pieces import MEANINGS, NOT_STORED, Column, Hosts

_STRIDE = 1 << 20  # bytes cut at once: what the processor's cache holds
_PLAIN = np.zeros(256, bool)
_PLAIN[[*range(48, 58), *range(65, 91), *range(97, 123), ord("."), ord("-"), ord("_")]] = True
_DOT = ord(".")


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
class _Ranges:
    """Where the cells of each meaning lie in `data`."""

    data: Bytes
    starts: dict[str, Ints]
    lengths: dict[str, Ints]

    def keep(self, rows: Flags) -> None:
        for name in self.starts:
            self.starts[name], self.lengths[name] = self.starts[name][rows], self.lengths[name][rows]


def quick(block: bytes, delimiter: str, width: int, places: Mapping[str, int], key: tuple[int, int]) -> Quick | None:
    """Reads a block that ends with a line end. None where a quote is open at the end of a line."""
    data = np.frombuffer(block + b"\0" * PADDING, np.uint8)
    found = _cut(data, block, ord(delimiter), width, tuple(sorted(set(places.values()))))
    if found is None:
        return None
    ranges = _Ranges(data, {}, {})
    for meaning, column in places.items():
        ranges.starts[meaning] = found.starts[column]
        longest = values.DAY_CELL if meaning == "day" else values.LONGEST_CELL
        ranges.lengths[meaning] = np.minimum(found.ends[column] - found.starts[column], longest)
    good, hosts = _hosts(ranges, found.rows)
    versions = _column(ranges, "version", key, strict=True)
    good &= versions.good
    other = _other_products(ranges, versions, key) & good
    if other.any() or not good.all():
        bad, good = int(np.count_nonzero(~good)), good & ~other
        ranges.keep(good)
        good, hosts = _hosts(ranges, int(np.count_nonzero(good)))
        versions = _column(ranges, "version", key, strict=True)
        found.bad += bad
    read = {
        "version": versions,
        **{name: _column(ranges, name, key) for name in MEANINGS if name in places and name != "version"},
    }
    strange = np.zeros(len(good), bool)
    for one in read.values():
        strange |= ~one.good
    return Quick(
        hosts, {name: one.column for name, one in read.items()}, len(good),
        found.bad, int(np.count_nonzero(strange)), int(np.count_nonzero(other)), [block[start:end] for start, end in found.odd],
    )  # fmt: skip


def _other_products(ranges: _Ranges, versions: _Read, key: tuple[int, int]) -> Flags:
    """Rows that name another product, and whose version is no build of Exchange."""
    products = _column(ranges, "product", key)
    named = np.array([bool(value) for value in products.column.values], bool)[products.column.codes]
    build = np.array([values.is_build(str(value)) for value in versions.column.values], bool)[versions.column.codes]
    found: Flags = named & ~build
    return found


def _cut(data: Bytes, block: bytes, delimiter: int, width: int, wanted: tuple[int, ...]) -> Cells | None:
    parts: list[Cells] = []
    start = 0
    while start < len(block):
        end = block.rfind(b"\n", start, start + _STRIDE) + 1 or block.index(b"\n", start) + 1
        part = cut(data[start:], end - start, delimiter, width, wanted)
        if part is None:
            return None
        for column in wanted:
            part.starts[column] += start
            part.ends[column] += start
        part.odd = [(first + start, last + start) for first, last in part.odd]
        parts.append(part)
        start = end
    return Cells(
        {column: np.concatenate([part.starts[column] for part in parts]) for column in wanted},
        {column: np.concatenate([part.ends[column] for part in parts]) for column in wanted},
        sum(part.rows for part in parts), sum(part.bad for part in parts), [line for part in parts for line in part.odd],
    )  # fmt: skip


def _hosts(ranges: _Ranges, rows: int) -> tuple[Flags, Hosts]:
    """The hosts, and which rows have one that can be read. What is more than letters, digits, dots and hyphens is looked
    at one by one; an empty address gives way to the name, an empty name stays empty."""
    good = np.ones(rows, bool)
    if "host" not in ranges.starts:
        none = np.zeros(rows, np.int64)
        return good, Hosts.cut(ranges.data, none, none)
    starts, lengths = ranges.starts["host"], ranges.lengths["host"]
    if "name" in ranges.starts:
        empty = lengths == 0
        starts, lengths = np.where(empty, ranges.starts["name"], starts), np.where(empty, ranges.lengths["name"], lengths)
    found = Hosts.cut(ranges.data, starts, lengths)
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
    plain = _PLAIN[hosts.data[:size]]
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
    column: Column
    good: Flags


def _column(ranges: _Ranges, name: str, key: tuple[int, int], *, strict: bool = False) -> _Read:
    """A column by its distinct texts. `good`: rows whose text is UTF-8; others are taken for Windows-1252 (`strict`:
    they are not wanted)."""
    rows = len(next(iter(ranges.starts.values()))) if ranges.starts else 0
    if name not in ranges.starts:
        return _Read(Column(np.zeros(rows, np.int32), [""]), np.ones(rows, bool))
    starts, lengths = ranges.starts[name], ranges.lengths[name]
    found = coded(hashes(ranges.data, starts, lengths, key))
    known: dict[str | int, int] = {}
    renumbered, good = [], []
    for start, length in zip(starts[found.firsts].tolist(), lengths[found.firsts].tolist(), strict=True):
        value, fine = _meaning(name, ranges.data[start : start + length].tobytes())
        good.append(fine)
        renumbered.append(known.setdefault("" if strict and not fine else value, len(known)))
    codes: npt.NDArray[np.int32] = np.array(renumbered, np.int32)[found.codes] if rows else found.codes
    usable = np.array(good, bool)[found.codes] if rows and not all(good) else np.ones(rows, bool)
    return _Read(Column(codes, list(known)), usable)
