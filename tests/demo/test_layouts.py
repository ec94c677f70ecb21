"""The layouts hold the same files; archives carry the collectors' bookkeeping; sizes are what was asked for."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from afterpatch.demo import LAYOUTS, parse_size, write_scenario
from afterpatch.model import UsageError

START, END = datetime(2021, 3, 2, tzinfo=UTC), datetime(2021, 3, 10, tzinfo=UTC)
BOOKKEEPING = (
    "_CopyLog.csv",
    "_SkipLog.csv",
    "uploads.json",
    "client_info.json",
    "collection_context.json",
    "log.json",
)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("layouts")
    for layout in LAYOUTS:
        write_scenario("incident", base / layout, start=START, end=END, layout=layout)
    return {layout: base / layout for layout in LAYOUTS}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def plain(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha(path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def members(folder: Path) -> dict[str, bytes]:
    (archive,) = folder.iterdir()
    with zipfile.ZipFile(archive) as stored:
        assert stored.testzip() is None
        return {info.filename: stored.read(info) for info in stored.infolist()}


def test_the_registry_names_the_five_layouts() -> None:
    assert set(LAYOUTS) == {"drive", "loose", "kape-zip", "velociraptor-zip", "cylr-zip"}


@pytest.mark.parametrize("layout", ["kape-zip", "cylr-zip"])
def test_archives_of_drives_hold_the_files_of_the_drive(evidence: dict[str, Path], layout: str) -> None:
    stored = {name: sha(data) for name, data in members(evidence[layout]).items() if not name.endswith(BOOKKEEPING)}
    assert stored == plain(evidence["drive"])


def test_kape_keeps_original_times_and_hashes_in_the_copy_log(evidence: dict[str, Path]) -> None:
    files = members(evidence["kape-zip"])
    (name,) = [name for name in files if name.endswith("_CopyLog.csv")]
    assert files[name].startswith(b"\xef\xbb\xbf")
    copied = list(csv.DictReader(io.StringIO(files[name].decode("utf-8-sig"))))
    assert len(copied) == len(plain(evidence["drive"]))
    for row in copied:
        data = files[row["SourceFile"].replace(":", "", 1).replace("\\", "/")]
        assert hashlib.sha1(data).hexdigest() == row["SourceFileSha1"]
        assert int(row["FileSize"]) == len(data)
    first = next(row for row in copied if row["SourceFile"].endswith("u_ex210303.log"))
    assert first["ModifiedOnUtc"].startswith("2021-03-03 23:59:59")
    (skipped,) = [name for name in files if name.endswith("_SkipLog.csv")]
    assert b"Deduped" in files[skipped]


def test_velociraptor_paths_rebuild_from_components(evidence: dict[str, Path]) -> None:
    files = members(evidence["velociraptor-zip"])
    uploads = [json.loads(line) for line in files["uploads.json"].splitlines()]
    assert json.loads(files["client_info.json"])["Hostname"] == "EXCH01"
    rebuilt = {}
    for row in uploads:
        data = files[row["vfs_path"]]
        assert row["uploaded_size"] == row["file_size"] == len(data)
        parts = row["_Components"]
        assert parts[:2] == ["uploads", "auto"]
        rebuilt["/".join([parts[2].rstrip(":"), *parts[3:]])] = sha(data)
    assert rebuilt == plain(evidence["drive"])
    assert any(name.startswith("uploads/auto/C%3A/") for name in files)
    assert any(name.startswith("results/") for name in files)


def test_loose_files_lie_flat_and_lose_nothing(evidence: dict[str, Path]) -> None:
    loose = plain(evidence["loose"])
    assert not any("/" in name for name in loose)
    assert sorted(loose.values()) == sorted(plain(evidence["drive"]).values())
    assert "W3SVC1_u_ex210303.log" in loose
    assert "Ecp_HttpProxy_2021030306-1.LOG" in loose


def test_drive_files_carry_their_own_times(evidence: dict[str, Path]) -> None:
    log = evidence["drive"] / "C/inetpub/logs/LogFiles/W3SVC1/u_ex210303.log"
    assert datetime.fromtimestamp(log.stat().st_mtime, UTC) == datetime(2021, 3, 3, 23, 59, 59, tzinfo=UTC)


def test_archives_are_the_same_for_the_same_arguments(evidence: dict[str, Path], tmp_path: Path) -> None:
    for layout in ("kape-zip", "velociraptor-zip"):
        write_scenario("incident", tmp_path / layout, start=START, end=END, layout=layout)
        (one,), (two,) = evidence[layout].iterdir(), (tmp_path / layout).iterdir()
        assert one.name == two.name
        assert sha(one.read_bytes()) == sha(two.read_bytes())


def test_two_servers_get_a_folder_or_an_archive_each(tmp_path: Path) -> None:
    bounds = {"start": datetime(2021, 3, 1, tzinfo=UTC), "end": datetime(2021, 3, 6, tzinfo=UTC)}
    drive = write_scenario("dag-two-servers", tmp_path / "drive", **bounds)
    assert drive.evidence == ("drive/EXCH01", "drive/EXCH02")
    zipped = write_scenario("dag-two-servers", tmp_path / "zip", **bounds, layout="kape-zip")
    assert zipped.evidence == ("zip/2021-03-06T030000_EXCH01.zip", "zip/2021-03-06T030000_EXCH02.zip")


@pytest.mark.parametrize("size", ["30MB", 80_000_000])
def test_sizes_are_met_within_five_per_cent(tmp_path: Path, size: int | str) -> None:
    truth = write_scenario("intrusion", tmp_path / "e", start=START, end=datetime(2021, 3, 11, tzinfo=UTC), size=size)
    assert truth.bytes == pytest.approx(parse_size(size), rel=0.05)
    assert sum(len(item.lines) for item in truth.planted) == 168
    assert {chain.stage for chain in truth.chains} == {"used"}


@pytest.mark.slow
def test_big_request_logs_are_cut_into_instances(tmp_path: Path) -> None:
    start, end = datetime(2021, 4, 20, 9, tzinfo=UTC), datetime(2021, 4, 20, 11, tzinfo=UTC)
    truth = write_scenario("late-logs", tmp_path / "e", start=start, end=end, size="150MB")
    logs = list((tmp_path / "e").rglob("HttpProxy_*.LOG"))
    assert [path for path in logs if path.name.endswith("-2.LOG")]
    assert all(path.stat().st_size <= 10_010_000 for path in logs)
    assert all(path.read_bytes().endswith(b"\r\n") and path.read_bytes().startswith(b"DateTime,") for path in logs)
    assert truth.bytes == pytest.approx(150e6, rel=0.05)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("1.5GB", 1_500_000_000), ("300 MB", 300_000_000), ("12", 12), ("7k", 7_000), ("2gb", 2_000_000_000)],
)
def test_sizes_are_read(text: str, wanted: int) -> None:
    assert parse_size(text) == wanted


@pytest.mark.parametrize("text", ["", "big", "-3MB", "1.5.2GB", "MB"])
def test_other_texts_are_no_sizes(text: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        parse_size(text)


def test_mistakes_are_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no scenario 'x'"):
        write_scenario("x", tmp_path / "a")
    with pytest.raises(UsageError, match="no layout 'y'"):
        write_scenario("intrusion", tmp_path / "a", layout="y")
    with pytest.raises(UsageError, match="needs logs from 2021-03-03"):
        write_scenario("intrusion", tmp_path / "b", start=datetime(2021, 3, 5, tzinfo=UTC))
    with pytest.raises(UsageError, match="after their start"):
        write_scenario("late-logs", tmp_path / "c", end=datetime(2021, 4, 1, tzinfo=UTC))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "file").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        write_scenario("intrusion", tmp_path / "d")
