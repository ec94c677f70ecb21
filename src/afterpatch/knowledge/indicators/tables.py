"""Lists as CSV (with or without a heading) and as plain text, one value a line."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from afterpatch.knowledge.indicators.intake import Context, Intake
from afterpatch.knowledge.indicators.model import TYPES
from afterpatch.knowledge.indicators.values import guess, refang

_DELIMITERS = ",;\t|"
_SAMPLE = 200
_WIDEST = 64
_LONGEST_LINE = 16 * 1024
# Headings, with everything but letters and digits taken out.
_VALUE = frozenset({"value", "indicator", "indicatorvalue", "ioc", "observable", "observablevalue", "iocvalue"})
_TYPE = frozenset({"type", "indicatortype", "ioctype", "observabletype", "kind"})
_GROUP = frozenset({"group", "actor", "threatactor", "actororcampaign", "campaign", "intrusionset"})
_NOTE = frozenset({"note", "notes", "comment", "comments", "description", "details"})
_SOURCE = frozenset({"source", "provider", "feed", "author", "reference"})
_DATE = frozenset({"published", "date", "dateadded", "created", "reported"})
_CONFIDENCE = frozenset({"confidence"})
_TLP = frozenset({"tlp", "marking"})
_FIELDS = {"value": _VALUE, "type": _TYPE, "group": _GROUP, "note": _NOTE, "source": _SOURCE, "date": _DATE}
_FIELDS |= {"confidence": _CONFIDENCE, "tlp": _TLP}
# What lists call our types.
_KINDS = {
    **{kind.replace("-", ""): kind for kind in TYPES},
    **dict.fromkeys(("ipaddress", "ipv4", "ipv6", "ipsrc", "ipdst", "address", "ipv4addr", "ipv6addr", "ips", "cidr"), "ip"),
    **dict.fromkeys(("domainname", "hostname", "host", "fqdn", "domains"), "domain"),
    **dict.fromkeys(("uri", "urls", "link"), "url"),
    **dict.fromkeys(("urlpath", "uripath", "urlstem"), "url-path"),
    **dict.fromkeys(("useragent", "useragents", "agent", "httpuseragent"), "user-agent"),
    **dict.fromkeys(("filehashsha256", "hashsha256", "sha256hash"), "sha256"),
    **dict.fromkeys(("filehashsha1", "hashsha1", "sha1hash"), "sha1"),
    **dict.fromkeys(("filehashmd5", "hashmd5", "md5hash"), "md5"),
    **dict.fromkeys(("filename", "filenames"), "file-name"),
    **dict.fromkeys(("filepath", "fullpath"), "path"),
}
_CONFIDENCES = {"low": "low", "medium": "moderate", "moderate": "moderate", "high": "high"}


def take(text: str, intake: Intake) -> None:
    """Puts the values of a CSV or text list into the intake."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line.lstrip()[0] != "#"]
    delimiter = _delimiter([line for _, line in lines[:_SAMPLE]])
    if not delimiter:
        heading = bool(lines) and _plain(lines[0][1]) in _VALUE | _KINDS.keys() and not guess(refang(lines[0][1]))
        for number, line in lines[heading:]:
            _take_line(line, number, _KINDS.get(_plain(lines[0][1]), "") if heading else "", intake)
        return
    rows = list(_rows(lines, delimiter, intake))
    if rows:
        _take_rows(rows, intake)


def _take_line(line: str, number: int, kind: str, intake: Intake) -> None:
    """One value, perhaps with a remark behind ` #`."""
    value = re.split(r"\s+#", line, maxsplit=1)[0].strip().strip("\"'")
    intake.add(value[:_LONGEST_LINE], kind, Context(source="text list"), f"line {number}")


def _delimiter(sample: Sequence[str]) -> str:
    """The character that cuts most lines into the same number of parts, "" for a list of single values."""
    best, most = "", 0
    for delimiter in _DELIMITERS:
        counts = Counter(len(row) for row in _parse(sample, delimiter))
        columns, lines = counts.most_common(1)[0] if counts else (1, 0)
        alone = sum(1 for line in sample if guess(refang(line.strip())))
        if columns > 1 and lines * 2 > len(sample) and lines > max(most, alone):
            best, most = delimiter, lines
    return best


def _parse(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    """One line at a time: a quote that is never closed must not swallow the rest of the list."""
    for line in lines:
        try:
            yield next(csv.reader([line[:_LONGEST_LINE]], delimiter=delimiter, skipinitialspace=True), [])
        except csv.Error:
            yield []


def _rows(lines: Sequence[tuple[int, str]], delimiter: str, intake: Intake) -> Iterator[tuple[int, list[str]]]:
    for (number, _), row in zip(lines, _parse([line for _, line in lines], delimiter), strict=True):
        if not row or len(row) > _WIDEST:
            intake.refuse("indicator-bad-row", f"line {number}")
        else:
            yield number, [cell.strip() for cell in row]


def _plain(cell: str) -> str:
    return re.sub(r"[^a-z0-9]", "", cell.lower())


def _take_rows(rows: list[tuple[int, list[str]]], intake: Intake) -> None:
    columns, typed = _heading(rows[0][1])
    if "value" in columns or typed:
        rows = rows[1:]
    else:
        columns, typed = _guess_columns([row for _, row in rows[:_SAMPLE]]), {}
    for number, row in rows:
        _take_row(row, columns, typed, f"line {number}", intake)


def _heading(cells: Sequence[str]) -> tuple[dict[str, int], dict[int, str]]:
    """Columns by our names, and columns that hold values of the one type they are named after. A row that holds a
    value is no heading, though its other cells may name a type."""
    if any(guess(refang(cell)) for cell in cells):
        return {}, {}
    names = [_plain(cell) for cell in cells]
    columns = {field: names.index(name) for field, known in _FIELDS.items() for name in names if name in known}
    typed = {place: _KINDS[name] for place, name in enumerate(names) if name in _KINDS and name not in _VALUE}
    if "value" in columns:
        typed = {}
    return columns, typed


def _guess_columns(sample: Sequence[Sequence[str]]) -> dict[str, int]:
    """The column with most values of a known type, and one beside it that names types."""
    values: Counter[int] = Counter()
    types: Counter[int] = Counter()
    for row in sample:
        for place, cell in enumerate(row):
            values[place] += bool(guess(refang(cell)))
            types[place] += _plain(cell) in _KINDS
    columns = {"value": max(values, key=lambda place: (values[place], -place), default=0)}
    place, count = types.most_common(1)[0] if types else (0, 0)
    if count and place != columns["value"]:
        columns["type"] = place
    return columns


def _take_row(row: Sequence[str], columns: dict[str, int], typed: dict[int, str], where: str, intake: Intake) -> None:
    def cell(field: str) -> str:
        place = columns.get(field, _WIDEST)
        return row[place] if place < len(row) else ""

    context = Context(
        group=cell("group"),
        note=cell("note"),
        source=cell("source") or "CSV list",
        published=cell("date")[:10],
        confidence=_CONFIDENCES.get(cell("confidence").lower(), "moderate"),
        tlp=cell("tlp").upper().removeprefix("TLP:"),
    )
    if typed:
        for place, kind in typed.items():
            if place < len(row) and row[place]:
                intake.add(row[place], kind, context, where)
    elif cell("value"):
        named = _plain(cell("type"))
        if named and named not in _KINDS and not guess(refang(cell("value"))):
            intake.refuse("indicator-unknown-type", where, named[:40])
        else:
            intake.add(cell("value"), _KINDS.get(named, ""), context, where)
