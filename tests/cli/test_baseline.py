"""`afterpatch baseline make` and `check`, and `scan --baseline`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from afterpatch.cli.main import main
from afterpatch.knowledge.own_baseline import load

AUTH = Path("FrontEnd/HttpProxy/owa/auth")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """Unpacked install media with two files."""
    folder = tmp_path / "media" / "Setup" / "ServerRoles" / AUTH
    folder.mkdir(parents=True)
    (folder / "logon.aspx").write_text("<html>\nright\n</html>\n")
    (folder / "gone.js").write_text("var a = 1;\n")
    return tmp_path / "media"


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A server's drive on which one of them was changed, one is missing and one was added."""
    folder = tmp_path / "evidence" / "C" / "Program Files" / "Microsoft" / "Exchange Server" / "V15" / AUTH
    folder.mkdir(parents=True)
    (tmp_path / "evidence" / "C" / "Windows" / "System32").mkdir(parents=True)
    (folder / "logon.aspx").write_text("<html>\nright\nadded\n</html>\n")
    (folder / "other.aspx").write_text("<html>")
    return tmp_path / "evidence"


def test_make_and_check(media: Path, drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.gz"
    assert main(["baseline", "make", str(media), "-o", str(own), "--jobs", "1"]) == 0
    assert {path.rpartition("\\")[2] for path in load(str(own)).files} == {"logon.aspx", "gone.js"}
    assert main(["baseline", "check", str(media), "--baseline", str(own), "--jobs", "1"]) == 0
    capsys.readouterr()
    assert main(["baseline", "check", str(drive), "--baseline", str(own), "--jobs", "1"]) == 1
    shown = capsys.readouterr().out
    assert "0 of 1 file" in shown
    assert "gone.js" in shown


def test_scan_shows_the_changed_line(media: Path, drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.gz"
    main(["baseline", "make", str(media), "-o", str(own), "--jobs", "1"])
    capsys.readouterr()
    assert main(["scan", str(drive), "--baseline", str(own), "--json", "-", "--jobs", "1"]) == 1
    findings = {each["detection"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["stock-page-changed"]["evidence"][0]["line"] == 3
    assert findings["page-not-shipped"]["subject"]["path"].endswith("other.aspx")


def test_nothing_to_make_and_bad_use(tmp_path: Path, media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "x.txt").write_text("x")
    assert main(["baseline", "make", str(tmp_path / "empty"), "-o", str(tmp_path / "o.gz")]) == 2
    assert main(["baseline", "make", str(media), "-o", str(media / "o.gz")]) == 2
    assert main(["baseline", "make", str(media), "-o", str(tmp_path / "o.gz"), "--build", "new"]) == 2
    assert main(["scan", str(media), "--baseline", str(tmp_path / "none.gz")]) == 2
    errors = capsys.readouterr().err.strip().split("\n")
    assert len(errors) == 4
    assert all(line.startswith("afterpatch: ") for line in errors)


def test_scan_says_when_something_could_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("nothing")
    assert main(["scan", str(tmp_path / "in"), "--jobs", "1"]) == 0
    (tmp_path / "in" / "b.zip").write_bytes(b"PK\x03\x04 cut off")
    assert main(["scan", str(tmp_path / "in"), "--jobs", "1"]) == 3
