"""Names for values that an exporter gave by their order only, though the event has names for them (templates.yml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

Key = tuple[str, str, int]  # provider in lower case, event id, how many values


@cache
def templates() -> Mapping[Key, tuple[str, ...]]:
    """(provider in lower case, event id, number of values) -> their names."""
    loaded: dict[str, Any] = yaml.safe_load(files(__package__).joinpath("templates.yml").read_text("utf-8"))
    parts = {name: tuple(text.split("|")) for name, text in loaded["parts"].items()}
    found: dict[Key, tuple[str, ...]] = {}
    for provider, entries in loaded["events"].items():
        for entry in entries:
            names = tuple(each for name in entry["names"].split("|") for each in parts.get(name, (name,)))
            for number in entry["ids"]:
                found[(provider.lower(), str(number), len(names))] = names
    return MappingProxyType(found)


def named_by_position(provider: str, event_id: str, values: Sequence[str]) -> dict[str, str]:
    """The values by their names; {} where the event, or this number of values, is not known."""
    names = templates().get((provider.lower(), event_id, len(values)), ())
    return dict(zip(names, values, strict=True)) if names else {}
