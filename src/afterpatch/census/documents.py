"""Dumps of HTTP answers, nmap reports (XML and text), and JSON documents that are not one record a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, cast

import orjson
from lxml import etree

from afterpatch.census.blocks import Source, chunks, stream_lines
from afterpatch.census.rows import OWA_PATH, Row, Tally, cell
from afterpatch.census.scanners import HEADER, record_rows

_ADDRESS = re.compile(
    r"(?:(?:https?|url)[:=]?//)?(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9_][A-Za-z0-9_.\-]{0,252})(?::\d{1,5})?"
    r"(?:/\S*)?(?:[ \t]+\[.*)?\Z"
)
_NMAP_HOST = re.compile(r"Nmap scan report for (\S+)(?: \(([0-9a-fA-F.:]+)\))?")
_CURL_HOST = re.compile(r"(?:[*<>] +)?(?:Connected to \S+ \(([0-9a-fA-F.:]+)\)|Host: *(\S+))", re.IGNORECASE)
_NMAP_BUILD = re.compile(r"\b(\d{1,2}\.\d{1,2}\.\d{1,5}(?:\.\d{1,5})?)\b", re.ASCII)
_EXCHANGE = re.compile(r"x-owa-version|x-feserver|x-calculatedbetarget|/owa/|x-backendcookie|outlook", re.IGNORECASE)
_LONGEST_DOCUMENT = 256 << 20
_LONGEST_TEXT = 4000


def read_document(source: Source, tally: Tally) -> Iterator[Row]:
    """A JSON document over several lines: a list of records, or one that holds such a list. Bounded by its length."""
    data = bytearray()
    for chunk in chunks(source, tally):
        data += chunk
        if len(data) > _LONGEST_DOCUMENT:
            tally.pass_over("notice.census-long-document")
            return
    try:
        document = orjson.loads(bytes(data).lstrip(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        tally.pass_over("notice.census-bad-json")
        return
    for record in _records(document):
        yield from record_rows(record, tally)


def _records(document: object, depth: int = 0) -> Iterator[object]:
    """The records of a document: Censys wraps them in `result.hits`, Shodan in `matches`, other tools in `data` ..."""
    if isinstance(document, list):
        for one in document:
            yield from _records(one, depth + 1) if isinstance(one, list) and depth < 3 else (one,)
        return
    if isinstance(document, dict) and depth < 4:
        for name in ("result", "hits", "matches", "results", "hosts", "items", "data", "resources"):
            inside = document.get(name)
            if isinstance(inside, list) or (name == "result" and isinstance(inside, dict)):
                yield from _records(inside, depth + 1)
                return
    yield document


class _Answer:
    """The answer of a host that is being read."""

    def __init__(self) -> None:
        self.host, self.version, self.coarse, self.inside, self.sign = "", "", False, False, False

    def begin(self) -> None:
        self.inside = True

    def rows(self, tally: Tally) -> Iterator[Row]:
        """What was seen, and ready for the next answer."""
        if self.inside and (self.version or self.sign):
            yield Row(self.host, self.version, self.coarse)
        elif self.inside:
            tally.leave_out("notice.census-not-exchange")
        self.version, self.coarse, self.inside, self.sign = "", False, False, False

    def look(self, text: str) -> None:
        """Takes a version out of a line."""
        self.sign = self.sign or _EXCHANGE.search(text) is not None
        if (found := HEADER.match(text)) is not None:
            self.version, self.coarse = found[1], False
        elif not self.version and (found := OWA_PATH.search(text)) is not None:
            self.version, self.coarse = found[1], True


def read_headers(source: Source, tally: Tally) -> Iterator[Row]:
    """A dump of HTTP answers: `curl -i`, `curl -v`, nmap's http-headers, httpx. A line that is only an address or URL
    names the host of the answers below it, as nmap's `scan report for` and curl's `Connected to` do; several answers of
    one host (redirects) are one reading. Without such lines each answer is a host of its own."""
    answer = _Answer()
    for line in stream_lines(source, tally):
        text = line[:_LONGEST_TEXT].decode("utf-8", "replace").strip().lstrip("\ufeff|_<> \t").strip()
        host = _host_line(text)
        if host:
            if answer.inside:
                yield from answer.rows(tally)
            answer.host = host
        elif text.startswith("HTTP/"):
            if answer.inside and not answer.host:
                yield from answer.rows(tally)
            answer.begin()
        else:
            if not answer.inside and answer.host and HEADER.match(text):
                answer.begin()
            if answer.inside:
                answer.look(text)
    yield from answer.rows(tally)


def _host_line(text: str) -> str:
    """The host that a line names, "" where it names none."""
    if found := _NMAP_HOST.match(text):
        return found[2] or found[1]
    if text.startswith(("* Connected to", "Connected to")):
        found = _CURL_HOST.match(text)
        return found[1] if found is not None else ""
    text = text.lstrip("#=>*- ").rstrip("=- ").removesuffix(":")
    if ("." not in text and "[" not in text) or len(text) > 400:
        return ""
    found = _ADDRESS.match(text)
    return found[1].strip("[]") if found is not None and not OWA_PATH.match(text) else ""


class _Stream:
    """The bytes of an input for a parser that wants to read."""

    def __init__(self, source: Source, tally: Tally) -> None:
        self.chunks = chunks(source, tally)

    def read(self, _size: int = -1) -> bytes:
        return next(self.chunks, b"")


def read_nmap(source: Source, tally: Tally) -> Iterator[Row]:
    """The hosts of an nmap XML report with an Exchange sign. DTDs and entities are not used; a file that breaks off is
    read as far as it goes, and counted."""
    stream = cast(IO[bytes], _Stream(source, tally))
    events = etree.iterparse(
        stream, events=("end",), tag="host", resolve_entities=False, no_network=True, load_dtd=False, recover=False
    )
    try:
        for _event, element in events:
            row = _nmap_host(element)
            if row is None:
                tally.leave_out("notice.census-not-exchange")
            else:
                yield row
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    except etree.XMLSyntaxError:
        tally.pass_over("notice.census-damaged-end")


def _nmap_host(host: etree._Element) -> Row | None:
    address = next((one.get("addr", "") for one in host.iter("address") if one.get("addrtype") != "mac"), "")
    name = next((one.get("name", "") for one in host.iter("hostname")), "")
    version, sign, coarse = "", False, False
    for script in host.iter("script"):
        output = script.get("output", "")[:20000]
        if script.get("id") == "ms-exchange-version":
            found = _NMAP_BUILD.search(output)
            version, sign = (found[1] if found else version), True
        elif script.get("id") == "http-headers":
            sign = sign or _EXCHANGE.search(output) is not None
            lines = "\n".join(line.strip() for line in output.split("\n"))
            header, path = HEADER.search(lines), OWA_PATH.search(lines)
            if header is not None:
                version, coarse = header[1], False
            elif path is not None and not version:
                version, coarse = path[1], True
    for service in host.iter("service"):
        sign = sign or "exchange" in f"{service.get('product', '')} {service.get('extrainfo', '')}".lower()
        if not version and "exchange" in service.get("product", "").lower():
            found = _NMAP_BUILD.search(service.get("version", ""))
            version = found[1] if found else ""
    if not sign or not (address or name):
        return None
    started = host.get("starttime", "")
    day = ""
    if started.isdecimal() and len(started) < 12:
        day = datetime.fromtimestamp(int(started), UTC).date().isoformat()
    return Row(cell(address or name), cell(version), coarse, day)
