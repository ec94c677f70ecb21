"""How a rule sees a record: field names to values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from afterpatch.detect.sigma.model import RAW


class FieldView(Protocol):
    """`get` gives None where the log cannot carry the field (unknown), else its values: `("",)` is empty, `()` a field
    that this record lacks though its log could carry it (null, and nothing else); of several values any may match, and
    the first is the raw one."""

    def get(self, name: str) -> tuple[str, ...] | None: ...


def leaves_out(view: object) -> bool:
    """Whether a record without a value leaves the field out: then an empty field is there, and exists. Views of such
    records say so by `leaves_out`; text logs have a column for every field."""
    return getattr(view, "leaves_out", False) is True


class DictView:
    """A record given as a dictionary. `carried`: names the log can carry though this record has no value for them.
    Keywords are searched in `raw`, or in every value where there is no raw text."""

    __slots__ = ("carried", "fields", "raw")

    def __init__(self, fields: Mapping[str, str], carried: frozenset[str] = frozenset(), raw: str = "") -> None:
        self.fields, self.carried, self.raw = fields, carried, raw

    def get(self, name: str) -> tuple[str, ...] | None:
        """The value of a field, see FieldView."""
        value = self.fields.get(name)
        if value is not None:
            return (value,)
        if name == RAW:
            return (self.raw,) if self.raw else tuple(self.fields.values()) or ("",)
        return ("",) if name in self.carried else None
