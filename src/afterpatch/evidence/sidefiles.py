"""Bookkeeping files of collectors: bounded, tolerant reading of CSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from afterpatch.evidence import limits
from afterpatch.evidence.entry import Entry, NoticeBook
from afterpatch.evidence.errors import reason_of
from afterpatch.evidence.opening import read_bounded
from afterpatch.model import EvidenceError, parse_iso

FRACTION = re.compile(r"(\.\d{6})\d+")
MAX_DEPTH = 50


def text_of(entry: Entry, book: NoticeBook) -> str:
    """The text of a side file, UTF-8 or UTF-16, "" (and a notice) where it cannot be read."""
    try:
        data, cut = read_bounded(entry.locator, limits.SIDE_FILE_BYTES)
    except EvidenceError as error:
        book.add(entry.shown, "", f"{reason_of(error)}: {error}")
        return ""
    if cut:
        book.add(entry.shown, "", "notice.side-file-cut")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return data.decode(encoding, "replace").replace("\0", "")


def csv_rows(entry: Entry, book: NoticeBook) -> Iterator[dict[str, str]]:
    """Rows of a CSV file by column name (lower case). Rows that are no CSV are counted in a notice."""
    reader = csv.reader(io.StringIO(text_of(entry, book), newline=""))
    header: list[str] = []
    bad = 0
    while reader.line_num < limits.SIDE_FILE_ROWS:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error:
            bad += 1
            continue
        if header:
            yield dict(zip(header, row, strict=False))
        else:
            header = [name.strip().lower() for name in row]
    else:
        book.add(entry.shown, f"line {reader.line_num}", "notice.side-file-cut")
    if bad:
        book.add(entry.shown, "", "notice.side-file-damaged", bad)


def json_rows(entry: Entry, book: NoticeBook) -> Iterator[dict[str, Any]]:
    """Objects of a JSON-lines file, or of a file that is one object or one array."""
    text = text_of(entry, book)
    whole = _parse(text) if text[:1] in "[{" and len(text) < limits.SIDE_FILE_BYTES else None
    if whole is not None:
        yield from (item for item in (whole if isinstance(whole, list) else [whole]) if isinstance(item, dict))
        return
    bad = 0
    for number, line in enumerate(text.splitlines()):
        if number >= limits.SIDE_FILE_ROWS:
            book.add(entry.shown, f"line {number}", "notice.side-file-cut")
            break
        value = _parse(line) if line.strip() else {}
        if isinstance(value, dict):
            if value:
                yield value
        else:
            bad += 1
    if bad:
        book.add(entry.shown, "", "notice.side-file-damaged", bad)


def _parse(text: str) -> Any:
    """The JSON value, None where it is none or is nested without end."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def moment(text: object) -> datetime | None:
    """A time of a side file, UTC where it has no offset; seven-digit fractions are cut."""
    if not isinstance(text, str) or not text.strip():
        return None
    try:
        return parse_iso(FRACTION.sub(r"\1", text.strip()))
    except OverflowError:
        return None
