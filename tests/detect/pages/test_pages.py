"""Pages that must fire, and the look-alikes that must not; disguises; the reader's promises on any input."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.detect.pages import analyse_page
from afterpatch.detect.pages.verdict import at_least

CASES = yaml.safe_load((Path(__file__).parent / "data" / "pages.yml").read_text(encoding="utf-8"))["cases"]
BY_ID = {case["id"]: base64.b64decode(case["page"]) for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_page_gets_the_severity_its_code_deserves(case: dict[str, str]) -> None:
    verdict = analyse_page(case["name"], base64.b64decode(case["page"]))
    shown = (case["what"], verdict.severity, verdict.flows[:2], verdict.reasons)
    if "least" in case:
        assert at_least(verdict.severity, case["least"]), shown
    else:
        assert not at_least(verdict.severity, case["below"]), shown
    assert verdict.server_code or case["id"] == "oab-text"
    assert verdict.complete


def test_flow_tells_source_sink_lines_and_way() -> None:
    verdict = analyse_page("t.aspx", BY_ID["vb-shell"])
    flow = verdict.flows[0]
    assert (flow.sink, flow.severity) == ("process-start", "critical")
    assert "form" in flow.source.lower()
    assert (flow.source_line, flow.sink_line) == (7, 7)
    assert "|at=7" in flow.explanation
    assert verdict.languages == ("vb",)


WIDE = {
    "utf-16 with mark": lambda page: page.decode().encode("utf-16"),
    "utf-16 little endian": lambda page: page.decode().encode("utf-16-le"),
    "utf-16 big endian": lambda page: page.decode().encode("utf-16-be"),
    "utf-8 with mark": lambda page: b"\xef\xbb\xbf" + page,
    "image head": lambda page: b"GIF89a\x01\x00" + page,
    "PST head": lambda page: b"!BDN\x00\x01\x80" + bytes(200) + page + bytes(50),
    "DER head": lambda page: b"\x30\x82\x04\x00\x99" + page,
    "scattered NUL": lambda page: page.replace(b"eval", b"ev\x00al"),
    "utf-7": lambda page: page.replace(b"<", b"+ADw-").replace(b">", b"+AD4-"),
    "percent": lambda _page: (
        b"ExternalUrl : http://f/%3Cscript%20runat=%22server%22%20language=JScript%3Eeval(Request[%22a%22])%3C/script%3E"
    ),
    "ebcdic": lambda page: page.decode().encode("cp037"),
}


@pytest.mark.parametrize("how", WIDE)
def test_disguised_bytes_are_read(how: str) -> None:
    verdict = analyse_page("x.aspx", WIDE[how](BY_ID["jscript-eval"]))
    assert verdict.severity == "critical", verdict


@pytest.mark.parametrize("how", ["image head", "PST head", "DER head", "utf-7", "percent", "ebcdic"])
def test_disguise_is_told(how: str) -> None:
    assert analyse_page("x.aspx", WIDE[how](BY_ID["jscript-eval"])).notes


def test_nested_encodings_are_followed_and_bounded() -> None:
    code = 'eval(Request["a"])'
    for _layer in range(3):
        code = f'eval(atob("{base64.b64encode(code.encode()).decode()}"))'
    assert analyse_page("x.aspx", f'<%@ Page Language="JScript"%><%{code}%>'.encode()).severity == "critical"
    for _layer in range(9):
        code = f'eval(atob("{base64.b64encode(code.encode()).decode()}"))'
    deep = analyse_page("x.aspx", f'<%@ Page Language="JScript"%><%{code}%>'.encode())
    assert at_least(deep.severity, "high")
    assert not deep.complete
    assert any("layers" in problem for problem in deep.problems)


HOSTILE = {
    "one long string": ("a.aspx", b'<%@ Page Language="C#"%><% string s="' + b"A" * (3 << 20) + b'"; Process.Start(s); %>'),
    "deep brackets": ("a.aspx", b'<%@ Page Language="C#"%><% Process.Start' + b"(" * 60_000 + b"1" + b")" * 60_000 + b"; %>"),
    "deep blocks": ("a.aspx", b'<%@ Page Language="C#"%><% Process p; ' + b"if(a){" * 30_000 + b" %>"),
    "ambiguous": ("a.aspx", b'<%@ Page Language="C#"%><% Process p; ' + b"a<b(c<" * 30_000 + b" %>"),
    "open tags": ("a.aspx", b"<%" * 500_000),
    "open scripts": ("a.aspx", b"<script runat=server " * 50_000),
    "growing string": ("a.aspx", b'<%@ Page Language="C#"%><% var s="a";' + b"s=s+s;" * 3000 + b"Process.Start(s); %>"),
    "endless loop": ("a.asp", b"<% s=1\nDo While 1=1\n s=s&chr(65)\nLoop\nexecute s %>"),
    "vb brackets": ("a.asp", b"<% x=" + b"f(" * 60_000 + b" %>"),
    "vb blocks": ("a.asp", b"<% " + b"if a then\n" * 60_000 + b" %>"),
    "php brackets": ("a.php", b"<?php " + b"f(" * 60_000),
    "php arrays": ("a.php", b"<?php $a=" + b"[" * 60_000),
    "php quotes": ("a.php", b"<?php $a='" + b"\\" * 500_000),
    "java casts": ("a.jsp", b"<% x=" + b"(a)" * 60_000 + b" %>"),
    "java generics": ("a.jsp", b"<% " + b"a<" * 60_000 + b" %>"),
    "razor": ("a.cshtml", b"@if(a){" * 20_000),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_page_costs_little(what: str) -> None:
    name, page = HOSTILE[what]
    started = time.process_time()
    verdict = analyse_page(name, page)
    assert time.process_time() - started < 6  # two seconds on an idle machine; tests share theirs
    assert verdict.severity in ("info", "low", "medium", "high", "critical")


@pytest.mark.parametrize("name", ["web.config", "logo.jpg", "readme.txt"])
@pytest.mark.parametrize("case", ["jscript-eval", "asp-execute", "php-eval"])
def test_page_under_any_name_is_judged(name: str, case: str) -> None:
    assert analyse_page(name, BY_ID[case]).severity == "critical"


def test_spent_budget_is_told() -> None:
    verdict = analyse_page(*HOSTILE["endless loop"])
    assert not verdict.complete
    assert any(problem.startswith("msg:page.problem.budget") for problem in verdict.problems)
    assert at_least(verdict.severity, "low")


PIECES = st.sampled_from(
    [
        b"<%",
        b"%>",
        b"<?php ",
        b"?>",
        b"<script runat=server>",
        b"</script>",
        b'"',
        b"'",
        b"(",
        b")",
        b"{",
        b"}",
        b"[",
        b"]",
        b"$_POST[1]",
        b'Request["a"]',
        b"eval",
        b"Process.Start",
        b";",
        b"\n",
        b"=",
        b"+",
        b"&",
        b".",
        b",",
        b"If x Then",
        b"End If",
        b"function f",
        b"class A",
        b"@{",
        b"new ",
        b"\\u0041",
        b"<%@ Page Language=VB %>",
        b"<%@ Page Language=C# %>",
        b"0",
        b"for(;;)",
        b"While 1",
        b"<",
        b">",
        b"\xff",
        b"\x00",
    ]
)
NAMES = st.sampled_from(["a.aspx", "a.ashx", "a.asp", "a.php", "a.jsp", "a.jspx", "a.cshtml", "a.config", "a.jpg", "a"])


@settings(max_examples=150, deadline=None)
@given(NAMES, st.lists(PIECES, max_size=60))
def test_any_mixture_gets_a_verdict(name: str, pieces: list[bytes]) -> None:
    verdict = analyse_page(name, b"".join(pieces))
    assert verdict == analyse_page(name, b"".join(pieces))  # the same bytes, the same verdict


@settings(max_examples=100, deadline=None)
@given(NAMES, st.binary(max_size=400))
def test_any_bytes_get_a_verdict(name: str, data: bytes) -> None:
    assert analyse_page(name, data).name == name
