"""The traffic of a working server: the kinds of requests clients and probes make, and their rows in every log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from afterpatch.demo.formats import exchange_time
from afterpatch.demo.rows import Hit, Relay, Row
from afterpatch.demo.scribe import Scribe

LEVELS = ("night", "edge", "work")
DOMAIN_SID = "S-1-5-21-1004336348-1177238915-682003330"


@lru_cache(maxsize=1)
def facts() -> dict[str, Any]:
    """The tables of `data/traffic.yml`."""
    text = files("afterpatch.demo").joinpath("data/traffic.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


@dataclass(frozen=True, slots=True)
class Person:
    """A mailbox user and where they sit."""

    number: int
    client: str
    sid: str

    @property
    def name(self) -> str:
        """`user07`."""
        return f"user{self.number:02d}"  # 01 .. 24, in dense traffic up to three digits

    @property
    def mailbox(self) -> str:
        """The id of their mailbox."""
        return f"{self.number:08x}-0b57-4d1e-a7c1-000000000000"


def person(number: int) -> Person:
    """The user of a number from 1 on; address and SID follow from it."""
    network = facts()["client_network"]
    return Person(number, f"{network}.{10 + number * 7 % 190}", f"{DOMAIN_SID}-{1100 + number}")


class Traffic:
    """Makes the rows of single benign requests at given moments."""

    def __init__(self, scribe: Scribe, dense: bool = False) -> None:
        self.scribe = scribe
        self._users: int = facts()["dense_users" if dense else "users"]
        self.server = scribe.server

    def pick(self, kind: str) -> str:
        """One of the user agents of a kind of client."""
        agents: list[str] = facts()["agents"][kind]
        return agents[self.scribe.ids.number(0, len(agents) - 1)]

    def someone(self) -> Person:
        """A user."""
        return person(self.scribe.ids.number(1, self._users))

    def _hit(self, who: Person, moment: datetime, method: str, stem: str, **more: Any) -> Hit:
        expiry = exchange_time(moment)[:-5]
        database = f"Database~7c1ad3b4-0e1f-4f69-9a0b-2d5e8f6a1b3c~~{expiry}~{self.server.domain}~1"
        base = Hit(
            moment, who.client, method, stem, user=f"{self.server.netbios}\\{who.name}", auth="Negotiate",
            anchor=f"Sid~{who.sid}", hint="WindowsIdentity", cookie=database, bytes_in=480, bytes_out=1900,
            taken=self.scribe.ids.number(6, 60), guid=self.scribe.ids.guid(),
        )  # fmt: skip
        return replace(base, **more)

    # ---- clients --------------------------------------------------------------------------------------------------

    def outlook_mapi(self, moment: datetime) -> Iterator[Row]:
        """Outlook over MAPI/HTTP: mostly the mailbox, at times the address book."""
        who = self.someone()
        book = self.scribe.ids.number(1, 8) == 1
        stem = "/mapi/nspi/" if book else "/mapi/emsmdb/"
        box = f"{who.mailbox}@{self.server.mail_domain}"
        front = f"FrontEnd={self.server.fqdn.upper()}&RequestId={{guid}}"
        hit = self._hit(
            who, moment, "POST", stem, query=f"MailboxId={box}", agent=self.pick("outlook"), protocol="Mapi",
            anchor=f"MailboxGuid~{who.mailbox}", hint="MailboxGuidWithDomain",
        )  # fmt: skip
        relay = Relay(stem, f"MailboxId={box}&{front}", hit.user, hit.agent)
        yield from self.scribe.hit(replace(hit, relay=relay))
        if not book:
            yield self.scribe.mapi(hit, hit.guid, "Execute", self.address(who), "OUTLOOK.EXE")

    def outlook_rpc(self, moment: datetime) -> Iterator[Row]:
        """Outlook Anywhere."""
        who = self.someone()
        query = f"{self.server.fqdn}:6001" if self.server.generation == "V14" else f"{who.mailbox}@example.com:6001"
        hit = self._hit(
            who, moment, "RPC_IN_DATA", "/rpc/rpcproxy.dll", query=query, agent="MSRPC", protocol="RpcHttp",
            auth="NTLM", taken=900_000,
        )  # fmt: skip
        yield from self.scribe.hit(replace(hit, relay=Relay("/rpc/rpcproxy.dll", query, hit.user)))
        yield self.scribe.rca(moment, who.name, who.client, "Connect")

    def phone(self, moment: datetime) -> Iterator[Row]:
        """ActiveSync."""
        who = self.someone()
        command = ("Ping", "Sync", "FolderSync", "Ping")[self.scribe.ids.number(0, 3)]
        device = f"DeviceId=DEV{who.number:029d}&DeviceType=iPhone"
        device = f"Cmd={command}&User={self.server.netbios}%5C{who.name}&{device}"
        hit = self._hit(
            who, moment, "POST", "/Microsoft-Server-ActiveSync/default.eas", query=device, agent=self.pick("phone"),
            protocol="Eas", auth="Basic", hint="WindowsIdentity-NoDatabase",
        )  # fmt: skip
        relay = Relay("/Microsoft-Server-ActiveSync/Proxy/default.eas", f"{device}&Log=V141_LdapC1_Cpo15000", hit.user)
        yield from self.scribe.hit(replace(hit, relay=relay))

    def owa(self, moment: datetime) -> Iterator[Row]:
        """Outlook on the web: signing in, static content, and calls of the service."""
        who, step = self.someone(), self.scribe.ids.number(0, 9)
        agent = self.pick("browser")
        root = f"https://{self.server.mail_host}/owa/"
        quiet = {"user": "", "anchor": "", "hint": "", "cookie": "", "auth": "FBA", "agent": agent, "protocol": "Owa"}
        build = self.scribe.build_at(moment).number
        if step == 0:
            query = f"replaceCurrent=1&url=https%3a%2f%2f{self.server.mail_host}%2fowa%2f"
            yield from self.scribe.hit(self._hit(who, moment, "GET", "/owa/auth/logon.aspx", query=query, **quiet))
        elif step == 1:
            login = self._hit(who, moment, "POST", "/owa/auth.owa", status=302, **quiet)
            yield from self.scribe.hit(replace(login, user=self.address(who), referer=f"{root}auth/logon.aspx"))
        elif step == 2:
            sheet = f"/owa/auth/{build.rpartition('.')[0]}/themes/resources/logon.css"
            hit = self._hit(who, moment, "GET", sheet, **quiet)
            yield from self.scribe.hit(replace(hit, referer=f"{root}auth/logon.aspx"))
        else:
            yield from self._owa_service(who, moment, agent, root)

    def _owa_service(self, who: Person, moment: datetime, agent: str, root: str) -> Iterator[Row]:
        action = ("FindItem", "GetItem", "FindConversation", "GetFolder", "UpdateItem")[self.scribe.ids.number(0, 4)]
        query = f"action={action}&EP=1&ID=-{self.scribe.ids.number(3, 90)}&AC=1"
        if self.server.generation == "V14":
            stem, query = "/owa/ev.owa", f"oeh=1&ns=MsgVLV2&ev={action}"
        else:
            stem = "/owa/service.svc"
        hit = self._hit(who, moment, "POST", stem, query=query, agent=agent, protocol="Owa", auth="FBA", referer=root)
        relay = Relay(stem, f"{query}&ActID={self.scribe.ids.guid()}", hit.user)
        yield from self.scribe.hit(replace(hit, relay=relay))
        yield self.scribe.owa(moment, action, self.address(who))

    def mac(self, moment: datetime) -> Iterator[Row]:
        """Mac clients over EWS."""
        who = self.someone()
        hit = self._hit(who, moment, "POST", "/EWS/Exchange.asmx", agent=self.pick("mac"), protocol="Ews", auth="NTLM")
        relay = Relay("/EWS/Exchange.asmx", f"ActID={self.scribe.ids.guid()}", hit.user)
        yield from self.scribe.hit(replace(hit, relay=relay))
        action = ("SyncFolderItems", "GetItem", "FindItem")[self.scribe.ids.number(0, 2)]
        yield self.scribe.ews(moment, action, self.address(who), self.address(who), hit.agent, who.client)

    def discover_xml(self, moment: datetime) -> Iterator[Row]:
        """Autodiscover, the XML service."""
        who = self.someone()
        hit = self._hit(
            who, moment, "POST", "/autodiscover/autodiscover.xml", agent=self.pick("outlook"), protocol="Autodiscover",
            host=f"autodiscover.{self.server.mail_domain}",
        )  # fmt: skip
        relay = Relay("/autodiscover/autodiscover.xml", f"&reqId={self.scribe.ids.guid()}", hit.user)
        yield from self.scribe.hit(replace(hit, relay=relay))

    def discover_json(self, moment: datetime) -> Iterator[Row]:
        """Autodiscover, the JSON service as phones use it: an address and a protocol, no path after the `@`."""
        who = self.someone()
        query = f"Email={who.name}%40{self.server.mail_domain}&Protocol=ActiveSync&RedirectCount=1"
        hit = self._hit(
            who, moment, "GET", "/autodiscover/autodiscover.json", query=query, agent="Outlook-iOS-Android/1.0",
            protocol="Autodiscover", host=f"autodiscover.{self.server.mail_domain}", user="", auth="Anonymous",
            anchor="", hint="", cookie="",
        )  # fmt: skip
        yield from self.scribe.hit(hit)

    def address_book(self, moment: datetime) -> Iterator[Row]:
        """Outlook fetching the offline address book."""
        who = self.someone()
        stem = "/OAB/3d6e1a2b-1f2e-4c5d-9e8f-0a1b2c3d4e5f/oab.xml"
        hit = self._hit(who, moment, "GET", stem, agent="Microsoft BITS/7.8", protocol="OAB")
        yield from self.scribe.hit(replace(hit, relay=Relay(stem, f"ActID={self.scribe.ids.guid()}", hit.user)))

    def address(self, who: Person) -> str:
        """Their mail address."""
        return f"{who.name}@{self.server.mail_domain}"

    # ---- probes ---------------------------------------------------------------------------------------------------

    def balancer(self, moment: datetime) -> Iterator[Row]:
        """The load balancer's health check, answered by the front end itself."""
        guid = self.scribe.ids.guid()
        query = f"&CorrelationID=<empty>;&cafeReqId={guid};" if self.server.generation != "V14" else ""
        yield from self.scribe.hit(
            Hit(moment, "10.0.0.9", "GET", "/owa/healthcheck.htm", query=query, agent=self.pick("monitor"), taken=2)
        )

    def _probe(self, moment: datetime, protocol: str, stem: str, method: str = "GET", **more: Any) -> Hit:
        user = f"{self.server.netbios}\\HealthMailbox4f1d2e3"
        hit = Hit(
            moment, "127.0.0.1", method, stem, agent="AMProbe/Local/ClientAccess", user=user, host="localhost",
            protocol=protocol, auth="Negotiate", anchor="Sid~S-1-5-21-1004336348-1177238915-682003330-1142",
            hint="WindowsIdentity", taken=4, guid=self.scribe.ids.guid(),
        )  # fmt: skip
        return replace(hit, **more)

    def probe_owa(self, moment: datetime) -> Iterator[Row]:
        """Managed availability asking OWA."""
        yield from self.scribe.hit(self._probe(moment, "Owa", "/owa/"))

    def probe_ecp(self, moment: datetime) -> Iterator[Row]:
        """Managed availability asking ECP."""
        yield from self.scribe.hit(self._probe(moment, "Ecp", "/ecp/"))

    def back_probes(self, moment: datetime, ews: bool) -> Iterator[Row]:
        """Managed availability asking the back end itself: hourly, so that these logs have no gaps."""
        path = "/ecp/RulesEditor/InboxRules.svc/GetList?msExchEcpCanary=PROBE."
        yield self.scribe.ecp(moment, "Get-InboxRule", path)
        yield self.scribe.ecp_activity(moment, f"HealthMailbox4f1d2e3@{self.server.domain}", path)
        probe = self._probe(moment, "", path.partition("?")[0], "POST")
        yield self.scribe.relayed(replace(probe, relay=Relay(probe.stem, path.partition("?")[2], probe.user, probe.agent)))
        if ews:
            yield self._ews_probe(moment)

    def _ews_probe(self, moment: datetime) -> Row:
        box = f"HealthMailbox4f1d2e3@{self.server.domain}"
        agent = f"Ews_AM_Probe/Local (ExchangeServicesClient/{self.scribe.build_at(moment).padded})"
        return self.scribe.ews(moment, "GetFolder", box, box, agent, "::1", AuthenticationType="Logon")

    def probe_ews(self, moment: datetime) -> Iterator[Row]:
        """Managed availability asking EWS, front and back end."""
        yield from self.scribe.hit(self._probe(moment, "Ews", "/ews/"))
        yield self._ews_probe(moment)

    def probe_mapi(self, moment: datetime) -> Iterator[Row]:
        """Managed availability connecting over MAPI/HTTP."""
        hit = self._probe(
            moment, "Mapi", "/mapi/emsmdb/", "POST",
            query="mailboxId=0000008e-0b57-4d1e-a7c1-000000000000@example.local", agent="MapiHttpClient",
            anchor="MailboxGuid~0000008e-0b57-4d1e-a7c1-000000000000", hint="MailboxGuidWithDomain",
            client=self.server.link_local, host=self.server.fqdn,
        )  # fmt: skip
        yield from self.scribe.hit(hit)
        yield self.scribe.mapi(hit, hit.guid, "Connect", f"HealthMailbox4f1d2e3@{self.server.domain}", "MapiHttpClient")

    def probe_powershell(self, moment: datetime) -> Iterator[Row]:
        """Managed availability opening remote PowerShell."""
        server = f"Server~{self.server.fqdn}~{self.scribe.build_at(moment).encoded}~{exchange_time(moment)[:-5]}"
        hit = self._probe(
            moment, "PowerShell", "/powershell", "POST", agent="Microsoft WinRM Client", host=self.server.fqdn,
            auth="Kerberos", anchor=f"ServerVersion~Version 15.1 (Build {self.scribe.build_at(moment).parts[2]}.0)",
            hint="ExchClientVer-ServerCookie", cookie=server,
            query="clientApplication=ActiveMonitor;PSVersion=5.1.14393.3866",
        )  # fmt: skip
        yield from self.scribe.hit(hit)
        caller = f"{self.server.domain}/Monitoring Mailboxes/HealthMailbox4f1d2e3"
        yield self.scribe.cmdlet(
            moment, "Get-Mailbox", (("ResultSize", "1"),), caller, ClientApplication="ActiveMonitor", IsAdmin="False"
        )
        yield self.scribe.rps_http(moment, "127.0.0.1", "Exchange BackEnd Probes", hit.user)

    def mail(self, moment: datetime) -> Iterator[Row]:
        """A message arriving by SMTP."""
        who, session = self.someone(), self.scribe.ids.guid().replace("-", "")[:16].upper()
        client = f"192.0.2.{self.scribe.ids.number(220, 250)}"
        yield self.scribe.smtp(moment, session, 1, client, "<", "EHLO relay.example.net")
        yield self.scribe.smtp(moment, session, 2, client, "<", f"RCPT TO:<{self.address(who)}>")
        size = self.scribe.ids.number(4_000, 90_000)
        yield self.scribe.track(moment, "sender@example.net", self.address(who), "Weekly figures", size, client)


Maker = Callable[[Traffic, datetime], Iterator[Row]]
CLIENTS: dict[str, Maker] = {
    "outlook_mapi": Traffic.outlook_mapi,
    "outlook_rpc": Traffic.outlook_rpc,
    "phone": Traffic.phone,
    "owa": Traffic.owa,
    "mac": Traffic.mac,
    "discover_xml": Traffic.discover_xml,
    "discover_json": Traffic.discover_json,
    "address_book": Traffic.address_book,
}
PROBES: tuple[Maker, ...] = (
    Traffic.probe_powershell,
    Traffic.probe_ews,
    Traffic.probe_ecp,
    Traffic.probe_mapi,
    Traffic.probe_owa,
)
