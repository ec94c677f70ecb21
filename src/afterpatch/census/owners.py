"""One row for each owner to notify."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from afterpatch.census.classes import ONLINE_PLACE, STATES
from afterpatch.census.columns.encode import Ints
from afterpatch.census.columns.pairs import PairCounter, Pairs
from afterpatch.census.count import named
from afterpatch.census.result import CensusResult
from afterpatch.census.run import Flags, Rows, Run

MOST_HOSTS = 100
_HOSTS_AT_ONCE, _OWNERS_AT_ONCE = 1 << 20, 1 << 18


@dataclass(slots=True)
class _Owners:
    """All owners by number: those that the input names, then the networks of hosts without one. `classes`: owner x class,
    `countries` and `networks`: what their hosts have."""

    run: Run
    given: bool
    classes: Pairs
    shells: Ints
    countries: Pairs
    networks: Pairs | None

    @property
    def count(self) -> int:
        return _count(self.run, given=self.given)

    def names(self, owners: Ints) -> list[str]:
        """How they are called."""
        if not self.given:
            return [named("asn", value) for value in self.run.coding("asn").values(owners)]
        known = self.run.coding("owner").count
        names = self.run.coding("owner").values(np.minimum(owners, known - 1))
        networks = self.run.coding("asn").values(np.maximum(owners - known, 0))
        both = zip(owners.tolist(), names, networks, strict=True)
        return [str(name) if owner < known else named("asn", network) for owner, name, network in both]


def _count(run: Run, *, given: bool) -> int:
    return run.coding("asn").count + (run.coding("owner").count if given else 0)


def _numbers(rows: Rows, *, given: bool) -> Ints:
    """The owners of rows: what the input gives, else the network."""
    networks = rows.numbers("asn")
    if not given:
        return networks
    coding = rows.run.coding("owner")
    owners = rows.numbers("owner")
    return np.where(owners == coding.empty, networks + coding.count, owners)


def _counted(result: CensusResult) -> _Owners:
    run, width = result.run, len(result.states.codes)
    owner = run.coding("owner")
    given = any(len(numbers) > 1 or numbers[0] != owner.empty for numbers in owner.maps["owner"])
    owners = _count(run, given=given)
    shells = np.zeros(owners, np.int64)
    classes, networks = PairCounter(owners, width), PairCounter(owners, run.coding("asn").count)
    countries = PairCounter(owners, run.coding("country").count)
    for place in range(len(run.pieces)):
        rows = run.of(place)
        numbers, found = _numbers(rows, given=given), rows.classes()
        scope = found != ONLINE_PLACE
        countries.add(numbers[scope], rows.numbers("country")[scope])
        if given:
            classes.add(numbers[scope], found[scope])
            networks.add(numbers[scope], rows.numbers("asn")[scope])
            told = rows.flags("shell")
            if told is not None:
                shells += np.bincount(numbers[told & scope], minlength=owners)
    if given:
        return _Owners(run, given, classes.pairs(), shells, countries.pairs(), networks.pairs())
    return _Owners(run, given, result.counts.groups["asn"], result.counts.group_shells["asn"], countries.pairs(), None)


def owner_rows(result: CensusResult) -> Iterator[tuple[str, str, str, int, int, int, str, str]]:
    """For each owner with hosts that are open to a hole used in attacks, or called compromised, most hosts first: owner,
    network and country (where all its hosts have the same), hosts, exposed hosts, compromised hosts, the CVEs, and the
    first hosts that it must be told of, in the order of the input."""
    run, states, used = result.run, result.states, result.used
    exposed = states.any_of(used, "open")
    owners = _counted(result)
    hosts, opened = owners.classes.by_left(owners.count), owners.classes.by_left(owners.count, exposed)
    told = opened + owners.shells
    listed = np.flatnonzero(told)
    listed = listed[np.lexsort((listed, -told[listed]))]
    cves = [cve for cve in states.cves if cve in used]
    holes = states.codes[:, [cve in used for cve in states.cves]] == STATES.index("open")
    holes[ONLINE_PLACE] = False
    only_country = _only(owners.countries, owners.count)
    only_network = None if owners.networks is None else _only(owners.networks, owners.count)
    for some in _chunks(listed, np.minimum(told, MOST_HOSTS)):
        networks = some if only_network is None else only_network[some]
        columns = (
            owners.names(some),
            _named_values(run, "asn", networks),
            _named_values(run, "country", only_country[some]),
            hosts[some].tolist(),
            opened[some].tolist(),
            owners.shells[some].tolist(),
            _holes(owners.classes, some, holes, cves),
            _first_hosts(run, some, exposed, given=owners.given),
        )
        yield from zip(*columns, strict=True)


def _chunks(listed: Ints, hosts: Ints) -> Iterator[Ints]:
    """The owners, so many at once that their hosts can be held."""
    ends = np.cumsum(hosts[listed])
    start = 0
    while start < len(listed):
        before = int(ends[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + _HOSTS_AT_ONCE, side="right")))
        end = min(end, start + _OWNERS_AT_ONCE)
        yield listed[start:end]
        start = end


def _only(pairs: Pairs, size: int) -> Ints:
    """For each owner its only value, -1 where there are several."""
    number = np.bincount(pairs.left, minlength=size)
    found = np.full(size, -1, np.int64)
    found[pairs.left] = pairs.right
    found[number != 1] = -1
    return found


def _named_values(run: Run, column: str, numbers: Ints) -> list[str]:
    coding = run.coding(column)
    values = coding.values(np.where(numbers < 0, coding.empty, numbers))
    return [named(column, value) for value in values]


def _holes(classes: Pairs, owners: Ints, holes: Flags, cves: Sequence[str]) -> list[str]:
    """The holes (class x CVE) that are open on hosts of each owner."""
    begins, ends = np.searchsorted(classes.left, owners), np.searchsorted(classes.left, owners, side="right")
    rows = np.repeat(begins - np.cumsum(ends - begins) + (ends - begins), ends - begins) + np.arange(int((ends - begins).sum()))
    packed = np.packbits(holes, axis=1)[classes.right[rows]]
    each = np.bitwise_or.reduceat(packed, np.cumsum(ends - begins) - (ends - begins), axis=0)
    distinct, which = np.unique(each, axis=0, return_inverse=True)
    there = np.unpackbits(distinct, axis=1, count=len(cves)).view(bool)
    texts = [" ".join(sorted(cve for cve, is_there in zip(cves, row, strict=True) if is_there)) for row in there.tolist()]
    return [texts[number] for number in which.reshape(-1).tolist()]


def _first_hosts(run: Run, owners: Ints, exposed: Flags, *, given: bool) -> list[str]:
    places = np.full(_count(run, given=given), -1, np.int64)
    places[owners] = np.arange(len(owners))
    room = np.full(len(owners), MOST_HOSTS, np.int64)
    found: list[list[str]] = [[] for _owner in range(len(owners))]
    for piece in range(len(run.pieces)):
        if not room.any():
            break
        rows = run.of(piece)
        chosen, place = _wanted(rows, exposed, places, room, given=given)
        if len(chosen):
            room -= np.bincount(place, minlength=len(room))
            row_numbers = chosen if rows.chosen is None else np.flatnonzero(rows.chosen)[chosen]
            for owner, host in zip(place.tolist(), rows.piece.hosts().strings(row_numbers), strict=True):
                found[owner].append(host)
    return [" ".join(texts) for texts in found]


def _wanted(rows: Rows, exposed: Flags, places: Ints, room: Ints, *, given: bool) -> tuple[Ints, Ints]:
    """Rows of hosts to be told of, as long as there is room for their owner, and the owner's place."""
    classes = rows.classes()
    open_ones = exposed[classes]
    told = rows.flags("shell")
    if told is not None:
        open_ones = open_ones | (told & (classes != ONLINE_PLACE))
    place = places[_numbers(rows, given=given)]
    chosen = np.flatnonzero(open_ones & (place >= 0) & (room[place] > 0))
    place = place[chosen]
    order = np.argsort(place, kind="stable")
    ordered = place[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    rank = np.arange(len(ordered)) - np.repeat(starts, np.diff(starts, append=len(ordered)))
    fits = order[rank < room[ordered]]
    fits.sort()
    return chosen[fits], place[fits]
