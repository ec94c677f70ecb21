"""A user's own lists of indicators, good, odd and hostile."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.knowledge.indicators import Indicator, load_user
from afterpatch.model import UsageError


def load(tmp_path: Path, content: str | bytes, name: str = "list") -> tuple[dict[str, str], dict[str, int]]:
    indicators, notices = load_full(tmp_path, content, name)
    return {item.value: item.type for item in indicators}, notices


def load_full(tmp_path: Path, content: str | bytes, name: str = "list") -> tuple[tuple[Indicator, ...], dict[str, int]]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    indicators, notices = load_user(str(path))
    assert all(notice.path == str(path) for notice in notices)
    return indicators, {notice.reason: notice.count for notice in notices}


def test_plain_text(tmp_path: Path) -> None:
    found, notices = load(
        tmp_path,
        "# a comment\n\n198.51.100[.]7\nhxxp://evil[.]example/x  # remark\nevil[.]example\n10.0.0.1\nhello there\n"
        "evil.example\nMozilla/5.0 (X11; Linux, x86_64) like Gecko, or so\n",
    )
    assert found == {
        "198.51.100.7": "ip",
        "http://evil.example/x": "url",
        "evil.example": "domain",
        "mozilla/5.0 (x11; linux x86_64) like gecko or so": "user-agent",
    }
    assert notices == {
        "notice.indicator-double": 1,
        "notice.indicator-private-address": 1,
        "notice.indicator-unknown-type": 1,
    }


def test_csv_with_a_heading(tmp_path: Path) -> None:
    content = (
        "DateAdded,FirstSeen,Indicator,IndicatorType,TLP,Threat Actor\r\n"
        '2021-03-09,,"C:\\inetpub\\wwwroot\\aspnet_client\\x.aspx",filepath,White,Group A\r\n'
        "2021-03-10,2021-03-05T10:07:29Z," + "ab" * 32 + ",sha256,TLP:AMBER,\r\n"
        "2021-03-10,,203.0.113.9,ipaddress,,\r\n"
        "2021-03-10,,nothing,mutex,,\r\n"
    )
    indicators, notices = load_full(tmp_path, content)
    assert [(item.type, item.published, item.tlp, item.group) for item in indicators] == [
        ("path", "2021-03-09", "WHITE", "Group A"),
        ("sha256", "2021-03-10", "AMBER", ""),
        ("ip", "2021-03-10", "", ""),
    ]
    assert notices == {"notice.indicator-unknown-type: mutex": 1}


def test_csv_without_a_heading_and_with_another_delimiter(tmp_path: Path) -> None:
    found, _ = load(tmp_path, "seen in spring;ip;198.51.100.7\nremark;domain;evil.example\nother;md5;" + "0" * 32 + "\n")
    assert found == {"198.51.100.7": "ip", "evil.example": "domain", "0" * 32: "md5"}


def test_csv_with_one_column_a_type(tmp_path: Path) -> None:
    found, _ = load(tmp_path, "ip,domain,sha256\n198.51.100.7,evil.example,\n,," + "1" * 64 + "\n")
    assert found == {"198.51.100.7": "ip", "evil.example": "domain", "1" * 64: "sha256"}


def test_an_unclosed_quote_does_not_swallow_the_rest(tmp_path: Path) -> None:
    found, _ = load(tmp_path, 'value,type\n"198.51.100.7,ip\n198.51.100.8,ip\n198.51.100.9,ip\n')
    assert {"198.51.100.8", "198.51.100.9"} <= found.keys()


def test_a_list_may_start_with_a_bracketed_address(tmp_path: Path) -> None:
    assert load(tmp_path, "[2001:db8::1]:443\n")[0] == {"2001:db8::1": "ip"}


def test_utf16_and_damaged_text(tmp_path: Path) -> None:
    found, notices = load(tmp_path, "evil.example\r\n198.51.100.7\r\n".encode("utf-16"))
    assert len(found) == 2
    assert not notices
    found, notices = load(tmp_path, b"evil.example\nb\xff\xfed\n")
    assert found == {"evil.example": "domain"}
    assert notices["notice.indicator-encoding"] == 1


def stix(*objects: dict[str, Any]) -> str:
    return json.dumps({"type": "bundle", "id": "bundle--1", "objects": list(objects)})


def pattern(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "indicator", "id": "indicator--1", "pattern_type": "stix", "pattern": text, **more}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[ipv4-addr:value = '198.51.100.7']", {"198.51.100.7": "ip"}),
        (
            "[ipv4-addr:value='198.51.100.7' OR domain-name:value = 'evil.example']",
            {"198.51.100.7": "ip", "evil.example": "domain"},
        ),
        ("[ipv4-addr:value ISSUBSET '203.0.113.0/24']", {"203.0.113.0/24": "ip"}),
        ("[ipv4-addr:value IN ('198.51.100.7', '198.51.100.8')]", {"198.51.100.7": "ip", "198.51.100.8": "ip"}),
        ("[ipv6-addr:value = '2001:DB8::1']", {"2001:db8::1": "ip"}),
        ("[url:value = 'http://evil.example/a?b=\\'c\\'']", {"http://evil.example/a?b='c'": "url"}),
        ("[file:hashes.'SHA-256' = '" + "A" * 64 + "']", {"a" * 64: "sha256"}),
        ("[file:hashes.MD5 = '" + "a" * 32 + "' AND file:name = 'x.aspx']", {"a" * 32: "md5"}),
        ("[file:name = 'x.aspx']", {"x.aspx": "file-name"}),
        (
            "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'antSword/v2.1']",
            {"antsword/v2.1": "user-agent"},
        ),
        (
            "[domain-name:value = 'evil.example'] OR [domain-name:value = 'x.example']",
            {"evil.example": "domain", "x.example": "domain"},
        ),
    ],
)
def test_stix_comparisons(tmp_path: Path, text: str, expected: dict[str, str]) -> None:
    found, notices = load(tmp_path, stix(pattern(text)))
    assert found == expected
    assert not notices


@pytest.mark.parametrize(
    ("item", "notice"),
    [
        (pattern("[domain-name:value = 'a.example' AND file:name = 'x.aspx']"), "notice.indicator-joined-pattern"),
        (
            pattern("[domain-name:value = 'a.example'] FOLLOWEDBY [url:value = 'http://a.example/']"),
            "notice.indicator-joined-pattern",
        ),
        (pattern("[domain-name:value LIKE 'a%.example']"), "notice.indicator-unsupported-comparison: LIKE"),
        (pattern("[domain-name:value != 'a.example']"), "notice.indicator-unsupported-comparison: !="),
        (pattern("[process:command_line = 'x']"), "notice.indicator-unsupported-comparison: process"),
        (pattern("[[["), "notice.indicator-joined-pattern"),
        (pattern("[domain-name:value = 'unclosed]"), "notice.indicator-damaged-pattern"),
        (pattern(""), "notice.indicator-damaged-pattern"),
        (pattern("x" * 70000), "notice.indicator-damaged-pattern"),
        (pattern("[domain-name:value = 'a.example']", revoked=True), "notice.indicator-revoked"),
        (pattern("rule x { condition: true }", pattern_type="yara"), "notice.indicator-other-pattern: yara"),
    ],
)
def test_stix_that_is_not_used_is_counted(tmp_path: Path, item: dict[str, Any], notice: str) -> None:
    found, notices = load(tmp_path, stix(item, pattern("[domain-name:value = 'good.example']")))
    assert found == {"good.example": "domain"}
    if notice != "notice.indicator-joined-pattern" or "[[[" not in item["pattern"]:
        assert notices == {notice: 1}


def test_stix_context(tmp_path: Path) -> None:
    indicators, _ = load_full(
        tmp_path,
        stix(
            {"type": "identity", "id": "identity--1", "name": "Some CERT"},
            {"type": "intrusion-set", "id": "intrusion-set--1", "name": "Group A"},
            {"type": "malware", "id": "malware--1", "name": "Tool B"},
            {
                "type": "relationship",
                "relationship_type": "indicates",
                "source_ref": "indicator--1",
                "target_ref": "intrusion-set--1",
            },
            {
                "type": "relationship",
                "relationship_type": "indicates",
                "source_ref": "indicator--1",
                "target_ref": "malware--1",
            },
            {"type": "marking-definition", "id": "m--1", "name": "TLP:GREEN"},
            pattern(
                "[domain-name:value = 'evil.example']",
                created_by_ref="identity--1",
                valid_from="2021-03-05T00:00:00Z",
                valid_until="2021-06-01T00:00:00Z",
                confidence=85,
                object_marking_refs=["m--1"],
            ),
        ),
    )
    (item,) = indicators
    assert (item.group, item.source, item.published, item.confidence, item.tlp) == (
        "Group A",
        "Some CERT",
        "2021-03-05",
        "high",
        "GREEN",
    )
    assert str(item.valid_until) == "2021-06-01"


def attribute(kind: str, value: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "value": value, "to_ids": True, **more}


def test_misp_event(tmp_path: Path) -> None:
    event = {
        "info": "Mail server case",
        "date": "2021-03-11",
        "Orgc": {"name": "Some CERT"},
        "Tag": [{"name": "tlp:amber"}, {"name": 'misp-galaxy:threat-actor="Group A"'}],
        "Attribute": [
            attribute("ip-src", "198.51.100.7"),
            attribute("ip-dst|port", "198.51.100.8|443"),
            attribute("filename|sha256", "x.aspx|" + "a" * 64),
            attribute("domain|ip", "evil.example|203.0.113.5"),
            attribute("comment", "see above"),
            attribute("domain", "innocent.example", to_ids=False),
            attribute("domain", "gone.example", deleted=True),
        ],
        "Object": [{"name": "file", "Attribute": [attribute("md5", "b" * 32)]}],
    }
    for document in ({"Event": event}, {"response": [{"Event": event}]}, [{"Event": event}]):
        indicators, notices = load_full(tmp_path, json.dumps(document))
        assert {item.value for item in indicators} == {
            *("198.51.100.7", "198.51.100.8", "a" * 64, "evil.example", "203.0.113.5", "b" * 32)
        }
        assert {(item.group, item.source, item.published, item.tlp) for item in indicators} == {
            ("Group A", "Some CERT", "2021-03-11", "AMBER")
        }
        assert notices == {
            "notice.indicator-deleted": 1,
            "notice.indicator-not-for-detection": 1,
            "notice.indicator-unknown-type: comment": 1,
        }


def test_misp_attribute_list(tmp_path: Path) -> None:
    assert load(tmp_path, json.dumps([attribute("url", "http://evil.example/")]))[0] == {"http://evil.example/": "url"}
    assert load(tmp_path, json.dumps({"response": {"Attribute": [attribute("md5", "b" * 32)]}}))[0] == {"b" * 32: "md5"}


def test_double_keys_are_counted(tmp_path: Path) -> None:
    _, notices = load(
        tmp_path,
        '{"type": "bundle", "type": "bundle", "objects": [' + json.dumps(pattern("[url:value = 'http://a.example/']")) + "]}",
    )
    assert notices == {"notice.indicator-double-key": 1}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"MZ\x00\x00\x03binary\x00",
        b"just some words\nand more words\n",
        b'{"hello": 1}',
        b'{"type": "bundle", "objects": []}',
        b'{"type": "bundle", "objects": 7}',
        b'{"Event": 7}',
        b'{"response": {"response": null}}',
        b"{" * 5000,
        b'[{"a":' * 300 + b"1" + b"}]" * 300,
        b'{"type": "bundle"',
        b'["' + b'\\"' * 200000,
        b"10.0.0.1\n192.168.3.4\n",
        b"9" * 20000,
        b'{"type":"bundle","objects":[' + b"9" * 20000 + b"]}",
    ],
)
def test_what_is_no_list_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(UsageError) as caught:
        load(tmp_path, content)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 2


def test_missing_and_huge_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_user(str(tmp_path / "none"))
    with pytest.raises(UsageError, match="cannot be read"):
        load_user(str(tmp_path))
    monkeypatch.setattr("afterpatch.knowledge.indicators.user.LARGEST", 1 << 20)
    with pytest.raises(UsageError, match="at most"):
        load(tmp_path, b"a" * ((1 << 20) + 1))


def test_the_number_of_indicators_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afterpatch.knowledge.indicators.intake.MOST", 10)
    found, notices = load(tmp_path, "\n".join(f"a{number}.example" for number in range(25)))
    assert (len(found), notices) == (10, {"notice.indicator-too-many": 15})


@settings(max_examples=150)
@given(st.text(max_size=400) | st.text(alphabet='{}[]",:;|\t\n ab1./\\', max_size=400))
def test_hostile_text_ends_in_indicators_or_a_usage_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("lists") / "x"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        indicators, _ = load_user(str(path))
    except UsageError:
        return
    assert indicators
