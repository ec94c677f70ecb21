"""An hour of benign traffic, made once and stamped for many hours: what makes gigabytes of evidence cheap to write.

A block holds the lines of one log for one hour, sorted by time. Wherever the hour stands in a line it is the hour
`2000-01-01 00`, and every id begins with `GUID_MARK`: both are replaced by texts of the same length, so the places of
the lines never move and planted rows can be put between them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from afterpatch.demo.formats import EOL
from afterpatch.demo.rows import GUID_MARK, Ids, Row
from afterpatch.demo.scribe import Scribe
from afterpatch.demo.server import Build, Server
from afterpatch.demo.streams import streams_of
from afterpatch.demo.traffic import CLIENTS, LEVELS, PROBES, Traffic, facts

EPOCH_HOUR = datetime(2000, 1, 1, tzinfo=UTC)
VARIANTS = 6
DENSE_VARIANTS = 3  # of dense traffic: an hour has hundreds of rows, fewer kinds of hour are enough


@dataclass(frozen=True, slots=True)
class Block:
    """The lines of one log for one hour: `data`, and per line its second in the hour and its offset."""

    data: bytes
    seconds: tuple[float, ...]
    offsets: tuple[int, ...]

    def stamped(self, hour: datetime, tag: str) -> bytes:
        """The lines moved to an hour, their ids marked by eight hex digits."""
        data = self.data.replace(b"2000-01-01T00", f"{hour:%Y-%m-%dT%H}".encode())
        data = data.replace(b"2000-01-01 00", f"{hour:%Y-%m-%d %H}".encode())
        return data.replace(GUID_MARK.encode(), tag.encode())

    def offset_at(self, second: float) -> int:
        """Where a row of that second of the hour belongs."""
        place = bisect_left(self.seconds, second)
        return self.offsets[place] if place < len(self.offsets) else len(self.data)


EMPTY = Block(b"", (), ())


def join_rows(rows: Iterable[Row]) -> dict[str, Block]:
    """Rows of one hour as one block a log."""
    by_stream: dict[str, list[Row]] = {}
    for row in rows:
        by_stream.setdefault(row.stream, []).append(row)
    return {stream: _block(found) for stream, found in by_stream.items()}


def _block(rows: list[Row]) -> Block:
    rows.sort(key=lambda row: row.time)
    parts, offsets, seconds, place = [], [], [], 0
    for row in rows:
        line = row.line.encode() + EOL
        parts.append(line)
        offsets.append(place)
        seconds.append((row.time - EPOCH_HOUR).total_seconds())
        place += len(line)
    return Block(b"".join(parts), tuple(seconds), tuple(offsets))


class Blocks:
    """The blocks of one server: `VARIANTS` hours for each level and build. `scale` multiplies the users' traffic."""

    def __init__(self, server: Server, seed: int, scale: float) -> None:
        self._server, self._seed, self._scale = server, seed, scale
        self._variants = VARIANTS if scale < 4 else DENSE_VARIANTS
        self._wanted = {stream.id for stream in streams_of(server)}
        self._made: dict[tuple[str, str, int], dict[str, Block]] = {}

    def one_build(self) -> Blocks:
        """The same traffic of a server that is never updated: what trials of size need, at a fraction of the work."""
        return Blocks(replace(self._server, builds=self._server.builds[:1]), self._seed, self._scale)

    def hour(self, moment: datetime) -> dict[str, Block]:
        """The blocks of an hour of the calendar, by log."""
        number = int((moment - EPOCH_HOUR) / timedelta(hours=1))
        build = self._server.build_at(moment)
        key = (build.number, level_of(moment), (number + number // 24 + self._seed) % self._variants)
        if key not in self._made:
            self._made[key] = self._make(build, key[1], key[2])
        return self._made[key]

    def _make(self, build: Build, level: str, variant: int) -> dict[str, Block]:
        ids = Ids(f"{self._seed}:{self._server.name}:{build.number}:{level}:{variant}", GUID_MARK)
        traffic = Traffic(Scribe(self._server, ids, build), dense=self._scale >= 4)
        rows = [row for row in self._rows(traffic, ids, level, variant) if row.stream in self._wanted]
        return join_rows(rows)

    def _rows(self, traffic: Traffic, ids: Ids, level: str, variant: int) -> Iterable[Row]:
        for minute in range(2, 60, 10):
            yield from traffic.balancer(_moment(minute * 60_000 + 1_200))
        yield from traffic.back_probes(_moment(1_800_000 + ids.number(0, 60_000)), variant % 2 == 0)
        probes = [PROBES[variant % len(PROBES)]] if self._scale < 4 else list(PROBES) * int(self._scale)
        if self._server.generation == "V14":
            probes = [Traffic.probe_owa, Traffic.probe_ews]
        for maker in probes:
            yield from maker(traffic, _moment(ids.number(60_000, 3_500_000)))
        for kind in self._kinds(ids, level):
            yield from CLIENTS[kind](traffic, _moment(ids.number(1_000, 3_590_000)))
        for _ in range(max(1, int(self._scale / 20)) if level != "night" else 1):
            yield from traffic.mail(_moment(ids.number(1_000, 3_590_000)))

    def _kinds(self, ids: Ids, level: str) -> list[str]:
        """The clients of an hour; at low density few protocols, so that few hourly files are cut."""
        table = facts()
        mix: dict[str, int] = table["mix"]
        absent = ("outlook_mapi", "discover_json") if self._server.generation == "V14" else ()
        wheel = [kind for kind, share in mix.items() for _ in range(share) if kind not in absent]
        wanted = max(1, round(table["levels"][level]["users"] * self._scale))
        if self._scale < 4:
            wheel = [wheel[ids.number(0, len(wheel) - 1)] for _ in range(2 if level == "work" else 1)]
        return [wheel[ids.number(0, len(wheel) - 1)] for _ in range(wanted)]


def _moment(milliseconds: int) -> datetime:
    return EPOCH_HOUR + timedelta(milliseconds=milliseconds)


def level_of(moment: datetime) -> str:
    """How busy an hour is: weekends never more than the edges of a working day."""
    table = facts()["levels"]
    level = next(name for name in LEVELS if moment.hour in table[name]["hours"])
    if moment.weekday() < 5:
        return level
    return "edge" if level == "work" else "night"


def hours(start: datetime, end: datetime) -> Sequence[datetime]:
    """The hours from start (inclusive) to end (exclusive), both cut to the hour."""
    first = start.replace(minute=0, second=0, microsecond=0)
    count = int((end - first) / timedelta(hours=1))
    return [first + timedelta(hours=number) for number in range(count)]
