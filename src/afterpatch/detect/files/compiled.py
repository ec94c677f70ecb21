"""What ASP.NET keeps of pages that ran (Temporary ASP.NET Files): proof that outlives the page.

Formats: Microsoft's reference source of System.Web (BuildManager, BuildResultCache, AssemblyBuilder).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import fire, load_table
from afterpatch.detect.files.names import published_name
from afterpatch.detect.files.naminghash import folders_of, split_name
from afterpatch.detect.files.paths import Place, file_name, is_server_page, normal, place_of
from afterpatch.detect.files.urls import files_of_url
from afterpatch.knowledge.baseline import is_shipped_page
from afterpatch.parsers.compiled import Compiled, parse_compiled

if TYPE_CHECKING:
    from afterpatch.detect.files.binary.clr import Assembly

_TEMP = "\\temporary asp.net files\\"
_STOCK_ASSEMBLY = re.compile(r"app_web_(?:[a-z0-9_\-]{6,8}|.{1,120}\.[0-9a-f]{6,8}(?:\.[a-z0-9_\-]{6,8})?)\.dll", re.IGNORECASE)
_KEPT = re.compile(r"app_web_.{1,140}\.(?:\d{1,3}\.(?:cs|vb|js|jsl)|cmdline|out|err|pdb)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Trace:
    """A page that was compiled. `url` is its virtual path, or what the file name tells; `files` where it would lie."""

    page: str
    url: str
    certain: bool
    record: Compiled | None
    files: tuple[str, ...]


def temp_application(path: str, context: FileContext) -> str | None:
    """The application folder (`root`, `owa`) of a file below Temporary ASP.NET Files; None elsewhere."""
    text = normal(path)
    position = text.find(_TEMP)
    if position >= 0:
        return text[position + len(_TEMP) :].partition("\\")[0]
    for folder in context.facts.temp_folders:
        root = normal(folder).rstrip("\\") + "\\"
        if text.startswith(root):
            return text[len(root) :].partition("\\")[0]
    return None


def trace_of(item: FileItem, application: str, context: FileContext) -> Trace | None:
    """The page of a `.compiled` file: by its content where that can be read, else by its name. None where it is the
    record of something else (App_Code, resources)."""
    name = file_name(item.path).removesuffix(".delete")
    record = None
    if item.content and not name.lower().endswith(".dll"):
        record, notices = parse_compiled(item.content, item.artifact.shown)
        context.notices.extend(notices)
    if record is not None and record.virtual_path:
        url = record.virtual_path
        if not is_server_page(url.rpartition("/")[2]):
            return None
        return Trace(url.rpartition("/")[2], url, True, record, files_of_url(url, context.facts))
    parts = split_name(name)
    if parts is None or not is_server_page(parts[0]):
        return None
    folders = folders_of(parts[1])
    root = "" if application == "root" else "/" + application
    url = root + folders[0][1:] + "/" + parts[0] if folders else ""
    return Trace(parts[0], url, False, None, files_of_url(url, context.facts) if url else ())


def traces_of_library(assembly: Assembly, item: FileItem, context: FileContext) -> dict[str, Trace]:
    """The pages whose code a compiled library holds, as it names them itself, by the class that is the page; those that a
    build ships are left out."""
    from afterpatch.detect.files.binary.pages import page_paths  # loads the reader of libraries

    application = temp_application(item.path, context) or "root"
    root = "" if application == "root" else "/" + application
    found = {}
    for path, kind in page_paths(assembly).items():
        url = root + path[1:]
        if is_server_page(url.rpartition("/")[2]) and not is_shipped_page(url):
            found[kind] = Trace(url.rpartition("/")[2], url, True, None, files_of_url(url, context.facts))
    return found


def page_door(trace: Trace, item: FileItem, context: FileContext) -> tuple[str, str, dict[str, Any]]:
    """(path, state, finding fields) of a page that a library names: the back door is the page, not the library."""
    moment = item.artifact.created or item.artifact.modified
    fields: dict[str, Any] = {
        "facts": _facts(item, trace, temp_application(item.path, context) or ""),
        "raw": trace.url,
        "times": (("compiled", moment),) if moment and item.artifact.times_original else (),
        "severity": _severity(trace, context),
    }
    door = _door(trace, context)
    if door:
        fields["kind"] = "web-shell"
    return door or item.path, _state(trace, context), fields


def _severity(trace: Trace, context: FileContext) -> str:
    kinds = {place.scripts for place in _places(trace, context)}
    if trace.page.lower() == "global.asax" or kinds <= {"foreign", "elsewhere"}:
        return "low"
    if "none" in kinds and "shipped" not in kinds:
        return "critical"
    return "critical" if published_name(trace.page) else "high"


def _places(trace: Trace, context: FileContext) -> list[Place]:
    return [place_of(path, context.facts) for path in trace.files]


def _state(trace: Trace, context: FileContext) -> str:
    """present | deleted | unknown: deleted where the folder was collected and the page is not in it."""
    if context.inventory is None or not trace.files:
        return "unknown"
    answers = [context.inventory.holds(path) for path in trace.files]
    if True in answers:
        return "present"
    return "deleted" if False in answers else "unknown"


def _door(trace: Trace, context: FileContext) -> str:
    """The page's own path on the server: the candidate that is there, else the first one; "" where unknown."""
    held = [path for path in trace.files if context.inventory is not None and context.inventory.holds(path)]
    return (held or list(trace.files) or [""])[0]


def _facts(item: FileItem, trace: Trace, application: str) -> tuple[tuple[str, str], ...]:
    name = file_name(item.path).removesuffix(".delete")
    parts = split_name(name)
    pairs = [("page", trace.page), ("url", trace.url), ("application", application)]
    if not trace.certain and parts:
        pairs.append(("folder by hash", ", ".join(folders_of(parts[1])) or "unknown"))
    if trace.record is not None:
        pairs.append(("assembly", trace.record.assembly))
        other = [name for name in trace.record.depends if name.lower() != trace.url.lower()]
        pairs.append(("also uses", ", ".join(other)[:300]))
    published = published_name(trace.page)
    if published is not None and not is_shipped_page(trace.url):
        pairs.append(("name published by", published.source))
    return tuple(pair for pair in pairs if pair[1])


class CompiledAnalyser:
    """Judges what lies below Temporary ASP.NET Files, and precompiled pages in bin folders."""

    name = "compiled"
    artifacts = ("compiled", "compiled-assembly")
    detections = tuple(load_table("compiled"))

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """Findings of one compiled trace."""
        name = file_name(item.path)
        low = name.lower()
        application = temp_application(item.path, context)
        if application is None:
            if "\\bin\\" in normal(item.path) and (low.endswith(".compiled") or re.match(r"app_web_.+\.dll$", low)):
                yield fire("compiled-in-bin", item.path, facts=(("name", name),))
            return
        if low.removesuffix(".delete").endswith(".compiled"):
            trace = trace_of(item, application, context)
            if trace is not None:
                yield from _judge(item, trace, application, context)
        elif low.startswith("app_web_") and low.endswith(".dll") and not _STOCK_ASSEMBLY.fullmatch(name):
            yield fire("compiled-odd-assembly", item.path, facts=(("name", name),))
        elif low.endswith(".delete"):
            yield fire("compiled-delete-marker", item.path, severity="info", facts=(("name", name),))
        elif _KEPT.fullmatch(name):
            yield fire("compiled-source-kept", item.path, facts=(("name", name),), raw=item.content[:400].decode("latin-1"))


def _judge(item: FileItem, trace: Trace, application: str, context: FileContext) -> Iterator[FileFinding]:
    shipped = is_shipped_page(trace.url) if trace.url else False
    state = _state(trace, context)
    facts = _facts(item, trace, application)
    moment = item.artifact.created or item.artifact.modified
    times = (("compiled", moment),) if moment and item.artifact.times_original else ()
    common: dict[str, Any] = {"facts": facts, "state": state, "raw": trace.url or trace.page, "times": times}
    door = _door(trace, context)
    if door:
        common["kind"] = "web-shell"
    else:
        door = item.path
    deleted_marker = file_name(item.path).lower().endswith(".delete")
    if deleted_marker:
        yield fire("compiled-delete-marker", door, severity="info" if shipped else "medium", **common)
    if shipped:
        return
    kinds = {place.scripts for place in _places(trace, context)}
    if trace.page.lower() == "global.asax":
        yield fire("compiled-page-not-shipped", door, severity="low", confidence="low", **common)
    elif "none" in kinds and not kinds & {"shipped"}:
        yield fire("compiled-page-out-of-place", door, **common)
    elif trace.url:
        foreign = kinds <= {"foreign", "elsewhere"}
        severity = "low" if foreign else "critical" if published_name(trace.page) else "high"
        yield fire("compiled-page-not-shipped", door, severity=severity, **common)
    else:
        yield fire("compiled-page-not-shipped", door, severity="low", confidence="low", **common)
    if state == "deleted":
        yield fire("compiled-page-gone", door, **common)
