"""The other commands: report, rules, scan, demo; and how quickly the program says what it can do."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterpatch import __version__
from afterpatch.demo import SCENARIOS
from afterpatch.detect.sigma.load import load_rules

Main = Callable[..., tuple[int, str, str]]
# The inert form that advisories print: it names the calls and runs nothing. Encoded, so that no antivirus eats the test.
SHELL = base64.b64decode(b"PCVAIFBhZ2UgTGFuZ3VhZ2U9IkpzY3JpcHQiJT48JWV2YWwoUmVxdWVzdC5JdGVtWyJbcmVtb3ZlZF0iXSwidW5zYWZlIik7JT4=")
USER_RULE = """title: Asked for a word
id: 3f0c8a8e-6c0e-4d8e-9a55-0d1f6f7d6a10
status: test
logsource:
  category: webserver
detection:
  selection:
    cs-uri-stem|contains: /healthcheck
  condition: selection
level: high
"""


# report


def test_report_shows_the_stored_case(examined: Callable[..., Any], main_in: Main, tmp_path: Path) -> None:
    ran, _ = examined("proxynotshell")
    code, out, err = main_in(
        "report", str(ran.case), "--json", str(tmp_path / "again.json"), "--report", str(tmp_path / "again.html")
    )
    assert (code, err) == (0, "")
    assert (tmp_path / "again.json").read_bytes() == (ran.case / "examination.json").read_bytes()
    assert (tmp_path / "again.html").read_bytes() == (ran.case / "report.html").read_bytes()
    verdict = ran.server["verdict"]["reasons"][0]
    assert " ".join(verdict.split())[:40] in " ".join(out.split())


def test_report_needs_no_evidence_and_speaks_chinese(examined: Callable[..., Any], main_in: Main) -> None:
    ran, _ = examined("proxynotshell")
    code, out, _err = main_in("report", str(ran.case / "examination.json"), "--lang", "zh-CN")
    assert code == 0
    assert any("\u4e00" <= letter <= "\u9fff" for letter in out)


@pytest.mark.parametrize(
    "content", [None, b"", b"{", b"[]", b"{}", b'{"schema": "afterpatch.examination/2"}', b"\xff\xfe", b"null"]
)
def test_what_is_no_case_is_refused_in_one_line(main_in: Main, tmp_path: Path, content: bytes | None) -> None:
    case = tmp_path / "case"
    case.mkdir()
    if content is not None:
        (case / "examination.json").write_bytes(content)
    code, out, err = main_in("report", str(case))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "Traceback" not in err


# rules


def test_rules_list_names_every_detection_once(main_in: Main) -> None:
    code, out, err = main_in("rules", "list")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[-1] == f"{len(lines) - 1} detections"
    assert len(set(lines)) == len(lines)
    for name in ("proxylogon-static-241", "rare-page", "log-gap", "compiled-page-gone"):
        assert sum(f" {name} " in line for line in lines) == 1


def test_rules_show_says_what_why_and_what_looks_the_same(main_in: Main) -> None:
    code, out, _ = main_in("rules", "show", "proxylogon-static-241")
    assert code == 0
    identity = out.splitlines()[1].split()[0]
    assert "proxylogon" in out
    assert out.count("\n  - ") >= 2
    assert main_in("rules", "show", identity)[1] == out
    assert main_in("rules", "show", "proxylogon-static-241", "--lang", "zh-CN")[1] != out


def test_rules_show_of_none_is_one_line(main_in: Main) -> None:
    code, out, err = main_in("rules", "show", "no-such-rule")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no-such-rule" in err


def test_rules_test_proves_a_user_s_rules_and_names_faults(main_in: Main, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "good.yml").write_text(USER_RULE)
    (folder / "bad.yml").write_text("title: x\nlogsource: {category: webserver}\ndetection: {a: {b: c}, condition: nobody}\n")
    code, out, _err = main_in("rules", "test", "--rules", str(folder))
    assert code == 1
    named = [line for line in out.splitlines() if "bad.yml:" in line]
    assert named
    assert not [line for line in out.splitlines() if "good.yml" in line and "problem" in line]
    assert load_rules([folder]).errors


def test_a_user_s_rule_fires_and_a_faulty_one_is_a_notice(examine: Callable[..., Any], small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "good.yml").write_text(USER_RULE)
    (folder / "bad.yml").write_text("title: x\ndetection: [\n")
    ran = examine(small, tmp_path / "case", "--rules", str(folder))
    (found,) = [each for each in ran.server["findings"] if each["title"] == "Asked for a word"]
    assert found["count"] == 24 * 60
    assert ran.code == 1
    assert [each["path"] for each in ran.document["notices"] if each["reason_key"].startswith("notice.rule-refused")] == [
        str(folder / "bad.yml")
    ]


# scan


def test_scan_finds_a_shell_in_any_folder(main_in: Main, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "x.aspx").write_bytes(SHELL)
    code, _out, err = main_in("scan", str(folder), "--json", str(tmp_path / "o.json"))
    document = json.loads((tmp_path / "o.json").read_bytes())
    assert (code, err) == (1, "")
    assert "servers" not in document or document["servers"] == []
    assert document["findings"]
    assert {Path(each["subject"]["path"]).name for each in document["findings"]} == {"x.aspx"}
    assert any(each["severity"] in ("high", "critical") for each in document["findings"])


def test_scan_of_benign_files_finds_nothing(main_in: Main, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "readme.txt").write_text("Nothing to see.\n")
    (folder / "page.aspx").write_text('<%@ Page Language="C#" %>\n<p><asp:Label ID="a" runat="server" /></p>\n')
    (folder / "script.js").write_text("document.title = 'hello';\n")
    (folder / "empty.aspx").write_bytes(b"")
    code, _out, _ = main_in("scan", str(folder), "--json", str(tmp_path / "o.json"))
    found = json.loads((tmp_path / "o.json").read_bytes())["findings"]
    loud = [each for each in found if each["severity"] in ("medium", "high", "critical")]
    assert [(each["detection"], each["subject"]["path"]) for each in loud] == []
    assert code == 0


def test_scan_without_signatures_matches_none(main_in: Main, tmp_path: Path) -> None:
    (tmp_path / "x.aspx").write_bytes(SHELL)
    main_in("scan", str(tmp_path / "x.aspx"), "--no-signatures", "--json", str(tmp_path / "o.json"))
    assert {each["origin"] for each in json.loads((tmp_path / "o.json").read_bytes())["findings"]} <= {"check"}
    main_in("scan", str(tmp_path / "x.aspx"), "--json", str(tmp_path / "o.json"))
    assert "yara" in {each["origin"] for each in json.loads((tmp_path / "o.json").read_bytes())["findings"]}
    code, _, _ = main_in("scan", str(tmp_path / "x.aspx"), "--json", str(tmp_path / "o.jsonl"))
    assert code == 1
    assert all(json.loads(line)["id"] for line in (tmp_path / "o.jsonl").read_text().splitlines())


def test_scan_of_nothing_is_an_error(main_in: Main, tmp_path: Path) -> None:
    code, out, err = main_in("scan", str(tmp_path / "nowhere"))
    assert (code, out, err.count("\n")) == (2, "", 1)


# demo


def test_demo_names_its_scenarios(main_in: Main) -> None:
    code, out, _ = main_in("demo", "--scenario", "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [each.name for each in SCENARIOS]


def test_demo_writes_and_examines(main_in: Main, tmp_path: Path) -> None:
    target = tmp_path / "demo"
    code, out, err = main_in("demo", str(target), "--scenario", "owassrf")
    assert code == 0, err
    document = json.loads((target / "case" / "examination.json").read_bytes())
    truth = json.loads((target / "evidence.truth.json").read_bytes())
    assert [[each["name"], each["verdict"]["state"]] for each in document["servers"]] == truth["verdicts"]
    assert "OWASSRF" in out
    assert main_in("demo", str(target), "--scenario", "viewstate", "--write-only")[0] == 0
    assert json.loads((target / "evidence.truth.json").read_bytes())["scenario"] == "viewstate"


@pytest.mark.parametrize("arguments", [("--scenario", "none"), ("--layout", "none"), ("--size", "big"), ("--seed", "one")])
def test_demo_mistakes_are_one_line(main_in: Main, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, out, err = main_in("demo", str(tmp_path / "demo"), *arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if not line.startswith("Writing")]) == 1


def test_demo_never_writes_over_what_is_not_its_own(main_in: Main, tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "mine").write_text("kept")
    code, _out, err = main_in("demo", str(tmp_path))
    assert code == 2
    assert "name another folder" in err
    assert (tmp_path / "evidence" / "mine").read_text() == "kept"


# The program


def test_help_version_and_no_command(main_in: Main) -> None:
    code, out, _ = main_in("--version")
    assert (code, out.strip()) == (0, f"afterpatch {__version__}")
    code, out, _ = main_in("--help")
    assert code == 0
    for word in ("examine", "demo", "scan", "rules", "report", "130"):
        assert word in out
    assert main_in()[0] == 2
    assert main_in("nonsense")[0] == 2


def test_help_imports_nothing_heavy(program: Callable[..., Any]) -> None:
    """`--help` answers at once: it loads no engine."""
    done = program("--help", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0
    loaded = {line.split("|")[-1].strip() for line in done.stderr.decode().splitlines() if line.startswith("import time:")}
    assert "argparse" in loaded
    assert not loaded & {"numpy", "hyperscan", "yara_x", "lxml", "jinja2", "yaml", "tree_sitter"}


def test_a_reader_that_leaves_early_is_no_error(examined: Callable[..., Any], environment: dict[str, str]) -> None:
    import subprocess
    import sys

    ran, _ = examined("two-actors")
    command = [sys.executable, "-m", "afterpatch.cli.main", "report", str(ran.case), "--json", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 0
