"""CSV inventories and reports: which column means what, and the exact reader. Its rows are what the quick reader must give."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from afterpatch.census.columns import values
from afterpatch.census.rows import Row, Tally
from afterpatch.knowledge import builds
from afterpatch.knowledge.builds import BuildError

_DELIMITERS = ",;\t|"
_SHELL_WORDS = ("exchange", "webshell", "web-shell", "proxylogon", "proxyshell")
SHELL_PLACES = ("/aspnet_client/", "/owa/auth/", "/ecp/auth/", "/owa/")
MOST_COLUMNS = 500
MOST_JOINED, MOST_CHARACTERS = 64, 1 << 20
_RETURN = "\ufdd0"  # a character that no text holds
_HEADER_LINES, _SAMPLE = 10, 40
_OTHERS = ("country", "asn", "sector", "owner", "tag")
_ADDRESS = re.compile(
    r"\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\Z|\[?[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}\]?\Z", re.ASCII | re.IGNORECASE
)
_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)+\Z")
_OTHER_VERSIONS = ("os", "tls", "ssl", "http", "iis", "snmp", "ip", "schema", "net", "windows", "file")


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file: its delimiter, how many lines stand before the first row, the number of columns, and the column of each
    meaning. `shells`: a report of compromised web sites."""

    delimiter: str
    skip: int
    width: int
    places: Mapping[str, int]
    shells: bool = False


@cache
def _names() -> Mapping[str, tuple[str, ...]]:
    found = yaml.safe_load(Path(__file__).with_name("columns.yml").read_text(encoding="utf-8"))
    return {meaning: tuple(names) for meaning, names in found.items()}


def recognise_table(start: bytes) -> Table | None:
    """The table that a file's first bytes (UTF-8) show, or None. The heading is the first of the first lines that names a
    host or a version; where there is none, columns are known by what stands in them."""
    text = start.decode("utf-8", "replace").lstrip("\ufeff")
    whole = text.split("\n") if len(start) < 4096 or text.endswith("\n") else text.split("\n")[:-1]
    lines = [line.removesuffix("\r") for line in whole]
    for number, line in enumerate(lines[:_HEADER_LINES]):
        if line.strip() and not re.match(r"sep=.\Z", line, re.IGNORECASE):
            table = _with_heading(lines, number)
            if table is not None:
                return table
    return _without_heading(lines)


def _split_line(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


def _with_heading(lines: Sequence[str], number: int) -> Table | None:
    line = lines[number]
    delimiter = max(_DELIMITERS, key=line.count)
    cells = _split_line(line, delimiter)
    if not 1 <= len(cells) <= MOST_COLUMNS or any(_is_build(cell) or _ADDRESS.match(cell.strip()) for cell in cells):
        return None
    rows = [_split_line(row, delimiter) for row in lines[number + 1 : number + 1 + _SAMPLE] if row.strip()]
    found = _checked(places(cells), cells, [row for row in rows if len(row) == len(cells)])
    if "version" in found or (("host" in found or "name" in found) and len(cells) > 1):
        shells = "version" not in found and "url" in found and ("category" in found or "tag" in found)
        return Table(delimiter, number + 1, len(cells), found, shells)
    return None


def places(cells: Sequence[str]) -> dict[str, int]:
    """Meaning -> column. The most telling name wins; a column has one meaning, but a URL can be the name of a host too."""
    names = [re.sub(r"[\W_]+", "", cell.casefold()) for cell in cells]
    found: dict[str, int] = {}
    for meaning, known in _names().items():
        free = [name if place not in found.values() or meaning == "url" else "" for place, name in enumerate(names)]
        place = next((free.index(name) for name in known if name in free), None)
        if place is not None:
            found[meaning] = place
    if "host" not in found and "name" in found:
        found["host"] = found.pop("name")
    if "version" not in found and (place := _version_by_words(names, set(found.values()))) is not None:
        found["version"] = place
    return found


def _version_by_words(names: Sequence[str], taken: set[int]) -> int | None:
    """A column that has `version` or `build` in its name and is not that of something else."""
    for word in ("build", "version"):
        for place, name in enumerate(names):
            if word in name and place not in taken and not name.startswith(_OTHER_VERSIONS):
                return place
    return None


def _checked(found: dict[str, int], cells: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, int]:
    """Where a sample has no build in the version's column and builds in another, that one is the version; likewise for
    addresses."""
    if not rows:
        return found
    for meaning, check in (("version", _is_build), ("host", _is_address)):
        shares = [sum(check(row[place].strip()) for row in rows) for place in range(len(cells))]
        best = max(range(len(cells)), key=lambda place: shares[place])
        current = found.get(meaning)
        if 2 * shares[best] > len(rows) and best != current and (current is None or not shares[current]):
            for other in [name for name, place in found.items() if place == best]:
                del found[other]
            if meaning == "host" and current is not None:
                found["name"] = current
            found[meaning] = best
    return found


def _is_build(text: str) -> bool:
    text = text.strip()
    if text.count(".") < 2:
        return False
    try:
        build = builds.read(text).build
    except BuildError:
        return False
    return build.parts >= 3 and (build.major, build.minor) != (6, 5)


def _is_address(text: str) -> bool:
    return _ADDRESS.match(text) is not None and not _is_build(text)


def _without_heading(lines: Sequence[str]) -> Table | None:
    """A list without a heading: a column of builds is the version, one of addresses or names the host."""
    shown = [line for line in lines[:_SAMPLE] if line.strip()]
    for delimiter in sorted(_DELIMITERS, key=lambda one: -sum(line.count(one) for line in shown)):
        rows = [_split_line(line, delimiter) for line in shown]
        width = max({len(row) for row in rows}, key=[len(row) for row in rows].count, default=0)
        kept = [row for row in rows if len(row) == width]
        if not 1 <= width <= MOST_COLUMNS or 2 * len(kept) <= len(rows):
            continue
        found = _by_content(kept, width)
        if "version" in found:
            return Table(delimiter, 0, width, found)
    return None


def _by_content(rows: Sequence[Sequence[str]], width: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for meaning, check in (("version", _is_build), ("host", _is_address), ("name", lambda text: _NAME.match(text) is not None)):
        shares = {
            place: sum(bool(check(row[place].strip())) for row in rows) for place in range(width) if place not in found.values()
        }
        best = max(shares, key=lambda place: shares[place], default=None)
        if best is not None and 2 * shares[best] > len(rows):
            found[meaning] = best
    if "version" in found and "host" not in found and width > 1:
        found["host"] = found.pop("name", 1 if found["version"] == 0 else 0)
    return found


def exact_rows(block: bytes, further: bytes, table: Table, tally: Tally) -> Iterator[Row | int]:
    """The exact reader: every row is one reading or counted as bad. A row at the end of the block may go on in what
    follows; the last thing given is how many bytes of that it took."""
    lines = _Lines(block, further)
    for cells in _cells(lines, table):
        if cells is None or len(cells) != table.width:
            tally.pass_over("notice.census-bad-row")
            continue
        row = _row(cells, table, tally)
        if row is not None:
            yield row
    yield lines.taken_further()


class _Lines:
    """Physical lines, with their end; lines that were taken and not used can be given back."""

    def __init__(self, block: bytes, further: bytes) -> None:
        self.block, self.text = len(block), block + further
        self.place = 0
        self.waiting: deque[bytes] = deque()
        self.used = 0

    def next(self) -> bytes | None:
        if self.waiting:
            line = self.waiting.popleft()
        else:
            if self.place >= len(self.text):
                return None
            end = self.text.find(b"\n", self.place) + 1 or len(self.text)
            line = self.text[self.place : end]
            self.place = end
        self.used += len(line)
        return line

    def give_back(self, lines: Sequence[bytes]) -> None:
        self.waiting.extendleft(reversed(lines))
        self.used -= sum(len(line) for line in lines)

    def in_block(self) -> bool:
        return self.used < self.block

    def taken_further(self) -> int:
        return max(0, self.used - self.block)


def _cells(lines: _Lines, table: Table) -> Iterator[list[str] | None]:
    """The rows of a CSV file, None for one that is no row. A cell may go over several lines; where its quote does not
    close within MOST_JOINED lines, or the row then has another width, only the line with the quote is bad."""
    while lines.in_block() and (line := lines.next()) is not None:
        if line in (b"\n", b"\r\n", b"\r"):
            continue
        cells = split_row(line, table.delimiter)
        if cells is None and line.count(b'"') % 2:
            cells = _joined(line, lines, table)
        yield cells


def split_row(line: bytes, delimiter: str) -> list[str] | None:
    """The cells of one row, None where its quotes are broken or do not close. A bare carriage return is a character of a
    cell; the csv module would end the row there. Bytes that are no UTF-8 are kept as half characters."""
    text = line.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
    parts = (part.removesuffix("\r").replace("\r", _RETURN) + "\n" for part in text.split("\n"))
    try:
        rows = list(csv.reader(parts, delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return [cell.replace(_RETURN, "\r") for cell in rows[0]] if len(rows) == 1 else None


def _joined(first: bytes, lines: _Lines, table: Table) -> list[str] | None:
    """A row that goes on in the lines after it; lines that are not of it are given back."""
    taken: list[bytes] = []
    text = first
    while len(taken) < MOST_JOINED and len(text) < MOST_CHARACTERS:
        line = lines.next()
        if line is None:
            break
        taken.append(line)
        text += line
        if line.count(b'"') % 2:
            cells = split_row(text, table.delimiter)
            if cells is not None and len(cells) == table.width:
                return cells
    lines.give_back(taken)
    return None


def _row(cells: Sequence[str], table: Table, tally: Tally) -> Row | None:
    """A row as a reading; None where its host or version is no text, or a report of web sites means another product."""

    def raw(meaning: str) -> bytes:
        text = cells[table.places[meaning]] if meaning in table.places else ""
        return text.encode("utf-8", "surrogateescape")[: values.LONGEST_CELL]

    host, version = values.decoded(raw("host") or raw("name")), values.decoded(raw("version"))
    if host is None or version is None:
        tally.pass_over("notice.census-bad-row")
        return None
    product = raw("product").decode("utf-8", "replace")
    if values.other_product(product) and not values.is_build(values.version(version)):
        tally.leave_out("notice.census-not-exchange")
        return None
    others = [(found, values.decoded(found)) for found in (raw("date")[: values.DAY_CELL], *map(raw, _OTHERS))]
    if any(text is None for _found, text in others):
        tally.leave_out("notice.census-characters")
    texts = [text if text is not None else found.decode("cp1252", "replace") for found, text in others]
    row = Row(host, version, False, texts[0], texts[1], texts[2], texts[3], texts[4], texts[5])
    return row if not table.shells else _shell(row, raw("category") + b" " + raw("tag"), raw("url"), tally)


def _shell(row: Row, about: bytes, url: bytes, tally: Tally) -> Row | None:
    """A row of a report of compromised web sites, None where it does not concern Exchange."""
    words, place = about.decode("utf-8", "replace").lower(), url.decode("utf-8", "replace").lower()
    if any(word in words for word in _SHELL_WORDS) or any(part in place for part in SHELL_PLACES):
        return row._replace(shell=True)  # noqa: S604 a column of ours
    tally.leave_out("notice.census-not-exchange")
    return None
