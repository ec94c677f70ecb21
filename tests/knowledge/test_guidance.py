"""Exploitation dates, mitigations and the checklist."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

from afterpatch.knowledge import actions, exploitation, mitigations
from afterpatch.knowledge import vulnerabilities as vuln
from afterpatch.knowledge.builds import Build


def test_importing_the_package_reads_nothing() -> None:
    names = ("builds", "vulnerabilities", "baseline", "iis_baseline", "indicators", "mitigations", "actions")
    code = f"import sys; from afterpatch.knowledge import {', '.join(names)}; assert 'yaml' not in sys.modules"
    code += "; assert builds.rows.cache_info().currsize == 0"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_chain_of_the_vulnerabilities_has_dates() -> None:
    chains = {chain for item in vuln.vulnerabilities().values() for chain in item.chains}
    assert chains == set(exploitation.exploitation())
    for entry in exploitation.exploitation().values():
        assert entry.mark in {"S", "R", "-"}
        assert (entry.first_known is None) == (entry.mark == "-")
        assert entry.start <= min(filter(None, (entry.first_known, entry.mass, date.max)))
        assert entry.source
        for cve in entry.cves:
            known = vuln.get(cve)
            assert known is not None
            assert entry.chain in known.chains


def test_every_exploited_cve_has_a_date() -> None:
    for item in vuln.exploited():
        assert exploitation.first_known(item.cve) is not None, item.cve
    assert exploitation.first_known("CVE-2021-28480") is None


def test_dates_of_the_chains_of_2021() -> None:
    logon, shell = exploitation.exploitation()["proxylogon"], exploitation.exploitation()["proxyshell"]
    assert (logon.first_known, logon.mass, logon.fixed) == (date(2021, 1, 3), date(2021, 2, 26), date(2021, 3, 2))
    assert (shell.first_known, shell.published, shell.start) == (date(2021, 8, 13), date(2021, 8, 5), date(2021, 7, 20))
    assert exploitation.exploitation()["cve-2021-28480"].start == date(2021, 4, 13)
    assert exploitation.first_known("CVE-2022-41082") == date(2022, 8, 1)


def test_rewrite_rules_are_graded_by_pattern() -> None:
    decoded, plain = "{UrlDecode:{REQUEST_URI}}", "{REQUEST_URI}"
    final = mitigations.recognise(decoded, "(?=.*autodiscover)(?=.*PowerShell)", "abortrequest")
    weak = mitigations.recognise(plain, r".*autodiscover\.json.*\@.*Powershell.*", "AbortRequest")
    blank = mitigations.recognise("{UrlDecode: {REQUEST_URI}}", r".*autodiscover\.json.*Powershell.*", "AbortRequest")
    assert final is not None
    assert final.grade == "final"
    assert weak is not None
    assert weak.grade == "weak"
    assert blank is not None
    assert (blank.grade, blank.since) == ("weak", date(2022, 10, 5))
    assert mitigations.recognise(plain, "(?=.*autodiscover)(?=.*powershell)", "AbortRequest") is None
    assert mitigations.recognise(decoded, "(?=.*autodiscover)(?=.*powershell)", "None") is None
    assert mitigations.recognise("RESPONSE_Content_Security_Policy", "(.*)", "Rewrite", "outbound") is not None
    assert mitigations.named_rule("EEMS M1.1  PowerShell - inbound")
    assert not mitigations.named_rule("Redirect to https")


def test_mitigations_name_known_rules_and_cves() -> None:
    ids = {form.id for form in mitigations.rule_forms()}
    for item in mitigations.mitigations():
        assert set(item.needs_all) <= ids
        assert all(vuln.get(cve) for cve in (*item.cves, *item.not_covered))
    for form in mitigations.rule_forms():
        assert form.grade in mitigations.GRADES
        assert (form.grade == "weak") == bool(form.why)
    pools = {pool.name for pool in mitigations.pool_states()}
    assert all(set(service.explained_by) <= pools for service in mitigations.service_states())


@pytest.mark.parametrize(
    ("location", "value", "grade"),
    [
        ("Default Web Site/EWS", "Allow", "as-expected"),
        ("default web site/ews/", "Require", "higher"),
        ("Default Web Site/ecp", "Allow", "lower"),
        ("Default Web Site/ecp", "", "lower"),
        ("Default Web Site/Autodiscover", "absent", "as-expected"),
        ("Exchange Back End/PowerShell", "Require", "as-expected"),
        ("Default Web Site/owa/auth", "Require", "not-expected"),
        ("Default Web Site/ecp", "Sometimes", "unknown"),
    ],
)
def test_extended_protection_values(location: str, value: str, grade: str) -> None:
    assert mitigations.grade_protection(location, value) == grade


def test_an_address_list_stands_in_for_the_back_end_of_ews_only() -> None:
    assert mitigations.grade_protection("Exchange Back End/EWS", "None", ip_allow_list=True) == "as-expected"
    assert mitigations.grade_protection("Exchange Back End/ecp", "None", ip_allow_list=True) == "lower"
    assert len(mitigations.protected_locations()) == 25


@pytest.mark.parametrize(
    ("build", "supported", "default", "service"),
    [
        ("15.0.1497.36", False, False, False),
        ("15.0.1497.40", True, False, False),
        ("15.1.2375.28", False, False, True),
        ("15.1.2375.31", True, False, True),
        ("15.1.2308.27", False, False, False),
        ("15.2.1258.12", True, False, True),
        ("15.2.1544.4", True, True, True),
        ("15.2.2562.17", True, True, True),
        ("15.2.986", None, False, True),
        ("14.3.513.0", False, False, False),
    ],
)
def test_what_a_build_brings(build: str, supported: bool | None, default: bool, service: bool) -> None:
    parsed = Build.parse(build)
    assert mitigations.supports_protection(parsed) is supported
    assert mitigations.protection_by_default(parsed) is default
    assert mitigations.has_emergency_service(parsed) is service


def test_the_checklist_is_whole_and_ordered() -> None:
    listed = actions.actions()
    assert len({item.id for item in listed}) == len(listed)
    order = [actions.PHASES.index(item.phase) for item in listed]
    assert order == sorted(order)
    for item in listed:
        assert item.applies <= actions.TAGS, item.id
        assert item.mark in {"S", "P"}
        assert item.text["en"].endswith("."), item.id
        assert item.text["zh-CN"].endswith("。"), item.id
    for phase in actions.PHASES:
        assert actions.phase_title(phase) != actions.phase_title(phase, "zh-CN")


def test_steps_by_tag() -> None:
    assert [item.id for item in actions.for_tags([])] == ["complete-evidence"]
    shell = {item.id for item in actions.for_tags(["web-shell"])}
    assert {"isolate", "web-shells", "oab", "machine-keys", "passwords"} <= shell
    assert not {"krbtgt", "hybrid", "unsupported"} & shell
    assert "krbtgt" in {item.id for item in actions.for_tags(["credential-theft"])}
    exposed = {item.id for item in actions.for_tags(["exposed"])}
    assert exposed == {"update", "complete-evidence", "harden"}
    assert actions.get("oab") is not None
    assert actions.get("nothing") is None
