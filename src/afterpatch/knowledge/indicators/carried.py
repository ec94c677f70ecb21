"""The shipped indicators: `data/indicators.csv`, whose head names the origins and their licences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache

from afterpatch.knowledge.data_files import table
from afterpatch.knowledge.indicators.model import Indicator
from afterpatch.knowledge.indicators.values import normalise


@cache
def carried() -> tuple[Indicator, ...]:
    """All shipped indicators, in the order of the table."""
    return tuple(_indicator(row) for row in table("indicators.csv"))


def _indicator(row: Mapping[str, str]) -> Indicator:
    return Indicator(
        type=row["type"],
        value=normalise(row["type"], row["value"]),
        group=row["group"],
        note=row["note"],
        source=row["source"],
        published=row["published"],
        confidence=row["confidence"],
        valid_from=_date(row["valid_from"]),
        valid_until=_date(row["valid_until"]),
        caution=row["caution"],
        origin=row["origin"],
        tlp="CLEAR",
    )


def _date(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
