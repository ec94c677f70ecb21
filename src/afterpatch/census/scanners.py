"""Records of scanners as JSON, one a line: Shodan, Censys (both shapes), zgrab2, httpx, and plain inventories.

Field names as their publishers write them (docs/exposure.md names the sources). What a record holds beside them is passed
over. A version in a header is exact, one in the path of a page stays at the cumulative update.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from afterpatch.census.rows import OWA_PATH, Row, Tally, cell
from afterpatch.census.tables import places

Record = Mapping[str, Any]
HEADER = re.compile(r"^x-owa-version:[ \t]*([0-9.]{3,40})", re.IGNORECASE | re.MULTILINE)
_BUILD = re.compile(r"\d{1,2}\.\d{1,2}(?:\.\d{1,5}){1,2}", re.ASCII)
_USUAL = "\nX-OWA-Version: "
_SIGNS = re.compile(r"exchange|outlook web|x-owa|x[-_]feserver|/owa/|x-calculatedbetarget|x-diaginfo", re.IGNORECASE)
_FAVICON = 1768726119
_MOST_BODY, _MOST_HEADERS, _MOST_SERVICES = 200_000, 500, 200


class Seen(NamedTuple):
    """What one answer of a host shows: a version, whether it stays at the cumulative update, and whether it is Exchange."""

    version: str = ""
    coarse: bool = False
    sign: bool = False


def json_rows(block: bytes, tally: Tally) -> Iterator[Row]:
    """The readings of a block of lines. A line that is no JSON object is bad, one of no known scanner too; one that shows
    no Exchange is left out; all are counted."""
    start = 0
    while start < len(block):
        end = block.find(b"\n", start)
        line = block[start : end if end >= 0 else len(block)].strip(b" \t\r,\x1e")
        start = end + 1 if end >= 0 else len(block)
        if line in (b"", b"[", b"]"):
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            tally.pass_over("notice.census-bad-json")
            continue
        yield from record_rows(record, tally)


def record_rows(record: object, tally: Tally) -> Iterator[Row]:
    """The readings of one record; a host with several answers gives one for each version."""
    found = _rows(record) if isinstance(record, dict) else None
    if found is None:
        tally.pass_over("notice.census-unknown-record")
    elif not found:
        tally.leave_out("notice.census-not-exchange")
    else:
        yield from found


def _rows(record: Record) -> list[Row] | None:
    if isinstance(record.get("ip_str"), str):
        banners = [one for one in _list(record.get("data")) if isinstance(one, dict)]
        return [row for one in banners for row in _shodan({**record, **one})] if banners else _shodan(record)
    for wrapper in ("host", "resource", "webproperty", "result"):
        inner = record.get(wrapper)
        if isinstance(inner, dict) and wrapper != "result":
            return _rows(inner)
        if isinstance(inner, dict) and isinstance(inner.get("resource", inner.get("services")), (dict, list)):
            return _rows(inner)
    for key, read in _READERS:
        if isinstance(record.get(key), (list, dict)):
            found = read(record)
            if found is not None:
                return found
    if isinstance(record.get("url"), str) and ("status_code" in record or "status-code" in record):
        return _httpx(record)
    return _flat(record)


def inner(record: object, *names: str) -> Any:
    """A value deep inside, None where the way to it does not exist."""
    for name in names:
        record = record.get(name) if isinstance(record, dict) else None
    return record


def _text(*found: object) -> str:
    for value in found:
        if isinstance(value, str) and value:
            return value
    return ""


def _list(value: object, most: int = _MOST_SERVICES) -> Sequence[Any]:
    return value[:most] if isinstance(value, list) else ()


def _seen(headers: str, body: str, *others: str, named: str = "") -> Seen:
    """The header first, then a field with the product's version, then a path in the headers or in the page."""
    place = headers.find(_USUAL)  # the pattern below finds it too, more slowly
    found = HEADER.match(headers, place + 1) if place >= 0 else HEADER.search(headers)
    if found is not None:
        return Seen(found[1], False, True)
    if _BUILD.fullmatch(named):
        return Seen(named, False, True)
    path = OWA_PATH.search(headers) or OWA_PATH.search(body[:_MOST_BODY])
    if path is not None:
        return Seen(path[1], True, True)
    return Seen("", False, "Outlook" in others or any(_SIGNS.search(text) for text in (headers, *others)))


def _made(
    host: object, seen: Sequence[Seen], *, favicon: bool = False, day: str = "", country: str = "", asn: str = "",
    owner: str = "", tag: str = "",
) -> list[Row]:  # fmt: skip
    """One row for each version; where there is none, one if something shows Exchange."""
    if len(seen) == 1:
        one = seen[0]
        return (
            [Row(cell(host), one.version, one.coarse, day, country, asn, "", owner, tag)]
            if one.version or one.sign or favicon
            else []
        )
    versions = dict.fromkeys((one.version, one.coarse) for one in seen if one.version)
    exact = [pair for pair in versions if not pair[1]]
    if not versions and (favicon or any(one.sign for one in seen)):
        versions = {("", False): None}
    return [Row(cell(host), version, coarse, day, country, asn, "", owner, tag) for version, coarse in exact or versions]


def headers_of(value: object) -> str:
    """Header lines out of the forms that scanners write: {name: value}, {name: [values]}, {name: {headers: [values]}},
    [{key, value}], and zgrab2's {unknown: [{key, value: [values]}]}, with underscores for dashes."""
    pairs: list[tuple[object, object]] = []
    if isinstance(value, dict):
        pairs = list(value.items())[:_MOST_HEADERS]
        pairs += [(inner(one, "key"), inner(one, "value")) for one in _list(value.get("unknown"), _MOST_HEADERS)]
    elif isinstance(value, list):
        pairs = [(inner(one, "key") or inner(one, "name"), inner(one, "value")) for one in _list(value, _MOST_HEADERS)]
    elif isinstance(value, str):
        return value[:_MOST_BODY]
    shown = []
    for name, one in pairs:
        one = inner(one, "headers") if isinstance(one, dict) else one
        texts = one if isinstance(one, list) else [one]
        shown += [f"{str(name).replace('_', '-')}: {text[:500]}" for text in texts[:20] if isinstance(text, str)]
    return "\n".join(shown)


def _shodan(record: Record) -> list[Row]:
    """Shodan's banner: `data` holds the raw header block."""
    get, answer, place = record.get, record.get("http"), record.get("location")
    answer, place = answer if isinstance(answer, dict) else {}, place if isinstance(place, dict) else {}
    data, found = get("data"), None
    if isinstance(data, str) and (at := data.find(_USUAL, 0, _MOST_BODY)) >= 0:
        found = HEADER.match(data, at + 1, _MOST_BODY)  # most records end here: what follows looks everywhere
    seen = Seen(found[1], False, True) if found is not None else _shodan_seen(record, answer)
    vulns = get("vulns")
    tag = ";".join([str(name)[:30] for name in list(vulns)[:200]]) if isinstance(vulns, (dict, list)) else ""
    favicon = False if seen.sign or seen.version else inner(answer, "favicon", "hash") == _FAVICON
    return _made(
        record["ip_str"], [seen], favicon=favicon, tag=tag, day=_text(get("timestamp")),
        country=cell(place.get("country_code") or get("country_code")), asn=cell(get("asn")),
        owner=cell(get("org") or get("isp")),
    )  # fmt: skip


def _shodan_seen(record: Record, answer: Record) -> Seen:
    product = _text(record.get("product"))
    named = _text(record.get("version")) if product and "exchange" in product.lower() else ""
    return _seen(
        _text(record.get("data"))[:_MOST_BODY], _text(answer.get("html")), _text(answer.get("title")), product, named=named
    )


def _censys(record: Record) -> list[Row] | None:
    """Censys' host: `services[].http.response` before the platform of 2025, `services[].endpoints[].http` in it."""
    if not isinstance(record.get("ip"), str):
        return None
    seen, days, favicon = [], [], False
    for service in _list(record.get("services")):
        software = [one for one in _list(inner(service, "software")) if isinstance(one, dict)]
        named = [one for one in software if "exchange" in _text(one.get("product")).lower()]
        version = _text(*(one.get("version") for one in named))
        answers = [inner(service, "http", "response"), *(inner(one, "http") for one in _list(inner(service, "endpoints")))]
        for answer in answers:
            seen.append(_answer(answer, version))
            favicon = favicon or any(inner(one, "hash_shodan") == _FAVICON for one in _list(inner(answer, "favicons")))
        favicon = favicon or bool(named)
        days.append(_text(inner(service, "scan_time"), inner(service, "observed_at")))
    system = record.get("autonomous_system")
    return _made(
        record["ip"], seen, favicon=favicon,
        day=_text(record.get("last_updated_at"), record.get("timestamp"), *sorted(days)[::-1]),
        country=cell(inner(record, "location", "country_code") or inner(system, "country_code")), asn=cell(inner(system, "asn")),
        owner=cell(inner(system, "organization") or inner(system, "name")),
    )  # fmt: skip


def _answer(answer: object, named: str = "") -> Seen:
    headers, body = headers_of(inner(answer, "headers")), _text(inner(answer, "body"))
    return _seen(headers, body, _text(inner(answer, "html_title")), named=named)


def _zgrab(record: Record) -> list[Row] | None:
    """zgrab2's grab: `data.<scan>.result.response`, and the answers that led to it."""
    if not isinstance(record.get("data"), dict) or not _text(record.get("ip"), record.get("domain")):
        return None
    seen, day = [], ""
    for scan in list(record["data"].values())[:20]:
        result = inner(scan, "result")
        day = day or _text(inner(scan, "timestamp"))
        for answer in (inner(result, "response"), *_list(inner(result, "redirect_response_chain"), 20)):
            seen.append(_answer(answer))
    return _made(_text(record.get("ip"), record.get("domain")), seen, day=day)


def _httpx(record: Record) -> list[Row]:
    """httpx: `header` {name: value} or `raw_header`, `host` (the address), `asn` {as_number, as_name, as_country}."""
    headers = headers_of(record.get("header")) + "\n" + _text(record.get("raw_header"), record.get("header-raw"))
    tech = " ".join(str(one)[:100] for one in _list(record.get("tech") or record.get("technologies"), 100))
    seen = _seen(headers, _text(record.get("body"), record.get("response")), _text(record.get("title")), tech)
    system = record.get("asn")
    return _made(
        _text(record.get("host_ip"), record.get("host"), record.get("input"), record.get("url")), [seen],
        favicon=str(record.get("favicon")) == str(_FAVICON), day=_text(record.get("timestamp")),
        country=cell(inner(system, "as_country") or inner(system, "as-country")),
        asn=cell(inner(system, "as_number") or inner(system, "as-number")),
        owner=cell(inner(system, "as_name") or inner(system, "as-name")),
    )  # fmt: skip


_READERS: tuple[tuple[str, Callable[[Record], list[Row] | None]], ...] = (("services", _censys), ("data", _zgrab))


def _flat(record: Record) -> list[Row] | None:
    """An inventory whose rows are objects; names as in `columns.yml`."""
    names = tuple(list(record)[:200])
    found = _places(names)
    if "host" not in found and "version" not in found:
        return None

    def value(meaning: str) -> str:
        given = record.get(names[found[meaning]]) if meaning in found else None
        return ";".join(cell(one) for one in given[:200]) if isinstance(given, list) else cell(given)

    version = value("version")
    if "version" not in found:
        return []
    return [
        Row(
            value("host") or value("name"), version, False, value("date"), value("country"), value("asn"), value("sector"),
            value("owner"), value("tag"),
        )
    ]  # fmt: skip


@lru_cache(4096)
def _places(names: tuple[str, ...]) -> Mapping[str, int]:
    return places(names)
