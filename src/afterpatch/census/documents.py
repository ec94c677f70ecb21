"""Scan data as JSON lines (Shodan, Censys, zgrab2), as header dumps and as nmap XML.

Field names: Shodan's and nmap's as their exports write them; Censys' and zgrab2's from their documentation and stored
examples (`docs/exposure.md` says which were checked). What a record holds beside them is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from lxml import etree

from afterpatch.census.rows import OWA_PATH, Row, Tally, cell, lines, opened

_HEADER = re.compile(r"^x-owa-version:[ \t]*([0-9.]{3,40})", re.IGNORECASE | re.MULTILINE)
_PRODUCT_SIGNS = ("exchange", "outlook web", "x-owa", "x-feserver", "/owa/")
_FAVICON = 1768726119
_ADDRESS = re.compile(r"(?:https?://)?(\[[0-9a-fA-F:]{2,45}\]|[A-Za-z0-9][A-Za-z0-9.\-]{0,252})(?::\d{1,5})?(?:/\S*)?\Z")
_NMAP_BUILD = re.compile(r"\b(\d{1,2}\.\d{1,2}\.\d{1,5}(?:\.\d{1,5})?)\b", re.ASCII)
_MOST_BODY = 200_000


def read_json_lines(path: Path, tally: Tally) -> Iterator[Row]:
    """One record a line, told apart one by one. A line that is no JSON object is bad; one that shows no Exchange is left
    out; both are counted."""
    with opened(path) as stream:
        for line in lines(stream, tally):
            line = line.strip().rstrip(b",")
            if line in (b"", b"[", b"]"):
                continue
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                tally.pass_over("notice.census-bad-json")
                continue
            row = _record(record) if isinstance(record, dict) else None
            if row is None:
                tally.pass_over("notice.census-unknown-record")
            elif not row.version and not row.shell and not row.tag.startswith("!"):
                tally.leave_out("notice.census-not-exchange")
            else:
                yield row._replace(tag=row.tag.removeprefix("!"))


def _record(record: Mapping[str, Any]) -> Row | None:
    if isinstance(record.get("ip_str"), str):
        return _shodan(record)
    if isinstance(record.get("ip"), str) and isinstance(record.get("services"), list):
        return _censys(record)
    if isinstance(record.get("ip"), str) and isinstance(record.get("data"), dict):
        return _zgrab(record)
    return None


def _inner(record: object, *names: str) -> Any:
    """A value deep inside, None where the way to it does not exist."""
    for name in names:
        record = record.get(name) if isinstance(record, dict) else None
    return record


def _text(*values: object) -> str:
    return next((value for value in values if isinstance(value, str) and value), "")


def _version(headers: str, body: str, named: str) -> tuple[str, bool]:
    """The version a record shows, and whether it stays at the cumulative update: the header first, then a version field,
    then a path in the page."""
    found = _HEADER.search(headers)
    if found is not None:
        return found[1], False
    if re.fullmatch(r"\d{1,2}\.\d{1,2}(?:\.\d{1,5}){1,2}", named):
        return named, False
    path = OWA_PATH.search(body[:_MOST_BODY])
    return (path[1], True) if path is not None else ("", False)


def _row(
    host: str,
    version: tuple[str, bool],
    *,
    sign: bool,
    day: str = "",
    country: str = "",
    asn: str = "",
    owner: str = "",
    tag: str = "",
) -> Row:
    """A `!` before the tags marks a record that shows Exchange without a version."""
    tags = ("!" if sign else "") + tag[:900]
    return Row(cell(host), cell(version[0]), version[1], day, country, asn, "", owner, tags)


def _shodan(record: Mapping[str, Any]) -> Row:
    headers, body = _text(record.get("data")), _text(_inner(record, "http", "html"))
    title, product = _text(_inner(record, "http", "title")), _text(record.get("product"))
    vulns = record.get("vulns")
    names = vulns if isinstance(vulns, (dict, list)) else ()
    sign = _inner(record, "http", "favicon", "hash") == _FAVICON or _shows(headers, title, product)
    return _row(
        record["ip_str"], _version(headers, body, _text(record.get("version")) if "xchange" in product else ""), sign=sign,
        tag=";".join(str(name)[:30] for name in list(names)[:200]), day=_text(record.get("timestamp"))[:10],
        country=cell(_inner(record, "location", "country_code")), asn=cell(record.get("asn")), owner=cell(record.get("org")),
    )  # fmt: skip


def _censys(record: Mapping[str, Any]) -> Row:
    found: tuple[str, bool] = ("", False)
    sign = False
    for service in record["services"][:200]:
        headers = _headers(_inner(service, "http", "response", "headers"))
        body, title = _text(_inner(service, "http", "response", "body")), _text(_inner(service, "http", "response", "html_title"))
        software = _inner(service, "software")
        named = [one for one in software if isinstance(one, dict)] if isinstance(software, list) else []
        exchange = [one for one in named if "exchange" in _text(one.get("product")).lower()]
        version = _version(headers, body, _text(*(one.get("version") for one in exchange)))
        sign = sign or bool(exchange) or _shows(headers, title)
        if version[0] and (not found[0] or (found[1] and not version[1])):
            found = version
    system = _inner(record, "autonomous_system")
    return _row(
        record["ip"], found, sign=sign,
        day=_text(record.get("last_updated_at"), record.get("timestamp"))[:10],
        country=cell(_inner(record, "location", "country_code")), asn=cell(_inner(system, "asn")),
        owner=cell(_inner(system, "name")),
    )  # fmt: skip


def _zgrab(record: Mapping[str, Any]) -> Row:
    result = _inner(record, "data", "http", "result") or {}
    response = _inner(result, "response")
    headers, body = _headers(_inner(response, "headers")), _text(_inner(response, "body"))
    return _row(
        record["ip"], _version(headers, body, ""), sign=_shows(headers, body[:20_000]),
        day=_text(_inner(record, "data", "http", "timestamp"))[:10],
    )  # fmt: skip


def _headers(value: object) -> str:
    """Header lines out of the forms that scanners write: {name: [values]}, {name: value} or [{key, value}], with
    underscores for dashes."""
    pairs: list[tuple[str, object]] = []
    if isinstance(value, dict):
        pairs = [(str(name), one) for name, one in value.items()]
        pairs += [(str(one.get("key")), one.get("value")) for one in value.get("unknown") or () if isinstance(one, dict)]
    elif isinstance(value, list):
        pairs = [(str(one.get("key")), one.get("value")) for one in value if isinstance(one, dict)]
    shown = []
    for name, one in pairs[:500]:
        first = one[0] if isinstance(one, list) and one else one
        if isinstance(first, str):
            shown.append(f"{name.replace('_', '-')}: {first[:500]}")
    return "\n".join(shown)


def _shows(*texts: str) -> bool:
    return any(sign in text.lower() for text in texts for sign in _PRODUCT_SIGNS) or "Outlook" in texts


def read_headers(path: Path, tally: Tally) -> Iterator[Row]:
    """A dump of HTTP answers. A line that is only an address or URL names the host of the answers below it; without one
    each answer is a host of its own."""
    host, version, coarse, answers, inside = "", "", False, 0, False

    def row() -> Row:
        return Row(host or f"answer {answers}", version, coarse)

    with opened(path) as stream:
        for line in lines(stream, tally):
            text = line.decode("utf-8", "replace").strip().lstrip("\ufeff")
            if text.startswith("HTTP/") or (address := _address(text)):
                if inside and (version or not text.startswith("HTTP/")):
                    yield row()
                    version, coarse, inside = "", False, False
                if text.startswith("HTTP/"):
                    answers, inside = answers + 1, True
                else:
                    host = address or ""
            elif inside and (found := _HEADER.match(text)):
                version, coarse = found[1], False
            elif inside and not version and (found := OWA_PATH.search(text[:2000])):
                version, coarse = found[1], True
        if inside:
            yield row()


def _address(text: str) -> str:
    text = text.lstrip("#>* ").removesuffix(":")
    found = _ADDRESS.match(text) if "." in text or "[" in text else None
    return found[1].strip("[]") if found is not None else ""


def read_nmap(path: Path, tally: Tally) -> Iterator[Row]:
    """The hosts of an nmap XML report with an Exchange sign. DTDs and entities are not used; a file that breaks off is
    read as far as it goes, and counted."""
    with opened(path) as stream:
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
        except (etree.XMLSyntaxError, EOFError, OSError):
            tally.pass_over("notice.census-damaged-end")


def _nmap_host(host: etree._Element) -> Row | None:
    address = next((one.get("addr", "") for one in host.iter("address") if one.get("addrtype") != "mac"), "")
    name = next((one.get("name", "") for one in host.iter("hostname")), "")
    version, sign, coarse = "", False, False
    for script in host.iter("script"):
        if script.get("id") == "ms-exchange-version":
            found = _NMAP_BUILD.search(script.get("output", "")[:5000])
            version, sign = (found[1] if found else version), True
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
