"""A made-up world of Exchange servers with known truth, in the shape of March 2021.

Shares by country follow the numbers published around 9 March 2021 (Palo Alto), the decay after the patch those of
Microsoft and RiskIQ (about 8 % left on 22 March). Addresses are of a range that no host has; names are example names.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

COUNTRIES = {"US": 26, "DE": 17, "GB": 6, "FR": 4, "IT": 4, "CA": 4, "NL": 3, "CH": 3, "AT": 2, "CN": 2, "BR": 2, "AU": 2, "": 1}
SECTORS = ("Finance", "Health", "Government", "Education", "Manufacturing", "")
# (cumulative update's own build, build with the fixes of March 2021, one with those of April) and how common.
PAIRS = (
    (("15.0.1497.2", "15.0.1497.12", "15.0.1497.15"), 30),
    (("15.1.2106.2", "15.1.2106.13", "15.1.2106.13"), 15),
    (("15.1.2176.2", "15.1.2176.9", "15.1.2176.12"), 30),
    (("15.2.721.2", "15.2.721.13", "15.2.721.13"), 10),
    (("15.2.792.3", "15.2.792.10", "15.2.792.13"), 15),
)
RUNS = {"2021-03-01": 0.0, "2021-03-09": 0.54, "2021-03-14": 0.8, "2021-03-22": 0.92}
HEADING = ("timestamp", "severity", "ip", "protocol", "port", "hostname", "tag", "asn", "geo", "sector", "version", "servername")


@dataclass(slots=True)
class Host:
    """One server: where it is, which pair of builds it has, from which patched share on it is patched, and in which runs
    it is missing."""

    address: str
    country: str
    asn: int
    sector: str
    pair: tuple[str, str, str]
    patched_at: float
    missing: frozenset[str] = frozenset()

    def build(self, day: str) -> str:
        """The build on the day of a run."""
        return self.pair[1] if self.patched_at <= RUNS[day] else self.pair[0]


@dataclass(slots=True)
class Truth:
    """What the census must say of one run."""

    hosts: int = 0
    open: int = 0
    by_country: Counter[str] = field(default_factory=Counter)
    open_by_country: Counter[str] = field(default_factory=Counter)
    open_by_asn: Counter[str] = field(default_factory=Counter)
    open_by_sector: Counter[str] = field(default_factory=Counter)
    builds: Counter[str] = field(default_factory=Counter)


def people(size: int, seed: int = 1) -> Iterator[Host]:
    """The hosts of the world, one after the other, the same for the same seed."""
    draw = random.Random(seed)
    countries, weights = list(COUNTRIES), list(COUNTRIES.values())
    pairs, common = [pair for pair, _weight in PAIRS], [weight for _pair, weight in PAIRS]
    days = list(RUNS)
    for number in range(size):
        address = f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}"
        missing = frozenset(day for day in days if draw.random() < 0.02)
        yield Host(
            address, draw.choices(countries, weights)[0], 64496 + draw.randrange(400), draw.choice(SECTORS),
            draw.choices(pairs, common)[0], draw.random() or 0.5, missing,
        )  # fmt: skip


def write_run(path: Path, day: str, size: int, seed: int = 1) -> Truth:
    """A scan report of one day, with about one host in twenty seen twice, and its truth for CVE-2021-26855."""
    truth, draw = Truth(), random.Random(f"{seed}{day}")
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADING)
        for host in people(size, seed):
            if day in host.missing:
                continue
            build = host.build(day)
            for port in (443, 444) if draw.random() < 0.05 else (443,):
                row = (
                    f"{day} 0{draw.randrange(10)}:00:00",
                    "critical",
                    host.address,
                    "tcp",
                    port,
                    f"mail.{host.address}.example.com",
                )
                writer.writerow((*row, "exchange;cve-2021-26855", host.asn, host.country, host.sector, build, "EX"))
            _count(truth, host, build)
    return truth


def _count(truth: Truth, host: Host, build: str) -> None:
    truth.hosts += 1
    truth.builds[build] += 1
    truth.by_country[host.country] += 1
    if build == host.pair[0]:
        truth.open += 1
        truth.open_by_country[host.country] += 1
        truth.open_by_asn[f"AS{host.asn}"] += 1
        truth.open_by_sector[host.sector] += 1


def changes(before: str, after: str, earlier: set[str], size: int, seed: int = 1) -> dict[str, int]:
    """What became of the hosts between two runs; `earlier`: days before `before` whose hosts the run file carries on."""
    found = Counter[str]()
    for host in people(size, seed):
        was_there, is_there = before not in host.missing, after not in host.missing
        known = was_there or any(day not in host.missing for day in earlier)
        was = was_there and host.build(before) == host.pair[0]
        now = is_there and host.build(after) == host.pair[0]
        found["was_open"] += was
        found["now_open"] += now
        if was:
            found["still" if now else "remediated" if is_there else "not_seen"] += 1
        elif now:
            found["back_again" if known else "newly_seen"] += 1
    return dict(found)
