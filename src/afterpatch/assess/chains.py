"""Attack chains of a server: which way in, how far, when, by whom; several intruders kept apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from importlib import resources
from typing import Any

from afterpatch.assess.findings import Hit
from afterpatch.assess.proofs import Step, proved, step_of
from afterpatch.model import STAGES, Actor, Chain, Finding, TimelineEntry, stage_rank, to_iso
from afterpatch.model.shipped import shipped_yaml

JOIN = timedelta(minutes=5)  # how far rows of a back-end log may lie from front-end rows of the same act
LOOKING_ROLES = frozenset(("scanner", "admin"))
GENERIC = frozenset(("", "web-shell", "iis-persistence", "mail-theft", "tampering", "post-exploitation"))
MAX_STEPS = 200
SHOWN_ROWS = 3  # of one finding


@dataclass(frozen=True, slots=True)
class Way:
    """One entry of chains.yml."""

    id: str
    name: str
    cves: tuple[str, ...] = ()
    gate: str = ""
    exploited: date | None = None
    asked_from: date | None = None
    needs: tuple[str, ...] = ()
    proof: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    verdict: bool = False

    @property
    def asked(self) -> date | None:
        """Where the question's period begins by default."""
        return max(filter(None, (self.exploited, self.asked_from)), default=None)


@cache
def ways() -> dict[str, Way]:
    """All ways in, in the order of chains.yml."""
    table = shipped_yaml(resources.files("afterpatch.assess").joinpath("chains.yml").read_text("utf-8"))
    return {entry["id"]: _way(entry) for entry in table["chains"]}


def _way(entry: dict[str, Any]) -> Way:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    return Way(**values)


@dataclass(slots=True)
class _Party:
    """One intruder of a chain, as far as addresses and time tell."""

    sources: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    hits: list[Hit] = field(default_factory=list)


def chain_of(finding: Finding) -> str:
    """The chain a finding counts for, "" for none."""
    return finding.chain if finding.stage or finding.chain not in GENERIC else ""


def stage_of(hit: Hit) -> str:
    """The stage a hit speaks for: scanners and administrators never get further than probing."""
    stage = hit.finding.stage
    return "probed" if hit.role in LOOKING_ROLES and stage_rank(stage) > 0 else stage


def build_chains(hits: Sequence[Hit], together: Sequence[set[str]] = (), elsewhere: Sequence[Hit] = ()) -> list[Chain]:
    """The chains of one server out of its hits, furthest first. `together`: addresses that act as one; `elsewhere`: rows of
    other servers whose requests were sent on to this one."""
    by_chain: dict[str, list[Hit]] = {}
    for hit in hits:
        if hit.finding.chain and stage_of(hit) and hit.role != "admin":
            by_chain.setdefault(hit.finding.chain, []).append(hit)
    chains = [_chain(name, members, together, elsewhere) for name, members in by_chain.items()]
    return sorted(chains, key=lambda chain: (-stage_rank(chain.stage), to_iso(chain.first_seen) or "~", chain.id))


def _chain(name: str, hits: list[Hit], together: Sequence[set[str]], elsewhere: Sequence[Hit]) -> Chain:
    way = ways().get(name, Way(name, name))
    parties = _parties(hits, together, [hit for hit in elsewhere if hit.finding.chain == name])
    times = [time for hit in hits for time in (hit.finding.time, hit.finding.end_time) if time is not None]
    stage = _furthest(hits)
    return Chain(
        id=name,
        name=f"msg:chain.{name}.name" if name in ways() else name,
        cves=way.cves,
        stage=stage,
        first_seen=min(times, default=None),
        last_seen=max(times, default=None),
        sources=tuple(sorted({source for party in parties for source in party.sources})),
        findings=tuple(dict.fromkeys(hit.finding.id for hit in _ordered(hits))),
        actors=tuple(_actor(party) for party in parties),
        steps=tuple(_steps(hits)),
    )


def _ordered(hits: Iterable[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: (to_iso(hit.finding.time) or "~", hit.finding.id))


def _furthest(hits: Iterable[Hit]) -> str:
    return max((stage_of(hit) for hit in hits), key=stage_rank, default=STAGES[0])


def _parties(hits: Sequence[Hit], together: Sequence[set[str]], elsewhere: Sequence[Hit]) -> list[_Party]:
    """Intruders by address; addresses that act as one are one. Rows without an address join the party that acted
    within minutes of them, here or through another server."""
    parties: list[_Party] = []
    nameless: list[Hit] = []
    for hit in _ordered(hits):
        source = hit.finding.subject.ip
        if not source:
            nameless.append(hit)
            continue
        party = _party_of(source, parties, together)
        party.sources.add(source)
        party.hits.append(hit)
        seen = hit.group.seen.get("user_agent")
        party.agents |= seen.values if seen is not None else set()
    _visited(nameless, parties, together, elsewhere)
    for hit in nameless:
        near = [party for party in parties if _near(hit, party)]
        for party in near or (parties if len(parties) == 1 else []):
            party.hits.append(hit)
        if not near and not parties:
            parties.append(_Party(hits=[hit]))
    return parties


def _visited(nameless: list[Hit], parties: list[_Party], together: Sequence[set[str]], elsewhere: Sequence[Hit]) -> None:
    """Gives rows without an address to who sent them on from another server at that time, where that was one alone."""
    for hit in list(nameless):
        near = {other.finding.subject.ip for other in elsewhere if _near(hit, _Party(hits=[other]))}
        if len(near) == 1:
            (source,) = near
            party = _party_of(source, parties, together)
            party.sources.add(source)
            party.hits.append(hit)
            nameless.remove(hit)


def _party_of(source: str, parties: list[_Party], together: Sequence[set[str]]) -> _Party:
    """The party of an address, a new one where it belongs to none; parties that turn out to be one are joined."""
    friends = {source}.union(*(group for group in together if source in group))
    mine = [party for party in parties if party.sources & friends]
    if not mine:
        mine = [_Party()]
        parties.append(mine[0])
    for other in mine[1:]:
        mine[0].sources |= other.sources
        mine[0].agents |= other.agents
        mine[0].hits += other.hits
        parties.remove(other)
    return mine[0]


def _near(hit: Hit, party: _Party) -> bool:
    """Whether a row without address lies within minutes of what the party did."""
    moments = [sample.time for sample in hit.group.samples.kept]
    if not moments and hit.finding.time is not None:
        moments = [hit.finding.time]
    return any(
        abs(moment - sample.time) <= JOIN
        for moment in moments
        for other in party.hits
        if other.finding.subject.ip
        for sample in other.group.samples.kept
    )


def _actor(party: _Party) -> Actor:
    times = [time for hit in party.hits for time in (hit.finding.time, hit.finding.end_time) if time is not None]
    return Actor(
        sources=tuple(sorted(party.sources)),
        agents=tuple(sorted(party.agents))[:8],
        stage=_furthest(party.hits),
        first_seen=min(times, default=None),
        last_seen=max(times, default=None),
        findings=tuple(dict.fromkeys(hit.finding.id for hit in party.hits)),
    )


def _steps(hits: Sequence[Hit]) -> list[TimelineEntry]:
    """What was done, step by step, in the order of time; what several logs tell of one act is one step."""
    steps = [step for hit in hits if hit.finding.time is not None for step in _of_hit(hit)]
    shown = [step for position, step in steps if position < SHOWN_ROWS]
    return proved(shown, [step for _position, step in steps if step.request])[:MAX_STEPS]


def _of_hit(hit: Hit) -> Iterable[tuple[int, Step]]:
    for position, sample in enumerate(hit.group.samples.kept):
        proof = hit.finding.evidence[position] if position < len(hit.finding.evidence) else None
        entry = TimelineEntry(sample.time, hit.finding.title, hit.finding.subject, (hit.finding.id,), proof)
        yield position, step_of(entry, hit)
