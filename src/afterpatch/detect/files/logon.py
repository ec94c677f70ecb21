"""Logon pages that hand passwords on, and the files such collectors leave in web folders.

The pages are HTML, script of the browser and code of the server in one text, so they are read by one small rule for all:
what takes a password, which names it is given, and where these names go.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import fire, load_data, load_table
from afterpatch.detect.files.paths import Place, extensions, file_name, place_of, stem_and_extension
from afterpatch.detect.files.views import line_at, text_of

MAX_PAGE = 1 << 20
MAX_DATA = 256 * 1024
MAX_EXPRESSION, MAX_NAMES, MAX_ROUNDS, MAX_PARTS = 800, 60, 6, 6000
MAX_READ = 1_000_000  # characters of expressions, over a whole page
_WORD = r"(?:passw(?:or)?d|passwd|pwd)"
_SOURCE = re.compile(
    r"(?:getElementById|gbid|getElementsByName|getElementsByTagName|querySelector|querySelectorAll|\$|jQuery)\s{0,4}\(\s{0,4}"
    rf"[\"'`][^\"'`()]{{0,60}}{_WORD}[^\"'`()]{{0,30}}[\"'`]"
    rf"|\b(?:document|forms?|logonForm|frm|theForm|elements)\b[^;\n=(){{}}]{{0,60}}[.\[][\"']?{_WORD}(?:Text|Box|1|2)?\b"
    rf"|\b\w{{0,20}}{_WORD}\w{{0,12}}\.(?:value|Text|Value)\b"
    rf"|\bRequest(?:\.(?:Form|Params|Unvalidated|QueryString))?\s{{0,4}}[\[(]\s{{0,4}}[\"'][^\"']{{0,40}}{_WORD}[^\"']{{0,20}}[\"']"
    r"|\bnew\s+FormData\s*\(|\.serialize(?:Array)?\s*\(\s*\)|\bRequest\.Form\.ToString\s*\(|\bRequest\.(?:InputStream|BinaryRead)\b",
    re.IGNORECASE,
)
_CALL_SINKS = re.compile(
    r"(?P<call>\.send|\.open|\bfetch|\bsendBeacon|\$\.(?:post|get|ajax|getJSON)|jQuery\.(?:post|get|ajax)|\baxios(?:\.\w+)?|"
    r"new\s+WebSocket|\.setItem|\.setAttribute|\bimportScripts|"
    r"\bFile\.(?:Append|Write)\w*|(?<!Response)(?<!Output)(?<!document)\.Write(?:Line|Async|LineAsync)?|\bnew\s+StreamWriter|"
    r"\.(?:Download|Upload)(?:String|Data|Values|File)\w*|\b(?:Http)?WebRequest\.Create(?:Http)?|\.(?:Get|Post)(?:String)?Async|"
    r"\bProcess\.Start|\bnew\s+SqlCommand|\.AddHeader|\.AppendHeader)\s{0,4}\(",
)
_SET_SINKS = re.compile(
    r"(?P<call>\.src|\.href|\.action|\blocation|document\.cookie|(?:local|session)Storage(?:\.\w{1,40}|\[[^\]\n]{1,60}\])|\.CommandText)"
    r"\s{0,4}=(?!=)",
)
_ASSIGNED = re.compile(r"(?<![\w.$\"'])(?P<name>[A-Za-z_$][\w$]{0,60})\s{0,4}\+?=(?![=>])")
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})")
_BRACKETS = re.compile(r"\[\s{0,3}[\"']([A-Za-z_$][\w$]{0,40})[\"']\s{0,3}\]")
_NAMES = frozenset(("logon.aspx", "flogon.js", "signin.aspx", "login.aspx", "expiredpassword.aspx", "auth.owa", "logon.js"))
_PAGES = frozenset((".js", ".aspx", ".ashx", ".asp", ".htm", ".html", ".owa", ".master", ".ascx"))
_FORM_LINE = re.compile(
    rf"(?:^|[&?\s])(?:user(?:name)?|login|account|uid|u|name|email)=[^&\s]{{1,120}}&(?:[^\s]{{0,400}}&)?{_WORD}=\S", re.IGNORECASE
)
_LABELLED = re.compile(
    rf"\buser(?:name)?\b[\"']?\s{{0,3}}[:=]\s{{0,3}}\S{{2,}}.{{0,200}}?\b{_WORD}\b[\"']?\s{{0,3}}[:=]\s{{0,3}}\S", re.IGNORECASE
)
_PAIR = re.compile(
    r"^(?:[\w.-]{1,60}\\[\w.$-]{1,60}|[\w.+-]{1,64}@[\w-]{1,60}(?:\.[\w-]{1,20}){1,4})\s{0,3}[:;|,\t/]\s{0,3}\S{4,128}\s{0,80}$"
)
_BASE64 = re.compile(r"^[A-Za-z0-9+/]{16,4000}={0,2}$")


@dataclass(frozen=True, slots=True)
class Way:
    """How a password goes: what takes it, the names it was given, the call it reaches, and that call's line."""

    source: str
    names: tuple[str, ...]
    sink: str
    line: int


def _expression(text: str, start: int) -> str:
    """The text from a place to the end of its statement or of its closing bracket."""
    depth = 0
    end = min(start + MAX_EXPRESSION, len(text))
    for place in range(start, end):
        sign = text[place]
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
            if depth < 0:
                return text[start:place]
        elif depth <= 0 and (sign == ";" or (sign == "\n" and text[place - 1 : place] not in ("+", ",", "=", "&"))):
            return text[start:place]
    return text[start:end]


def plain(text: str) -> str:
    """The text with escapes in names undone and `a["b"]` as `a.b`; lines stay where they are."""
    text = _ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
    return _BRACKETS.sub(r".\1", text)


def password_way(text: str) -> Way | None:
    """The first way of a password to a call that hands it on; None where there is none."""
    text = plain(text)
    first = _SOURCE.search(text)
    if first is None:
        return None
    source, names = " ".join(first.group(0).split()), _carriers(text)
    carried = re.compile(r"(?<![\w.$])(?:" + "|".join(map(re.escape, names)) + r")(?![\w$])") if names else None
    for pattern in (_CALL_SINKS, _SET_SINKS):
        read = 0
        for match in pattern.finditer(text):
            given = _expression(text, match.end())
            read += len(given)
            if read > MAX_READ:
                break
            if _SOURCE.search(given) or (carried is not None and carried.search(_outside_strings(given))):
                return Way(source[:120], names[:6], match["call"].strip(), line_at(text, match.start()))
    return None


def _outside_strings(text: str) -> str:
    """An expression without its plain string constants."""
    return re.sub(r"\"(?:[^\"\\\n]|\\.){0,400}\"|'(?:[^'\\\n]|\\.){0,400}'", '""', text)


def _carriers(text: str) -> tuple[str, ...]:
    """Names that a password is put into, straight or through others."""
    found: dict[str, None] = {}
    parts: list[tuple[str, str]] = []
    read = 0
    for match in _ASSIGNED.finditer(text):
        value = _expression(text, match.end())
        read += len(value)
        if read > MAX_READ:
            break
        if _SOURCE.search(value):
            found[match["name"]] = None
        elif len(parts) < MAX_PARTS:
            parts.append((match["name"], _outside_strings(value)))
    for _round in range(MAX_ROUNDS):
        if not found or len(found) > MAX_NAMES:
            break
        carried = re.compile(r"(?<![\w.$])(?:" + "|".join(map(re.escape, found)) + r")(?![\w$])")
        new = [name for name, value in parts if name not in found and carried.search(value)]
        if not new:
            break
        found |= dict.fromkeys(new[:MAX_NAMES])
    return tuple(found)


def logon_lines(text: str) -> tuple[int, int]:
    """(lines that look like names with passwords, all lines that say anything)."""
    hits = total = 0
    for raw in text.splitlines()[:4000]:
        line = raw.strip()
        if not line:
            continue
        total += 1
        if _BASE64.match(line):
            try:
                line = base64.b64decode(line + "=" * (-len(line) % 4)).decode("utf-8", "strict")
            except (binascii.Error, ValueError):
                continue
        hits += bool(_FORM_LINE.search(line[:2000]) or _LABELLED.search(line[:2000]) or _PAIR.match(line[:400]))
    return hits, total


class LogonAnalyser:
    """Logon pages by where passwords go, and files in web folders that hold them."""

    name = "logon"
    artifacts = ("web-file",)
    detections = tuple(load_table("logon"))

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """At most one finding of each kind; nothing for stock files."""
        name = file_name(item.path).lower()
        extension = stem_and_extension(name)[1]
        place = place_of(item.path, context.facts)
        if not place.web or not item.content or context.is_stock(item):
            return
        if extension in _PAGES and _near_logon(name, place) and item.size <= MAX_PAGE:
            yield from _page(item)
        elif extension not in extensions("server") and place.scripts != "foreign":
            yield from _data(item)


def _near_logon(name: str, place: Place) -> bool:
    """Whether a page is one that people sign in with, or lies among these."""
    if name in _NAMES and place.scripts != "foreign":
        return True
    return place.login or place.id in ("owa-current", "owa-version", "owa-auth-sub")


def _page(item: FileItem) -> Iterator[FileFinding]:
    way = password_way(text_of(item.content))
    if way is not None:
        facts = (("takes", way.source), ("through", ", ".join(way.names)), ("reaches", way.sink))
        given = tuple(pair for pair in facts if pair[1])
        yield fire("login-page-takes-password", item.path, facts=given, line=way.line, raw=_line(item, way.line))


def _line(item: FileItem, number: int) -> str:
    lines = text_of(item.content).splitlines()
    return lines[number - 1][:2000] if 0 < number <= len(lines) else ""


def _data(item: FileItem) -> Iterator[FileFinding]:
    if item.content[:2] in (b"MZ", b"PK") or b"\0\0" in item.content[:512] or item.size > 64 << 20:
        return
    hits, total = logon_lines(text_of(item.content[:MAX_DATA]))
    if hits >= int(load_data("logon")["least_lines"]) and hits * 3 >= total:
        facts = (("lines like a logon", str(hits)), ("lines looked at", str(total)))
        yield fire("logon-data-in-web-folder", item.path, facts=facts)
