"""What a census may be told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime


@dataclass(frozen=True, slots=True)
class CensusOptions:
    """`moment`: the time of this run (the clock is passed in). `compare`: a run file of an earlier census. `country_db`
    and `asn_db`: offline mmdb files for rows without country or network. `memory`: a bound for the database, beyond
    which it uses the disk below `temporary` (default: the system's). `slow`: read CSV files by the exact, slow reader.
    `as_of`: ask only about holes that were public on that day."""

    moment: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    compare: str = ""
    country_db: str = ""
    asn_db: str = ""
    memory: str = "1GB"
    threads: int = 0
    temporary: str = ""
    slow: bool = False
    as_of: date | None = None
