"""The counts of a census: one pass over the rows of all pieces, by the numbers of their values."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import numpy as np

from afterpatch.census.classes import FIRST_PLACE, ONLINE_PLACE, STATES, Classes, States
from afterpatch.census.columns.encode import Ints
from afterpatch.census.columns.pairs import PairCounter, Pairs
from afterpatch.census.result import DIMENSIONS, BuildCount, Counts, CveCount, GroupCount
from afterpatch.census.run import Flags, Rows, Run
from afterpatch.census.scope import Scope
from afterpatch.knowledge import builds

TOP = 50
_EPOCH = date(1970, 1, 1).toordinal()
_CVE = re.compile(r"cve-\d{4}-\d{4,7}", re.IGNORECASE)
_VALUES = 1 << 18  # values x classes looked at at once


def count(run: Run, classes: int) -> Counts:
    """Counts all hosts. `classes`: how many rows States has."""
    found = Counts(np.zeros(classes, np.int64), np.zeros(classes, np.int64))
    counters = {name: PairCounter(run.coding(name).count, classes) for name in (*DIMENSIONS, "tag")}
    found.group_shells = {name: np.zeros(run.coding(name).count, np.int64) for name in DIMENSIONS}
    for place in range(len(run.pieces)):
        _count_piece(run.of(place), found, counters)
    pairs = {name: counter.pairs() for name, counter in counters.items()}
    found.tags = pairs.pop("tag")
    for name, one in pairs.items():
        empty = (one.left == run.coding(name).empty) & (one.counts > 0)
        found.nowhere[name] = int(one.counts[empty].sum())
        scope = one.right != ONLINE_PLACE
        found.groups[name] = Pairs(one.left[scope], one.right[scope], one.counts[scope])
    return found


def _count_piece(rows: Rows, found: Counts, counters: Mapping[str, PairCounter]) -> None:
    classes, shells = rows.classes(), rows.flags("shell")
    found.hosts += np.bincount(classes, minlength=len(found.hosts))
    found.day = max(found.day, int(rows.days().max(initial=0)))
    for name, counter in counters.items():
        numbers = rows.numbers(name)
        counter.add(numbers, classes)
        if shells is not None and name in found.group_shells:
            told = shells & (classes != ONLINE_PLACE)
            found.group_shells[name] += np.bincount(numbers[told], minlength=len(found.group_shells[name]))
    if shells is not None:
        found.shells += np.bincount(classes[shells], minlength=len(found.shells))


def claims(run: Run, tags: Pairs) -> dict[str, dict[int, int]]:
    """CVE -> class -> hosts that a scan's tags call vulnerable. Tags are claims: they are shown beside, never counted."""
    found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    numbers = np.unique(tags.left)
    for first in range(0, len(numbers), _VALUES):
        some = numbers[first : first + _VALUES]
        for number, text in zip(some.tolist(), run.coding("tag").values(some), strict=True):
            named = {name.upper() for name in _CVE.findall(str(text))}
            begin, end = np.searchsorted(tags.left, [number, number + 1]) if named else (0, 0)
            for place, hosts in zip(tags.right[begin:end].tolist(), tags.counts[begin:end].tolist(), strict=True):
                for cve in named if place != ONLINE_PLACE else ():
                    found[cve][place] += hosts
    return found


def cve_counts(
    hosts: Ints, states: States, claimed: Mapping[str, Mapping[int, int]], scope: Scope
) -> tuple[CveCount, ...]:  # fmt: skip
    """Every CVE, those used in attacks first, then by open hosts. `hosts` by class."""
    cves = [known.cve for known in scope.every]
    numbers = states.counted(hosts[None, :].copy(), cves)[0]
    further = hosts.astype(np.float64) @ states.conditional
    found = []
    for known, (opened, unknown, fixed, rest), conditional in zip(scope.every, numbers.tolist(), further.tolist(), strict=True):
        told, of = claimed.get(known.cve, {}), states.of(known.cve)
        told_fixed = sum(number for place, number in told.items() if STATES[of[place]] in ("fixed", "not-affected"))
        found.append(
            CveCount(
                known.cve, known.alias, known.cve in scope.used, opened, unknown, fixed, rest, round(conditional),
                sum(told.values()), told_fixed,
            )
        )  # fmt: skip
    return _in_order(found)


def _in_order(counts: Iterable[CveCount]) -> tuple[CveCount, ...]:
    return tuple(sorted(counts, key=lambda one: (not one.exploited, -one.open, one.cve)))


def group_counts(
    run: Run, counts: Counts, dimension: str, states: States, exposed: Flags, unclear: Flags, scope: Scope
) -> tuple[list[GroupCount], int]:
    """The values with most exposed hosts, and how many values there are. Each with its counts for the core CVEs."""
    pairs, coding = counts.groups[dimension], run.coding(dimension)
    hosts, opened = pairs.by_left(coding.count), pairs.by_left(coding.count, exposed)
    unknown, shells = pairs.by_left(coding.count, unclear), counts.group_shells[dimension]
    there = np.flatnonzero(hosts)
    order = np.lexsort((coding.ranks()[there], -hosts[there], -opened[there]))[:TOP]
    top = there[order]
    cves = [known.cve for known in scope.core]
    found = []
    for number, value in zip(top.tolist(), coding.values(top), strict=True):
        numbers = states.counted(pairs.table(number, number + 1, len(exposed)), cves)[0].tolist()
        each = [
            CveCount(known.cve, known.alias, known.cve in scope.used, *four)
            for known, four in zip(scope.core, numbers, strict=True)
        ]
        found.append(
            GroupCount(
                dimension, named(dimension, value), int(hosts[number]), int(opened[number]), int(unknown[number]),
                int(shells[number]), _in_order(each),
            )
        )  # fmt: skip
    return found, len(there)


def named(dimension: str, value: str | int) -> str:
    """A value as results show it: networks as `AS64500`."""
    return str(value) if dimension != "asn" else f"AS{value}" if value else ""


def build_counts(classes: Classes, hosts: Sequence[int] | Ints, states: States, scope: Scope) -> tuple[BuildCount, ...]:
    """Hosts by build, most first. Classes of one label are added up."""
    used = [place for place, cve in enumerate(states.cves) if cve in scope.used]
    opened = (states.codes[:, used] == STATES.index("open")).sum(axis=1)
    merged: dict[str, list[BuildCount]] = defaultdict(list)
    for place, one in enumerate(classes.known.values(), FIRST_PLACE):
        if hosts[place]:
            names = builds.describe(one.build)
            su = names.su if one.precision == "exact" else ""
            merged[one.label].append(BuildCount(one.label, names.product, names.cu, su, int(hosts[place]), int(opened[place])))
    return tuple(sorted((_added(group) for group in merged.values()), key=lambda one: (-one.hosts, one.label)))


def _added(group: Iterable[BuildCount]) -> BuildCount:
    first, *others = group
    hosts = first.hosts + sum(one.hosts for one in others)
    opened = max([first.open_exploited, *(one.open_exploited for one in others)])
    return BuildCount(first.label, first.product, first.cu, first.su, hosts, opened)


def newest_day(counts: Counts) -> date | None:
    """The newest day in the data, None where none is given."""
    return date.fromordinal(counts.day + _EPOCH) if counts.day > 0 else None
