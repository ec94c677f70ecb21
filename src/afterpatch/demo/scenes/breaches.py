"""Breaches by ProxyLogon, from probe to theft."""

from __future__ import annotations

from afterpatch.demo.inert import inert
from afterpatch.demo.ledger import Ledger
from afterpatch.demo.machine import compiled
from afterpatch.demo.scenes import shells
from afterpatch.demo.scenes.moments import utc
from afterpatch.demo.scenes.proxylogon import FIRST_AGENT, SCRIPT_AGENT, Forger, ProxyLogon, Theft
from afterpatch.demo.traffic import facts

INTRUDER, OPERATOR, SCANNER = "203.0.113.21", "203.0.113.36", "198.51.100.9"


def intrusion(ledgers: tuple[Ledger, ...]) -> None:
    """The main example: in on 3 March, back on the 5th, mail read on the 4th, an archive fetched on the 7th."""
    (ledger,) = ledgers
    attack = ProxyLogon(ledger, Forger(INTRUDER))
    page = "{ex}\\FrontEnd\\HttpProxy\\owa\\auth\\errorFEE.aspx"
    attack.knock(utc("2021-03-03 06:49:42.162"))
    attack.plant(utc("2021-03-03 06:49:51.543"), page, resets=False)
    attack.knock(utc("2021-03-03 06:59:10.817"), "autodiscover.example.com")
    attack.plant(utc("2021-03-03 06:59:14.588"), page, "autodiscover.example.com")
    _read_mail(attack)
    _work_through_pages(ledger)
    ledger.verdict = "compromised"
    ledger.chain("proxylogon", "used", (INTRUDER, OPERATOR), utc("2021-03-03 06:49:42"), utc("2021-03-07 02:16:20"))
    ledger.actor("intruder", (INTRUDER, OPERATOR), (FIRST_AGENT, SCRIPT_AGENT, shells.OPERATOR_AGENT, "antSword/v2.1"))
    ledger.scanners.append(SCANNER)


def _read_mail(attack: ProxyLogon) -> None:
    boxes = ("user03@example.com", "user07@example.com", "user11@example.com")
    thefts = []
    for number, box in enumerate(boxes):
        thefts += [Theft("FindFolder", box, 9_400), Theft("FindItem", box, 61_000 + 9_000 * number)]
        thefts += [Theft("GetItem", box, 420_000 * (step + 1 + number)) for step in range(4)]
    attack.steal(utc("2021-03-04 11:20:08.310"), thefts)


def _work_through_pages(ledger: Ledger) -> None:
    first, second, third = "/owa/auth/errorFEE.aspx", "/aspnet_client/system_web/Kx7Qm2Za.aspx", "/aspnet_client/discover.aspx"
    ledger.put("C:\\inetpub\\wwwroot\\aspnet_client\\system_web\\Kx7Qm2Za.aspx", inert("jscript_page"), utc("2021-03-05 03:09:12"))
    shells.use(ledger, utc("2021-03-05 03:06:27.696"), OPERATOR, first, (31, 44, 90, 12, 61))
    shells.use(ledger, utc("2021-03-05 03:12:02.410"), OPERATOR, second, (18, 25, 41, 8, 120, 33), "antSword/v2.1")
    shells.use(ledger, utc("2021-03-05 08:11:58.846"), OPERATOR, third, (22, 19), "antSword/v2.1")
    shells.use(ledger, utc("2021-03-07 02:10:11.020"), OPERATOR, second, (14, 71, 52), "antSword/v2.1")
    shells.ask(ledger, utc("2021-03-07 02:16:20.118"), OPERATOR, "/aspnet_client/it.zip", shells.OPERATOR_AGENT, taken=90_433)
    shells.ask_around(ledger, utc("2021-03-06 17:27:44.124"), SCANNER, [*facts()["shell_names"], first], [first])
    shells.ask(ledger, utc("2021-03-09 02:55:13.675"), OPERATOR, third, "antSword/v2.1", status=404)
    compiled(ledger, "owa", "~/auth", first, utc("2021-03-05 03:06:28"))
    compiled(ledger, "root", "~/aspnet_client/system_web", second, utc("2021-03-05 03:12:03"))
    compiled(ledger, "root", "~/aspnet_client", third, utc("2021-03-05 08:11:59"))
    ledger.door("{ex}\\FrontEnd\\HttpProxy\\owa\\auth\\errorFEE.aspx", "present", used_by=(OPERATOR, SCANNER))
    ledger.door("C:\\inetpub\\wwwroot\\aspnet_client\\system_web\\Kx7Qm2Za.aspx", "present", used_by=(OPERATOR,))
    ledger.door("C:\\inetpub\\wwwroot\\aspnet_client\\discover.aspx", "deleted", used_by=(OPERATOR,))
