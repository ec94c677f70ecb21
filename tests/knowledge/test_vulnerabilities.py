"""What a build says about a CVE; and the shipped tables themselves."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest

from afterpatch.knowledge import builds
from afterpatch.knowledge import vulnerabilities as vuln
from afterpatch.knowledge.builds import Build

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
PROXYLOGON = ("CVE-2021-26855", "CVE-2021-26857", "CVE-2021-26858", "CVE-2021-27065")


def found(cve: str, text: str, precision: str = "") -> str:
    return vuln.state(cve, Build.parse(text), precision).state


@pytest.mark.parametrize("cve", PROXYLOGON)
@pytest.mark.parametrize(
    ("build", "expected"),
    [
        ("15.1.2176.2", "open"),
        ("15.1.2176.4", "open"),
        ("15.1.2176.8", "open"),  # not in the table: compared, not rounded
        ("15.1.2176.9", "closed"),
        ("15.1.2176.14", "closed"),
        ("15.1.2242.4", "closed"),  # included in CU20
        ("15.1.2106.8", "open"),
        ("15.1.2106.13", "closed"),  # older CU with its own fix, though lower than 15.1.2176.2
        ("15.1.1034.33", "open"),  # CU6 never got an update
        ("15.1.2176", "unknown"),
        ("15.1.2242", "closed"),
        ("15.1.1034", "open"),
        ("15.1", "unknown"),
        ("15.2.2562.17", "closed"),
        ("15.20.7362.21", "not-affected"),
        ("15.1.9999.1", "closed"),
        ("15.1.2000.1", "unknown"),
    ],
)
def test_proxylogon_by_build(cve: str, build: str, expected: str) -> None:
    assert found(cve, build) == expected


def test_a_source_at_the_level_of_the_cumulative_update_proves_no_update() -> None:
    assert found("CVE-2021-26855", "15.1.2176.9", "cu") == "unknown"
    assert found("CVE-2021-26855", "15.1.2176.2", "cu") == "unknown"
    assert found("CVE-2021-26855", "15.1.2242.4", "cu") == "closed"
    assert found("CVE-2021-26855", "15.1.2176.9", "product") == "unknown"
    assert found("CVE-2021-26855", "15.1.2176", "exact") == "unknown"  # precision never rises


def test_the_basis_names_both_builds() -> None:
    answer = vuln.state("cve-2021-26855", Build.parse("15.1.2176.2"))
    assert answer.basis == ("basis.older-than-fix: 15.1.2176.2 < 15.1.2176.9 (Mar21SU)",)
    assert (answer.fixed_build, answer.update) == (Build(15, 1, 2176, 9), "Mar21SU")


def test_a_disputed_build_is_unknown_not_open() -> None:
    answer = vuln.state("CVE-2021-26855", Build.parse("15.1.1415.8"))
    assert answer.state == "unknown"
    assert answer.note.startswith("disputed")
    assert found("CVE-2021-26855", "15.1.1415.7") == "open"


def test_a_product_out_of_support_is_not_assessed() -> None:
    assert found("CVE-2021-26855", "14.3.509.0") == "not-affected"  # looked at: its own update came out that day
    assert found("CVE-2021-26857", "14.3.509.0") == "open"
    assert found("CVE-2021-26857", "14.3.513.0") == "closed"
    assert found("CVE-2024-21410", "15.0.1497.48") == "unknown"
    assert found("CVE-2021-42321", "15.0.1497.12") == "not-affected"
    assert found("CVE-2021-26855", "8.3.83.6") == "unknown"


def test_code_alone_is_not_always_the_fix() -> None:
    answer = vuln.state("CVE-2022-24477", Build.parse("15.1.2507.13"))
    assert (answer.state, answer.needs) == ("configuration", ("extended-protection",))
    assert "basis.needs: extended-protection" in answer.basis
    assert found("CVE-2022-24477", "15.1.2507.12") == "open"
    assert found("CVE-2022-24477", "15.2.1258.12") == "configuration"
    assert found("CVE-2022-24477", "15.2.1544.4") == "closed"
    assert found("CVE-2024-21410", "15.2.1258.39") == "configuration"
    assert found("CVE-2024-21410", "15.2.1544.4") == "closed"
    assert found("CVE-2021-1730", "15.1.2176.9") == "configuration"
    assert found("CVE-2021-34470", "15.1.2308.8") == "configuration"
    assert found("CVE-2021-34470", "15.1.2507.6") == "closed"  # setup of a later CU prepares the schema
    assert found("CVE-2025-53786", "15.2.2562.17") == "configuration"


def test_an_update_of_unknown_build() -> None:
    assert found("CVE-2018-0924", "15.0.847.32") == "open"
    assert found("CVE-2018-0924", "15.0.847.62") == "unknown"


def test_an_unknown_cve_is_unknown() -> None:
    assert found("CVE-1999-0001", "15.1.2176.2") == "unknown"


def test_open_cves() -> None:
    answers = {item.cve for item in vuln.open_cves(Build.parse("15.1.2176.9"), only_core=True)}
    assert "CVE-2021-34473" in answers
    assert not answers & set(PROXYLOGON)
    assert answers < {item.cve for item in vuln.open_cves(Build.parse("15.1.2176.9"))}


def test_chains() -> None:
    assert tuple(item.cve for item in vuln.in_chain("proxylogon")) == PROXYLOGON
    assert {item.cve for item in vuln.in_chain("owassrf")} == {"CVE-2022-41080", "CVE-2022-41082"}
    entry = vuln.get("CVE-2021-26855")
    assert entry is not None
    assert entry.pre_auth
    assert entry.exploited
    assert entry.cwe == "CWE-918"
    assert len(vuln.exploited()) == 19


def test_the_tables_agree() -> None:
    known = list(vuln.vulnerabilities())
    assert len(known) == len(set(known)) == 155
    assert known == sorted(known, key=lambda cve: tuple(int(part) for part in cve[4:].split("-")))
    listed = {row.build for row in builds.rows()}
    without_fix = set()
    for cve in known:
        if not vuln.products_of(cve):
            without_fix.add(cve)
        for product in vuln.products_of(cve):
            _check_fixes(cve, product, listed)
    assert without_fix == {"CVE-2021-1730"}  # only a setting closes it


# Three English words in a row are a sentence that was left, but for these names; a name alone (Exchange PowerShell) is none.
_NAMES = re.compile(r"Oracle Outside In|Data Loss Prevention|Exchange Online")
_ENGLISH = re.compile(r"[A-Za-z][a-z]*(?: [A-Za-z][a-z]+){2,}|\b(?:the|and|of|by|to|with|for|an|is)\b|[A-Z][a-z]{2} ?\d{2,4} SU")
_HAN = re.compile("[\u4e00-\u9fff]")
# What must stand in both languages: CVEs, files, cmdlets, keys, paths, updates, and names with a capital inside.
_IDENTIFIER = re.compile(
    r"CVE-\d+-\d+|\S*\w=\w+|\b[A-Z]\w*-\w+\.ps1|\b__[A-Z]+|[A-Z][a-z]+(?:[A-Z]+[a-z]+)+\b|/[a-z]+/|\b(?:CU|RU|SP)\d+\b"
)


@pytest.mark.parametrize("cve", list(vuln.vulnerabilities()))
def test_every_cve_is_told_in_chinese(cve: str) -> None:
    english = vuln.vulnerabilities()[cve]
    chinese = vuln.in_language(english, "zh-CN")
    assert english.mitigations
    for before, text in ((english.summary, chinese.summary), (english.mitigations, chinese.mitigations)):
        assert bool(before) == bool(text)
        if not before:
            continue
        assert _HAN.search(text)
        assert not _ENGLISH.search(_NAMES.sub("", text))
        assert set(_IDENTIFIER.findall(before)) <= set(_IDENTIFIER.findall(text))


def test_the_chinese_table_follows_the_english_one() -> None:
    rows = list(csv.reader(vuln.data_path("vulnerabilities.zh-CN.csv").read_text(encoding="utf-8").splitlines()[2:]))
    assert [row[0] for row in rows] == list(vuln.vulnerabilities())
    assert {len(row) for row in rows} == {3}


def test_a_text_without_translation_stays_english() -> None:
    known = vuln.vulnerabilities()["CVE-2021-26855"]
    assert vuln.in_language(known, "en") == known
    assert vuln.in_language(known, "xx") == known
    new = replace(known, cve="CVE-2099-0001")
    assert vuln.in_language(new, "zh-CN") == new


def _check_fixes(cve: str, product: str, listed: set[Build]) -> None:
    cus = {branch.cu for branch in builds.branches().values() if branch.product == product}
    for cu, fix in vuln.fixes(cve, product).items():
        assert cu in cus, (cve, cu)
        assert (fix.build is not None) == (fix.status == "f"), (cve, cu)
        if fix.build is not None:
            assert fix.build in listed, (cve, fix)
            branch = builds.branch(fix.build)
            assert branch is not None
            assert (branch.product, branch.cu) == (product, cu)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared source tables are not here")
def test_the_compact_form_says_what_the_source_says() -> None:
    """Slow oracle: every row of the source table, asked through the public function at its own first fixed build."""
    status = {
        "fixed": "f",
        "included in CU": "i",
        "not fixed: upgrade": "n",
        "fixed: build unknown": "u",
        "configuration": "c",
    }
    with (SHARED / "fixed_builds.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 7651
    for row in rows:
        fix = vuln.fixes(row["cve"], row["product"]).get(row["cumulative_update"], vuln.Fix("n"))
        assert fix.status == status[row["status"]], row
        assert fix.note == row["note"], row
        assert fix.update == row["update_label"], row
        if row["first_fixed_build"]:
            at = Build.parse(row["first_fixed_build"])
            assert vuln.state(row["cve"], at).state in {"closed", "configuration"}, row
            branch = builds.branch(at)
            assert branch is not None
            if branch.first < at and fix.status == "f":
                assert vuln.state(row["cve"], branch.first).state == "open", row
