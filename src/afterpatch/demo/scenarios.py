"""The registry of scenarios: each a period, its servers, and what is played on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from afterpatch.demo.ledger import Ledger
from afterpatch.demo.scenes import breaches
from afterpatch.demo.scenes.moments import utc
from afterpatch.demo.server import Server, builds

Play = Callable[[tuple[Ledger, ...]], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`play` puts everything beyond the benign traffic into the ledgers (one a server, in order).

    `needs` is the time the planted events lie in (None: nothing is planted); `keep_days` the age at which the servers
    delete their component logs (IIS keeps all).
    """

    name: str
    summary: str
    start: datetime
    end: datetime
    play: Play
    servers: tuple[Server, ...] = (Server(),)
    needs: tuple[datetime, datetime] | None = None
    keep_days: int = 30


def _patched(first: str, when: str, then: str, **more: str) -> Server:
    return Server(builds=builds(first, (utc(when), then)), **more)


CU18_PATCHED = _patched("15.1.2106.2", "2021-03-06 20:00", "15.1.2106.13")

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "intrusion",
        "ProxyLogon in full: way in, two pages, mailboxes read, an archive fetched, one page deleted since",
        utc("2021-01-01"),
        utc("2021-03-21"),
        breaches.intrusion,
        (CU18_PATCHED,),
        (utc("2021-03-03"), utc("2021-03-12")),
    ),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
