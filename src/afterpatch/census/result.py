"""What a census found. Lists are short; what grows with the hosts stays in files until it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType

from afterpatch.census.classes import States
from afterpatch.census.columns.encode import Ints
from afterpatch.census.columns.pairs import Pairs
from afterpatch.census.run import Run
from afterpatch.census.store import Store
from afterpatch.model import Notice

DIMENSIONS = ("country", "asn", "sector")


@dataclass(frozen=True, slots=True)
class CveCount:
    """Hosts by their state for one CVE; the four add up to all hosts in scope. `conditional` is the part of `unknown`
    that has the code of the fix and lacks proof of a further step. `claimed`: hosts that the scan's own tags call
    vulnerable; `claimed_fixed`: of them those whose build has the fix."""

    cve: str
    alias: str
    exploited: bool
    open: int
    unknown: int
    fixed: int
    not_affected: int
    conditional: int = 0
    claimed: int = 0
    claimed_fixed: int = 0


@dataclass(frozen=True, slots=True)
class GroupCount:
    """The same for the hosts of one country, network or sector ("" where it is not known). `exposed`: hosts open to at
    least one hole that is used in attacks; `unknown`: others of which that cannot be told for at least one."""

    dimension: str
    value: str
    hosts: int
    exposed: int
    unknown: int
    compromised: int
    cves: tuple[CveCount, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildCount:
    """Hosts by build; `label` is the build, or what is known of it (`15.1.2176` where only the cumulative update is
    read, `15.1.2176.*` where the fourth part is in no table)."""

    label: str
    product: str
    cu: str
    su: str
    hosts: int
    open_exploited: int


@dataclass(frozen=True, slots=True)
class TrendCount:
    """Changes since the run compared with. now_open = still + newly_seen + back_again + clarified;
    was_open = still + remediated + not_seen + unclear. A host that is not seen any more is not remediated."""

    cve: str
    was_open: int
    now_open: int
    remediated: int
    not_seen: int
    unclear: int
    still: int
    newly_seen: int
    back_again: int
    clarified: int


@dataclass(frozen=True, slots=True)
class Series:
    """One run of a series: its day, hosts, hosts open to a hole used in attacks, and open hosts by CVE."""

    day: date
    hosts: int
    exposed: int
    open: dict[str, int]


@dataclass(slots=True)
class Counts:
    """What one pass finds. `hosts` and `shells` by class; `groups` by dimension: value x class without Exchange Online,
    `group_shells` hosts called compromised by value, `tags`: tag x class; the newest day; hosts without a country or
    network."""

    hosts: Ints
    shells: Ints
    groups: dict[str, Pairs] = field(default_factory=dict)
    group_shells: dict[str, Ints] = field(default_factory=dict)
    tags: Pairs = field(default_factory=Pairs.none)
    day: int = 0
    nowhere: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class CensusResult:
    """The census. Use as a context manager, or call `close`: it holds files of its own.

    `rows` were read, `bad_rows` could not be, `hosts` are distinct ones in scope, `without_build` those of them whose
    version is missing or no build, `online` rows of Exchange Online (out of scope), `compromised` hosts that a report
    calls compromised, `exposed` hosts open to at least one hole that is used in attacks, `unknown` others of which that
    cannot be told for at least one such hole."""

    inputs: tuple[tuple[str, str], ...]
    rows: int
    bad_rows: int
    hosts: int
    without_build: int
    online: int
    compromised: int
    exposed: int
    unknown: int
    cves: tuple[CveCount, ...]
    groups: tuple[GroupCount, ...]
    group_totals: dict[str, int]
    builds: tuple[BuildCount, ...]
    trend: tuple[TrendCount, ...]
    series: tuple[Series, ...]
    notices: tuple[Notice, ...]
    store: Store
    run: Run
    states: States
    used: frozenset[str]
    core: tuple[str, ...]
    counts: Counts
    paths: tuple[Path, ...] = field(default_factory=tuple)

    def close(self) -> None:
        """Removes its files."""
        self.store.close()

    def __enter__(self) -> CensusResult:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def of(self, cve: str) -> CveCount:
        """The count of one CVE."""
        return next(one for one in self.cves if one.cve == cve)

    def group(self, dimension: str, value: str) -> GroupCount:
        """The count of one country, network (`AS64500`) or sector."""
        return next(one for one in self.groups if (one.dimension, one.value) == (dimension, value))
