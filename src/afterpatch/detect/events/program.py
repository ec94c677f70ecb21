"""The rules that concern the events of one channel and id, and the search for those that such an event may make fire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from afterpatch.detect.events.literals import Groups, weakest
from afterpatch.detect.events.memory import Choice, Memory
from afterpatch.detect.events.search import Anchors
from afterpatch.detect.events.view import EventView
from afterpatch.detect.sigma.compile import CompiledRule
from afterpatch.detect.sigma.mapping import EVENT_LOG, FieldMapping, MappedView, Source, Table
from afterpatch.detect.sigma.model import RAW
from afterpatch.detect.sigma.view import FieldView

LEVELS = 4  # groups of a rule that are searched
WIDE = 64  # literals of a further group that are worth searching
WORTH = 2.0  # how much a further group must select
MAX_CHOICES = 4_096  # sets of candidates, and sets of literals, of a program
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
    """A rule in a program, by its number in the plan."""

    number: int
    rule: CompiledRule
    ways: tuple[Way, ...]


@dataclass(slots=True)
class Program:
    """All that concerns the events of one channel and id.

    `groups`: by candidate, those that are searched. Sets of candidates are numbers, bit by bit. `masks`: for each level and
    literal the candidates whose group of this level holds the literal; `free`: for each level those that have no such
    group. `system`: the numbers of literals that are looked for in the system part of a record too."""

    candidates: tuple[Candidate, ...]
    anchors: Anchors
    groups: tuple[Groups, ...]
    masks: tuple[tuple[int, ...], ...]
    free: tuple[int, ...]
    system: frozenset[int]
    memory: Memory
    _wanted: dict[tuple[int, ...], int] = field(default_factory=dict)
    _choices: dict[int, Choice] = field(default_factory=dict)

    def choice(self, found: Sequence[int]) -> Choice | None:
        """The candidates that an event that holds these literals may make fire; None where there is none."""
        key = tuple(found)
        wanted = self._wanted.get(key)
        if wanted is None:
            if len(self._wanted) >= MAX_CHOICES:
                self._wanted.clear()
            wanted = self._wanted[key] = self._holding(key)
        return (self._choices.get(wanted) or self._chosen(wanted)) if wanted else None

    def _holding(self, found: tuple[int, ...]) -> int:
        wanted = -1
        for masks, free in zip(self.masks, self.free, strict=True):
            hit = free
            for number in found:
                hit |= masks[number]
            wanted &= hit
        return wanted

    def _chosen(self, wanted: int) -> Choice:
        if len(self._choices) >= MAX_CHOICES:
            self._choices.clear()
        positions, left = [], wanted
        while left:
            positions.append((left & -left).bit_length() - 1)
            left &= left - 1
        chosen = tuple([self.candidates[position] for position in positions])
        choice = self._choices[wanted] = Choice(chosen, decisive(chosen), self.memory, generation=self.memory.generation)
        return choice


def decisive(candidates: tuple[Candidate, ...]) -> tuple[str, ...] | None:
    """The fields of the event that decide whether the candidates fire; None where that is all of it."""
    names: set[str] = set()
    for candidate in candidates:
        for way in candidate.ways:
            names.update(name for name, _wanted in way.conditions)
            for asked in candidate.rule.fields:
                source = way.table.sources.get(asked, _ITSELF)
                if source is _ITSELF:
                    names.add(asked)
                elif source is not None:
                    names.update((*source.columns, *source.joined))
    return None if RAW in names else tuple(sorted(names))


def searched(groups: Groups) -> Groups:
    """The groups of a rule that are searched: the best, and others that select enough."""
    return (*groups[:1], *[group for group in groups[1:LEVELS] if len(group) <= WIDE and weakest(group) >= WORTH])


def make_program(
    parts: Sequence[tuple[Candidate, Groups]],
    memory: Memory,
    *,
    force_fallback: bool = False,
    compiled: bytes = b"",
) -> Program:
    """A program of candidates and the groups of literals that they need. `compiled`: the search for their literals as
    Anchors.compiled gave it for the same groups."""
    literals: dict[bytes, int] = {}
    system: set[bytes] = set()
    chosen = [searched(groups) for _candidate, groups in parts]
    for (candidate, _groups), groups in zip(parts, chosen, strict=True):
        system.update(literal for group in groups for literal in group if RAW in candidate.rule.fields)
    for literal in sorted({literal for groups in chosen for group in groups for literal in group}):
        literals[literal] = len(literals)
    levels = max([1, *map(len, chosen)])
    masks = [[0] * len(literals) for _level in range(levels)]
    free = [0] * levels
    for position, groups in enumerate(chosen):
        for level in range(levels):
            if level >= len(groups):
                free[level] |= 1 << position
                continue
            for literal in groups[level]:
                masks[level][literals[literal]] |= 1 << position
    return Program(
        candidates=tuple(candidate for candidate, _groups in parts),
        anchors=Anchors(tuple(literals), force_fallback=force_fallback, compiled=compiled),
        groups=tuple(chosen),
        masks=tuple(map(tuple, masks)),
        free=tuple(free),
        system=frozenset(literals[literal] for literal in system),
        memory=memory,
    )


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
