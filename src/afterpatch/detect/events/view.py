"""An event as a rule sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from ipaddress import ip_address
from types import MappingProxyType

import yaml

from afterpatch.detect.events.spelling import Alias, plain, spellings
from afterpatch.detect.sigma.model import RAW
from afterpatch.parsers.addresses import clean_address
from afterpatch.parsers.events.normal import DATA, OF_DATA, SYSTEM_FIELDS, as_text
from afterpatch.parsers.events.record import EventRecord

_NONE = frozenset(("", "-", "LOCAL", "localhost", "::1", "127.0.0.1", "0.0.0.0", "::"))  # noqa: S104 - compared, not bound
ABSENT: tuple[str, ...] = ()


@cache
def derived_fields() -> Mapping[str, tuple[str, ...]]:
    """Our field names -> the event's fields that may answer (derived.yml)."""
    text = files(__package__).joinpath("derived.yml").read_text("utf-8")
    return MappingProxyType({name: tuple(columns) for name, columns in yaml.safe_load(text).items()})


def _address(text: str) -> str:
    """An address without port and brackets, "" for anything else: fields of the same name hold other things too."""
    shown = clean_address(text) if text not in _NONE else ""
    try:
        ip_address(shown.partition("%")[0])
    except ValueError:
        return ""
    return shown


@dataclass(frozen=True, slots=True)
class Layout:
    """What events with the same named values have in common: plain names to names, for our own field names those that
    may answer and are there, and other spellings."""

    names: frozenset[str]
    low: Mapping[str, str]
    derived: Mapping[str, tuple[str, ...]]
    aliases: Mapping[str, Alias]

    def columns(self, name: str) -> tuple[str, ...]:
        """The names whose values decide what a name answers with."""
        if name in self.names or name in SYSTEM_FIELDS:
            return (name,)
        if name in self.derived:
            return self.derived[name]
        known = self.low.get(plain(name))
        if known is not None:
            return (known,)
        alias = self.aliases.get(plain(name))
        return (alias.of,) if alias is not None else ()


@lru_cache(maxsize=1_024)
def layout_of(names: tuple[str, ...]) -> Layout:
    """The layout of some names (those of the data; the system's are added)."""
    low = {plain(name): name for name in reversed((*sorted(SYSTEM_FIELDS), *names))}
    derived = {
        ours: tuple(dict.fromkeys(low[plain(column)] for column in columns if plain(column) in low))
        for ours, columns in derived_fields().items()
    }
    mine = {plain(name) for name in names}
    aliases = {
        name: Alias(low[plain(alias.of)], alias.before, alias.after, alias.key)
        for spelling in spellings()
        if spelling.needs <= mine
        for name, alias in spelling.aliases.items()
        if name not in low and plain(alias.of) in mine
    }
    return Layout(frozenset(names), low, derived, aliases)


class EventView:
    """A FieldView of one event. A field the event does not have is absent, `()`: its log could have carried it, for all
    that is known; what a log never carries the log source's table says. An empty field is `("",)`.

    Names are the event's own; letter case and spaces are overlooked where a name is not there as written: exporters
    change case, and rules write Defender's `Threat Name` as one word. `Data` is the positional values joined, each of
    them, and the sentence made of them. Keywords are searched in all values. Our own names (derived.yml) are unknown
    (None) where the event has none of the fields that could answer.

    `near`: the named values of an event whose data is a plain list of them (is_simple), as JSON gives them, and
    `system`: what is known of its system part; all else is asked of the whole record, made when it is first needed."""

    __slots__ = ("_cache", "_layout", "_make", "_near", "_record", "_system")
    leaves_out = True

    def __init__(
        self,
        near: Mapping[str, object] | None,
        make: Callable[[], EventRecord],
        system: Mapping[str, str] | None = None,
    ) -> None:
        self._near, self._make, self._system = near, make, system or {}
        self._cache: dict[str, tuple[str, ...] | None] = {}
        self._layout: Layout | None = None
        self._record: EventRecord | None = None

    @property
    def record(self) -> EventRecord:
        """The whole event."""
        if self._record is None:
            self._record = self._make()
        return self._record

    def get(self, name: str) -> tuple[str, ...] | None:
        """The values of a field, see FieldView."""
        try:
            return self._cache[name]
        except KeyError:
            values = self._cache[name] = self._find(name)
            return values

    def first(self, name: str) -> str:
        """The first value, "" where there is none."""
        values = self.get(name)
        return values[0] if values else ""

    def _find(self, name: str) -> tuple[str, ...] | None:
        if self._near is not None:
            if name in self._near:
                value = self._near[name]
                return (value,) if isinstance(value, str) else (as_text(value),)
            if name in self._system:
                return (self._system[name],)
        if name == RAW:
            return ("\n".join(self.record.fields.values()),)
        if name in derived_fields():
            return self._derived(name)
        if self._near is None or name in SYSTEM_FIELDS:
            return self._of_record(name)
        return self._otherwise(name)

    def _otherwise(self, name: str) -> tuple[str, ...] | None:
        """A name that is not there as written."""
        layout = self._names()
        known = layout.low.get(plain(name))
        if known is not None and known != name:
            return self.get(known)
        alias = layout.aliases.get(plain(name))
        values = self.get(alias.of) if alias is not None else None
        if alias is None or not values:
            return ABSENT
        value = alias.value(values[0])
        return ABSENT if value is None else (value,)

    def _names(self) -> Layout:
        if self._layout is None:
            self._layout = layout_of(tuple(self._near if self._near is not None else self.record.fields))
        return self._layout

    def _of_record(self, name: str) -> tuple[str, ...] | None:
        fields = self.record.fields
        value = fields.get(name)
        if value is None:
            return ABSENT if name in SYSTEM_FIELDS else self._otherwise(name)
        other = fields.get(OF_DATA + name)
        if other is not None:
            return (value, other)
        return self._data(value) if name == DATA else (value,)

    def _data(self, value: str) -> tuple[str, ...]:
        """The positional values together and each, and the sentence Windows makes of them where that is known: rules
        for such events look for its words in `Data`."""
        message = self.record.fields.get("Message", "")
        return (value, *(value.split("\n") if "\n" in value else ()), *((message,) if message else ()))

    def _derived(self, name: str) -> tuple[str, ...] | None:
        found: tuple[str, ...] | None = None
        for column in self._names().derived[name]:
            values = self.get(column)
            if not values:
                continue
            found = found or ("",)
            shown = values[0].strip()
            if name == "source.ip":
                shown = _address(shown)
            if shown not in _NONE:
                return (shown,)
        return found
