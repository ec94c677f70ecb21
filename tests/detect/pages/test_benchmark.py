"""The measuring harness counts and lists what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .test_pages import BY_ID

RUN = Path(__file__).parents[3] / "benchmarks" / "webshells" / "run.py"


@pytest.mark.parametrize("extra", [["--no-signatures"], []])
def test_recall_misses_and_files_without_code_are_told(tmp_path: Path, extra: list[str]) -> None:
    shells, benign = tmp_path / "shells", tmp_path / "benign"
    shells.mkdir()
    benign.mkdir()
    (shells / "found.aspx").write_bytes(BY_ID["jscript-eval"])
    (shells / "missed.aspx").write_bytes(BY_ID["razor-plain"] + b"<%= 1 %>")
    (shells / "readme.aspx").write_bytes(b"<html>nothing runs here</html>")
    (benign / "page.aspx").write_bytes(BY_ID["sql-parameter"])
    command = [sys.executable, str(RUN), "--shells", str(shells), "--benign", str(benign), "--list", *extra]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "shells: 3 files, 2 with server code" in done.stdout
    assert "50.00 %" in done.stdout
    assert "MISS" in done.stdout
    assert "missed.aspx" in done.stdout
    assert "NO SERVER CODE" in done.stdout
    assert "ALARM" not in done.stdout


def test_speed_beside_yara_counts_both_on_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "page.aspx").write_bytes(BY_ID["jscript-eval"])
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "yara.py").write_text(
        "class C:\n def match(self, data, timeout): return [1] if b'eval' in data else []\n"
        "def compile(filepaths, externals): assert list(filepaths.values())[0].endswith('a.yar'); return C()\n"
    )
    (tmp_path / "a.yar").write_text("rule a { condition: true }")
    command = [sys.executable, str(RUN), "--benign", str(tmp_path), "--beside-yara", str(tmp_path / "a.yar")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "fake"), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [(row[0], row[-5:]) for row in rows] == [
        ("afterpatch", ["1", "files", "with", "a", "hit"]),
        ("yara", ["1", "files", "with", "a", "hit"]),
    ]
