"""Results for other programs: JSON, CSV that no spreadsheet takes for formulas, Parquet, and one row per owner."""

# ruff: noqa: S608 - statements are put together out of our own names; values of the input are always bound
from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from afterpatch.census.classes import NOTHING, ONLINE
from afterpatch.census.count import EXPRESSIONS
from afterpatch.census.result import DIMENSIONS, STATES, CensusResult, CveCount, GroupCount
from afterpatch.census.store import Store
from afterpatch.census.trend import write_run
from afterpatch.knowledge import vulnerabilities
from afterpatch.model import UsageError

SCHEMA = "afterpatch.census/1"
MOST_HOSTS = 100
_VALUES = 512
_NUMBER = "CASE WHEN key > 0 THEN 'AS' || key ELSE '' END"
_FEW = 5000
# Hosts of an owner: its network and country where all have the same, and the first hosts that need to be told of.
_OWNERS = f"""
CREATE OR REPLACE TEMP TABLE owners AS
SELECT {{who}} AS who, {{shown}} AS network, CASE WHEN place = other THEN place ELSE '' END AS place, first FROM (
  SELECT {{key}} AS key, {{networks}} min({{country}}) AS place, max({{country}}) AS other,
         min(host, {MOST_HOSTS}) FILTER (shell OR {{open}}) AS first
  FROM hosts WHERE {{wanted}} GROUP BY 1)"""
_BY_OWNER = """
CREATE OR REPLACE TEMP TABLE owner_counts AS
SELECT {who} AS who, coalesce(v.class, {nothing}) AS class, count(*) AS hosts, count(*) FILTER (shell) AS shells
FROM hosts LEFT JOIN versions v USING (version, coarse) WHERE coalesce(v.class, 0) <> {online} GROUP BY ALL"""
_JOINED = """
SELECT who, any_value(network), any_value(place), sum(hosts)::BIGINT,
       coalesce(sum(hosts) FILTER (holes > 0), 0)::BIGINT AS exposed, sum(shells)::BIGINT AS shells,
       coalesce(bit_or(holes), 0), any_value(first)
FROM {counted} LEFT JOIN open_holes USING (class) JOIN owners USING (who) GROUP BY who
HAVING exposed > 0 OR sum(shells) > 0 ORDER BY exposed + sum(shells) DESC, who"""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def write_json(result: CensusResult) -> bytes:
    """The census as a document (schema `afterpatch.census/1`): the same input gives the same bytes."""
    return orjson.dumps(_document(result), option=orjson.OPT_INDENT_2) + b"\n"


def _document(result: CensusResult) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "inputs": [{"path": _text(path), "format": kind} for path, kind in result.inputs],
        "rows": result.rows,
        "bad_rows": result.bad_rows,
        "hosts": result.hosts,
        "without_build": result.without_build,
        "online": result.online,
        "compromised": result.compromised,
        "exposed": result.exposed,
        "unknown": result.unknown,
        "cves": [_cve(one) for one in result.cves],
        "groups": [_group(one) for one in result.groups],
        "group_totals": result.group_totals,
        "builds": [{name: getattr(one, name) for name in one.__slots__} for one in result.builds],
        "trend": [{name: getattr(one, name) for name in one.__slots__} for one in result.trend],
        "series": [
            {"day": one.day.isoformat(), "hosts": one.hosts, "exposed": one.exposed, "open": one.open} for one in result.series
        ],
        "notices": [
            {"path": _text(one.path), "where": one.where, "reason": one.reason, "count": one.count} for one in result.notices
        ],
    }


def _cve(one: CveCount) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}


def _group(one: GroupCount) -> dict[str, Any]:
    counts = [
        {"cve": each.cve, "open": each.open, "unknown": each.unknown, "fixed": each.fixed}
        for each in one.cves
        if each.open or each.unknown
    ]
    return {
        "dimension": one.dimension, "value": _text(one.value), "hosts": one.hosts, "exposed": one.exposed,
        "unknown": one.unknown, "compromised": one.compromised, "cves": counts,
    }  # fmt: skip


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode()


def plain_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return "'" + text if text.startswith(_FORMULA) else text


def _write_rows(path: str, heading: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    try:
        with Path(path).open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
            writer.writerow(heading)
            count = 0
            for row in rows:
                writer.writerow([plain_cell(value) for value in row])
                count += 1
            return count
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name another file.") from None


def write_csv(result: CensusResult, path: str) -> int:
    """All counts, one row a dimension, value and CVE: `dimension,value,cve,alias,open,unknown,fixed,not_affected,hosts`.
    The dimension `all` holds every CVE; the others hold, for every value, the core CVEs that are open or unknown there.
    Returns the number of rows."""
    heading = ("dimension", "value", "cve", "alias", "open", "unknown", "fixed", "not_affected", "hosts")
    return _write_rows(path, heading, _count_rows(result))


def _count_rows(result: CensusResult) -> Iterator[tuple[object, ...]]:
    for one in result.cves:
        yield "all", "", one.cve, one.alias, one.open, one.unknown, one.fixed, one.not_affected, result.hosts
    core = sorted(vulnerabilities.core(), key=lambda known: known.cve)
    matrix = _State.of(result, [known.cve for known in core])
    for dimension in DIMENSIONS:
        for values, counts in _vectors(result, dimension, matrix.classes):
            by_state = matrix.counted(counts)
            for value, numbers, total in zip(values, by_state, counts.sum(axis=1).tolist(), strict=True):
                for known, (opened, unknown, fixed, rest) in zip(core, numbers.tolist(), strict=True):
                    if opened or unknown:
                        yield (
                            dimension,
                            value,
                            known.cve,
                            known.alias,
                            int(opened),
                            int(unknown),
                            int(fixed),
                            int(rest),
                            int(total),
                        )


@dataclass(frozen=True, slots=True)
class _State:
    """Which class is in which state for which CVE, as numbers: one matrix (class x CVE) a state."""

    classes: dict[int, int]
    matrices: list[npt.NDArray[np.float64]]

    @classmethod
    def of(cls, result: CensusResult, cves: Sequence[str]) -> _State:
        found = list(result.store.rows("SELECT class, cve, state FROM states WHERE cve IN (SELECT unnest(?))", list(cves)))
        classes = {number: place for place, number in enumerate(sorted({number for number, _cve, _state in found}))}
        columns = {cve: place for place, cve in enumerate(cves)}
        matrices = [np.zeros((len(classes), len(cves))) for _state in STATES]
        for number, cve, state in found:
            matrices[STATES.index(state)][classes[number], columns[cve]] = 1
        return cls(classes, matrices)

    def counted(self, counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Value x CVE x state out of value x class."""
        return np.stack([counts @ matrix for matrix in self.matrices], axis=2)


def _vectors(
    result: CensusResult, dimension: str, classes: dict[int, int]
) -> Iterator[tuple[list[str], npt.NDArray[np.float64]]]:
    """The values of a dimension in their order with their hosts by class, some hundred at once."""
    values: list[str] = []
    counts = np.zeros((_VALUES, len(classes)))
    for value, number, hosts in result.store.rows(f"SELECT value, class, hosts FROM groups_{dimension} ORDER BY value"):
        if not values or values[-1] != value:
            if len(values) == _VALUES:
                yield values, counts
                values, counts = [], np.zeros((_VALUES, len(classes)))
            values.append(value)
        counts[len(values) - 1, classes[number]] = hosts
    if values:
        yield values, counts[: len(values)]


def write_parquet(result: CensusResult, path: str) -> None:
    """The run: one row a host. It is what a later run is compared with."""
    write_run(result, path)


def write_owners(result: CensusResult, path: str) -> int:
    """One row for each owner with hosts that are open to a hole used in attacks, or called compromised, most hosts
    first: owner, network, country, hosts, exposed hosts, compromised hosts, the CVEs, and the first 100 hosts. The
    owner is the input's, else the network. Returns the number of rows."""
    heading = ("owner", "asn", "country", "hosts", "exposed", "compromised", "cves", "first_hosts")
    return _write_rows(path, heading, _owner_rows(result))


def _owner_rows(result: CensusResult) -> Iterator[tuple[object, ...]]:
    store = result.store
    cves = _make_open_holes(store)
    owners = bool(store.one("SELECT max(owner) FROM hosts")[0])
    who = "CASE WHEN owner <> '' THEN owner ELSE {asn} END".format(**EXPRESSIONS) if owners else EXPRESSIONS["asn"]
    plain = not owners and not store.options.asn_db  # then a number is quicker than its text
    network = EXPRESSIONS["asn"]
    store.run(
        _OWNERS.format(
            key="asn" if plain else who, who=_NUMBER if plain else "key",
            networks="" if plain else f"min({network}) AS network, max({network}) AS last,",
            shown=_NUMBER if plain else "CASE WHEN network = last THEN network ELSE '' END",
            country=EXPRESSIONS["country"] if store.options.country_db else "country",
            open=_versions(store, "class IN (SELECT class FROM open_holes)"),
            wanted="NOT " + _versions(store, f"class = {ONLINE}"),
        )
    )  # fmt: skip
    if owners:
        store.run(_BY_OWNER.format(who=who, nothing=NOTHING, online=ONLINE))
    counted = "owner_counts" if owners else "(SELECT value AS who, class, hosts, shells FROM groups_asn)"
    for owner, net, where, hosts, exposed, shells, holes, first in store.rows(_JOINED.format(counted=counted)):
        named = [cve for place, cve in enumerate(cves) if holes >> place & 1]
        yield owner, net, where, hosts, exposed, shells, " ".join(named), " ".join(first or ())


def _make_open_holes(store: Store) -> list[str]:
    """The table `open_holes` (class, holes): a bit for each hole used in attacks that a class is open to. Returns the
    CVEs in the order of their bits."""
    cves = [cve for (cve,) in store.rows("SELECT DISTINCT cve FROM states WHERE exploited AND state = 'open' ORDER BY cve")][:126]
    store.run(
        "CREATE OR REPLACE TEMP TABLE open_holes AS SELECT class, bit_or(1::HUGEINT << (list_position(?, cve) - 1)) AS holes "
        "FROM states WHERE exploited AND state = 'open' AND list_position(?, cve) > 0 GROUP BY class",
        cves, cves,
    )  # fmt: skip
    return cves


def _versions(store: Store, which: str) -> str:
    """A condition on the rows of `hosts` by their version: a list where it is short, which needs no join."""
    query = f"SELECT version || CASE WHEN coarse THEN '/' ELSE '' END FROM versions WHERE {which}"
    listed = [text for (text,) in store.rows(f"{query} LIMIT {_FEW + 1}")]
    if len(listed) > _FEW:
        return f"(version || CASE WHEN coarse THEN '/' ELSE '' END IN ({query}))"
    exact = [text for text in listed if not text.endswith("/")]
    paths = [text[:-1] for text in listed if text.endswith("/")]
    return f"((NOT coarse AND {_among(exact)}) OR (coarse AND {_among(paths)}))"


def _among(texts: Sequence[str]) -> str:
    return "version IN (" + ", ".join("'" + text.replace("'", "''") + "'" for text in texts) + ")" if texts else "false"
