"""The counts of a census, out of the tables `hosts`, `versions` and `states`."""

# ruff: noqa: S608 - statements are put together out of our own names; values of the input are always bound
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date

from afterpatch.census.classes import NOTHING, ONLINE, Classes
from afterpatch.census.result import BuildCount, CveCount, GroupCount
from afterpatch.census.scope import Scope
from afterpatch.census.store import Store
from afterpatch.knowledge import builds

TOP = 50
# What a value of a dimension is: what the input gives, else what an offline table says.
EXPRESSIONS = {
    "country": "CASE WHEN country <> '' THEN country ELSE place END",
    "asn": "CASE WHEN asn > 0 OR net > 0 THEN 'AS' || CASE WHEN asn > 0 THEN asn ELSE net END ELSE '' END",
    "sector": "sector",
}
# The columns of `hosts` that these are made of; the second is only asked for where there is an offline table.
_COLUMNS = {"country": ("country", "place", "''"), "asn": ("asn", "net", "0"), "sector": ("sector", "", "")}
_CVE = re.compile(r"cve-\d{4}-\d{4,7}", re.IGNORECASE)
_GROUPED = """
CREATE OR REPLACE TEMP TABLE groups_{dimension} AS
WITH raw AS (SELECT {column}, version, coarse, count(*) AS hosts, count(*) FILTER (shell) AS shells FROM hosts GROUP BY ALL),
     joined AS (SELECT raw.* {further}, coalesce(v.class, {nothing}) AS class
                FROM raw LEFT JOIN versions v USING (version, coarse))
SELECT {value} AS value, class, sum(hosts)::BIGINT AS hosts, sum(shells)::BIGINT AS shells
FROM joined WHERE class <> {online} GROUP BY ALL"""


def make_kinds(store: Store) -> None:
    """The table `kinds`: hosts by version and tag, out of one pass over all of them."""
    store.run(
        "CREATE OR REPLACE TEMP TABLE kinds AS SELECT version, coarse, tag, count(*) AS n, count(*) FILTER (shell) AS s "
        "FROM hosts GROUP BY ALL"
    )


def class_hosts(store: Store) -> dict[int, tuple[int, int]]:
    """Class -> (hosts, hosts called compromised); ONLINE and NOTHING among them."""
    return {
        number: (hosts, shells)
        for number, hosts, shells in store.rows(
            "SELECT coalesce(v.class, ?), sum(n)::BIGINT, sum(s)::BIGINT FROM kinds LEFT JOIN versions v USING (version, coarse) "
            "GROUP BY ALL",
            NOTHING,
        )
    }


def class_states(store: Store) -> dict[str, dict[int, tuple[str, bool]]]:
    """CVE -> class -> (state, conditional)."""
    found: dict[str, dict[int, tuple[str, bool]]] = defaultdict(dict)
    for number, cve, state, conditional, _exploited in store.rows("SELECT * FROM states"):
        found[cve][number] = (state, conditional)
    return found


def cve_counts(
    hosts: Mapping[int, int],
    states: Mapping[str, Mapping[int, tuple[str, bool]]],
    claims: Mapping[str, Mapping[int, int]],
    scope: Scope,
    *,
    only_core: bool = False,
) -> tuple[CveCount, ...]:
    """Every CVE, those used in attacks first, then by open hosts. `hosts`: class -> number."""
    found = []
    for known in scope.core if only_core else scope.every:
        counts = dict.fromkeys(("open", "unknown", "fixed", "not-affected"), 0)
        conditional = 0
        for number, count in hosts.items():
            state, further = states[known.cve][number]
            counts[state] += count
            conditional += count if further else 0
        claimed = claims.get(known.cve, {})
        found.append(
            CveCount(
                known.cve, known.alias, known.cve in scope.used,
                counts["open"], counts["unknown"], counts["fixed"], counts["not-affected"],
                conditional, sum(claimed.values()),
                sum(count for number, count in claimed.items() if states[known.cve][number][0] in ("fixed", "not-affected")),
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda one: (not one.exploited, -one.open, one.cve)))


def claims_of(store: Store) -> dict[str, dict[int, int]]:
    """CVE -> class -> hosts that a scan's tags call vulnerable. Tags are claims: they are shown beside, never counted."""
    found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for tag, number, count in store.rows(
        "SELECT tag, coalesce(v.class, ?), sum(n)::BIGINT FROM kinds LEFT JOIN versions v USING (version, coarse) "
        "WHERE tag ILIKE '%cve-%' GROUP BY ALL",
        NOTHING,
    ):
        for cve in {name.upper() for name in _CVE.findall(tag)} if number != ONLINE else ():
            found[cve][number] += count
    return found


def make_groups(store: Store, dimension: str) -> None:
    """The table `groups_<dimension>` (value, class, hosts, shells)."""
    column, looked_up, none = _COLUMNS[dimension]
    given = {"country": store.options.country_db, "asn": store.options.asn_db}.get(dimension, "")
    store.run(
        _GROUPED.format(
            dimension=dimension, column=f"{column}, {looked_up}" if given else column,
            further=f", {none} AS {looked_up}" if looked_up and not given else "", value=EXPRESSIONS[dimension],
            nothing=NOTHING, online=ONLINE,
        )
    )  # fmt: skip


def group_counts(
    store: Store,
    dimension: str,
    states: Mapping[str, Mapping[int, tuple[str, bool]]],
    exposed: frozenset[int],
    unclear: frozenset[int],
    scope: Scope,
) -> tuple[list[GroupCount], int]:
    """The values with most exposed hosts, and how many values there are. Each with its counts for the core CVEs."""
    make_groups(store, dimension)
    listed, others = (", ".join(str(number) for number in sorted(some)) or "NULL" for some in (exposed, unclear))
    top = store.connection.execute(
        f"SELECT value, sum(hosts)::BIGINT, "
        f"coalesce(sum(hosts) FILTER (class IN ({listed})), 0)::BIGINT AS exposed, "
        f"coalesce(sum(hosts) FILTER (class IN ({others})), 0)::BIGINT, sum(shells)::BIGINT "
        f"FROM groups_{dimension} GROUP BY value ORDER BY exposed DESC, 2 DESC, value LIMIT ?",
        [TOP],
    ).fetchall()
    classes: dict[str, dict[int, int]] = defaultdict(dict)
    names = [value for value, *_counts in top]
    for value, number, hosts in store.rows(
        f"SELECT value, class, hosts FROM groups_{dimension} WHERE value IN (SELECT unnest(?))", names
    ):
        classes[value][number] = hosts
    total = store.number(f"SELECT count(DISTINCT value) FROM groups_{dimension}")
    return [
        GroupCount(
            dimension, value, hosts, open_hosts, unknown, shells, cve_counts(classes[value], states, {}, scope, only_core=True)
        )
        for value, hosts, open_hosts, unknown, shells in top
    ], total


def exposed_classes(states: Mapping[str, Mapping[int, tuple[str, bool]]], scope: Scope) -> frozenset[int]:
    """The classes that are open to at least one hole used in attacks."""
    return frozenset(number for cve in scope.used for number, (state, _further) in states[cve].items() if state == "open")


def unclear_classes(
    states: Mapping[str, Mapping[int, tuple[str, bool]]], exposed: frozenset[int], scope: Scope
) -> frozenset[int]:
    """The classes of which it cannot be told for at least one hole used in attacks, and that are open to none."""
    return (
        frozenset(number for cve in scope.used for number, (state, _further) in states[cve].items() if state == "unknown")
        - exposed
    )


def build_counts(
    classes: Classes, hosts: Mapping[int, int], states: Mapping[str, Mapping[int, tuple[str, bool]]], scope: Scope
) -> tuple[BuildCount, ...]:
    """Hosts by build, most first. Classes of one label are added up."""
    merged: dict[str, list[BuildCount]] = defaultdict(list)
    for one in classes.known.values():
        if one.number in hosts:
            names = builds.describe(one.build)
            su = names.su if one.precision == "exact" else ""
            opened = sum(states[cve][one.number][0] == "open" for cve in scope.used)
            count = BuildCount(one.label, names.product, names.cu, su, hosts[one.number], opened)
            merged[one.label].append(count)
    return tuple(sorted((_added(group) for group in merged.values()), key=lambda one: (-one.hosts, one.label)))


def _added(group: Iterable[BuildCount]) -> BuildCount:
    first, *others = group
    hosts = first.hosts + sum(one.hosts for one in others)
    opened = max([first.open_exploited, *(one.open_exploited for one in others)])
    return BuildCount(first.label, first.product, first.cu, first.su, hosts, opened)


def last_day(store: Store) -> date | None:
    """The newest day in the data, None where none is given."""
    found = store.one("SELECT max(day) FROM hosts")[0]
    return found if isinstance(found, date) and found.year > 1970 else None
