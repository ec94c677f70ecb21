"""Which build wrote the rows of a log: version columns, `BLD` of the control panel's log, tracking's schema-version, and
in IIS logs the build folders of answered requests and a logged X-OWA-Version header.

Rows are not all looked at: the first and the last of each piece of a log, and where these differ the place between, by
halving. A build changes a few times in a server's life, so this finds every change of a log whose rows are of one server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from afterpatch.detect.plane.tally import LogScan, Mark
from afterpatch.parsers.eventdata import decode_event

MOST_MARKS = 200  # of one kind in one log
TRIES = 40  # rows that are looked at for one that names a build
PATH_TRIES = 20
PATH_EVERY = 16  # of the further pieces of a log, one in so many is searched for folders
_COLUMNS = ("majorversion", "minorversion", "buildversion", "revisionversion")
_HEADERS = ("x-owa-version", "sc(x-owa-version)")
_NUMBERS = re.compile(r"\d{1,2}\.\d{1,2}\.\d{1,5}\.\d{1,5}\Z", re.ASCII)
_PATH = re.compile(rb"/(?:owa|ecp)/(?:auth/|prem/)?(1[45]\.\d{1,2}\.\d{1,5}(?:\.\d{1,5})?)/")
_ANSWERED = ("200", "304")

Row = Callable[[int], tuple[datetime, Sequence[str]] | None]
Seen = tuple[datetime, str, str]  # time, source, version


class Versions:
    """Notes the builds of one log in its LogScan."""

    def __init__(self, scan: LogScan, kind: str) -> None:
        self._scan, self._kind = scan, kind
        self._names: tuple[str, ...] = ()
        self._reader: Callable[[Sequence[str]], tuple[str, str] | None] | None = None
        self._pieces = 0

    def use(self, columns: tuple[str, ...]) -> None:
        """The column list that holds from here on."""
        if columns is not self._names:
            self._names = columns
            self._reader = _reader(columns)

    @property
    def reads_rows(self) -> bool:
        """Whether a column of this log can name a build."""
        return self._reader is not None

    def record(self, time: datetime | None, fields: Mapping[str, str]) -> None:
        """One record, read exactly."""
        if time is not None:
            self.use(tuple(fields))
            found = self._reader(list(fields.values())) if self._reader is not None else None
            if found is not None:
                self._add((time, *found))

    def rows(self, count: int, row: Row) -> None:
        """The rows of a piece: `row(position)` gives time and values of one, None where it cannot be cut."""
        if self._reader is None or not count:
            return
        first, last = self._near(range(count), row), self._near(range(count - 1, -1, -1), row)
        if first is not None and last is not None:
            self._between(first, last, row)

    def paths(self, data: memoryview, line: Callable[[int], tuple[datetime, Mapping[str, str]] | None]) -> None:
        """Build folders in the requests of an IIS log; `line(place)` gives the row around a place of the data."""
        self._pieces += 1
        if self._kind != "iis" or (self._pieces > 2 and self._pieces % PATH_EVERY):
            return
        for tried, match in enumerate(_PATH.finditer(data)):
            found = line(match.start())
            if found is not None and found[1].get("sc-status") in _ANSWERED:
                self._add((found[0], "owa-path", match[1].decode("ascii")))
                return
            if tried == PATH_TRIES:
                return

    def _read(self, place: int, row: Row) -> Seen | None:
        cut = row(place)
        found = self._reader(cut[1]) if cut is not None and self._reader is not None else None
        return (cut[0], *found) if cut is not None and found is not None else None

    def _near(self, places: Sequence[int], row: Row) -> tuple[int, Seen] | None:
        for place in places[:TRIES]:
            found = self._read(place, row)
            if found is not None:
                return place, found
        return None

    def _between(self, first: tuple[int, Seen], last: tuple[int, Seen], row: Row) -> None:
        """Both ends, and where they differ the two rows between which the build changes."""
        self._add(first[1])
        low, high = first, last
        while low[1][1:] != high[1][1:] and high[0] - low[0] > 1:
            middle = (low[0] + high[0]) // 2
            found = self._near(range(middle, high[0]), row) or self._near(range(middle, low[0], -1), row)
            if found is None:
                break
            if found[1][1:] == low[1][1:]:
                low = found
            else:
                high = found
        if low[1][1:] != high[1][1:]:
            self._add(low[1])
            self._add(high[1])
        self._add(last[1])

    def _add(self, seen: Seen) -> None:
        """Of a run of rows that say the same, the first and the last are kept."""
        time, source, version = seen
        marks = self._scan.versions.setdefault(source, [])
        mark = Mark(time, version)
        if len(marks) > 1 and marks[-1].version == marks[-2].version == version:
            marks[-1] = mark
        elif len(marks) < MOST_MARKS:
            marks.append(mark)
        else:
            self._scan.lost["versions"] += 1


@lru_cache(maxsize=64)
def _reader(names: tuple[str, ...]) -> Callable[[Sequence[str]], tuple[str, str] | None] | None:
    """What reads (source, version) off the values of a row, None where no column can tell."""
    columns = [name.lower() for name in names]
    if all(name in columns for name in _COLUMNS):
        places = [columns.index(name) for name in _COLUMNS]
        return lambda values: _valid("log-column", ".".join(values[place].strip() for place in places))
    if "schema-version" in columns:
        place = columns.index("schema-version")
        return lambda values: _valid("schema-version", values[place].strip()) if len(values) > place else None
    if "eventdata" in columns:
        place = columns.index("eventdata")
        return lambda values: _bld(values[place]) if len(values) > place else None
    for name in _HEADERS:
        if name in columns:
            place = columns.index(name)
            return lambda values: _valid("owa-header", values[place].strip()) if len(values) > place else None
    return None


def _valid(source: str, text: str) -> tuple[str, str] | None:
    return (source, text) if len(text) < 30 and _NUMBERS.match(text) else None


def _bld(text: str) -> tuple[str, str] | None:
    """`BLD` of event data. The list is taken apart as it is written: a requested address can hold text that looks so."""
    if len(text) > 20_000 or "bld=" not in text.lower():
        return None
    values = decode_event(text).get("bld", ())
    return _valid("ecp-bld", values[0].strip()) if values else None
