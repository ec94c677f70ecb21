"""One indicator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

HASHES = ("md5", "sha1", "sha256")
TYPES = (
    "ip",  # an address or a network in CIDR form
    "domain",
    "url",
    "url-path",
    "user-agent",
    *HASHES,
    "file-name",
    "path",
    "folder",
    "service",
    "file-extension",
)


@dataclass(frozen=True, slots=True)
class Indicator:
    """A published value.

    `value` is normalised (see `values.normalise`). `group` is the name the publisher reported, "" where none: an
    overlap is "with indicators published for <group> (<source>, <published>)", never a statement about who did it.
    `published` is an ISO date, year and month, or year. `confidence` (low | moderate | high): how much a match weighs.
    Outside `valid_from` .. `valid_until` it weighs little (rented addresses). `caution`: stock-name | generic | "".
    """

    type: str
    value: str
    group: str = ""
    note: str = ""
    source: str = ""
    published: str = ""
    confidence: str = "moderate"
    valid_from: date | None = None
    valid_until: date | None = None
    caution: str = ""
    origin: str = ""
    tlp: str = ""

    def in_window(self, moment: datetime | None) -> bool:
        """Whether a match at this time counts fully; an unknown time does not speak against it."""
        if moment is None:
            return True
        day = moment.date()
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_until is None or day <= self.valid_until)
