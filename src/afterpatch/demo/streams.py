"""The logs of a server as streams: where the files lie, how they are named and cut, and how they begin.

Paths and headers follow the published descriptions of Exchange 2013 to 2019 and of IIS; the column lists are data
(`data/columns.yml`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from afterpatch.demo.formats import exchange_time, iis_time
from afterpatch.demo.server import Server

HOUR = timedelta(hours=1)
PROTOCOLS = ("Autodiscover", "Eas", "Ecp", "Ews", "Mapi", "OAB", "Owa", "PowerShell", "RpcHttp")


@lru_cache(maxsize=1)
def schemas() -> dict[str, dict[str, Any]]:
    """The column lists by schema name: columns, log_type, version, software."""
    text = files("afterpatch.demo").joinpath("data/columns.yml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return loaded


@lru_cache(maxsize=64)
def columns(schema: str) -> tuple[str, ...]:
    """The columns of a schema, in order."""
    return tuple(schemas()[schema]["columns"])


@dataclass(frozen=True, slots=True)
class Stream:
    """One log of one server. `pattern` takes ex, hour, day, short and n; `period` is hour, day or all.

    `proof` marks the logs that tell the ways in apart (a scenario may keep them longer than the others).
    `style`: iis | httperr | request (plain CSV row before the `#` lines, no BOM) | exchange (BOM, then the `#` lines).
    `kept` says whether the server deletes old files of this log by age.
    """

    id: str
    schema: str
    pattern: str
    period: str
    style: str
    kept: bool = True
    proof: bool = False
    limit: int = 10_000_000

    def path(self, server: Server, moment: datetime, instance: int = 1) -> str:
        """The server's own path of the file that holds a moment."""
        return self.pattern.format(
            ex=server.install, hour=f"{moment:%Y%m%d%H}", day=f"{moment:%Y%m%d}", short=f"{moment:%y%m%d}", n=instance
        )

    def start_of(self, moment: datetime) -> datetime:
        """The beginning of the file that holds a moment."""
        if self.period == "all":
            return datetime(1, 1, 1, tzinfo=UTC)
        start = moment.replace(minute=0, second=0, microsecond=0)
        return start if self.period == "hour" else start.replace(hour=0)

    def columns(self, server: Server) -> tuple[str, ...]:
        """The columns this server writes."""
        return columns("iis75" if self.style == "iis" and server.generation == "V14" else self.schema)

    def header(self, server: Server, moment: datetime, again: bool = False) -> bytes:
        """The lines a file begins with; `again`: the block a reopened file gets in its middle (no CSV row, no BOM)."""
        if self.style in ("iis", "httperr"):
            return self._w3c_header(server, moment)
        names = ",".join(self.columns(server))
        facts = schemas()[self.schema]
        lines = [
            f"#Software: {facts.get('software', 'Microsoft Exchange Server')}",
            f"#Version: {facts.get('version', server.build_at(moment).padded)}",
            f"#Log-type: {facts['log_type']}",
            f"#Date: {exchange_time(moment)}",
            f"#Fields: {names}",
        ]
        if self.style == "request" and not again:
            lines.insert(0, names)
        text = ("\ufeff" if self.style == "exchange" and not again else "") + "\r\n".join(lines) + "\r\n"
        return text.encode()

    def _w3c_header(self, server: Server, moment: datetime) -> bytes:
        names = " ".join(self.columns(server))
        version = "7.5" if server.generation == "V14" else "10.0"
        software = f"Internet Information Services {version}" if self.style == "iis" else "HTTP API 2.0"
        lines = (f"#Software: Microsoft {software}", "#Version: 1.0", f"#Date: {iis_time(moment)}", f"#Fields: {names}")
        return "".join(f"{line}\r\n" for line in lines).encode()


def _http_proxy(protocol: str) -> Stream:
    pattern = "{ex}\\Logging\\HttpProxy\\" + protocol + "\\HttpProxy_{hour}-{n}.LOG"
    return Stream(f"httpproxy/{protocol}", "httpproxy", pattern, "hour", "request", proof=True)


_CMDLET = "{ex}\\Logging\\CmdletInfra\\Powershell-Proxy\\"
_TRANSPORT = "{ex}\\TransportRoles\\Logs\\"
_IIS = "C:\\inetpub\\logs\\LogFiles\\"
STREAMS: tuple[Stream, ...] = (
    Stream("iis-front", "iis", _IIS + "W3SVC1\\u_ex{short}.log", "day", "iis", kept=False, limit=0),
    Stream("iis-back", "iis", _IIS + "W3SVC2\\u_ex{short}.log", "day", "iis", kept=False, limit=0),
    *map(_http_proxy, PROTOCOLS),
    Stream("ews", "ews", "{ex}\\Logging\\Ews\\Ews_{hour}-{n}.LOG", "hour", "request"),
    Stream("mapi-http", "mapi-http", "{ex}\\Logging\\MapiHttp\\Mailbox\\MapiHttp_{hour}-{n}.LOG", "hour", "request"),
    Stream("ecp-server", "ecp-server", "{ex}\\Logging\\ECP\\Server\\ECPServer{day}-{n}.LOG", "day", "exchange", proof=True),
    Stream(
        "ecp-activity",
        "ecp-activity",
        "{ex}\\Logging\\ECP\\Activity\\ECPActivity_5120_{day}-{n}.LOG",
        "day",
        "exchange",
    ),
    Stream("owa-server", "owa-server", "{ex}\\Logging\\OWA\\Server\\OWAServer{day}-{n}.LOG", "day", "exchange"),
    Stream(
        "oab-generator",
        "oab-generator",
        "{ex}\\Logging\\OABGeneratorLog\\oabgen{day}-{n}.LOG",
        "day",
        "exchange",
        proof=True,
    ),
    Stream("rca", "rca", "{ex}\\Logging\\RPC Client Access\\RCA_{day}-{n}.LOG", "day", "exchange"),
    Stream("rps-cmdlet", "rps-cmdlet", _CMDLET + "Cmdlet\\Rps_Cmdlet_{hour}-{n}.LOG", "hour", "exchange"),
    Stream("rps-http", "rps-http", _CMDLET + "Http\\Rps_Http_{hour}-{n}.LOG", "hour", "exchange"),
    Stream("admin-audit", "admin-audit", "{ex}\\Logging\\LocalQueue\\Exchange\\audit{day}-{n}.LOG", "day", "exchange"),
    Stream("message-tracking", "message-tracking", _TRANSPORT + "MessageTracking\\MSGTRK{day}-{n}.LOG", "day", "exchange"),
    Stream("smtp", "smtp", _TRANSPORT + "FrontEnd\\ProtocolLog\\SmtpReceive\\RECV{day}-{n}.LOG", "day", "exchange"),
    Stream("agent-log", "agent-log", _TRANSPORT + "FrontEnd\\AgentLog\\AgentLog{day}-{n}.LOG", "day", "exchange"),
    Stream(
        "httperr",
        "httperr",
        "C:\\Windows\\System32\\LogFiles\\HTTPERR\\httperr1.log",
        "all",
        "httperr",
        kept=False,
        limit=0,
    ),
)
BY_ID = {stream.id: stream for stream in STREAMS}
V14_STREAMS = ("iis-front", "rca", "httperr")


def streams_of(server: Server) -> tuple[Stream, ...]:
    """The logs a server writes: Exchange 2010 has neither HttpProxy nor the ECP server log."""
    if server.generation == "V14":
        return tuple(stream for stream in STREAMS if stream.id in V14_STREAMS)
    return STREAMS
