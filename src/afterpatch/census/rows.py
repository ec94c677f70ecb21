"""What every reader of scan data gives: one row a reading."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from afterpatch.census.columns.values import LONGEST_CELL

OWA_PATH = re.compile(r"/owa/(?:auth/|prem/)?(\d{1,2}\.\d{1,2}\.\d{1,5}(?:\.\d{1,5})?)/", re.ASCII | re.IGNORECASE)


class Row(NamedTuple):
    """One reading of a host; "" where something is not known. `coarse`: the version stays at the cumulative update (a
    path). `shell`: a report calls the host compromised. The texts are as the input has them."""

    host: str
    version: str = ""
    coarse: bool = False
    day: str = ""
    country: str = ""
    asn: str = ""
    sector: str = ""
    owner: str = ""
    tag: str = ""
    shell: bool = False


@dataclass(slots=True)
class Tally:
    """What a reader could not use, by reason; and how many readings it gave."""

    rows: int = 0
    bad: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def pass_over(self, reason: str, count: int = 1) -> None:
        """Counts what was not used, as bad."""
        if count:
            self.bad += count
            self.leave_out(reason, count)

    def leave_out(self, reason: str, count: int = 1) -> None:
        """Counts what is readable and out of scope, or needs a word."""
        if count:
            self.reasons[reason] = self.reasons.get(reason, 0) + count

    def add(self, other: Tally) -> None:
        """Adds the counts of another part of the same input."""
        self.rows += other.rows
        self.bad += other.bad
        for reason, count in other.reasons.items():
            self.leave_out(reason, count)


def cell(value: object) -> str:
    """A value of a scan as bounded text."""
    if isinstance(value, str):
        return value.strip()[:LONGEST_CELL]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63 else ""
