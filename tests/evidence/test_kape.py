"""KAPE's logs: original times and hashes, duplicates, skips, the host."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from afterpatch.evidence import collect, open_locator

SKIP = "SourceFile,SourceFileSha1,Reason\r\n"


def test_times_and_hashes_come_from_the_copy_log(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.tree(tmp_path, kit.plain)
    (tmp_path / "2021-03-10T120000_CopyLog.csv").write_bytes(kit.copy_log())
    (tmp_path / "2021-03-10T120000_ConsoleLog.txt").write_text("System info: Machine name: EXCH01, 64-bit: True\n")
    collection = collect([str(tmp_path)])
    assert [(root.host_hint, root.layout) for root in collection.roots] == [("EXCH01", "kape")]
    for artifact in collection.artifacts:
        if artifact.kind == "side-file":
            continue
        assert artifact.times_original
        assert artifact.created == datetime(2021, 3, 2, 10, 0, 0, 123456, tzinfo=UTC)
        assert artifact.modified == datetime(2021, 3, 3, 7, 0, 0, 765432, tzinfo=UTC)
        with open_locator(artifact.locator) as stream:
            assert hashlib.sha1(stream.read(), usedforsecurity=False).hexdigest() == artifact.known_sha1


def test_a_deduplicated_file_is_not_absent(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.tree(tmp_path, kit.plain)
    data = kit.SERVER["C:\\inetpub\\wwwroot\\aspnet_client\\note.aspx"][0]
    twin, lost = "C:\\inetpub\\wwwroot\\twin.aspx", "C:\\inetpub\\wwwroot\\lost.aspx"
    sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    (tmp_path / "2021_CopyLog.csv").write_bytes(kit.copy_log())
    (tmp_path / "2021_SkipLog.csv").write_text(
        f"{SKIP}{twin},{sha1},Deduped\r\n{lost},{'0' * 40},Deduped\r\nC:\\pagefile.sys,,Access denied\r\n"
    )
    collection = collect([str(tmp_path)])
    [artifact] = [item for item in collection.artifacts if item.path == twin]
    assert (artifact.kind, artifact.known_sha1, artifact.times_original) == ("web-file", sha1, False)
    with open_locator(artifact.locator) as stream:
        assert stream.read() == data
    assert {(notice.path, notice.reason) for notice in collection.notices} == {
        (lost, "notice.collector-skipped: Deduped, and no copy with this content is here"),
        ("C:\\pagefile.sys", "notice.collector-skipped: Access denied"),
    }


def test_two_runs_side_by_side_are_told_apart_by_their_stamp(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.zipped(tmp_path / "2021-03-10T120000_one.zip", kit.plain)
    kit.zipped(tmp_path / "2021-03-11T120000_two.zip", kit.plain)
    (tmp_path / "2021-03-10T120000_CopyLog.csv").write_bytes(kit.copy_log())
    collection = collect([str(tmp_path)])
    original = {item.root for item in collection.artifacts if item.times_original}
    assert original == {f"{tmp_path.name}/2021-03-10T120000_one.zip"}


def test_a_copy_log_without_copies_is_named(kit: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "2021_CopyLog.csv").write_bytes(kit.copy_log())
    (tmp_path / "u_ex.log").write_bytes(kit.IIS)
    assert [notice.reason for notice in collect([str(tmp_path)]).notices] == ["notice.copy-log-without-copies"]


def test_a_damaged_copy_log_costs_only_its_rows(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.tree(tmp_path, kit.plain)
    damaged = kit.copy_log().replace(b"2021-03-02 10:00:00.1234567", b"yesterday") + b'\x00\xff,\r\n"open'
    (tmp_path / "2021_CopyLog.csv").write_bytes(damaged)
    artifacts = [item for item in collect([str(tmp_path)]).artifacts if item.kind == "iis"]
    assert all(item.created is None and item.modified is not None and item.times_original for item in artifacts)


def test_an_unchanged_shadow_copy_is_no_second_file(kit: SimpleNamespace, tmp_path: Path) -> None:
    path = "C:\\inetpub\\logs\\LogFiles\\W3SVC1\\u_ex210303.log"
    sha1 = hashlib.sha1(kit.SERVER[path][0], usedforsecurity=False).hexdigest()
    shadow = "\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy1"
    kit.tree(tmp_path, kit.plain)
    (tmp_path / "2021_CopyLog.csv").write_bytes(kit.copy_log())
    rows = f"{shadow}{path[2:]},{sha1},Deduped\r\n{shadow}\\gone.log,{sha1},Deduped\r\n"
    (tmp_path / "2021_SkipLog.csv").write_text(SKIP + rows)
    collection = collect([str(tmp_path)])
    assert {item.path for item in collection.artifacts if item.path.startswith("VSS")} == {"VSS1\\C:\\gone.log"}
    assert not collection.notices


def test_the_name_of_the_archive_is_a_hint(kit: SimpleNamespace, tmp_path: Path) -> None:
    side = {"2021-03-10T030000_CopyLog.csv": kit.copy_log()}
    path = kit.zipped(tmp_path / "2021-03-10T030000_EXCH07.zip", kit.plain, side)
    assert [root.host_hint for root in collect([str(path)]).roots] == ["EXCH07"]
