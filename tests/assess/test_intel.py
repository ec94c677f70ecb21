"""A user's own list of indicators, in the three shapes such lists have, against one small evidence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from byhand import DAY, Server, utc

NOTE, TOOL = b"hello world", b"MZ a tool of nobody else"
SHA256, MD5 = hashlib.sha256(NOTE).hexdigest(), hashlib.md5(TOOL, usedforsecurity=False).hexdigest()
UUID = "5f3b1c1e-0000-4000-8000-{:012d}"


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    server = Server(build="15.1.2176.9")
    server.config()
    server.living(utc("2021-03-02"), utc("2021-03-02") + DAY)
    server.iis(utc("2021-03-02 05:00"), "GET", "/owa/auth/logon.aspx", ip="203.0.113.77", agent="EvilScan/9.1")
    server.iis(utc("2021-03-02 05:01"), "GET", "/robots.txt", "u=call.evil-domain.example", ip="203.0.113.78", status=404)
    server.iis(utc("2021-03-02 05:02"), "GET", "/aspnet_client/odd_name.png", ip="203.0.113.79")
    server.file("C/inetpub/wwwroot/aspnet_client/readme.txt", NOTE)
    server.file("C/ProgramData/xq/tool.exe", TOOL)
    return server.write(tmp_path / "evidence")


def csv() -> str:
    rows = (
        ("203.0.113.77", "ip"), ("EvilScan/9.1", "user-agent"), ("evil-domain[.]example", "domain"), ("odd_name.png", "filename"),
        (SHA256, "sha256"), (MD5, "md5"),
    )  # fmt: skip
    return "indicator,type,description\n" + "".join(f"{value},{kind},seen\n" for value, kind in rows)


def stix() -> str:
    patterns = (
        "[ipv4-addr:value = '203.0.113.77'] OR [ipv4-addr:value = '203.0.113.200']",
        f"[file:hashes.'SHA-256' = '{SHA256}' OR file:hashes.MD5 = '{MD5}']",
        "[domain-name:value = 'evil-domain.example']",
        "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'EvilScan/9.1']",
        "[file:name = 'odd_name.png']",
    )
    common = {"spec_version": "2.1", "created": "2021-03-05T00:00:00.000Z", "modified": "2021-03-05T00:00:00.000Z"}
    indicators = [
        {
            "type": "indicator", "id": f"indicator--{UUID.format(number)}", "pattern": pattern, "pattern_type": "stix",
            "valid_from": "2021-03-01T00:00:00Z", **common,
        }
        for number, pattern in enumerate(patterns)
    ]  # fmt: skip
    return json.dumps({"type": "bundle", "id": f"bundle--{UUID.format(99)}", "objects": indicators})


def misp() -> str:
    def attribute(kind: str, value: str) -> dict[str, Any]:
        return {"type": kind, "category": "Network activity", "value": value, "to_ids": True, "timestamp": "1614902400"}

    listed = [
        attribute("ip-src|port", "203.0.113.77|443"),
        attribute("user-agent", "EvilScan/9.1"),
        attribute("hostname", "call.evil-domain.example"),
        attribute("filename|sha256", f"readme.txt|{SHA256}"),
        attribute("filename", "odd_name.png"),
    ]
    item = {"name": "file", "Attribute": [attribute("md5", MD5)]}
    tags = [{"name": 'misp-galaxy:threat-actor="Example Bear"'}, {"name": "tlp:clear"}]
    event = {
        "info": "servers",
        "date": "2021-03-05",
        "Orgc": {"name": "CERT X"},
        "Tag": tags,
        "Attribute": listed,
        "Object": [item],
    }
    return json.dumps({"Event": event})


@pytest.mark.parametrize("shape", [csv, stix, misp])
def test_a_list_of_any_shape_finds_the_same(
    shape: Callable[[], str], evidence: Path, examine: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / shape.__name__
    path.write_text(shape())
    ran = examine(evidence, tmp_path / "case", "--intel", str(path), "--since", "2021-03-02")
    found = {dict(each["subject"]["extra"])["indicator"] for each in ran.server["findings"] if each["origin"] == "indicator"}
    assert found == {"203.0.113.77", "EvilScan/9.1", "call.evil-domain.example", "odd_name.png"}
    files = {each["subject"]["path"] for each in ran.server["findings"] if each["detection"] == "published-file-hash"}
    assert files == {"C:\\inetpub\\wwwroot\\aspnet_client\\readme.txt", "C:\\ProgramData\\xq\\tool.exe"}
    for each in (each for each in ran.server["findings"] if each["origin"] == "indicator"):
        assert "overlap, not an attribution" in each["explanation"]
        assert (each["confidence"], each["stage"], each["evidence"][0]["path"][:3]) == ("low", "", "C:\\")
        assert " - " not in each["explanation"], "no empty name of a group"
    overlaps = [text for chain in ran.server["chains"] for text in chain["overlaps"]]
    assert overlaps == (
        [f"Example Bear (CERT X, 2021-03-05): {value}" for value in sorted((SHA256, MD5))] if shape is misp else []
    )
    assert "Example Bear did" not in ran.out
