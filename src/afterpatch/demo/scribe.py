"""Writes rows: one request or one event in, the lines of all logs that record it out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from afterpatch.demo.formats import csv_line, csv_value, event_data, exchange_time, iis_time, iis_value, request_value
from afterpatch.demo.rows import Hit, Ids, Row
from afterpatch.demo.server import Build, Server
from afterpatch.demo.streams import columns

Parameters = Sequence[tuple[str, str]]
_LATENCIES = 32  # columns 34 TargetOutstandingRequests .. 65 RouteRefresherLatency


class Scribe:
    """The row writers of one server at one build; ids come from `ids`."""

    def __init__(self, server: Server, ids: Ids, build: Build | None = None) -> None:
        self.server = server
        self.ids = ids
        self._build = build

    def build_at(self, moment: datetime) -> Build:
        """The build that rows of a moment carry."""
        return self._build or self.server.build_at(moment)

    # ---- requests -------------------------------------------------------------------------------------------------

    def hit(self, hit: Hit) -> Iterator[Row]:
        """The rows of one request: IIS front, HttpProxy, and IIS back end where it was relayed."""
        guid = hit.guid or self.ids.guid()
        yield Row("iis-front", hit.time, self._front(hit, guid))
        if hit.protocol and not self._unlogged(hit):
            yield Row(f"httpproxy/{hit.protocol}", hit.time, self._http_proxy(hit, guid))
        if hit.relay is not None:
            yield Row("iis-back", hit.time, self._back(hit, guid))

    def relayed(self, hit: Hit) -> Row:
        """The back-end row alone: a request another server's front end relayed, or one made to the back end itself."""
        return Row("iis-back", hit.time, self._back(hit, hit.guid or self.ids.guid()))

    @staticmethod
    def _unlogged(hit: Hit) -> bool:
        """The request logger writes no anonymous 401 without a user."""
        return hit.status == 401 and not hit.user and hit.auth in ("", "Anonymous")

    def _front(self, hit: Hit, guid: str) -> str:
        query = hit.query
        if hit.protocol and self.server.generation != "V14":
            query += f"&CorrelationID=<empty>;&cafeReqId={guid};"
            query += "&encoding=;" if hit.stem.lower().startswith("/owa/auth") else ""
        loopback = hit.client in ("127.0.0.1", "::1")
        values = [
            iis_time(hit.time),
            hit.client if loopback else self.server.address,
            hit.method,
            hit.stem,
            query.replace(" ", "+") or "-",
            "443",
            iis_value(hit.user),
            hit.client,
            iis_value(hit.agent),
            iis_value(hit.referer),
            f"{hit.status} {hit.substatus} {hit.win32} {hit.taken}",
        ]
        if self.server.generation == "V14":
            del values[9]
        return " ".join(values)

    def _back(self, hit: Hit, guid: str) -> str:
        relay = hit.relay
        assert relay is not None
        query = relay.query.replace("{guid}", guid)
        here = self.server.address if relay.client else self.server.link_local
        return (
            f"{iis_time(hit.time)} {here} {hit.method} {relay.stem} {query.replace(' ', '+') or '-'} 444 "
            f"{iis_value(relay.user)} {relay.client or here} {iis_value(relay.agent or hit.agent)} - "
            f"{relay.status} 0 0 {max(1, hit.taken - 5)}"
        )

    def _http_proxy(self, hit: Hit, guid: str) -> str:
        build = self.build_at(hit.time)
        proxied = bool(hit.anchor or hit.relay or hit.target)
        target = hit.target or (self.server.fqdn.upper() if proxied else "")
        code = hit.target_build or build.encoded
        version = f"{code >> 22 & 63:02d}.{code >> 16 & 63:02d}.{code & 0x7FFF:04d}.000" if proxied else ""
        back = hit.back_status or (str(hit.status) if proxied else "")
        free = (hit.stem, hit.anchor, hit.agent, f"?{hit.query}" if hit.query else "", hit.errors)
        stem, anchor, agent, query, errors = (csv_value(request_value(text)) for text in free)
        values = (
            exchange_time(hit.time), guid, *build.parts, "", hit.protocol, hit.host or self.server.mail_host, stem, "",
            hit.auth or "FBA", "true" if hit.user else "false", hit.user, "", anchor, agent, hit.client,
            self.server.name, str(hit.status), back, "", hit.method, "Proxy" if proxied else "", target, version,
            "IntraForest" if proxied else "", hit.hint, hit.cookie, "", "", str(hit.bytes_in),
            str(hit.bytes_out) if proxied else "", *_latencies(hit.taken, proxied), query, "",
            self._info(hit, proxied, code), errors, "", "", "", "", "CafeV1" if proxied else "",
        )  # fmt: skip
        return ",".join(values)

    def _info(self, hit: Hit, proxied: bool, code: int) -> str:
        begin = exchange_time(hit.time - timedelta(milliseconds=hit.taken))
        end = exchange_time(hit.time)
        if not proxied:
            return f"BeginRequest={begin};CorrelationID=<empty>;SharedCacheGuard=0;{hit.info}EndRequest={end};"
        return (
            f"BeginRequest={begin};CorrelationID=<empty>;ProxyState-Run=None;FEAuth=BEVersion-{code};"
            f"BeginGetResponse={begin};OnResponseReady={end};EndGetResponse={end};{hit.info}"
            f"ProxyState-Complete=ProxyResponseData;SharedCacheGuard=0;EndRequest={end};"
        )

    # ---- back-end logs --------------------------------------------------------------------------------------------

    def named(self, stream: str, moment: datetime, values: Mapping[str, str], request: bool = True) -> Row:
        """A row of a log by column names; columns not named stay empty. Unknown names raise KeyError."""
        places = _places(stream)
        texts = [""] * len(places)
        for name, value in values.items():
            texts[places[name]] = csv_value(request_value(value) if request else value)
        return Row(stream, moment, ",".join(texts))

    def versions(self, moment: datetime) -> dict[str, str]:
        """The four version columns of a moment."""
        names = ("MajorVersion", "MinorVersion", "BuildVersion", "RevisionVersion")
        return dict(zip(names, self.build_at(moment).parts, strict=True))

    def ews(self, moment: datetime, action: str, user: str, mailbox: str, agent: str, client: str, **more: str) -> Row:
        """A row of the EWS back-end log."""
        values = {
            "DateTime": exchange_time(moment), "RequestId": self.ids.guid(), **self.versions(moment), "Ring": "Unknown",
            "AuthenticationType": "Negotiate", "IsAuthenticated": "true", "AuthenticatedUser": user,
            "Organization": self.server.domain.upper(), "UserAgent": agent,
            "VersionInfo": "Target=None;Req=Exchange2013/Exchange2013;", "ClientIpAddress": client,
            "ServerHostName": self.server.name, "FrontEndServer": self.server.fqdn.upper(), "SoapAction": action,
            "HttpStatus": "200", "RequestSize": "1180", "ImpersonatedUser": mailbox,
            "PrimaryOrProxyServer": "PrimaryServer",
            "TaskType": "LocalTask", "LocalMailboxCount": "1", "LocalIdCount": "1", "TotalRequestTime": "21",
            "GenericInfo": "BackEndAuthenticator=WindowsAuthenticator;S:ActivityStandardMetadata.Component=Ews",
            "StartTime": exchange_time(moment - timedelta(milliseconds=21)), "ProcessId": "9716", **more,
        }  # fmt: skip
        return self.named("ews", moment, values)

    def mapi(self, hit: Hit, guid: str, kind: str, mailbox: str, client: str) -> Row:
        """A row of the MAPI/HTTP mailbox log; its RequestId is that of the front end."""
        values = {
            "DateTime": exchange_time(hit.time), "RequestId": guid, "RequestType": kind, "HttpStatusCode": "200",
            "ResponseCode": "0", "TotalRequestLatency": str(max(1, hit.taken - 6)), **self.versions(hit.time),
            "AuthenticatedUserEmail": mailbox, "UPN": mailbox, "ClientIP": hit.client,
            "SourceCafeServer": self.server.fqdn.upper(), "ClientSoftware": client, "ClientMode": "Cached",
            "AuthenticationType": "Negotiate", "AuthenticatedUser": hit.user,
        }  # fmt: skip
        return self.named("mapi-http", hit.time, values)

    def ecp(self, moment: datetime, command: str, url: str, error: str = "", session: str = "") -> Row:
        """A row of the ECP server log; commands of one signed-in session share its id."""
        data = event_data(
            (
                ("S", "TIME", str(self.ids.number(8, 900))), ("S", "SID", session or self.ids.guid()),
                ("S", "CMD", command),
                ("S", "REQID", ""), ("S", "URL", url), ("S", "REFERRER", ""), ("S", "EX", error),
                ("S", "ACTID", self.ids.guid()), ("S", "RS", "0"), ("S", "BLD", self.build_at(moment).number),
                ("S", "TNAME", "<null>"), ("S", "TID", ""), ("S", "USID", session or self.ids.guid()),
                ("S", "EDOID", ""),
                ("S", "ACID", ""),
            )
        )  # fmt: skip
        return Row("ecp-server", moment, csv_line((exchange_time(moment), self.server.name, "ECP.Request", data)))

    def ecp_activity(self, moment: datetime, user: str, path: str) -> Row:
        """A row of the ECP activity log."""
        data = event_data(
            (
                ("S", "PSA", f"<PII>{user}</PII>"), ("S", "URL", f"https://localhost:444{path}"),
                ("S", "Bld", self.build_at(moment).number), ("S", "ActID", self.ids.guid()), ("Dbl", "WLM.TS", "16"),
            )
        )  # fmt: skip
        return Row("ecp-activity", moment, csv_line((exchange_time(moment), self.server.name, "Request", data)))

    def owa(self, moment: datetime, action: str, user: str) -> Row:
        """A row of the OWA server log."""
        data = event_data((("S", "ACT", action), ("S", "PSA", f"<PII>{user}</PII>"), ("Dbl", "WLM.TS", "9")))
        return Row("owa-server", moment, csv_line((exchange_time(moment), self.server.name, "Request", data)))

    def oab(self, moment: datetime, message: str, guid: str, kind: str = "DebugTrace") -> Row:
        """A row of the OAB generator log."""
        nothing = "00000000-0000-0000-0000-000000000000"
        return Row("oab-generator", moment, csv_line((exchange_time(moment), kind, "12", guid, nothing, message)))

    def cmdlet(self, moment: datetime, name: str, parameters: Parameters, caller: str, **more: str) -> Row:
        """A row of the remote PowerShell cmdlet log."""
        text = " ".join(f'-{key} "{value}"' for key, value in parameters)
        values = {
            "DateTime": exchange_time(moment), "StartTime": exchange_time(moment - timedelta(milliseconds=15)),
            "RequestId": self.ids.guid(), **self.versions(moment), "ServerHostName": self.server.name,
            "ProcessId": "15756",
            "ProcessName": "w3wp#MSExchangePowerShellAppPool", "ThreadId": "85", "AuthenticatedUser": caller,
            "IsAdmin": "True", "ClientApplication": "EMC", "Cmdlet": name, "Parameters": text,
            "CmdletUniqueId": self.ids.guid(), "TotalTime": "15", "ExecutionResult": "Success",
            "NonPiiParameters": text, **more,
        }  # fmt: skip
        return self.named("rps-cmdlet", moment, values, request=False)

    def audit(self, moment: datetime, name: str, parameters: Parameters, caller: str, target: str) -> Row:
        """A row of the admin audit file: JSON inside CSV."""
        guid = self.ids.guid()
        nothing = "00000000-0000-0000-0000-000000000000"
        data = {
            "CreationTime": f"{moment:%Y-%m-%dT%H:%M:%S}", "Id": guid, "Operation": name, "OrganizationId": nothing,
            "RecordType": 1, "ResultStatus": "True", "UserKey": caller, "UserType": 2, "Version": 1,
            "Workload": "Exchange",
            "ObjectId": target, "UserId": caller, "ExternalAccess": False, "OrganizationName": "First Org",
            "OriginatingServer": f"{self.server.name} ({self.build_at(moment).padded})",
            "Parameters": [{"Name": key, "Value": value} for key, value in parameters],
        }  # fmt: skip
        text = json.dumps(data, separators=(",", ":")).replace("/", "\\/")
        values = (
            exchange_time(moment), self.server.name, nothing, "ExchangeAdmin", text, caller, guid, name, "Exchange",
            "True",
            "1", "Online",
        )  # fmt: skip
        return Row("admin-audit", moment, csv_line(values))

    def rps_http(self, moment: datetime, client: str, info: str, user: str, **more: str) -> Row:
        """A row of the remote PowerShell request log."""
        values = {
            "DateTime": exchange_time(moment), "StartTime": exchange_time(moment - timedelta(milliseconds=30)),
            "RequestId": self.ids.guid(), **self.versions(moment), "UrlHost": self.server.fqdn,
            "UrlStem": "/powershell",
            "AuthenticationType": "Kerberos", "IsAuthenticated": "true", "AuthenticatedUser": user,
            "ClientIpAddress": client, "ServerHostName": self.server.name, "FrontEndServer": self.server.fqdn.upper(),
            "HttpStatus": "200", "SubStatus": "0", "Action": "New-PSSession:Receive",
            "SessionId": self.ids.guid().upper(),
            "RequestBytes": "2014", "ClientInfo": info, "TotalTime": "30", **more,
        }  # fmt: skip
        return self.named("rps-http", moment, values)

    def track(self, moment: datetime, sender: str, recipient: str, subject: str, size: int, client: str) -> Row:
        """A row of message tracking: a message received by SMTP."""
        values = {
            "date-time": exchange_time(moment), "client-ip": client, "client-hostname": "relay.example.net",
            "server-ip": self.server.address, "server-hostname": self.server.name,
            "connector-id": f"{self.server.name}\\Default Frontend {self.server.name}", "source": "SMTP",
            "event-id": "RECEIVE", "internal-message-id": str(self.ids.number(100_000, 999_999)),
            "message-id": f"<{self.ids.guid()}@example.net>", "network-message-id": self.ids.guid(),
            "recipient-address": recipient, "total-bytes": str(size), "recipient-count": "1",
            "message-subject": subject,
            "sender-address": sender, "return-path": sender, "directionality": "Incoming", "original-client-ip": client,
            "original-server-ip": self.server.address, "transport-traffic-type": "Email", "log-id": self.ids.guid(),
            "schema-version": self.build_at(moment).padded,
        }  # fmt: skip
        return self.named("message-tracking", moment, values, request=False)

    def smtp(self, moment: datetime, session: str, number: int, client: str, event: str, data: str) -> Row:
        """A row of the SMTP receive protocol log."""
        connector = f"{self.server.name}\\Default Frontend {self.server.name}"
        local, remote = f"{self.server.address}:25", f"{client}:{50000 + number}"
        values = (exchange_time(moment), connector, session, str(number), local, remote, event, data, "")
        return Row("smtp", moment, csv_line(values))

    def rca(self, moment: datetime, user: str, client: str, operation: str) -> Row:
        """A row of the RPC Client Access log."""
        name = f"/o=First Org/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn={user}"
        values = (
            exchange_time(moment), str(self.ids.number(100, 9999)), "0", name, "", "OUTLOOK.EXE", "16.0.13127.1001",
            "Cached", client, self.server.address, "ncacn_http", "", operation, "0", "00:00:00.0150000", "", "",
        )  # fmt: skip
        return Row("rca", moment, csv_line(values))

    def http_error(self, moment: datetime, client: str, request: tuple[str, str], status: str, reason: str) -> Row:
        """A row of HTTPERR; `request` is method and URL, both `-` for an idle connection."""
        method, url = request
        version = "-" if method == "-" else "HTTP/1.1"
        line = (
            f"{iis_time(moment)} {client} {self.ids.number(40000, 65000)} {self.server.address} 443 {version} {method} "
            f"{url} - {status} - {reason} -"
        )
        return Row("httperr", moment, line)


@lru_cache(maxsize=32)
def _places(stream: str) -> dict[str, int]:
    """Column names of a log and their positions."""
    return {name: place for place, name in enumerate(columns(stream))}


def _latencies(taken: int, proxied: bool) -> tuple[str, ...]:
    """The 32 latency columns between ResponseBytes and UrlQuery."""
    total = str(taken)
    if not proxied:
        return ("",) * 14 + (total,) + ("",) * 13 + (total, "", total) + ("",)
    back = str(max(0, taken - 5))
    return (
        "", "", "0", "0", "", "0", "", "0", "", "0", "0", "", "0", total, "0", "1", "0", "0", back, "0", "0", "0",
        "0", "0",
        total, "0", back, "1", "1", "1", total, "",
    )  # fmt: skip


assert len(_latencies(1, True)) == len(_latencies(1, False)) == _LATENCIES
