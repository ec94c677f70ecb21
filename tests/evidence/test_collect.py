"""What cannot be used is named or refused; what was given stays as it was."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from afterpatch.evidence import Collection, collect, limits, open_locator, read_bounded, reclassify
from afterpatch.model import EvidenceError

One = Callable[..., Collection]


@pytest.mark.parametrize("path", ["", "nowhere", "nul\0l"])
def test_what_does_not_exist_is_an_error(path: str) -> None:
    with pytest.raises(EvidenceError, match="does not exist"):
        collect([path])


def test_nothing_given_and_empty_folders_are_errors(tmp_path: Path, kit: SimpleNamespace) -> None:
    with pytest.raises(EvidenceError, match="No evidence"):
        collect([])
    (tmp_path / "empty").mkdir()
    (tmp_path / "u_ex.log").write_bytes(kit.IIS)
    with pytest.raises(EvidenceError, match="empty folder"):
        collect([str(tmp_path / "u_ex.log"), str(tmp_path / "empty")])


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.7z"])
def test_a_broken_archive_alone_is_an_error_of_one_line(name: str, tmp_path: Path) -> None:
    head = {"a.zip": b"PK\x03\x04junk", "a.tar.gz": b"\x1f\x8b\x08", "a.7z": b"7z\xbc\xaf'\x1c"}[name]
    (tmp_path / name).write_bytes(head)
    with pytest.raises(EvidenceError) as caught:
        collect([str(tmp_path / name)])
    assert "\n" not in str(caught.value)


def test_a_broken_archive_among_good_evidence_is_a_notice(kit: SimpleNamespace, one: One) -> None:
    collection = one({"u_ex.log": kit.IIS, "bad.zip": b"PK\x03\x04junk", "bad.tgz": b"not gzip"})
    assert {notice.reason.partition(":")[0] for notice in collection.notices} == {
        "notice.damaged", "notice.not-an-archive",
    }  # fmt: skip
    assert len(collection.artifacts) == 3  # nothing is lost: the broken files are artifacts too


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_permission_errors_are_notices(kit: SimpleNamespace, tmp_path: Path, one: One) -> None:
    (tmp_path / "given").mkdir()
    locked = tmp_path / "given/locked"
    locked.mkdir()
    locked.chmod(0)
    assert [n.reason for n in one({"u_ex.log": kit.IIS}).notices] == ["notice.unreadable: Permission denied"]
    locked.chmod(0o700)


def test_errors_of_the_file_system_are_notices(kit: SimpleNamespace, one: One, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir, real_open = os.scandir, os.open

    def no_scan(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    def no_open(path: str, flags: int, *more: int) -> int:
        if str(path).endswith("gone.log"):
            raise FileNotFoundError(2, "No such file")
        return real_open(path, flags, *more)

    monkeypatch.setattr(os, "scandir", no_scan)
    monkeypatch.setattr(os, "open", no_open)
    collection = one({"u_ex.log": kit.IIS, "locked/x.log": b"-", "gone.log": b"-"})
    assert [item.path for item in collection.artifacts] == ["u_ex.log"]
    assert [notice.reason.partition(":")[0] for notice in collection.notices] == ["notice.unreadable"] * 2


def test_evidence_is_not_touched(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.tree(tmp_path / "e", kit.plain)
    kit.zipped(tmp_path / "e/more.zip", kit.plain)

    def state() -> dict[str, tuple[str, int]]:
        return {
            str(item): (hashlib.sha256(item.read_bytes()).hexdigest(), item.stat().st_mtime_ns)
            for item in tmp_path.rglob("*")
            if item.is_file()
        }

    before = state()
    for artifact in collect([str(tmp_path / "e")]).artifacts:
        read_bounded(artifact.locator, 1 << 20)
        with open_locator(artifact.locator) as stream:
            assert not stream.writable()
    assert state() == before


def test_read_only_folders_will_do(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.tree(tmp_path / "e", kit.plain)
    for item in tmp_path.rglob("*"):
        item.chmod(0o500 if item.is_dir() else 0o400)
    assert kit.found(collect([str(tmp_path / "e")])) == kit.expected()
    for item in tmp_path.rglob("*"):
        item.chmod(0o700)


@pytest.mark.skipif(os.name == "nt", reason="names of POSIX")
def test_file_names_that_are_no_text(kit: SimpleNamespace, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff\xfe"
    Path(os.fsdecode(folder)).mkdir()
    with open(folder + b"/u_ex\xff.log", "wb") as file:
        file.write(kit.IIS)
    [artifact] = collect([str(tmp_path)]).artifacts
    assert artifact.kind == "iis"
    assert artifact.path == "%FF%FE\\u_ex%FF.log"
    artifact.shown.encode("utf-8")
    assert read_bounded(artifact.locator, 10) == (kit.IIS[:10], True)


def test_a_sparse_file_costs_nothing(tmp_path: Path) -> None:
    with (tmp_path / "u_ex.log").open("wb") as file:
        file.write(b"#Software: Microsoft Internet Information Services 10.0\r\n")
        file.truncate(1 << 40)
    started = time.monotonic()
    [artifact] = collect([str(tmp_path)]).artifacts
    assert (artifact.kind, artifact.size) == ("iis", 1 << 40)
    assert len(read_bounded(artifact.locator, 1000)[0]) == 1000
    assert time.monotonic() - started < 5


def test_folders_without_end_stop_at_the_bound(kit: SimpleNamespace, one: One, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FOLDER_DEPTH", 5)
    collection = one({"u_ex.log": kit.IIS, "/".join("abcdefgh") + "/x.log": b"-"})
    assert [item.path for item in collection.artifacts] == ["u_ex.log"]
    assert [notice.reason for notice in collection.notices] == ["notice.too-deep: 5"]


def test_zip_member_times_are_not_the_server_s(kit: SimpleNamespace, tmp_path: Path) -> None:
    for artifact in collect([str(kit.zipped(tmp_path / "a.zip", kit.plain))]).artifacts:
        assert artifact.modified is not None
        assert not artifact.times_original


def test_velociraptor_metadata_gives_original_times(kit: SimpleNamespace, tmp_path: Path) -> None:
    row = b'{"SourceFile":"\\\\\\\\.\\\\C:\\\\root\\\\tool.bin","Created":"2021-03-02T10:00:00.1234567Z",'
    row += b'"Modified":"2021-03-03T07:00:00Z"}'
    path = kit.zipped(tmp_path / "v.zip", kit.escaped("{}%3A", "auto"), {
        "uploads.json": b"", "results/Windows.Triage%2FAll Matches Metadata.json": row})  # fmt: skip
    [artifact] = [item for item in collect([str(path)]).artifacts if item.path == "C:\\root\\tool.bin"]
    assert artifact.times_original
    assert artifact.created is not None
    assert artifact.created.isoformat() == "2021-03-02T10:00:00.123456+00:00"


def test_reclassify_learns_web_roots_and_log_folders(one: One) -> None:
    collection = one(
        {
            "C/Windows/x": b"-", "C/site/a.aspx": b"-", "C/site/web.config": b"-", "C/ProgramData/WHO1/b.aspx": b"-",
            "C/Weblogs/u_x.log": b"cut", "C/sites/c.aspx": b"-", "E/pages/d.aspx": b"-",
        }
    )  # fmt: skip
    key = collection.roots[0].key
    roots = ["%SystemDrive%\\site\\", "C:/programdata/WHO1", "E:\\Pages", "C:\\"]
    again = reclassify(collection, {key: roots, "unknown": ["C:\\Windows"]}, {key: ["c:\\weblogs"]})
    kinds = {item.path: item.kind for item in again.artifacts}
    assert kinds == {
        "C:\\Windows\\x": "other", "C:\\site\\a.aspx": "web-file", "C:\\site\\web.config": "web-config",
        "C:\\ProgramData\\WHO1\\b.aspx": "web-file", "C:\\Weblogs\\u_x.log": "iis", "C:\\sites\\c.aspx": "other",
        "E:\\pages\\d.aspx": "web-file",
    }  # fmt: skip
    assert [(notice.path, notice.reason) for notice in again.notices] == [("C:\\", "notice.web-root-too-wide")]
    assert [item.index for item in again.artifacts] == [item.index for item in collection.artifacts]


def test_reclassify_without_drive_letters(kit: SimpleNamespace, one: One) -> None:
    collection = one({"inetpub/logs/x.log": kit.IIS, "ProgramData/site/a.aspx": b"-"})
    again = reclassify(collection, {"given": ["C:\\ProgramData\\site"]}, {})
    assert {item.path: item.kind for item in again.artifacts}["ProgramData\\site\\a.aspx"] == "web-file"
