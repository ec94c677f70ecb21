"""Texts on their way to a reader: messages, defanging, and making hostile characters visible.

A free text of the model is plain English or a message: `msg:key|name=value|name=value`, with `|`, `=` and `%` of the
values percent-encoded. Evidence values travel only inside the values, so they cannot become a key.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from afterpatch.model.messages import PREFIX, message

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-/]{0,199}\Z")
_NOTICE = re.compile(r"((?:notice|basis)\.[A-Za-z0-9][A-Za-z0-9_.\-]{0,120})(?:: ?(.*))?\Z", re.DOTALL)
_SCHEME = re.compile(r"\b(https?|ftp)(://)([^\s/\\?#\"'<>]{1,300})", re.IGNORECASE)
_FANGED = {"http": "hxxp", "https": "hxxps", "ftp": "fxp"}
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")  # letters that look like nothing
_MAX_MARKS = 3
_PLAIN = re.compile(r"[ -~\u00a1-\u00ac\u00ae-\u02ff\u3001-\u303f\u4e00-\u9fff\uff01-\uff5e]*\Z")


@dataclass(frozen=True, slots=True)
class Message:
    """A key of the catalogue and the values of its placeholders (decoded)."""

    key: str
    values: Mapping[str, str]


def parse_message(text: str) -> Message | None:
    """The message a text stands for (`msg:...`), or None for plain English."""
    if not text.startswith(PREFIX):
        return None
    key, *pairs = text[len(PREFIX) :].split("|")
    if not _KEY.match(key):
        return None
    values = {name: unquote(value) for name, _, value in (pair.partition("=") for pair in pairs)}
    return Message(key, values)


def parse_notice(reason: str) -> Message | None:
    """A notice's reason (`notice.<key>` or `notice.<key>: detail`) or a basis (`basis.<key>: detail`), also in the
    `msg:` form; None for plain English."""
    found = _NOTICE.match(reason)
    if found is None:
        return parse_message(reason)
    return Message(found.group(1), {"detail": found.group(2) or ""})


def readable(key: str) -> str:
    """What a key without a text looks like: its last part in words."""
    words = key.rpartition(".")[2].replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(text: str, keep: str = "") -> str:
    """The text with every character that a screen hides or obeys written out (`\\x1b`, `\\u202e`).

    Controls, terminal escapes, bidi overrides, zero-width and private characters, lone surrogates, line separators,
    and more than three combining marks on one letter. `keep` names characters to leave alone (a line feed).
    """
    if _PLAIN.match(text):
        return text
    out: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        hidden = category in _HIDDEN or char in _BLANK or marks > _MAX_MARKS
        out.append(_escape(char) if hidden and char not in keep else char)
    return "".join(out)


def defang(text: str) -> str:
    """URLs made harmless to read and to paste: `hxxps://example[.]com/path`. Server paths and addresses stay."""
    if "://" not in text:
        return text
    return _SCHEME.sub(
        lambda found: _FANGED[found[1].lower()] + found[2] + found[3].replace("[.]", ".").replace(".", "[.]"), text
    )


def defang_host(host: str) -> str:
    """A domain name or the host of a URL made harmless."""
    return defang(host) if "://" in host else host.replace("[.]", ".").replace(".", "[.]")


def shown(text: str) -> str:
    """A value as people read it: defanged, with hidden characters visible, on one line."""
    return visible(defang(text))


def storable(text: str) -> str:
    """The text with lone surrogates written out, since neither JSON nor UTF-8 can hold them."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "".join(_escape(char) if "\ud800" <= char <= "\udfff" else char for char in text)
    return text


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis in the middle that keeps both ends."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


__all__ = [
    "Message",
    "defang",
    "defang_host",
    "message",
    "parse_message",
    "parse_notice",
    "readable",
    "shorten",
    "shown",
    "storable",
    "visible",
]
