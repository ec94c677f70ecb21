"""The table of artifact kinds (`artifacts.yml`), compiled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

from afterpatch.model.shipped import shipped_yaml

OTHER = "other"
Anchor = tuple[re.Pattern[str], ...]  # one expression a path component, lower case
MAX_KNOWN_FOLDERS = 200_000


@dataclass(frozen=True, slots=True)
class PathRule:
    """One pattern: the end of a folder path (regular expression, lower case, None for any) and a file name."""

    kind: str
    folder: re.Pattern[str] | None
    name: str


@dataclass(slots=True)
class PathTable:
    """Looks up path patterns. What applies to a folder is found once per folder, as one expression over names."""

    rules: tuple[PathRule, ...]
    _folders: dict[str, _Names] = field(default_factory=dict)
    _names: dict[tuple[PathRule, ...], _Names] = field(default_factory=dict)

    def kind(self, folder: str, name: str) -> str:
        """Kind of a file by the end of its folder path and its name; `other` where no pattern matches."""
        folder = folder.lower()
        names = self._folders.get(folder)
        if names is None:
            rules = tuple(rule for rule in self.rules if rule.folder is None or rule.folder.search(folder))
            names = self._names.get(rules)
            if names is None:
                names = self._names[rules] = _Names(rules)
            if len(self._folders) < MAX_KNOWN_FOLDERS:
                self._folders[folder] = names
        return names.kind(name.lower())


class _Names:
    """The name patterns of some rules in one expression; the first that matches tells the kind."""

    def __init__(self, rules: tuple[PathRule, ...]) -> None:
        self.kinds = tuple(rule.kind for rule in rules)
        self.pattern = re.compile("|".join(f"({rule.name})\\Z" for rule in rules), re.DOTALL)

    def kind(self, name: str) -> str:
        found = self.pattern.match(name) if self.kinds else None
        return self.kinds[found.lastindex - 1] if found and found.lastindex else OTHER


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """A header row or `#Fields:` line is of this kind when it has all these columns (lower case)."""

    kind: str
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class XmlRule:
    """An XML file is of this kind by its root element, a text near its start and its extension."""

    kind: str
    root: bytes
    contains: bytes
    extensions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """All of `artifacts.yml`."""

    paths: PathTable
    anchors: tuple[Anchor, ...]
    staging_anchors: tuple[Anchor, ...]
    drive_markers: frozenset[str]
    plain_words: frozenset[str]
    text_logs: frozenset[str]
    sniff_extensions: frozenset[str]
    never_sniff: frozenset[str]
    excerpt_extensions: frozenset[str]
    magics: tuple[tuple[str, int, bytes], ...]
    log_types: tuple[tuple[str, re.Pattern[str]], ...]
    software: tuple[tuple[str, re.Pattern[str]], ...]
    columns: tuple[ColumnRule, ...]
    xml: tuple[XmlRule, ...]
    not_web_config: tuple[str, ...]
    shapes: tuple[tuple[str, re.Pattern[bytes]], ...]
    quoted: tuple[re.Pattern[bytes], ...]


def glob_part(text: str) -> str:
    """One path component with `*` and `?` as a regular expression."""
    return "".join({"*": r"[^\\]*", "?": r"[^\\]"}.get(char, re.escape(char)) for char in text)


def path_rule(kind: str, pattern: str) -> PathRule:
    """A pattern of `artifacts.yml`, e.g. `LogFiles\\W3SVC*\\**\\*.log`."""
    *folders, name = pattern.lower().split("\\")
    text = ""
    for position, part in enumerate(folders):
        if part == "**":
            text += r"(?:\\[^\\]+)*"
        else:
            text += (r"(?:^|\\)" if position == 0 else r"\\") + glob_part(part)
    folder = re.compile(text + "$") if folders else None
    return PathRule(kind, folder, glob_part(name))


def _named(rows: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((row["kind"], re.compile(row["match"], re.IGNORECASE)) for row in rows)


def _anchors(items: Iterable[str]) -> tuple[Anchor, ...]:
    return tuple(tuple(re.compile(glob_part(part.lower())) for part in item.split("\\")) for item in items)


@lru_cache(maxsize=1)
def load_table() -> Table:
    """The shipped table."""
    text = resources.files("afterpatch.evidence").joinpath("artifacts.yml").read_text("utf-8")
    data: dict[str, Any] = shipped_yaml(text)
    return Table(
        paths=PathTable(tuple(path_rule(row["kind"], item) for row in data["paths"] for item in row["match"])),
        anchors=_anchors(data["anchors"]),
        staging_anchors=_anchors(data["staging_anchors"]),
        drive_markers=frozenset(item.lower() for item in data["drive_markers"]),
        plain_words=frozenset(str(item) for item in data["plain_words"]),
        text_logs=frozenset(data["text_logs"]),
        sniff_extensions=frozenset(data["sniff_extensions"]),
        never_sniff=frozenset(data["never_sniff"]),
        excerpt_extensions=frozenset(data["excerpt_extensions"]),
        magics=tuple((row["kind"], row["at"], row["text"].encode()) for row in data["magics"]),
        log_types=_named(data["log_types"]),
        software=_named(data["software"]),
        columns=tuple(ColumnRule(r["kind"], frozenset(n.lower() for n in r["names"])) for r in data["columns"]),
        xml=tuple(
            XmlRule(r["kind"], r["root"].encode(), r.get("contains", "").encode(), tuple(r["extensions"])) for r in data["xml"]
        ),
        not_web_config=tuple(data["not_web_config"]),
        shapes=tuple((row["kind"], re.compile(row["line"].encode())) for row in data["shapes"]),
        quoted=tuple(re.compile(item.encode()) for item in data["quoted"]),
    )
