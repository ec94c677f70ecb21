"""The census: files in, counts out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from afterpatch.census import count, trend
from afterpatch.census.classes import NOTHING, ONLINE, make_classes
from afterpatch.census.merge import merge_hosts
from afterpatch.census.options import CensusOptions
from afterpatch.census.places import open_places, places_notices
from afterpatch.census.read import Job
from afterpatch.census.result import DIMENSIONS, CensusResult, GroupCount
from afterpatch.census.scope import Scope, scope
from afterpatch.census.sources import load
from afterpatch.census.store import Store


def census(paths: Sequence[str | Path], options: CensusOptions | None = None) -> CensusResult:
    """Reads inventories and scan data of any known format and counts. The result holds a database: close it.

    Raises UsageError for a file that cannot be read or is of no known format. Memory does not grow with the hosts."""
    options = options or CensusOptions()
    store = Store(options)
    try:
        return _census(store, [Path(path) for path in paths], options)
    except BaseException:
        store.close()
        raise


def _census(store: Store, paths: Sequence[Path], options: CensusOptions) -> CensusResult:
    job = Job(store.pieces_folder, store.key, open_places(options.country_db, options.asn_db), options.slow)
    loaded = load(store, paths, job, options.threads)
    store.show_hosts()
    found = loaded.notices
    asked = scope(options.as_of)
    count.make_kinds(store)
    classes = make_classes(store, asked)
    merged, changed = merge_hosts(store)
    found += merged
    if changed:
        count.make_kinds(store)
    found += places_notices(store, options)
    earlier = trend.load_earlier(store, options.compare) if options.compare else ()
    changes = trend.trend(store, classes, asked) if options.compare else ()
    counted = count.class_hosts(store)
    online = counted.pop(ONLINE, (0, 0))[0]
    hosts = {number: hosts for number, (hosts, _shells) in counted.items()}
    states = count.class_states(store)
    exposed = count.exposed_classes(states, asked)
    unclear = count.unclear_classes(states, exposed, asked)
    cves = count.cve_counts(hosts, states, count.claims_of(store), asked)
    groups, totals = _groups(store, states, exposed, unclear, asked)
    day = count.last_day(store) or options.moment.date()
    total, open_hosts = sum(hosts.values()), sum(number for key, number in hosts.items() if key in exposed)
    return CensusResult(
        inputs=tuple(loaded.inputs),
        rows=loaded.rows,
        bad_rows=loaded.bad,
        hosts=total,
        without_build=hosts.get(NOTHING, 0),
        online=online,
        compromised=sum(shells for _hosts, shells in counted.values()),
        exposed=open_hosts,
        unknown=sum(number for key, number in hosts.items() if key in unclear),
        cves=cves,
        groups=groups,
        group_totals=totals,
        builds=count.build_counts(classes, hosts, states, asked),
        trend=changes,
        series=(*earlier, trend.this_run(day, total, open_hosts, cves)),
        notices=tuple(found),
        store=store,
        paths=tuple(paths),
    )


def _groups(
    store: Store,
    states: dict[str, dict[int, tuple[str, bool]]],
    exposed: frozenset[int],
    unclear: frozenset[int],
    asked: Scope,
) -> tuple[tuple[GroupCount, ...], dict[str, int]]:
    found: list[GroupCount] = []
    totals = {}
    for dimension in DIMENSIONS:
        groups, totals[dimension] = count.group_counts(store, dimension, states, exposed, unclear, asked)
        found += groups
    return tuple(found), totals
