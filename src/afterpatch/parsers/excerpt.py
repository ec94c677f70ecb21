"""log-excerpt: reports, notes and mails that quote log lines, most of them without their header.

Each line is judged by its shape alone, with the column list that an earlier line of the text named. A line that is no
log line is text, never bad. A line that announces rows of one address ("all hits of 203.0.113.9:") names the client of
those rows below it that have no column for it. Recognised: IIS rows; HttpProxy rows under a CSV row of column names (as
Test-ProxyLogon writes them, or a report's own names), or whole ones without; ECP server lines, whole or shortened to
time and command."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from afterpatch.model import Record
from afterpatch.parsers.addresses import split_endpoint
from afterpatch.parsers.csvline import split_csv
from afterpatch.parsers.formats import EXTRA, SCHEMA, formats
from afterpatch.parsers.lineparser import RAW_LIMIT
from afterpatch.parsers.lines import Line
from afterpatch.parsers.outcome import BadLine, Counts, Header
from afterpatch.parsers.timestamps import parse_time

_MARKS = re.compile(r"^[\s>|*`\-\u2022]+(?=[\"'#\dA-Za-z])")  # quote and list marks of a text
_IIS = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
_EXCHANGE = re.compile(r"\"?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_ECP_EVENT = re.compile(r"[\"']*(?:S:|I32:|Dt:)[A-Za-z]+=")
_STATUS = re.compile(r"[1-9]\d\d\Z")
_METHOD = re.compile(r"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PROPFIND|SEARCH|RPC_(?:IN|OUT)_DATA|DEBUG|TRACE|PATCH)\Z")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\Z|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{2,45}(?:%\w+)?\Z")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}\Z")
_IN_TEXT = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)")
_MOST_CELLS = 128

Fields = dict[str, str]


class ExcerptParser:
    """Reads the lines of one text in order; same use as LineParser."""

    def __init__(self, counts: Counts | None = None) -> None:
        self.counts = counts if counts is not None else Counts()
        self._iis: tuple[str, ...] = ()  # from a quoted `#Fields:` line
        self._columns: tuple[str, ...] = ()  # HttpProxy columns of the header row above; "" where a name is unknown
        self._client = ""  # whose rows the text says it quotes

    def feed(self, line: Line) -> Record | BadLine | Header:
        """The one outcome of this physical line."""
        counts = self.counts
        counts.lines += 1
        if line.long or (line.nuls and not line.data):
            reason = "too-long" if line.long else "nul-padding"
            counts.bad[reason] = counts.bad.get(reason, 0) + 1
            return BadLine(line.number, line.offset, reason, "")
        text = self._decode(line)
        outcome = self._judge(line, _MARKS.sub("", text).rstrip("` \t"), text)
        if isinstance(outcome, Header):
            counts.headers += 1
        else:
            counts.records += 1
            counts.guessed += SCHEMA in outcome.fields
            counts.extra += EXTRA in outcome.fields
        return outcome

    def _decode(self, line: Line) -> str:
        self.counts.nul += line.nuls > 0
        try:
            return line.data.decode("utf-8")
        except UnicodeDecodeError:
            self.counts.undecodable += 1
            return line.data.decode("utf-8", "replace")

    def _judge(self, line: Line, text: str, raw: str) -> Record | Header:
        if not text.strip():
            return Header(line.number, line.offset, "bom" if line.bom and not raw else "blank", raw[:RAW_LIMIT])
        if _IIS.match(text):
            found = self._iis_row(text)
        elif _EXCHANGE.match(text):
            found = self._exchange_row(text)
        else:
            return self._header(line, text, raw)
        if found is None:
            return Header(line.number, line.offset, "text", raw[:RAW_LIMIT])
        kind, moment, fields = found
        if self._client and kind == "httpproxy" and "ClientIpAddress" not in fields:
            fields = {**fields, "ClientIpAddress": self._client, SCHEMA: fields.get(SCHEMA, "heading")}
        return Record(kind, line.number, line.offset, moment, fields, raw)

    def _header(self, line: Line, text: str, raw: str) -> Header:
        """Text, unless it names columns that the lines below it then have."""
        name, colon, value = text.partition(":")
        if colon and name.strip().lower() == "#fields":
            self._name_columns(value)
            return Header(line.number, line.offset, "fields", raw[:RAW_LIMIT], "fields", value.strip()[:RAW_LIMIT])
        columns = _header_columns(text)
        if columns:
            self._columns = columns
            return Header(line.number, line.offset, "row", raw[:RAW_LIMIT], columns=columns)
        if text.endswith(":"):
            named = set(_IN_TEXT.findall(text[:1000]))
            self._client = named.pop() if len(named) == 1 else ""
        return Header(line.number, line.offset, "text", raw[:RAW_LIMIT])

    def _name_columns(self, value: str) -> None:
        words = tuple(value.split())
        if words[:2] == ("date", "time"):
            self._iis = words
        else:
            self._columns = _header_columns(value)

    def _iis_row(self, text: str) -> tuple[str, datetime, Fields] | None:
        values = tuple(text.split(" "))
        moment = parse_time(" ".join(values[:2]))
        if moment is None:
            return None
        if self._iis and len(values) == len(self._iis):
            return "iis", moment, _iis_fields(self._iis, values)
        schema = formats().by_kind["iis"].guess(values)
        if schema is None:
            return None
        return "iis", moment, {**_iis_fields(schema.columns, values), SCHEMA: schema.name}

    def _exchange_row(self, text: str) -> tuple[str, datetime, Fields] | None:
        first, _, rest = text.strip('"').partition(",")
        moment = parse_time(first.strip('" '))
        if moment is None:
            return None
        if _ECP_EVENT.match(rest):
            return "ecp-server", moment, {"TimeStamp": first, "EventData": _unquote_event(rest)}
        values = split_csv(text)
        if values is None or len(values) > _MOST_CELLS:
            return None
        return self._row_of(values, moment)

    def _row_of(self, values: tuple[str, ...], moment: datetime) -> tuple[str, datetime, Fields] | None:
        if len(values) == 4 and _ECP_EVENT.match(values[3]):
            columns = formats().by_kind["ecp-server"].schemas[0].columns
            return "ecp-server", moment, dict(zip(columns, values, strict=True))
        whole = formats().by_kind["httpproxy"].guess(values)
        if whole is not None and values[2:3] in (("14",), ("15",)):
            return "httpproxy", moment, {**dict(zip(whole.columns, values, strict=True)), SCHEMA: whole.name}
        if len(values) == len(self._columns) and _agrees(self._columns, values):
            named = zip(self._columns, values, strict=True)
            return "httpproxy", moment, {column: value for column, value in named if column}
        fields = _by_shape(values)
        return ("httpproxy", moment, fields) if fields is not None else None


def _iis_fields(columns: tuple[str, ...], values: tuple[str, ...]) -> Fields:
    pairs = zip(columns, values, strict=False)
    fields = {name: "" if value == "-" else value for name, value in pairs}
    if len(values) > len(columns):
        fields[EXTRA] = " ".join(values[len(columns) :])
    return fields


def _header_columns(text: str) -> tuple[str, ...]:
    """HttpProxy columns of a row of names (their own, or those a report gives them); () where it is none."""
    cells = split_csv(text.strip())
    if cells is None or not 3 <= len(cells) <= _MOST_CELLS:
        return ()
    known = {column.lower(): column for column in formats().by_kind["httpproxy"].schemas[0].columns}
    aliases = formats().excerpt_columns
    names = [cell.strip().lower() for cell in cells]
    columns = tuple(known.get(name) or aliases.get(name, "") for name in names)
    return columns if columns[0] == "DateTime" and sum(map(bool, columns)) >= 3 else ()


def _agrees(columns: tuple[str, ...], values: tuple[str, ...]) -> bool:
    """Whether the values can be what the names above them say (reports drop and move columns)."""
    asked: Mapping[str, Callable[[str], object]] = {
        "HttpStatus": _STATUS.match,
        "Method": _METHOD.match,
        "UrlStem": lambda value: value.startswith(("/", "http")),
    }
    checked = ((asked[column], value) for column, value in zip(columns, values, strict=True) if column in asked)
    return all(not value or check(value) for check, value in checked)


def _by_shape(values: tuple[str, ...]) -> Fields | None:
    """A shortened HttpProxy row whose columns nobody named rightly: each cell by its looks. Path and status are
    needed."""
    fields: Fields = {"DateTime": values[0]}
    rest: list[str] = []
    for value in values[1:]:
        name = _name_by_shape(value)
        if name and name not in fields:
            fields[name] = value
        elif value:
            rest.append(value)
    if "UrlStem" not in fields or "HttpStatus" not in fields:
        return None
    if rest and _HOST.match(rest[0]):
        fields["UrlHost"] = rest.pop(0)
    if rest:
        fields["UserAgent"] = " ".join(rest)
    fields[SCHEMA] = "shape"
    return fields


def _name_by_shape(value: str) -> str:
    if value.startswith("/"):
        return "UrlStem"
    if _STATUS.match(value):
        return "HttpStatus"
    if _METHOD.match(value):
        return "Method"
    if _ADDRESS.match(value) and split_endpoint(value)[0]:
        return "ClientIpAddress"
    if value.startswith(("ServerInfo~", "Sid~", "SMTP:", "Smtp~", "MailboxGuid~", "ServerVersion~")):
        return "AnchorMailbox"
    return "RoutingHint" if value in ("X-BEResource-Cookie", "X-AnonResource-Backend-Cookie") else ""


def _unquote_event(text: str) -> str:
    """EventData as a report quotes it: with or without the CSV quoting of the log."""
    text = text.strip()
    if text.startswith('"'):
        values = split_csv(text)
        if values:
            return values[0]
    return text.replace('""', '"')
