"""`examine` as a user runs it: outputs, exit codes, time bounds, what is written and what never is."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from afterpatch.demo import write_scenario
from afterpatch.model import parse_iso

Examine = Callable[..., Any]
Program = Callable[..., "subprocess.CompletedProcess[bytes]"]
Scenario = Callable[..., tuple[Path, Any]]


def without_run(data: bytes) -> dict[str, Any]:
    document = json.loads(data)
    del document["run"]
    return dict(document)


def state_of(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Path -> (hash, modification time, mode) of everything below a folder."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mtime_ns,
            path.stat().st_mode,
        )
        for path in [folder, *folder.rglob("*")]
    }


# Outputs


def test_json_on_stdout_is_alone_there(program: Program, scenario: Scenario, tmp_path: Path) -> None:
    folder, _ = scenario("proxytoken")
    done = program("examine", folder, "--case", tmp_path / "case", "--json", "-")
    assert done.returncode == 1
    assert done.stderr == b"", "progress is silent where stderr is no terminal"
    assert json.loads(done.stdout)["schema"] == "afterpatch.examination/1"
    assert done.stdout == (tmp_path / "case" / "examination.json").read_bytes()


def test_the_terminal_shows_verdict_chain_and_limits(examined: Callable[..., Any]) -> None:
    ran, _ = examined("intrusion")
    for text in ("EXCH01", "ProxyLogon", "errorFEE.aspx", "203.0.113", "event logs"):
        assert text in ran.out
    assert "\x1b" not in ran.out, "no colours where stdout is no terminal"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("variable", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_only_where_they_are_wanted(
    examined: Callable[..., Any], environment: dict[str, str], variable: dict[str, str], coloured: bool
) -> None:
    import pty

    ran, _ = examined("proxytoken")
    parent, child = pty.openpty()
    env = {key: value for key, value in environment.items() if key != "NO_COLOR"} | {"TERM": "xterm"} | variable
    command = [sys.executable, "-m", "afterpatch.cli.main", "report", str(ran.case)]
    with subprocess.Popen(command, stdout=child, stderr=subprocess.PIPE, env=env) as process:
        os.close(child)
        shown = b""
        while True:
            try:
                data = os.read(parent, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
    os.close(parent)
    assert process.returncode == 0
    assert b"EXCH01" in shown
    assert (b"\x1b[" in shown) is coloured


def test_a_finding_a_line(examine: Examine, scenario: Scenario, tmp_path: Path) -> None:
    folder, _ = scenario("proxytoken")
    ran = examine(folder, tmp_path / "case", "--json", str(tmp_path / "out.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [each["id"] for each in lines] == [each["id"] for each in ran.server["findings"]]
    assert {each["server"] for each in lines} == {"EXCH01"}


def test_the_report_is_one_file_and_asks_for_nothing(examined: Callable[..., Any]) -> None:
    ran, _ = examined("two-actors")
    tree = html.fromstring((ran.case / "report.html").read_bytes())
    assert tree.xpath("//script[@src] | //link[@href] | //img[starts-with(@src,'http')] | //iframe") == []
    assert "EXCH01" in tree.text_content()
    assert [each for each in tree.xpath("//@href") if not each.startswith("#")] == []


def test_the_same_input_gives_the_same_bytes_but_for_run(examine: Examine, scenario: Scenario, tmp_path: Path) -> None:
    folder, _ = scenario("two-actors")
    one = examine(folder, tmp_path / "one", "--jobs", "1")
    two = examine(folder, tmp_path / "two", "--jobs", "2")
    assert one.code == two.code == 1
    first, second = (ran.case / "examination.json" for ran in (one, two))
    assert without_run(first.read_bytes()) == without_run(second.read_bytes())
    head, tail = first.read_bytes().split(b'"evidence": [', 1)
    assert tail == second.read_bytes().split(b'"evidence": [', 1)[1]
    assert b'"run"' in head
    assert (one.case / "manifest.csv").read_bytes() == (two.case / "manifest.csv").read_bytes()


def test_several_processes_give_what_one_gives(
    examine: Examine, scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small evidence never leaves the first process: here it is made to."""
    folder, _ = scenario("proxynotshell")
    one = examine(folder, tmp_path / "one", "--jobs", "1")
    monkeypatch.setattr("afterpatch.detect.plane.pool.SMALL", 0)
    two = examine(folder, tmp_path / "two", "--jobs", "2")
    first, second = ((ran.case / "examination.json").read_bytes() for ran in (one, two))
    assert without_run(first) == without_run(second)


# Exit codes


def test_the_level_that_counts(examine: Examine, scenario: Scenario, tmp_path: Path) -> None:
    folder, _ = scenario("probes-only")
    worst = {each["severity"] for each in examine(folder, tmp_path / "case").server["findings"]}
    assert worst & {"medium"}
    assert not worst & {"high", "critical"}
    assert examine(folder, tmp_path / "case", "--fail-on", "medium").code == 1
    assert examine(folder, tmp_path / "case", "--fail-on", "low").code == 1
    # the logs begin later than the time asked about: nothing at that level, but no all-clear either
    assert examine(folder, tmp_path / "case", "--fail-on", "high").code == 3
    covered = ("--since", "2021-03-06", "--until", "2021-03-11")
    assert examine(folder, tmp_path / "case", "--fail-on", "high", *covered).code == 0


def test_a_compromised_server_is_never_0(examined: Callable[..., Any], program: Program, tmp_path: Path) -> None:
    ran, _ = examined("proxytoken")
    evidence = ran.document["evidence"][0]["source"]
    assert program("examine", evidence, "--case", tmp_path / "c", "--fail-on", "critical").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "EVIDENCE"),
        (("nowhere",), "nowhere"),
        (("{evidence}", "--since", "yesterday"), "--since"),
        (("{evidence}", "--since", "2021-03-02", "--until", "2021-03-01"), "--until"),
        (("{evidence}", "--jobs", "-1"), "--jobs"),
        (("{evidence}", "--jobs", "many"), "--jobs"),
        (("{evidence}", "--fail-on", "bad"), "--fail-on"),
        (("{evidence}", "--rules", "nowhere"), "nowhere"),
        (("{evidence}", "--yara", "nowhere"), "nowhere"),
        (("{evidence}", "--intel", "nowhere.csv"), "nowhere.csv"),
        (("{evidence}", "--lang", "xx"), "--lang"),
        (("{evidence}", "--json", "{evidence}/x.json"), "lies in the evidence"),
        (("{evidence}", "--report", "{evidence}/C/x.html"), "lies in the evidence"),
        (("{evidence}", "--case", "{evidence}"), "lies in the evidence"),
        (("{evidence}", "--case", "{evidence}/C/../case"), "lies in the evidence"),
        (("{evidence}", "--case", "{file}/case"), "cannot be written"),
        (("{evidence}", "--json", "{file}/x.json"), "cannot be written"),
        (("{empty}",), "empty"),
    ],
)
def test_mistakes_are_one_line_on_stderr(
    main_in: Callable[..., tuple[int, str, str]], small: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "empty").mkdir()
    places = {"evidence": small, "file": tmp_path / "file", "empty": tmp_path / "empty"}
    before = state_of(small)
    filled = [each.format(**places) for each in arguments]
    code, out, err = main_in("examine", *filled, *([] if "--case" in filled else ["--case", str(tmp_path / "case")]))
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("afterpatch")
    assert says in err
    assert "Traceback" not in err
    assert state_of(small) == before


def test_the_default_case_never_falls_into_the_evidence(program: Program, small: Path) -> None:
    before = state_of(small)
    done = program("examine", small, cwd=small)
    assert done.returncode == 2
    assert b"evidence" in done.stderr
    assert state_of(small) == before


def test_a_bug_is_no_verdict(program: Program, small: Path, tmp_path: Path) -> None:
    """An internal error ends with 2 and one line; with AFTERPATCH_RAISE it is raised."""
    script = (
        "import afterpatch.assess.gather as e\n"
        "def broken(*a, **k): raise RuntimeError('x' * 9)\n"
        "e.gather = broken\n"
        "from afterpatch.cli.main import main\n"
        "raise SystemExit(main())\n"
    )
    (tmp_path / "run.py").write_text(script)
    env = {**os.environ, "AFTERPATCH_RAISE": "0"}
    command = [sys.executable, str(tmp_path / "run.py"), "examine", str(small), "--case", str(tmp_path / "case")]
    done = subprocess.run(command, capture_output=True, env=env, check=False, timeout=120)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1
    assert b"internal error (RuntimeError" in done.stderr
    raised = subprocess.run(command, capture_output=True, env=env | {"AFTERPATCH_RAISE": "1"}, check=False, timeout=120)
    assert b"Traceback" in raised.stderr


# The time asked about


def test_what_lies_outside_the_time_is_not_judged(examine: Examine, scenario: Scenario, tmp_path: Path) -> None:
    folder, truth = scenario("probes-only")
    after = "2021-03-11T00:00:00Z"
    ran = examine(folder, tmp_path / "case", "--since", after)
    assert truth.end > parse_iso(after)
    assert ran.server["chains"] == []
    assert [each for each in ran.server["findings"] if each["time"] and (each["end_time"] or each["time"]) < after] == []
    assert ran.server["verdict"]["state"] == "no-evidence"
    assert ran.code == 0


@pytest.mark.parametrize(
    "bounds",
    [
        pytest.param(("--since", "2021-04-01"), id="begins-before-the-logs"),
        pytest.param(("--since", "2021-03-01", "--until", "2021-03-20"), id="lies-before-the-logs"),
        pytest.param(
            ("--since", "2021-04-10T00:00Z", "--until", "2021-04-10T20:00Z"),
            id="less-than-a-day-before-the-logs",
        ),
    ],
)
def test_a_time_the_logs_do_not_cover_is_inconclusive(
    examine: Examine, scenario: Scenario, tmp_path: Path, bounds: tuple[str, ...]
) -> None:
    folder, _ = scenario("late-logs")
    ran = examine(folder, tmp_path / "case", *bounds)
    assert ran.server["verdict"]["state"] == "inconclusive"
    assert ran.code == 3


# What is written


def test_the_manifest_holds_the_hash_of_every_file_that_was_read(examined: Callable[..., Any], scenario: Scenario) -> None:
    folder, _ = scenario("two-actors")
    ran, _ = examined("two-actors")
    rows = list(csv.DictReader((ran.case / "manifest.csv").read_text("utf-8").splitlines()))
    files = {str(path): path for path in folder.rglob("*") if path.is_file()}
    assert len(rows) == len(files)
    hashed = 0
    for row in rows:
        path = files[str(folder.parent / row["found_at"])] if not Path(row["found_at"]).is_absolute() else Path(row["found_at"])
        assert int(row["size"]) == path.stat().st_size
        if row["sha256"]:
            assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
            hashed += 1
    assert hashed > 0.9 * len(files)
    assert all(row["sha256"] for row in rows if row["kind"] in ("iis", "httpproxy", "web-file", "ecp-server", "iis-config"))


def test_nothing_in_the_evidence_is_touched(examine: Examine, small: Path, tmp_path: Path) -> None:
    before = state_of(small)
    ran = examine(small, tmp_path / "case", "--report", str(tmp_path / "r.html"), "--json", str(tmp_path / "x.json"))
    assert ran.code in (1, 3)
    assert state_of(small) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case", "r.html", "x.json"]
    assert sorted(path.name for path in ran.case.iterdir()) == [
        "actions.jsonl", "examination.json", "manifest.csv", "report.html",
    ]  # fmt: skip


def test_read_only_evidence_is_enough(program: Program, small: Path, tmp_path: Path) -> None:
    for path in [*small.rglob("*"), small]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        done = program("examine", small, "--case", tmp_path / "case")
    finally:
        for path in [small, *small.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert done.returncode in (1, 3), done.stderr


# Interruption


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evidence that keeps both workers busy for some seconds: many copies of hours full of requests."""
    folder = tmp_path_factory.mktemp("big") / "e"
    write_scenario("late-logs", folder, start=parse_iso("2021-04-20"), end=parse_iso("2021-04-21"), size="6MB")
    for place in sorted(folder.rglob("HttpProxy_*.LOG"))[:4]:
        data = place.read_bytes()
        head, _, body = data.partition(b"\r\n20")
        place.write_bytes(head + (b"\r\n20" + body.rstrip(b"\r\n")) * max(1, (80 << 20) // max(len(body), 1)) + b"\r\n")
    return folder


def _start(folder: Path, case: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "afterpatch.cli.main", "examine", str(folder), "--case", str(case), "--jobs", "2"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True)


def _busy(process: subprocess.Popen[bytes]) -> bool:
    """Whether its workers have been started."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        programs = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
    except OSError:
        return False
    return sum(b"afterpatch" in each for each in programs) == 2


def _wait_busy(process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not _busy(process):
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < end
        time.sleep(0.02)
    time.sleep(0.1)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_ctrl_c_keeps_what_is_done(big: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    process = _start(big, tmp_path / "case", environment)
    _wait_busy(process)
    os.killpg(process.pid, signal.SIGINT)
    _out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert b"Traceback" not in err
    document = json.loads((tmp_path / "case" / "examination.json").read_bytes())
    (server,) = document["servers"]
    assert any("interrupted" in limit.lower() or "stopped" in limit.lower() for limit in server["verdict"]["limits"])
    assert server["verdict"]["state"] == "inconclusive"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_a_killed_run_can_be_run_again(
    big: Path, tmp_path: Path, environment: dict[str, str], examine: Examine, small: Path
) -> None:
    earlier = examine(small, tmp_path / "case")
    process = _start(big, tmp_path / "case", environment)
    _wait_busy(process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    kept = json.loads((tmp_path / "case" / "examination.json").read_bytes())
    assert kept == json.loads(json.dumps(earlier.document)), "the old case is whole"
    again = examine(small, tmp_path / "case")
    assert again.code == earlier.code
    assert again.server == earlier.server
    actions = [json.loads(line) for line in (tmp_path / "case" / "actions.jsonl").read_bytes().splitlines()]
    assert len(actions) == 2
    lines = (tmp_path / "case" / "actions.jsonl").read_bytes().splitlines()
    assert actions[1]["previous_sha256"] == hashlib.sha256(lines[0]).hexdigest()


# Languages


def test_chinese_is_for_people_and_the_document_stays_english(
    examine: Examine, scenario: Scenario, examined: Callable[..., Any], tmp_path: Path
) -> None:
    folder, _ = scenario("proxytoken")
    ran = examine(folder, tmp_path / "case", "--lang", "zh-CN")
    english, _ = examined("proxytoken")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in ran.out)
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in english.out)
    assert ran.servers == english.servers
    tree = html.fromstring((ran.case / "report.html").read_bytes())
    assert tree.get("lang") == "zh-CN"
