"""What a page must name before anything in it can be a sink: read off the tables of calls.

A call is known by its method and its object's type. So the words of a sink are its method's name and one of the ways its
object's type can come about: named in the code, given back by a call of the tables, or picked by reflection. Most sinks
weigh nothing unless something of a client's reaches them; their words are joined by one that reads the client.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from afterpatch.detect.pages.catalogue import Catalogue, catalogue, load_data

Words = frozenset[str]


@dataclass(frozen=True, slots=True)
class Needs:
    """`by_word`: a word -> the sets of further words that make it count; an empty set: it counts alone. `after_source`:
    the same, for pages that read a client. `sources`, and `fields` with `controls`: words that read a client."""

    by_word: Mapping[str, tuple[Words, ...]]
    after_source: Mapping[str, tuple[Words, ...]]
    sources: Words
    controls: Words
    fields: Words

    @property
    def words(self) -> Words:
        """Every word that plays a part."""
        found = set(self.sources | self.controls | self.fields)
        for table in (self.by_word, self.after_source):
            found.update(table)
            found.update(word for sets in table.values() for one in sets for word in one)
        return frozenset(found)

    def met(self, held: Words, code: str | None = None) -> bool:
        """Whether a page that holds exactly these words can have a sink that weighs something. `code`: the page's code,
        where it is C# or VB.NET and known, so that calls of classes without objects can be looked for as such."""
        if _meets(self.by_word, held, code):
            return True
        reads = not self.sources.isdisjoint(held) or not (self.controls.isdisjoint(held) or self.fields.isdisjoint(held))
        return reads and _meets(self.after_source, held, code)


def _meets(table: Mapping[str, tuple[Words, ...]], held: Words, code: str | None) -> bool:
    return any(
        one <= held and (code is None or len(one) != 1 or not one <= _static() or _called(code, next(iter(one)), word))
        for word in table.keys() & held
        for one in table[word]
    )


@cache
def _static() -> Words:
    return frozenset(load_data("quick")["static"])


_BETWEEN = r"(?:[\s.?!)_]|/\*.{0,400}?\*/|(?://|')[^\n]{0,400}\n){0,40}"


@cache
def _call_of(owner: str, method: str) -> re.Pattern[str]:
    named = rf"\b{owner}\b{_BETWEEN}\b{method}\b"
    brought = rf"\b(?:using|imports|namespace)\b[^\n;]{{0,300}}\b{owner}\b"
    return re.compile(f"{named}|{brought}", re.IGNORECASE | re.DOTALL)


def _called(code: str, owner: str, method: str) -> bool:
    """Whether a class's method may be called: its name stands right before, or the class was given another name."""
    return _call_of(owner, method).search(code) is not None


class _Ways:
    """How objects of a type come about: sets of words of which one must be there."""

    def __init__(self, tables: Catalogue, extra: Mapping[str, Any]) -> None:
        self.returns: dict[str, list[str]] = {}
        for key, kind in tables.returns.items():
            self.returns.setdefault(kind.removesuffix("[]"), []).append(key)
        self.gives: Mapping[str, list[str]] = extra["gives"]
        self.anyhow = [frozenset((word,)) for word in extra["any_owner"]]
        self.com = [frozenset((word,)) for word in extra["com"]]

    def of(self, kind: str, seen: Words = frozenset()) -> set[Words]:
        """The sets of words that may give an object of a type."""
        found = {frozenset(kind.replace(":", ".").split("."))}
        found |= set(self.anyhow) if kind != "native" else set()  # functions outside .NET have no class
        found |= {frozenset((word,)) for word in self.gives.get(kind, ())}
        if "." in kind or ":" in kind:
            found |= set(self.com)
        for key in self.returns.get(kind, ()):
            owner, _, method = key.removeprefix("new ").rpartition(".")
            if owner in ("", "*"):
                found.add(frozenset((method,)))
            elif owner not in seen and owner != kind:
                found |= {one | {method} for one in self.of(owner, seen | {kind})}
        return found


def _smallest(sets: Iterable[Words]) -> tuple[Words, ...]:
    """The sets that no other one is part of."""
    kept: list[Words] = []
    for one in sorted(sets, key=lambda words: (len(words), sorted(words))):
        if not any(other <= one for other in kept):
            kept.append(one)
    return tuple(kept)


def _of_sink(key: str, ways: _Ways) -> tuple[str, set[Words]]:
    """(the word that is looked for, sets of further words) for a key of the tables."""
    owner, _, method = key.removeprefix("new ").rpartition(".")
    if method == "*":
        return owner, {frozenset()}
    if key.startswith("new ") or owner in ("", "*"):
        return method, {frozenset()}
    return method, {one - {method} for one in ways.of(owner)}


@cache
def needs(platform: str) -> Needs:
    """The needs of a platform: `dotnet` or `classic`."""
    tables, extra = catalogue(platform), load_data("quick")
    ways, alone = _Ways(tables, extra), frozenset(extra["alone"])
    by_word: dict[str, set[Words]] = {word: {frozenset()} for word in extra["always"]}
    after: dict[str, set[Words]] = {word: {frozenset()} for word in extra["called"]}
    for key, sinks in (*tables.sinks.items(), *tables.assigned.items()):
        word, further = _of_sink(key, ways)
        table = by_word if any(sink.kind in alone for sink in sinks) else after
        table.setdefault(word, set()).update(further)
    names = {*extra["sources"], *tables.sets["request_names"], *tables.sets["request_types"]}
    for key in (*tables.sets.get("fetchers", ()), *tables.sets.get("file_readers", ())):
        names.add(key.rpartition(".")[2])
    return Needs(
        {word: _smallest(sets) for word, sets in by_word.items()},
        {word: _smallest(sets) for word, sets in after.items()},
        frozenset(names),
        frozenset(tables.sets.get("controls", ())),
        frozenset(tables.sets.get("control_members", ())),
    )
