"""The case directory: whole files or none, a manifest no spreadsheet runs, an action log that shows changes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpatch.case import open_case, write_case
from afterpatch.case.store import manifest, plain_cell, put
from afterpatch.model import Artifact, Locator, UsageError

WHEN = datetime(2021, 3, 10, 12, 0, 0, tzinfo=UTC)


def artifact(index: int, path: str, shown: str = "") -> Artifact:
    return Artifact(index, path, shown or path, Locator("/e/x"), "iis", "r", 5, modified=WHEN)


def rows(data: bytes) -> list[dict[str, str]]:
    text = data.decode("utf-8")
    return list(csv.DictReader(text.splitlines(keepends=True)))


def test_the_manifest_holds_every_artifact() -> None:
    data = manifest([artifact(0, "C:\\a.log"), artifact(1, "C:\\b.log")], {1: "ab" * 32})
    assert [(row["path"], row["sha256"], row["modified"]) for row in rows(data)] == [
        ("C:\\a.log", "", "2021-03-10T12:00:00Z"),
        ("C:\\b.log", "ab" * 32, "2021-03-10T12:00:00Z"),
    ]
    assert data.count(b"\r\n") == 3


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_formula_cells_are_quoted(start: str) -> None:
    (row,) = rows(manifest([artifact(0, start, start)], {}))
    assert row["path"].startswith("'")
    assert row["found_at"].startswith("'")
    assert row["path"][1:].strip() == start.strip()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=5))
def test_any_name_stays_one_cell(names: list[str]) -> None:
    data = manifest([artifact(number, name) for number, name in enumerate(names)], {})
    parsed = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    assert [row[0] for row in parsed[1:]] == [plain_cell(name) for name in names]
    assert all(not row[0].startswith(("=", "+", "-", "@", "\t", "\r")) for row in parsed[1:])


def test_names_that_are_no_text_are_written_too() -> None:
    assert b"\\udcff" in manifest([artifact(0, "C:\\\udcff.log")], {})


def test_the_action_log_shows_a_change(tmp_path: Path) -> None:
    for number in range(3):
        write_case(tmp_path, b'{"a":1}', [], {}, moment=WHEN, command=f"run {number}")
    lines = (tmp_path / "actions.jsonl").read_bytes().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["command"] for entry in entries] == ["run 0", "run 1", "run 2"]
    assert entries[0]["previous_sha256"] == ""
    for before, entry in zip(lines, entries[1:], strict=False):
        assert entry["previous_sha256"] == hashlib.sha256(before).hexdigest()
    assert {entry["document_sha256"] for entry in entries} == {hashlib.sha256(b'{"a":1}').hexdigest()}


def test_a_file_is_whole_or_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "x", b"old")

    def broken(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OSError, match="No space"):
        put(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(UsageError, match=r"No space left on device.*--case"):
        write_case(tmp_path / "case", b"{}", [], {}, moment=WHEN, command="x")


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    write_case(tmp_path, orjson.dumps({"schema": "s"}), [], {}, moment=WHEN, command="x", extra={"report.html": b"<p>"})
    assert open_case(tmp_path).document == {"schema": "s"}
    assert open_case(tmp_path / "examination.json").document == {"schema": "s"}
    assert (tmp_path / "report.html").read_bytes() == b"<p>"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff"])
def test_a_damaged_case_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "examination.json").write_bytes(content)
    with pytest.raises(UsageError, match="run the examination again"):
        open_case(tmp_path)
    with pytest.raises(UsageError, match="is no case"):
        open_case(tmp_path / "nowhere")
