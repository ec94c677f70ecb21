"""Times are aware UTC datetimes inside and ISO 8601 with Z outside."""

from __future__ import annotations

from datetime import UTC, datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_iso(moment: datetime | None) -> str | None:
    """ISO 8601 UTC with `Z`; milliseconds only where there are any."""
    if moment is None:
        return None
    moment = moment.astimezone(UTC)
    text = moment.replace(tzinfo=None).isoformat(timespec="seconds")
    return f"{text}.{moment.microsecond // 1000:03d}Z" if moment.microsecond >= 1000 else f"{text}Z"


def parse_iso(text: str) -> datetime | None:
    """A date or time in ISO 8601 (no offset means UTC), or None where it is none."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: the first and the last day there is, with an offset
        return None
