"""One row a host: the newest reading counts, and of several of one day the least patched.

Hosts that are there once (most) stay as they are. The others are found by sorting the hashes of all hosts; their readings
are put together into new pieces, and the rows they came from count no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from afterpatch.census.classes import LEAST
from afterpatch.census.columns.coding import Coding, listed
from afterpatch.census.columns.encode import Ints, Words
from afterpatch.census.columns.pieces import Column, Hosts, write
from afterpatch.census.run import COLUMNS, Flags, Run
from afterpatch.model import Notice

_AT_ONCE = 1 << 23  # hashes sorted at once: 64 MiB
_READINGS = 1 << 20  # readings put together at once
_ROWS = 1 << 17  # rows of a new piece
_BUCKETS = 22  # bits of a hash that tell quickly which hosts are there once
_SHIFT = np.uint64(64 - _BUCKETS)
_NEVER = np.iinfo(np.int64).max
_TEXTS = ("country", "sector", "owner", "asn", "place", "net")


@dataclass(slots=True)
class _Readings:
    """Readings of hosts that are there several times, ordered by host and then as they come. `starts`: the first reading of
    each host; `columns`: numbers of their values; `where`: (piece, row)."""

    hids: Words
    starts: Ints
    columns: dict[str, Ints]
    where: tuple[Ints, Ints]

    def group(self) -> Ints:
        """The host of each reading."""
        return np.repeat(np.arange(len(self.starts)), np.diff(self.starts, append=len(self.hids)))

    def most(self, values: Ints) -> Ints:
        """The highest value of each host."""
        found: Ints = np.maximum.reduceat(values, self.starts)
        return found

    def first(self, wanted: Flags) -> Ints:
        """The first wanted reading of each host, -1 where there is none."""
        places = np.where(wanted, np.arange(len(wanted)), _NEVER)
        found = np.minimum.reduceat(places, self.starts)
        return np.where(found == _NEVER, -1, found)


def merge_hosts(run: Run, folder: Path) -> list[Notice]:
    """Leaves one row for each host. Notice: hosts that show several builds on one day."""
    several = 0
    pieces = len(run.pieces)
    parts = -(-sum(piece.rows for piece in run.pieces) // _AT_ONCE) or 1
    for part in range(parts):
        hids = [_of_part(piece.hids(), part, parts) for piece in run.pieces[:pieces]]
        repeated, count = repeated_hosts(hids)
        smaller = -(-count // _READINGS)
        for number in range(smaller):
            buckets = np.zeros(1 << _BUCKETS, bool)
            begin, end = ((number + more) * len(buckets) // smaller for more in (0, 1))
            chosen = (repeated >> _SHIFT).view(np.int64)
            buckets[chosen[(chosen >= begin) & (chosen < end)]] = True
            readings = _readings(run, hids, buckets)
            if readings is not None:
                several += _merge(run, folder / f"merged-{part}-{number}", readings)
    return [Notice("", "", "notice.census-several-builds", several)] if several else []


def _of_part(hids: Words, part: int, parts: int) -> Words:
    """The hashes of a part, 0 for those of others."""
    if parts == 1:
        return hids
    chosen: Words = np.where((hids >> np.uint64(1)) % np.uint64(parts) == np.uint64(part), hids, np.uint64(0))
    return chosen


def repeated_hosts(hids: Sequence[Words]) -> tuple[Words, int]:
    """The hashes that more than one row has, sorted, and how many rows that are; 0 is none."""
    ordered = np.concatenate(hids)
    middle = len(ordered) // 2
    with ThreadPoolExecutor(2) as pool:  # NumPy sorts without holding Python's lock
        list(pool.map(np.ndarray.sort, (ordered[:middle], ordered[middle:])))
    ordered.sort(kind="stable")  # puts two sorted halves together
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    again = again[np.searchsorted(again, np.uint64(1)) :]
    hosts: Words = again[np.flatnonzero(np.diff(again, prepend=np.uint64(0)))]
    return hosts, len(again) + len(hosts)


def _readings(run: Run, hids: Sequence[Words], buckets: Flags) -> _Readings | None:
    """The readings of hosts that are there several times and whose hash is in one of the buckets; the rows they are in
    count no more."""
    rows = [np.flatnonzero(buckets[hashes >> _SHIFT]) for hashes in hids]
    joined = np.concatenate([hashes[chosen] for hashes, chosen in zip(hids, rows, strict=True)])
    if not len(joined):
        return None
    places = np.repeat(np.arange(len(rows)), [len(chosen) for chosen in rows])
    several, order = _several(joined)
    joined, places, at = joined[several], places[several], np.concatenate(rows)[several]
    if not len(joined):
        return None
    found = [(int(place), at[places == place]) for place in np.unique(places)]
    for place, chosen in found:
        alive = run.alive[place]
        alive = np.ones(len(hids[place]), bool) if alive is None else alive
        alive[chosen] = False
        run.alive[place] = alive
    joined = joined[order]
    columns = {name: values[order] for name, values in _columns(run, found).items()}
    return _Readings(joined, np.flatnonzero(np.diff(joined, prepend=np.uint64(0))), columns, (places[order], at[order]))


def _several(hashes: Words) -> tuple[Flags, Ints]:
    """Which of the hashes are there more than once (0 never is), and the order that sorts these."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    same = np.concatenate(([False], (ordered[1:] == ordered[:-1]) & (ordered[1:] != 0), [False]))
    order = order[same[1:] | same[:-1]]
    found = np.zeros(len(hashes), bool)
    found[order] = True
    return found, (np.cumsum(found) - 1)[order]


def _columns(run: Run, found: Sequence[tuple[int, Ints]]) -> dict[str, Ints]:
    parts: dict[str, list[Ints]] = {}
    for place, chosen in found:
        rows = run.of(place, chosen)
        numbers = {"key": rows.keys(), "day": rows.days()}
        for name in ("coarse", "shell"):
            flags = rows.flags(name)
            numbers[name] = np.zeros(len(rows), np.int64) if flags is None else flags.astype(np.int64)
        for column, names in COLUMNS.items():
            numbers |= {name: rows.looked_up(name, run.coding(column).maps[name][place].astype(np.int32)) for name in names}
        for name, values in numbers.items():
            parts.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def _merge(run: Run, folder: Path, readings: _Readings) -> int:
    """Writes one row for each host; how many hosts show several builds on one day."""
    columns, group = readings.columns, readings.group()
    built = columns["key"] >= 0
    newest = readings.most(np.where(built, columns["day"], -1))
    counts = built & (columns["day"] == newest[group])
    ranks = np.where(counts, columns["key"] + columns["coarse"] * LEAST, _NEVER)
    least = np.minimum.reduceat(ranks, readings.starts)
    chosen = readings.first(counts & (ranks == least[group]))
    instead = readings.first(columns["version"] != run.coding("version").empty)
    chosen = np.where(chosen >= 0, chosen, np.where(instead >= 0, instead, readings.starts))
    merged = {"version": columns["version"][chosen], "day": readings.most(columns["day"])}
    for name, coding in ((name, run.coding(column)) for column, names in COLUMNS.items() for name in names if name in _TEXTS):
        order = coding.ranks()
        values = np.zeros(int(order.max()) + 1, np.int64)
        values[order] = np.arange(len(order))
        merged[name] = values[readings.most(order[columns[name]])]
    merged["tag"] = _tags(run.coding("tag"), columns["tag"], readings, run.key[0])
    flags = {"coarse": columns["coarse"][chosen] & (newest >= 0), "shell": readings.most(columns["shell"])}
    _write(run, folder, readings, merged, flags)
    exact = counts & (columns["coarse"] == 0) & (columns["key"] < LEAST)
    low = np.minimum.reduceat(np.where(exact, columns["key"], _NEVER), readings.starts)
    return int(np.count_nonzero(readings.most(np.where(exact, columns["key"], -1)) > low))


def _tags(coding: Coding, numbers: Ints, readings: _Readings, seed: int) -> Ints:
    """The tags of all readings of a host, each once, in their order. Hosts with the same tags are told by a sum of random
    numbers, one for each tag."""
    found = np.full(len(readings.starts), coding.empty, np.int64)
    given = numbers != coding.empty
    pairs = np.unique(readings.group()[given] * coding.count + numbers[given])
    hosts, tags = np.divmod(pairs, coding.count)
    starts = np.flatnonzero(np.diff(hosts, prepend=-1))
    if not len(starts):
        return found
    several = np.diff(starts, append=len(hosts)) > 1
    found[hosts[starts]] = tags[starts]
    random = np.random.default_rng(seed).integers(1 << 63, size=coding.count, dtype=np.uint64)
    sums = np.add.reduceat(random[tags], starts)[several]
    _distinct, first, inverse = np.unique(sums, return_index=True, return_inverse=True)
    begins, ends = starts[several][first], np.append(starts[1:], len(hosts))[several][first]
    texts = [
        ";".join(sorted(str(text) for text in coding.values(tags[begin:end]))) for begin, end in zip(begins, ends, strict=True)
    ]
    found[hosts[starts[several]]] = coding.add(texts) + inverse
    return found


def _write(run: Run, folder: Path, readings: _Readings, merged: dict[str, Ints], flags: dict[str, Ints]) -> None:
    """The hosts as new pieces, in the order in which they first come."""
    places, rows = readings.where[0][readings.starts], readings.where[1][readings.starts]
    order = np.lexsort((rows, places))
    for number, begin in enumerate(range(0, len(order), _ROWS)):
        some = order[begin : begin + _ROWS]
        names = Hosts.joined(
            [run.pieces[place].hosts().kept(rows[some][places[some] == place]) for place in np.unique(places[some])]
        )
        columns, maps = {"day": _column(merged["day"][some])}, {}
        for column, known in COLUMNS.items():
            for name in known:
                codes, numbers = listed(merged[name][some])
                columns[name], maps[name] = Column(codes, run.coding(column).values(numbers)), numbers
        given = {name: values[some].astype(bool) for name, values in flags.items()}
        written = {name: values if values.any() else None for name, values in given.items()}
        piece = write(
            folder.with_name(f"{folder.name}-{number}.parquet"), names, readings.hids[readings.starts][some], columns, written
        )
        run.append(piece, maps)


def _column(values: Ints) -> Column:
    codes, distinct = listed(values)
    return Column(codes, distinct.tolist())
