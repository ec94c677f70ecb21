"""Links between what was seen: which way in a back door belongs to, who is a mere scanner, what a relayed row means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from afterpatch.assess.chains import GENERIC, JOIN, ways
from afterpatch.assess.doorplaces import is_relay
from afterpatch.assess.findings import OVERLAP, Hit, overlap_text
from afterpatch.assess.heap import short_name
from afterpatch.detect.plane.tally import LogScan
from afterpatch.model import Actor, BackDoor, Chain, Finding, ServerExamination, Subject, message, stage_rank

WROTE = stage_rank("wrote")
SUCCEEDED = stage_rank("succeeded")
UNDATED = frozenset(("web-shell", "post-exploitation"))
LOOKING = frozenset(("", "GET", "HEAD"))
MANY_PAGES = 5  # different pages of others an address must have asked for to be a scanner
MANY = 20  # answered requests from which a client is no scanner any more


def own_addresses(scans: Iterable[LogScan]) -> frozenset[str]:
    """The addresses of the servers of the evidence, which hand requests on to back ends."""
    return frozenset(address for scan in scans for address in scan.addresses if address not in ("-", ""))


def unrelayed(hits: Iterable[Hit], own: frozenset[str] = frozenset()) -> list[Hit]:
    """Rows of back-end logs name the front end as their client: no source of an attack. It is kept as `relayed by`. Who
    asked the back end for a back door without a front end between is a source."""
    return [_unrelayed(hit) if _is_relayed(hit, own) else hit for hit in hits]


def _is_relayed(hit: Hit, own: frozenset[str]) -> bool:
    sides = hit.group.seen.get("server.side")
    if not hit.finding.subject.ip or sides is None or sides.values != {"back"}:
        return False
    return not hit.backdoor or is_relay(hit.finding.subject.ip, own)


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
    """finding id -> way in, for what an address of an attack did besides, also where it only looked around."""
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
        if hit.finding.chain in GENERIC - {""} and hit.role != "admin" and hit.finding.subject.ip in entered
    }


def overlapped(hits: Sequence[Hit]) -> dict[str, str]:
    """finding id -> way in, for findings that only say of some rows what a stronger finding of another way says of them."""
    rows: dict[tuple[int, int], list[Hit]] = {}
    for hit in hits:
        if hit.role == "intrusion" and _names_hole(hit):
            for sample in hit.group.samples.kept:
                rows.setdefault((sample.artifact, sample.line), []).append(hit)
    mapped: dict[str, str] = {}
    for hit in hits:
        if hit.role != "intrusion" or not _names_hole(hit) or not hit.group.samples.kept:
            continue
        stronger = [
            {other.finding.chain for other in rows[sample.artifact, sample.line] if _weight(other) > _weight(hit)}
            for sample in hit.group.samples.kept
        ]
        others = set.intersection(*stronger) - {hit.finding.chain}
        if len(others) == 1 and not any(hit.finding.chain in each for each in stronger):
            mapped[hit.finding.id] = others.pop()
    return mapped


def undated(hits: Sequence[Hit]) -> dict[str, str]:
    """finding id -> way in, for files without a time that name no way (a memory dump, an archive, a tool): where one way
    alone got through, they go with it."""
    through = set(_moments(hits, SUCCEEDED))
    if len(through) != 1:
        return {}
    (way,) = through
    return {
        hit.finding.id: way
        for hit in hits
        if hit.finding.chain in UNDATED and hit.finding.time is None and hit.finding.stage and hit.role == "intrusion"
    }


MOMENT = timedelta(minutes=1)


def explained(hits: Sequence[Hit]) -> list[Hit]:
    """Hits with the ambiguous rows of logs that name nobody told apart: where a signed-in person called the same function
    within a minute each time, and no intruder did anything then, it is that person's work."""
    people = [(sample.time, hit) for hit in hits if hit.role == "admin" for sample in hit.group.samples.kept]
    intruders = [
        sample.time
        for hit in hits
        if hit.role == "intrusion" and stage_rank(hit.finding.stage) >= 0
        for sample in hit.group.samples.kept
    ]
    return [_explained(hit, people, intruders) if people and _is_nameless(hit) else hit for hit in hits]


def _is_nameless(hit: Hit) -> bool:
    return hit.role == "anomaly" and not hit.finding.stage and not hit.finding.subject.ip and bool(hit.group.samples.kept)


def _explained(hit: Hit, people: Sequence[tuple[datetime, Hit]], intruders: Sequence[datetime]) -> Hit:
    times = [sample.time for sample in hit.group.samples.kept]
    if any(abs(time - other) <= JOIN for time in times for other in intruders):
        return hit
    beside = [[other for moment, other in people if abs(time - moment) <= MOMENT] for time in times]
    if not all(beside):
        return hit
    names = sorted({other.finding.subject.user for each in beside for other in each if other.finding.subject.user})
    cause = message("link.explained-by-person", user=", ".join(names))
    finding = replace(hit.finding, severity="low", benign_causes=(cause, *hit.finding.benign_causes))
    return replace(hit, finding=finding, role="admin")


def _names_hole(hit: Hit) -> bool:
    way = ways().get(hit.finding.chain)
    return way is not None and bool(way.cves)


def _weight(hit: Hit) -> tuple[int, int]:
    return stage_rank(hit.finding.stage), ("low", "moderate", "high").index(hit.finding.confidence)


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


MAX_OVERLAPS = 20


def with_overlaps(chains: Sequence[Chain], findings: Sequence[Finding]) -> list[Chain]:
    """The chains with what overlaps, by address or by file, with indicators published about groups: leads, never who it
    was."""
    by_address: dict[str, set[str]] = {}
    by_finding: dict[str, str] = {}
    for finding in findings:
        for tag in finding.tags:
            if tag.startswith(OVERLAP) and finding.subject.ip:
                by_address.setdefault(finding.subject.ip, set()).add(tag.removeprefix(OVERLAP))
        facts = dict(finding.subject.extra)
        if finding.detection.startswith("published-") and facts.get("group"):
            source, published, value = (facts.get(name, "") for name in ("source", "published", "value"))
            by_finding[finding.id] = overlap_text(facts["group"], source, published, value)
    return [replace(chain, overlaps=tuple(_overlaps(chain, by_address, by_finding))[:MAX_OVERLAPS]) for chain in chains]


def _overlaps(chain: Chain, by_address: Mapping[str, set[str]], by_finding: Mapping[str, str]) -> list[str]:
    found = {text for source in chain.sources for text in by_address.get(source, ())}
    return sorted(found | {by_finding[each] for each in chain.findings if each in by_finding})


def visitors(hits: Iterable[Hit], name: str) -> list[Hit]:
    """Of the hits of another server, what an intruder sent through it to this one (`name`): there only the relayed rows
    stand, without the address they came from."""
    return [hit for hit in hits if hit.role == "intrusion" and hit.finding.subject.ip and hit.finding.stage and _names(hit, name)]


def _names(hit: Hit, name: str) -> bool:
    asked = (hit.group.seen[column].values for column in ("anchor.host", "TargetServer") if column in hit.group.seen)
    return bool(name) and any(short_name(value) == short_name(name) for values in asked for value in values)


def across(servers: Sequence[ServerExamination]) -> tuple[ServerExamination, ...]:
    """The servers with each intruder knowing where else it was seen: who shares an address is one, over all servers. Who
    only looked around is left out: scanners go everywhere."""
    seen: dict[str, set[str]] = {}
    for server in servers:
        for actor in (actor for chain in server.chains for actor in chain.actors if _acted(actor)):
            for source in actor.sources:
                seen.setdefault(source, set()).add(server.name)
    if not any(len(names) > 1 for names in seen.values()):
        return tuple(servers)
    known = [tuple(_across(chain, server.name, seen) for chain in server.chains) for server in servers]
    return tuple(replace(server, chains=chains) for server, chains in zip(servers, known, strict=True))


def _across(chain: Chain, name: str, seen: Mapping[str, set[str]]) -> Chain:
    actors = []
    for actor in chain.actors:
        others = {each for source in actor.sources if _acted(actor) for each in seen[source]} - {name}
        actors.append(replace(actor, servers=tuple(sorted(others))))
    return replace(chain, actors=tuple(actors))


def _acted(actor: Actor) -> bool:
    return stage_rank(actor.stage) > 0


SOON = timedelta(hours=1)
LATER = timedelta(days=1)


def same_hands(hits: Sequence[Hit], doors: Sequence[BackDoor], elsewhere: Sequence[Hit] = ()) -> list[set[str]]:
    """Groups of addresses that act as one: who made a door, and who used it. `elsewhere`: what `visitors` gives."""
    acting = {hit.finding.subject.ip for hit in hits if hit.role == "intrusion"}
    looking = {hit.finding.subject.ip for hit in hits if hit.role == "scanner"} - acting
    acts = [*hits, *elsewhere]
    writers, entered = _acts(acts, WROTE), _acts(acts, SUCCEEDED)
    groups: list[set[str]] = []
    for door in doors:
        if door.first_seen is None:
            continue
        makers = _makers(door.first_seen, writers, entered)
        group = makers | (set(door.used_by) - looking)
        if len(group) > 1:
            groups.append(group)
    return groups


def _acts(hits: Iterable[Hit], rank: int) -> list[tuple[str, list[datetime]]]:
    """(address, moments) of what intruders did at this stage or further, the use of back doors apart."""
    return [
        (hit.finding.subject.ip, [sample.time for sample in hit.group.samples.kept])
        for hit in hits
        if hit.finding.subject.ip and hit.role == "intrusion" and stage_rank(hit.finding.stage) >= rank and not hit.backdoor
    ]


def _makers(
    made: datetime, writers: Sequence[tuple[str, list[datetime]]], entered: Sequence[tuple[str, list[datetime]]]
) -> set[str]:
    """The one address that made a door first seen at a moment: who wrote within minutes of it, within the hour before, or
    is the only one who wrote before it at all; where nobody was seen to write, the only one who got in the day before.
    Empty where several could have been."""
    for acts, window in ((writers, JOIN), (writers, SOON), (writers, None), (entered, LATER)):
        near = {
            ip for ip, times in acts if any(made - time >= -JOIN and (window is None or made - time <= window) for time in times)
        }
        if near:
            return near if len(near) == 1 else set()
    return set()
