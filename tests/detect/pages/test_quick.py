"""The quick test before a page is read: what it calls silent is silent for the whole analysis."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.detect.files.item import FileContext, FileItem
from afterpatch.detect.pages import quick
from afterpatch.detect.pages.analyser import PageAnalyser
from afterpatch.detect.pages.catalogue import catalogue
from afterpatch.detect.pages.needs import needs
from afterpatch.detect.pages.page import extension_of
from afterpatch.detect.pages.quick import is_silent
from afterpatch.detect.pages.wordsearch import WordSearch
from afterpatch.model import Artifact, Locator

DATA = Path(__file__).parent / "data"
CASES = [
    (case["id"], case["name"], base64.b64decode(case["page"]))
    for name in ("pages.yml", "ways.yml")
    for case in yaml.safe_load((DATA / name).read_text(encoding="utf-8"))["cases"]
]
NAMES = ("a.aspx", "a.ashx", "a.cshtml", "a.vbhtml", "a.asp", "a.ascx", "a.config", "a.jpg")


def found(name: str, page: bytes, *, fast: bool) -> list[str]:
    """Detections of the page analysis. That a page was not read to its end is no finding where nothing can be in it."""
    item = FileItem(Artifact(0, name, name, Locator(name), "web-file", "r", len(page)), page, False, "0" * 64, len(page))
    every = [one.detection for one in PageAnalyser(quick=fast).analyse(item, FileContext())]
    return [one for one in every if one != "page-not-fully-read"]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_known_pages_give_the_same_findings_with_and_without_it(case: tuple[str, str, bytes]) -> None:
    _id, name, page = case
    assert found(name, page, fast=True) == found(name, page, fast=False)


@pytest.mark.parametrize("name", NAMES)
def test_no_page_with_a_finding_is_silent_under_any_name(name: str) -> None:
    for identifier, _name, page in CASES:
        if is_silent(extension_of(name), page):
            assert found(name, page, fast=False) == [], identifier


WAYS = {
    "escaped name": b'<%@ Page Language="C#"%><% System.Diagnostics.Pro\\u0063ess.Start(Request["a"]); %>',
    "invisible sign in a name": '<%@ Page Language="C#"%><% System.Diagnostics.Pro\u200bcess.Start(Request["a"]); %>'.encode(),
    "reflection": b'<%@ Page Language="C#"%><% System.Type.GetType("System.Diagnostics.Pro"+"cess").GetMethod("St"+"art"); %>',
    "late binding": b'<%@ Page Language="VB"%><% CallByName(x, "St" & "art", 1, Request("a")) %>',
    "alias of a class": b'<%@ Page Language="C#"%><% using F = System.IO.File; F.Delete(Request["a"]); %>',
    "alias in a directive": b'<%@ Page Language="C#"%><%@ Import Namespace="F=System.IO.File"%><% F.Delete(Request["a"]); %>',
    "class with a comment": b'<%@ Page Language="C#"%><% System.IO.File /* x */ . /* y */ Delete(Request["a"]); %>',
    "element as a call": b'<script runat=server language=jscript>this["ev"+"al"](Request["a"])</script>',
    "constructor": b'<%@ Page Language="JScript"%><% "".concat.constructor(Request["a"])() %>',
    "Function": b'<%@ Page Language="JScript"%><% new Function(Request["a"])() %>',
    "unsaid JScript": b'<script runat=server>function a(){ return this["e"+"val"](Request.Item["a"]) }</script>',
    "page in a constant": b'<%@ Page Language="C#"%><% var s = "<%execute(request(1))%\\x3e"; %>',
    "decoded page": b'<%@ Page Language="C#"%><% var s = Server.UrlDecode("%3C%25execute(request(1))%25%3E"); %>',
    "typographic quotes": "<%@ Page Language=\u201cJScript\u201d%><% eval(Request.Item[\u201ca\u201d]) %>".encode(),
    "NUL": b'<%@ Page Language="JScript"%><% ev\0al(Request.Item["a"]) %>',
    "UTF-16": '<%@ Page Language="JScript"%><% eval(Request.Item["a"]) %>'.encode("utf-16"),
    "JSP element": b"<jsp:scriptlet>Runtime.getRuntime().exec(request.getParameter(1));</jsp:scriptlet>",
    "PHP": b"<?php eval($_POST[1]);",
    "script of PHP": b"<script language=php>eval($_POST[1]);</script>",
    "object by class id": b'<object id=s runat=server classid="clsid:72C24DD5-D70A-438B-8A42-98424B88AFB8"></object>'
    b"<% s.run request(1) %>",
    "delegate": b'<%@ Page Language="C#"%><script runat=server>void a(Action<string> b){ b(Request["a"]); }</script>',
    "function of another library": b'<%@ Page Language="C#"%><% [DllImport("x")] static extern int go(string c); %>',
    "packed": b'<%@ Page Language="C#"%><% var s = "' + b"QUJDREVG" * 400 + b'"; x = s ^ 7; eval(s); %>',
    "letters with another lower case": '<%@ Page Language="C#"%><% Ta\u212a(Request["a"]); %>'.encode(),
    "quote in a tag": b'<script title=">" runat=server language=jscript>eval(Request.Item["a"])</script>',
    "block in a tag": b'<script <%= a > b %> runat=server language=jscript>eval(Request.Item["a"])</script>',
    "break in a word": b'<%@ Page Language="JScript"%><% this["ev\\\nal"](Request.Item["a"]) %>',
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_may_hide_a_name_is_read(way: str) -> None:
    for extension in (".asp",) if "class id" in way else (".aspx", ".ascx"):
        assert not is_silent(extension, WAYS[way])


SILENT = {
    "markup": ("a.aspx", b'<%@ Page Language="C#" %><html><body>open file, start process, load, eval(x)</body></html>'),
    "binding": ("a.ascx", b'<%@ Control Language="C#" %><asp:Label runat="server" Text=\'<%# Eval("Title") %>\' />'),
    "client script": ("a.cshtml", b'@model X\n<script>var f = items["a"](); function g() { eval("1"); }</script>'),
    "razor": ("a.cshtml", b'@{ var file = Model.File; Layout = null; }\n@Html.Link("Create", "Start") @Request.Url @file.Name'),
    "statements": ("a.aspx", b'<%@ Page Language="C#" %><% foreach (var x in Model.Items) { %><li><%= x.Name %></li><% } %>'),
    "handler": ("a.ashx", b'<%@ WebHandler Language="C#" CodeBehind="a.ashx.cs" Class="A.B" %>'),
    "plain ASP": ("a.asp", b'<% Response.Write "<b>" & Now() & "</b>" %>'),
}


@pytest.mark.parametrize("what", SILENT)
def test_ordinary_pages_need_no_reading(what: str) -> None:
    name, page = SILENT[what]
    assert is_silent(extension_of(name), page)
    assert found(name, page, fast=False) == []


def test_both_engines_find_the_same() -> None:
    ours = quick._search()
    marks = {**quick._ALWAYS, **quick._DOUBTS, **quick._PARTS}
    other = WordSearch([one for one in ours.names if one not in marks], marks, force_fallback=True)
    for identifier, _name, page in [*CASES, *((name, name, page) for name, page in WAYS.items())]:
        assert ours.found(page) == other.found(page), identifier


@pytest.mark.parametrize("platform", ["dotnet", "classic"])
def test_every_sink_of_the_tables_is_among_the_needs(platform: str) -> None:
    table = needs(platform)
    for key in (*catalogue(platform).sinks, *catalogue(platform).assigned):
        owner, _, method = key.removeprefix("new ").rpartition(".")
        words = frozenset((owner if method == "*" else method, *re.split("[.:]", owner), "request"))
        assert table.met(words), key


PIECES = st.sampled_from(
    [
        '<%@ Page Language="C#"%>',
        '<%@ Page Language="VB"%>',
        '<%@ Page Language="JScript"%>',
        "<%",
        "%>",
        "<%=",
        "<%#",
        "<script runat=server>",
        "<script runat=server language=vb>",
        "<script>",
        "</script>",
        "@{",
        "}",
        "@",
        '"',
        "'",
        "(",
        ")",
        "[",
        "]",
        ".",
        ";",
        "\n",
        " ",
        "=",
        "+",
        "&",
        'Request["a"]',
        "Request",
        "eval",
        "Execute",
        "System.Diagnostics.Process",
        "Process",
        ".Start",
        "File",
        ".Delete",
        ".WriteAllText",
        '"ev"+"al"',
        "this",
        "Assembly",
        ".Load",
        "GetType",
        "GetMethod",
        "Invoke",
        "new ",
        "var x=",
        "x",
        "string s",
        "function f(){",
        "Dim x",
        "Sub f()",
        "End Sub",
        "CreateObject",
        '"WScript.Shell"',
        ".Run",
        "\\u0065",
        "\\x3c",
        "<?php",
        "unescape",
        "Action<string> a",
        "\u200b",
        "\u212a",
        "runat",
        "Func<string,string> g",
        "Text",
        '<asp:TextBox id=t runat="server"/>',
        "t.Text",
        "/* */",
        "//",
        "chr(65)",
        "a" * 500,
        "^",
        "/**/",
        "using F=System.IO.File;",
        "F",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(NAMES), st.lists(PIECES, max_size=40))
def test_any_mixture_that_is_silent_has_no_finding(name: str, pieces: list[str]) -> None:
    page = "".join(pieces).encode()
    if is_silent(extension_of(name), page):
        assert found(name, page, fast=False) == []


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(CASES), st.sampled_from(NAMES), st.integers(0, 400), st.integers(0, 30), PIECES)
def test_a_known_page_with_a_piece_changed_is_never_silenced(
    case: tuple[str, str, bytes], name: str, at: int, size: int, piece: str
) -> None:
    page = case[2][:at] + piece.encode() + case[2][at + size :]
    if is_silent(extension_of(name), page):
        assert found(name, page, fast=False) == []
