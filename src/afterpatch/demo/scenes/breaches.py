"""Breaches by ProxyLogon and what is left of them, from probe to theft."""

from __future__ import annotations

from afterpatch.demo.events import log_cleared, service_made
from afterpatch.demo.inert import inert
from afterpatch.demo.ledger import Ledger
from afterpatch.demo.machine import compiled
from afterpatch.demo.rows import Hit
from afterpatch.demo.scenes import shells
from afterpatch.demo.scenes.moments import after, utc
from afterpatch.demo.scenes.proxylogon import FIRST_AGENT, SCRIPT_AGENT, Forger, ProxyLogon, Theft
from afterpatch.demo.traffic import facts

INTRUDER, OPERATOR, SCANNER = "203.0.113.21", "203.0.113.36", "198.51.100.9"
SECOND_INTRUDER, SECOND_OPERATOR = "203.0.113.150", "203.0.113.151"
WEB = "C:\\inetpub\\wwwroot\\aspnet_client"
AUTH = "{ex}\\FrontEnd\\HttpProxy\\owa\\auth"
ANT = "antSword/v2.1"


def intrusion(ledgers: tuple[Ledger, ...]) -> None:
    """The main example: in on 3 March, back on the 5th, mail read on the 4th, an archive fetched on the 7th."""
    (ledger,) = ledgers
    attack = ProxyLogon(ledger, Forger(INTRUDER))
    page = f"{AUTH}\\errorFEE.aspx"
    attack.knock(utc("2021-03-03 06:49:42.162"))
    attack.plant(utc("2021-03-03 06:49:51.543"), page, resets=False)
    attack.knock(utc("2021-03-03 06:59:10.817"), "autodiscover.example.com")
    attack.plant(utc("2021-03-03 06:59:14.588"), page, "autodiscover.example.com")
    _read_mail(attack)
    _work_through_pages(ledger)
    ledger.verdict = "compromised"
    ledger.chain("proxylogon", "used", (INTRUDER, OPERATOR), utc("2021-03-03 06:49:42"), utc("2021-03-09 02:55:13"))
    ledger.actor("intruder", (INTRUDER, OPERATOR), (FIRST_AGENT, SCRIPT_AGENT, shells.OPERATOR_AGENT, ANT))
    ledger.scanners.append(SCANNER)


def _read_mail(attack: ProxyLogon) -> None:
    boxes = ("user03@example.com", "user07@example.com", "user11@example.com")
    thefts = []
    for number, box in enumerate(boxes):
        thefts += [Theft("FindFolder", box, 9_400), Theft("FindItem", box, 61_000 + 9_000 * number)]
        thefts += [Theft("GetItem", box, 420_000 * (step + 1 + number)) for step in range(4)]
    attack.steal(utc("2021-03-04 11:20:08.310"), thefts)


def _work_through_pages(ledger: Ledger) -> None:
    first, third = "/owa/auth/errorFEE.aspx", "/aspnet_client/discover.aspx"
    second = "/aspnet_client/system_web/Kx7Qm2Za.aspx"
    ledger.put(f"{WEB}\\system_web\\Kx7Qm2Za.aspx", inert("jscript_page"), utc("2021-03-05 03:09:12"))
    shells.use(ledger, utc("2021-03-05 03:06:27.696"), OPERATOR, first, (31, 44, 90, 12, 61))
    shells.use(ledger, utc("2021-03-05 03:12:02.410"), OPERATOR, second, (18, 25, 41, 8, 120, 33), ANT)
    shells.use(ledger, utc("2021-03-05 08:11:58.846"), OPERATOR, third, (22, 19), ANT)
    shells.use(ledger, utc("2021-03-07 02:10:11.020"), OPERATOR, second, (14, 71, 52), ANT)
    server = ledger.server
    ledger.note(
        service_made(server, utc("2021-03-05 08:12:31.400"), "HealthHelper", "C:\\Windows\\Temp\\hh.exe -s"),
        log_cleared(server, utc("2021-03-07 02:19:02.700"), "Application"),
    )
    ledger.door("HKLM\\SYSTEM\\CurrentControlSet\\Services\\HealthHelper", "unknown", "service")
    archive, moment = "/aspnet_client/it.zip", utc("2021-03-07 02:16:20.118")
    shells.ask(ledger, moment, OPERATOR, archive, shells.OPERATOR_AGENT, taken=90_433)
    shells.ask_around(ledger, utc("2021-03-06 17:27:44.124"), SCANNER, [*facts()["shell_names"], first], [first])
    shells.ask(ledger, utc("2021-03-09 02:55:13.675"), OPERATOR, third, ANT, status=404)
    compiled(ledger, "owa", "~/auth", first, utc("2021-03-05 03:06:28"))
    compiled(ledger, "root", "~/aspnet_client/system_web", second, utc("2021-03-05 03:12:03"))
    compiled(ledger, "root", "~/aspnet_client", third, utc("2021-03-05 08:11:59"))
    ledger.door(f"{AUTH}\\errorFEE.aspx", "present", used_by=(OPERATOR, SCANNER))
    ledger.door(f"{WEB}\\system_web\\Kx7Qm2Za.aspx", "present", used_by=(OPERATOR,))
    ledger.door(f"{WEB}\\discover.aspx", "deleted", used_by=(OPERATOR,))


def probes_only(ledgers: tuple[Ledger, ...]) -> None:
    """Scanners test the hole, one attempt is refused, known names are asked for in vain."""
    (ledger,) = ledgers
    agent = facts()["agents"]["browser"][1]
    probes = (
        ("2021-03-06 10:36:34.479", "localhost", "/ecp/default.flt?", 500),
        ("2021-03-06 10:36:35.102", "localhost", "/owa/auth/logon.aspx?", 500),
        ("2021-03-06 14:55:28.198", "collab.example.net", "/ecp/default.flt?", 500),
        ("2021-03-09 21:02:11.340", "localhost", "/ecp/default.flt?", 500),
    )
    for moment, target, path, status in probes:
        hit = Hit(
            utc(moment), SCANNER, "GET", "/owa/auth/x.js", status=status, agent=agent, protocol="Owa",
            anchor=f"ServerInfo~{target}{path}", hint="X-AnonResource-Backend-Cookie", target=target, target_build=3,
            bytes_out=85, taken=382,
        )  # fmt: skip
        ledger.hit(hit)
    attempt = ProxyLogon(ledger, Forger(INTRUDER))
    attempt.relay(utc("2021-03-10 04:12:09.410"), "/autodiscover/autodiscover.xml?", 503, bytes_out=0)
    attempt.relay(utc("2021-03-10 04:12:11.002"), "/mapi/emsmdb/?", 503, bytes_out=0)
    names = [*facts()["shell_names"], "/aspnet_client/supp0rt.aspx", "/aspnet_client/discover.aspx"]
    shells.ask_around(ledger, utc("2021-03-08 20:37:25.554"), SCANNER, names)
    ledger.verdict = "attempted"
    ledger.chain("proxylogon", "probed", (SCANNER, INTRUDER), utc("2021-03-06 10:36:34"), utc("2021-03-10 04:12:11"))
    ledger.scanners.append(SCANNER)


def ssrf_theft(ledgers: tuple[Ledger, ...]) -> None:
    """January: mail read through the forged cookie, answers growing, nothing written."""
    (ledger,) = ledgers
    page = "/owa/auth/Current/themes/resources/logon.css"
    attack = ProxyLogon(ledger, Forger(INTRUDER, page, agent=facts()["agents"]["browser"][0]))
    box = "user02@example.com"
    first = [Theft("GetFolder", box, 2_100), Theft("FindItem", box, 48_000)]
    attack.steal(utc("2021-01-06 02:14:31.117"), [*first, *(Theft("GetItem", box, 190_000 * n) for n in range(1, 7))], 14)
    attack.steal(
        utc("2021-01-08 02:40:02.553"),
        [Theft("SyncFolderItems", "user09@example.com", 260_000 * n) for n in range(1, 6)],
        21,
    )
    ledger.verdict = "compromised"
    ledger.chain("proxylogon", "succeeded", (INTRUDER,), utc("2021-01-06 02:14:31"), utc("2021-01-08 02:41:26"))
    ledger.actor("reader", (INTRUDER,), (attack.forger.agent,))


def shell_gone(ledgers: tuple[Ledger, ...]) -> None:
    """The logs begin after the way in: a page was used and deleted; requests and the compiled trace remain."""
    (ledger,) = ledgers
    page = "/aspnet_client/supp0rt.aspx"
    shells.use(ledger, utc("2021-03-15 22:41:09.100"), OPERATOR, page, (40, 33, 95, 21), ANT)
    shells.use(ledger, utc("2021-03-16 23:02:47.900"), SECOND_OPERATOR, page, (12, 64))
    shells.ask_around(ledger, utc("2021-03-22 09:10:00.400"), SCANNER, [page])
    compiled(ledger, "root", "~/aspnet_client", page, utc("2021-03-15 22:41:10"))
    ledger.verdict = "compromised"
    sources = (OPERATOR, SECOND_OPERATOR)
    ledger.chain("web-shell", "used", sources, utc("2021-03-15 22:41:09"), utc("2021-03-16 23:04:03"))
    ledger.door(f"{WEB}\\supp0rt.aspx", "deleted", used_by=sources)
    ledger.actor("operators", sources, (ANT, shells.OPERATOR_AGENT))
    ledger.scanners.append(SCANNER)


def dag_two_servers(ledgers: tuple[Ledger, ...]) -> None:
    """The forged requests reach EXCH01 and name EXCH02: front-end rows on one, commands and page on the other."""
    front, back = ledgers
    attack = ProxyLogon(front, Forger(INTRUDER), back)
    page = f"{AUTH}\\OutlookZA.aspx"
    attack.knock(utc("2021-03-02 23:11:40.250"))
    attack.plant(utc("2021-03-02 23:11:48.700"), page)
    shells.use(back, utc("2021-03-04 01:20:14.330"), OPERATOR, "/owa/auth/OutlookZA.aspx", (27, 49, 16))
    compiled(back, "owa", "~/auth", "/owa/auth/OutlookZA.aspx", utc("2021-03-04 01:20:15"))
    first = utc("2021-03-02 23:11:40")
    front.chain("proxylogon", "wrote", (INTRUDER,), first, utc("2021-03-02 23:11:59"))
    back.chain("proxylogon", "used", (INTRUDER, OPERATOR), first, utc("2021-03-04 01:21:46"))
    back.door(page, "present", used_by=(OPERATOR,))
    front.actor("intruder", (INTRUDER, OPERATOR), (FIRST_AGENT, SCRIPT_AGENT, shells.OPERATOR_AGENT))
    front.verdict = back.verdict = "compromised"


def two_actors(ledgers: tuple[Ledger, ...]) -> None:
    """Two intruders who know nothing of each other: addresses, agents, junk, pages and hours all differ."""
    (ledger,) = ledgers
    one = ProxyLogon(ledger, Forger(INTRUDER))
    one.knock(utc("2021-02-28 03:02:10.500"))
    one.plant(utc("2021-02-28 03:02:18.900"), f"{AUTH}\\errorFEE.aspx")
    shells.use(ledger, utc("2021-03-01 02:30:00.700"), OPERATOR, "/owa/auth/errorFEE.aspx", (35, 28, 52))
    other = Forger(SECOND_INTRUDER, "/ecp/main.css", "akak]", "Go-http-client/1.1", "Go-http-client/1.1", 1941997017)
    two = ProxyLogon(ledger, other)
    two.knock(utc("2021-03-04 15:40:31.020"))
    two.plant(utc("2021-03-04 15:40:42.350"), f"{WEB}\\iisstart2.aspx")
    shells.use(ledger, utc("2021-03-04 15:52:10.810"), SECOND_OPERATOR, "/aspnet_client/iisstart2.aspx", (9, 11, 8, 15), ANT)
    compiled(ledger, "owa", "~/auth", "/owa/auth/errorFEE.aspx", utc("2021-03-01 02:30:01"))
    compiled(ledger, "root", "~/aspnet_client", "/aspnet_client/iisstart2.aspx", utc("2021-03-04 15:52:11"))
    sources = (INTRUDER, OPERATOR, SECOND_INTRUDER, SECOND_OPERATOR)
    ledger.verdict = "compromised"
    ledger.chain("proxylogon", "used", sources, utc("2021-02-28 03:02:10"), after(utc("2021-03-04 15:52:10"), 43))
    ledger.door(f"{AUTH}\\errorFEE.aspx", "present", used_by=(OPERATOR,))
    ledger.door(f"{WEB}\\iisstart2.aspx", "present", used_by=(SECOND_OPERATOR,))
    ledger.actor("first", (INTRUDER, OPERATOR), (FIRST_AGENT, SCRIPT_AGENT, shells.OPERATOR_AGENT))
    ledger.actor("second", (SECOND_INTRUDER, SECOND_OPERATOR), ("Go-http-client/1.1", ANT))
