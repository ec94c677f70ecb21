"""The measuring harness counts and lists what it says."""

from __future__ import annotations

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
