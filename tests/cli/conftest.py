"""A few files of evidence, and the program's main function with its two streams."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from afterpatch.cli.main import main

HEAD = (
    "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date: 2021-03-03 00:00:01\r\n"
    "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) "
    "sc-status sc-substatus sc-win32-status time-taken\r\n"
)
ROW = "2021-03-03 {0:02d}:{1:02d}:01 192.0.2.5 GET /owa/healthcheck.htm - 443 - 192.0.2.9 Probe - 200 0 0 1\r\n"


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One day of one IIS log on a drive."""
    folder = tmp_path_factory.mktemp("evidence")
    log = folder / "C" / "inetpub" / "logs" / "LogFiles" / "W3SVC1" / "u_ex210303.log"
    log.parent.mkdir(parents=True)
    log.write_bytes((HEAD + "".join(ROW.format(n // 60, n % 60) for n in range(24 * 60))).encode())
    return folder


@pytest.fixture
def main_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """`main_in(*arguments)`: (exit code, stdout, stderr) of a run in an empty folder; usage errors count as their code."""
    monkeypatch.setenv("AFTERPATCH_RAISE", "1")
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)

    def run(*arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(arguments)
            except SystemExit as stopped:
                code = int(stopped.code or 0)
        return code, out.getvalue(), err.getvalue()

    return run
