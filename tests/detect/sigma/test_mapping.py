"""Log sources, and the three meanings: not applicable, unknown, refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from afterpatch.detect.sigma.compile import compile_rule, compile_rules
from afterpatch.detect.sigma.load import load_content
from afterpatch.detect.sigma.mapping import MappedView, agent_form, default_mappings
from afterpatch.detect.sigma.model import RAW, LogSource
from afterpatch.detect.sigma.view import DictView

from .test_oracle import Many

IIS = {
    "cs-method": "POST",
    "cs-uri-stem": "/owa/auth/Current/x%2Easpx",
    "cs-uri-query": "a=%2541",
    "cs(User-Agent)": "Mozilla/5.0+(X11;+Linux)+AppleWebKit/537.36+(KHTML,+like+Gecko)",
    "cs(Referer)": "-",
    "sc-status": "200",
    "c-ip": "192.0.2.5",
    "cs-username": "",
}
HTTPPROXY = {
    "Method": "POST",
    "UrlStem": "/owa/auth/Current/x.aspx",
    "UrlQuery": "?a=A",
    "UserAgent": "Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 (KHTML  like Gecko)",
    "HttpStatus": "200",
    "ClientIpAddress": "192.0.2.5",
    "AnchorMailbox": "",
}
URLS = {
    "iis": ("/owa/auth/Current/x%2Easpx?a=%2541", "/owa/auth/Current/x.aspx?a=%41", "/owa/auth/Current/x.aspx?a=A"),
    "httpproxy": ("/owa/auth/Current/x.aspx?a=A",),
}


def base(kind: str, **more: str) -> Many:
    fields: Mapping[str, str] = {**(IIS if kind == "iis" else HTTPPROXY), **more}
    values = {name: (value,) for name, value in fields.items()}
    return Many({**values, "url.original": URLS[kind][:1], "url.full": URLS[kind], RAW: (" ".join(fields.values()),)})


def fires(logsource: str, detection: str, kind: str, **more: str) -> bool | None:
    text = f"title: t\nlogsource: {logsource}\ndetection:\n  s: {detection}\n  condition: s\n"
    loaded = load_content([("r.yml", text.encode())])
    assert not loaded.errors
    rule = compile_rule(loaded.rules[0])
    return rule.judge(MappedView(base(kind, **more), rule.mapping, kind))


WEB = "{category: webserver}"


@pytest.mark.parametrize("kind", ["iis", "httpproxy"])
@pytest.mark.parametrize(
    "detection",
    [
        "{cs-method: POST, sc-status: 200}",
        "{cs-uri-query|contains: /owa/auth/Current/}",
        "{cs-uri-query|contains: 'x.aspx?a=A'}",
        "{cs-uri-stem|endswith: '.aspx?a=A'}",
        "{c-uri|contains: x.aspx}",
        "{cs-uri|startswith: /owa/}",
        "{Method: post, HttpStatus: 200}",
        "{UrlStem|contains: /owa/}",
        "{cs-user-agent: 'Mozilla/5.0+(X11;+Linux)+AppleWebKit/537.36+(KHTML,+like+Gecko)'}",
        "{c-useragent: 'Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 (KHTML, like Gecko)'}",
        "{UserAgent|contains: 'KHTML,+like'}",
        "{ClientIpAddress|cidr: 192.0.2.0/24}",
        "['/owa/auth/Current/x.aspx']",
    ],
)
def test_one_spelling_meets_both_logs(kind: str, detection: str) -> None:
    assert fires(WEB, detection, kind) is True


def test_empty_and_dash_are_the_same_and_do_not_exist() -> None:
    for detection in (
        "{cs-referer: '-'}",
        "{cs-referer: null}",
        "{cs-referer: ''}",
        "{cs-username: '-'}",
        "{cs-referer|exists: false}",
    ):
        assert fires(WEB, detection, "iis") is True, detection
    assert fires(WEB, "{cs-referer|exists: true}", "iis") is False


def test_what_a_log_cannot_carry_is_unknown() -> None:
    assert fires(WEB, "{cs-referer: '-'}", "httpproxy") is None
    assert fires(WEB, "{cs-cookie|contains: x}", "iis") is None
    text = f"title: t\nlogsource: {WEB}\ndetection:\n  s: {{cs-method: POST}}\n  f: {{cs-host: a}}\n  condition: s and not f\n"
    rule = compile_rule(load_content([("r.yml", text.encode())]).rules[0])
    assert not rule.match(MappedView(base("iis"), rule.mapping, "iis"))
    assert rule.match(MappedView(base("iis", **{"cs-host": "b"}), rule.mapping, "iis"))
    assert not rule.match(MappedView(base("iis", **{"cs-host": "a"}), rule.mapping, "iis"))


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        (LogSource("webserver"), {"iis", "httpproxy"}),
        (LogSource("", "windows", "iis"), {"iis"}),
        (LogSource("", "exchange", "ecp-server"), {"ecp-server"}),
        (LogSource("", "exchange", "oab-generator"), {"oab-generator"}),
        (LogSource("cmdlet", "exchange"), {"cmdlet", "admin-audit", "ecp-server", "event-log"}),
        (LogSource("", "windows", "msexchange-management"), {"cmdlet", "admin-audit", "ecp-server", "event-log"}),
        (LogSource("process_creation", "windows"), {"event-log"}),
        (LogSource("", "windows", "security"), {"event-log"}),
        (LogSource("", "windows"), {"event-log"}),
        (LogSource("proxy"), set()),
        (LogSource("webserver", "apache"), set()),
        (LogSource("", "exchange", "unheard-of"), set()),
        (LogSource("", "windows", "unheard-of"), set()),
        (LogSource("file_access", "windows"), set()),
        (LogSource("process_creation", "linux"), set()),
        (LogSource("", "", "apache"), set()),
        (LogSource("", "linux"), set()),
    ],
)
def test_kinds_of_a_log_source(source: LogSource, kinds: set[str]) -> None:
    assert default_mappings().for_logsource(source).kinds == kinds


def test_unmapped_log_source_never_fires() -> None:
    for detection in ("{F: a}", "{F|exists: false}", "{F|neq: a}"):
        assert fires("{category: proxy}", detection, "iis") is None


def test_a_mapping_serves_its_own_kinds_only() -> None:
    assert fires("{product: exchange, service: ecp-server}", "{cs-method: POST}", "iis") is None


def event(logsource: str, detection: str, fields: Mapping[str, str]) -> bool | None:
    text = f"title: t\nlogsource: {logsource}\ndetection:\n  s: {detection}\n  condition: s\n"
    rule = compile_rule(load_content([("r.yml", text.encode())]).rules[0])
    return rule.judge(MappedView(DictView(fields), rule.mapping, "event-log"))


SYSMON = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": "1", "Image": "C:\\a.exe", "User": "D\\u"}
LOGON = {
    "Channel": "Security",
    "EventID": "4688",
    "NewProcessName": "C:\\a.exe",
    "SubjectUserName": "u",
    "SubjectDomainName": "D",
}


@pytest.mark.parametrize("fields", [SYSMON, LOGON])
def test_process_creation_of_two_channels(fields: Mapping[str, str]) -> None:
    source = "{category: process_creation, product: windows}"
    assert event(source, r"{Image|endswith: '\a.exe', User: 'D\u'}", fields) is True
    assert event(source, "{OriginalFileName: x}", fields) is None
    assert event(source, r"{Image|endswith: '\a.exe'}", {**fields, "EventID": "3"}) is None


def test_service_and_channel() -> None:
    assert event("{product: windows, service: security}", "{EventID: 4688}", LOGON) is True
    assert event("{product: windows, service: system}", "{EventID: 4688}", LOGON) is None
    assert event("{product: windows}", "{EventID: 4688}", LOGON) is True
    assert event("{product: windows, service: security}", "[a.exe]", LOGON) is True


def test_registry_categories_look_at_the_event_type() -> None:
    made = {
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "EventID": "12",
        "EventType": "CreateKey",
        "TargetObject": "HKLM\\x",
    }
    assert event("{product: windows, category: registry_add}", "{TargetObject|endswith: x}", made) is True
    assert event("{product: windows, category: registry_delete}", "{TargetObject|endswith: x}", made) is None


def test_cmdlets_are_found_as_one_text() -> None:
    text = (
        "title: t\nlogsource: {product: windows, service: msexchange-management}\ndetection:\n"
        "  s: {'|all': ['New-MailboxExportRequest', ' -Mailbox ']}\n  condition: s\n"
    )
    rule = compile_rules(load_content([("r.yml", text.encode())]))[0]
    view = Many(
        {
            RAW: ("2021,x",),
            "cmdlet.name": ("New-MailboxExportRequest",),
            "cmdlet.parameters": (' -Mailbox "a"',),
        }
    )
    assert rule.match(MappedView(view, rule.mapping, "cmdlet"))
    events = DictView({"Channel": "MSExchange Management", "Data": 'New-MailboxExportRequest -Mailbox "a"'})
    assert rule.match(MappedView(events, rule.mapping, "event-log"))
    assert not rule.match(MappedView(DictView({**events.fields, "Channel": "Other"}), rule.mapping, "event-log"))


def test_agent_form() -> None:
    assert agent_form("a+b,+c") == agent_form("a b  c") == "a b c"
