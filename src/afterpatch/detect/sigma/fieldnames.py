"""Which field names a log of a kind can answer for: its columns in any schema, derived fields, and names the mapping
knows."""

from __future__ import annotations

from functools import cache

from afterpatch.detect.sigma.mapping import FieldMapping
from afterpatch.detect.sigma.model import RAW
from afterpatch.parsers.fields import DERIVED_NAMES
from afterpatch.parsers.formats import formats

PREFIXES = ("ecp.", "info.", "errors.", "backendinfo.")


@cache
def columns_of(kind: str) -> frozenset[str]:
    """The columns of all known schemas of a kind, lower case; empty for a kind that is no text log."""
    form = formats().by_kind.get(kind)
    return frozenset(name.lower() for schema in form.schemas for name in schema.columns) if form else frozenset()


def is_known_field(name: str, kind: str, mapping: FieldMapping) -> bool:
    """Whether a record of the kind may answer for a field. Kinds without a column list answer for every name."""
    table = mapping.tables.get(kind)
    if table is not None and name in table.sources:
        return table.sources[name] is not None
    columns = columns_of(kind)
    return name == RAW or name in DERIVED_NAMES or name.startswith(PREFIXES) or not columns or name.lower() in columns
