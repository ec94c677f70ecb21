"""The census: files in, counts out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from afterpatch.census import count, trend
from afterpatch.census.classes import NOTHING_PLACE, ONLINE_PLACE, Classes, make_states, sort_versions
from afterpatch.census.merge import merge_hosts
from afterpatch.census.options import CensusOptions
from afterpatch.census.places import open_places, places_notices
from afterpatch.census.read import Job
from afterpatch.census.result import DIMENSIONS, CensusResult, Series
from afterpatch.census.run import Run
from afterpatch.census.scope import scope
from afterpatch.census.sources import load
from afterpatch.census.store import Store


def census(paths: Sequence[str | Path], options: CensusOptions | None = None) -> CensusResult:
    """Reads inventories and scan data of any known format and counts. The result holds files of its own: close it.

    Raises UsageError for a file that cannot be read or is of no known format. Memory grows with the distinct values and
    not with the hosts, apart from a bit each."""
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
    store.complete()
    asked, classes, run = scope(options.as_of), Classes(), Run(store.pieces, store.key)
    coarse = any(piece.chunks["coarse"].entries for piece in run.pieces)
    run.sorted = sort_versions(classes, run.coding("version"), coarse=coarse)
    found = loaded.notices + merge_hosts(run, store.pieces_folder)
    earlier: tuple[Series, ...] = ()
    if options.compare:
        earlier = trend.load_earlier(store, options.compare)
        trend.sort_earlier(store, run, classes)
    states = make_states(classes, asked)
    exposed = states.any_of(asked.used, "open")
    unclear = states.any_of(asked.used, "unknown") & ~exposed
    counts = count.count(run, len(exposed))
    cves = count.cve_counts(counts.hosts, states, count.claims(run, counts.tags), asked)
    grouped = {name: count.group_counts(run, counts, name, states, exposed, unclear, asked) for name in DIMENSIONS}
    total, open_hosts = int(counts.hosts.sum() - counts.hosts[ONLINE_PLACE]), int(counts.hosts[exposed].sum())
    day = count.newest_day(counts) or options.moment.date()
    return CensusResult(
        inputs=tuple(loaded.inputs),
        rows=loaded.rows,
        bad_rows=loaded.bad,
        hosts=total,
        without_build=int(counts.hosts[NOTHING_PLACE]),
        online=int(counts.hosts[ONLINE_PLACE]),
        compromised=int(counts.shells.sum() - counts.shells[ONLINE_PLACE]),
        exposed=open_hosts,
        unknown=int(counts.hosts[unclear].sum()),
        cves=cves,
        groups=tuple(one for groups, _total in grouped.values() for one in groups),
        group_totals={name: number for name, (_groups, number) in grouped.items()},
        builds=count.build_counts(classes, counts.hosts, states, asked),
        trend=trend.trend(store, run, states, asked) if options.compare else (),
        series=(*earlier, trend.this_run(day, total, open_hosts, cves)),
        notices=(*found, *places_notices(counts.nowhere, options)),
        store=store,
        run=run,
        states=states,
        used=asked.used,
        core=tuple(known.cve for known in asked.core),
        counts=counts,
        paths=tuple(paths),
    )
