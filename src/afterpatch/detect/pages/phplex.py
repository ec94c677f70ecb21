"""PHP code in a page: `<?php`, `<?=`, `<?`, `<script language="php">`; `?>` ends it outside strings and comments."""

from __future__ import annotations

import re

from afterpatch.detect.pages.lexer import Page, Segment

MAX_MARKS = 200_000  # strings and comments of one piece; behind them all counts as code
_OPEN = re.compile(r"<\?(?:php\b|=|(?!xml\b))|<script\s{1,8}language\s{0,4}=\s{0,4}[\"']?php[\"']?\s{0,8}>", re.IGNORECASE)
_NEXT = re.compile(r"\?>|//|#|/\*|'|\"|<<<", re.IGNORECASE)
_HEREDOC = re.compile(r"<<<[ \t]{0,8}[\"']?(\w{1,80})[\"']?\r?\n")


def _string_end(text: str, start: int, quote: str) -> int:
    position = start + 1
    while True:
        end = text.find(quote, position)
        if end < 0:
            return len(text)
        slashes = 0
        while end - 1 - slashes > start and text[end - 1 - slashes] == "\\":
            slashes += 1
        if slashes % 2 == 0:
            return end + 1
        position = end + 1


def _line_comment_end(text: str, start: int) -> int:
    line = text.find("\n", start)
    close = text.find("?>", start)
    ends = [one for one in (line, close) if one >= 0]
    return min(ends) if ends else len(text)


def _code_end(text: str, start: int) -> int:
    """Where the code that starts here ends: at its `?>` or the end of the text."""
    position, marks = start, 0
    while (match := _NEXT.search(text, position)) and marks < MAX_MARKS:
        found, at = match.group(0), match.start()
        marks += 1
        if found == "?>":
            return at
        if found in ("'", '"'):
            position = _string_end(text, at, found)
        elif found == "/*":
            end = text.find("*/", at + 2)
            position = at + 2 if end < 0 else end + 2  # one that never ends hides nothing
        elif found == "<<<":
            position = _heredoc_end(text, at)
        else:
            position = _line_comment_end(text, at)
    return len(text)


def _heredoc_end(text: str, start: int) -> int:
    match = _HEREDOC.match(text, start)
    if not match:
        return start + 3
    end = re.compile(r"^[ \t]*" + re.escape(match.group(1)) + r"\b", re.MULTILINE).search(text, match.end())
    return end.end() if end else len(text)


def without_heredocs(code: str) -> str:
    """Code with every heredoc as an ordinary string, lines kept; a tag that is not closed is looked for once."""
    pieces: list[str] = []
    position, unclosed = 0, set()
    while match := _HEREDOC.search(code, position):
        tag = match.group(1)
        close = (
            None if tag in unclosed else re.compile(r"^[ \t]*" + re.escape(tag) + r"\b", re.MULTILINE).search(code, match.end())
        )
        pieces.append(code[position : match.start()])
        if close is None:
            unclosed.add(tag)
            pieces.append(match.group(0))
            position = match.end()
            continue
        body = code[match.end() : close.start()]
        if "'" in match.group(0):
            pieces.append("'\n" + body.replace("\\", "\\\\").replace("'", "\\'") + "'")
        else:
            pieces.append('"\n' + body.replace('"', '\\"') + '"')
        position = close.end()
    pieces.append(code[position:])
    return "".join(pieces)


def _closed(code: str) -> str:
    """Code whose last comment never ends: only its line is one, so that it hides nothing of what follows."""
    start = code.find("/*", code.rfind("*/") + 1)
    if start < 0:
        return code
    return code[:start] + code[start:].replace("/*", "//") if not _in_string(code, start) else code


def _in_string(code: str, at: int) -> bool:
    """Whether a place lies inside a string."""
    position = 0
    while (match := _NEXT.search(code, position)) and match.start() < at:
        found = match.group(0)
        if found in ("'", '"'):
            position = _string_end(code, match.start(), found)
            if position > at:
                return True
        elif found == "/*":
            end = code.find("*/", match.end())
            position = match.end() if end < 0 else end + 2
        elif found in ("//", "#"):
            position = max(_line_comment_end(code, match.start()), match.end())
        else:
            position = match.end()
    return False


def lex_php(text: str) -> Page:
    """The PHP segments of a page, in order."""
    page = Page(text)
    position = 0
    while match := _OPEN.search(text, position):
        begin = match.end()
        stop = _code_end(text, begin)
        kind = "expression" if match.group(0) == "<?=" else "render"
        page.add(Segment(kind, _closed(text[begin:stop]), begin, "php"))
        position = stop + 2
        if page.truncated:
            break
    return page
