"""Country and network of addresses from offline tables that the user gives: mmdb (MaxMind's layout and the flat one of
ip-location-db), or ranges as text (iptoasn's TSV, ip-location-db's CSV)."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from typing import Any

import maxminddb
import numpy as np

from afterpatch.census.blocks import sources, stream_lines
from afterpatch.census.columns.pieces import Column, Hosts
from afterpatch.census.options import CensusOptions
from afterpatch.census.rows import Tally
from afterpatch.model import Notice, UsageError

Found = tuple[str, int]  # country ("" if none), network (0 if none)
_NOTHING: Found = ("", 0)
_V6 = 1 << 128


@dataclass(slots=True)
class Ranges:
    """Ranges of addresses, sorted; IPv6 addresses lie behind those of IPv4."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)

    def look(self, host: str) -> Found:
        """What the ranges say of an address."""
        try:
            number = _number(host)
        except ValueError:
            return _NOTHING
        place = bisect_right(self.starts, number) - 1
        return self.found[place] if place >= 0 and number <= self.ends[place] else _NOTHING


def _number(text: str) -> int:
    address = ip_address(text)
    return int(address) + (_V6 if address.version == 6 else 0)


@dataclass(slots=True)
class Places:
    """The tables of a run: one for countries, one for networks; they may be the same file."""

    country: Callable[[str], Found] | None
    network: Callable[[str], Found] | None

    def columns(self, hosts: Hosts, columns: Mapping[str, Column]) -> dict[str, Column]:
        """The columns `place` and `net` for hosts whose own country or network is not given."""
        found = {}
        for name, given, look, part in (("place", "country", self.country, 0), ("net", "asn", self.network, 1)):
            if look is not None:
                found[name] = _looked_up(hosts, columns.get(given), look, part)
        return found


def _looked_up(hosts: Hosts, given: Column | None, look: Callable[[str], Found], part: int) -> Column:
    codes = np.zeros(len(hosts.begins), np.int32)
    missing = np.ones(len(codes), bool) if given is None else np.array([not value for value in given.values], bool)[given.codes]
    known: dict[str | int, int] = {("", 0)[part]: 0}
    for row in np.flatnonzero(missing).tolist():
        begin = hosts.begins[row]
        name = hosts.data[begin : begin + hosts.lengths[row]].tobytes().decode("utf-8", "replace")
        codes[row] = known.setdefault(look(name)[part], len(known))
    return Column(codes, list(known))


def open_places(country_db: str, asn_db: str) -> Places | None:
    """The tables that were given. Raises UsageError for one that cannot be read."""
    if not country_db and not asn_db:
        return None
    opened: dict[str, Callable[[str], Found]] = {}
    for path in {country_db, asn_db} - {""}:
        opened[path] = _opened(path)
    return Places(opened.get(country_db), opened.get(asn_db))


def _opened(path: str) -> Callable[[str], Found]:
    if not Path(path).is_file():
        raise UsageError(f"{path} does not exist: name an offline table of addresses (mmdb, TSV or CSV).")
    try:
        reader = maxminddb.open_database(path)
    except (OSError, maxminddb.InvalidDatabaseError, ValueError):
        return _ranges(path).look
    return lambda host: _get(reader, host)


def _get(reader: maxminddb.Reader, host: str) -> Found:
    try:
        record = reader.get(host)
    except (ValueError, maxminddb.InvalidDatabaseError):  # a name, or an IPv6 address in a table of IPv4
        return _NOTHING
    return (_country(record), _asn(record)) if isinstance(record, dict) else _NOTHING


def _country(record: Mapping[str, Any]) -> str:
    inner = record.get("country")
    code = inner.get("iso_code") if isinstance(inner, dict) else record.get("country_code", inner)
    return _code(code) if isinstance(code, str) else ""


def _code(text: str) -> str:
    return text.upper() if len(text) == 2 and text.isascii() and text.isalpha() else ""


def _asn(record: Mapping[str, Any]) -> int:
    number = record.get("autonomous_system_number", record.get("asn", record.get("as_number")))
    if isinstance(number, str):
        number = int(number.upper().removeprefix("AS")) if number.upper().removeprefix("AS").isdecimal() else 0
    return number if isinstance(number, int) and 0 < number < 1 << 32 else 0


def _ranges(path: str) -> Ranges:
    """Ranges as text: start, end, then a network's number and a country's code in any order (iptoasn: start, end, number,
    country, name). Lines that are none are passed over; a file without any is refused."""
    rows: list[tuple[int, int, Found]] = []
    for cells in _text_rows(path):
        try:
            rows.append((_number(cells[0]), _number(cells[1]), _what(cells[2:])))
        except (ValueError, IndexError):
            continue
    if not rows:
        raise UsageError(f"{path} is no table of addresses: expected mmdb, or rows of start, end, network, country.")
    rows.sort()
    return Ranges([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def _text_rows(path: str) -> Iterator[list[str]]:
    (source,) = islice(sources(Path(path)), 1)
    for line in stream_lines(source, Tally()):
        text = line.decode("utf-8", "replace")
        delimiter = "\t" if "\t" in text else ";" if ";" in text and "," not in text else ","
        yield next(csv.reader([text], delimiter=delimiter), []) if '"' in text else text.split(delimiter)


def _what(cells: Sequence[str]) -> Found:
    number = next((int(cell.upper().removeprefix("AS")) for cell in cells if cell.upper().removeprefix("AS").isdecimal()), 0)
    return next((code for cell in cells if (code := _code(cell.strip()))), ""), number if number < 1 << 32 else 0


def places_notices(nowhere: Mapping[str, int], options: CensusOptions) -> list[Notice]:
    """Hosts whose country or network is neither given nor in the table."""
    found = []
    for path, name in ((options.country_db, "country"), (options.asn_db, "asn")):
        if path and nowhere[name]:
            found.append(Notice(path, name, "notice.census-not-in-table", nowhere[name]))
    return found
