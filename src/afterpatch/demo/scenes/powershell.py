"""Ways in that end in remote PowerShell: ProxyShell, ProxyNotShell, OWASSRF. Tokens and bodies are removed."""

from __future__ import annotations

from datetime import datetime

from afterpatch.demo.events import cmdlet, worker_command
from afterpatch.demo.inert import inert
from afterpatch.demo.ledger import Ledger
from afterpatch.demo.machine import compiled
from afterpatch.demo.rows import Hit, Relay
from afterpatch.demo.scenes import shells
from afterpatch.demo.scenes.moments import after, utc
from afterpatch.demo.scribe import Parameters

INTRUDER, OPERATOR = "203.0.113.64", "203.0.113.65"
TOOL_AGENT = "python-requests/2.26.0"
CHROME_105 = shells.CHROME.format("105.0.5195.54")
WEB = "C:\\inetpub\\wwwroot\\aspnet_client"
_MAILBOX_ID = "Email=autodiscover/autodiscover.json%3F@example.net"


def _confused(ledger: Ledger, moment: datetime, path: str, user: str = "", agent: str = TOOL_AGENT, status: int = 200) -> None:
    """One request whose address hides a back-end path: front-end rows, and the relayed row where it got through."""
    stem, _, query = path.partition("?")
    account = user or ledger.server.machine_account
    relay = Relay(stem, query, account, agent) if status == 200 else None
    hit = Hit(
        moment, INTRUDER, "POST", "/autodiscover/autodiscover.json", query=f"@example.net{path}&{_MAILBOX_ID}",
        status=status, agent=agent, user=user, protocol="Autodiscover", auth="Basic" if user else "Anonymous",
        target=ledger.server.fqdn.upper() if status == 200 else "", bytes_in=900, bytes_out=2300,
        taken=210, relay=relay,
    )  # fmt: skip
    ledger.hit(hit)


def _cmdlet(ledger: Ledger, moment: datetime, name: str, parameters: Parameters, caller: str, target: str) -> None:
    scribe = ledger.scribe
    ledger.add(
        [
            scribe.cmdlet(moment, name, parameters, caller, ClientApplication="Unknown"),
            scribe.audit(moment, name, parameters, caller, target),
        ]
    )
    ledger.note(cmdlet(ledger.server, moment, name, parameters, caller, "Unknown"))


def proxyshell_export(ledgers: tuple[Ledger, ...]) -> None:
    """August 2021: through autodiscover.json to PowerShell, a role, a draft exported as a page, the request removed."""
    (ledger,) = ledgers
    start = utc("2021-08-13 02:13:50.210")
    steps = ("/autodiscover/autodiscover.xml?", "/mapi/emsmdb/?", "/mapi/nspi/?")
    for number, path in enumerate((*steps, *["/powershell/?X-Rps-CAT=[removed]"] * 6)):
        _confused(ledger, after(start, 1.7 * number), path)
        if number > 2:
            info = {"AuthenticationType": "Kerberos", "HttpStatus": "200"}
            row = ledger.scribe.rps_http(after(start, 1.7 * number), INTRUDER, TOOL_AGENT, "example.local/Users/exadmin", **info)
            ledger.add([row])
    _export(ledger, after(start, 25))
    page = "/aspnet_client/hqzmvbtx.aspx"
    last = shells.use(ledger, utc("2021-08-13 02:15:31.800"), INTRUDER, page, (6, 21, 17))
    shells.use(ledger, utc("2021-08-20 19:44:05.020"), OPERATOR, page, (30, 44, 12, 80))
    compiled(ledger, "root", "~/aspnet_client", page, utc("2021-08-13 02:15:32"))
    ledger.put(f"{WEB}\\hqzmvbtx.aspx", inert("pst_page"), utc("2021-08-13 02:14:20"))
    ledger.verdict = "compromised"
    ledger.chain("proxyshell", "used", (INTRUDER, OPERATOR), start, max(last, utc("2021-08-20 19:46:51")))
    ledger.door(f"{WEB}\\hqzmvbtx.aspx", "present", used_by=(INTRUDER, OPERATOR))
    ledger.actor("exporter", (INTRUDER, OPERATOR), (TOOL_AGENT, shells.OPERATOR_AGENT))
    ledger.mailboxes.append("user05@example.com")


def _export(ledger: Ledger, moment: datetime) -> None:
    caller, box = "example.local/Users/exadmin", "user05@example.com"
    role = (("Role", "Mailbox Import Export"), ("User", "exadmin@example.com"))
    _cmdlet(ledger, moment, "New-ManagementRoleAssignment", role, caller, "Mailbox Import Export-exadmin")
    target = "\\\\localhost\\C$\\inetpub\\wwwroot\\aspnet_client\\hqzmvbtx.aspx"
    export = (
        ("Mailbox", box),
        ("IncludeFolders", "#Drafts#"),
        ("ContentFilter", "Subject -eq 'hqzmvbtx'"),
        ("FilePath", target),
    )
    _cmdlet(
        ledger,
        after(moment, 4),
        "New-MailboxExportRequest",
        export,
        caller,
        "example.local/Users/user05\\MailboxExport",
    )
    remove = (("Identity", "example.local/Users/user05\\MailboxExport"), ("Confirm", "False"))
    _cmdlet(ledger, after(moment, 29), "Remove-MailboxExportRequest", remove, caller, remove[0][1])


def proxynotshell(ledgers: tuple[Ledger, ...]) -> None:
    """September 2022: the same door with a stolen password; a handler page is written and used."""
    (ledger,) = ledgers
    user, page = "EXAMPLE\\user09", "/owa/auth/pxh4HG1v.ashx"
    start = utc("2022-09-12 21:05:12.440")
    _confused(ledger, after(start, -40), "/PowerShell/?", agent=CHROME_105, status=401)
    for number in range(4):
        moment = after(start, 6.3 * number)
        _confused(ledger, moment, "/PowerShell/?", user, CHROME_105)
        ledger.add([ledger.scribe.rps_http(moment, INTRUDER, CHROME_105, user)])
    ledger.put("{ex}\\FrontEnd\\HttpProxy\\owa\\auth\\pxh4HG1v.ashx", inert("csharp_page"), utc("2022-09-12 21:05:36"))
    last = shells.use(ledger, utc("2022-09-12 21:09:40.120"), OPERATOR, page, (19, 45, 33, 60), "antSword/v2.1")
    compiled(ledger, "owa", "~/auth", page, utc("2022-09-12 21:09:41"))
    ledger.verdict = "compromised"
    ledger.chain("proxynotshell", "used", (INTRUDER, OPERATOR), start, last)
    ledger.door("{ex}\\FrontEnd\\HttpProxy\\owa\\auth\\pxh4HG1v.ashx", "present", used_by=(OPERATOR,))
    ledger.actor("intruder", (INTRUDER, OPERATOR), (CHROME_105, "antSword/v2.1"))


def owassrf(ledgers: tuple[Ledger, ...]) -> None:
    """December 2022: OWA relays to PowerShell with a user's own password; no page is left."""
    (ledger,) = ledgers
    user, start = "EXAMPLE\\user09", utc("2022-12-04 18:22:07.310")
    for number in range(5):
        moment = after(start, 8.4 * number)
        relay = Relay("/powershell", "", user, CHROME_105)
        hit = Hit(
            moment, INTRUDER, "POST", "/owa/user09%40example.com/powershell", agent=CHROME_105, user=user,
            protocol="Owa",
            auth="Basic", target=ledger.server.fqdn.upper(), bytes_in=2400, bytes_out=1800, taken=330, relay=relay,
        )  # fmt: skip
        ledger.hit(hit)
        client = f"{INTRUDER} {ledger.server.link_local}"
        ledger.add([ledger.scribe.rps_http(moment, client, CHROME_105, user)])
    ledger.note(worker_command(ledger.server, after(start, 41), "cmd.exe /c whoami"))
    ledger.verdict = "compromised"
    ledger.chain("owassrf", "used", (INTRUDER,), start, after(start, 41))
    ledger.actor("intruder", (INTRUDER,), (CHROME_105,))
