"""What belongs to a server's life and looks like an attack: scanners from the internet, administrators at work."""

from __future__ import annotations

from datetime import datetime, timedelta

from afterpatch.demo.events import cmdlet
from afterpatch.demo.ledger import Ledger
from afterpatch.demo.rows import Hit, Relay
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
        if day.weekday() == 3:
            temporary = f"{ledger.server.install}\\ClientAccess\\OAB\\Temp\\{book}\\oab.xml"
            failed = f"Download failed and temporary file '{temporary}' needs to be removed"
            ledger.add([scribe.oab(after(day, 3 * 3600 + 9), failed, book)], False)
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
            ledger.note(cmdlet(ledger.server, moment, "Set-Mailbox", parameters, ADMIN, "ServerRemoteHost-EMS"))
        day += timedelta(days=1)


def address_book_url(ledger: Ledger, moment: datetime, remake: bool = False) -> None:
    """An administrator gives the address book a proper address in ECP; `remake`: removes and makes it again as well."""
    name, server = ledger.server.name, ledger.server
    vdir = f"{name}\\OAB (Default Web Site)"
    commands = [("Set-OabVirtualDirectory", {"ExternalUrl": f"https://{server.mail_host}/OAB", "Identity": vdir})]
    if remake:
        new = {
            "WebSiteName": "Default Web Site",
            "Server": name,
            "Role": "ClientAccess",
            "InternalURL": f"https://{server.fqdn}/OAB",
            "Path": f"{server.install}\\FrontEnd\\HttpProxy\\OAB",
        }
        remove = {"Force": "$true", "Identity": vdir}
        commands = [("Remove-OABVirtualDirectory", remove), ("New-OABVirtualDirectory", new), *commands]
    session = ledger.scribe.ids.guid()
    for number, (command, parameters) in enumerate(commands):
        _in_ecp(ledger, after(moment, 1.4 * number), command, parameters, session)


def _in_ecp(ledger: Ledger, moment: datetime, command: str, parameters: dict[str, str], session: str) -> None:
    """One command of a signed-in administrator in ECP, in the five logs that record it."""
    server, scribe = ledger.server, ledger.scribe
    user, agent = f"{server.netbios}\\exadmin", facts()["agents"]["browser"][0]
    stem, query = "/ecp/DDI/DDIService.svc/SetObject", "msExchEcpCanary=ADMIN.&schema=OABVirtualDirectory"
    hit = Hit(
        moment, "10.0.0.21", "POST", stem, query=query, agent=agent, user=user, protocol="Ecp", auth="Negotiate",
        anchor=f"Sid~{DOMAIN_SID}-1101", hint="WindowsIdentity", bytes_in=900, bytes_out=1400, taken=700,
        referer=f"https://{server.mail_host}/ecp/VDirMgmt/EditOABVDir.aspx", relay=Relay(stem, query, user, agent),
    )  # fmt: skip
    ledger.hit(hit, planted=False)
    texts = (f"{key}={value}" if value.startswith("$") else f"{key}='{value}'" for key, value in parameters.items())
    url = f"{stem}?{query}"
    ledger.add(
        [
            scribe.ecp(moment, ".".join((command, *texts)), url, session=session),
            scribe.ecp_activity(moment, f"exadmin@{server.mail_domain}", url),
            scribe.audit(moment, command, tuple(parameters.items()), user, f"{server.name}\\OAB (Default Web Site)"),
        ],
        planted=False,
    )
    ledger.note(cmdlet(server, moment, command, parameters.items(), "example.local/Users/exadmin", ""))
