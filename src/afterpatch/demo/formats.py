"""How the servers write a line: CSV of the Exchange logs, W3C of IIS, typed key/value lists of event data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

EOL = b"\r\n"


def exchange_time(moment: datetime) -> str:
    """`2021-03-03T06:49:42.162Z`."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def iis_time(moment: datetime) -> str:
    """`2021-03-03 06:49:42`."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def csv_value(value: str) -> str:
    """One value: quoted only where it holds a comma or a quote; line breaks are written as `\\r\\n`."""
    if "\r" in value or "\n" in value:
        value = value.replace("\r", "\\r").replace("\n", "\\n")
    if "," in value or '"' in value:
        return '"' + value.replace('"', '""') + '"'
    return value


def csv_line(values: Iterable[str]) -> str:
    """A line of an Exchange log, without its end."""
    return ",".join(map(csv_value, values))


def request_value(value: str) -> str:
    """The request logger (HttpProxy, EWS) writes one space for every comma and line break."""
    return value.replace("\r\n", " ").replace(",", " ")


def info_value(value: str) -> str:
    """Inside GenericInfo and GenericErrors `;` and `=` of a value become spaces as well."""
    return request_value(value).replace(";", " ").replace("=", " ")


def iis_value(value: str) -> str:
    """IIS writes `+` for spaces and `-` for nothing."""
    return value.replace(" ", "+") if value else "-"


def event_data(items: Sequence[tuple[str, str, str]]) -> str:
    """`S:KEY=VALUE;...` of (type, key, value); an item with `'` or `;` is wrapped in quotes, inner ones doubled."""
    return ";".join(map(_event_item, items))


def _event_item(item: tuple[str, str, str]) -> str:
    kind, key, value = item
    text = f"{kind}:{key}={value}".replace("\r", "\\r").replace("\n", "\\n")
    if "'" in text or ";" in text:
        return "'" + text.replace("'", "''") + "'"
    return text
