"""Readings that cannot tell what this server ran at their time: wrong clocks, logs of other servers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as clock

from afterpatch.exposure.readings import Reading
from afterpatch.knowledge import builds
from afterpatch.knowledge.builds import Build

# Updates reach partners and the catalogue a little before their day; an inferred day can be weeks off.
EARLY, EARLY_INFERRED = timedelta(days=3), timedelta(days=31)
AROUND = timedelta(hours=24)
FEW = 10  # a product named by fewer than one file in so many is not this server's
ENOUGH = 3  # files that outweigh a single other one


def _published(build: Build, precision: str) -> datetime | None:
    """The earliest moment at which a server can have had a build."""
    row = builds.lookup(build) if precision in ("exact", "least") else None
    branch = builds.branch(build)
    row = row or (branch.rows[0] if branch is not None else None)
    if row is None:
        return None
    room = EARLY if row.date_basis == "published" else EARLY_INFERRED
    return datetime.combine(row.released, clock(), UTC) - room


def too_early(ordered: Sequence[Reading]) -> frozenset[Reading]:
    """Readings from before their build was published."""
    kinds = {(one.build, one.precision) for one in ordered}
    first = {kind: _published(*kind) for kind in kinds}
    return frozenset(one for one in ordered if (limit := first[one.build, one.precision]) is not None and one.time < limit)


def of_other_products(ordered: Sequence[Reading]) -> frozenset[Reading]:
    """Readings of a product that few files name beside the one that most name."""
    files: dict[tuple[int, int], set[str]] = {}
    for one in ordered:
        files.setdefault((one.build.major, one.build.minor), set()).add(one.path or one.basis)
    if len(files) < 2:
        return frozenset()
    main = max(files, key=lambda family: (len(files[family]), family))
    most = len(files[main])
    few = {family for family, named in files.items() if family != main and len(named) < most and _few(len(named), most)}
    return frozenset(one for one in ordered if (one.build.major, one.build.minor) in few)


def _few(named: int, most: int) -> bool:
    return named == 1 or named * FEW <= most


def lone_readings(ordered: Sequence[Reading]) -> frozenset[Reading]:
    """Exact readings of a build that one file alone names, while the logs of a day before and after it, of other
    files, all name another one."""
    exact = [one for one in ordered if one.precision == "exact"]
    files: dict[Build, set[str]] = {}
    for one in exact:
        files.setdefault(one.build, set()).add(one.path)
    alone = {build for build, named in files.items() if len(named) == 1}
    if not alone or all(len(named) < ENOUGH for named in files.values()):
        return frozenset()
    others = [one for one in exact if one.build not in alone]
    times = [one.time for one in others]
    return frozenset(one for one in exact if one.build in alone and _enclosed(one, others, times, files))


def _enclosed(one: Reading, others: Sequence[Reading], times: Sequence[datetime], files: dict[Build, set[str]]) -> bool:
    before = others[bisect_left(times, one.time - AROUND) : bisect_left(times, one.time)]
    after = others[bisect_right(times, one.time) : bisect_right(times, one.time + AROUND)]
    named = {each.build for each in (*before, *after)}
    return bool(before) and bool(after) and len(named) == 1 and len(files[named.pop()]) >= ENOUGH
