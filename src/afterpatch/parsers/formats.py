"""The table of text-log formats (formats.yml), loaded once and read-only.

Both readers of text logs use it: the exact one (textlog.py) and the scanning plane.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from afterpatch.model.shipped import shipped_yaml

EXTRA = "extra"  # key of a record's fields: the values behind the last column, joined by the separator
SCHEMA = "schema"  # key of a record's fields: name of a column list that only the column count suggested

_CHECKS = {
    "number": re.compile(r"\d{1,5}\Z"),
    "status": re.compile(r"\d{3}\Z"),
    "method": re.compile(r"[A-Za-z_-]{1,32}\Z"),
}


@dataclass(frozen=True, slots=True)
class Schema:
    """A column list and its name. Empty column names occur (HttpProxy of early 2013)."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of text log is cut into values; the meaning of each attribute stands at the top of formats.yml."""

    kind: str
    record_kind: str
    separator: str
    quoted: bool
    empty: str
    shape: str
    time: tuple[str, ...]
    side: str
    markers: tuple[str, ...]
    checks: Mapping[str, str]
    roles: Mapping[str, str]
    event_keys: frozenset[str]
    schemas: tuple[Schema, ...]

    def guess(self, values: Sequence[str]) -> Schema | None:
        """The known column list that fits a row whose header is lost: by column count, then by what `checks` asks.

        A log without quoting may also have columns added behind a known list (custom IIS fields)."""
        for schema in self.schemas:
            if len(schema.columns) == len(values) and self._passes(schema, values):
                return schema
        if self.quoted:
            return None
        shorter = [schema for schema in self.schemas if len(schema.columns) < len(values)]
        for schema in sorted(shorter, key=lambda schema: -len(schema.columns)):
            if self._passes(schema, values):
                return schema
        return None

    def _passes(self, schema: Schema, values: Sequence[str]) -> bool:
        asked = ((column, check) for column, check in self.checks.items() if column in schema.columns)
        return all(_CHECKS[check].match(values[schema.columns.index(column)]) for column, check in asked)


@dataclass(frozen=True, slots=True)
class Formats:
    """The whole table: `by_kind`, and the word lists that several kinds share."""

    by_kind: Mapping[str, Format]
    forwarded: frozenset[str]
    executable: frozenset[str]
    smtp_ports: frozenset[str]
    excerpt_columns: Mapping[str, str]  # lower-case name in a report -> HttpProxy column


@cache
def formats() -> Formats:
    """The table, read from the package once."""
    table = shipped_yaml(files("afterpatch.parsers").joinpath("formats.yml").read_text("utf-8"))
    by_kind = {kind: _format(kind, entry) for kind, entry in table["formats"].items()}
    aliases = {alias: column for column, names in table["excerpt_columns"].items() for alias in names}
    return Formats(
        by_kind=MappingProxyType(by_kind),
        forwarded=frozenset(table["forwarded"]),
        executable=frozenset(table["executable"]),
        smtp_ports=frozenset(str(port) for port in table["smtp_ports"]),
        excerpt_columns=MappingProxyType(aliases),
    )


def kinds() -> tuple[str, ...]:
    """Every kind that `read_log` takes: those of the table, and log-excerpt, which is read line by line."""
    return (*formats().by_kind, "log-excerpt")


def _format(kind: str, entry: Mapping[str, Any]) -> Format:
    return Format(
        kind=kind,
        record_kind=entry.get("record_kind", kind),
        separator=entry["separator"],
        quoted=entry["quoting"] == "csv",
        empty=entry["empty"],
        shape=entry["shape"],
        time=tuple(name.lower() for name in entry["time"]),
        side=entry.get("side", ""),
        markers=tuple(entry.get("markers", ())),
        checks=MappingProxyType(dict(entry.get("checks", {}))),
        roles=MappingProxyType(dict(entry.get("roles", {}))),
        event_keys=frozenset(entry.get("event_keys", ())),
        schemas=_schemas(entry.get("schemas", ())),
    )


def _schemas(entries: Sequence[Mapping[str, Any]]) -> tuple[Schema, ...]:
    found: dict[str, Schema] = {}
    for entry in entries:
        if "of" in entry:
            columns = found[entry["of"]].columns[: entry["first"]]
        else:
            columns = tuple(column.strip() for column in entry["columns"].split(","))
        found[entry["name"]] = Schema(entry["name"], columns)
    return tuple(found.values())
