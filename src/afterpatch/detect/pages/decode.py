"""The readings of a page's bytes: as text in the likeliest encoding, and in every other that could hold a page.

IIS and ASP.NET take a byte order mark, else the encoding configured for the site. So bytes that are UTF-16 without a
mark, UTF-7 or interleaved with NULs are read as such beside the plain reading.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from urllib.parse import unquote

from afterpatch.model import message

MAX_BYTES = 4 * 1024 * 1024
_SAMPLE = 65536
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HEADS = (
    (b"!BDN", "pst"),
    (b"\x30\x82", "der"),
    (b"GIF8", "gif"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG", "png"),
    (b"BM", "bitmap"),
    (b"%PDF", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"Rar!", "rar"),
    (b"Return-Path:", "mail"),
    (b"Received:", "mail"),
)
_PAGE = re.compile(rb"<%|<\?(?:php|=)|runat\s{0,4}=|<jsp:|<script\b", re.IGNORECASE)
_PAGE_TEXT = re.compile(r"<%|<\?(?:php|=)|runat\s{0,4}=|<jsp:", re.IGNORECASE)
_UTF7 = re.compile(rb"\+AD[wx][A-Za-z0-9+/]{0,40}-?")
_CODEPAGE = re.compile(rb"codepage\s{0,4}=\s{0,4}[\"']?65000|utf-?7", re.IGNORECASE)
_ESCAPED = re.compile(r"%3c(?:%25|script|%3f)", re.IGNORECASE)
_EBCDIC_TAG = "<%@".encode("cp037")
_ODD = 0.02


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read the bytes: `label` says how, `odd` whether a plain editor would have shown something else."""

    text: str
    label: str
    odd: bool = False


def _wide(data: bytes) -> str:
    """UTF-16 by the share of zero bytes at one parity, "" where it is not."""
    head = data[:_SAMPLE]
    pairs = len(head) // 2
    if pairs < 8 or b"\0" not in head:
        return ""
    if head[1 : 2 * pairs : 2].count(0) > 0.4 * pairs:
        return "utf-16-le"
    return "utf-16-be" if head[0 : 2 * pairs : 2].count(0) > 0.4 * pairs else ""


def plain_text(data: bytes) -> str:
    """UTF-8 where it is that, else Latin-1 (which keeps every byte); the mark is dropped."""
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _marked(data: bytes) -> Reading | None:
    for mark, name in _MARKS:
        if data.startswith(mark) and name != "utf-8":
            return Reading(data[len(mark) :].decode(name, "replace"), name)
    return None


def head_of(data: bytes) -> str:
    """What the file pretends to be where a page hides behind another format's first bytes, else ""."""
    for magic, what in _HEADS:
        if data.startswith(magic) and _PAGE.search(data):
            return what
    return ""


def readings(data: bytes) -> tuple[tuple[Reading, ...], tuple[str, ...]]:
    """Every plausible reading, likeliest first, at most six, and notes on disguises (messages)."""
    data = data[:MAX_BYTES]
    notes = [message("page.note.inside", format=what) for what in (head_of(data),) if what]
    found: list[Reading] = []
    marked = _marked(data)
    wide = _wide(data)
    if marked:
        found.append(marked)
    elif wide:
        found.append(Reading(data.decode(wide, "replace"), wide))
        notes.append(message("page.note.wide", encoding=wide.upper()))
    if not (marked and "\ufffd" not in marked.text[:_SAMPLE]) or _PAGE.search(data):
        found.append(Reading(plain_text(data), "plain"))
    found.extend(_disguised(data, notes))
    distinct: dict[str, Reading] = {}
    for reading in found:
        distinct.setdefault(reading.text, reading)
    return tuple(distinct.values())[:6], tuple(notes)


def _disguised(data: bytes, notes: list[str]) -> list[Reading]:
    """Readings that only somebody who hides would need."""
    found: list[Reading] = []
    if b"\0" in data and not _wide(data):
        found.append(Reading(plain_text(data.replace(b"\0", b"")), "without NUL bytes", odd=True))
    low = data.lower()
    if (b"+AD" in data and _UTF7.search(data)) or ((b"65000" in data or b"utf" in low) and _CODEPAGE.search(data)):
        text = _utf7(data)
        if _PAGE_TEXT.search(text):
            found.append(Reading(text, "utf-7", odd=True))
            notes.append(message("page.note.utf-7"))
    if _EBCDIC_TAG in data:
        found.append(Reading(data.decode("cp037"), "cp037", odd=True))
        notes.append(message("page.note.ebcdic"))
    plain = found[0].text if found else plain_text(data)
    if (found or b"%3c" in low) and _ESCAPED.search(plain):
        found.append(Reading(unquote(plain), "percent-decoded", odd=True))
        notes.append(message("page.note.percent"))
    return found


def _utf7(data: bytes) -> str:
    """Decode the shifted runs of UTF-7 only, so that other bytes survive."""

    def shifted(match: re.Match[bytes]) -> bytes:
        try:
            return match.group(0).decode("utf-7").encode("utf-8", "replace")
        except UnicodeDecodeError:
            return match.group(0)

    if _CODEPAGE.search(data):
        data = re.sub(rb"\+[A-Za-z0-9]-", b"", data)  # too short to hold a character: the decoder drops it
    return plain_text(re.sub(rb"\+[A-Za-z0-9+/]{2,4096}-?", shifted, data))
