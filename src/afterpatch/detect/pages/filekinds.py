"""Which files are pages, by name and by what they hold; nothing that reads their code."""

from __future__ import annotations

import re

from afterpatch.detect.pages.decode import MAX_BYTES

PHP = frozenset((".php", ".php3", ".php4", ".php5", ".php7", ".phtml", ".pht"))
JSP = frozenset((".jsp", ".jspx", ".jspf", ".jsw", ".jsv"))
_NEVER = frozenset(
    (
        ".cs",
        ".vb",
        ".js",
        ".css",
        ".dll",
        ".exe",
        ".resx",
        ".md",
        ".xml",
        ".xslt",
        ".ps1",
        ".psm1",
        ".log",
        ".evtx",
        ".map",
        ".ts",
    )
)
_SERVER_MARKS = re.compile(
    rb"<%@\s{0,20}(?:page|webhandler|webservice|control|master|application|language)\b|<\?php\b|<script\b[^>]{0,200}\brunat\s{0,4}=\s{0,4}[\"']?server",
    re.IGNORECASE,
)
# Typographic quotes where only plain ones can be code: a directive's value, the first argument of a call.
CURLED = re.compile(
    "<%@[^%>]{0,300}=\\s{0,8}(?:[\u201c\u201d]|\u00a1[\u00b0\u00b1])|[\\[(]\\s{0,8}[\u201c\u201d]\\w{1,40}[\u201c\u201d]|(?i:createobject|request)\\(\u00a1[\u00b0\u00b1]"
)
CLASSIC = frozenset((".asp", ".asa", ".cer", ".cdx"))
ASPNET = frozenset(
    (
        ".aspx",
        ".ashx",
        ".asmx",
        ".ascx",
        ".asax",
        ".master",
        ".cshtml",
        ".vbhtml",
        ".svc",
        ".soap",
        ".aspq",
        ".skin",
        ".rem",
        ".xamlx",
    )
)
RAZOR = frozenset((".cshtml", ".vbhtml"))
SOURCE_FILES = frozenset((".ashx", ".asmx", ".svc"))


def extension_of(name: str) -> str:
    """Last extension of a file's name, lower case, with the dot."""
    base = re.split(r"[\\/]", name)[-1].rstrip(". ")
    dot = base.rfind(".")
    return base[dot:].lower() if dot >= 0 else ""


def holds_server_code(extension: str, data: bytes) -> bool:
    """Whether a file of another name holds code that a server would run once it is mapped or included."""
    if extension in _NEVER:
        return False
    return _SERVER_MARKS.search(data[:MAX_BYTES]) is not None
