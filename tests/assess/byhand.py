"""Evidence written line by line, as a reader of the log reference would: small, every row on purpose.

A `Server` gathers rows and files and writes them as the drive of one server. Times are UTC; addresses come from the
documentation ranges; bodies are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from afterpatch.demo.inert import inert
from afterpatch.model import severity_at_least

IIS_FIELDS = (
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) "
    "sc-status sc-substatus sc-win32-status time-taken"
)
PROXY_FIELDS = (
    "DateTime,RequestId,MajorVersion,MinorVersion,BuildVersion,RevisionVersion,ClientRequestId,Protocol,UrlHost,UrlStem,"
    "ProtocolAction,AuthenticationType,IsAuthenticated,AuthenticatedUser,Organization,AnchorMailbox,UserAgent,"
    "ClientIpAddress,ServerHostName,HttpStatus,BackEndStatus,ErrorCode,Method,ProxyAction,TargetServer,"
    "TargetServerVersion,RoutingType,RoutingHint,BackEndCookie,ServerLocatorHost,ServerLocatorLatency,RequestBytes,"
    "ResponseBytes,TargetOutstandingRequests,AuthModulePerfContext,HttpPipelineLatency,CalculateTargetBackEndLatency,"
    "GlsLatencyBreakup,TotalGlsLatency,AccountForestLatencyBreakup,TotalAccountForestLatency,"
    "ResourceForestLatencyBreakup,TotalResourceForestLatency,ADLatency,SharedCacheLatencyBreakup,"
    "TotalSharedCacheLatency,ActivityContextLifeTime,ModuleToHandlerSwitchingLatency,ClientReqStreamLatency,"
    "BackendReqInitLatency,BackendReqStreamLatency,BackendProcessingLatency,BackendRespInitLatency,"
    "BackendRespStreamLatency,ClientRespStreamLatency,KerberosAuthHeaderLatency,HandlerCompletionLatency,"
    "RequestHandlerLatency,HandlerToModuleSwitchingLatency,ProxyTime,CoreLatency,RoutingLatency,HttpProxyOverhead,"
    "TotalRequestTime,RouteRefresherLatency,UrlQuery,BackEndGenericInfo,GenericInfo,GenericErrors,EdgeTraceId,"
    "DatabaseGuid,UserADObjectGuid,PartitionEndpointLookupLatency,RoutingStatus"
)
RPS_HTTP_FIELDS = (
    "DateTime,StartTime,RequestId,ClientRequestId,MajorVersion,MinorVersion,BuildVersion,RevisionVersion,Protocol,UrlHost,UrlStem,"
    "AuthenticationType,IsAuthenticated,AuthenticatedUser,Organization,ClientInfo,ClientIpAddress,ServerHostName,"
    "FrontEndServer,HttpStatus,SubStatus,ErrorCode,Action,CommandId,CommandName,SessionId,ShellId,FailFast,"
    "ContributeToFailFast,RequestBytes,ClientInfo2,CPU,Memory,ActivityContextLifeTime,TotalTime,UrlQuery,GenericInfo,GenericErrors"
)
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/88.0.4324.190 Safari/537.36"
WWW = "%SystemDrive%\\inetpub\\wwwroot"
CHAIN_AGENT = "python-requests/2.25.1"
S = timedelta(seconds=1)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Examine = Callable[..., Any]
SINCE = ("--since", "2021-03-02", "--until", "2021-03-04")


def utc(text: str) -> datetime:
    """`2021-03-03` or `2021-03-03 06:49:42`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if "," in value or '"' in value else value


AT = utc("2021-03-03 04:10:00")


@dataclass
class Server:
    """One server and what its logs hold: path below the drive folder -> lines, in the order they were written."""

    name: str = "MX7"
    install: str = "E/Exchange"
    build: str = "15.1.2106.2"
    address: str = "192.168.40.7"
    generation: str = "V15"
    files: dict[str, bytes] = field(default_factory=dict)
    rows: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    count: int = 0

    @property
    def fqdn(self) -> str:
        return f"{self.name.lower()}.corp.example"

    @property
    def logging(self) -> str:
        return f"{self.install}/Logging"

    def guid(self) -> str:
        self.count += 1
        return f"{self.count:08x}-0000-4000-8000-{abs(hash_of(self.name)) % 10**12:012d}"

    def add(self, path: str, moment: datetime, line: str, head: str) -> None:
        self.rows.setdefault(path, []).append((moment, line))
        self.heads.setdefault(path, head)

    def iis(
        self, moment: datetime, method: str, stem: str, query: str = "", *, ip: str = "192.168.40.50", status: int = 200,
        agent: str = BROWSER, user: str = "", back: bool = False, guid: str = "", referer: str = "", taken: int = 31,
    ) -> None:  # fmt: skip
        """A row of the front-end (W3SVC1) or back-end (W3SVC2) site."""
        site, port = ("W3SVC2", 444) if back else ("W3SVC1", 443)
        text = (
            query
            if back or not stem.startswith(("/owa", "/ecp", "/autod", "/ews", "/mapi", "/rpc", "/Micro", "/power"))
            else (f"{query}&CorrelationID=<empty>;&cafeReqId={guid or self.guid()};")
        )
        values = (
            f"{moment:%Y-%m-%d %H:%M:%S}", self.address, method, stem, text or "-", port, user or "-", ip,
            agent.replace(" ", "+") or "-", referer or "-", status, 0, 0, taken,
        )  # fmt: skip
        head = (
            "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n"
            f"#Date: {moment:%Y-%m-%d %H:%M:%S}\n#Fields: {IIS_FIELDS}\n"
        )
        self.add(f"C/inetpub/logs/LogFiles/{site}/u_ex{moment:%y%m%d}.log", moment, " ".join(map(str, values)), head)

    def proxy(self, moment: datetime, protocol: str, stem: str, **values: object) -> None:
        """A row of HttpProxy. `values` by column name; what is not given is empty or ordinary."""
        major, minor, build, revision = self.build.split(".")
        row = dict.fromkeys(PROXY_FIELDS.split(","), "")
        row |= {
            "DateTime": stamp(moment), "RequestId": self.guid(), "MajorVersion": major, "MinorVersion": minor,
            "BuildVersion": build, "RevisionVersion": revision, "Protocol": protocol, "UrlHost": "mail.corp.example",
            "UrlStem": stem, "AuthenticationType": "FBA", "IsAuthenticated": "false", "UserAgent": BROWSER.replace(",", " "),
            "ClientIpAddress": "192.168.40.50", "ServerHostName": self.name, "HttpStatus": "200", "BackEndStatus": "200",
            "Method": "GET", "ProxyAction": "Proxy", "RequestBytes": "0", "ResponseBytes": "1200",
        }  # fmt: skip
        row |= {name: str(value) for name, value in values.items()}
        major2, minor2 = f"{int(major):02d}", f"{int(minor):02d}"
        head = f"{PROXY_FIELDS}\r\n" + exchange_head(
            "HttpProxy Logs", moment, PROXY_FIELDS, f"{major2}.{minor2}.{int(build):04d}.{int(revision):03d}"
        )
        path = f"{self.logging}/HttpProxy/{protocol}/HttpProxy_{moment:%Y%m%d%H}-1.LOG"
        self.add(path, moment, ",".join(row.values()), head)

    def ecp(self, moment: datetime, command: str, url: str, error: str = "") -> None:
        """A row of the ECP server log."""
        items = {
            "TIME": "120",
            "SID": self.guid(),
            "CMD": command,
            "URL": url,
            "EX": error,
            "ACTID": self.guid(),
            "BLD": self.build,
        }
        data = ";".join(item(f"S:{key}={value}") for key, value in items.items())
        line = f"{stamp(moment)},{self.name},ECP.Request,{quoted(data)}"
        head = "\ufeff" + exchange_head("ECP Server Log", moment, "TimeStamp,ServerName,EventId,EventData", "15.0.0.0")
        self.add(f"{self.logging}/ECP/Server/ECPServer{moment:%Y%m%d}-1.LOG", moment, line, head)

    def oab(self, moment: datetime, message: str) -> None:
        """A row of the OAB generator."""
        line = f"{stamp(moment)},DebugTrace,12,{self.guid()},00000000-0000-0000-0000-000000000000,{quoted(message)}"
        head = "\ufeff" + exchange_head(
            "OAB Generator Log", moment, "Timestamp,RecordType,TraceId,OabGuid,AddressListGuid,Message", "15.01.2106.002"
        )
        self.add(f"{self.logging}/OABGeneratorLog/oabgen{moment:%Y%m%d}-1.LOG", moment, line, head)

    def httperr(self, moment: datetime, ip: str, method: str, uri: str, status: object, reason: str) -> None:
        request = f"{ip} 51515 {self.address} 443 HTTP/1.1 {method} {uri}"
        line = f"{moment:%Y-%m-%d %H:%M:%S} {request} - {status} 1 {reason} MSExchangeOWAAppPool"
        fields = "date time c-ip c-port s-ip s-port cs-version cs-method cs-uri streamid sc-status s-siteid s-reason s-queuename"
        head = f"#Software: Microsoft HTTP API 2.0\n#Version: 1.0\n#Date: {moment:%Y-%m-%d %H:%M:%S}\n#Fields: {fields}\n"
        self.add("C/Windows/System32/LogFiles/HTTPERR/httperr1.log", moment, line, head)

    def rps_http(self, moment: datetime, **values: object) -> None:
        row = dict.fromkeys(RPS_HTTP_FIELDS.split(","), "")
        major, minor, build, revision = self.build.split(".")
        row |= {
            "DateTime": stamp(moment), "StartTime": stamp(moment), "RequestId": self.guid(), "MajorVersion": major,
            "MinorVersion": minor, "BuildVersion": build, "RevisionVersion": revision, "UrlStem": "/powershell",
            "AuthenticationType": "Kerberos", "IsAuthenticated": "true", "ServerHostName": self.name,
            "FrontEndServer": self.fqdn.upper(), "HttpStatus": "200",
        }  # fmt: skip
        row |= {name: str(value) for name, value in values.items()}
        head = exchange_head("Rps Http Logs", moment, RPS_HTTP_FIELDS, "15.01.2507.012")
        path = f"{self.logging}/CmdletInfra/Powershell-Proxy/Http/Rps_Http_{moment:%Y%m%d%H}-1.LOG"
        self.add(path, moment, ",".join(row.values()), head)

    def file(self, path: str, content: bytes | str) -> None:
        """A file below the drive folders; `{ex}` is the install folder."""
        self.files[path.replace("{ex}", self.install)] = content.encode() if isinstance(content, str) else content

    def living(self, start: datetime, end: datetime, *, proxy: bool = True, iis: bool = True) -> None:
        """What a server writes while nothing happens: probes each ten minutes, a few people and phones in the day."""
        moment = start
        while moment < end:
            probe = {"UserAgent": "AMProbe/Local/ClientAccess", "ClientIpAddress": "::1", "AuthenticatedUser": ""}
            if iis:
                self.iis(moment, "GET", "/owa/healthcheck.htm", agent="LoadBalancer-HealthCheck/1.0", ip="192.168.40.2")
            if proxy:
                self.proxy(moment, "Owa", "/owa/healthcheck.htm", **probe)
            if moment.minute == 30 and 6 <= moment.hour < 18:
                self._person(moment, proxy=proxy, iis=iis)
            moment += 10 * MINUTE

    def _person(self, moment: datetime, *, proxy: bool, iis: bool) -> None:
        client, user = f"198.51.100.{20 + moment.hour}", f"CORP\\user{moment.hour:02d}"
        guid = self.guid()
        if iis:
            self.iis(moment, "GET", "/owa/auth/logon.aspx", "reason=0", ip=client)
            self.iis(moment + MINUTE, "POST", "/owa/auth.owa", ip=client, status=302, referer="https://mail.corp.example/owa/")
            self.iis(moment + 2 * MINUTE, "POST", "/owa/service.svc", "action=FindItem", ip=client, user=user, guid=guid)
            sync, phone = "/Microsoft-Server-ActiveSync/default.eas", f"User={user[5:]}&Cmd=Ping"
            self.iis(moment + 3 * MINUTE, "POST", sync, phone, ip=client, user=user, agent="Apple-iPhone12C1/1803.73")
            back = {"ip": self.address, "user": user}
            self.iis(moment + 3 * MINUTE, "POST", "/owa/service.svc", "action=FindItem", back=True, **back)
        if proxy:
            self.proxy(
                moment + 2 * MINUTE, "Owa", "/owa/service.svc", Method="POST", ClientIpAddress=client, IsAuthenticated="true",
                AuthenticatedUser=user, AnchorMailbox="Sid~S-1-5-21-1-2-3-1104", RequestId=guid, TargetServer=self.fqdn,
                TargetServerVersion="15.01.2106.000", RoutingHint="WindowsIdentity",
            )  # fmt: skip

    def config(self) -> None:
        """applicationHost.config and the stock pages' places: what makes "covers the question" possible."""
        self.file("C/Windows/System32/inetsrv/config/applicationHost.config", application_host(self.install))
        self.file("C/inetpub/wwwroot/iisstart.htm", "<html><body>IIS</body></html>")
        self.file("{ex}/FrontEnd/HttpProxy/owa/auth/logon.txt", "notes")

    def write(self, folder: Path) -> Path:
        """Everything as drive folders below `folder`."""
        for path, content in self.rendered():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return folder

    def rendered(self) -> Iterator[tuple[str, bytes]]:
        for path, lines in sorted(self.rows.items()):
            eol = "\r\n"
            text = self.heads[path].replace("\r\n", "\n").replace("\n", eol)
            yield path, (text + "".join(line + eol for _at, line in sorted(lines, key=lambda pair: pair[0]))).encode()
        yield from sorted(self.files.items())


def hash_of(text: str) -> int:
    return sum(ord(letter) * 31**place for place, letter in enumerate(text))


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def item(text: str) -> str:
    return "'" + text.replace("'", "''") + "'" if "'" in text or ";" in text else text


def exchange_head(kind: str, moment: datetime, fields: str, version: str) -> str:
    return (
        f"#Software: Microsoft Exchange Server\r\n#Version: {version}\r\n#Log-type: {kind}\r\n"
        f"#Date: {stamp(moment)}\r\n#Fields: {fields}\r\n"
    )


def application_host(install: str) -> str:
    """Both sites with their applications and log folders."""
    ex = install.replace("/", ":\\", 1).replace("/", "\\")
    front = f"{ex}\\ClientAccess" if ex.endswith("V14") else f"{ex}\\FrontEnd\\HttpProxy"
    sites = (
        ("Default Web Site", 1, ":443:", (("/", WWW), ("/owa", f"{front}\\owa"), ("/ecp", f"{front}\\ecp"))),
        ("Exchange Back End", 2, "*:444:", (("/", f"{ex}\\ClientAccess"), ("/owa", f"{ex}\\ClientAccess\\owa"))),
    )
    text = "".join(_site(*site) for site in sites)
    logs = '<siteDefaults><logFile logFormat="W3C" directory="%SystemDrive%\\inetpub\\logs\\LogFiles" /></siteDefaults>'
    return f"<configuration><system.applicationHost><sites>{logs}{text}</sites></system.applicationHost></configuration>"


def _site(name: str, number: int, binding: str, applications: tuple[tuple[str, str], ...]) -> str:
    inner = "".join(
        f'<application path="{url}"><virtualDirectory path="/" physicalPath="{folder}" /></application>'
        for url, folder in applications
    )
    bound = f'<bindings><binding protocol="https" bindingInformation="{binding}" /></bindings>'
    return f'<site name="{name}" id="{number}">{inner}{bound}</site>'


# What was published of the attacks, as rows


def relayed(
    server: Server, moment: datetime, target: str, *, ip: str = "203.0.113.90", page: str = "/ecp/y.js", status: int = 200,
    iis: bool = True, proxy: bool = True, back: bool = False, agent: str = CHAIN_AGENT, host: str = "", size: int = 1900,
) -> None:  # fmt: skip
    """A request with a forged back-end cookie (CVE-2021-26855) for a back-end path."""
    guid, where = server.guid(), host or server.fqdn
    protocol = "Owa" if page.startswith("/owa") else "Ecp"
    if iis:
        server.iis(moment, "POST", page, ip=ip, status=status, agent=agent, guid=guid)
    if proxy:
        server.proxy(
            moment, protocol, page, Method="POST", ClientIpAddress=ip, HttpStatus=status, BackEndStatus=status, UserAgent=agent,
            RequestId=guid, AnchorMailbox=f"ServerInfo~a]@{where}:444{target}#", ResponseBytes=size, TargetServer=where,
            RoutingHint="X-BEResource-Cookie" if protocol == "Ecp" else "X-AnonResource-Backend-Cookie",
            TargetServerVersion="15.01.1466.000", GenericInfo=f"BeginRequest={stamp(moment)};FEAuth=BEVersion-1942062522;",
        )  # fmt: skip
    if back and status < 400:
        stem, _, query = target.partition("?")
        server.iis(
            moment, "POST", stem, query, ip=server.address, status=status, agent=agent, user=f"CORP\\{server.name}$", back=True
        )


def knock(server: Server, moment: datetime, **options: object) -> None:
    """Autodiscover, MAPI, session (status 241)."""
    relayed(server, moment, "/autodiscover/autodiscover.xml?", **{**options, "agent": "ExchangeServicesClient/0.0.0.0"})  # type: ignore[arg-type]
    relayed(server, moment + timedelta(seconds=2), "/mapi/emsmdb/?", **options)  # type: ignore[arg-type]
    relayed(server, moment + timedelta(seconds=4), "/ecp/proxyLogon.ecp?", **{**options, "status": 241})  # type: ignore[arg-type]


def address_set(server: Server, moment: datetime) -> None:
    """The ECP server rows of a script in ExternalUrl and of the reset (CVE-2021-27065)."""
    script = inert("external_url").decode()
    url = "/ecp/DDI/DDIService.svc/SetObject?msExchEcpCanary=REMOVED.&schema="
    server.ecp(moment, f"Set-OabVirtualDirectory.ExternalUrl='{script}'.Identity='{server.guid()}'", f"{url}OABVirtualDirectory")
    server.ecp(
        moment + timedelta(seconds=2),
        f"Remove-OABVirtualDirectory.Force=$true.Identity='{server.name}\\OAB (Default Web Site)'",
        f"{url}ResetOABVirtualDirectory",
    )
    server.ecp(
        moment + timedelta(seconds=3),
        f"New-OABVirtualDirectory.WebSiteName='Default Web Site'.Server='{server.name}'",
        f"{url}ResetOABVirtualDirectory",
    )


def plant(server: Server, moment: datetime, **options: object) -> None:
    """The write through the forged cookie."""
    for seconds, call, schema in (
        (0, "GetObject", "OABVirtualDirectory"),
        (3, "SetObject", "OABVirtualDirectory"),
        (7, "SetObject", "ResetOABVirtualDirectory"),
    ):
        target = f"/ecp/DDI/DDIService.svc/{call}?msExchEcpCanary=REMOVED.&schema={schema}"
        relayed(server, moment + timedelta(seconds=seconds), target, **options)  # type: ignore[arg-type]


# A server with a history, and what a report says of it


def lived(build: str = "15.1.2106.2", day: str = "2021-03-02", days: int = 2, **logs: bool) -> Server:
    """A server with all that covers the question of these days."""
    server = Server(build=build)
    server.config()
    server.living(utc(day), utc(day) + timedelta(days=days), **logs)
    return server


def use(server: Server, start: Any, page: str = "/owa/auth/qwer.aspx", ip: str = "203.0.113.91", times: int = 6) -> None:
    for number in range(times):
        server.iis(start + number * MINUTE, "POST", page, ip=ip, agent="Mozilla/5.0")


def stages(ran: Any) -> dict[str, str]:
    return {chain["id"]: chain["stage"] for chain in ran.server["chains"]}


def parties(ran: Any) -> set[tuple[str, ...]]:
    return {tuple(actor["sources"]) for chain in ran.server["chains"] for actor in chain["actors"]}


def loud(ran: Any) -> list[str]:
    return [each["title"] for each in ran.server["findings"] if severity_at_least(each["severity"], "medium")]


def doors(ran: Any) -> dict[str, tuple[str, list[str], int]]:
    return {door["path"]: (door["state"], door["used_by"], door["uses"]) for door in ran.server["backdoors"]}


def as_drive(server: Server, folder: Path) -> Path:
    return server.write(folder / "drive")
