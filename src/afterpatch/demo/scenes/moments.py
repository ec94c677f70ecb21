"""Times as the scenes write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def utc(text: str) -> datetime:
    """`2021-03-03 06:49:42.162` as an aware time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def after(moment: datetime, seconds: float) -> datetime:
    """A moment some seconds later."""
    return moment + timedelta(seconds=seconds)
