"""What a file is: by its header, by its path, by the shape of its lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from afterpatch import evidence
from afterpatch.evidence import Collection, collect
from afterpatch.evidence.sniff import plain, quotes_log_lines, sniff
from afterpatch.evidence.table import OTHER, glob_part, load_table

One = Callable[..., Collection]
TABLE = load_table()
SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
KINDS = {
    "iis", "httperr", "httpproxy", "ews", "ecp-server", "ecp-activity", "owa-server", "autodiscover", "oab-generator",
    "mapi-http", "rca", "cmdlet", "rps-http", "admin-audit", "message-tracking", "smtp", "imap-pop", "agent-log",
    "mitigation-service", "exchange-log", "proxylogon-export", "log-excerpt", "setup-log", "iis-config",
    "iis-config-history", "web-config", "agents-config", "web-file", "compiled", "compiled-assembly", "event-log",
    "registry-hive", "server-library", "suspicious-place", "side-file", "other", "other-log",
}  # fmt: skip
ROW = b'"DateTime","RequestId","ClientIpAddress","UrlHost","UrlStem","RoutingHint","UserAgent","AnchorMailbox",'
ROW += b'"HttpStatus"'
IIS_LINE = b"2021-03-03 06:59:10 192.0.2.5 POST /ecp/y.js - 443 - 203.0.113.21 Agent+1 - 200 0 0 31\r\n"
PROXY_LINE = b"2021-03-03T06:49:42.162Z,11111111-2222-4333-8444-555555555555,15,1,2106,2," + b"," * 70 + b"\r\n"
PROXY_LINE = PROXY_LINE.replace(b",,", b",,Ecp,", 1)


def _typed(log_type: str, bom: bool = True) -> bytes:
    head = f"#Software: Microsoft Exchange Server\r\n#Version: 15.0.0.0\r\n#Log-type: {log_type}\r\n#Fields: a,b\r\n"
    return (b"\xef\xbb\xbf" if bom else b"") + head.encode()


LOG_TYPES = {
    "HttpProxy Logs": "httpproxy", "EWS Logs": "ews", "ECP Server Log": "ecp-server",
    "ECP Activity Context Log": "ecp-activity", "OWA Server Log": "owa-server", "OAB Generator Log": "oab-generator",
    "Rps Cmdlet Logs": "cmdlet", "Rps Http Logs": "rps-http", "audit": "admin-audit",
    "Message Tracking Log": "message-tracking", "SMTP Receive Protocol Log": "smtp",
    "SMTP Send Protocol Log": "smtp", "Agent Log": "agent-log", "IMAP4 Log": "imap-pop", "POP3 Log": "imap-pop",
    "Some Other Log": "exchange-log",
}  # fmt: skip


@pytest.mark.parametrize("log_type", LOG_TYPES)
@pytest.mark.parametrize("bom", [True, False])
def test_log_types(log_type: str, bom: bool) -> None:
    assert sniff(TABLE, "x.log", _typed(log_type, bom)) == LOG_TYPES[log_type]


HEADS: dict[str, tuple[str, bytes, str]] = {
    "header row before the directives": (
        "x.log", b"DateTime,RequestId\r\n" + _typed("HttpProxy Logs", False), "httpproxy"
    ),
    "header row alone": ("x.csv", b"DateTime,RequestId,MajorVersion,Protocol,UrlHost,UrlStem\r\n", "httpproxy"),
    "Test-ProxyLogon": ("x.csv", ROW + b"\r\n", "proxylogon-export"),
    "Test-ProxyLogon with type": ("x.csv", b"#TYPE Selected.PSCustomObject\r\n" + ROW, "proxylogon-export"),
    "Test-ProxyLogon with BOM": ("x.csv", b"\xef\xbb\xbf" + ROW, "proxylogon-export"),
    "IIS": ("x.log", b"#Software: Microsoft Internet Information Services 8.5\r\n", "iis"),
    "IIS by fields": ("x.log", b"#Fields: date time cs-method cs-uri-stem\r\n", "iis"),
    "IIS after NULs": ("x.log", bytes(40) + b"#Software: Microsoft Internet Information Services 8.5\r\n", "iis"),
    "IIS in UTF-16": (
        "x.log", "\ufeff#Software: Microsoft Internet Information Services 8.5\r\n".encode("utf-16-le"), "iis"
    ),
    "IIS without header": ("x.log", IIS_LINE * 3, "iis"),
    "IIS cut in a line": ("x.log", b"7.36 - 200 0 0 12\r\n" + IIS_LINE * 30, "iis"),
    "HttpProxy without header": ("x.log", PROXY_LINE * 3, "httpproxy"),
    "HTTPERR": ("x.log", b"#Software: Microsoft HTTP API 2.0\r\n", "httperr"),
    "compiled": ("x.xml", b'\xef\xbb\xbf<?xml version="1.0"?>\r\n<preserve resultType="3">', "compiled"),
    "applicationHost": ("a.txt", b"<!-- x --><configuration><s name='system.applicationHost'/>", "iis-config"),
    "web.config copy": ("owa.config", b"<?xml version='1.0'?><!-- a --><configuration><a/>", "web-config"),
    "program settings": ("w3wp.exe.config", b"<configuration><a/>", OTHER),
    "event log": ("Security", b"ElfFile\0\0", "event-log"),
    "hive": ("SOFTWARE.sav", b"regf\1\0", "registry-hive"),
    "setup log": ("x.log", b"[03/08/2021 20:20:33.0857] [0] Starting\r\n", "setup-log"),
    "prose that mentions a log": ("x.md", b"# Notes\n\n- see below\n\n#Log-type: ECP Server Log\n", OTHER),
    "empty": ("x.log", b"", OTHER),
    "binary": ("x", bytes(range(256)) * 16, OTHER),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_heads(name: str) -> None:
    file, head, kind = HEADS[name]
    assert sniff(TABLE, file, head[:4096]) == kind


@given(st.binary(max_size=600), st.sampled_from(["x.log", "x.config", "x.csv", "x"]))
def test_any_head_has_some_kind(head: bytes, name: str) -> None:
    assert sniff(TABLE, name, head) in KINDS
    assert isinstance(plain(head), bytes)


def test_the_table_speaks_the_vocabulary() -> None:
    data = yaml.safe_load((Path(evidence.__file__).parent / "artifacts.yml").read_text("utf-8"))
    named = {row["kind"] for part in ("paths", "log_types", "columns", "xml", "shapes", "magics") for row in data[part]}
    assert named <= KINDS
    assert set(data["text_logs"]) <= KINDS


PATHS = {
    "C:\\inetpub\\logs\\LogFiles\\W3SVC1\\u_ex210303.log": "iis",
    "C:\\INETPUB\\LOGS\\LOGFILES\\w3svc2\\U_EX210303.LOG": "iis",
    "E:\\IISLogs\\W3SVC1\\u_ex210303.log": "iis",
    "C:\\inetpub\\logs\\LogFiles\\FTPSVC1\\u_ex210303.log": "other-log",
    "C:\\Exchange\\FrontEnd\\HttpProxy\\owa\\auth\\x.aspx": "web-file",
    "F:\\Program Files\\Microsoft\\Exchange\\FrontEnd\\HttpProxy\\ecp\\x.txt": "web-file",
    "D:\\Exchange Server\\V15\\ClientAccess\\ecp\\web.config": "web-config",
    "D:\\Exchange Server\\V15\\Logging\\HttpProxy\\Owa\\HttpProxy_2021030100-1.LOG": "httpproxy",
    "D:\\Exchange Server\\V15\\Logging\\CmdletInfra\\Powershell-Proxy\\Cmdlet\\Rps_Cmdlet_1.LOG": "cmdlet",
    "D:\\Exchange Server\\V15\\Logging\\CmdletInfra\\Powershell-Proxy\\Http\\Rps_Http_1.LOG": "rps-http",
    "D:\\E\\V15\\TransportRoles\\Logs\\FrontEnd\\ProtocolLog\\SmtpReceive\\RECV1.LOG": "smtp",
    "C:\\Windows\\Temp\\x.exe": "suspicious-place",
    "C:\\root\\a": "suspicious-place",
    "C:\\a\\root\\b": OTHER,
    "C:\\Users\\Public\\opera\\opera_browser.exe": "suspicious-place",
    "C:\\Users\\someone\\NTUSER.DAT": "registry-hive",
    "C:\\Windows\\System32\\config\\SYSTEM": "registry-hive",
    "C:\\xProgramData\\a.txt": OTHER,
}


@pytest.mark.parametrize("path", PATHS)
def test_paths(path: str) -> None:
    folder, _, name = path.rpartition("\\")
    assert TABLE.paths.kind(folder, name) == PATHS[path]


NAMES = st.text(st.characters(exclude_characters="\\", exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(st.lists(NAMES, max_size=6))
def test_a_suffix_counts_at_any_depth(above: list[str]) -> None:
    folder = "\\".join([*above, "inetpub", "wwwroot", "deep"])
    assert TABLE.paths.kind(folder, "x.aspx") == "web-file"


@given(st.text(st.characters(exclude_characters="\\*?\n", exclude_categories=["Cs"]), max_size=20))
def test_a_pattern_without_wildcards_matches_itself_only(text: str) -> None:
    assert re.fullmatch(glob_part(text), text)
    assert not re.fullmatch(glob_part(text), text + "x")


def test_the_header_wins_over_a_wrong_place(kit: SimpleNamespace, one: One) -> None:
    collection = one(
        {
            "C/inetpub/logs/LogFiles/W3SVC1/wrong.log": kit.ECP,
            "C/inetpub/wwwroot/staged.log": kit.IIS,
            "C/Windows/Temp/copied.txt": kit.PROXY,
            "C/inetpub/logs/LogFiles/FTPSVC1/u_ex1.log": kit.IIS,
            "C/inetpub/logs/LogFiles/W3SVC1/cut.log": b"no header here\r\n",
        }
    )
    kinds = {item.path.rpartition("\\")[2]: item.kind for item in collection.artifacts}
    assert kinds == {
        "wrong.log": "ecp-server", "staged.log": "iis", "copied.txt": "httpproxy", "u_ex1.log": "other",
        "cut.log": "iis",
    }  # fmt: skip


def test_quoted_lines_make_an_excerpt(one: One) -> None:
    note = b"# What we saw\n" + b"words " * 2000 + b"\n```\n" + IIS_LINE + b"```\n"
    collection = one({"note.md": note, "other.md": b"# Nothing\n", "grep.json": b"{}\n" + IIS_LINE})
    assert {item.path: item.kind for item in collection.artifacts} == {
        "note.md": "log-excerpt", "other.md": "other", "grep.json": "log-excerpt",
    }  # fmt: skip
    assert not quotes_log_lines(TABLE, b"GET /owa/ on 2021-03-03")


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the shared samples are not here")
def test_shared_samples_are_recognised() -> None:
    expected = {
        "AgentLog": "agent-log", "ECPActivity": "ecp-activity", "ECPServer": "ecp-server", "Ews": "ews",
        "HttpProxy": "httpproxy", "MSGTRK": "message-tracking", "RECV": "smtp", "Rps_Cmdlet": "cmdlet",
        "audit": "admin-audit", "oabgen": "oab-generator", "W3SVC": "iis", "ExchangeSetup": "setup-log",
        "helsecert": "log-excerpt", "applicationHost": "iis-config", "MSExchange_Management": "event-log",
    }  # fmt: skip
    artifacts = collect([str(SAMPLES)]).artifacts
    for start, kind in expected.items():
        named = [item for item in artifacts if item.shown.rpartition("/")[2].startswith(start)]
        kinds = {item.kind for item in named if not item.path.endswith(".tkape")}
        assert kinds == {kind}, start
