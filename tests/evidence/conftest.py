"""One small Exchange server, and every layout it can arrive in."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from afterpatch.evidence import Collection, collect

IIS = (
    b"#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date: 2021-03-03 00:00:01\r\n"
    b"#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) "
    b"sc-status sc-substatus sc-win32-status time-taken\r\n"
    b"2021-03-03 00:00:01 192.0.2.5 GET /owa/healthcheck.htm - 443 - 192.0.2.9 Probe - 200 0 0 1\r\n"
)
ECP = (
    b"\xef\xbb\xbf#Software: Microsoft Exchange Server\r\n#Version: 15.0.0.0\r\n#Log-type: ECP Server Log\r\n"
    b"#Date: 2021-03-03T06:59:14.518Z\r\n#Fields: TimeStamp,ServerName,EventId,EventData\r\n"
    b"2021-03-03T06:59:14.518Z,EXCH01,ECP.Request,S:TIME=12\r\n"
)
PROXY = (
    b"DateTime,RequestId,MajorVersion,MinorVersion,BuildVersion,RevisionVersion,ClientRequestId,Protocol,UrlHost,"
    b"UrlStem\r\n#Software: Microsoft Exchange Server\r\n#Version: 15.01.2106.002\r\n#Log-type: HttpProxy Logs\r\n"
    b"#Date: 2021-03-03T06:00:00.000Z\r\n#Fields: DateTime,RequestId,MajorVersion\r\n"
)
APPHOST = b'<?xml version="1.0"?>\n<configuration><sectionGroup name="system.applicationHost"/></configuration>\n'
COMPILED = b'<?xml version="1.0" encoding="utf-8"?>\n<preserve resultType="3" virtualPath="/owa/auth/logon.aspx" />\n'

NET = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\Temporary ASP.NET Files\\owa\\1f\\2e\\"
EX = "D:\\Program Files\\Microsoft\\Exchange Server\\V15\\"
HTTPERR = b"#Software: Microsoft HTTP API 2.0\r\n"
SERVER: dict[str, tuple[bytes, str]] = {
    "C:\\inetpub\\logs\\LogFiles\\W3SVC1\\u_ex210303.log": (IIS, "iis"),
    "C:\\inetpub\\logs\\LogFiles\\W3SVC2\\u_ex210303.log": (IIS + b"#\r\n", "iis"),
    "C:\\inetpub\\wwwroot\\aspnet_client\\note.aspx": (b"<%-- nothing --%>", "web-file"),
    "C:\\inetpub\\wwwroot\\web.config": (b"<configuration />", "web-config"),
    "C:\\inetpub\\history\\CFGHISTORY_0000000001\\applicationHost.config": (APPHOST, "iis-config-history"),
    "C:\\Windows\\System32\\inetsrv\\config\\applicationHost.config": (APPHOST, "iis-config"),
    "C:\\Windows\\System32\\LogFiles\\HTTPERR\\httperr1.log": (HTTPERR, "httperr"),
    "C:\\Windows\\System32\\winevt\\Logs\\MSExchange Management.evtx": (b"ElfFile\0", "event-log"),
    "C:\\Windows\\System32\\config\\SOFTWARE": (b"regf", "registry-hive"),
    NET + "logon.aspx.f5.compiled": (COMPILED, "compiled"),
    NET + "App_Web_abcd1234.dll": (b"MZ", "compiled-assembly"),
    "C:\\ProgramData\\COM1\\x.bin": (b"?", "suspicious-place"),
    "C:\\root\\tool.bin": (b"?", "suspicious-place"),
    "C:\\ExchangeSetupLogs\\ExchangeSetup.log": (b"[03/08/2021 20:20:33.0857] [0] Start\r\n", "setup-log"),
    EX + "Logging\\HttpProxy\\Ecp\\HttpProxy_2021030306-1.LOG": (PROXY, "httpproxy"),
    EX + "Logging\\ECP\\Server\\ECPServer20210303-1.LOG": (ECP, "ecp-server"),
    EX + "FrontEnd\\HttpProxy\\owa\\auth\\logon.aspx": (b"x", "web-file"),
    EX + "TransportRoles\\Shared\\agents.config": (b"<c/>", "agents-config"),
}  # fmt: skip


def expected() -> set[tuple[str, str]]:
    """(path, kind) of every file of the server."""
    return {(path, kind) for path, (_, kind) in SERVER.items()}


def found(collection: Collection) -> set[tuple[str, str]]:
    """(path, kind) of every artifact but the collectors' own files."""
    return {(item.path, item.kind) for item in collection.artifacts if item.kind != "side-file"}


def tree(base: Path, rename: Callable[[str], str]) -> Path:
    """The server as files below `base`."""
    for path, (data, _) in SERVER.items():
        target = base / rename(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return base


def zipped(target: Path, rename: Callable[[str], str], more: dict[str, bytes] | None = None) -> Path:
    """The server as a ZIP archive."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, (data, _) in SERVER.items():
            archive.writestr(rename(path), data)
        for name, data in (more or {}).items():
            archive.writestr(name, data)
    return target


def tarred(target: Path, mode: str) -> Path:
    """The server as a tar archive."""
    with tarfile.open(target, mode) as archive:  # type: ignore[call-overload]
        for path, (data, _) in SERVER.items():
            member = tarfile.TarInfo(plain(path))
            member.size, member.mtime = len(data), 1_614_754_800
            archive.addfile(member, io.BytesIO(data))
    return target


def plain(path: str) -> str:
    """`C/inetpub/...`"""
    return path.replace(":", "", 1).replace("\\", "/")


def escaped(volume: str, accessor: str) -> Callable[[str], str]:
    """Velociraptor's `uploads/<accessor>/<volume>/...`; `volume` holds `{}` for the letter."""

    def rename(path: str) -> str:
        letter, _, rest = path.partition(":\\")
        return f"uploads/{accessor}/{volume.format(letter)}/" + rest.replace("%", "%25").replace("\\", "/")

    return rename


def copy_log() -> bytes:
    """A KAPE CopyLog of the server, as KAPE writes it: BOM, CRLF."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(
        ["CopiedTimestamp", "SourceFile", "DestinationFile", "FileSize", "SourceFileSha1", "DeferredCopy",
         "CreatedOnUtc", "ModifiedOnUtc", "LastAccessedOnUtc", "CopyDuration"]
    )  # fmt: skip
    for path, (data, _) in SERVER.items():
        writer.writerow(
            ["2021-03-10 12:00:00.0000000", path, "E:\\kape\\" + plain(path), len(data),
             hashlib.sha1(data, usedforsecurity=False).hexdigest().upper(), "False", "2021-03-02 10:00:00.1234567",
             "2021-03-03 07:00:00.7654321", "2021-03-03 07:00:00.0000000", "00:00:00.01"]
        )  # fmt: skip
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def uploads_json(rename: Callable[[str], str], accessor: str, volume: str) -> bytes:
    """Velociraptor's uploads.json of the server."""
    rows = []
    for path, (data, _) in SERVER.items():
        letter, _, rest = path.partition(":\\")
        rows.append(
            json.dumps(
                {
                    "Timestamp": "2021-03-10T12:00:00Z", "started": "2021-03-10 12:00:00 +0000 UTC",
                    "vfs_path": rename(path),
                    "_Components": ["uploads", accessor, volume.format(letter), *rest.split("\\")],
                    "file_size": len(data), "uploaded_size": len(data), "Type": "",
                }
            )
        )  # fmt: skip
    return "\n".join(rows).encode()


@pytest.fixture
def kit() -> SimpleNamespace:
    """The makers above, for test modules (which cannot import this file)."""
    return SimpleNamespace(
        SERVER=SERVER, IIS=IIS, ECP=ECP, PROXY=PROXY, APPHOST=APPHOST, expected=expected, found=found, tree=tree,
        zipped=zipped, tarred=tarred, plain=plain, escaped=escaped, copy_log=copy_log, uploads_json=uploads_json,
    )  # fmt: skip


@pytest.fixture
def one(tmp_path: Path) -> Callable[..., Collection]:
    """Writes files (name -> bytes) below a fresh folder and collects it."""

    def make(files: dict[str, bytes], folder: str = "given") -> Collection:
        for name, data in files.items():
            target = tmp_path / folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return collect([str(tmp_path / folder)])

    return make
