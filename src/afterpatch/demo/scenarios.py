"""The registry of scenarios: each a period, its servers, and what is played on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from afterpatch.demo.ledger import Ledger
from afterpatch.demo.scenes import breaches, incident, powershell, quiet, sessions
from afterpatch.demo.scenes.moments import utc
from afterpatch.demo.server import Server, builds

Play = Callable[[tuple[Ledger, ...]], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`play` puts everything beyond the benign traffic into the ledgers (one a server, in order).

    `needs` is the time the planted events lie in (None: nothing is planted); `keep_days` the age at which the servers
    delete their component logs, `proof_days` that of HttpProxy, ECP server and OAB generator (IIS keeps all).
    """

    name: str
    summary: str
    start: datetime
    end: datetime
    play: Play
    servers: tuple[Server, ...] = (Server(),)
    needs: tuple[datetime, datetime] | None = None
    keep_days: int = 30
    proof_days: int = 30


_MARCH_FIX = utc("2021-03-06 20:00")
_DEFAULT = "C:\\Program Files\\Microsoft\\Exchange Server\\V15"
_CU18 = Server(builds=builds("15.1.2106.2", (_MARCH_FIX, "15.1.2106.13")))
_CU18_UNPATCHED = Server(builds=builds("15.1.2106.2"))
_CU19 = Server(
    install="D:\\Program Files\\Microsoft\\Exchange Server\\V15",
    builds=builds("15.1.2176.2", (utc("2021-03-03 05:00"), "15.1.2176.9")),
    installed=utc("2020-12-19 08:40:12"),
)
_CU20 = Server(builds=builds("15.1.2242.4"), installed=utc("2021-06-05 09:31:20"))
_CU19_APRIL = Server(builds=builds("15.1.2176.2", (utc("2021-04-17 06:00"), "15.1.2176.12")))
_CU19_MARCH = Server(builds=builds("15.1.2176.2", (utc("2021-03-20 06:00"), "15.1.2176.9")))
_CU23 = Server(builds=builds("15.1.2507.6", (utc("2022-08-20 06:00"), "15.1.2507.12")), installed=utc("2022-05-14 10:02:51"))
_CU14 = Server(builds=builds("15.1.1847.3"), installed=utc("2019-11-02 09:12:44"))
_2010 = Server(
    install="C:\\Program Files\\Microsoft\\Exchange Server\\V14",
    product="Microsoft Exchange Server 2010",
    generation="V14",
    builds=builds("14.3.123.4", (utc("2020-12-12 06:00"), "14.3.509.0")),
    installed=utc("2014-02-08 07:20:00"),
)
_FIRST = Server(builds=builds("15.1.2106.2", (_MARCH_FIX, "15.1.2106.13")))
_SECOND = Server("EXCH02", "10.0.0.6", "fe80::5c1d:8f2a:7b30:11e5%3", builds=_FIRST.builds)
ALL = 400  # days: component logs kept for the whole period

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "intrusion",
        "ProxyLogon in full: way in, pages, mailboxes read, an archive fetched, one page deleted since",
        utc("2021-01-01"),
        utc("2021-03-21"),
        breaches.intrusion,
        (_CU18,),
        (utc("2021-03-03"), utc("2021-03-10")),
    ),
    Scenario(
        "probes-only",
        "scanners and one refused attempt",
        utc("2021-01-01"),
        utc("2021-03-21"),
        breaches.probes_only,
        (_CU19,),
        (utc("2021-03-06"), utc("2021-03-11")),
    ),
    Scenario(
        "quiet-quarter",
        "a working server in the first quarter of 2021, fully covered",
        utc("2021-01-01"),
        utc("2021-04-01"),
        quiet.quiet_quarter,
        (_CU19,),
        (utc("2021-01-19"), utc("2021-01-20")),
        proof_days=ALL,
    ),
    Scenario(
        "late-logs",
        "a server whose logs begin weeks after the attacks",
        utc("2021-04-20"),
        utc("2021-05-20"),
        quiet.nothing_to_see,
        (_CU19_APRIL,),
    ),
    Scenario(
        "exchange-2010",
        "Exchange 2010: IIS and RPC Client Access logs only",
        utc("2021-01-01"),
        utc("2021-03-21"),
        quiet.nothing_to_see,
        (_2010,),
    ),
    Scenario(
        "shell-gone",
        "a page used and deleted: requests and the compiled trace remain",
        utc("2021-03-10"),
        utc("2021-04-10"),
        breaches.shell_gone,
        (_CU19_MARCH,),
        (utc("2021-03-15"), utc("2021-03-23")),
    ),
    Scenario(
        "ssrf-theft",
        "January 2021: mail read through the forged cookie, nothing written",
        utc("2021-01-01"),
        utc("2021-02-01"),
        breaches.ssrf_theft,
        (_CU18_UNPATCHED,),
        (utc("2021-01-06"), utc("2021-01-09")),
        proof_days=ALL,
    ),
    Scenario(
        "proxyshell-export",
        "ProxyShell: a draft exported as a page, the request removed",
        utc("2021-07-15"),
        utc("2021-09-01"),
        powershell.proxyshell_export,
        (_CU20,),
        (utc("2021-08-13"), utc("2021-08-21")),
    ),
    Scenario(
        "dag-two-servers",
        "ProxyLogon through one server onto another",
        utc("2021-02-15"),
        utc("2021-03-15"),
        breaches.dag_two_servers,
        (_FIRST, _SECOND),
        (utc("2021-03-02"), utc("2021-03-05")),
    ),
    Scenario(
        "two-actors",
        "two intruders who know nothing of each other",
        utc("2021-02-10"),
        utc("2021-03-12"),
        breaches.two_actors,
        (_CU18,),
        (utc("2021-02-28"), utc("2021-03-05")),
    ),
    Scenario(
        "admin-oab-changes",
        "administrators set, remove and make the address book's virtual directory",
        utc("2021-01-01"),
        utc("2021-04-01"),
        quiet.admin_oab_changes,
        (_CU19,),
        (utc("2021-02-11"), utc("2021-03-10")),
        proof_days=ALL,
    ),
    Scenario(
        "incident",
        "a real incident of March 2021, rebuilt from its published log lines",
        utc("2021-02-20"),
        utc("2021-03-11"),
        incident.incident,
        (Server(install=_DEFAULT, builds=builds("15.1.2106.2", (utc("2021-03-08 18:00"), "15.1.2106.13"))),),
        (utc("2021-03-03"), utc("2021-03-10")),
    ),
    Scenario(
        "proxynotshell",
        "ProxyNotShell with a stolen password, a handler page",
        utc("2022-08-25"),
        utc("2022-10-01"),
        powershell.proxynotshell,
        (_CU23,),
        (utc("2022-09-12"), utc("2022-09-13")),
    ),
    Scenario(
        "owassrf",
        "OWASSRF: OWA relays to PowerShell, no page left",
        utc("2022-11-15"),
        utc("2022-12-20"),
        powershell.owassrf,
        (_CU23,),
        (utc("2022-12-04"), utc("2022-12-05")),
    ),
    Scenario(
        "proxytoken",
        "ProxyToken: a forwarding rule in a stranger's mailbox",
        utc("2021-08-20"),
        utc("2021-09-20"),
        sessions.proxytoken,
        (_CU19_MARCH,),
        (utc("2021-09-02"), utc("2021-09-03")),
    ),
    Scenario(
        "viewstate",
        "forged view state in 2020, outcome unknown",
        utc("2020-02-20"),
        utc("2020-03-25"),
        sessions.viewstate,
        (_CU14,),
        (utc("2020-03-09"), utc("2020-03-10")),
    ),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
