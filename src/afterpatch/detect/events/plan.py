"""Which rules can fire on the events of one channel and id, and what such an event's text must hold for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from afterpatch.detect.events.kept import Kept, load_kept, store_kept
from afterpatch.detect.events.literals import Groups, necessary_groups, required_ids
from afterpatch.detect.events.memory import Memory
from afterpatch.detect.events.program import Candidate, Program, Way, make_program
from afterpatch.detect.sigma.compile import CompiledRule
from afterpatch.detect.sigma.mapping import EVENT_LOG, FieldMapping, Table
from afterpatch.knowledge.indicators import Matcher

MAX_PROGRAMS = 4_096  # channel and id pairs that are remembered; an attacker can name any number of channels
CHANNEL, EVENT_ID = "Channel", "EventID"


@dataclass(slots=True)
class EventPlan:
    """The rules that event logs are judged by. Programs are made when the first event of their kind comes."""

    rules: tuple[CompiledRule, ...]
    ids: tuple[frozenset[int] | None, ...]
    correlated: Mapping[str, tuple[str, ...]]
    force_fallback: bool = False
    brief: bool = False  # what correlations get of a record's text is cut short
    version: str = ""
    memory: Memory = field(default_factory=Memory)
    matcher: Matcher | None = None  # published indicators that fields are compared with
    _kept: Kept | None = None
    _programs: dict[tuple[str, int], Program] = field(default_factory=dict)
    _alike: dict[tuple[int, ...], Program] = field(default_factory=dict)
    _literals: dict[int, Groups] = field(default_factory=dict)
    _by_mapping: dict[int, tuple[FieldMapping, list[int]]] = field(default_factory=dict)

    def program(self, channel: str, event_id: int) -> Program:
        """The program of a channel and event id."""
        key = (channel.lower(), event_id)
        found = self._programs.get(key)
        if found is None:
            if len(self._programs) >= MAX_PROGRAMS:
                self._programs.clear()
                self._alike.clear()
            found = self._programs[key] = self._shared(key, self._chosen(*key))
        return found

    def prepare(self, usual: Sequence[tuple[str, int]], *, worth: bool) -> None:
        """Makes the programs of these channels and ids, so that workers that are forked from here have them: from what
        was kept of an earlier run, or where it is `worth` the time."""
        if self._kept is None:
            self._kept = load_kept(self)
        if not self._kept and not worth:
            return
        made = [(key, self.program(*key)) for key in usual]
        if not self._kept:
            store_kept(self, made)

    def _chosen(self, channel: str, event_id: int) -> tuple[tuple[int, tuple[Way, ...]], ...]:
        """The rules that may fire on a channel and id, and how they read it."""
        if not self._by_mapping:
            for number, rule in enumerate(self.rules):  # rules of one log source share their mapping
                self._by_mapping.setdefault(id(rule.mapping), (rule.mapping, []))[1].append(number)
        chosen = []
        for mapping, numbers in self._by_mapping.values():
            ways = ways_of(mapping, channel, event_id)
            if ways:
                chosen += [(number, ways) for number in numbers if _concerns(self.ids[number], event_id)]
        return tuple(sorted(chosen, key=itemgetter(0)))

    def _shared(self, key: tuple[str, int], chosen: tuple[tuple[int, tuple[Way, ...]], ...]) -> Program:
        """Events of different ids that concern the same rules in the same way share a program."""
        if any(way.table.sources or way.conditions for _number, ways in chosen for way in ways):
            return self._make(key, chosen)
        numbers = tuple(number for number, _ways in chosen)
        if numbers not in self._alike:
            self._alike[numbers] = self._make(key, chosen)
        return self._alike[numbers]

    def _make(self, key: tuple[str, int], chosen: tuple[tuple[int, tuple[Way, ...]], ...]) -> Program:
        kept = self._kept.get(key) if self._kept else None
        parts = []
        for number, ways in chosen:
            groups = kept.groups.get(number, ()) if kept is not None else self._groups(number, ways)
            parts.append((Candidate(number, self.rules[number], ways), groups))
        compiled = kept.compiled if kept is not None else b""
        return make_program(parts, self.memory, force_fallback=self.force_fallback, compiled=compiled)

    def _groups(self, number: int, ways: tuple[Way, ...]) -> Groups:
        """The literals of a rule; where it reads events in several ways only what holds for all."""
        if len(ways) > 1:
            return ()
        if ways[0].table.sources:
            return necessary_groups(self.rules[number].condition, ways[0].table)
        if number not in self._literals:
            self._literals[number] = necessary_groups(self.rules[number].condition, ways[0].table)
        return self._literals[number]


def _concerns(ids: frozenset[int] | None, event_id: int) -> bool:
    return ids is None or event_id in ids


def ways_of(mapping: FieldMapping, channel: str, event_id: int) -> tuple[Way, ...]:
    """How the rules of a mapping read the events of a channel (lower case) and id; () if they do not."""
    if EVENT_LOG not in mapping.tables:
        return ()
    if not mapping.events:
        return (_way((), mapping.tables[EVENT_LOG]),)
    known = {CHANNEL: channel, EVENT_ID: str(event_id)}
    ways: list[Way] = []
    for variant in mapping.events:
        if any(name in known and known[name] not in wanted for name, wanted in variant.conditions):
            continue
        rest = tuple((name, wanted) for name, wanted in variant.conditions if name not in known)
        ways.append(_way(rest, variant.table))
        if not rest:
            break
    return tuple(ways)


def _way(conditions: tuple[tuple[str, frozenset[str]], ...], table: Table) -> Way:
    return Way(conditions, table, FieldMapping({EVENT_LOG: table}))


def make_event_plan(
    rules: Sequence[CompiledRule],
    correlated: Mapping[str, tuple[str, ...]] | None = None,
    *,
    force_fallback: bool = False,
    brief: bool = False,
    version: str = "",
) -> EventPlan:
    """The plan of all rules that apply to event logs. `correlated`: rule id -> fields its correlations need; `version` of
    the rules: what is made of it is kept between runs, "" where that is not wanted."""
    mine = tuple(rule for rule in rules if EVENT_LOG in rule.kinds)
    ids = tuple(required_ids(rule.condition) for rule in mine)
    return EventPlan(mine, ids, correlated or {}, force_fallback, brief, version)


__all__ = ["Candidate", "EventPlan", "Program", "make_event_plan", "ways_of"]
