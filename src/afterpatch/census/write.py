"""Results for other programs: JSON, CSV that no spreadsheet takes for formulas, Parquet, and one row per owner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from afterpatch.census.count import named
from afterpatch.census.owners import owner_rows
from afterpatch.census.result import DIMENSIONS, CensusResult, CveCount, GroupCount
from afterpatch.census.trend import write_run
from afterpatch.knowledge import vulnerabilities
from afterpatch.model import UsageError

SCHEMA = "afterpatch.census/1"
_VALUES = 512
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


def _quoted(*values: object) -> str:
    """Cells as a row has them: all in quotes."""
    return ",".join(['"' + plain_cell(value).replace('"', '""') + '"' for value in values])


def _write_lines(path: str, heading: Sequence[str], lines: Iterable[str]) -> int:
    try:
        with Path(path).open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            stream.write(_quoted(*heading) + "\r\n")
            count = 0
            for line in lines:
                stream.write(line + "\r\n")
                count += 1
            return count
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name another file.") from None


def write_csv(result: CensusResult, path: str) -> int:
    """All counts, one row a dimension, value and CVE: `dimension,value,cve,alias,open,unknown,fixed,not_affected,hosts`.
    The dimension `all` holds every CVE; the others hold, for every value, the core CVEs that are open or unknown there.
    Returns the number of rows."""
    heading = ("dimension", "value", "cve", "alias", "open", "unknown", "fixed", "not_affected", "hosts")
    return _write_lines(path, heading, _count_lines(result))


def _count_lines(result: CensusResult) -> Iterator[str]:
    for one in result.cves:
        hosts = (one.open, one.unknown, one.fixed, one.not_affected, result.hosts)
        yield _quoted("all", "", one.cve, one.alias, *hosts)
    core = [known for known in sorted(vulnerabilities.core(), key=lambda known: known.cve) if known.cve in result.core]
    names = [_quoted(known.cve, known.alias) for known in core]
    for dimension in DIMENSIONS:
        coding, pairs = result.run.coding(dimension), result.counts.groups[dimension]
        for first in range(0, coding.count, _VALUES):
            numbers = np.arange(first, min(first + _VALUES, coding.count))
            counts = pairs.table(first, first + len(numbers), len(result.states.codes))
            states = result.states.counted(counts, [known.cve for known in core])
            rows, columns = np.nonzero((states[:, :, :2] > 0).any(axis=2))
            leads = [_quoted(dimension, named(dimension, value)) for value in coding.values(numbers)]
            totals = counts.sum(axis=1)[rows].tolist()
            found = zip(rows.tolist(), columns.tolist(), states[rows, columns].tolist(), totals, strict=True)
            for row, column, (opened, unknown, fixed, rest), total in found:
                yield f'{leads[row]},{names[column]},"{opened}","{unknown}","{fixed}","{rest}","{total}"'


def write_parquet(result: CensusResult, path: str) -> None:
    """The run: one row a host. It is what a later run is compared with."""
    write_run(result, path)


def write_owners(result: CensusResult, path: str) -> int:
    """One row for each owner with hosts that are open to a hole used in attacks, or called compromised, most hosts
    first: owner, network, country, hosts, exposed hosts, compromised hosts, the CVEs, and the first 100 hosts. The
    owner is the input's, else the network. Returns the number of rows."""
    heading = ("owner", "asn", "country", "hosts", "exposed", "compromised", "cves", "first_hosts")
    return _write_lines(path, heading, _owner_lines(result))


def _owner_lines(result: CensusResult) -> Iterator[str]:
    for owner, network, country, hosts, exposed, shells, cves, first in owner_rows(result):
        yield f'{_quoted(owner, network, country)},"{hosts}","{exposed}","{shells}","{cves}",{_quoted(first)}'
