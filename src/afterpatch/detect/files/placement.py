"""Files where they do not belong: pages outside the shipped set, names of shells, loot and tools in web folders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import fire, load_data, load_table
from afterpatch.detect.files.names import hidden_folder, imitated, path_tricks, published_name, shapes
from afterpatch.detect.files.paths import (
    Place,
    extensions,
    file_name,
    is_server_page,
    normal,
    place_of,
    segment_pattern,
    stem_and_extension,
)
from afterpatch.knowledge import web_paths
from afterpatch.knowledge.baseline import extra_pages

_CRITICAL_SHAPES = frozenset({"random", "digits", "double-extension", "look-alike", "disguised-letters"})


@cache
def _stock_pages() -> frozenset[str]:
    return frozenset(name.lower() for name in load_data("names")["stock_pages"])


def belongs(item: FileItem, place: Place, context: FileContext) -> bool:
    """Whether some build ships a file at this path; the short list of login pages where there is no baseline."""
    if normal(item.path).endswith(tuple(load_data("names")["always_shipped"])):
        return True
    if context.own is not None and context.own.lookup(item.path):
        return True  # its content is compared elsewhere
    if context.baseline is not None:
        return context.baseline.knows_path(item.path) or _extra_page(item.path)
    if context.own is not None and context.own.covers(item.path):
        return False
    return _is_stock_login(item.path, place) if place.login else place.scripts == "shipped"


def _extra_page(path: str) -> bool:
    """Pages that other sources name as shipped (`TimeoutLogoff.aspx`)."""
    served = web_paths.url_of(path)
    return served is not None and any(page.path == served[0] and page.kind == "page" for page in extra_pages())


def _is_stock_login(path: str, place: Place) -> bool:
    name = file_name(path).lower()
    if place.id == "ecp-auth":
        return name in ("timeoutlogoff.aspx", "timeoutlogout.aspx")
    return name in _stock_pages() and not name.startswith("timeoutlog")


def _build_known(item: FileItem, context: FileContext) -> bool:
    """Whether a baseline holds the pages of the server's own build."""
    build = context.build()
    if context.own is not None and context.own.covers(item.path) and context.own.judges(build):
        return True
    return context.baseline is not None and build is not None and context.baseline.covers(build)


def _first_line(content: bytes) -> str:
    return content[:300].decode("latin-1")


class PlacementAnalyser:
    """Server pages by place and name."""

    name = "placement"
    artifacts = ("web-file", "suspicious-place")
    detections = tuple(load_table("places"))

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """Findings about where the file lies and what it is called."""
        place = place_of(item.path, context.facts)
        yield from _tricks(item, place)
        yield from _known_paths(item)
        if is_server_page(file_name(item.path)):
            yield from _page(item, place, context)
        else:
            yield from _app_code(item, place)
            yield from _other_file(item, place)


def _page(item: FileItem, place: Place, context: FileContext) -> Iterable[FileFinding]:
    if context.is_stock(item):
        return
    if place.id in ("temp-aspnet", "elsewhere", "iis-own") or (place.scripts != "foreign" and belongs(item, place, context)):
        if place.id == "elsewhere":
            yield from _named(item, place)
        return
    yield from _misplaced(item, place, context)
    yield from _named(item, place)


def _misplaced(item: FileItem, place: Place, context: FileContext) -> Iterable[FileFinding]:
    facts: list[tuple[str, str]] = [("place", place.id), ("size", str(item.size))]
    found: dict[str, Any] = {"raw": _first_line(item.content), "facts": tuple(facts)}
    if item.size == 0:
        found["facts"] = (*facts, ("empty", "yes"))
    if place.scripts == "none":
        yield fire("page-out-of-place", item.path, severity="high" if item.size == 0 else "critical", **found)
    elif place.scripts == "shipped":
        yield _not_shipped(item, place, context, found)
    elif place.id == "added-web-root":
        yield fire("page-in-added-root", item.path, severity="critical" if place.staging else "low", **found)
    elif place.scripts == "foreign":
        part = stem_and_extension(file_name(item.path))[1] in extensions("part")
        yield fire("page-of-other-application", item.path, severity="info" if part else "low", **found)
    elif place.staging and place.staging != "vendor":
        hidden = any(hidden_folder().fullmatch(part) for part in normal(item.path).split("\\")[:-1])
        yield fire("page-in-staging", item.path, severity="critical" if hidden else "high", **found)


def _not_shipped(item: FileItem, place: Place, context: FileContext, found: dict[str, Any]) -> FileFinding:
    known = _build_known(item, context)
    later = not known and context.build() is not None  # a build that may have brought pages of its own
    if "\\exchange server\\v14\\" in normal(item.path):  # Exchange 2010: the baseline begins with 2013
        return fire("page-not-shipped", item.path, severity="low", confidence="low", **found)
    if place.login:
        return fire("page-not-shipped", item.path, confidence="high" if known else "moderate", **found)
    severity = "high" if known and place.front else "low" if later and place.backend else "medium"
    return fire("page-not-shipped", item.path, severity=severity, confidence="moderate" if known else "low", **found)


def _named(item: FileItem, place: Place) -> Iterable[FileFinding]:
    name = file_name(item.path)
    published = published_name(name)
    if published and place.web and place.scripts != "foreign":
        facts = (("family", published.family), ("source", published.source))
        yield fire("page-published-name", item.path, family=published.family, facts=facts)
    if place.id == "elsewhere" or place.scripts == "foreign":
        return
    odd = shapes(item.path)
    if odd:
        facts = (("shape", ", ".join(odd)), ("imitates", imitated(name)))
        severity = "high" if _CRITICAL_SHAPES & set(odd) and place.web else "medium"
        yield fire("page-odd-name", item.path, severity=severity, facts=tuple(pair for pair in facts if pair[1]))


def _tricks(item: FileItem, place: Place) -> Iterable[FileFinding]:
    tricks = path_tricks(item.path)
    if (
        tricks == ("stream",)
        and not is_server_page(item.path.rpartition(":")[0])
        and not is_server_page(item.path.rpartition(":")[2])
    ):
        return
    if tricks and (place.id != "elsewhere" or is_server_page(file_name(item.path))):
        yield fire("path-trick", item.path, facts=(("trick", ", ".join(tricks)),))


def _app_code(item: FileItem, place: Place) -> Iterable[FileFinding]:
    """Source that ASP.NET compiles into an application without any page asking for it."""
    text = normal(item.path)
    source = stem_and_extension(file_name(text))[1] in extensions("source")
    if source and (place.front or place.backend) and any(part in text for part in ("\\app_code\\", "\\app_browsers\\")):
        yield fire("app-code-in-web-folder", item.path, raw=_first_line(item.content), facts=(("place", place.id),))


@cache
def _tools() -> tuple[tuple[re.Pattern[str], dict[str, str]], ...]:
    return tuple((segment_pattern(row["pattern"]), row) for row in load_data("tools"))


@cache
def _any_tool() -> re.Pattern[str]:
    """Whether any of the patterns fits: one look for the files that none does."""
    return re.compile("|".join(f"(?:{pattern.pattern})" for pattern, _row in _tools()), re.DOTALL)


def _known_paths(item: FileItem) -> Iterable[FileFinding]:
    text = normal(item.path)
    if _any_tool().fullmatch(text) is None:
        return
    for pattern, row in _tools():
        if pattern.fullmatch(text):
            family = row.get("family", "")
            yield fire(row["detection"], item.path, family=family, facts=(("source", row["source"]), ("family", family)))
            return


_KINDS = ("archive", "mail", "dump", "program", "library")


def _kind(item: FileItem) -> str:
    """What the file is, by its head before its name: archive, mail, dump, program, library or ""."""
    if item.content.startswith(b"MDMP"):
        return "dump"
    if item.content.startswith(b"!BDN"):
        return "mail"
    extension = stem_and_extension(file_name(item.path))[1]
    named = next((kind for kind in _KINDS if extension in extensions(kind)), "")
    if not named and item.content.startswith(b"MZ") and item.content[64:4096].find(b"PE\0\0") >= 0:
        return "program"
    return named


def _other_file(item: FileItem, place: Place) -> Iterable[FileFinding]:
    name = file_name(item.path)
    artefact = next((row for row in load_data("names")["artefacts"] if row["name"] == name.lower()), None)
    if artefact and place.web:
        yield fire("published-artefact", item.path, family=artefact["family"], facts=(("source", artefact["source"]),))
    kind = _kind(item)
    if not kind or place.id in ("elsewhere", "temp-aspnet", "iis-own", "backend-services"):
        return
    facts = (("what", kind), ("place", place.id), ("size", str(item.size)))
    if _disguised(name, kind):
        yield fire("disguised-file", item.path, facts=facts)
    elif place.web:
        yield from _in_web_folder(item, place, kind, facts)
    elif place.staging and place.staging != "vendor":
        yield from _in_staging(item, place, kind, facts)


def _disguised(name: str, kind: str) -> bool:
    """A program, dump or mail store under the name of a picture, style sheet or text."""
    return kind in ("program", "dump", "mail") and stem_and_extension(name)[1] in extensions("still") - {".tmp", ".dat"}


def _in_web_folder(item: FileItem, place: Place, kind: str, facts: tuple[tuple[str, str], ...]) -> Iterable[FileFinding]:
    if place.scripts == "foreign" or (place.bin and kind in ("program", "library")):
        return
    if kind in ("archive", "mail", "dump"):
        severity = "medium" if place.backend and kind == "archive" else "high"
        yield fire("loot-in-web-folder", item.path, severity=severity, facts=facts)
    elif kind == "program" or place.scripts == "none":
        yield fire("program-in-web-folder", item.path, severity="medium" if place.backend else "high", facts=facts)


_STAGING_LEVELS = {
    # kind -> severity by how seldom the place holds such files: high, medium, low
    "archive": {"high": "medium", "medium": "low", "low": "low"},
    "mail": {"high": "high", "medium": "medium", "low": "medium"},
    "dump": {"high": "high", "medium": "medium", "low": "low"},
    "program": {"high": "medium", "medium": "low", "low": "info"},
}


def _in_staging(item: FileItem, place: Place, kind: str, facts: tuple[tuple[str, str], ...]) -> Iterable[FileFinding]:
    severity = _STAGING_LEVELS.get(kind, {}).get(place.staging, "info")
    if severity == "info":
        return
    detection = "program-in-staging" if kind == "program" else "loot-in-staging"
    if place.id == "programdata-root" and kind == "archive":
        severity = "low"  # Microsoft's checker lists these; installers leave them, so alone they mean little
    yield fire(detection, item.path, severity=severity, facts=facts)
