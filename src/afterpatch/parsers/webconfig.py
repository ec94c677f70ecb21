"""web.config: the same sections as applicationHost.config, and what may hide around them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from afterpatch.model import Notice
from afterpatch.parsers.sections import Entry, Sections, entries, read_sections
from afterpatch.parsers.xmltree import find_all, line_of, local_name, location_of, parse_xml

_CODE = re.compile(r"<%|<script\b", re.IGNORECASE)
_RUNAT = re.compile(r"\brunat", re.IGNORECASE)
_MOST_LINES = 100


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What a web.config says. `trailing`: text behind the root element (comments too), from `trailing_line` on.
    `code_lines`: lines that hold `<%` or a server-side script tag, wherever they stand (at most 100).
    `linked`: files named by linkedConfiguration. `web_server_blocks`: (location path, line) of every
    system.webServer."""

    sections: Sections
    app_settings: tuple[Entry, ...]
    build_providers: tuple[Entry, ...]
    assemblies: tuple[Entry, ...]
    linked: tuple[tuple[str, int], ...]
    web_server_blocks: tuple[tuple[str, int], ...]
    trailing: str
    trailing_line: int
    code_lines: tuple[int, ...]
    root_name: str
    notices: tuple[Notice, ...]


def parse_web_config(data: bytes, path: str) -> WebConfig:
    """A web.config, as much of it as can be read. Never raises for what is in `data`; `path` goes into the notices
    (those of xmltree.parse_xml)."""
    tree = parse_xml(data, path)
    root = tree.root if tree.root is not None else etree.Element("configuration")
    return WebConfig(
        sections=read_sections(root),
        app_settings=tuple(entries(root, "appSettings")),
        build_providers=tuple(entries(root, "compilation/buildProviders")),
        assemblies=tuple(entries(root, "compilation/assemblies")),
        linked=tuple((one.get("href", ""), line_of(one)) for one in find_all(root, "linkedConfiguration")),
        web_server_blocks=tuple((location_of(one), line_of(one)) for one in find_all(root, "system.webServer")),
        trailing=tree.trailing,
        trailing_line=tree.trailing_line,
        code_lines=_code_lines(tree.text),
        root_name=local_name(root) if tree.root is not None else "",
        notices=tree.notices,
    )


def _code_lines(text: str) -> tuple[int, ...]:
    found: list[int] = []
    line, counted = 1, 0
    close = runat = -1  # the next `>` and `runat`: both only move forward, so that a file of open tags costs no more
    for match in _CODE.finditer(text):
        if match[0] != "<%":
            close = text.find(">", match.end()) % (len(text) + 1) if close < match.end() else close
            runat = _place(_RUNAT.search(text, match.end()), len(text) + 1) if runat < match.end() else runat
            if runat > close:
                continue
        line += text.count("\n", counted, match.start())
        counted = match.start()
        if not found or found[-1] != line:
            found.append(line)
        if len(found) == _MOST_LINES:
            break
    return tuple(found)


def _place(match: re.Match[str] | None, otherwise: int) -> int:
    return otherwise if match is None else match.start()
