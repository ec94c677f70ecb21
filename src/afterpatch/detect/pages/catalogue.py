"""The tables that say what calls mean, one YAML file a platform (`data/*.yml`), read once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from afterpatch.model.shipped import shipped_yaml

PACKAGE = "afterpatch.detect.pages"
_SIGNATURE = re.compile(r"(new )?([^()]+?)(?:\(([^)]*)\))?$")


@dataclass(frozen=True, slots=True)
class Sink:
    """One call that matters: its kind and the roles of its arguments, in order; the last one goes for the rest."""

    kind: str
    name: str
    roles: tuple[str, ...]

    def role(self, position: int) -> str:
        """Role of an argument."""
        if position < len(self.roles):
            return self.roles[position]
        return "_" if self.roles and self.roles[-1] == "path" else "data"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All tables of one platform. Keys are lower case: `owner.method`, `*.method`, `new type`, or a function's name."""

    name: str
    sinks: Mapping[str, tuple[Sink, ...]]
    assigned: Mapping[str, tuple[Sink, ...]]
    returns: Mapping[str, str]
    sets: Mapping[str, frozenset[str]]
    raw: Mapping[str, Any] = field(default_factory=dict)

    def has(self, table: str, *keys: str) -> bool:
        """Whether a table of names holds one of the keys."""
        names = self.sets.get(table)
        return names is not None and any(key in names for key in keys)


def _sinks(raw: Mapping[str, Iterable[str]]) -> dict[str, tuple[Sink, ...]]:
    found: dict[str, tuple[Sink, ...]] = {}
    for kind, signatures in raw.items():
        for signature in signatures:
            match = _SIGNATURE.match(signature)
            if not match:
                raise ValueError(f"{signature}: not a call")
            key = (match.group(1) or "") + match.group(2)
            roles = tuple(part.strip() for part in (match.group(3) or "").split(",") if part.strip())
            found[key] = (*found.get(key, ()), Sink(kind, key, roles))
    return found


@cache
def catalogue(name: str) -> Catalogue:
    """The tables of a platform: dotnet, classic, php or java. Raises ValueError where a table is malformed."""
    raw: dict[str, Any] = shipped_yaml(resources.files(PACKAGE).joinpath("data", f"{name}.yml").read_text(encoding="utf-8"))
    sets = {key: frozenset(map(str, value)) for key, value in raw.items() if isinstance(value, list)}
    for key, value in raw.get("request", {}).items():
        sets["request_" + key] = frozenset(map(str, value))
    returns = {str(call): kind for kind, calls in raw.get("returns", {}).items() for call in calls}
    return Catalogue(name, _sinks(raw.get("sinks", {})), _sinks(raw.get("assigned", {})), returns, sets, raw)


@cache
def load_data(name: str) -> Any:
    """A data file of the pages: plain YAML."""
    return shipped_yaml(resources.files(PACKAGE).joinpath("data", f"{name}.yml").read_text(encoding="utf-8"))
