"""Which rules can fire on the events of one channel and id, and what such an event's text must hold for each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from afterpatch.detect.events.literals import Group, Groups, necessary_groups, required_ids, weakest
from afterpatch.detect.events.search import Anchors
from afterpatch.detect.events.view import EventView
from afterpatch.detect.sigma.compile import CompiledRule
from afterpatch.detect.sigma.mapping import EVENT_LOG, FieldMapping, MappedView, Table, Variant
from afterpatch.detect.sigma.model import RAW, Node
from afterpatch.detect.sigma.view import FieldView

NARROW = 8  # literals of a further group that are looked for before the rule is judged
MAX_PROGRAMS = 4_096  # channel and id pairs that are remembered; an attacker can name any number of channels
CHANNEL, EVENT_ID = "Channel", "EventID"


@dataclass(frozen=True, slots=True)
class Way:
    """One way a rule reads an event: conditions that are left beside channel and id, and how it names the fields."""

    conditions: tuple[tuple[str, frozenset[str]], ...]
    table: Table
    mapping: FieldMapping  # of this table alone

    def holds(self, view: EventView) -> bool:
        """Whether an event is read this way."""
        for name, wanted in self.conditions:
            values = view.get(name)
            if values is None or not any(value.lower() in wanted for value in values):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rule in a program. `narrow`: further groups, of which each must have a literal in the text too."""

    number: int
    rule: CompiledRule
    ways: tuple[Way, ...]
    narrow: tuple[tuple[bytes, ...], ...] = ()


@dataclass(slots=True)
class Program:
    """All that concerns the events of one channel and id."""

    candidates: tuple[Candidate, ...]
    always: frozenset[int]  # positions of candidates without literals
    anchors: Anchors
    by_anchor: tuple[tuple[int, ...], ...]
    whole: bool  # a rule looks into the system part: the whole text is searched

    def wanted(self, data: bytes) -> Collection[int]:
        """Positions of the candidates that an event with this text (the part from the event's data on, unless
        `whole`) may make fire."""
        if not self.candidates:
            return ()
        found = self.anchors.found(data)
        if not found:
            return self.always
        low = data.lower()
        wanted = set(self.always)
        for anchor in found:
            for position in self.by_anchor[anchor]:
                if position not in wanted and _narrowed(self.candidates[position].narrow, low):
                    wanted.add(position)
        return wanted


def _narrowed(groups: tuple[tuple[bytes, ...], ...], low: bytes) -> bool:
    for group in groups:
        for literal in group:
            if literal in low:
                break
        else:
            return False
    return True


@dataclass(slots=True)
class EventPlan:
    """The rules that event logs are judged by. Programs are made when the first event of their kind comes."""

    rules: tuple[CompiledRule, ...]
    conditions: tuple[Node, ...]
    ids: tuple[frozenset[int] | None, ...]
    correlated: Mapping[str, tuple[str, ...]]
    force_fallback: bool = False
    brief: bool = False  # what correlations get of a record's text is cut short
    _programs: dict[tuple[str, int], Program] = field(default_factory=dict)
    _alike: dict[tuple[int, ...], Program] = field(default_factory=dict)
    _literals: dict[int, Groups] = field(default_factory=dict)

    def program(self, channel: str, event_id: int) -> Program:
        """The program of a channel and event id."""
        key = (channel.lower(), event_id)
        found = self._programs.get(key)
        if found is None:
            if len(self._programs) >= MAX_PROGRAMS:
                self._programs.clear()
                self._alike.clear()
            found = self._programs[key] = self._shared(self._chosen(*key))
        return found

    def _chosen(self, channel: str, event_id: int) -> tuple[tuple[int, tuple[Way, ...]], ...]:
        """The rules that may fire on a channel and id, and how they read it."""
        known: dict[int, tuple[Way, ...]] = {}
        chosen = []
        for number, rule in enumerate(self.rules):
            if self.ids[number] is not None and event_id not in (self.ids[number] or ()):
                continue
            key = id(rule.mapping)  # rules of one log source share it
            if key not in known:
                known[key] = ways_of(rule.mapping, channel, event_id)
            if known[key]:
                chosen.append((number, known[key]))
        return tuple(chosen)

    def _shared(self, chosen: tuple[tuple[int, tuple[Way, ...]], ...]) -> Program:
        """Events of different ids that concern the same rules in the same way share a program."""
        if any(way.table.sources or way.conditions for _number, ways in chosen for way in ways):
            return self._make(chosen)
        key = tuple(number for number, _ways in chosen)
        if key not in self._alike:
            self._alike[key] = self._make(chosen)
        return self._alike[key]

    def _make(self, chosen: tuple[tuple[int, tuple[Way, ...]], ...]) -> Program:
        candidates: list[Candidate] = []
        anchors: dict[bytes, list[int]] = {}
        always: list[int] = []
        for number, ways in chosen:
            groups = self._groups(number, ways)
            position = len(candidates)
            narrow = tuple(tuple(sorted(group)) for group in groups[1:] if len(group) <= NARROW)
            candidates.append(Candidate(number, self.rules[number], ways, narrow))
            if not groups:
                always.append(position)
            for literal in groups[0] if groups else ():
                anchors.setdefault(literal, []).append(position)
        return Program(
            candidates=tuple(candidates),
            always=frozenset(always),
            anchors=Anchors(sorted(anchors), force_fallback=self.force_fallback),
            by_anchor=tuple(tuple(anchors[literal]) for literal in sorted(anchors)),
            whole=any(RAW in self.rules[number].fields for number, _ways in chosen),
        )

    def _groups(self, number: int, ways: tuple[Way, ...]) -> Groups:
        """The literals of a rule; where it reads events in several ways only what holds for all."""
        if len(ways) > 1:
            return ()
        if ways[0].table.sources:
            return necessary_groups(self.conditions[number], ways[0].table)
        if number not in self._literals:
            self._literals[number] = necessary_groups(self.conditions[number], ways[0].table)
        return self._literals[number]


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


class Views:
    """One event as rules of different tables see it; rules of one table share what was looked up."""

    __slots__ = ("_event", "_mapped")

    def __init__(self, event: EventView) -> None:
        self._event = event
        self._mapped: dict[int, FieldView] = {}

    def of(self, candidate: Candidate) -> FieldView | None:
        """The view for a rule, None where no way of the rule serves the event."""
        for way in candidate.ways:
            if way.conditions and not way.holds(self._event):
                continue
            if not way.table.sources:
                return self._event
            key = id(way.table)
            if key not in self._mapped:
                self._mapped[key] = MappedView(self._event, way.mapping, EVENT_LOG)
            return self._mapped[key]
        return None


def make_event_plan(
    rules: Sequence[CompiledRule],
    correlated: Mapping[str, tuple[str, ...]] | None = None,
    *,
    force_fallback: bool = False,
    brief: bool = False,
) -> EventPlan:
    """The plan of all rules that apply to event logs. `correlated`: rule id -> fields its correlations need."""
    mine = tuple(rule for rule in rules if EVENT_LOG in rule.kinds)
    conditions = tuple(rule.mapping.prepare(rule.rule.condition) for rule in mine)
    ids = tuple(map(required_ids, conditions))
    return EventPlan(mine, conditions, ids, correlated or {}, force_fallback, brief)


__all__ = ["Candidate", "EventPlan", "Group", "Program", "Variant", "Views", "make_event_plan", "weakest"]
