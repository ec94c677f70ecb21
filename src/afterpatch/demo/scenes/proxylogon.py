"""ProxyLogon as the published traces show it: a cookie that names a back end, a session, an address book turned page.

Shapes from a published incident and Microsoft's search script (sections 2.2 and 2.5 of the log reference): front-end
rows with `ServerInfo~`, relayed back-end rows of the machine account, ECP server rows with the commands. Bodies are
removed, canaries replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from afterpatch.demo.events import panel_command
from afterpatch.demo.inert import inert
from afterpatch.demo.ledger import Ledger
from afterpatch.demo.rows import Hit, Relay
from afterpatch.demo.scenes.moments import after

SCRIPT_AGENT = "python-requests/2.25.1"
FIRST_AGENT = "ExchangeServicesClient/0.0.0.0"
TOOL_BUILD = 1942062522  # the constant of public tooling: 15.1.1466
_VDIR = "OAB (Default Web Site)"


@dataclass(frozen=True, slots=True)
class Forger:
    """One intruder's habits: address, agents, the page it asks for, and the junk before the `@`."""

    address: str
    page: str = "/ecp/y.js"
    junk: str = "a]"
    agent: str = SCRIPT_AGENT
    first_agent: str = FIRST_AGENT
    build: int = TOOL_BUILD

    def anchor(self, target: str, path: str) -> str:
        """The AnchorMailbox value of a request for a back-end path."""
        return f"ServerInfo~{self.junk}@{target}:444{path}#"


@dataclass(frozen=True, slots=True)
class Theft:
    """One call of the EWS through the forged cookie: operation, mailbox, bytes of the answer."""

    action: str
    mailbox: str
    size: int


class ProxyLogon:
    """Plays the chain on a front end; `back` is where the forged cookie points (another server in a DAG)."""

    def __init__(self, front: Ledger, forger: Forger, back: Ledger | None = None) -> None:
        self.front, self.back, self.forger = front, back or front, forger
        self._session = ""

    def relay(self, moment: datetime, path: str, status: int = 200, host: str = "", **sizes: int) -> None:
        """One forged request: front-end rows here, the relayed row on the back end."""
        server, forger = self.back.server, self.forger
        agent = forger.first_agent if path.startswith("/autodiscover") else forger.agent
        stem, _, query = path.partition("?")
        hit = Hit(
            moment, forger.address, "POST", forger.page, status=status, agent=agent,
            host=host or self.front.server.mail_host,
            protocol="Ecp" if forger.page.startswith("/ecp") else "Owa", anchor=forger.anchor(server.fqdn, path),
            hint="X-BEResource-Cookie" if forger.page.startswith("/ecp") else "X-AnonResource-Backend-Cookie",
            target=server.fqdn, target_build=forger.build, bytes_in=sizes.get("bytes_in", 350),
            bytes_out=sizes.get("bytes_out", 1900), taken=sizes.get("taken", 640),
        )  # fmt: skip
        self.front.hit(hit)
        action = f"{query}&" if query else ""
        if status < 400:
            account = self.front.server.machine_account
            client = "" if self.back is self.front else self.front.server.address
            self._back_row(hit, Relay(stem, f"{action}ActID={{guid}}", account, agent, status, client))

    def _back_row(self, hit: Hit, relay: Relay) -> None:
        self.back.add([self.back.scribe.relayed(replace(hit, relay=relay))])

    def knock(self, moment: datetime, host: str = "") -> None:
        """The first three steps: autodiscover, mapi, and the session (status 241)."""
        self.relay(moment, "/autodiscover/autodiscover.xml?", host=host, bytes_out=3900, taken=1040)
        self.relay(after(moment, 1.53), "/mapi/emsmdb/?", host=host, bytes_in=150, bytes_out=1500)
        self.relay(after(moment, 4.04), "/ecp/proxyLogon.ecp?", 241, host=host, bytes_in=200, bytes_out=90, taken=900)

    def plant(self, moment: datetime, path: str, host: str = "", resets: bool = True) -> None:
        """The write: read the address book, set the script, reset to `path`, clear. `path` may hold `{ex}`."""
        canary = self.front.scribe.ids.guid().replace("-", "")[:12]
        self._session = self.front.scribe.ids.guid()
        vdir = self.front.scribe.ids.guid()
        self._ask(moment, "GetObject", canary, "OABVirtualDirectory", host)
        listing = "Get-OabVirtualDirectory.ADPropertiesOnly=$true.Identity=$null"
        self._commands(after(moment, -0.154), canary, "GetObject", (listing, "Pipeline.1|Get-MailboxRegionalConfiguration"))
        script = inert("external_url").decode()
        identity = f"Identity='{vdir}'"
        self._ask(after(moment, 2.23), "SetObject", canary, "OABVirtualDirectory", host)
        self._commands(
            after(moment, 2.2), canary, "SetObject",
            (
                f"Set-OabVirtualDirectory.ExternalUrl='{script}'.{identity}",
                f"Get-OabVirtualDirectory.ADPropertiesOnly=$true.{identity}",
            ),
        )  # fmt: skip
        if resets:
            self._reset(after(moment, 6.7), canary, identity, host)
            self.page(path, after(moment, 6.9), vdir)

    def _reset(self, moment: datetime, canary: str, identity: str, host: str) -> None:
        name, fqdn = self.back.server.name, self.back.server.fqdn
        folder = self.back.place("{ex}\\FrontEnd\\HttpProxy\\OAB")
        self._ask(moment, "SetObject", canary, "ResetOABVirtualDirectory", host, taken=2300)
        new = (
            f"WebSiteName='Default Web Site'.Server='{name}'.Role='ClientAccess'.InternalURL='https://{fqdn}/OAB'.Path='{folder}'"
        )
        self._commands(
            after(moment, 0.04), canary, "SetObject",
            (
                f"Get-OABVirtualDirectory.{identity}",
                f"Get-ExchangeServer.Identity='{name}'",
                f"Remove-OABVirtualDirectory.Force=$true.Identity='{name}\\{_VDIR}'",
                f"New-OABVirtualDirectory.{new}",
            ),
            "ResetOABVirtualDirectory",
        )  # fmt: skip
        self._ask(after(moment, 3.6), "SetObject", canary, "OABVirtualDirectory", host)
        self._commands(
            after(moment, 3.5), canary, "SetObject",
            (
                f"Set-OabVirtualDirectory.ExternalUrl=$null.{identity}",
                f"Get-OabVirtualDirectory.ADPropertiesOnly=$true.{identity}",
            ),
        )  # fmt: skip

    def _ask(self, moment: datetime, call: str, canary: str, schema: str, host: str, taken: int = 640) -> None:
        path = f"/ecp/DDI/DDIService.svc/{call}?msExchEcpCanary={canary}.&schema={schema}"
        self.relay(moment, path, host=host, bytes_in=420, bytes_out=1100, taken=taken)

    def _commands(
        self, moment: datetime, canary: str, call: str, commands: Sequence[str], schema: str = "OABVirtualDirectory"
    ) -> None:
        url = f"/ecp/DDI/DDIService.svc/{call}?msExchEcpCanary={canary}.&schema={schema}"
        rows = (
            self.back.scribe.ecp(after(moment, 0.061 * n), command, url, session=self._session)
            for n, command in enumerate(commands)
        )
        self.back.add(rows)
        server = self.back.server
        self.back.note(*(panel_command(server, after(moment, 0.061 * n), command) for n, command in enumerate(commands)))

    def page(self, path: str, moment: datetime, vdir: str) -> None:
        """The dropped page: the text of an address book virtual directory, with the script in it."""
        server = self.back.server
        stamp = f"{moment.month}/{moment.day}/{moment.year} {moment:%I:%M:%S %p}"
        content = inert(
            "oab_page", server=server.name, fqdn=server.fqdn, ex=server.install, guid=vdir, changed=stamp, created=stamp
        )
        self.back.put(path, content, moment)

    def steal(self, moment: datetime, thefts: Sequence[Theft], every: float = 9.0) -> None:
        """Read mailboxes through EWS; the anchor does not name them, the back-end log does."""
        account = self.front.server.machine_account
        for number, theft in enumerate(thefts):
            time = after(moment, number * every)
            self.relay(time, "/ews/exchange.asmx?", bytes_in=1180, bytes_out=theft.size, taken=800 + theft.size // 900)
            row = self.back.scribe.ews(
                time, theft.action, account, theft.mailbox, self.forger.agent, self.front.server.link_local,
                ActAsUser=theft.mailbox, LocalIdCount="50", AuthenticationType="Kerberos",
            )  # fmt: skip
            self.back.add([row])
            if theft.mailbox not in self.back.mailboxes:
                self.back.mailboxes.append(theft.mailbox)
