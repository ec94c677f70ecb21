"""Log sources to artifact kinds, and a rule's field names to the columns of each kind (tables: mapping.yml,
windows.yml)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

from afterpatch.detect.sigma.model import RAW, All, Item, LogSource, Node, Not, Part, Some, Text, Value
from afterpatch.detect.sigma.text import tidy
from afterpatch.detect.sigma.view import FieldView, leaves_out

EVENT_LOG = "event-log"
PLAIN, ADJACENT, DECODED, COMPUTED = "plain", "adjacent", "decoded", "computed"
_ADJACENT_FORMS = frozenset(("url", "agent", "extension"))

_SPACES = re.compile(r" {2,}")


def agent_form(value: str) -> str:
    """A client's name as all logs can be compared: IIS writes `+` for a space, Exchange a space for a comma."""
    return _SPACES.sub(" ", value.replace("+", " ").replace(",", " "))


@dataclass(frozen=True, slots=True)
class Source:
    """Where a field's values come from: columns (the first is the raw one), `form` (mapping.yml), columns to be
    joined."""

    columns: tuple[str, ...]
    form: str = ""
    joined: tuple[str, ...] = ()
    separator: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """The fields of one artifact kind. A name that is not in `sources` is asked for as it is; None: cannot be
    carried."""

    sources: Mapping[str, Source | None] = field(default_factory=lambda: MappingProxyType({}))
    dashes: bool = False


@dataclass(frozen=True, slots=True)
class Variant:
    """An event log's table, for records whose fields have one of the given values (lower case)."""

    conditions: tuple[tuple[str, frozenset[str]], ...]
    table: Table

    def holds(self, view: FieldView) -> bool:
        """Whether a record is of this variant."""
        for name, wanted in self.conditions:
            values = view.get(name)
            if values is None or not any(value.lower() in wanted for value in values):
                return False
        return True


@dataclass(frozen=True, slots=True, eq=False)
class FieldMapping:
    """What a log source means: the tables by kind, and the variants where the kind is `event-log`. Rules of one log
    source share one mapping: a MappedView of a record serves them all."""

    tables: Mapping[str, Table]
    events: tuple[Variant, ...] = ()
    classes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    common: frozenset[str] = frozenset()

    @property
    def kinds(self) -> frozenset[str]:
        """The artifact kinds; empty: the log source is not applicable."""
        return frozenset(self.tables)

    def table_for(self, kind: str, view: FieldView) -> Table | None:
        """The table for a record of a kind, None where the mapping does not serve it."""
        if kind != EVENT_LOG or not self.events:
            return self.tables.get(kind)
        return next((variant.table for variant in self.events if variant.holds(view)), None)

    def sources_of(self, name: str) -> list[Source | None]:
        """Every way a field name is read, over all kinds; [] where it is asked for as it is everywhere."""
        tables = [*self.tables.values(), *(variant.table for variant in self.events)]
        return [table.sources[name] for table in tables if name in table.sources]

    def literal_class(self, name: str) -> str:
        """What is left of a value in the raw line: plain, adjacent, decoded or computed (mapping.yml, `literals`)."""
        sources = [source for source in self.sources_of(name) if source is not None]
        if any(source.form in _ADJACENT_FORMS for source in sources):
            return ADJACENT
        if any(source.form for source in sources):
            return DECODED
        names = [column for source in sources for column in (*source.columns, *source.joined)] or [name]
        found = {self.classes.get(column, DECODED) for column in (name, *names)}
        return next(each for each in (COMPUTED, DECODED, ADJACENT, PLAIN) if each in found)

    def prepare(self, node: Node) -> Node:
        """The condition with texts added that a field's form asks for (`agent`)."""
        tables = [*self.tables.values(), *(variant.table for variant in self.events)]
        if any(source is not None and source.form == "agent" for table in tables for source in table.sources.values()):
            return self._prepared(node)
        return node

    def _prepared(self, node: Node) -> Node:
        if isinstance(node, Item):
            return self._item(node)
        if isinstance(node, Not):
            return Not(self._prepared(node.node))
        nodes = tuple(self._prepared(child) for child in node.nodes)
        return All(nodes) if isinstance(node, All) else Some(nodes, node.count)

    def _item(self, item: Item) -> Item:
        if not any(source and source.form == "agent" for source in self.sources_of(item.field)):
            return item
        return replace(item, values=tuple(_with_agent_forms(group) for group in item.values))


def _with_agent_forms(group: tuple[Value, ...]) -> tuple[Value, ...]:
    more: list[Value] = []
    for value in group:
        if isinstance(value, Text):
            parts: list[Part] = [agent_form(part) if isinstance(part, str) else part for part in value.parts]
            shown = replace(value, parts=tidy(parts))
            if shown != value and any(isinstance(part, str) and part.strip(" *") for part in shown.parts):
                more.append(shown)
    return (*group, *more)


class MappedView:
    """A record as the rules of one log source see it. `base` gives native columns, derived fields and RAW."""

    __slots__ = ("_base", "_cache", "_table")

    def __init__(self, base: FieldView, mapping: FieldMapping, kind: str) -> None:
        self._base = base
        self._table = mapping.table_for(kind, base)
        self._cache: dict[str, tuple[str, ...] | None] = {}

    @property
    def leaves_out(self) -> bool:
        """As the record's own view."""
        return leaves_out(self._base)

    def get(self, name: str) -> tuple[str, ...] | None:
        """The values of a field, see FieldView. All is unknown where the log source does not serve the record."""
        try:
            return self._cache[name]
        except KeyError:
            values = self._cache[name] = self._find(name)
            return values

    def _find(self, name: str) -> tuple[str, ...] | None:
        if self._table is None:
            return None
        if name not in self._table.sources:
            return self._dashed(self._base.get(name))
        source = self._table.sources[name]
        if source is None:
            return None
        values = self._gather(source.columns)
        return self._dashed(_FORMS[source.form](values, source, self._base))

    def _gather(self, columns: Sequence[str]) -> tuple[str, ...] | None:
        gathered: dict[str, None] = {}
        known = False
        for column in columns:
            values = self._base.get(column)
            known = known or values is not None
            gathered.update(dict.fromkeys(values or ()))
        return tuple(gathered) if known else None

    def _dashed(self, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Empty and `-` are the same in some logs; empty comes first, so that such a field does not exist."""
        if not values or self._table is None or not self._table.dashes or values[0] not in ("", "-"):
            return values
        return ("", "-", *(value for value in values if value not in ("", "-")))


Form = Callable[[tuple[str, ...] | None, Source, FieldView], tuple[str, ...] | None]


def _as_is(values: tuple[str, ...] | None, _source: Source, _base: FieldView) -> tuple[str, ...] | None:
    return values


def _url(values: tuple[str, ...] | None, _source: Source, base: FieldView) -> tuple[str, ...] | None:
    if values is None:
        return None
    whole = (base.get("url.original") or ()) + (base.get("url.full") or ())
    return tuple(dict.fromkeys(values + whole))


def _agent(values: tuple[str, ...] | None, _source: Source, _base: FieldView) -> tuple[str, ...] | None:
    return tuple(dict.fromkeys((*values, *map(agent_form, values)))) if values else None


def _extension(values: tuple[str, ...] | None, _source: Source, _base: FieldView) -> tuple[str, ...] | None:
    return tuple(dict.fromkeys((*values, *(value.lstrip(".") for value in values)))) if values else None


def _joined(values: tuple[str, ...] | None, source: Source, base: FieldView) -> tuple[str, ...] | None:
    parts = [base.get(name) for name in source.joined]
    whole = source.separator.join(part[0] for part in parts if part and part[0])
    return (*(values or ()), whole) if whole else values


_FORMS: dict[str, Form] = {"": _as_is, "url": _url, "agent": _agent, "extension": _extension, "joined": _joined}


def _entry_source(entry: Mapping[str, Any], kind: str) -> Source | None:
    if kind not in entry:
        return None
    return Source(tuple(entry[kind]), entry.get("form", ""), tuple(entry.get("joined", ())))


def _table(spec: Mapping[str, Any], kind: str) -> Table:
    sources = {name: _entry_source(entry, kind) for entry in spec["entries"] for name in entry["names"]}
    return Table(MappingProxyType(sources), kind in spec.get("dashes", ()))


def _renamed(fields: Mapping[str, Any], never: Sequence[str]) -> Table:
    sources: dict[str, Source | None] = dict.fromkeys(never)
    for name, target in fields.items():
        if isinstance(target, str):
            sources[name] = Source((target,))
        else:
            sources[name] = Source((), "joined", tuple(target["joined"]), target["with"])
    return Table(MappingProxyType(sources))


def _variant(spec: Mapping[str, Any], table: Table | None = None) -> Variant:
    conditions = tuple(
        (name, frozenset(str(value).lower() for value in values))
        for name, values in spec.items()
        if name not in ("fields", "never")
    )
    return Variant(conditions, table or _renamed(spec.get("fields", {}), spec.get("never", ())))


@dataclass(frozen=True, slots=True, eq=False)
class Mappings:
    """All tables. `for_logsource` is the only question asked of them."""

    spec: Mapping[str, Any]
    windows: Mapping[str, Any]
    classes: Mapping[str, str]

    def for_logsource(self, source: LogSource) -> FieldMapping:
        """What a log source means here; a mapping without kinds where it means nothing."""
        return _lookup(self, source)

    def build(self, source: LogSource) -> FieldMapping:
        """`for_logsource` without its memory."""
        for entry in self.spec["logsources"]:
            if all(getattr(source, key) in entry[key] for key in ("category", "product", "service")):
                return self._mapping(entry["kinds"], entry.get("events", ()))
        services = self.spec["services"]
        if source.product == services["product"] and not source.category and source.service in services["kinds"]:
            return self._mapping({source.service: services["fields"].get(source.service, "")}, ())
        if source.product in ("windows", "") and (source.product or source.category):
            return self._windows(source)
        return self._mapping({}, ())

    def _mapping(self, kinds: Mapping[str, str], events: Sequence[Mapping[str, Any]]) -> FieldMapping:
        fields = self.spec["fields"]
        tables = {kind: _table(fields[name], kind) if name else Table() for kind, name in kinds.items()}
        variants = tuple(_variant(event, tables.get(EVENT_LOG)) for event in events)
        common = frozenset(self.spec["literals"]["common"])
        return FieldMapping(MappingProxyType(tables), variants, self.classes, common)

    def _windows(self, source: LogSource) -> FieldMapping:
        """Event logs: a category's channels and events, a service's channels, or all where only the product is said."""
        channels = self.windows["services"].get(source.service)
        specs = self.windows["categories"].get(source.category)
        if (source.service and channels is None) or (source.category and specs is None):
            return self._mapping({}, ())
        variants = [_variant(spec) for spec in specs or [{"Channel": channels} if channels else {}]]
        if specs and channels:
            narrowed = ("Channel", frozenset(name.lower() for name in channels))
            variants = [replace(variant, conditions=(*variant.conditions, narrowed)) for variant in variants]
        mapping = self._mapping({EVENT_LOG: ""}, ())
        return replace(mapping, events=tuple(variants))


@lru_cache(maxsize=4_096)
def _lookup(mappings: Mappings, source: LogSource) -> FieldMapping:
    return mappings.build(source)


def _read(name: str) -> dict[str, Any]:
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, and our own file
    return loaded


@lru_cache(maxsize=1)
def default_mappings() -> Mappings:
    """The tables that come with the package."""
    spec = _read("mapping.yml")
    literals = spec["literals"]
    classes = dict.fromkeys(literals["plain"], PLAIN) | dict.fromkeys(literals["computed"], COMPUTED)
    classes |= dict.fromkeys(literals["adjacent"], ADJACENT)
    return Mappings(MappingProxyType(spec), MappingProxyType(_read("windows.yml")), MappingProxyType(classes))


__all__ = [
    "ADJACENT",
    "COMPUTED",
    "DECODED",
    "EVENT_LOG",
    "PLAIN",
    "RAW",
    "FieldMapping",
    "MappedView",
    "Mappings",
    "Source",
    "Table",
    "Variant",
    "agent_form",
    "default_mappings",
]
