"""CSV inventories and reports: which column means what, read by the database, or by the exact and slow reader."""

# ruff: noqa: S608 - statements are put together out of our own names; values of the input are always bound
from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import IO

import duckdb
import yaml

from afterpatch.census.rows import LONGEST_CELL, Row, Tally, lines, opened
from afterpatch.census.store import Store, spooled
from afterpatch.knowledge.builds import Build

_DELIMITERS = ",;\t|"
_SHELL_WORDS = ("exchange", "webshell", "web-shell", "proxylogon", "proxyshell")
SHELL_PLACES = ("/aspnet_client/", "/owa/auth/", "/ecp/auth/", "/owa/")
MOST_COLUMNS = 500
_RETURN = "\ufdd0"  # a character that no text holds
MOST_JOINED, MOST_CHARACTERS = 64, 1 << 20


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file: its delimiter, lines above the header, whether there is a header, the number of columns, and the
    column of each meaning. `shells`: a report of compromised web sites."""

    delimiter: str
    skip: int
    header: bool
    width: int
    places: Mapping[str, int]
    shells: bool = False
    encoding: str = "utf-8"
    new_line: str = "\\n"


@cache
def _names() -> Mapping[str, tuple[str, ...]]:
    found = yaml.safe_load(Path(__file__).with_name("columns.yml").read_text(encoding="utf-8"))
    return {meaning: tuple(names) for meaning, names in found.items()}


def recognise_table(start: bytes) -> Table | None:
    """The table that a file's first bytes show, or None."""
    encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    first = start.decode(encoding, "replace").lstrip("\ufeff").splitlines()[:5]
    skip = 1 if first and first[0].startswith("#TYPE") else 0
    if len(first) <= skip:
        return None
    ends = "\\r\\n" if start.partition(b"\n")[0].endswith(b"\r") else "\\n"
    delimiter = max(_DELIMITERS, key=first[skip].count)
    try:
        cells = next(csv.reader([first[skip]], delimiter=delimiter), [])
    except csv.Error:
        return None
    if not 1 <= len(cells) <= MOST_COLUMNS:
        return None
    found = places([cell.strip().lower() for cell in cells])
    if "version" in found or ("host" in found and len(cells) > 1):
        shells = "version" not in found and {"category", "url"} <= set(found)
        return Table(delimiter, skip, True, len(cells), found, shells, encoding, ends)
    guessed = _without_header(cells)
    return Table(delimiter, skip, False, len(cells), guessed, False, encoding, ends) if guessed else None


def places(names: Sequence[str]) -> dict[str, int]:
    """Meaning -> column. The most telling name wins; a column has one meaning."""
    found: dict[str, int] = {}
    for meaning, known in _names().items():
        for name in known:
            if name in names and names.index(name) not in found.values():
                found[meaning] = names.index(name)
                break
    return found


def _without_header(cells: Sequence[str]) -> dict[str, int]:
    """A list without a heading: the first cell that is a build is the version, the first other one the host."""
    version = next((place for place, cell in enumerate(cells) if Build.try_parse(cell) is not None), None)
    if version is None:
        return {}
    return {"version": version, **({"host": 1 if version == 0 else 0} if len(cells) > 1 else {})}


class _SwallowedError(Exception):
    """The database read fewer rows than there are lines: a quote that does not close has taken some with it."""


def load_table(store: Store, path: Path, table: Table, tally: Tally, *, slow: bool) -> None:
    """Reads a CSV file into the table `hosts`. The database reads it where it can; where it gives up on the file, the
    slow reader does it."""
    if slow or table.shells or table.encoding != "utf-8" or "host" not in table.places:
        store_rows(store, read_table(path, table, tally), tally)
        return
    store.run("BEGIN")
    try:
        _load_quickly(store, path, table, tally)
    except (duckdb.Error, _SwallowedError):
        store.run("ROLLBACK")
        store_rows(store, read_table(path, table, tally), tally)
    else:
        store.run("COMMIT")


def _load_quickly(store: Store, path: Path, table: Table, tally: Tally) -> None:
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(table.width))
    source = (
        f"read_csv(?, columns = {{{columns}}}, auto_detect = false, header = {str(table.header).lower()}, skip = {table.skip}, "
        f"delim = '{table.delimiter}', quote = '\"', escape = '\"', ignore_errors = true, store_rejects = true, "
        f"new_line = '{table.new_line}', rejects_table = 'bad_rows', rejects_scan = 'bad_scans', "
        f"compression = '{_compression(path)}')"
    )
    store.run("DROP TABLE IF EXISTS bad_rows")
    store.run("DROP TABLE IF EXISTS bad_scans")
    before = store.number("SELECT count(*) FROM hosts")
    store.run(f"INSERT INTO hosts {_selection(table.places)} FROM {source}", str(path))
    read = store.number("SELECT count(*) FROM hosts") - before
    bad = store.number("SELECT count(*) FROM (SELECT DISTINCT file_id, line, line_byte_position FROM bad_rows)")
    wanted = read + bad + table.skip + table.header
    if wanted != _lines(path) and wanted != _lines(path, empty=True):
        raise _SwallowedError
    tally.rows += read
    if bad:
        tally.pass_over("notice.census-bad-row", bad)


def _lines(path: Path, *, empty: bool = False) -> int:
    """How many lines a file has; `empty`: without the empty ones (which takes several times as long). -1 where there are
    bare carriage returns: the database takes some of them for ends of lines."""
    count, last = 0, b"\n"
    with opened(path) as stream:
        while block := stream.read(1 << 20):
            count += block.count(b"\n")
            if block.find(b"\r") >= 0 and block.count(b"\r") - block.endswith(b"\r") != block.count(b"\r\n"):
                return -1
            if empty:
                text = last + block
                count -= text.count(b"\n\n") + text.count(b"\n\r\n")
            last = block[-2:] if block.endswith(b"\r") else block[-1:]
    return count + (last != b"\n")


def _compression(path: Path) -> str:
    with path.open("rb") as stream:
        return "gzip" if stream.read(2) == b"\x1f\x8b" else "none"


def _selection(places: Mapping[str, int]) -> str:
    """The columns of `hosts` out of those of the file. Little is done here: this runs over every row."""

    def text(meaning: str, otherwise: str = "NULL") -> str:
        return f"c{places[meaning]}" if meaning in places else otherwise

    host = f"trim({text('host')})"
    asn = text("asn")
    number = f"coalesce(try_cast({asn} AS BIGINT), try_cast(ltrim({asn}, 'ASas ') AS BIGINT))" if asn != "NULL" else asn
    day = f"try_cast(left({text('date')}, 10) AS DATE)" if "date" in places else "NULL"
    return (
        f"SELECT {host}, hash({host}), {text('version')}, false, {day}, {text('country')}, {number}, "
        f"{text('sector')}, {text('owner')}, {text('tag')}, false"
    )


def store_rows(store: Store, rows: Iterator[Row], tally: Tally) -> None:
    """Rows of a Python reader into the table `hosts`."""
    path, count = store.spool(rows)
    columns = ", ".join(f"'{name}': '{'BOOLEAN' if name in ('coarse', 'shell') else 'VARCHAR'}'" for name in Row._fields)
    store.run(
        "INSERT INTO hosts SELECT host, hash(host), version, coarse, try_cast(left(day, 10) AS DATE), country, "
        f"try_cast(ltrim(asn, 'ASas ') AS BIGINT), sector, owner, tag, shell FROM {spooled('?', columns)}",
        str(path),
    )
    path.unlink()
    tally.rows += count


def read_table(path: Path, table: Table, tally: Tally) -> Iterator[Row]:
    """The exact, slow reader: every row is one reading or counted as bad."""
    with opened(path) as stream:
        for number, cells in enumerate(_cells(stream, table, tally)):
            if number < table.header:
                continue
            if cells is None or len(cells) != table.width:
                tally.pass_over("notice.census-bad-row")
                continue
            row = _row(cells, table, number)
            if row is None:
                tally.leave_out("notice.census-not-exchange")
            else:
                yield row


def _cells(stream: IO[bytes], table: Table, tally: Tally) -> Iterator[list[str] | None]:
    """The rows of a CSV file, None for one that is no row. A cell may go over several lines; where its quote does not
    close within MOST_JOINED lines, or the row then has another width, only the line with the quote is bad."""
    texts = _texts(stream, table, tally)
    waiting: deque[str] = deque()
    while waiting or (text := next(texts, None)) is not None:
        line = waiting.popleft() if waiting else text
        assert line is not None
        if not line.strip("\r\n"):
            continue
        cells = _split(line, table.delimiter)
        if cells is None and line.count('"') % 2:
            cells = _joined(line, texts, waiting, table)
        yield cells if cells is None or not any("\ufffe" in cell for cell in cells) else None


def _split(text: str, delimiter: str) -> list[str] | None:
    """The cells of one row, None where its quotes are broken or do not close. A bare carriage return is a character of a
    cell, as the database takes it; the csv module would end the row there."""
    parts = (part.replace("\r", _RETURN) + "\n" for part in text.removesuffix("\n").split("\n"))
    try:
        rows = list(csv.reader(parts, delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return [cell.replace(_RETURN, "\r") for cell in rows[0]] if len(rows) == 1 else None


def _joined(first: str, texts: Iterator[str], waiting: deque[str], table: Table) -> list[str] | None:
    """A row that goes on in the lines after it; lines that are not of it are put back into `waiting`."""
    taken: list[str] = []
    text = first
    while len(taken) < MOST_JOINED and len(text) < MOST_CHARACTERS:
        line = waiting.popleft() if waiting else next(texts, None)
        if line is None:
            break
        taken.append(line)
        text += line
        if line.count('"') % 2:
            cells = _split(text, table.delimiter)
            if cells is not None and len(cells) == table.width:
                return cells
    waiting.extendleft(reversed(taken))
    return None


def _texts(stream: IO[bytes], table: Table, tally: Tally) -> Iterator[str]:
    """Physical lines as text, with their end. U+FFFE stands for bytes that are no UTF-8."""
    if table.encoding != "utf-8":
        reader = codecs.getreader(table.encoding)(stream, "replace")
        for text in islice(reader, table.skip, None):
            yield text.rstrip("\r\n") + "\n"
        return
    for number, line in enumerate(lines(stream, tally)):
        if number < table.skip:
            continue
        text = line.decode("utf-8", "surrogateescape") + "\n"
        if not text.isascii() and any("\udc80" <= character <= "\udcff" for character in text):
            text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\ufffd", "\ufffe")
        yield text.removeprefix("\ufeff") if number == 0 else text


def _row(cells: Sequence[str], table: Table, number: int) -> Row | None:
    def value(meaning: str) -> str:
        return cells[table.places[meaning]][:LONGEST_CELL] if meaning in table.places else ""

    host = value("host").strip() if "host" in table.places else f"row {number}"
    row = Row(
        host,
        value("version"),
        False,
        value("date")[:10],
        value("country"),
        value("asn"),
        value("sector"),
        value("owner"),
        value("tag"),
    )
    if not table.shells:
        return row
    about = f"{value('tag')} {value('category')}".lower()
    url = value("url").lower()
    shown = any(word in about for word in _SHELL_WORDS) or any(place in url for place in SHELL_PLACES)
    return Row(*row[:-1], True) if shown else None
