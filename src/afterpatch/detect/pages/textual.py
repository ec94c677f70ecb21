"""A last resort for code that no parser can read: a call that runs, loads or writes, with the request right inside it.

A sample that lost a quote or its end, or was printed with typographic quotes, does not compile as it stands; on the
server it may. It is used only where the parser reported that it could not read something.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from afterpatch.detect.pages.scope import Event
from afterpatch.detect.pages.value import Trace, Value

MAX_TEXT = 300_000
QUOTES = str.maketrans({"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2033": '"', "\u2018": "'", "\u2019": "'"})
_GBK_QUOTES = re.compile("\u00a1[\u00b0\u00b1]")  # the same quotes in code page 936, read as Latin-1
_SOURCE = r"[^;\r\n]{0,160}?\b(Request|HttpContext|\$_(?:GET|POST|REQUEST|COOKIE))\b"
_CALLS = (
    ("code-execution", "code", re.compile(r"(?<![.\w])(eval|executeglobal|execute)\b\s{0,8}[(\s]" + _SOURCE, re.IGNORECASE)),
    ("process-start", "command", re.compile(r"\b(Process\.Start|shell_exec|passthru|getRuntime\(\)\.exec)\s{0,8}\(" + _SOURCE)),
    ("assembly-load", "assembly", re.compile(r"\b(Assembly\.Load)\s{0,8}\(" + _SOURCE)),
    ("file-write", "path", re.compile(r"(\.SaveAs)\s{0,8}\(\s{0,8}(?:Server\.MapPath\(\s{0,8})?" + r"(Request)\s{0,4}[\[(.]")),
)
_COMMENTS = re.compile(r"/\*.{0,2000}?\*/|^[ \t]{0,80}(?:'|//)[^\r\n]*", re.DOTALL | re.MULTILINE)


def straight_quotes(code: str) -> str:
    """Code with typographic quotes as plain ones."""
    return _GBK_QUOTES.sub('"', code.translate(QUOTES))


def textual_events(code: str) -> Iterator[Event]:
    """Sinks with the request inside them, by text alone; at most one of a kind."""
    blanked = _COMMENTS.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), straight_quotes(code[:MAX_TEXT]))
    for kind, role, pattern in _CALLS:
        match = pattern.search(blanked)
        if match:
            line = blanked.count("\n", 0, match.start()) + 1
            trace = Trace("client", match.group(2), line)
            yield Event(kind, match.group(1), line, {role: Value(traces=(trace,))})
