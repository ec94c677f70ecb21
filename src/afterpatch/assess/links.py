"""Links between what was seen: which way in a back door belongs to, who is a mere scanner, what a relayed row means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from afterpatch.assess.chains import GENERIC, JOIN, ways
from afterpatch.assess.findings import Hit
from afterpatch.model import BackDoor, Subject, stage_rank

WROTE = stage_rank("wrote")
SUCCEEDED = stage_rank("succeeded")
LOOKING = frozenset(("", "GET", "HEAD"))
MANY_PAGES = 5  # different pages of others an address must have asked for to be a scanner
MANY = 20  # answered requests from which a client is no scanner any more


def unrelayed(hits: Iterable[Hit]) -> list[Hit]:
    """Rows of back-end logs name the front end as their client: no source of an attack. It is kept as `relayed by`."""
    return [_unrelayed(hit) if _is_relayed(hit) else hit for hit in hits]


def _is_relayed(hit: Hit) -> bool:
    sides = hit.group.seen.get("server.side")
    return bool(hit.finding.subject.ip) and sides is not None and sides.values == {"back"}


def _unrelayed(hit: Hit) -> Hit:
    old = hit.finding.subject
    subject: Subject = replace(old, ip="", extra=(*old.extra, ("relayed by", old.ip)))
    return replace(hit, finding=replace(hit.finding, subject=subject))


def scanners(hits: Iterable[Hit]) -> set[str]:
    """Addresses that look for holes or other people's shells and do nothing else."""
    hits = list(hits)
    looking = _looking(hits)
    acting = {
        hit.finding.subject.ip
        for hit in hits
        if hit.role == "intrusion" and stage_rank(hit.finding.stage) >= SUCCEEDED and not _is_look(hit)
    }
    return looking - acting


def _looking(hits: Iterable[Hit]) -> set[str]:
    """Addresses that a rule takes for a scanner: by its program, or because it asked for many pages that are not there."""
    pages: dict[str, set[str]] = {}
    found: set[str] = set()
    for hit in hits:
        address = hit.finding.subject.ip
        if hit.role == "scanner" and address:
            asked = hit.group.seen.get("url.page")
            if asked is None or (not hit.backdoor and hit.finding.chain != "web-shell"):
                found.add(address)
            else:
                pages.setdefault(address, set()).update(asked.values)
    return found | {address for address, names in pages.items() if len(names) >= MANY_PAGES}


def _is_look(hit: Hit) -> bool:
    """A plain look at a page: no data sent, few requests."""
    methods = hit.group.seen.get("http.method")
    sent = methods is not None and not {value.upper() for value in methods.values} <= LOOKING
    return bool(hit.backdoor) and not sent and hit.finding.count < MANY


def demoted(hits: Iterable[Hit], looking: set[str]) -> list[Hit]:
    """Hits with what a scanner did counted as probing."""
    return [
        replace(hit, role="scanner") if hit.finding.subject.ip in looking and hit.role == "intrusion" else hit for hit in hits
    ]


def owners(hits: Sequence[Hit], doors: Sequence[BackDoor]) -> dict[str, str]:
    """finding id -> the way in it belongs to: the use and the file of a back door go with the attack that made it, mail
    theft with the attack of the same minutes."""
    wrote = _moments(hits, SUCCEEDED)
    mapped: dict[str, str] = {}
    by_id = {hit.finding.id: hit for hit in hits}
    for door in doors:
        chain = _maker(door, by_id, wrote)
        if chain:
            mapped |= dict.fromkeys(door.findings, chain)
    reached = _moments(hits, SUCCEEDED)
    for hit in hits:
        if hit.finding.chain == "mail-theft" and hit.role == "intrusion":
            near = [chain for chain, times in reached.items() if _close(hit, times)]
            if len(near) == 1:
                mapped[hit.finding.id] = near[0]
    return mapped


def companions(hits: Sequence[Hit]) -> dict[str, str]:
    """finding id -> way in, for what an address of an attack did besides, once it had got in."""
    entered: dict[str, tuple[str, datetime]] = {}
    for hit in hits:
        finding, way = hit.finding, ways().get(hit.finding.chain)
        if way is None or not way.cves or not finding.subject.ip or finding.time is None or hit.role != "intrusion":
            continue
        if stage_rank(finding.stage) >= SUCCEEDED:
            known = entered.get(finding.subject.ip)
            if known is None or finding.time < known[1]:
                entered[finding.subject.ip] = (finding.chain, finding.time)
    return {
        hit.finding.id: entered[hit.finding.subject.ip][0]
        for hit in hits
        if hit.finding.chain in GENERIC - {""} and hit.role == "intrusion" and hit.finding.subject.ip in entered
    }


def _moments(hits: Iterable[Hit], rank: int) -> dict[str, list[datetime]]:
    """chain -> when it reached this stage; only chains that name a hole."""
    found: dict[str, list[datetime]] = {}
    for hit in hits:
        finding = hit.finding
        way = ways().get(finding.chain)
        if way is not None and way.cves and hit.role == "intrusion" and stage_rank(finding.stage) >= rank:
            times = [sample.time for sample in hit.group.samples.kept] or ([finding.time] if finding.time else [])
            found.setdefault(finding.chain, []).extend(times)
    return found


def _maker(door: BackDoor, hits: Mapping[str, Hit], wrote: Mapping[str, list[datetime]]) -> str:
    """By the file's own form (an OAB dump, a mailbox export), else the last attack that wrote before the first use."""
    named = {hits[each].finding.chain for each in door.findings if each in hits} - GENERIC
    if len(named) == 1:
        return next(iter(named))
    if door.first_seen is None:
        return next(iter(wrote)) if len(wrote) == 1 else ""
    before = {
        chain: max(time for time in times if time <= door.first_seen)
        for chain, times in wrote.items()
        if any(time <= door.first_seen for time in times)
    }
    return max(before, key=lambda chain: before[chain]) if before else ""


def _close(hit: Hit, times: Sequence[datetime]) -> bool:
    return any(abs(sample.time - time) <= JOIN for sample in hit.group.samples.kept for time in times)


def owned(hits: Iterable[Hit], mapped: Mapping[str, str]) -> list[Hit]:
    """Hits with the way in that `owners` found for them."""
    return [
        replace(hit, finding=replace(hit.finding, chain=mapped[hit.finding.id])) if hit.finding.id in mapped else hit
        for hit in hits
    ]


SOON = timedelta(hours=1)


def same_hands(hits: Sequence[Hit], doors: Sequence[BackDoor]) -> list[set[str]]:
    """Groups of addresses that act as one: who wrote within minutes of a door's making, and who used that door."""
    writers = [
        (hit.finding.subject.ip, [sample.time for sample in hit.group.samples.kept])
        for hit in hits
        if hit.finding.subject.ip and hit.role == "intrusion" and stage_rank(hit.finding.stage) >= WROTE and not hit.backdoor
    ]
    acting = {hit.finding.subject.ip for hit in hits if hit.role == "intrusion"}
    looking = {hit.finding.subject.ip for hit in hits if hit.role == "scanner"} - acting
    groups: list[set[str]] = []
    for door in doors:
        made = door.first_seen
        if made is None:
            continue
        near = {ip for ip, times in writers if any(-JOIN <= made - time <= JOIN for time in times)}
        soon = {ip for ip, times in writers if any(-JOIN <= made - time <= SOON for time in times)}
        makers = near or (soon if len(soon) == 1 else set())
        group = (makers if len(makers) == 1 else set()) | (set(door.used_by) - looking)
        if len(group) > 1:
            groups.append(group)
    return groups
