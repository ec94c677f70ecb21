"""The texts of the census in both languages, and `explain`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

import afterpatch.census
from afterpatch.census import explain, render_explanation
from afterpatch.census.command import run_census
from afterpatch.census.words import LANGUAGES, share, visible, words
from afterpatch.cli.main import build_parser
from afterpatch.knowledge import builds, vulnerabilities
from afterpatch.model import UsageError

_SOURCE = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(afterpatch.census.__file__).parent.glob("*.py")))
_PLACE = re.compile(r"\{([a-z_]+)\}")


def test_both_languages_have_the_same_keys_and_places():
    english, chinese = (words(language).texts for language in LANGUAGES)
    assert list(english) == list(chinese)
    for key, text in english.items():
        assert set(_PLACE.findall(text)) == set(_PLACE.findall(chinese[key])), key
    with pytest.raises(UsageError):
        words("xx")


def test_every_key_in_the_code_has_a_text():
    used = set(re.findall(r"\"(notice\.census-[a-z-]+)\"", _SOURCE)) | set(re.findall(r"say\.text\(\"([a-z.-]+)\"", _SOURCE))
    assert len(used) > 25
    assert used <= set(words("en").texts)
    steps = {step for known in vulnerabilities.vulnerabilities().values() for step in known.needs}
    assert {f"step.{step}" for step in steps} <= set(words("en").texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_cve_and_build_can_be_explained(language):
    for cve in vulnerabilities.vulnerabilities():
        text = render_explanation(explain(cve), language)
        assert cve in text
        assert "{" not in text
        known = vulnerabilities.vulnerabilities()[cve]
        for english in filter(None, (known.summary, known.mitigations)):
            assert (english in text.splitlines() or f": {english}" in text) == (language == "en")
    for row in builds.rows()[::7]:
        text = render_explanation(explain(str(row.build)), language)
        assert str(row.build) in text
        assert "{" not in text


def test_explanations_say_what_can_be_said():
    text = render_explanation(explain("cve-2021-26855"))
    assert "Used in attacks since 2021-01-03" in text
    assert "Exchange 2016 CU19: 15.1.2176.9 (Mar21SU)" in text
    assert "Exchange 2013 RTM" in text  # without an update
    assert "mass exploitation since 2021-02-26" in text
    assert "Used together with CVE-2021-26857, CVE-2021-26858, CVE-2021-27065." in text
    assert "Used in attacks since 2022-08." in render_explanation(explain("CVE-2022-41040"))  # the day is not known
    coarse = render_explanation(explain("15.2.986"))
    assert "cannot be told" in coarse
    assert "CVE-2022-41040  ProxyNotShell  used in attacks since 2022-08 – hangs on Nov22SU" in coarse
    assert "hangs on Extended Protection" in render_explanation(explain("15.1.2507.37"))
    assert "disputed: " in render_explanation(explain("15.1.1415.8"))
    listed = "CVE-2021-31196  ProxyOracle  used in attacks, listed by CISA on 2024-08-21"
    assert listed in render_explanation(explain("15.1.2176.9"))
    assert "no list of updates" in render_explanation(explain("15.1.2176.3"))
    assert "out of scope" in render_explanation(explain("15.20.7362.21"))
    assert explain("ProxyLogon").vulnerability.cve == "CVE-2021-26855"
    for wrong in ("CVE-1999-0001", "hello", "1.2.3.4.5", "0.0.0.0", ""):
        with pytest.raises(UsageError):
            explain(wrong)


def parsed(*arguments: str) -> argparse.Namespace:
    return build_parser().parse_args(["exposure", *arguments])


def test_the_command_and_its_exit_codes(tmp_path, capsys):
    assert run_census(parsed("15.1.2176.2")) == 1
    assert run_census(parsed("explain", "CVE-2021-26855")) == 0
    assert "ProxyLogon" in capsys.readouterr().out
    assert run_census(parsed("15.1.2176.9", "--json", "-")) == 1
    assert capsys.readouterr().out.startswith("{")
    newest = str(builds.branches()[(15, 2, 2562)].last)
    assert run_census(parsed(newest)) in (0, 3)
    (tmp_path / "in.csv").write_text("ip,version,geo\n192.0.2.1,15.1.2176.2,DE\n")
    names = [str(tmp_path / name) for name in ("j.json", "c.csv", "r.parquet", "o.csv", "r.html")]
    code = run_census(
        parsed(
            str(tmp_path / "in.csv"),
            "--json",
            names[0],
            "--csv",
            names[1],
            "--parquet",
            names[2],
            "--owners",
            names[3],
            "--report",
            names[4],
        )
    )
    assert code == 1
    assert all(Path(name).stat().st_size for name in names)
    assert run_census(parsed(str(tmp_path / "in.csv"), "--compare", names[2], "--lang", "zh-CN")) == 1
    (tmp_path / "none.csv").write_text("ip,version\n192.0.2.1,\n")
    assert run_census(parsed(str(tmp_path / "none.csv"))) == 3
    for wrong in (("nothing.csv",), (str(tmp_path / "in.csv"), "nothing.csv"), ("explain",)):
        with pytest.raises(UsageError):
            run_census(parsed(*wrong))


def test_shares_and_hidden_characters():
    assert [share(*pair) for pair in ((0, 0), (0, 5), (5, 5), (1, 100_000), (99_999, 100_000), (1, 3))] == [
        "–",
        "0 %",
        "100 %",
        "< 0.1 %",
        "> 99.9 %",
        "33.3 %",
    ]
    assert visible("a\u202e\x1b[1m\nb") == "a\\u202e\\u001b[1m\\u000ab"
    assert len(visible("x" * 500)) == 120
