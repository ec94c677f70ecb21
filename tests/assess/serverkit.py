"""Evidence of one server, written piece by piece: logs with their builds, setup logs, configuration, hives, programs."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from afterpatch.demo.evtxfile import Record, evtx_bytes

EXCHANGE = "C/Program Files/Microsoft/Exchange Server/V15"
COLUMNS = (
    "DateTime,RequestId,MajorVersion,MinorVersion,BuildVersion,RevisionVersion,ClientRequestId,Protocol,UrlHost,UrlStem,"
    "ProtocolAction,AuthenticationType,IsAuthenticated,AuthenticatedUser,Organization,AnchorMailbox,UserAgent,"
    "ClientIpAddress,ServerHostName,HttpStatus,BackEndStatus,ErrorCode,Method"
)
IIS_COLUMNS = (
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status "
    "sc-substatus sc-win32-status time-taken"
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def padded(build: str) -> str:
    """`15.01.2176.009`, as heads of logs have it."""
    one, two, three, four = (int(part) for part in build.split("."))
    return f"{one:02d}.{two:02d}.{three:04d}.{four:03d}"


@dataclass(slots=True)
class Server:
    """A folder that is filled as a server's drive."""

    root: Path
    name: str = "EXCH01"

    def put(self, path: str, data: bytes | str, time: datetime | None = None) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)
        if time is not None:
            os.utime(target, (time.timestamp(), time.timestamp()))
        return target

    def proxy(
        self, start: datetime, build: str, *, rows: int = 60, changed: str = "", folder: str = "Owa", more: Sequence[str] = ()
    ) -> None:
        """One hour of HttpProxy; `changed`: the build of the second half of the rows, without a new head."""
        stamp = f"{start:%Y-%m-%dT%H:%M:%S}.001Z"
        head = [
            COLUMNS, "#Software: Microsoft Exchange Server", f"#Version: {padded(build)}", "#Log-type: HttpProxy Logs",
            f"#Date: {stamp}", f"#Fields: {COLUMNS}",
        ]  # fmt: skip
        lines = []
        for number in range(rows):
            time = start + timedelta(seconds=number * 3600 / rows + 1)
            parts = (changed if changed and number >= rows // 2 else build).replace(".", ",")
            request = f"{number:08x}-0000-4000-8000-{int(start.timestamp()):012x}"
            lines.append(
                f"{time:%Y-%m-%dT%H:%M:%S}.{number % 1000:03d}Z,{request},{parts},,"
                f"{folder},mail.example.com,/owa/,,FBA,true,EXAMPLE\\user,,Sid~S-1-5-21,Mozilla/5.0,192.0.2.9,{self.name},200,200,,GET"
            )
        path = f"{EXCHANGE}/Logging/HttpProxy/{folder}/HttpProxy_{start:%Y%m%d%H}-1.LOG"
        self.put(path, "\r\n".join([*head, *lines, *more]) + "\r\n", start + timedelta(minutes=59))

    def iis(self, day: datetime, *, paths: Sequence[tuple[str, str]] = (), every: int = 30, more: Sequence[str] = ()) -> None:
        """One day of front-end IIS; `paths`: (requested path, status) put in every hour."""
        head = [
            "#Software: Microsoft Internet Information Services 10.0", "#Version: 1.0", f"#Date: {day:%Y-%m-%d} 00:00:01",
            f"#Fields: {IIS_COLUMNS}",
        ]  # fmt: skip
        lines = []
        for minute in range(0, 24 * 60, every):
            time = f"{day + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S}"
            for path, status in (("/owa/healthcheck.htm", "200"), *paths):
                lines.append(f"{time} 192.0.2.5 GET {path} - 443 - 192.0.2.9 Mozilla/5.0 - {status} 0 0 15")
        self.put(f"C/inetpub/logs/LogFiles/W3SVC1/u_ex{day:%y%m%d}.log", "\r\n".join([*head, *lines, *more]) + "\r\n")

    def setup(self, *runs: str, cut: int = 0) -> None:
        """ExchangeSetup.log of runs made by `run`; `cut`: bytes that its end lacks."""
        text = "".join(runs)
        self.put("C/ExchangeSetupLogs/ExchangeSetup.log", text[: len(text) - cut] if cut else text)

    def evtx(self, name: str, records: Iterable[Record]) -> None:
        self.put(f"C/Windows/System32/winevt/Logs/{name}.evtx", evtx_bytes(records))

    def update_event(self, time: datetime, title: str, base: str, number: int = 1036, status: str = "0") -> Record:
        """An event of the Windows Installer about an update."""
        values = ["Microsoft Exchange Server", base, "1033", title, status, "Microsoft Corporation"]
        return Record(time, "MsiInstaller", number, "Application", f"{self.name}.example.local", values=values)


def run(
    start: str, version: str, *, mode: str = "Install", installed: str = "", name: str = "EXCH01", failed: bool = False
) -> str:
    """One run of setup, forty minutes long."""
    begin, end = at(start), at(start) + timedelta(minutes=40)
    head, tail = f"[{begin:%m/%d/%Y %H:%M:%S}.0001] [0]", f"[{end:%m/%d/%Y %H:%M:%S}.0001] [0]"
    lines = [
        f"{head} **********************************************", f"{head} Starting Microsoft Exchange Server 2016 Setup",
        f"{head} Local time zone: (UTC) Coordinated Universal Time.", f"{head} Setup version: {version}.",
        f"{head} Command Line Parameter Name='mode', Value='{mode}'.", f"{head} Server Name={name}",
        *([f"{head} The locally installed version is {installed}."] if installed else []),
        f"{head} The installation mode is set to: '{mode}'.", *([f"{tail} [ERROR] Something broke."] if failed else []),
        f"{tail} CurrentResult setupbase.maincore:396: {1 if failed else 0}", f"{tail} End of Setup",
    ]  # fmt: skip
    return "\r\n".join(lines) + "\r\n"


def program(version: str) -> bytes:
    """The bare shape of a program with a version resource: no code."""
    one, two, three, four = (int(part) for part in version.split("."))
    key = "VS_VERSION_INFO".encode("utf-16-le") + b"\0\0\0\0"
    fixed = struct.pack("<IIII", 0xFEEF04BD, 0x10000, one << 16 | two, three << 16 | four)
    return b"MZ" + bytes(200) + key + fixed + bytes(64)


Tree = Mapping[str, "Tree | int | str"]


class _Cells:
    """The cells of a registry hive while it is written."""

    def __init__(self) -> None:
        self.data = bytearray(32)  # the header of the only bin

    def add(self, content: bytes) -> int:
        size = -(-(len(content) + 4) // 8) * 8
        offset = len(self.data)
        self.data += struct.pack("<i", -size) + content.ljust(size - 4, b"\0")
        return offset


def hive(tree: Tree, written: datetime) -> bytes:
    """A registry hive: names of keys to trees, names of values to numbers (DWORD) and texts (SZ)."""
    cells = _Cells()
    moment = int((written - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10_000_000
    root = _key(cells, "ROOT", tree, moment)
    body = bytes(cells.data).ljust(-(-len(cells.data) // 4096) * 4096, b"\0")
    body = struct.pack("<4sII", b"hbin", 0, len(body)).ljust(32, b"\0") + body[32:]
    head = struct.pack("<4sIIQIIIIII", b"regf", 7, 7, moment, 1, 5, 0, 1, root, len(body))
    return head.ljust(4096, b"\0") + body


def _key(cells: _Cells, name: str, tree: Tree, moment: int) -> int:
    keys = [_key(cells, each, inner, moment) for each, inner in tree.items() if isinstance(inner, Mapping)]
    values = [_value(cells, each, inner) for each, inner in tree.items() if not isinstance(inner, Mapping)]
    listed = (
        cells.add(b"lh" + struct.pack("<H", len(keys)) + b"".join(struct.pack("<II", one, 0) for one in keys))
        if keys
        else 0xFFFFFFFF
    )
    named = cells.add(b"".join(struct.pack("<I", one) for one in values)) if values else 0xFFFFFFFF
    text = name.encode("latin-1")
    fixed = struct.pack(
        "<2sHQIIIIIIIIII", b"nk", 0x20, moment, 0, 0, len(keys), 0, listed, 0xFFFFFFFF, len(values), named, 0xFFFFFFFF, 0xFFFFFFFF
    )
    return cells.add(fixed + bytes(20) + struct.pack("<HH", len(text), 0) + text)


def _value(cells: _Cells, name: str, value: Tree | int | str) -> int:
    text = name.encode("latin-1")
    if isinstance(value, int):
        size, place, kind = 4 | 0x80000000, value, 4
    else:
        data = (str(value) + "\0").encode("utf-16-le")
        size, place, kind = len(data), cells.add(data), 1
    return cells.add(struct.pack("<2sHIIIHH", b"vk", len(text), size, place, kind, 1, 0) + text)


def software(build: str, updates: Sequence[tuple[str, str]] = (), signing: int | None = None) -> Tree:
    """SOFTWARE of a server with Exchange; `updates`: (title, InstallDate)."""
    numbers = dict(
        zip(("MsiProductMajor", "MsiProductMinor", "MsiBuildMajor", "MsiBuildMinor"), map(int, build.split(".")), strict=True)
    )
    listed = {f"{{{number}}}": {"DisplayName": title, "InstallDate": day} for number, (title, day) in enumerate(updates)}
    diagnostics = {"Diagnostics": {"EnableSerializationDataSigning": signing}} if signing is not None else {}
    return {
        "Microsoft": {
            "ExchangeServer": {
                "v15": {
                    "Setup": {**numbers, "MsiInstallPath": "C:\\Program Files\\Microsoft\\Exchange Server\\V15\\"},
                    **diagnostics,
                }
            },
            "Windows": {"CurrentVersion": {"Uninstall": listed}},
        }
    }


def system(services: Mapping[str, int]) -> Tree:
    """SYSTEM with the start types of services."""
    return {"Select": {"Current": 1}, "ControlSet001": {"Services": {name: {"Start": start} for name, start in services.items()}}}


MODULES = (
    '<add name="RewriteModule" image="%SystemRoot%\\system32\\inetsrv\\rewrite.dll" />'
    '<add name="TokenCacheModule" image="%windir%\\System32\\inetsrv\\cachtokn.dll" />'
)
FOLDER = "C:\\Program Files\\Microsoft\\Exchange Server\\V15"


def application(path: str, folder: str) -> str:
    return f'<application path="{path}"><virtualDirectory path="/" physicalPath="{folder}" /></application>'


def site(name: str, number: int, port: int, *applications: str) -> str:
    binding = f'<binding protocol="https" bindingInformation="*:{port}:" />'
    return f'<site name="{name}" id="{number}">{"".join(applications)}<bindings>{binding}</bindings></site>'


def apphost(*, rules: str = "", protection: str = "", pools: str = "", folders: Sequence[str] = ()) -> str:
    """applicationHost.config of a server with the two sites; `rules`: rewrite rules of the front end."""
    front = site(
        "Default Web Site", 1, 443,
        application("/", "C:\\inetpub\\wwwroot"), application("/owa", f"{FOLDER}\\FrontEnd\\HttpProxy\\owa"),
        application("/ecp", f"{FOLDER}\\FrontEnd\\HttpProxy\\ecp"), application("/EWS", f"{FOLDER}\\FrontEnd\\HttpProxy\\EWS"),
    )  # fmt: skip
    back = site("Exchange Back End", 2, 444, application("/", f"{FOLDER}\\ClientAccess"))
    held = "".join(f'<location path="Exchange Back End/owa/{folder}"><system.webServer /></location>' for folder in folders)
    return (
        f'<configuration><system.applicationHost><applicationPools><add name="MSExchangeOWAAppPool" />{pools}</applicationPools>'
        f"<sites>{front}{back}</sites></system.applicationHost>"
        f"<system.webServer><globalModules>{MODULES}</globalModules></system.webServer>"
        '<location path="" overrideMode="Allow"><system.webServer><modules><add name="RewriteModule" /></modules>'
        '</system.webServer></location><location path="Default Web Site"><system.webServer><rewrite>'
        f"<rules>{rules}</rules></rewrite></system.webServer></location>{protection}{held}</configuration>"
    )


def web_config(rules: str) -> str:
    """A web.config with rewrite rules."""
    return f"<configuration><system.webServer><rewrite><rules>{rules}</rules></rewrite></system.webServer></configuration>"


def shell_rule(input_: str, pattern: str, name: str = "PowerShell - inbound") -> str:
    """The ProxyNotShell rule in one of its forms."""
    return (
        f'<rule name="{name}" stopProcessing="true"><match url=".*" /><conditions><add input="{input_}" pattern="{pattern}" />'
        '</conditions><action type="AbortRequest" /></rule>'
    )


COOKIE_RULES = (
    '<rule name="X-AnonResource-Backend Abort - inbound"><match url=".*" /><conditions><add input="{HTTP_COOKIE}" '
    'pattern="(.*)X-AnonResource-Backend(.*)" /></conditions><action type="AbortRequest" /></rule>'
    '<rule name="X-BEResource Abort - inbound" stopProcessing="true"><match url=".*" /><conditions><add input="{HTTP_COOKIE}" '
    'pattern="(.*)X-BEResource=(.+)/(.+)~(.+)" /></conditions><action type="AbortRequest" /></rule>'
)
