"""No line that a rule fires on is without the rule's literals."""

from __future__ import annotations

import csv
import io
import re
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpatch.detect.sigma.compile import CompiledRule, compile_node, compile_rule
from afterpatch.detect.sigma.literals import MAX_CLAUSES, holds, necessary_of, spellings
from afterpatch.detect.sigma.load import load_content
from afterpatch.detect.sigma.mapping import MappedView, default_mappings
from afterpatch.detect.sigma.model import ANY, RAW, Item, LogSource, Text
from afterpatch.detect.sigma.regex_literals import required_runs
from afterpatch.detect.sigma.values import Limits
from afterpatch.parsers.fields import derive

from .test_oracle import Many

WORDS = ["autodiscover", "Json", "PowerShell", "abc", "x_y", "ecp", "ab", "Z", "20", "cmd", "eval", "\u00e9t\u00e9"]
JOINTS = ["/", ".", "?", "@", " ", "-", "~", ":", "$", '"', ",", "=", "&", "%", "+", "'", ";", "", "("]


@st.composite
def phrases(draw: st.DrawFn, most: int = 4) -> str:
    pieces = draw(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(JOINTS)), min_size=1, max_size=most))
    return "".join(word + joint for word, joint in pieces)


REGEXES = [
    r"auto(discover|x)\.json",
    r"(abc|ecp)[/\\]",
    r"(?i)power(shell)?",
    r"[Aa]bc+\d*",
    r"x_y{1,3}",
    r"^/?ecp",
    r"(?:cmd|eval).{0,5}abc",
    r"json(?=@)",
    r"(?<=/)autodiscover",
    r"a.*ecp|cmd",
    r"[a-z]{3}",
    r"(abc)+",
    r"(?!abc)ecp",
    r"Json|PowerShell|ab",
    r"(x_y|)abc",
]

TEXT_FIELDS = ["cs-uri-query", "cs-uri-stem", "url.full", "cs-user-agent", "AnchorMailbox", "UserAgent", RAW]


@st.composite
def one_selection(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(TEXT_FIELDS))
    key = "" if name == RAW else name
    if draw(st.integers(0, 3)) == 0:
        return f"{{'{key}|re': '{draw(st.sampled_from(REGEXES)).replace(chr(39), chr(39) * 2)}'}}"
    modifier = draw(st.sampled_from(["contains", "contains|all", "contains|windash", "startswith", "endswith", "contains|cased"]))
    if not key:
        modifier = draw(st.sampled_from(["contains", "all"]))
    listed = draw(st.lists(phrases(2), min_size=1, max_size=3))
    shown = ", ".join("'" + value.replace("'", "''") + "'" for value in listed)
    return f"{{'{key}|{modifier}': [{shown}]}}"


@st.composite
def rules(draw: st.DrawFn) -> str:
    names = [f"s{index}" for index in range(draw(st.integers(1, 3)))]
    condition = draw(st.sampled_from(["1 of s*", "all of s*", "s0", "s0 and not status", "s0 or status", "status and 1 of s*"]))
    lines = [f"  {name}: {draw(one_selection())}" for name in names] + ["  status: {sc-status: [200, 241]}"]
    return "\n".join([*lines, f"  condition: {condition}"])


def compiled(detection: str) -> CompiledRule | None:
    text = f"title: t\nlogsource: {{category: webserver}}\ndetection:\n{detection}\n"
    loaded = load_content([("r.yml", text.encode())])
    return compile_rule(loaded.rules[0]) if loaded.rules else None


@st.composite
def encoded(draw: st.DrawFn, text: str) -> str:
    """As IIS may write it: spaces as `+`, others but `_` percent-encoded once, twice or not."""
    out = []
    for char in text:
        if re.fullmatch(r"[A-Za-z0-9_]", char):
            out.append(char)
            continue
        once = "".join(f"%{byte:02x}" for byte in char.encode())
        choices = [once, once.replace("%", "%25")]
        choices += ["+"] if char == " " else [] if char == "%" else [char]
        out.append(draw(st.sampled_from(choices)))
    return "".join(out)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules(), st.data())
def test_iis_line_that_fires_has_a_clause(detection: str, data: st.DataObject) -> None:
    rule = compiled(detection)
    if rule is None:
        return
    stem, query = (data.draw(phrases().flatmap(encoded)).replace(" ", "+") for _ in range(2))
    agent = data.draw(phrases()).replace(" ", "+")
    status = data.draw(st.sampled_from(["200", "404"]))
    raw = f"2021-03-03 06:59:10 192.0.2.5 POST {stem} {query} 443 - 198.51.100.7 {agent} - {status} 0 0 99"
    original = f"{stem}?{query}"
    view = Many(
        {
            "cs-uri-stem": (stem,),
            "cs-uri-query": (query,),
            "cs(User-Agent)": (agent,),
            "sc-status": (status,),
            "url.original": (original,),
            "url.full": tuple(dict.fromkeys((original, unquote(original), unquote(unquote(original))))),
            RAW: (raw,),
        }
    )
    if rule.match(MappedView(view, rule.mapping, "iis")) and rule.necessary:
        assert holds(rule.necessary, raw.encode())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules(), st.data())
def test_csv_line_that_fires_has_a_clause(detection: str, data: st.DataObject) -> None:
    rule = compiled(detection)
    if rule is None:
        return
    stem, query = (data.draw(phrases().flatmap(encoded)) for _ in range(2))
    fields = {
        "UrlStem": stem,
        "UrlQuery": "?" + query,
        "UserAgent": data.draw(phrases()).replace(",", " "),
        "AnchorMailbox": data.draw(phrases()),
        "HttpStatus": data.draw(st.sampled_from(["200", "404"])),
    }
    stream = io.StringIO()
    csv.writer(stream).writerow(["2021-03-03T06:59:10.817Z", *fields.values()])
    raw = stream.getvalue()
    original = stem + "?" + query
    decoded = tuple(dict.fromkeys((original, unquote(original), unquote(unquote(original)))))
    view = Many(
        {name: (value,) for name, value in fields.items()} | {"url.original": (original,), "url.full": decoded, RAW: (raw,)}
    )
    if rule.match(MappedView(view, rule.mapping, "httpproxy")) and rule.necessary:
        assert holds(rule.necessary, raw.encode())


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(REGEXES), phrases())
def test_required_runs_are_in_every_match(pattern: str, text: str) -> None:
    if re.search(pattern, text, re.IGNORECASE | re.ASCII):
        assert _holds(required_runs(pattern, "i"), text.lower())


def _holds(tree: object, text: str) -> bool:
    if isinstance(tree, str):
        return tree.lower() in text
    if not isinstance(tree, tuple):
        return True
    results = [_holds(part, text) for part in tree[1]]
    return all(results) if tree[0] == "every" else any(results)


@pytest.mark.parametrize(
    ("detection", "clauses"),
    [
        ("s: {AnchorMailbox|contains: 'ServerInfo~a]@'}", {(b"serverinfo~a",)}),
        ("s: {cs-uri-query|contains: 'ServerInfo~a]@'}", {(b"serverinfo~a",)}),
        (
            "s: {cs-uri-query|contains: 'autodiscover.json?@zz/powershell'}",
            {(b"autodiscover.json", b"zz/powershell")},
        ),
        ("s: {user_agent|contains: 'K\u212aab \u00e9 xyz'}", {(b"xyz",)}),
        (
            "s: {AnchorMailbox|re: 'ServerInfo~.*(Reset|SetObject)'}",
            {(b"serverinfo", b"reset"), (b"serverinfo", b"setobject")},
        ),
        ("s: {cs-uri-query|contains: [alpha, beta]}", {(b"alpha",), (b"beta",)}),
        ("s: {cs-uri-query|contains|all: [alpha, betas]}", {(b"alpha", b"betas")}),
        ("s: {cs-uri-query|contains: [alpha, alphabet]}", {(b"alpha",)}),
        ("s: {cs-uri-query|contains: [alpha, '//']}", None),
        ("s: {sc-status|gte: 500}", None),
        ("s: {server.side: front}", None),
        ("s: {cs-uri-query|neq: alpha}", None),
        ("s: {cs-method: POST, cs-uri-query|contains: zntwv}", {(b"zntwv",)}),
    ],
)
def test_chosen_literals(detection: str, clauses: set[tuple[bytes, ...]] | None) -> None:
    rule = compiled(f"  {detection}\n  condition: s")
    assert rule is not None
    found = set(map(frozenset, rule.necessary.clauses)) if rule.necessary else None
    assert found == (set(map(frozenset, clauses)) if clauses else None)


def test_not_gives_no_literals() -> None:
    rule = compiled("  s: {cs-uri-query|contains: alpha}\n  t: {cs-uri-query|contains: betas}\n  condition: s and not t")
    assert rule is not None
    assert rule.necessary is not None
    assert rule.necessary.clauses == ((b"alpha",),)


def test_more_clauses_than_the_bound_are_none() -> None:
    listed = ", ".join(f"word{index:04}x" for index in range(MAX_CLAUSES + 1))
    rule = compiled(f"  s: {{cs-uri-query|contains: [{listed}]}}\n  condition: s")
    assert rule is not None
    assert rule.necessary is None


def test_two_of_three_needs_two_of_the_literals_at_most() -> None:
    rule = compiled(
        "  s1: {cs-uri-query|contains: alphas}\n  s2: {cs-uri-query|contains: betas}\n"
        "  s3: {cs-uri-query|contains: gammas}\n  condition: 2 of s*"
    )
    assert rule is not None
    assert rule.necessary is not None
    assert len(rule.necessary.clauses) == 2


@pytest.mark.parametrize("text", [b"%61", b"%2541", b"%5f", b"%2525%37a", b"x%7A", b"%2f", b"a//b", b"%u0061"])
def test_an_unusual_spelling_is_read_plainly_too(text: bytes) -> None:
    assert len(spellings(b"POST /ecp/" + text + b"z.js - 443")) > 1


@pytest.mark.parametrize("text", [b"%40", b"%5b", b"%20", b"%60", b"%7b", b"%c3%a9", b"https://x"])
def test_a_usual_spelling_is_left_alone(text: bytes) -> None:
    assert spellings(b"GET /x?u=" + text) == (b"get /x?u=" + text.lower(),)


@pytest.mark.parametrize("text", [b"%2Fowa%2Fauth/Z.aspx", b"%252fowa//auth%25252fz.aspx", b"\\owa\\auth//%7a.aspx"])
def test_plain_spellings_hold_what_was_hidden(text: bytes) -> None:
    assert any(b"/owa/auth" in one for one in spellings(text))


def _columns(kind: str, data: st.DataObject) -> tuple[dict[str, str], str]:
    """A row of a kind: its columns and the raw line."""
    stem, query = (data.draw(phrases().flatmap(encoded)) for _ in range(2))
    agent = data.draw(phrases())
    if kind == "iis":
        values = {
            "date": "2021-03-03",
            "time": "06:59:10",
            "cs-method": "POST",
            "cs-uri-stem": stem.replace(" ", "+") or "/",
            "cs-uri-query": query.replace(" ", "+") or "-",
            "s-port": "443",
            "c-ip": "198.51.100.7",
            "cs(User-Agent)": agent.replace(" ", "+") or "-",
            "sc-status": "200",
        }
        return {name: "" if value == "-" else value for name, value in values.items()}, " ".join(values.values())
    values = {
        "DateTime": "2021-03-03T06:59:10.817Z",
        "UrlStem": stem,
        "AnchorMailbox": data.draw(phrases()),
        "UserAgent": agent.replace(",", " "),
        "ClientIpAddress": "198.51.100.7",
        "HttpStatus": "200",
        "UrlQuery": "?" + query,
    }
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(values.values())
    return values, stream.getvalue()


ASKED = {
    "iis": ["cs-uri-query", "cs-uri-stem", "c-uri", "cs-user-agent", "sc-status", "c-ip"],
    "httpproxy": ["UrlQuery", "UrlStem", "cs-uri-query", "UserAgent", "AnchorMailbox", "anchor.value", "HttpStatus"],
}
DERIVED = [
    "url.full",
    "url.original",
    "url.path",
    "url.query",
    "url.page",
    "url.extension",
    "user_agent",
    "source.ip",
    RAW,
]


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["iis", "httpproxy"]), st.data())
def test_a_piece_of_any_value_is_found_in_the_raw_line(kind: str, data: st.DataObject) -> None:
    """The pattern is cut out of what the rule sees, so the rule fires: its clause must hold in the line."""
    fields, raw = _columns(kind, data)
    view = derive(kind, {**fields, RAW: raw})
    name = data.draw(st.sampled_from(ASKED[kind] + DERIVED))
    mapping = default_mappings().for_logsource(LogSource("webserver"))
    values = MappedView(view, mapping, kind).get(name) or ("",)
    value = data.draw(st.sampled_from(values))
    start = data.draw(st.integers(0, len(value)))
    piece = value[start : data.draw(st.integers(start, len(value)))]
    if not piece:
        return
    parts = (ANY, piece, ANY)
    text = Text(parts, data.draw(st.booleans()))
    node = mapping.prepare(Item(name, ((text,),)))
    assert compile_node(node, Limits())(MappedView(view, mapping, kind))
    necessary = necessary_of(node, mapping)
    assert necessary is None or holds(necessary, raw.encode()), necessary
