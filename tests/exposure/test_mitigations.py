"""Mitigations as configuration shows them: every way to have one, to weaken one and to undo one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from afterpatch.exposure import (
    ConfigurationView,
    EemsEvent,
    IisFile,
    WebFile,
    mitigation_history,
    mitigation_states,
    protections,
)
from afterpatch.knowledge.builds import Build
from afterpatch.parsers.iisconfig import parse_iis_config
from afterpatch.parsers.webconfig import parse_web_config

SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "iis_config" / "exchange2019"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="no shared samples beside this checkout")
ROOT = "C:\\inetpub\\wwwroot\\web.config"
EXCHANGE = "C:\\Program Files\\Microsoft\\Exchange Server\\V15"
IIS = "C:\\Windows\\System32\\inetsrv\\config\\applicationHost.config"
WHEN = datetime(2021, 3, 16, tzinfo=UTC)

MODULES = """<system.webServer><globalModules>
<add name="RewriteModule" image="%SystemRoot%\\system32\\inetsrv\\rewrite.dll"/>{more}</globalModules></system.webServer>
<location path=""><system.webServer><modules><add name="RewriteModule"/></modules></system.webServer></location>"""
COOKIE = '<conditions><add input="{{HTTP_COOKIE}}" pattern="{pattern}"/></conditions><action type="AbortRequest"/>'
ANON = '<rule name="a"><match url=".*"/>' + COOKIE.format(pattern="(.*)X-AnonResource-Backend(.*)") + "</rule>"
BACK = (
    '<rule name="b" stopProcessing="true"><match url=".*"/>'
    + COOKIE.format(pattern="(.*)X-BEResource=(.+)/(.+)~(.+)")
    + "</rule>"
)
SHELL = '<rule name="{name}"{more}><match url="{url}"/><conditions><add input="{input}" pattern="{pattern}"{extra}/></conditions><action type="AbortRequest"/></rule>'  # noqa: E501
FINAL = {"input": "{UrlDecode:{REQUEST_URI}}", "pattern": "(?=.*autodiscover)(?=.*powershell)"}


def shell(name="PowerShell - inbound", more="", url=".*", extra="", **form):
    return SHELL.format(name=name, more=more, url=url, extra=extra, **{**FINAL, **form})


def web(body: str, path: str = ROOT, modified: datetime | None = WHEN) -> WebFile:
    text = f"<configuration>{body}</configuration>"
    return WebFile(path, parse_web_config(text.encode(), path), modified)


def rules(*each: str, path: str = ROOT, around: str = "{}") -> WebFile:
    block = "<system.webServer><rewrite><rules>" + "".join(each) + "</rules></rewrite></system.webServer>"
    return web(around.format(block), path)


def iis(body: str = MODULES, more: str = "") -> IisFile:
    site = f'<system.applicationHost><sites><site name="Default Web Site" id="1"><application path="/"><virtualDirectory path="/" physicalPath="%SystemDrive%\\inetpub\\wwwroot"/></application><application path="/owa"><virtualDirectory path="/" physicalPath="{EXCHANGE}\\FrontEnd\\HttpProxy\\owa"/></application></site></sites></system.applicationHost>'  # noqa: E501
    text = f"<configuration>{site}{body.replace('{more}', more)}</configuration>"
    return IisFile(IIS, parse_iis_config(text.encode(), IIS), WHEN)


def state(view: ConfigurationView, name: str, build: Build | None = None):
    return next(one for one in mitigation_states(view, build) if one.id == name)


def keys(found) -> set[str]:
    return {reason.partition("|")[0].removeprefix("msg:exposure.mitigation.") for reason in found.reasons}


def test_both_cookie_rules_are_the_mitigation_and_one_is_half_of_it():
    found = state(ConfigurationView(WHEN, iis(), (rules(ANON, BACK),)), "proxylogon-cookie")
    assert (found.state, found.path, found.line, found.since, found.guards) == ("in-place", ROOT, 1, WHEN, True)
    found = state(ConfigurationView(WHEN, iis(), (rules(BACK),)), "proxylogon-cookie")
    assert (found.state, keys(found)) == ("partial", {"rule-missing", "rule"})
    found = state(ConfigurationView(WHEN, iis(), (rules(),)), "proxylogon-cookie")
    assert (found.state, found.since, keys(found)) == ("absent", None, {"no-rule"})
    found = state(ConfigurationView(WHEN, iis()), "proxylogon-cookie")
    assert (found.state, keys(found)) == ("not-visible", {"configuration-missing"})


@pytest.mark.parametrize("name", ["PowerShell - inbound", "EEMS M1.1 PowerShell - inbound", "RequestBlockingRule1", "x"])
def test_the_final_form_counts_under_any_name(name):
    assert state(ConfigurationView(WHEN, iis(), (rules(shell(name)),)), "proxynotshell-rewrite").state == "in-place"


@pytest.mark.parametrize(
    ("form", "date"),
    [
        ({"input": "{REQUEST_URI}", "pattern": ".*autodiscover\\.json.*\\@.*Powershell.*"}, "2022-09-30"),
        ({"input": "{REQUEST_URI}", "pattern": ".*autodiscover\\.json.*Powershell.*"}, "2022-10-03"),
        ({"input": "{UrlDecode: {REQUEST_URI}}", "pattern": ".*autodiscover\\.json.*Powershell.*"}, "2022-10-05"),
        ({"input": "{UrlDecode:{REQUEST_URI}}", "pattern": ".*autodiscover\\.json.*Powershell.*"}, "2022-10-06"),
    ],
)
def test_weak_forms_are_named_with_their_date(form, date):
    found = state(ConfigurationView(WHEN, iis(), (rules(shell(**form)),)), "proxynotshell-rewrite")
    assert found.state == "weak"
    assert any(f"weak-form|date={date}|why=" in reason for reason in found.reasons)
    both = state(ConfigurationView(WHEN, iis(), (rules(shell(**form), shell()),)), "proxynotshell-rewrite")
    assert both.state == "in-place"


CLEAR = "<system.webServer><rewrite><rules><clear/></rules></rewrite></system.webServer>"
OWA = f"{EXCHANGE}\\FrontEnd\\HttpProxy\\owa\\web.config"
PASS = '<rule name="first" stopProcessing="true"><match url=".*"/>{}<action type="Rewrite" url="/x"/></rule>'
CASES = {
    "disabled": ((rules(shell(more=' enabled="false"')),), "absent", "disabled"),
    "edited": ((rules(shell(pattern=".*autodiscover.*")),), "weak", "edited"),
    "negated": ((rules(shell(extra=' negate="true"')),), "weak", "negated"),
    "narrow url": ((rules(shell(url="^owa/")),), "partial", "narrow-url"),
    "narrow location": ((rules(shell(), around='<location path="owa">{}</location>'),), "partial", "narrow-location"),
    "back end only": ((rules(shell(), path=f"{EXCHANGE}\\ClientAccess\\web.config"),), "absent", "other-site"),
    "removed later": ((rules(shell(), '\n<remove name="PowerShell - inbound"/>'),), "absent", "undone"),
    "cleared below": ((rules(shell()), web(CLEAR, OWA)), "partial", "undone-below"),
    "passed over": ((rules(PASS.format(""), "\n", shell()),), "absent", "earlier-rule"),
    "sometimes passed over": (
        (rules(PASS.format('<conditions><add input="{URL}" pattern="x"/></conditions>'), "\n", shell()),),
        "partial",
        "earlier-rule",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_weakens_or_undoes_a_rule(case):
    files, expected, reason = CASES[case]
    found = state(ConfigurationView(WHEN, iis(), files), "proxynotshell-rewrite")
    assert (found.state, reason in keys(found)) == (expected, True)


def test_a_redirect_to_https_before_the_rule_does_not_weaken_it():
    redirect = PASS.format('<conditions><add input="{HTTPS}" pattern="off"/></conditions>').replace("Rewrite", "Redirect")
    assert state(ConfigurationView(WHEN, iis(), (rules(redirect, "\n", shell()),)), "proxynotshell-rewrite").state == "in-place"


def test_rules_do_nothing_without_the_module():
    found = state(ConfigurationView(WHEN, iis(""), (rules(shell()),)), "proxynotshell-rewrite")
    assert (found.state, "module-missing" in keys(found)) == ("absent", True)
    found = state(ConfigurationView(WHEN, None, (rules(shell()),)), "proxynotshell-rewrite")
    assert (found.state, "module-not-visible" in keys(found)) == ("in-place", True)


def test_the_content_policy_of_owa_is_an_outbound_rule():
    rule = """<system.webServer><rewrite><outboundRules><preConditions><preCondition name="p">
    <add input="{RESPONSE_CONTENT_TYPE}" pattern="^text/html"/><add input="{REQUEST_URI}" pattern="^/owa/"/></preCondition></preConditions>
    <rule name="EOMT OWA CSP - outbound" preCondition="%s"><match serverVariable="RESPONSE_Content_Security_Policy" pattern="(.*)"/>
    <action type="Rewrite" value="{R:1}; script-src-attr 'none'"/></rule></outboundRules></rewrite></system.webServer>"""  # noqa: E501
    assert state(ConfigurationView(WHEN, iis(), (web(rule % "p", OWA),)), "owa-script-policy").state == "in-place"
    found = state(ConfigurationView(WHEN, iis(), (web(rule % "lost", OWA),)), "owa-script-policy")
    assert (found.state, "precondition" in keys(found)) == ("partial", True)
    assert state(ConfigurationView(WHEN, iis(), (web("", OWA),)), "owa-script-policy").state == "absent"


def pools(*stopped: str) -> str:
    entries = "".join(
        f'<add name="{name}"' + (' autoStart="false" startMode="OnDemand"' if name in stopped else "") + "/>"
        for name in ("MSExchangeECPAppPool", "MSExchangeOABAppPool")
    )
    return f"<system.applicationHost><applicationPools>{entries}</applicationPools></system.applicationHost>"


@pytest.mark.parametrize(
    ("stopped", "expected"),
    [((), "absent"), (("MSExchangeECPAppPool",), "partial"), (("MSExchangeECPAppPool", "MSExchangeOABAppPool"), "in-place")],
)
def test_stopped_pools(stopped, expected):
    assert state(ConfigurationView(WHEN, iis(pools(*stopped))), "exm-pools").state == expected


def test_services_and_the_health_manager():
    off = {"MSExchangeUM": 4, "MSExchangeUMCR": 4, "MSExchangeHM": 4}
    assert state(ConfigurationView(WHEN, services=off), "exm-services").state == "in-place"
    assert state(ConfigurationView(WHEN, services={**off, "MSExchangeUM": 2}), "exm-services").state == "partial"
    assert state(ConfigurationView(WHEN), "exm-services").state == "not-visible"
    alone = state(ConfigurationView(WHEN, iis(pools()), services=off), "exm-health")
    assert (alone.state, keys(alone)) == ("partial", {"health-unexplained"})
    explained = state(ConfigurationView(WHEN, iis(pools("MSExchangeECPAppPool")), services=off), "exm-health")
    assert (explained.state, keys(explained)) == ("in-place", {"health-explained"})


def test_emergency_service():
    assert state(ConfigurationView(WHEN), "eems", Build(15, 1, 2176, 9)).state == "absent"
    assert state(ConfigurationView(WHEN), "eems", Build(15, 1, 2507, 6)).state == "not-visible"
    events = (EemsEvent(WHEN, "Mitigation M1.1 applied", "log", 7), EemsEvent(WHEN, "PING1 HTTPM1x"))
    found = state(ConfigurationView(WHEN, eems=events), "eems", Build(15, 1, 2507, 6))
    assert (found.state, found.path, found.line) == ("in-place", "log", 7)
    assert [reason.split("|")[1] for reason in found.reasons[:2]] == ["name=M1.1", "name=PING1"]
    assert state(ConfigurationView(WHEN, services={"MSExchangeMitigation": 4}), "eems").state == "absent"


def test_extended_protection_follows_iis_inheritance():
    above = '<location path="Default Web Site"><system.webServer><security><access sslFlags="Ssl, Ssl128"/><authentication><windowsAuthentication><extendedProtection tokenChecking="Require"/></windowsAuthentication></authentication></security></system.webServer></location>'  # noqa: E501
    found = {one.location: one for one in protections(ConfigurationView(WHEN, iis(above)))}
    assert (found["Default Web Site/owa"].found, found["Default Web Site/owa"].set_at) == ("Require", "Default Web Site")
    below = above + above.replace('"Default Web Site"', '"Default Web Site/owa"').replace("Require", "None")
    view = ConfigurationView(WHEN, iis(below))
    found = {one.location: one for one in protections(view)}
    assert (found["Default Web Site/owa"].found, found["Default Web Site/owa"].grade) == ("None", "lower")
    assert state(view, "extended-protection").state == "absent"
    assert state(ConfigurationView(WHEN, iis(above)), "extended-protection").state == "in-place"
    assert state(ConfigurationView(WHEN, iis(above)), "extended-protection", Build(15, 1, 2176, 9)).state == "absent"
    no_ssl = state(
        ConfigurationView(WHEN, iis(above.replace("Ssl, Ssl128", "None").replace("/owa", "/API"))), "extended-protection"
    )
    assert no_ssl.state == "in-place"  # OWA's flags are not in the table of expected flags


def test_an_address_list_stands_in_for_the_back_ends_web_services():
    text = '<location path="Exchange Back End/EWS"><system.webServer><security><ipSecurity allowUnlisted="{}"><add ipAddress="192.0.2.1" allowed="true"/></ipSecurity></security></system.webServer></location>'  # noqa: E501
    found = {one.location: one for one in protections(ConfigurationView(WHEN, iis(text.format("false"))))}
    assert (found["Exchange Back End/EWS"].grade, found["Exchange Back End/EWS"].allow_list) == ("as-expected", True)
    found = {one.location: one for one in protections(ConfigurationView(WHEN, iis(text.format("true"))))}
    assert found["Exchange Back End/EWS"].grade == "lower"


def test_token_cache():
    module = '<add name="TokenCacheModule" image="x"/>'
    assert state(ConfigurationView(WHEN, iis()), "token-cache").state == "in-place"
    assert state(ConfigurationView(WHEN, iis(more=module)), "token-cache").state == "absent"
    assert state(ConfigurationView(WHEN), "token-cache").state == "not-visible"
    assert state(ConfigurationView(WHEN), "data-signing").state == "not-visible"


def test_since_when_by_history_copies():
    def copy(day: int, *stopped: str) -> ConfigurationView:
        moment = datetime(2021, 3, day, tzinfo=UTC)
        file = iis(pools(*stopped))
        return ConfigurationView(moment, IisFile(file.path, file.config, moment))

    both = ("MSExchangeECPAppPool", "MSExchangeOABAppPool")
    found = {one.id: one for one in mitigation_history([copy(20, *both), copy(5), copy(9, *both), copy(3, *both)])}["exm-pools"]
    assert (found.state, found.since.day, found.not_before.day) == ("in-place", 9, 5)
    found = {one.id: one for one in mitigation_history([copy(5, *both), copy(9)])}["exm-pools"]
    assert (found.state, found.since, found.not_before.day) == ("absent", None, 5)
    assert all(one.state in ("not-visible", "absent") for one in mitigation_history([]))


def sample(name: str, path: str) -> WebFile:
    return WebFile(path, parse_web_config((SAMPLES / name).read_bytes(), name))


def host(name: str) -> IisFile:
    return IisFile(IIS, parse_iis_config((SAMPLES / name).read_bytes(), name))


@needs_samples
def test_stock_configuration_has_no_mitigation():
    view = ConfigurationView(WHEN, host("applicationHost.config"), (sample("DefaultWebSite_web.config", ROOT),))
    found = {one.id: one for one in mitigation_states(view)}
    assert {name: one.state for name, one in found.items()} == {
        "proxylogon-cookie": "absent", "proxynotshell-rewrite": "absent", "owa-script-policy": "not-visible",
        "extended-protection": "absent", "exm-pools": "absent", "exm-services": "not-visible", "exm-health": "not-visible",
        "eems": "not-visible", "amsi": "not-visible", "token-cache": "absent", "data-signing": "not-visible",
    }  # fmt: skip


@needs_samples
def test_hardened_configuration_is_judged_as_it_is():
    hardened = protections(ConfigurationView(WHEN, host("applicationHost1.config")))
    assert len(hardened) == 25
    assert {one.location for one in hardened if one.grade == "lower"} == set()
    assert {one.location for one in hardened if one.grade == "higher"} == {
        "Default Web Site/Microsoft-Server-ActiveSync/Proxy", "Default Web Site/OAB", "Default Web Site/PowerShell",
    }  # fmt: skip
    assert state(ConfigurationView(WHEN, host("applicationHost1.config")), "extended-protection").state == "in-place"
    partial = state(ConfigurationView(WHEN, host("applicationHost2.config")), "extended-protection")
    assert partial.state == "partial"
    assert any("protection-lower|location=Exchange Back End/PowerShell" in reason for reason in partial.reasons)
    # Without an own entry, ActiveSync/Proxy takes the value of the location above it.
    proxy = next(
        one for one in protections(ConfigurationView(WHEN, host("applicationHost2.config")))
        if one.location == "Exchange Back End/Microsoft-Server-ActiveSync/Proxy"
    )  # fmt: skip
    assert (proxy.found, proxy.set_at) == ("Require", "Exchange Back End/Microsoft-Server-ActiveSync")


@needs_samples
def test_damaged_files_survive_with_a_notice():
    rule = sample("DefaultWebSite_web1.config", ROOT)
    bad = host("BadApplicationHost.config")
    assert [notice.reason.partition(":")[0] for notice in rule.config.notices] == ["notice.xml-malformed"]
    assert [notice.reason.partition(":")[0] for notice in bad.config.notices] == ["notice.xml-malformed"]
    view = ConfigurationView(WHEN, bad, (rule,))
    found = state(view, "proxynotshell-rewrite")
    assert (found.state, found.path) == ("in-place", ROOT)
    assert state(view, "extended-protection").state == "absent"


@needs_samples
def test_amsi_module_of_both_sides():
    front = sample("DefaultWebSite-ECP_web.config", f"{EXCHANGE}\\FrontEnd\\HttpProxy\\ecp\\web.config")
    back = sample("ClientAccess/ecp/web.config", f"{EXCHANGE}\\ClientAccess\\ecp\\web.config")
    assert state(ConfigurationView(WHEN, web=(front, back)), "amsi").state == "in-place"
    found = state(ConfigurationView(WHEN, web=(front,)), "amsi")
    assert (found.state, "amsi-one-side" in keys(found)) == ("partial", True)
    assert state(ConfigurationView(WHEN, web=(front, back)), "amsi", Build(15, 1, 2176, 9)).state == "absent"
    bare = web("", f"{EXCHANGE}\\ClientAccess\\ecp\\web.config")
    assert state(ConfigurationView(WHEN, web=(front, bare)), "amsi").state == "partial"
