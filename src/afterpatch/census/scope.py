"""Which CVEs a census asks about: all known ones, or those that were public on a day in the past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from afterpatch.knowledge import exploitation, vulnerabilities
from afterpatch.knowledge.vulnerabilities import Vulnerability


@dataclass(frozen=True, slots=True)
class Scope:
    """`every` CVE, the `core` ones among them (those that groups and trends count), and those `used` in attacks."""

    every: tuple[Vulnerability, ...]
    core: tuple[Vulnerability, ...]
    used: frozenset[str]


def scope(as_of: date | None) -> Scope:
    """What is known today, or (`as_of`) what had been disclosed by the end of that day and used in attacks by then: a
    scan of March 2021 is not asked about holes of 2026."""
    every = tuple(known for known in vulnerabilities.vulnerabilities().values() if as_of is None or known.disclosed <= as_of)
    core = tuple(known for known in every if known.importance == "core")
    used = frozenset(known.cve for known in every if known.exploited and _used_by(known.cve, as_of))
    return Scope(every, core, used)


def _used_by(cve: str, as_of: date | None) -> bool:
    since = exploitation.first_known(cve)
    return as_of is None or (since is not None and since <= as_of)
