"""The time of a log line: always UTC in IIS, HTTP.SYS and Exchange text logs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s*(Z|[+-]\d\d:?\d\d)?\Z", re.ASCII)
EARLIEST, LATEST = 1995, 2100  # years; a line outside them is not believed


def parse_time(text: str) -> datetime | None:
    """`yyyy-MM-ddTHH:mm:ss.fffZ` (or with a space, without fraction or zone: UTC) as aware UTC datetime; None for
    anything else, for times that do not exist and for years outside 1995 to 2100."""
    found = _ISO.match(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    micro = int((fraction or "0").ljust(6, "0")[:6])
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micro, tzinfo=UTC)
    except ValueError:
        return None
    if not EARLIEST <= moment.year <= LATEST:
        return None
    return moment - _offset(zone) if zone and zone != "Z" else moment


def _offset(zone: str) -> timedelta:
    digits = zone[1:].replace(":", "")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -size if zone[0] == "-" else size
