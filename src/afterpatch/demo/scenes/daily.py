"""What belongs to a server's life and looks like an attack: scanners from the internet, administrators at work."""

from __future__ import annotations

from datetime import datetime, timedelta

from afterpatch.demo.ledger import Ledger
from afterpatch.demo.rows import Hit
from afterpatch.demo.scenes.moments import after
from afterpatch.demo.traffic import DOMAIN_SID, facts

ADMIN = "example.local/Users/exadmin"


def internet_noise(ledger: Ledger, start: datetime, end: datetime) -> None:
    """Two scanners a day: the usual names, the usual answers. Not marked as planted: every server has them."""
    rows = facts()["scanners"]
    ids = ledger.scribe.ids
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < end:
        for number in range(2):
            what = rows[(day.toordinal() + 3 * number) % len(rows)]
            moment = after(day, ids.number(0, 86_399))
            client = f"198.51.100.{ids.number(130, 250)}"
            protocol = what.get("protocol", "") if ledger.server.generation == "V15" else ""
            ledger.hit(
                Hit(
                    moment, client, what["method"], what["stem"], query=what.get("query", ""), status=what["status"],
                    agent=what["agent"], protocol=protocol, host=ledger.server.mail_host, taken=3,
                    win32=2 if what["status"] == 404 else 0,
                ),
                planted=False,
            )  # fmt: skip
            idle = ledger.scribe.http_error(after(moment, 130), client, ("-", "-"), "-", "Timer_ConnectionIdle")
            ledger.add([idle], False)
        day += timedelta(days=1)


def weekly_work(ledger: Ledger, start: datetime, end: datetime) -> None:
    """Administrators' cmdlets on Tuesdays, the address book generated every night."""
    scribe, user = ledger.scribe, f"{ledger.server.netbios}\\exadmin"
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < end:
        book = "3d6e1a2b-1f2e-4c5d-9e8f-0a1b2c3d4e5f"
        ledger.add([scribe.oab(after(day, 3 * 3600 + 5), "Generation of the address book finished", book)], False)
        if day.weekday() == 1:
            moment, number = after(day, 9 * 3600 + 1740), day.toordinal() % 24 + 1
            parameters = (("Identity", f"user{number:02d}@{ledger.server.mail_domain}"), ("ProhibitSendQuota", "5 GB"))
            ledger.add(
                [
                    scribe.cmdlet(moment, "Set-Mailbox", parameters, ADMIN),
                    scribe.cmdlet(after(moment, 40), "Get-MailboxStatistics", parameters[:1], ADMIN),
                    scribe.audit(moment, "Set-Mailbox", parameters, user, f"example.local/Users/user{number:02d}"),
                    scribe.rps_http(moment, "10.0.0.21", "Microsoft WinRM Client", user),
                ],
                False,
            )
        day += timedelta(days=1)


def address_book_url(ledger: Ledger, moment: datetime, remake: bool = False) -> None:
    """An administrator gives the address book a proper address in ECP; `remake`: removes and makes it again as well."""
    server, scribe = ledger.server, ledger.scribe
    name, client = server.name, "10.0.0.21"
    user = f"{server.netbios}\\exadmin"
    identity = f"Identity='{scribe.ids.guid()}'"
    url = "/ecp/DDI/DDIService.svc/SetObject?msExchEcpCanary=ADMIN.&schema=OABVirtualDirectory"
    commands = [f"Set-OabVirtualDirectory.ExternalUrl='https://{server.mail_host}/OAB'.{identity}"]
    if remake:
        folder = f"{server.install}\\FrontEnd\\HttpProxy\\OAB"
        new = f"WebSiteName='Default Web Site'.Server='{name}'.Role='ClientAccess'"
        commands = [
            f"Remove-OABVirtualDirectory.Force=$true.Identity='{name}\\OAB (Default Web Site)'",
            f"New-OABVirtualDirectory.{new}.InternalURL='https://{server.fqdn}/OAB'.Path='{folder}'",
            *commands,
        ]
    agent = facts()["agents"]["browser"][0]
    for number, command in enumerate(commands):
        time = after(moment, 1.4 * number)
        query = url.partition("?")[2]
        hit = Hit(
            time, client, "POST", url.partition("?")[0], query=query, agent=agent, user=user, protocol="Ecp",
            auth="Negotiate", host=server.mail_host, anchor=f"Sid~{DOMAIN_SID}-1101", hint="WindowsIdentity",
            bytes_in=900, bytes_out=1400, taken=700, referer=f"https://{server.mail_host}/ecp/VDirMgmt/EditOABVDir.aspx",
        )  # fmt: skip
        ledger.hit(hit, planted=False)
        ledger.add([scribe.ecp(time, command, url)], False)
        ledger.add([scribe.ecp_activity(time, "exadmin@example.com", url)], False)
        verb, _, rest = command.partition(".")
        pairs = [tuple(part.split("=", 1)) for part in rest.replace("'", "").split(".") if part.count("=") == 1]
        parameters = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
        ledger.add([scribe.audit(time, verb, parameters, user, f"{name}\\OAB (Default Web Site)")], False)
