"""A regular expression judged in time linear to the text, whatever the text: an automaton built while it runs.

Python's `re` tries one way after the other, and hostile text can make that take for ever. Here all ways are followed
at once: a state is the set of places in the expression that are possible, and each step is remembered. Only "is it in
there" is answered, which is all a rule asks. What cannot be done this way (look-around, back references, atomic
groups) raises NotRegularError.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from re import _constants as _c  # type: ignore[attr-defined]
from typing import Any

from afterpatch.detect.sigma.regex_literals import parse

MAX_PLACES = 4_000
MAX_STEPS = 20_000
MAX_KEPT = 400_000  # places in all remembered closures
MAX_CHARS = 1_024  # characters whose places are remembered

START, WORD, NEWLINE, OTHER, LAST_NEWLINE, END = range(6)
_WORD_CHARS = frozenset(string.ascii_letters + string.digits + "_")
_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    _c.CATEGORY_DIGIT: lambda char: char in string.digits,
    _c.CATEGORY_NOT_DIGIT: lambda char: char not in string.digits,
    _c.CATEGORY_WORD: lambda char: char in _WORD_CHARS,
    _c.CATEGORY_NOT_WORD: lambda char: char not in _WORD_CHARS,
    _c.CATEGORY_SPACE: lambda char: char in " \t\n\r\f\v",
    _c.CATEGORY_NOT_SPACE: lambda char: char not in " \t\n\r\f\v",
}
_SINGLE = frozenset({_c.LITERAL, _c.NOT_LITERAL, _c.ANY, _c.IN})


class NotRegularError(Exception):
    """The expression uses what an automaton cannot do."""


def _kind(char: str) -> int:
    return NEWLINE if char == "\n" else WORD if char in _WORD_CHARS else OTHER


def _other_case(char: str) -> str:
    return char.swapcase() if char in string.ascii_letters else char


def _in_set(items: Any, char: str) -> bool:
    for kind, argument in items:
        if kind is _c.LITERAL:
            if ord(char) == argument:
                return True
        elif kind is _c.RANGE:
            if argument[0] <= ord(char) <= argument[1]:
                return True
        elif kind is _c.CATEGORY and _CATEGORIES[argument](char):
            return True
    return False


def takes(op: Any, argument: Any, flags: int, char: str) -> bool:
    """Whether a single-character element takes a character."""
    if op is _c.ANY:
        return bool(flags & _c.SRE_FLAG_DOTALL) or char != "\n"
    chars = {char, _other_case(char)} if flags & _c.SRE_FLAG_IGNORECASE else {char}
    if op is _c.LITERAL:
        return any(ord(one) == argument for one in chars)
    if op is _c.NOT_LITERAL:
        return all(ord(one) != argument for one in chars)
    negated = argument[0][0] is _c.NEGATE
    return any(_in_set(argument, one) for one in chars) is not negated


def stands(at: Any, flags: int, before: int, after: int) -> bool:
    """Whether an anchor holds between two kinds of neighbours."""
    if at is _c.AT_BEGINNING_STRING or (at is _c.AT_BEGINNING and not flags & _c.SRE_FLAG_MULTILINE):
        return before == START
    if at is _c.AT_BEGINNING:
        return before in (START, NEWLINE)
    if at is _c.AT_END_STRING:
        return after == END
    if at is _c.AT_END:
        multi = bool(flags & _c.SRE_FLAG_MULTILINE)
        return after in (END, LAST_NEWLINE) or (multi and after == NEWLINE)
    boundary = (before == WORD) is not (after == WORD)
    return boundary if at is _c.AT_BOUNDARY else not boundary


class _Builder:
    """Places: each is (op, argument, flags, next), ("split", targets) or ("accept",)."""

    def __init__(self) -> None:
        self.places: list[tuple[Any, ...]] = [("accept",)]

    def add(self, *place: Any) -> int:
        if len(self.places) >= MAX_PLACES:
            raise NotRegularError(f"stands for more than {MAX_PLACES} places")
        self.places.append(place)
        return len(self.places) - 1

    def sequence(self, elements: Any, flags: int, following: int) -> int:
        for op, argument in reversed(list(elements)):
            following = self.element(op, argument, flags, following)
        return following

    def element(self, op: Any, argument: Any, flags: int, following: int) -> int:
        if op in _SINGLE:
            return self.add(op, argument, flags, following)
        if op is _c.AT:
            return self.add(op, argument, flags, following)
        if op is _c.BRANCH:
            return self.add("split", [self.sequence(branch, flags, following) for branch in argument[1]])
        if op is _c.SUBPATTERN:
            _, more, less, inner = argument
            return self.sequence(inner, (flags | more) & ~less, following)
        if op in (_c.MAX_REPEAT, _c.MIN_REPEAT):
            return self.repeat(argument, flags, following)
        raise NotRegularError(f"{str(op).lower()} is not regular")

    def repeat(self, argument: Any, flags: int, following: int) -> int:
        low, high, inner = argument
        if high is _c.MAXREPEAT:
            loop = self.add("split", [following])
            self.places[loop][1].append(self.sequence(inner, flags, loop))
            following = loop
        else:
            end = following
            for _ in range(high - low):
                following = self.add("split", [self.sequence(inner, flags, following), end])
        for _ in range(low):
            following = self.sequence(inner, flags, following)
        return following


State = tuple[frozenset[int], int]
FOUND = -1


class Automaton:
    """The lazy automaton of one expression. Not shared between threads."""

    def __init__(self, pattern: str, flags: str) -> None:
        tree = parse(pattern, flags)
        builder = _Builder()
        self.first = builder.sequence(tree, int(tree.state.flags), 0)
        self.places = builder.places
        self._classes = _classes(self.places)
        self._taking: dict[str, frozenset[int]] = {}
        self._closures: dict[tuple[int, int], dict[int, frozenset[int]]] = {}
        self._kept = 0
        self._forget()

    def _forget(self) -> None:
        self.states: list[State] = []
        self.numbers: dict[State, int] = {}
        self.moves: list[dict[str, int]] = []
        self.steps = 0
        self._number((frozenset({self.first}), START))

    def _number(self, state: State) -> int:
        number = self.numbers.get(state)
        if number is None:
            number = self.numbers[state] = len(self.states)
            self.states.append(state)
            self.moves.append({})
        return number

    def search(self, text: str) -> bool:
        """Whether the text holds the expression."""
        last_newline = text.endswith("\n")
        number = self._run(text[:-1] if last_newline else text)
        if number == FOUND:
            return True
        state = self.states[number]
        if last_newline:
            reached = self._reachable(state, LAST_NEWLINE)
            if 0 in reached:
                return True
            state = self._moved(reached, "\n")
        return 0 in self._reachable(state, END)

    def search_part(self, text: str) -> bool:
        """Whether the expression is found before the last character of a text that goes on."""
        return self._run(text) == FOUND

    def _run(self, text: str) -> int:
        """The number of the state behind a text that goes on, or FOUND."""
        number, moves = 0, self.moves
        for char in text:
            after = moves[number].get(char)
            if after is None:
                if self.steps >= MAX_STEPS:
                    state = self.states[number]
                    self._forget()
                    number, moves = self._number(state), self.moves
                after = self._step(number, char)
            if after == FOUND:
                return FOUND
            number = after
        return number

    def _step(self, number: int, char: str) -> int:
        reached = self._reachable(self.states[number], _kind(char))
        after = FOUND if 0 in reached else self._number(self._moved(reached, char))
        self.moves[number][char] = after
        self.steps += 1
        return after

    def _moved(self, reached: frozenset[int], char: str) -> State:
        """The state behind a character, from all places reached before it."""
        places = self.places
        moved = {places[place][3] for place in reached & self._takers(char)}
        moved.add(self.first)
        return (frozenset(moved), _kind(char))

    def _takers(self, char: str) -> frozenset[int]:
        """The places that take a character."""
        found = self._taking.get(char)
        if found is None:
            if len(self._taking) >= MAX_CHARS:
                self._taking.clear()
            taking = [places for (op, argument, flags), places in self._classes if takes(op, argument, flags, char)]
            found = self._taking[char] = frozenset().union(*taking)
        return found

    def _reachable(self, state: State, after: int) -> frozenset[int]:
        """All places that can be reached without a character."""
        if self._kept > MAX_KEPT:
            self._closures.clear()
            self._kept = 0
        known = self._closures.setdefault((state[1], after), {})
        for place in state[0]:
            if place not in known:
                known[place] = self._closure(place, state[1], after)
                self._kept += len(known[place])
        return frozenset().union(*map(known.__getitem__, state[0]))

    def _closure(self, start: int, before: int, after: int) -> frozenset[int]:
        """The places that are reached from one without a character, but for those that only lead on."""
        seen: set[int] = set()
        waiting = [start]
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            op, *rest = self.places[place]
            if op == "split":
                waiting += rest[0]
            elif op is _c.AT and stands(rest[0], rest[1], before, after):
                waiting.append(rest[2])
        return frozenset(place for place in seen if self.places[place][0] in _SINGLE or place == 0)


def _classes(places: list[tuple[Any, ...]]) -> list[tuple[tuple[Any, Any, int], frozenset[int]]]:
    """The elements that take a character, each once (a repeat stands for many places of one element), with their
    places."""
    classes: dict[tuple[Any, int, int], tuple[tuple[Any, Any, int], list[int]]] = {}
    for number, place in enumerate(places):
        if place[0] in _SINGLE:
            op, argument, flags = place[:3]
            key = (op, argument if isinstance(argument, int) else id(argument), flags)
            classes.setdefault(key, ((op, argument, flags), []))[1].append(number)
    return [(element, frozenset(numbers)) for element, numbers in classes.values()]
