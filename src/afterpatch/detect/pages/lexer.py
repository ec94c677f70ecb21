"""What of a page is code: directives, render blocks, server scripts, controls. Client scripts and comments are not.

ASP.NET and classic ASP end a block at the first `%>`, also inside a string; a server script ends at the first
`</script`. HTML comments do not stop server code (source: System.Web.UI.TemplateParser, referencesource).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

MAX_SEGMENTS = 5000
MAX_TAG = 4000
MAX_CONTROLS = 2000
MAX_TAGS = 3000
MAX_SCRIPTS = 50_000
_MARK = re.compile(
    r"<%|<script\b|<!--\s{0,8}#\s{0,8}include\b|<[\w-]{1,30}:(?:scriptlet|declaration|expression)\b", re.IGNORECASE
)
_ATTRIBUTE = re.compile(r"([\w:.-]{1,64})\s{0,32}=\s{0,32}(?:\"([^\"]{0,2000})\"|'([^']{0,2000})'|([^\s\"'>%]{1,500}))")
_RUNAT = re.compile(r"\brunat\s{0,16}=\s{0,16}[\"']?\s{0,8}server\b", re.IGNORECASE)
_CLOSE_SCRIPT = re.compile(r"</script", re.IGNORECASE)
_DIRECTIVE_NAME = re.compile(r"\s{0,64}([A-Za-z]{1,30})\b(?!\s{0,16}=)")
_SPACED_DIRECTIVE = re.compile(r"<%\s{0,40}@")
_TAG_MARK = re.compile(r"[\"'>]|<%")
_TAG_NAME = re.compile(r"<([A-Za-z][\w.:-]{0,60})")


@dataclass(frozen=True, slots=True)
class Directive:
    """`<%@ name key="value" %>`: name and keys in lower case; name "page" where none stands there."""

    name: str
    values: dict[str, str]
    line: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of code. `kind`: render (statements), expression, binding (data-binding expression), declaration (members
    of the page class) or unit (a whole source file). `offset` is where it starts in the text, `language` "" if unsaid."""

    kind: str
    text: str
    offset: int
    language: str = ""


@dataclass(slots=True)
class Page:
    """A page taken apart. `controls`: id of a server control -> its tag; `objects`: id -> progid or class id;
    `includes`: files it names (code behind, includes, sources)."""

    text: str
    directives: list[Directive] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    controls: dict[str, str] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)
    includes: list[str] = field(default_factory=list)
    truncated: bool = False
    _lines: list[int] | None = None

    def line_of(self, offset: int) -> int:
        """Line, from 1, of an offset in the text."""
        if self._lines is None:
            self._lines = [match.start() for match in re.finditer("\n", self.text)]
        return bisect_right(self._lines, offset - 1) + 1

    def directive(self, key: str) -> str:
        """First value of a key in any directive, "" where none."""
        return next((one.values[key] for one in self.directives if key in one.values), "")

    def add(self, segment: Segment) -> None:
        """Keep a piece of code, within bounds."""
        if len(self.segments) < MAX_SEGMENTS:
            self.segments.append(segment)
        else:
            self.truncated = True


@dataclass(slots=True)
class _Scanner:
    text: str
    page: Page
    tags: int = 0
    scripts: int = 0

    def run(self) -> None:
        position = 0
        while match := _MARK.search(self.text, position):
            found = match.group(0).lower()
            start = match.start()
            if self.page.truncated:
                return
            if found == "<%":
                position = self.block(start)
            elif found == "<script":
                position = self.script(start)
            elif ":" in found:
                position = self.jsp_element(start, match.end(), found)
            else:
                position = self.include(start)

    def block(self, start: int) -> int:
        text = self.text
        if text.startswith("<%--", start):
            end = text.find("--%>", start + 4)
            return len(text) if end < 0 else end + 4
        end = text.find("%>", start + 2)
        stop = len(text) if end < 0 else end
        mark = text[start + 2 : start + 3]
        spaced = _SPACED_DIRECTIVE.match(text, start)
        if spaced:
            self.directive(spaced.end(), stop)
        elif mark == "%":
            return start + 3  # `<%%` is an escaped `<%`
        else:
            kinds = {"=": "expression", ":": "expression", "#": "binding", "$": "", "!": "declaration"}
            kind = kinds.get(mark, "render")
            begin = start + (2 if kind == "render" else 3)
            if text.startswith(("<%#:", "<%#="), start):
                begin += 1
            if mark == "#" and text.startswith("<%#@~^", start):
                kind, begin = "render", start + 2  # an encoded script block
            if kind:
                self.page.add(Segment(kind, text[begin:stop], begin))
        return stop + 2

    def directive(self, start: int, stop: int) -> None:
        body = self.text[start : min(stop, start + MAX_TAG)]
        named = _DIRECTIVE_NAME.match(body)
        values: dict[str, str] = {}
        for match in _ATTRIBUTE.finditer(body):
            values.setdefault(match.group(1).lower(), match.group(2) or match.group(3) or match.group(4) or "")
        name = named.group(1).lower() if named else "page"
        self.page.directives.append(Directive(name, values, self.page.line_of(start)))
        for key in ("codefile", "codebehind", "src", "file"):
            if key in values:
                self.page.includes.append(values[key])

    def tag_end(self, start: int) -> int:
        """Just behind the `>` of a tag: quotes and blocks inside are skipped."""
        self.tags += 1
        limit = min(len(self.text), start + (MAX_TAG if self.tags < MAX_TAGS else 200))
        position, quote = start, ""
        while mark := _TAG_MARK.search(self.text, position, limit):
            found, position = mark.group(0), mark.end()
            if found == "<%":
                end = self.text.find("%>", position, limit)
                position = limit if end < 0 else end + 2
            elif quote:
                quote = "" if found == quote else quote
            elif found == ">":
                return position
            else:
                quote = found
        plain = self.text.find(">", start, limit)
        return plain + 1 if plain >= 0 else limit

    def script(self, start: int) -> int:
        self.scripts += 1
        if self.scripts > MAX_SCRIPTS:
            self.page.truncated = True
        head = self.text[start : start + MAX_TAG if self.scripts < MAX_TAGS else start + 200].lower()
        if "runat" not in head and "php" not in head:
            return start + 7
        behind = self.tag_end(start + 7)
        tag = self.text[start:behind]
        values = {m.group(1).lower(): m.group(2) or m.group(3) or m.group(4) or "" for m in _ATTRIBUTE.finditer(tag)}
        language = values.get("language", "").strip().lower()
        if not (_RUNAT.search(tag) or language == "php"):
            return start + 7  # a client script: blocks inside it still run on the server
        end = _CLOSE_SCRIPT.search(self.text, behind)
        stop = end.start() if end else len(self.text)
        if "src" in values:
            self.page.includes.append(values["src"])
        if not tag.rstrip().endswith("/>"):
            self.page.add(Segment("declaration", self.text[behind:stop], behind, language))
            return stop
        return behind

    def jsp_element(self, start: int, behind_name: int, found: str) -> int:
        behind = self.tag_end(behind_name)
        close = re.compile("</" + re.escape(found[1:]), re.IGNORECASE).search(self.text, behind)
        stop = close.start() if close else len(self.text)
        kind = {"scriptlet": "render", "declaration": "declaration", "expression": "expression"}[found.split(":")[1]]
        self.page.add(Segment(kind, self.text[behind:stop], behind, "jspx"))
        return max(stop, start + 1)

    def include(self, start: int) -> int:
        tag = self.text[start : start + 600]
        match = re.search(r"(?:file|virtual)\s{0,8}=\s{0,8}[\"']?([^\"'>\s]{1,300})", tag, re.IGNORECASE)
        if match:
            self.page.includes.append(match.group(1))
        return start + 8


def _controls(page: Page) -> None:
    """Server controls: looked up from each `runat=server`, back to its tag's start."""
    text = page.text
    for match in _RUNAT.finditer(text) if "runat" in text.lower() else ():
        if len(page.controls) + len(page.objects) >= MAX_CONTROLS:
            return
        start = text.rfind("<", max(0, match.start() - MAX_TAG), match.start())
        while start > 0 and text.startswith("<%", start):
            start = text.rfind("<", max(0, start - MAX_TAG), start)
        named = _TAG_NAME.match(text, max(start, 0))
        end = text.find(">", match.end(), match.end() + MAX_TAG)
        if not named or named.group(1).lower() == "script":
            continue
        tag = text[start : end if end > 0 else match.end() + 300]
        values = {m.group(1).lower(): m.group(2) or m.group(3) or m.group(4) or "" for m in _ATTRIBUTE.finditer(tag)}
        identifier = values.get("id", "")
        if identifier and named.group(1).lower() == "object":
            page.objects[identifier.lower()] = (values.get("progid") or values.get("classid") or "").lower()
        elif identifier:
            page.controls[identifier.lower()] = named.group(1).lower()


def lex(text: str, controls: bool = True) -> Page:
    """Take a page with `<% %>` blocks apart. `controls` off: the server controls are not looked up."""
    page = Page(text)
    _Scanner(text, page).run()
    if controls:
        _controls(page)
    return page
