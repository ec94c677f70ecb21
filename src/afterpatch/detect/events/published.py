"""Published indicators in the fields of events: addresses, hashes, names asked of the DNS, paths of files and programs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import orjson
import yaml

from afterpatch.knowledge.indicators import Matcher

MAX_KNOWN = 50_000
Told = tuple[tuple[str, str], ...]  # (indicator type, value)


@cache
def _fields() -> tuple[dict[str, str], re.Pattern[str]]:
    """(field -> what its values are, where such fields stand in the JSON text of an event)."""
    loaded: dict[str, Any] = yaml.safe_load(files(__package__).joinpath("published.yml").read_text("utf-8"))
    kinds = {name: kind for kind, names in loaded.items() for name in names}
    return kinds, re.compile(rf'"({"|".join(kinds)})":"((?:[^"\\]|\\.){{1,1000}}+)"')


class Published:
    """Looks the values of events up; each is asked once."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._known: dict[tuple[str, str], Told] = {}

    def found(self, text: str) -> list[tuple[str, str]]:
        """The values of an event's JSON text that overlap with an indicator."""
        kinds, pattern = _fields()
        hits: list[tuple[str, str]] = []
        for name, value in pattern.findall(text):
            key = (kinds[name], value)
            told = self._known.get(key)
            if told is None:
                if len(self._known) >= MAX_KNOWN:
                    self._known.clear()
                told = self._known[key] = tuple(self._asked(*key))
            hits += told
        return list(dict.fromkeys(hits))

    def _asked(self, kind: str, raw: str) -> Iterator[tuple[str, str]]:
        value = str(orjson.loads(f'"{raw}"')) if "\\" in raw else raw
        if kind == "hash":
            for part in value.split(","):
                name, _, digest = part.rpartition("=")
                if name.strip().upper() != "IMPHASH" and self._matcher.match_value("hash", digest.strip()):
                    yield "hash", digest.strip()
        elif kind == "path":  # a file name alone is shared by too many programs
            if any(each.type != "file-name" for each in self._matcher.match_value("path", value)):
                yield "path", value
        elif self._matcher.match_value(kind, value.strip()):
            yield kind, value.strip()
