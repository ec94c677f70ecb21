"""Times, spans and sizes as people read them."""

from __future__ import annotations

from datetime import datetime

from afterpatch.model import to_iso
from afterpatch.report.catalogue import Catalogue


def iso(when: datetime | None) -> str | None:
    """ISO 8601 with `Z`, the year in four digits also where the system writes fewer."""
    text = to_iso(when)
    if text is None:
        return None
    year, _, rest = text.partition("-")
    return f"{year:0>4}-{rest}"


def moment(when: datetime | None, catalogue: Catalogue) -> str:
    """`2021-03-03 05:12:33Z`, or the word for unknown."""
    return f"{when:%Y-%m-%d %H:%M:%S}Z" if when else catalogue.text("ui.unknown")


def minute(when: datetime | None) -> str:
    """`2021-03-03 05:12`, for tables; a dash for unknown."""
    return f"{when:%Y-%m-%d %H:%M}" if when else "–"


def span(first: datetime | None, last: datetime | None, catalogue: Catalogue) -> str:
    """From - to; one time where they are the same, the day once where it is the same."""
    if first is None and last is None:
        return catalogue.text("ui.unknown")
    if first is None or last is None or first == last:
        return moment(first or last, catalogue)
    if first.date() == last.date():
        return f"{first:%Y-%m-%d %H:%M:%S} – {last:%H:%M:%S}Z"
    return f"{first:%Y-%m-%d %H:%M} – {last:%Y-%m-%d %H:%M}Z"


def size(count: int) -> str:
    """A number of bytes in the largest fitting unit."""
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} {units[0]}" if units[0] == "B" or amount >= 100 else f"{amount:.1f} {units[0]}"


def number(count: int) -> str:
    """A number with thin groups of thousands: 1 234 567 (SI), the same in every language."""
    return f"{count:,}".replace(",", "\u202f") if abs(count) >= 10_000 else str(count)
