"""Hostile evidence end to end: the right exit code, a notice, nothing outside the case, bounded work - and a broken
neighbour never hides a finding in a good file."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import html

HEAD = (
    b"#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date: 2021-03-03 00:00:01\r\n"
    b"#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) "
    b"sc-status sc-substatus sc-win32-status time-taken\r\n"
)
ATTACK = b"2021-03-03 06:59:14 10.0.0.5 POST /ecp/y.js - 443 - 203.0.113.21 python-requests/2.25.1 - 241 0 0 900\r\n"
GOOD = HEAD + ATTACK
LOGS = "C/inetpub/logs/LogFiles/W3SVC1"
CONFIG = "C/Windows/System32/inetsrv/config/applicationHost.config"
ENTITIES = (
    b'<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY b "bbbbbbbbbbbbbbbb">'
    + b"".join(b'<!ENTITY %c "%s">' % (99 + n, (b"&%c;" % (98 + n)) * 16) for n in range(12))
    + b"]>\n<configuration><system.applicationHost><sites><site name='&n;' id='1'/></sites>"
    + b"</system.applicationHost></configuration>"
)
OUTSIDE = (
    b'<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>\n'
    b"<configuration><system.applicationHost><sites><site name='&x;' id='1'/></sites></system.applicationHost></configuration>"
)
DEEP = b"<configuration>" + b"<a>" * 60000 + b"</a>" * 60000 + b"</configuration>"


def _zip(*members: tuple[str, bytes], compressed: bool = True) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, archive.compression)  # ZipInfo alone would store it
    return out.getvalue()


def _tar(*members: tuple[str, bytes, bytes, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, data, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(data), target
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _encrypted() -> bytes:
    """A member that says it is encrypted."""
    data = bytearray(_zip(("u_ex210304.log", GOOD)))
    data[6] |= 1
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= 1
    return bytes(data)


def _lying() -> bytes:
    """A member that says it is four gigabytes."""
    data = bytearray(_zip(("u_ex210304.log", GOOD)))
    at = data.find(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 0xFFFFFFF0)
    data[22:26] = struct.pack("<I", 0xFFFFFFF0)
    return bytes(data)


def _nested(depth: int) -> bytes:
    data = _zip(("zeros.log", b"\0" * (1 << 20)))
    for number in range(depth):
        data = _zip(*[(f"{number}-{copy}.zip", data) for copy in range(8)])
    return data


# name: (place below the evidence, content, the start of the notice's key; "" where the file is read and none is due)
CLASSES: dict[str, tuple[str, bytes, str]] = {
    "log without header": (f"{LOGS}/u_ex210304.log", ATTACK * 3, "notice."),
    "log of NULs": (f"{LOGS}/u_ex210304.log", b"\0" * 200_000, "notice."),
    "log with a line of twelve mebibytes": (f"{LOGS}/u_ex210304.log", HEAD + b"x" * (12 << 20) + b"\r\n", "notice.line-"),
    "log of noise": (f"{LOGS}/u_ex210304.log", bytes(range(256)) * 3000, "notice."),
    "log cut in a row": (f"{LOGS}/u_ex210304.log", HEAD + ATTACK[:50], "notice.line-"),
    "log with undecodable bytes": (f"{LOGS}/u_ex210304.log", HEAD + ATTACK.replace(b"y.js", b"\xff\xfe.js"), "notice."),
    "log whose clock jumps": (
        f"{LOGS}/u_ex210304.log",
        HEAD + b"".join(ATTACK.replace(b"03-03", b"03-%02d" % (1 + n * 7 % 28)).replace(b".21", b".22") for n in range(50)),
        "notice.clock-jumps",
    ),
    "gzip cut off": (f"{LOGS}/u_ex210304.log.gz", gzip.compress(GOOD * 2000)[:-300], "notice."),
    "gzip of zeros": (f"{LOGS}/u_ex210304.log.gz", gzip.compress(b"\0" * (64 << 20), 9), "notice."),
    "configuration with an entity bomb": (CONFIG, ENTITIES, "notice."),
    "configuration with an outside entity": (CONFIG, OUTSIDE, "notice."),
    "configuration too deep": (CONFIG, DEEP, "notice."),
    "configuration that is none": (CONFIG, b"\x00\x01\x02<<<", "notice."),
    "configuration cut off": (CONFIG, b"<configuration><system.applicationHost><sites><site", "notice."),
    "web.config with an entity bomb": ("C/inetpub/wwwroot/web.config", ENTITIES, "notice."),
    "compiled file with an entity bomb": (
        "C/Windows/Microsoft.NET/Framework64/v4.0.30319/Temporary ASP.NET Files/root/a/b/x.aspx.1.compiled", ENTITIES, "notice.",
    ),
    "setup log of noise": ("C/ExchangeSetupLogs/ExchangeSetup.log", bytes(range(256)) * 50, ""),
    "agents.config that is none": (
        "C/Program Files/Microsoft/Exchange Server/V15/TransportRoles/Shared/agents.config", b"<configuration", "notice.",
    ),
    "zip that climbs out": ("x.zip", _zip(("../../../../outside.log", GOOD), ("C/../../u_ex210304.log", HEAD)), "notice."),
    "zip with absolute, drive and network names": (
        "x.zip", _zip(("/outside.log", HEAD), ("C:\\outside.log", HEAD), ("\\\\server\\share\\outside.log", HEAD)), "",
    ),
    "zip cut off": ("x.zip", _zip(("u_ex210304.log", HEAD * 500))[:-60], "notice."),
    "zip that is none": ("x.zip", b"PK\x03\x04" + b"\xff" * 400, "notice."),
    "zip with an encrypted member": ("x.zip", _encrypted(), "notice."),
    "zip that lies about sizes": ("x.zip", _lying(), "notice."),
    "zip within zip within zip": ("x.zip", _nested(6), "notice."),
    "tar with links and devices": (
        "x.tar",
        _tar(
            ("a.log", tarfile.SYMTYPE, b"", "/etc/hostname"), ("b.log", tarfile.LNKTYPE, b"", "../../etc/hostname"),
            ("c.log", tarfile.CHRTYPE, b"", ""), ("d.log", tarfile.FIFOTYPE, b"", ""), ("../e.log", tarfile.REGTYPE, HEAD, ""),
        ),
        "notice.",
    ),
    "tar cut off": ("x.tar", _tar(("u_ex210304.log", tarfile.REGTYPE, HEAD * 40, ""))[:900], "notice."),
}  # fmt: skip


def lay(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def attack_found(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        finding
        for server in document["servers"]
        for finding in server["findings"]
        if "rule:proxylogon-static-241" in finding.get("tags", []) and finding["subject"]["ip"] == "203.0.113.21"
    ]


@pytest.mark.parametrize("name", CLASSES)
def test_a_broken_neighbour_hides_nothing_and_is_named(examine: Callable[..., Any], tmp_path: Path, name: str) -> None:
    place, content, key = CLASSES[name]
    evidence = lay(tmp_path / "evidence", {f"{LOGS}/u_ex210303.log": GOOD, place: content})
    ran = examine(evidence, tmp_path / "case")
    assert ran.code == 1
    assert ran.err == ""
    good = [
        proof
        for finding in attack_found(dict(ran.document))
        for proof in finding["evidence"]
        if proof["path"].endswith("u_ex210303.log")
    ]
    assert good, "the finding of the good file"
    assert good[0]["raw"].encode() == ATTACK.strip()
    mine = [notice for notice in ran.document["notices"] if Path(place).name in notice["path"]]
    if key:
        assert [notice for notice in mine if notice["reason_key"].startswith(key)]
        assert all(notice["reason"] and notice["count"] >= 1 for notice in mine)
    else:
        assert [each for each in mine if "internal" in each["reason"]] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case", "evidence"]
    assert list(tmp_path.parent.glob("outside*")) == []


@pytest.mark.parametrize("name", CLASSES)
def test_hostile_evidence_alone_is_never_a_verdict_of_nothing(
    examine: Callable[..., Any], main_in: Callable[..., tuple[int, str, str]], tmp_path: Path, name: str
) -> None:
    place, content, _key = CLASSES[name]
    evidence = lay(tmp_path / "evidence", {place: content})
    code, out, err = main_in("examine", str(evidence), "--case", str(tmp_path / "case"), "--jobs", "1")
    assert code in (1, 2, 3), (out, err)
    assert "Traceback" not in err
    assert err.count("\n") == (code == 2)


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of processes")
def test_all_of_it_at_once_in_bounded_time_and_memory(program: Callable[..., Any], tmp_path: Path) -> None:
    import resource

    files = {f"{LOGS}/u_ex210303.log": GOOD}
    for number, (place, content, _key) in enumerate(CLASSES.values()):
        head, _, last = place.rpartition("/")
        files[f"{number}/{head}/{last}"] = content
    evidence = lay(tmp_path / "evidence", files)

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
        resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))

    done = program("examine", evidence, "--case", tmp_path / "case", "--jobs", "1", preexec_fn=bounded)
    assert done.returncode == 1, done.stderr
    document = json.loads((tmp_path / "case" / "examination.json").read_bytes())
    assert attack_found(document)
    named = "\n".join(notice["path"] for notice in document["notices"])
    missing = [
        name for number, (name, (_place, _content, key)) in enumerate(CLASSES.items()) if key and f"/{number}/" not in named
        and f"evidence/{number}" not in named
    ]  # fmt: skip
    assert missing == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_links_are_never_followed_out_of_the_evidence(examine: Callable[..., Any], tmp_path: Path) -> None:
    outside = lay(tmp_path / "outside", {"u_ex210305.log": GOOD.replace(b"203.0.113.21", b"203.0.113.99")})
    evidence = lay(tmp_path / "evidence", {f"{LOGS}/u_ex210303.log": GOOD})
    (evidence / LOGS / "u_ex210304.log").symlink_to(outside / "u_ex210305.log")
    (evidence / "C" / "inetpub" / "more").symlink_to(outside, target_is_directory=True)
    (evidence / "C" / "loop").symlink_to(evidence, target_is_directory=True)
    os.mkfifo(evidence / LOGS / "u_ex210306.log")
    ran = examine(evidence, tmp_path / "case")
    assert ran.code == 1
    assert "203.0.113.99" not in json.dumps(ran.document)
    named = [notice["path"] for notice in ran.document["notices"]]
    for name in ("u_ex210304.log", "more", "loop", "u_ex210306.log"):
        assert any(name in path for path in named), name


# Text that attacks whoever reads it

MARKUP = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script></script>"
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m"
TEMPLATE = "{{7*7}}${7*7}%7B%7B"
FORMULA = "=cmd|'/c calc'!A0"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, examine: Callable[..., Any]) -> Any:
    """A server whose name, agents, addresses, paths and files are all an attacker's text."""
    folder = tmp_path_factory.mktemp("attacked")
    head = HEAD.replace(b" time-taken", b" time-taken s-computername cs-host")
    rows = [
        f"2021-03-03 06:59:{10 + number} 10.0.0.5 POST /ecp/y.js {query} 443 - {client} {agent} - 241 0 0 9 {name} {name}\r\n"
        for number, (query, client, agent, name) in enumerate(
            (text.replace(" ", "+"),) * 4 for text in (MARKUP, ESCAPES, TEMPLATE, FORMULA)
        )
    ]
    page = "2021-03-04 06:59:20 10.0.0.5 POST /owa/auth/<b>{{x}}$(id).aspx =1+1 443 - 203.0.113.9 -1+1 - 200 0 0 9 A A\r\n"
    proxy = (
        "DateTime,RequestId,MajorVersion,MinorVersion,BuildVersion,RevisionVersion,ClientRequestId,Protocol,UrlHost,UrlStem,"
        "AuthenticatedUser,AnchorMailbox,UserAgent,ClientIpAddress,ServerHostName,HttpStatus,BackEndStatus,Method,TargetServer\r\n"
        "#Fields: DateTime,RequestId,MajorVersion,MinorVersion,BuildVersion,RevisionVersion,ClientRequestId,Protocol,UrlHost,"
        "UrlStem,AuthenticatedUser,AnchorMailbox,UserAgent,ClientIpAddress,ServerHostName,HttpStatus,BackEndStatus,Method,"
        "TargetServer\r\n"
    )
    for text in (MARKUP, ESCAPES, TEMPLATE, FORMULA):
        cell = '"' + text.replace('"', '""') + '"'
        proxy += f"2021-03-03T06:59:10.123Z,{cell},15,1,2106,2,{cell},Ecp,{cell},/ecp/y.js,{cell},"
        proxy += f'"ServerInfo~a]@exch01.example.local:444/ecp/{text.replace(chr(34), "")}?#",{cell},203.0.113.21,{cell},'
        proxy += f"200,200,POST,{cell}\r\n"
    files = {
        f"{LOGS}/u_ex210303.log": head + "".join(rows).encode("utf-8", "surrogateescape") + ATTACK.rstrip() + b" A A\r\n",
        f"{LOGS}/u_ex210304.log": head + page.encode(),
        "D/Exchange/Logging/HttpProxy/Ecp/HttpProxy_2021030306-1.LOG": proxy.encode("utf-8", "replace"),
        "C/inetpub/wwwroot/aspnet_client/<img src=x onerror=a>.aspx": b"<%@ Page %><script>alert(3)</script>",
        "C/inetpub/wwwroot/aspnet_client/{{7*7}}.aspx": b"<%@ Page %>",
        "C/inetpub/wwwroot/aspnet_client/=1+1.aspx": b"<%@ Page %>",
        f"C/inetpub/wwwroot/aspnet_client/{ESCAPES.replace('/', '')}.aspx": b"<%@ Page %>",
    }
    return examine(lay(folder / "e", files), folder / "case", "--report", str(folder / "r.html"))


def test_an_attacker_s_text_is_kept_in_the_document(attacked: Any) -> None:
    assert attacked.code == 1
    raws = "".join(proof["raw"] for server in attacked.servers for f in server["findings"] for proof in f["evidence"])
    assert "<script>alert(2)</script>" in raws.replace("+", " ")
    assert attack_found(dict(attacked.document))


def test_no_terminal_is_moved_or_renamed(attacked: Any) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", attacked.out), "no control character reaches the terminal"
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069]", attacked.out)


def test_no_element_or_attribute_comes_from_evidence(attacked: Any) -> None:
    data = (attacked.case / "report.html").read_bytes()
    tree = html.fromstring(data)
    assert tree.xpath("//img | //iframe | //object | //embed | //form | //base | //link | //meta[@http-equiv='refresh']") == []
    attributes = {name.lower() for element in tree.iter() if isinstance(element.tag, str) for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on")]
    for element in tree.iter():
        if isinstance(element.tag, str):
            for value in element.attrib.values():
                assert "alert(" not in value
                assert not value.lower().strip().startswith(("javascript:", "data:text"))
    for script in tree.xpath("//script"):
        assert "alert(" not in (script.text or "")
    text = tree.text_content()
    assert "alert(2)" in text, "it is shown as text"
    assert "49" not in re.findall(r"\{\{(.*?)\}\}", text), "no template was run"
    assert "{{7*7}}" in text


def test_no_spreadsheet_runs_a_cell(attacked: Any) -> None:
    import csv

    cells = [cell for row in csv.reader((attacked.case / "manifest.csv").read_text("utf-8").splitlines()) for cell in row]
    assert any("=1+1.aspx" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_host_name_is_no_path(examine: Callable[..., Any], program: Callable[..., Any], tmp_path: Path) -> None:
    """The default case folder is named after the server, whose name is an attacker's text."""
    head = "DateTime,RequestId,Protocol,UrlStem,ServerHostName,HttpStatus\r\n#Fields: DateTime,RequestId,Protocol,UrlStem,"
    head += "ServerHostName,HttpStatus\r\n"
    row = "2021-03-03T06:59:10.123Z,a,Ecp,/ecp/x,../../../{0},200\r\n"
    evidence = lay(
        tmp_path / "evidence",
        {"D/Exchange/Logging/HttpProxy/Ecp/HttpProxy_2021030306-1.LOG": (head + row.format("../owned;$(id)") * 3).encode()},
    )
    place = tmp_path / "a" / "b" / "c" / "d"
    place.mkdir(parents=True)
    done = program("examine", evidence, cwd=place)
    assert done.returncode in (1, 3), done.stderr
    (case,) = place.iterdir()
    assert case.name.startswith("afterpatch-case-")
    assert re.fullmatch(r"[A-Za-z0-9._-]+", case.name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "evidence"]
