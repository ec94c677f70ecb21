"""A real incident rebuilt from its published log lines (`data/incident.yml`), with documentation addresses."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from afterpatch.demo.inert import inert
from afterpatch.demo.ledger import Ledger
from afterpatch.demo.machine import compiled
from afterpatch.demo.rows import Hit
from afterpatch.demo.scenes.moments import utc
from afterpatch.demo.scenes.proxylogon import FIRST_AGENT, SCRIPT_AGENT, Forger, ProxyLogon

INTRUDER, VISITOR, SCANNER = "203.0.113.21", "198.51.100.36", "198.51.100.9"
PAGE = "/owa/auth/RedirSuiteServerProxy.aspx"
PUBLIC_ADDRESS = "192.0.2.5"


@lru_cache(maxsize=1)
def _lines() -> dict[str, Any]:
    text = files("afterpatch.demo").joinpath("data/incident.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def incident(ledgers: tuple[Ledger, ...]) -> None:
    """Two chains within ten minutes, the page looked at by others later, removed by the scanner of the vendor."""
    (ledger,) = ledgers
    table = _lines()
    hosts = {"mail": "mail.example.com", "autodiscover": "autodiscover.example.com", "address": PUBLIC_ADDRESS}
    attack = ProxyLogon(ledger, Forger(INTRUDER))
    for time, host, path, status in table["forged"]:
        attack.relay(utc(time), _canaries(path), status, hosts[host])
    _commands(ledger)
    for time, client, host, path, status, agent in table["pages"]:
        hit = Hit(
            utc(time), client, "GET", path, status=status, agent=table["agents"][agent], protocol="Owa", taken=104,
            host=hosts[host],
        )  # fmt: skip
        ledger.hit(hit)
    compiled(ledger, "owa", "~/auth", PAGE, utc("2021-03-05 03:06:27"))
    ledger.verdict = "compromised"
    sources = (INTRUDER, VISITOR)
    ledger.chain("proxylogon", "used", sources, utc("2021-03-03 06:49:42"), utc("2021-03-05 08:11:58"))
    path = "{ex}\\FrontEnd\\HttpProxy\\owa\\auth\\RedirSuiteServerProxy.aspx"
    ledger.door(path, "deleted", used_by=(VISITOR, SCANNER))
    ledger.actor("intruder", sources, (FIRST_AGENT, SCRIPT_AGENT, table["agents"]["a1"]))
    ledger.scanners.append(SCANNER)


def _canaries(text: str) -> str:
    return text.replace("@FIRST@", "M1xREMOVEDuw").replace("@SECOND@", "8BeREMOVEDL8")


def _commands(ledger: Ledger) -> None:
    script = inert("external_url").decode()
    sessions = {_canaries(mark): ledger.scribe.ids.guid() for mark in ("@FIRST@", "@SECOND@")}
    marks = {"@SCRIPT@": script, "@FQDN@": ledger.server.fqdn, "@SERVER@": ledger.server.name}
    for time, command, error in _lines()["commands"]:
        for mark, value in marks.items():
            command, error = command.replace(mark, value), error.replace(mark, value)
        canary = _canaries("@FIRST@" if time < "2021-03-03T06:55" else "@SECOND@")
        call = "GetObject" if "Identity=$null" in command or "Regional" in command else "SetObject"
        plain = call == "GetObject" or "Set-" in command or "ADProperties" in command
        schema = "OABVirtualDirectory" if plain else "ResetOABVirtualDirectory"
        url = f"/ecp/DDI/DDIService.svc/{call}?msExchEcpCanary={canary}.&schema={schema}"
        error = error.replace("exist.The", "exist.\r\n\r\nThe")
        ledger.add([ledger.scribe.ecp(utc(time), command, url, error, sessions[canary])])
