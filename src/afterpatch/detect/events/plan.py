"""Which rules can fire on the events of one channel and id, and what such an event's text must hold for each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from afterpatch.detect.events.literals import Group, Groups, necessary_groups, required_ids, weakest
from afterpatch.detect.events.search import Anchors
from afterpatch.detect.events.view import EventView
from afterpatch.detect.sigma.compile import CompiledRule
from afterpatch.detect.sigma.mapping import EVENT_LOG, FieldMapping, MappedView, Source, Table, Variant
from afterpatch.detect.sigma.model import RAW, FieldRef, Node, items_of
from afterpatch.detect.sigma.view import FieldView

NARROW = 8  # literals of a further group that are looked for before the rule is judged
MAX_PROGRAMS = 4_096  # channel and id pairs that are remembered; an attacker can name any number of channels
MAX_CHOICES = 4_096  # sets of candidates of a program
MAX_KEY = 8_192  # characters of the values of one remembered result
MAX_MEMORY = 24 << 20  # characters of all of them
OVERHEAD = 400
CHANNEL, EVENT_ID = "Channel", "EventID"
_ITSELF = Source(())


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
    asked: frozenset[str]  # the fields it looks at, by the rule's names
    narrow: tuple[tuple[bytes, ...], ...] = ()


Key = tuple[tuple[str, ...] | None, ...]


@dataclass(slots=True)
class Memory:
    """What all remembered results of a plan take together, in characters. When it is too much all are forgotten."""

    used: int = 0
    generation: int = 0

    def take(self, size: int) -> None:
        """Counts one more result."""
        self.used += size
        if self.used > MAX_MEMORY:
            self.used = 0
            self.generation += 1


@dataclass(slots=True)
class Choice:
    """Some candidates of a program, and what was found when they were judged before.

    `names`: every field they look at; the values of these decide. None: they look at the whole text, nothing is
    remembered."""

    candidates: tuple[Candidate, ...]
    names: tuple[str, ...] | None
    memory: Memory
    memo: dict[Key, tuple[Candidate, ...]] = field(default_factory=dict)
    generation: int = 0

    def recall(self, key: Key) -> tuple[Candidate, ...] | None:
        """What was found before for these values; None where nothing is known."""
        if self.generation != self.memory.generation:
            self.memo.clear()
            self.generation = self.memory.generation
        return self.memo.get(key)

    def remember(self, key: Key, fired: tuple[Candidate, ...]) -> None:
        """Keeps a result; long values are not worth it."""
        size = sum(len(value) for values in key if values for value in values)
        if size <= MAX_KEY:
            self.memo[key] = fired
            self.memory.take(size + OVERHEAD)


@dataclass(slots=True)
class Program:
    """All that concerns the events of one channel and id."""

    candidates: tuple[Candidate, ...]
    always: frozenset[int]  # positions of candidates without literals
    anchors: Anchors
    by_anchor: tuple[tuple[int, ...], ...]
    whole: bool  # a rule looks into the system part: the whole text is searched
    memory: Memory
    choices: dict[tuple[int, ...], Choice] = field(default_factory=dict)

    def choice(self, wanted: Collection[int]) -> Choice:
        """The candidates at these positions."""
        key = tuple(sorted(wanted))
        found = self.choices.get(key)
        if found is None:
            if len(self.choices) >= MAX_CHOICES:
                self.choices.clear()
            chosen = tuple(self.candidates[position] for position in key)
            found = self.choices[key] = Choice(chosen, _names(chosen), self.memory, generation=self.memory.generation)
        return found

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


def _names(candidates: tuple[Candidate, ...]) -> tuple[str, ...] | None:
    """The fields of the event that decide whether the candidates fire; None where that is all of it."""
    names: set[str] = set()
    for candidate in candidates:
        for way in candidate.ways:
            names.update(name for name, _wanted in way.conditions)
            for asked in candidate.asked:
                source = way.table.sources.get(asked, _ITSELF)
                if source is _ITSELF:
                    names.add(asked)
                elif source is not None:
                    names.update((*source.columns, *source.joined))
    return None if RAW in names else tuple(sorted(names))


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
    memory: Memory = field(default_factory=Memory)
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

    def prepare(self, usual: Iterable[tuple[str, int]]) -> None:
        """Makes the programs of these channels and ids, so that workers that are forked from here have them."""
        for channel, event_id in usual:
            self.program(channel, event_id)

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
            candidates.append(Candidate(number, self.rules[number], ways, asked_of(self.conditions[number]), narrow))
            if not groups:
                always.append(position)
            for literal in groups[0] if groups else ():
                anchors.setdefault(literal, []).append(position)
        return Program(
            candidates=tuple(candidates),
            always=frozenset(always),
            anchors=Anchors(sorted(anchors), force_fallback=self.force_fallback),
            by_anchor=tuple(tuple(anchors[literal]) for literal in sorted(anchors)),
            memory=self.memory,
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


def asked_of(node: Node) -> frozenset[str]:
    """The fields a condition looks at."""
    names: set[str] = set()
    for item in items_of(node):
        names.add(item.field)
        names.update(value.field for group in item.values for value in group if isinstance(value, FieldRef))
    return frozenset(names)


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
