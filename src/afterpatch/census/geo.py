"""Country and network of addresses from offline tables (mmdb) that the user gives, for rows that have none."""

# ruff: noqa: S608 - statements are put together out of our own names; values of the input are always bound
from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

import maxminddb

from afterpatch.census.options import CensusOptions
from afterpatch.census.store import Store
from afterpatch.model import Notice, UsageError


def add_places(store: Store, options: CensusOptions) -> list[Notice]:
    """Fills `country` and `asn` of hosts that have none. Raises UsageError for a table that cannot be read. Notice:
    addresses that are in no table (count)."""
    notices = []
    for path, column, read in ((options.country_db, "country", _country), (options.asn_db, "asn", _asn)):
        if not path:
            continue
        try:
            with maxminddb.open_database(path) as reader:
                left = _add(store, reader, column, read)
        except (OSError, maxminddb.InvalidDatabaseError, ValueError) as error:
            raise UsageError(f"{path} is no table of addresses (mmdb): {error}.") from None
        if left:
            notices.append(Notice(path, column, "notice.census-not-in-table", left))
    return notices


def _add(store: Store, reader: maxminddb.Reader, column: str, read: Any) -> int:
    kind = "VARCHAR" if column == "country" else "BIGINT"
    empty = f"({column} IS NULL" + (" OR country = '')" if column == "country" else ")")
    left = [0]

    def found() -> Iterator[tuple[str, object]]:
        for (host,) in store.rows(f"SELECT DISTINCT host FROM hosts WHERE {empty}"):
            value = _look_up(reader, host, read)
            if value is None:
                left[0] += 1
            else:
                yield host, value

    store.fill("places", f"host VARCHAR, value {kind}", found())
    store.run(
        f"UPDATE hosts SET {column} = p.value FROM places p WHERE p.host = hosts.host "
        f"AND {empty.replace(column, 'hosts.' + column)}"
    )
    store.run("DROP TABLE places")
    return left[0]


def _look_up(reader: maxminddb.Reader, host: str, read: Any) -> object:
    try:
        record = reader.get(ip_address(host))
    except ValueError:  # a name, or an IPv6 address in a table of IPv4
        return None
    return read(record) if isinstance(record, dict) else None


def _country(record: Mapping[str, Any]) -> str | None:
    """MaxMind's layout (`country.iso_code`) and the flat one of ip-location-db (`country_code`)."""
    inner = record.get("country")
    code = inner.get("iso_code") if isinstance(inner, dict) else record.get("country_code", inner)
    return code.upper() if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha() else None


def _asn(record: Mapping[str, Any]) -> int | None:
    number = record.get("autonomous_system_number", record.get("asn"))
    return number if isinstance(number, int) and 0 < number < 1 << 32 else None
