"""What changed since an earlier run: its file holds every host ever seen, so that one who comes back is known."""

# ruff: noqa: S608 - statements are put together out of our own names; values of the input are always bound
from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import orjson

from afterpatch.census.classes import FIRST_PLACE, NOTHING_PLACE, STATES, Classes, States
from afterpatch.census.columns.pieces import Piece, join
from afterpatch.census.result import CensusResult, CveCount, Series, TrendCount
from afterpatch.census.run import Run
from afterpatch.census.scope import Scope
from afterpatch.census.store import Store
from afterpatch.model import UsageError

SCHEMA = "afterpatch.census-run/1"
MOST_RUNS = 200
_COLUMNS = (
    "host VARCHAR, version VARCHAR, coarse BOOLEAN, day DATE, country VARCHAR, asn BIGINT, sector VARCHAR, "
    "owner VARCHAR, tag VARCHAR, shell BOOLEAN, place VARCHAR, net BIGINT, present BOOLEAN"
)
_PAIRS = """
SELECT coalesce(o.class, {nothing}), coalesce(n.class, {nothing}), was_there, is_there, sum(hosts)::BIGINT FROM (
  SELECT o.version AS old_version, o.coarse AS old_coarse, h.version AS new_version, h.coarse AS new_coarse,
         o.present AS was_there, h.host IS NOT NULL AS is_there, count(*) AS hosts
  FROM earlier o FULL JOIN hosts h ON lower(o.host) = lower(h.host) AND h.hid <> 0 GROUP BY ALL)
LEFT JOIN old_versions o ON o.version = old_version AND o.coarse = old_coarse
LEFT JOIN versions n ON n.version = new_version AND n.coarse = new_coarse GROUP BY ALL"""
_GONE = """
CREATE OR REPLACE TEMP TABLE gone AS
SELECT e.* EXCLUDE (present), 0::UBIGINT AS hid
FROM earlier e ANTI JOIN hosts h ON lower(e.host) = lower(h.host) AND h.hid <> 0"""
_FIELDS = ("was_open", "now_open", "remediated", "not_seen", "unclear", "still", "newly_seen", "back_again", "clarified")


def load_earlier(store: Store, path: str) -> tuple[Series, ...]:
    """The table `earlier` out of a run file, and the series of runs it carries. Raises UsageError."""
    if not Path(path).is_file():
        raise UsageError(f"{path} does not exist: name the file that an earlier run wrote with --parquet.")
    import duckdb

    try:
        series = _series(store, path)
        names = ", ".join(part.split()[0] for part in _COLUMNS.split(","))
        store.run(f"CREATE OR REPLACE TEMP TABLE earlier AS SELECT {names} FROM read_parquet(?)", path)
    except (duckdb.Error, ValueError, KeyError, TypeError):
        raise UsageError(f"{path} is no run of a census: name the file that an earlier run wrote with --parquet.") from None
    return series


def _series(store: Store, path: str) -> tuple[Series, ...]:
    metadata = dict(store.rows("SELECT decode(key), decode(value) FROM parquet_kv_metadata(?)", path))
    document = orjson.loads(metadata["afterpatch"])
    if document["schema"] != SCHEMA:
        raise ValueError("another schema")
    return tuple(
        Series(
            date.fromisoformat(one["day"]),
            int(one["hosts"]),
            int(one["exposed"]),
            {str(cve): int(n) for cve, n in one["open"].items()},
        )
        for one in document["runs"][-MOST_RUNS:]
    )


def sort_earlier(store: Store, run: Run, classes: Classes) -> None:
    """Tables `old_versions` and `versions` (text, coarse, place of the class in States): the versions of the earlier run,
    and those of this one."""
    found = store.rows("SELECT version, coarse FROM earlier WHERE version IS NOT NULL AND length(version) <= 64 GROUP BY ALL")
    rows = (
        (version, coarse, sorted_in[0] + FIRST_PLACE)
        for version, coarse in found
        if (sorted_in := classes.of(version, coarse)) is not None
    )
    columns = "version VARCHAR, coarse BOOLEAN, class INTEGER"
    store.fill("old_versions", columns, rows)
    store.fill("versions", columns, _versions(run))


def _versions(run: Run) -> Iterator[tuple[object, ...]]:
    coding, places = run.coding("version"), run.sorted.places
    known = np.flatnonzero((places != NOTHING_PLACE).any(axis=0))
    for version, exact, coarse in zip(coding.values(known), *places[:, known].tolist(), strict=True):
        yield version, False, exact
        yield version, True, coarse


def trend(store: Store, run: Run, states: States, scope: Scope) -> tuple[TrendCount, ...]:
    """For each core CVE that was or is open somewhere: what became of the open hosts. Both runs are judged by today's
    tables, so a change of the tables is no change of a server."""
    run.compact()
    store.show("hosts", run.pieces)
    pairs = list(store.rows(_PAIRS.format(nothing=NOTHING_PLACE)))
    counts = [_one(known.cve, [STATES[code] for code in states.of(known.cve).tolist()], pairs) for known in scope.core]
    changed = sorted((one for one in counts if one.was_open or one.now_open), key=lambda one: (-one.remediated, one.cve))
    return tuple(sorted(changed, key=lambda one: one.cve not in scope.used))


def _one(cve: str, states: Sequence[str], pairs: list[tuple[int, int, bool | None, bool, int]]) -> TrendCount:
    counts = dict.fromkeys(_FIELDS, 0)
    for old, new, was_there, is_there, hosts in pairs:
        was = bool(was_there) and states[old] == "open"
        now = is_there and states[new] == "open"
        if was:
            counts["was_open"] += hosts
        if now:
            counts["now_open"] += hosts
        if was or now:
            counts[_change(states, old, new, was=was, now=now, was_there=was_there, is_there=is_there)] += hosts
    return TrendCount(cve, **counts)


def _change(states: Sequence[str], old: int, new: int, *, was: bool, now: bool, was_there: bool | None, is_there: bool) -> str:
    if was:
        if now:
            return "still"
        if not is_there:
            return "not_seen"
        return "remediated" if states[new] in ("fixed", "not-affected") else "unclear"
    if was_there is None:
        return "newly_seen"
    if not was_there:
        return "back_again"
    return "clarified" if states[old] == "unknown" else "back_again"


def this_run(result_day: date, hosts: int, exposed: int, cves: tuple[CveCount, ...]) -> Series:
    """This run as a member of a series: CVEs used in attacks that are open somewhere."""
    return Series(result_day, hosts, exposed, {one.cve: one.open for one in cves if one.exploited and one.open})


def write_run(result: CensusResult, path: str) -> None:
    """The run file (Parquet): one row a host, with those of the run compared with that are not seen any more."""
    runs = [
        {"day": one.day.isoformat(), "hosts": one.hosts, "exposed": one.exposed, "open": one.open}
        for one in result.series[-MOST_RUNS:]
    ]
    text = orjson.dumps({"schema": SCHEMA, "runs": runs}).decode()
    store = result.store
    gone: list[Piece] = []
    result.run.compact()
    if store.options.compare:
        store.run(_GONE)
        gone = store.as_pieces("gone")
    try:
        join(result.run.pieces, gone, Path(path), {"afterpatch": text})
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name another file.") from None
