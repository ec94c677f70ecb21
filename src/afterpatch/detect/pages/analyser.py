"""The door to the file checks: judges the server pages of the evidence and words the verdict as findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import CheckMeta, excerpt, parse_meta, quoted
from afterpatch.detect.files.paths import file_name, is_server_page
from afterpatch.detect.pages.filekinds import extension_of, holds_server_code
from afterpatch.detect.pages.quick import is_silent
from afterpatch.detect.pages.verdict import Flow, PageVerdict, at_least
from afterpatch.model import message
from afterpatch.model.shipped import shipped_yaml

PACKAGE = "afterpatch.detect.pages"
MAX_FLOWS = 5
# What programmers do, too: no disguise.
_ORDINARY = frozenset(message(f"page.note.{name}") for name in ("nested-code", "reflection", "by-name"))
_KINDS = frozenset(("web-file", "suspicious-place", "other"))


@cache
def page_meta() -> Mapping[str, CheckMeta]:
    """The detections of this part, by id."""
    raw = shipped_yaml(resources.files(PACKAGE).joinpath("analyser.yml").read_text(encoding="utf-8"))
    shared = raw.pop("shared", {})
    return {str(key): parse_meta(str(key), value, shared) for key, value in raw.items()}


def _fire(identifier: str, item: FileItem, verdict: PageVerdict, **changes: Any) -> FileFinding:
    meta = page_meta()[identifier]
    known: dict[str, Any] = {"severity": meta.level, "confidence": meta.confidence, "family": verdict.family}
    known.update(changes)
    return FileFinding(
        detection=identifier,
        title=meta.title,
        path=item.path,
        kind=meta.kind,
        chain=meta.chain,
        stage=meta.stage,
        explanation=meta.explain,
        benign=meta.benign,
        next_steps=meta.next_steps,
        techniques=meta.techniques,
        **known,
    )


def _fact_of(flow: Flow) -> tuple[str, str]:
    way = " -> ".join(f"{step.what} ({step.line})" for step in flow.path)
    known = {"call": excerpt(flow.call), "at": flow.sink_line, **({"way": excerpt(way)} if way else {})}
    if not flow.source:
        return f"{flow.sink} {flow.severity}", message("page.fact.constants", **known)
    return f"{flow.sink} {flow.severity}", message("page.fact.flow", source=excerpt(flow.source), line=flow.source_line, **known)


def facts_of(verdict: PageVerdict) -> tuple[tuple[str, str], ...]:
    """What made the page suspicious, as facts of a finding."""
    facts = [_fact_of(flow) for flow in verdict.flows[:MAX_FLOWS] if flow.severity != "info"]
    facts += [("reason", reason) for reason in verdict.reasons]
    facts += [("note", note) for note in verdict.notes]
    facts += [("second opinion", sentence) for sentence in verdict.opinion]
    if verdict.languages:
        facts.append(("language", ", ".join(verdict.languages)))
    return tuple(facts)


def _line_text(content: bytes, line: int | None) -> str:
    """The text of a line, for the report."""
    if not line:
        return ""
    lines = content.splitlines()
    return quoted(lines[line - 1].decode("utf-8", "replace")) if 0 < line <= len(lines) else ""


class PageAnalyser:
    """Server pages by what their code does. A page that Microsoft ships is not read, nor one in which a quick test finds
    nothing that could matter; `quick` off: the latter is read as well."""

    def __init__(self, quick: bool = True) -> None:
        self.quick = quick

    name = "pages"
    artifacts = ("web-file", "suspicious-place")
    detections = tuple(page_meta())

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """Findings of one file: what the page does, its disguise, and whether it was read to its end."""
        if item.artifact.kind not in _KINDS or not item.content or context.is_stock(item):
            return
        name = file_name(item.path)
        extension = extension_of(name)
        if not (is_server_page(name) or holds_server_code(extension, item.content)):
            return
        if self.quick and not item.truncated and is_silent(extension, item.content):
            return
        from afterpatch.detect.pages.page import analyse_page  # the parsers are loaded where something is to be read

        verdict = analyse_page(name, item.content)
        yield from self.findings(item, verdict)
        if item.truncated and verdict.complete:
            yield _fire("page-not-fully-read", item, verdict, facts=(("budget", "bytes"),))

    def findings(self, item: FileItem, verdict: PageVerdict) -> Iterable[FileFinding]:
        """The verdict as findings."""
        known: dict[str, Any] = {"line": verdict.line, "raw": _line_text(item.content, verdict.line), "facts": facts_of(verdict)}
        if at_least(verdict.severity, "critical"):
            yield _fire("page-runs-request", item, verdict, confidence=verdict.confidence, **known)
        elif at_least(verdict.severity, "high"):
            yield _fire("page-back-door", item, verdict, confidence=verdict.confidence, **known)
        elif at_least(verdict.severity, "medium"):
            yield _fire("page-suspicious", item, verdict, **known)
        disguise = [note for note in verdict.notes if note not in _ORDINARY]
        if verdict.server_code and disguise:
            inside = any(note.startswith(message("page.note.inside")) for note in disguise)
            strong = inside or at_least(verdict.severity, "medium")
            yield _fire(
                "page-disguised",
                item,
                verdict,
                severity="medium" if strong else "low",
                facts=tuple(("note", one) for one in disguise),
            )
        if not verdict.complete:
            facts = tuple(("problem", one) for one in verdict.problems)
            yield _fire("page-not-fully-read", item, verdict, facts=facts)
