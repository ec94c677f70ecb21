"""What only a web.config can carry: script beside the XML, hooks of the page compiler, files where none belong."""

from __future__ import annotations

from collections.abc import Iterable

from afterpatch.detect.files.iis_code import foreign_type
from afterpatch.detect.files.item import FileFinding
from afterpatch.detect.files.paths import place_of
from afterpatch.detect.files.setting import Setting, known
from afterpatch.parsers.webconfig import WebConfig


def around(web: WebConfig, setting: Setting) -> Iterable[FileFinding]:
    """Server script in the file, text behind its end, and a web.config in a folder that has none of its own."""
    if web.code_lines:
        lines = ", ".join(str(line) for line in web.code_lines[:10])
        yield setting.fire("iis-config-with-code", web.code_lines[0], facts={"lines": lines})
    elif web.trailing.strip() and not _comment_only(web.trailing):
        facts = {"size": str(len(web.trailing))}
        yield setting.fire("iis-config-trailing-text", web.trailing_line, facts=facts, raw=web.trailing[:400])
    place = place_of(setting.item.path, setting.context.facts)
    known_file = setting.item.sha256.lower() in known("known_web_configs")
    if place.id == "aspnet-client" and not known_file and _does_something(web):
        yield setting.fire("iis-config-out-of-place", 0, raw=setting.raw(1), facts={"place": place.id})


def _comment_only(text: str) -> bool:
    rest = text.strip()
    return rest.startswith("<!--") and rest.endswith("-->") and rest.count("<!--") == 1


def _does_something(web: WebConfig) -> bool:
    """Whether anything beyond a redirection or headers is set."""
    given = web.sections
    return bool(
        given.modules or given.handlers or given.isapi_filters or given.request_filtering or given.rewrite_rules
        or given.machine_keys or given.compilation or given.pages or given.http_runtime or web.build_providers
        or web.linked or web.notices
    )  # fmt: skip


def hooks(web: WebConfig, setting: Setting) -> Iterable[FileFinding]:
    """Settings that put foreign code into the reading and compiling of pages."""
    for entry in web.build_providers:
        type_text = entry.get("type")
        if entry.action == "add" and type_text and foreign_type(type_text):
            facts = {"extension": entry.get("extension"), "type": type_text}
            yield setting.fire("iis-compiler-hook", entry.line, facts=facts)
    for entry in web.sections.pages:
        for name in ("pageParserFilterType", "pageBaseType", "userControlBaseType"):
            type_text = entry.get(name)
            if entry.action == "set" and type_text and foreign_type(type_text):
                yield setting.fire("iis-compiler-hook", entry.line, facts={"setting": name, "type": type_text})
    for entry in web.sections.globalization:
        encoding = entry.get("fileEncoding").lower()
        if encoding in known("odd_encodings"):
            yield setting.fire("iis-odd-page-encoding", entry.line, facts={"encoding": encoding})
    for entry in web.sections.compilation:
        folder = entry.get("tempDirectory")
        if entry.action == "set" and folder:
            yield setting.fire("iis-temp-moved", entry.line, setting.expand(folder), {"folder": folder})
