"""Configuration files: hostile and broken ones, and the answers the examination asks of them."""

from __future__ import annotations

import pickle
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.parsers.agentsconfig import parse_agents_config
from afterpatch.parsers.compiled import parse_compiled
from afterpatch.parsers.iisconfig import parse_iis_config
from afterpatch.parsers.sections import expand, server_environment
from afterpatch.parsers.setuplog import parse_setup_log
from afterpatch.parsers.webconfig import parse_web_config
from afterpatch.parsers.xmltree import LIMIT, parse_xml

SITE = (
    '<configuration><system.applicationHost><sites><site name="Default Web Site" id="1"><application path="/owa">'
    '<virtualDirectory path="/" physicalPath="C:\\x" /></application></site></sites></system.applicationHost>'
    "</configuration>"
)


def reasons(notices: tuple[object, ...]) -> list[str]:
    return [str(getattr(notice, "reason", "")).partition(":")[0] for notice in notices]


def test_effective_log_settings_and_folder() -> None:
    config = parse_iis_config(SITE.encode(), "a")
    (site,) = config.sites
    log = config.log_of(site)
    assert (log.enabled, log.format, log.period, log.local_time_rollover) == (True, "W3C", "Daily", False)
    assert config.log_folder(site, server_environment("D:")) == "D:\\inetpub\\logs\\LogFiles\\W3SVC1"
    (mapping,) = config.mappings()
    assert (mapping.url, mapping.physical_path, mapping.site) == ("/owa", "C:\\x", "1")
    assert pickle.loads(pickle.dumps(config)) == config


def test_variables() -> None:
    known = server_environment("C:", "D:\\Exchange")
    assert expand("%exchangeinstallpath%FrontEnd", known) == "D:\\Exchange\\FrontEnd"
    assert expand("%WINDIR%\\x %nope% 100%", known) == "C:\\Windows\\x %nope% 100%"
    assert expand("%ExchangeInstallPath%x", server_environment()) == "%ExchangeInstallPath%x"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-16-le", "cp1252", "gb18030"])
def test_encodings(encoding: str) -> None:
    text = SITE if encoding.startswith("utf") else f'<?xml version="1.0" encoding="{encoding}"?>{SITE}'
    text = text.replace("C:\\x", "C:\\\u00e4")
    data = b"\xff\xfe" + text.encode(encoding) if encoding == "utf-16-le" else text.encode(encoding)
    config = parse_iis_config(data, "a")
    assert config.sites[0].applications[0].directories[0].physical_path == "C:\\\u00e4"
    assert config.notices == ()


def test_entities_are_not_expanded_and_dtds_are_told() -> None:
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 30))
    data = f'<!DOCTYPE c [<!ENTITY e0 "x"><!ENTITY f SYSTEM "file:///etc/passwd">{bomb}]>{SITE}'
    began = time.monotonic()
    config = parse_iis_config(data.replace('name="Default Web Site"', 'name="&e29;&f;"').encode(), "a")
    assert time.monotonic() - began < 5
    assert "notice.xml-dtd" in reasons(config.notices)
    assert "root:" not in config.sites[0].name
    assert len(config.sites[0].name) < 20


def test_unclosed_dtds_take_no_time() -> None:
    began = time.monotonic()
    tree = parse_xml(b"<!DOCTYPE a [" * 500_000, "a")
    assert time.monotonic() - began < 10
    assert tree.root is None


def test_code_marks_take_no_time() -> None:
    began = time.monotonic()
    config = parse_web_config(b"<configuration/>" + b"<%" * 2_000_000, "a")
    assert time.monotonic() - began < 10
    assert config.code_lines == (1,)


def test_a_script_tag_of_any_length_is_seen_and_many_take_no_time() -> None:
    padded = b"<configuration/>\n<SCRIPT a='" + b"x" * 5000 + b"' runat='server'></script>\n<script src='a'></script> runat"
    assert parse_web_config(padded, "a").code_lines == (2,)
    began = time.monotonic()
    assert parse_web_config(b"<configuration/>" + b"<script " * 900_000, "a").code_lines == ()
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(("grouping", "any_condition"), [(' logicalGrouping="MatchAny"', True), ("", False)])
def test_whether_one_condition_is_enough_is_kept(grouping: str, any_condition: bool) -> None:
    text = (
        '<configuration><system.webServer><rewrite><rules><rule name="a"><match url=".*"/>'
        f'<conditions{grouping}><add input="{{REQUEST_URI}}" pattern="x"/></conditions>'
        '<action type="AbortRequest"/></rule></rules></rewrite></system.webServer></configuration>'
    )
    (rule,) = parse_web_config(text.encode(), "a").sections.rewrite_rules
    assert rule.any_condition is any_condition


def test_depth_is_bounded() -> None:
    config = parse_web_config(b"<a>" * 100_000, "a")
    assert "notice.xml-malformed" in reasons(config.notices)


def test_control_characters_and_nuls() -> None:
    config = parse_iis_config(SITE.encode().replace(b"Default", b"Def\0ault\x01") + b"\0" * 100, "a")
    assert config.sites[0].name == "Default Web Site"
    assert reasons(config.notices) == ["notice.xml-control-characters"]
    assert config.notices[0].count == 102


def test_too_large_and_empty() -> None:
    assert reasons(parse_web_config(b" " * (LIMIT + 1), "a").notices) == ["notice.xml-too-large"]
    assert reasons(parse_web_config(b"", "a").notices) == ["notice.xml-empty"]
    assert reasons(parse_iis_config(b"<configuration/>", "a").notices) == ["notice.iis-config-no-sites"]
    assert reasons(parse_agents_config(b"<configuration/>", "a").notices) == ["notice.agents-config-empty"]
    assert parse_compiled(b"<x/>", "a")[0] is None


def test_text_behind_the_root_element() -> None:
    text = "<configuration>\n<!-- </configuration> -->\n</configuration>\n\n<!-- <% [removed] %> -->\n"
    config = parse_web_config(text.encode(), "a")
    assert (config.trailing, config.trailing_line) == ("<!-- <% [removed] %> -->", 5)
    assert config.code_lines == (5,)
    assert parse_web_config(b"<configuration></configuration>\r\n ", "a").trailing == ""


def test_rules_in_every_block_are_found_when_an_element_is_not_closed() -> None:
    text = (
        "<configuration><location><system.web><system.web></location><system.webServer><rewrite><rules>"
        '<rule name="a"><match url=".*"/><action type="AbortRequest"/></rule></rules></rewrite></system.webServer>'
        "</configuration>"
    )
    config = parse_web_config(text.encode(), "a")
    assert [rule.name for rule in config.sections.rewrite_rules] == ["a"]
    assert "notice.xml-malformed" in reasons(config.notices)


@given(st.binary(max_size=200) | st.text(alphabet='<>/="! \n[]-?configuraten%&;\0', max_size=200).map(str.encode))
@settings(deadline=None)
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    import io

    for content in (data, SITE.encode() + data, SITE.encode()[:300] + data + SITE.encode()[300:]):
        parse_iis_config(content, "a")
        parse_web_config(content, "a")
        parse_agents_config(content, "a")
        parse_compiled(content, "a")
        parse_setup_log(io.BytesIO(content), "a")
