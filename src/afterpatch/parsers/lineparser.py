"""From a physical line to a record, by the format's rules and the header lines seen so far."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from afterpatch.model import Record
from afterpatch.parsers.csvline import split_csv
from afterpatch.parsers.formats import EXTRA, SCHEMA, Format, Schema, formats
from afterpatch.parsers.lines import Line
from afterpatch.parsers.outcome import BadLine, Counts, Header
from afterpatch.parsers.timestamps import parse_time

RAW_LIMIT = 4096  # characters of a bad or header line that are kept


class LineParser:
    """Reads the lines of one log in order. `columns` is the column list in force (() while none is known); the scanning
    plane sets `columns` and `date` from its own header scan and then parses single lines."""

    def __init__(self, kind: str, counts: Counts | None = None) -> None:
        self.format: Format = formats().by_kind[kind]
        self.counts = counts if counts is not None else Counts()
        self.columns: tuple[str, ...] = ()
        self.schema = ""  # name of the guessed list, "" where the file itself named it
        self.date = ""  # day of the last `#Date:` line, for IIS logs without a date column
        self._named: tuple[str, ...] = ()  # the last list the file itself named
        self._time_at: tuple[int, ...] = ()

    def feed(self, line: Line) -> Record | BadLine | Header:
        """The one outcome of this physical line; updates the totals and the column list."""
        outcome = self._outcome(line)
        counts = self.counts
        counts.lines += 1
        if isinstance(outcome, BadLine):
            counts.bad[outcome.reason] = counts.bad.get(outcome.reason, 0) + 1
        elif isinstance(outcome, Header):
            counts.headers += 1
        else:
            counts.records += 1
            counts.extra += EXTRA in outcome.fields
            counts.guessed += SCHEMA in outcome.fields
        return outcome

    def use(self, columns: tuple[str, ...], schema: str = "") -> None:
        """Let this column list hold from here on; `schema` names it where it was guessed."""
        self.columns, self.schema = columns, schema
        self._time_at = _time_places(self.format.shape, self.format.time, columns)

    def _outcome(self, line: Line) -> Record | BadLine | Header:
        if line.long:
            return BadLine(line.number, line.offset, "too-long", "")
        if not line.data.strip():
            return self._empty(line)
        text = self._decode(line)
        if text.startswith("#"):
            return self._comment(line, text)
        return self._row(line, text)

    def _empty(self, line: Line) -> BadLine | Header:
        if line.nuls and not line.data:
            return BadLine(line.number, line.offset, "nul-padding", "")
        return Header(line.number, line.offset, "bom" if line.bom else "blank", "")

    def _decode(self, line: Line) -> str:
        self.counts.nul += line.nuls > 0
        try:
            return line.data.decode("utf-8")
        except UnicodeDecodeError:
            self.counts.undecodable += 1
            return line.data.decode("utf-8", "replace")

    def _comment(self, line: Line, text: str) -> Header:
        name, _, value = text[1:].partition(":")
        name, value = name.strip().lower()[:64], value.strip()
        if name != "fields":
            if name == "date":
                self.date = value[:10]
            return Header(line.number, line.offset, "comment", text[:RAW_LIMIT], name, value[:RAW_LIMIT])
        columns = self._names(value)
        self._named = columns or self._named
        self.use(columns)
        return Header(line.number, line.offset, "fields", text[:RAW_LIMIT], name, value[:RAW_LIMIT], columns)

    def _names(self, value: str) -> tuple[str, ...]:
        """A column list as `#Fields:` writes it; () where it names no column at all."""
        return _column_names(value, self.format.quoted)

    def _row(self, line: Line, text: str) -> Record | BadLine | Header:
        values = self.split(text) if text[:1].isdigit() else _cached_split(self, text)
        if values is None:
            return self._bad(line, text, "unclosed-quote")
        if self._is_header_row(values):
            columns = tuple(value.strip() for value in values)
            if columns != self.columns:
                self.use(columns)
            self._named = columns
            return Header(line.number, line.offset, "row", text[:RAW_LIMIT], columns=columns)
        if not self.columns or self.schema:
            guess = self._guess(values)
            if guess is None:
                return self._bad(line, text, "no-schema")
            self.use(guess.columns, guess.name)
        return self.record(line, text, values)

    def split(self, text: str) -> tuple[str, ...] | None:
        """The values of a line; None where a quote is not closed."""
        if self.format.quoted:
            return split_csv(text, self.format.separator)
        return tuple(text.rstrip(" ").split(self.format.separator))

    def record(self, line: Line, text: str, values: tuple[str, ...]) -> Record | BadLine:
        """The record of these values under the column list in force."""
        columns = self.columns
        if len(values) < len(columns):
            return self._bad(line, text, "too-few-columns")
        moment = self._moment(values)
        if moment is None and self._time_at[-1] >= 0:
            return self._bad(line, text, "bad-timestamp")
        empty = self.format.empty
        if empty:
            fields = {name: "" if value == empty else value for name, value in zip(columns, values, strict=False)}
        else:
            fields = dict(zip(columns, values, strict=False))
        if len(values) > len(columns):
            fields[EXTRA] = self.format.separator.join(values[len(columns) :])
        if self.schema:
            fields[SCHEMA] = self.schema
        return Record(self.format.record_kind, line.number, line.offset, moment, fields, text)

    def _moment(self, values: tuple[str, ...]) -> datetime | None:
        at = self._time_at
        if len(at) == 1:
            return parse_time(values[at[0]])
        day = values[at[0]] if at[0] >= 0 else self.date
        clock = values[at[1]] if at[1] >= 0 else ""
        return parse_time(f"{day} {clock}") if clock else None

    def _is_header_row(self, values: tuple[str, ...]) -> bool:
        """A row of column names: it equals the list in force, or begins with a time column's name instead of a time."""
        if len(values) < 2:
            return False
        if values == self.columns:
            return True
        names = [value.strip().lower() for value in values[:2]]
        if self.format.shape == "date-and-time":
            return tuple(names) == self.format.time
        return names[0] in self.format.time and parse_time(values[0]) is None

    def _guess(self, values: tuple[str, ...]) -> Schema | None:
        if self._named and len(self._named) == len(values):
            return Schema("earlier", self._named)
        return self.format.guess(values)

    def _bad(self, line: Line, text: str, reason: str) -> BadLine:
        """A line that the file's end cuts off is `cut`, whatever is wrong with it."""
        return BadLine(line.number, line.offset, reason if line.ended else "cut", text[:RAW_LIMIT])


# Headers are the same in thousands of hourly files: what they say is worked out once.


@lru_cache(maxsize=512)
def _column_names(value: str, quoted: bool) -> tuple[str, ...]:
    if not value:
        return ()
    if not quoted:
        return tuple(value.split())
    names = split_csv(value)
    return tuple(name.strip() for name in names) if names else ()


@lru_cache(maxsize=512)
def _time_places(shape: str, wanted: tuple[str, ...], columns: tuple[str, ...]) -> tuple[int, ...]:
    lower = [column.lower() for column in columns]
    if shape == "date-and-time":
        return tuple(lower.index(name) if name in lower else -1 for name in wanted)
    return tuple(lower.index(name) for name in wanted if name in lower)[:1] or (0,)


@lru_cache(maxsize=512)
def _split_header(text: str, separator: str) -> tuple[str, ...] | None:
    return split_csv(text, separator)


def _cached_split(parser: LineParser, text: str) -> tuple[str, ...] | None:
    """The values of a line that does not begin like a row: most often a header row that other files have too."""
    if not parser.format.quoted or len(text) > RAW_LIMIT:
        return parser.split(text)
    return _split_header(text, parser.format.separator)
