"""Derived fields: what each log can say, says, and cannot say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpatch.parsers import derive, kinds
from afterpatch.parsers.anchor import build_in, decode_version, parse_anchor, parse_cookie, plain_build
from afterpatch.parsers.cmdlets import normal_parameters, parse_audit, parse_ecp_command
from afterpatch.parsers.fields import DERIVED_NAMES


def test_unknown_differs_from_empty() -> None:
    view = derive("iis", {"cs-uri-stem": "/a", "cs-uri-query": "", "c-ip": ""})
    assert view.get("source.ip") == ("",)
    assert view.get("url.query") == ("",)
    assert view.get("http.status") is None
    assert view.get("anchor.value") is None
    assert view.get("cmdlet.name") is None
    assert view.get("cs-uri-query") == ("",)
    assert view.get("CS-URI-STEM") == ("/a",)
    assert view.get("cs(Cookie)") is None
    assert derive("ews", {"HttpStatus": "200"}).get("url.path") is None
    assert derive("httpproxy", {"AnchorMailbox": ""}).get("anchor.host") == ("",)
    assert derive("no-such-kind", {"a": "b"}).get("source.ip") is None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("203.0.113.5  10.0.0.9", "203.0.113.5"),
        ("203.0.113.5:51000", "203.0.113.5"),
        ("fe80::d9e3:e981%3", "fe80::d9e3:e981"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("::FFFF:203.0.113.5%4", "203.0.113.5"),
        ("::1", "::1"),
        ("xxx", "xxx"),
        ("", ""),
    ],
)
def test_client_address(text: str, address: str) -> None:
    assert derive("httpproxy", {"ClientIpAddress": text}).get("source.ip") == (address,)


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("10.1.1.1,+198.51.100.36", "198.51.100.36"),
        ("198.51.100.36, 203.0.113.9", "198.51.100.36"),
        ("192.168.0.1", "10.0.0.9"),
        ("fc00::1,2001:db8::7", "2001:db8::7"),
        ("unknown,-", "10.0.0.9"),
        ("", "10.0.0.9"),
    ],
)
def test_forwarded_address_comes_first_where_public(forwarded: str, address: str) -> None:
    assert derive("iis", {"c-ip": "10.0.0.9", "X-Forwarded-For": forwarded}).get("source.ip") == (address,)


def test_url_is_decoded_twice_at_most() -> None:
    view = derive("iis", {"cs-uri-stem": "/owa//%252561uth%5C\\x.ASPX/a.Js", "cs-uri-query": "q=%2541"})
    assert view.get("url.full") == (
        "/owa//%252561uth%5C\\x.ASPX/a.Js?q=%2541",
        "/owa//%2561uth\\\\x.ASPX/a.Js?q=%41",
        "/owa//%61uth\\\\x.ASPX/a.Js?q=A",
    )
    assert view.get("url.path") == ("/owa/%61uth/x.ASPX/a.Js",)
    assert view.get("url.query") == ("q=A",)
    assert view.get("url.page") == ("/owa/%61uth/x.ASPX",)
    assert view.get("url.extension") == (".js",)


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/owa/auth/x.aspx", "/owa/auth/x.aspx"),
        ("/owa/auth/x.aspx/y.asmx", "/owa/auth/x.aspx"),
        ("/owa/auth/x.aspxx", ""),
        ("/owa/auth/x.aspx.bak", ""),
        ("/x.asp;.jpg", "/x.asp"),
        ("/ecp/DDI/DDIService.svc/SetObject", "/ecp/DDI/DDIService.svc"),
        ("/x.aspx%3fa", "/x.aspx"),
        ("/a.cer", "/a.cer"),
        ("/ecp/y.js", ""),
        ("/owa/", ""),
    ],
)
def test_page(path: str, page: str) -> None:
    assert derive("httpproxy", {"UrlStem": path}).get("url.page") == (page,)


def test_query_of_the_front_end_log_keeps_one_question_mark() -> None:
    view = derive("httpproxy", {"UrlStem": "/a", "UrlQuery": "?b=c"})
    assert view.get("url.original") == ("/a?b=c",)
    assert view.get("url.query") == ("b=c",)
    assert derive("iis", {"cs-uri-stem": "/a", "cs-uri-query": "b=c"}).get("url.original") == ("/a?b=c",)


def test_user_agents_of_both_logs_compare_equal() -> None:
    iis = derive("iis", {"cs(User-Agent)": "Mozilla/5.0+(compatible;+x/2.1;++http://example.com/b)+(KHTML,+like+Gecko)"})
    proxy = derive("httpproxy", {"UserAgent": "Mozilla/5.0 (compatible; x/2.1; +http://example.com/b) (KHTML  like Gecko)"})
    assert iis.get("user_agent") == proxy.get("user_agent")
    assert iis.get("user_agent") == ("Mozilla/5.0 (compatible; x/2.1; +http://example.com/b) (KHTML like Gecko)",)


@pytest.mark.parametrize(
    ("kind", "fields", "side", "expected"),
    [
        ("iis", {"s-port": "444"}, "", ("back",)),
        ("iis", {"s-port": "444"}, "front", ("front",)),
        ("iis", {"s-port": "443"}, "", ("front",)),
        ("iis", {"c-ip": "::1"}, "", None),
        ("httpproxy", {}, "", ("front",)),
        ("ews", {}, "", ("back",)),
        ("message-tracking", {}, "", None),
    ],
)
def test_side(kind: str, fields: dict[str, str], side: str, expected: tuple[str, ...] | None) -> None:
    assert derive(kind, fields, side).get("server.side") == expected


@pytest.mark.parametrize(
    ("text", "host", "port", "path"),
    [
        ("ServerInfo~a]@exch01.example.local:444/ecp/x?a=b#", "exch01.example.local", "444", "/ecp/x"),
        ("ServerInfo~akak]@exch01/autodiscover/autodiscover.xml#", "exch01", "", "/autodiscover/autodiscover.xml"),
        ("ServerInfo~localhost/ecp/default.flt?", "localhost", "", "/ecp/default.flt"),
        ("ServerInfo~a]exch01:444/x", "exch01", "444", "/x"),
        ("serverinfo~[2001:db8::1]:444/x", "2001:db8::1", "444", "/x"),
        ("ServerInfo~https://burp.example.net/x", "burp.example.net", "", "/x"),
        ("ServerInfo~exch01.example.local", "", "", ""),
        ("Sid~S-1-5-21-1/2", "", "", ""),
        ("SMTP:a@example.com", "", "", ""),
        ("", "", "", ""),
    ],
)
def test_anchor(text: str, host: str, port: str, path: str) -> None:
    view = derive("httpproxy", {"AnchorMailbox": text})
    assert view.get("anchor.host") == (host,)
    assert view.get("anchor.port") == (port,)
    assert view.get("anchor.path") == (path,)


def test_anchor_source_and_query() -> None:
    assert parse_anchor("SMTP:a@example.com")[:2] == ("SMTP", "a@example.com")
    assert parse_anchor("ServerInfo~h/x?schema=ResetOABVirtualDirectory#").query == "schema=ResetOABVirtualDirectory"


def test_back_end_cookie() -> None:
    benign = parse_cookie("Server~exch01.example.local~1942063431~2021-04-03T06:59:59")
    assert (benign.source, benign.host, benign.path, benign.version) == (
        "Server",
        "exch01.example.local",
        "",
        "1942063431",
    )
    forged = parse_cookie("Server~a]@exch01:444/ecp/x~y~1942062522~2021-04-03T06:59:59")
    assert (forged.host, forged.port, forged.path, forged.version) == ("exch01", "444", "/ecp/x~y", "1942062522")
    assert parse_cookie("Database~guid~~2023-02-08").host == ""


def test_builds() -> None:
    assert decode_version(1942063431) == "15.1.2375"
    assert decode_version(1942063563) == "15.1.2507"
    assert decode_version(1942062522) == "15.1.1466"
    assert build_in("a=b;FEAuth=BEVersion-3;c=d") == "0.0.3"
    assert build_in("a=b") == ""
    assert plain_build("15.01.2375.007") == "15.1.2375.7"
    assert plain_build("15.1.x") == ""
    assert derive("ecp-server", {"EventData": "S:BLD=15.1.1591.10"}).get("exchange.build") == ("15.1.1591.10",)


def test_ecp_commands() -> None:
    first, second = parse_ecp_command("Pipeline.1|Get-A.Identity='x.y'; Set-B.Url='it's \"q\"'.Force=$true")
    assert (first.name, first.parameters) == ("Get-A", ' -Identity "x.y"')
    assert (second.name, second.parameters) == ("Set-B", ' -Url "it\'s "q"" -Force "$true"')
    assert parse_ecp_command("") == ()
    assert parse_ecp_command("free text") == ()
    (odd,) = parse_ecp_command("Set-B.Url=$null and more")
    assert odd.parameters == ' -Url "$null and more"'
    (rest,) = parse_ecp_command("Set-B?? rest")
    assert rest.parameters == ' "?? rest"'


def test_cmdlet_parameters_have_one_form() -> None:
    assert normal_parameters('-Name "value"') == ' -Name "value"'
    assert normal_parameters("{Name=a, b, Other=c}") == ' -Name "a, b" -Other "c"'
    assert normal_parameters("") == ""


def test_audit_json_of_any_shape() -> None:
    assert parse_audit("[1]") == {}
    assert parse_audit("[" * 100_000) == {}
    found = parse_audit('{"Operation": 5, "Parameters": [{"Name": "A", "Value": {"b": 1}}, 7, {"Value": "x"}]}')
    assert found["operation"] == "5"
    assert found["parameters"] == ' -A "{"b":1}"'
    assert parse_audit('{"Parameters": "x"}')["parameters"] == ""


def test_keys_inside_columns() -> None:
    view = derive("httpproxy", {"GenericInfo": "BeginRequest=2021-03-03T06:59:09.000Z;A=1;A=2;", "GenericErrors": ""})
    assert view.get("info.beginrequest") == ("2021-03-03T06:59:09.000Z",)
    assert view.get("info.A") == ("1", "2")
    assert view.get("info.none") == ("",)
    assert view.get("errors.x") == ("",)
    assert derive("iis", {}).get("info.x") is None
    ecp = derive("ecp-server", {"EventData": "S:CMD=Get-A"})
    assert ecp.get("ecp.cmd") == ("Get-A",)
    assert ecp.get("ecp.ex") == ("",)
    assert ecp.get("ecp.nosuch") is None
    assert ecp.get("cmdlet.result") == ("",)


@given(
    kind=st.sampled_from(kinds()),
    text=st.text(max_size=40) | st.sampled_from(["%", "%u", "%uD800", "%zz", "~", "ServerInfo~/", "[", "a]@[", "::ffff:"]),
)
def test_nothing_in_a_value_makes_a_field_raise(kind: str, text: str) -> None:
    from afterpatch.parsers import formats

    form = formats().by_kind.get(kind)
    columns = [column for schema in (form.schemas if form else ()) for column in schema.columns] or ["EventData"]
    view = derive(kind, dict.fromkeys([*columns, "X-Forwarded-For"], text))
    for name in (*DERIVED_NAMES, "ecp.cmd", "info.a", "errors.a", "no.such"):
        values = view.get(name)
        assert values is None or (values and all(isinstance(value, str) for value in values))
