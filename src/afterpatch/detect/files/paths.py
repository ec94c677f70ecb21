"""Server paths: normalising, segment patterns, and the place a file lies in (`data/places.yml`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from afterpatch.detect.files.item import ServerFacts
from afterpatch.detect.files.metadata import load_data

MAX_PATH = 4096
_BOOLS = ("web", "front", "login", "bin", "backend", "drive")


@lru_cache(maxsize=1024)  # every check asks for the same file
def normal(path: str) -> str:
    """Lower case, backslashes, a leading backslash before a path without drive; bounded."""
    text = path[-MAX_PATH:].replace("/", "\\").lower()
    while "\\\\" in text:
        text = text.replace("\\\\", "\\")
    return text if text.startswith("\\") or text[1:2] == ":" else "\\" + text


@lru_cache(maxsize=1024)
def file_name(path: str) -> str:
    """Last segment, case kept."""
    return path.replace("/", "\\").rpartition("\\")[2]


def folder_of(path: str) -> str:
    """All but the last segment, as given."""
    return path.replace("/", "\\").rpartition("\\")[0]


@lru_cache(maxsize=1024)
def stem_and_extension(name: str) -> tuple[str, str]:
    """(name before the last dot, extension with dot in lower case). Trailing dots and spaces, which Windows drops,
    and a stream name after `:` are cut first."""
    base = name.partition(":")[0].rstrip(". ") if ":" in name[2:] else name.rstrip(". ")
    stem, dot, extension = base.rpartition(".")
    return (stem, "." + extension.lower()) if dot else (base, "")


def segment_pattern(pattern: str) -> re.Pattern[str]:
    """A path pattern: `**` any segments, `*` within one, `<version>` a build-like folder name."""
    out = []
    for part in pattern.split("\\"):
        if part == "**":
            out.append("(?:[^\\\\]*\\\\)*")
        elif part == "<version>":
            out.append("[0-9]{1,3}(?:\\.[0-9]{1,6}){1,4}\\\\")
        else:
            out.append(re.escape(part).replace(r"\*", "[^\\\\]*") + "\\\\")
    text = "".join(out)
    if pattern.endswith("**"):
        text = text[: -len("(?:[^\\\\]*\\\\)*")] + ".+"
    else:
        text = text[: -len("\\\\")]
    return re.compile(text, re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies. `scripts`: none | shipped | foreign | staging | elsewhere; `staging`: high | medium | low |
    vendor | "". `key` is the file's path from the Exchange folder on (`\\frontend\\...`), "" outside it."""

    id: str
    scripts: str
    web: bool = False
    front: bool = False
    login: bool = False
    bin: bool = False
    backend: bool = False
    staging: str = ""


@cache
def _table() -> tuple[tuple[re.Pattern[str], Place, bool], ...]:
    rows = []
    for raw in load_data("places")["places"]:
        flags = {key: bool(raw.get(key, False)) for key in _BOOLS}
        drive = flags.pop("drive")
        place = Place(raw["id"], raw["scripts"], staging=raw.get("staging", ""), **flags)
        rows.append((segment_pattern(raw["pattern"]), place, drive))
    return tuple(rows)


@cache
def extensions(group: str) -> frozenset[str]:
    """A group of file extensions of `data/places.yml`."""
    return frozenset(load_data("places")["extensions"][group])


def is_server_page(name: str) -> bool:
    """Whether IIS or ASP.NET would run a file of this name."""
    return stem_and_extension(name)[1] in extensions("server")


ELSEWHERE = Place("elsewhere", "elsewhere")
ADDED_ROOT = Place("added-web-root", "foreign", web=True)


def place_of(path: str, facts: ServerFacts) -> Place:
    """The place of a server path: the table first, then the web roots that the server's own configuration names."""
    text = normal(path)
    return _served(text, _of_table(text), facts.web_roots)


@cache
def _by_folder() -> bool:
    """Whether every pattern of the table takes any file of a folder, so that files share their folder's place."""
    return all(raw["pattern"].endswith("*") for raw in load_data("places")["places"])


def _of_table(text: str) -> Place:
    """The place by the table alone."""
    folder, _, name = text.rpartition("\\")
    return _place_at(f"{folder}\\x" if name and _by_folder() else text)


@lru_cache(maxsize=4096)
def _place_at(text: str) -> Place:
    for pattern, place, drive in _table():
        if pattern.fullmatch(text) and (not drive or _below_drive(text)):
            return place
    return ELSEWHERE


def _below_drive(text: str) -> bool:
    """Whether the path begins with the pattern's folder directly below a drive: `c:\\root\\x`, not `d:\\x\\root\\y`."""
    return text[1:2] == ":" and text.startswith("\\root\\", 2)


def _served(text: str, place: Place, roots: Mapping[str, str]) -> Place:
    if place.web or place.id in ("temp-aspnet", "iis-own"):
        return place
    for folder in roots.values():
        root = normal(folder).rstrip("\\")
        if len(root) > 3 and text.startswith(root + "\\"):
            return replace(ADDED_ROOT, staging=place.staging)
    return place
