"""Razor pages (`.cshtml`): `@{ }`, `@functions { }`, `@( )`, `@name.member(...)`; markup inside code blocks is blanked."""

from __future__ import annotations

import re

from afterpatch.detect.pages.lexer import Page, Segment

_AT = re.compile(
    r"@(?:\*|@|\{|\(|functions\b\s{0,200}\{|code\b\s{0,200}\{|(?:if|for|foreach|while|using|switch|lock|try)\b|(?=[A-Za-z_]))"
)
_EXPRESSION = re.compile(r"(?:new\s|await\s)?[A-Za-z_]\w*(?:<[\w.,\s]{0,80}>)?")
_MARKUP_LINE = re.compile(r"^[ \t]*(?:<(?!!|=)[^\n]*|@:[^\n]*|@\*[^\n]*)$", re.MULTILINE)
_PAIRS = {"{": "}", "(": ")", "[": "]"}
_MARK = re.compile(r"@?\"|'|//|/\*|[{}()\[\]]")
MAX_BLOCK = 100_000
MAX_WORK = 1_000_000


def _close(text: str, start: int) -> int:
    """Behind the bracket that closes the one at `start`; strings and comments are skipped; bounded."""
    depth, position = 0, start
    limit = min(len(text), start + MAX_BLOCK)
    while match := _MARK.search(text, position, limit):
        mark, position = match.group(0), match.end()
        if mark in "{([":
            depth += 1
        elif mark in "})]":
            depth -= 1
            if depth <= 0:
                return position
        else:
            position = _skip(text, match.start(), mark, limit)
    return limit


def _skip(text: str, start: int, mark: str, limit: int) -> int:
    if mark == "//":
        end = text.find("\n", start, limit)
    elif mark == "/*":
        end = text.find("*/", start + 2, limit)
    else:
        pattern = r'"(?:[^"\\\n]|\\.)*"' if mark == '"' else (r'@"(?:[^"]|"")*"' if mark == '@"' else r"'(?:[^'\\\n]|\\.){1,12}'")
        match = re.compile(pattern).match(text, start, limit)
        return match.end() if match else start + len(mark)
    return limit if end < 0 else end + (2 if mark == "/*" else 0)


def _chain(text: str, start: int) -> int:
    """The end of an implicit expression: names, members, calls, indexes."""
    match = _EXPRESSION.match(text, start)
    position = match.end() if match else start
    while position < len(text):
        char = text[position]
        if char in "([":
            position = _close(text, position)
        elif char == "." and re.match(r"\.[A-Za-z_]\w*", text[position : position + 80]):
            position += len(re.match(r"\.[A-Za-z_]\w*", text[position : position + 80]).group(0))  # type: ignore[union-attr]
        else:
            break
    return position


_VB_BLOCK = re.compile(r"@(code|functions)\b(.{0,60000}?)\bend\s+\1\b", re.IGNORECASE | re.DOTALL)
_VB_BEGIN = re.compile(r"@(?:code|functions)\b(?!\s{0,200}\{)", re.IGNORECASE)
_VB_STATEMENT = re.compile(r"@(?:if|for\s+each|for|while|using|select|try|do)\b[^\r\n]{0,2000}", re.IGNORECASE)


def lex_razor_vb(text: str) -> Page:
    """The code of a Razor page in VB: `@Code ... End Code`, `@Functions`, statements line by line, expressions."""
    page = Page(text)
    position = 0
    blocks = [*_VB_BLOCK.finditer(text)]
    for match in blocks:
        kind = "render" if match.group(1).lower() == "code" else "declaration"
        page.add(Segment(kind, match.group(2), match.start(2)))
    page.truncated |= len(_VB_BEGIN.findall(text)) > len(blocks)  # one that is too long, or has no end
    rest = _VB_BLOCK.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)
    for match in _AT.finditer(rest):
        start = match.start()
        if start < position or page.truncated or (start and rest[start - 1].isalnum()) or match.group(0) in ("@@", "@*"):
            continue
        statement = _VB_STATEMENT.match(rest, start)
        if statement:
            page.add(Segment("render", statement.group(0)[1:] + "\n", start + 1))
            position = statement.end()
        else:
            position = _close(rest, start + 1) if match.group(0) == "@(" else _chain(rest, start + 1)
            page.add(Segment("expression", rest[start + 1 : position], start + 1))
    page.segments.sort(key=lambda one: one.offset)
    return page


def lex_razor(text: str) -> Page:
    """The code of a Razor page, in order; a statement such as `@if (...) {` is taken with its block."""
    page = Page(text)
    position = 0
    work = 0
    while match := _AT.search(text, position):
        if page.truncated or work > MAX_WORK:
            page.truncated = True
            break
        found, start = match.group(0), match.start()
        if found == "@*":
            end = text.find("*@", start + 2)
            position = len(text) if end < 0 else end + 2
        elif found == "@@" or (start and (text[start - 1].isalnum())):
            position = match.end()
        elif found.endswith("{"):
            stop = _close(text, match.end() - 1)
            kind = "declaration" if found.startswith(("@functions", "@code")) else "render"
            page.add(Segment(kind, _MARKUP_LINE.sub("", text[match.end() : stop - 1]), match.end()))
            position = stop
            page.truncated |= stop - match.end() >= MAX_BLOCK - 1
        elif found == "@(":
            stop = _close(text, start + 1)
            page.add(Segment("expression", text[start + 2 : stop - 1], start + 2))
            position = stop
            page.truncated |= stop - start > MAX_BLOCK
        else:
            before = len(page.segments)
            position = _statement(page, text, start, found)
            work += sum(len(segment.text) for segment in page.segments[before:])
    return page


def _statement(page: Page, text: str, start: int, found: str) -> int:
    if found != "@":
        brace = text.find("{", start, start + 2000)
        if brace < 0:
            return start + len(found)
        stop = _close(text, brace)
        page.truncated |= stop - brace >= MAX_BLOCK
        page.add(Segment("render", text[start + 1 : brace] + _MARKUP_LINE.sub("", text[brace:stop]), start + 1))
        return brace + 1  # the block is mixed with markup: expressions in it are found by their own marks
    stop = _chain(text, start + 1)
    page.add(Segment("expression", text[start + 1 : stop], start + 1))
    return max(stop, start + 1)
