"""Times and spans as people read them."""

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
    if first is None or last is None or moment(first, catalogue) == moment(last, catalogue):
        return moment(first or last, catalogue)
    if first.date() == last.date():
        return f"{first:%Y-%m-%d %H:%M:%S} – {last:%H:%M:%S}Z"
    return f"{first:%Y-%m-%d %H:%M} – {last:%Y-%m-%d %H:%M}Z"
