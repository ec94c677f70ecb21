"""Names by which rules ask for a field that an event has under another name (spellings.yml)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import yaml


@dataclass(frozen=True, slots=True)
class Alias:
    """Where a name's value is. `of`: the event's field; `before`, `after`, `key`: which part of it, "" where not asked."""

    of: str
    before: str = ""
    after: str = ""
    key: str = ""

    @property
    def whole(self) -> bool:
        """Whether the value is the whole of the field."""
        return not (self.before or self.after or self.key)

    def value(self, text: str) -> str | None:
        """The value out of the field's; None where it has no such part."""
        if self.key:
            return _listed(text, self.key)
        if self.after:
            return text.rpartition(self.after)[2]
        return text.rpartition(self.before)[0] if self.before else text


@dataclass(frozen=True, slots=True)
class Spelling:
    """Aliases (by plain name) of events that have the fields `needs` (plain names)."""

    needs: frozenset[str]
    aliases: Mapping[str, Alias]


def plain(name: str) -> str:
    """A field name as names are compared: letter case and spaces do not count."""
    return name.replace(" ", "").lower()


def _listed(text: str, key: str) -> str | None:
    for part in text[:4_096].split(","):
        name, _, value = part.partition("=")
        if name.strip().upper() == key:
            return value.strip()
    return None


@cache
def spellings() -> tuple[Spelling, ...]:
    """All spellings."""
    entries = yaml.safe_load(files(__package__).joinpath("spellings.yml").read_text("utf-8"))
    return tuple(
        Spelling(
            frozenset(map(plain, entry["needs"])),
            MappingProxyType({plain(name): Alias(**where) for name, where in entry["names"].items()}),
        )
        for entry in entries
    )


@cache
def parts_of_fields() -> frozenset[str]:
    """Plain names whose value is a part of a field's: in the record's text no quote mark stands around it."""
    return frozenset(name for spelling in spellings() for name, alias in spelling.aliases.items() if not alias.whole)
