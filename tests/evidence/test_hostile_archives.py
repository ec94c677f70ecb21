"""Archives made to hurt: every class of the list ends in a notice or a typed error, quickly, and writes nothing."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from afterpatch.evidence import (
    BombError,
    Collection,
    DamagedError,
    TruncatedError,
    collect,
    limits,
    open_locator,
    read_bounded,
)
from afterpatch.model import EvidenceError, Locator

LOG = "C/inetpub/logs/LogFiles/W3SVC1/u_ex210303.log"


def _zip(path: Path, members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.filename, info.compress_type = name, method
            archive.writestr(info, data)
    return path


def _read_all(locator: Locator, size: int) -> tuple[bytes, EvidenceError | None]:
    """(what can be read, the error at its end)"""
    data = bytearray()
    with open_locator(locator) as stream:
        try:
            while part := stream.read(size):
                data += part
        except EvidenceError as error:
            return bytes(data), error
    return bytes(data), None


def _reasons(collection: Collection) -> list[str]:
    return [notice.reason.partition(":")[0] for notice in collection.notices]


def _names(base: Path) -> set[str]:
    return {str(item) for item in base.rglob("*")}


ODD = [
    "../../../../tmp/evil.log", "/etc/evil.log", "\\\\server\\share\\evil.log", "a\x01b.log", "x\ny.log",
    "con/evil.log", "COM1.log", "a" * 2000 + ".log", "..\\..\\evil.log",
]  # fmt: skip


def test_names_that_would_escape_are_kept_as_data(tmp_path: Path, kit: SimpleNamespace) -> None:
    path = _zip(tmp_path / "a.zip", [(name, kit.IIS) for name in ODD])
    before = _names(tmp_path)
    collection = collect([str(path)])
    assert len(collection.artifacts) == len(ODD)
    assert all(item.kind == "iis" for item in collection.artifacts)
    assert _reasons(collection) == ["notice.odd-name"] * len(ODD)
    for artifact in collection.artifacts:
        assert read_bounded(artifact.locator, 1 << 20) == (kit.IIS, False)
    assert _names(tmp_path) == before


def test_nul_in_a_name_and_bytes_that_are_no_text(tmp_path: Path, kit: SimpleNamespace) -> None:
    path = _zip(tmp_path / "a.zip", [("aXb.log", kit.IIS), ("c\u00e9.log", kit.IIS)])
    data = path.read_bytes().replace(b"aXb.log", b"a\0b.log").replace("c\u00e9.log".encode(), b"c\xff\xfe.log")
    path.write_bytes(data)
    collection = collect([str(path)])
    assert {item.kind for item in collection.artifacts} == {"iis"}
    assert "a\0b.log" in {item.path for item in collection.artifacts}
    for item in collection.artifacts:
        item.path.encode()


def test_duplicate_and_case_colliding_members_are_told_apart(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = _zip(tmp_path / "a.zip", [("x.log", b"one"), ("x.log", b"two"), ("X.LOG", b"three")])
    contents = {read_bounded(item.locator, 99)[0] for item in collect([str(path)]).artifacts}
    assert contents == {b"one", b"two", b"three"}


def test_links_and_devices_in_archives_are_not_followed(tmp_path: Path, kit: SimpleNamespace) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in (("s", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE), ("c", tarfile.CHRTYPE),
                           ("b", tarfile.BLKTYPE), ("f", tarfile.FIFOTYPE)):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("u_ex.log")
        info.size = len(kit.IIS)
        archive.addfile(info, io.BytesIO(kit.IIS))
    collection = collect([str(path)])
    assert [item.path for item in collection.artifacts] == ["u_ex.log"]
    assert sorted(_reasons(collection)) == ["notice.link-not-followed"] * 2 + ["notice.not-a-plain-file"] * 3


def test_a_symbolic_link_in_a_zip_is_not_followed(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.log")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("x.log", "-")
    collection = collect([str(tmp_path / "a.zip")])
    assert [item.path for item in collection.artifacts] == ["x.log"]
    assert _reasons(collection) == ["notice.link-not-followed"]


def test_links_pipes_and_sockets_in_folders_are_not_followed(tmp_path: Path, kit: SimpleNamespace) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.log").write_bytes(kit.IIS)
    given = tmp_path / "given"
    given.mkdir()
    (given / "dir").symlink_to(outside)
    (given / "file.log").symlink_to(outside / "secret.log")
    (given / "dangling.log").symlink_to("/nowhere")
    os.mkfifo(given / "pipe.log")
    (given / "u_ex.log").write_bytes(kit.IIS)
    collection = collect([str(given)])
    assert [item.path for item in collection.artifacts] == ["u_ex.log"]
    assert sorted(_reasons(collection)) == ["notice.link-not-followed"] * 3 + ["notice.not-a-plain-file"]


def test_a_file_that_became_a_link_is_refused(tmp_path: Path, kit: SimpleNamespace) -> None:
    log = tmp_path / "given" / "u_ex.log"
    log.parent.mkdir()
    log.write_bytes(kit.IIS)
    [artifact] = collect([str(log.parent)]).artifacts
    log.unlink()
    with pytest.raises(EvidenceError):
        open_locator(artifact.locator)
    log.symlink_to("/etc/passwd")
    with pytest.raises(EvidenceError):
        open_locator(artifact.locator)


def test_a_deflate_bomb_is_refused_by_its_declared_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RATIO_FLOOR", limits.MIB)
    path = _zip(tmp_path / "a.zip", [("bomb.log", bytes(8 * limits.MIB)), ("x.log", b"-")])
    collection = collect([str(path)])
    assert [item.path for item in collection.artifacts] == ["x.log"]
    assert _reasons(collection) == ["notice.expansion-bound"]


def test_a_bomb_that_lies_about_its_size_is_stopped_while_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _zip(tmp_path / "a.zip", [("bomb.log", bytes(8 * limits.MIB))])
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 100)
    path.write_bytes(data)
    monkeypatch.setattr(limits, "RATIO_FLOOR", limits.MIB)
    [artifact] = collect([str(path)]).artifacts
    have, error = _read_all(artifact.locator, limits.MIB)
    assert isinstance(error, BombError)
    assert limits.MIB <= len(have) <= 4 * limits.MIB


def test_a_gzip_bomb_is_stopped_while_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RATIO_FLOOR", limits.MIB)
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(bytes(8 * limits.MIB)))
    [artifact] = collect([str(tmp_path / "a.log.gz")]).artifacts
    data, cut = read_bounded(artifact.locator, 64 * limits.MIB)
    assert cut
    assert len(data) <= 4 * limits.MIB


def test_overlapping_members_are_refused_but_for_the_first(tmp_path: Path) -> None:
    """The construction of non-recursive bombs: many directory entries share one kernel of data."""
    path = _zip(tmp_path / "a.zip", [("a.log", b"x" * 999), ("b.log", b"y" * 999), ("c.log", b"z")])
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    data[second + 42 : second + 46] = struct.pack("<I", 5)
    path.write_bytes(data)
    collection = collect([str(path)])
    assert [item.path for item in collection.artifacts] == ["a.log", "c.log"]
    assert _reasons(collection) == ["notice.overlapping-member"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_lying_sizes_deliver_what_is_there_and_are_named(method: int, tmp_path: Path, kit: SimpleNamespace) -> None:
    path = _zip(tmp_path / "a.zip", [("x.log", kit.IIS)], method)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", len(kit.IIS) + 7)
    path.write_bytes(data)
    collection = collect([str(path)])
    assert collection.artifacts[0].kind == "iis"
    body, cut = read_bounded(collection.artifacts[0].locator, 1 << 20)
    assert body == kit.IIS
    assert cut or _reasons(collection) == ["notice.lying-size"]


def test_wrong_checksum_is_an_error_after_the_data(tmp_path: Path, kit: SimpleNamespace) -> None:
    path = _zip(tmp_path / "a.zip", [("x.log", kit.IIS)])
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 16] ^= 0xFF
    path.write_bytes(data)
    with open_locator(collect([str(path)]).artifacts[0].locator) as stream:
        assert stream.read(len(kit.IIS)) == kit.IIS
        with pytest.raises(DamagedError):
            stream.read()


def test_encrypted_and_unsupported_members_are_named(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", [("a.log", b"1"), ("b.log", b"2"), ("c.log", b"3")])
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\x01\x02")
    data[first + 8] |= 1
    second = data.index(b"PK\x01\x02", first + 4)
    data[second + 10] = 9  # Deflate64
    path.write_bytes(data)
    collection = collect([str(path)])
    assert [item.path for item in collection.artifacts] == ["c.log"]
    assert _reasons(collection) == ["notice.encrypted", "notice.unsupported-compression"]


@pytest.mark.parametrize("folder", [False, True])
def test_an_encrypted_velociraptor_container_is_refused_clearly(folder: bool, tmp_path: Path, kit: SimpleNamespace) -> None:
    inner = _zip(tmp_path / "data.zip", [("secret.json", b"1")])
    data = bytearray(inner.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    if folder:
        given = tmp_path / "given"
        given.mkdir()
        (given / "data.zip").write_bytes(data)
        (given / "metadata.json").write_bytes(b"{}")
    else:
        given = _zip(tmp_path / "Collection.zip", [("data.zip", bytes(data)), ("metadata.json", b"{}")])
        outer = bytearray(given.read_bytes())
        outer[outer.index(b"PK\x01\x02") + 8] |= 1
        given.write_bytes(outer)
    with pytest.raises(EvidenceError, match="encrypted collection of Velociraptor: decrypt it first"):
        collect([str(given)])
    other = tmp_path / "u_ex.log"
    other.write_bytes(kit.IIS)
    collection = collect([str(given), str(other)])
    assert [item.path for item in collection.artifacts] == ["u_ex.log"]
    assert "notice.encrypted-collection" in _reasons(collection)


def test_archives_nested_without_end_stop_at_the_bound(tmp_path: Path) -> None:
    data = b"-"
    for depth in range(6):
        path = _zip(tmp_path / f"{depth}.zip", [(f"{depth}.zip" if depth else "x.log", data)])
        data = path.read_bytes()
    collection = collect([str(path)])
    assert _reasons(collection) == ["notice.nested-too-deep"]
    assert len(collection.artifacts) == 1


def test_too_many_members_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_MEMBERS", 10)
    path = _zip(tmp_path / "a.zip", [(f"{number}.bin", b"-") for number in range(20)])
    collection = collect([str(path)])
    assert len(collection.artifacts) == 10
    assert _reasons(collection) == ["notice.too-many-members"]


def test_notices_of_one_kind_are_summed_up(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", [(f"../{number}.bin", b"-") for number in range(200)])
    notices = collect([str(path)]).notices
    assert len(notices) == limits.NOTICES_PER_REASON + 1
    assert sum(notice.count for notice in notices) == 200


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_zip_without_directory_is_salvaged(keep: float, tmp_path: Path, kit: SimpleNamespace) -> None:
    path = kit.zipped(tmp_path / "a.zip", kit.plain)
    data = path.read_bytes()
    path.write_bytes(data[: int(data.index(b"PK\x01\x02") * keep)])
    collection = collect([str(path)])
    assert "notice.archive-salvaged" in _reasons(collection)
    assert all(item.partial for item in collection.artifacts)
    assert kit.found(collection) <= kit.expected()
    assert len(collection.artifacts) >= len(kit.SERVER) * keep / 3
    for artifact in collection.artifacts[:-1]:
        if read_bounded(artifact.locator, 1 << 20)[1] is False:
            assert read_bounded(artifact.locator, 1 << 20)[0] == kit.SERVER[artifact.path][0]


def test_a_streamed_zip_without_directory_is_salvaged(tmp_path: Path, kit: SimpleNamespace) -> None:
    """Sizes behind the data (bit 3), as a collector that streams writes them."""

    class Pipe(io.RawIOBase):
        data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, piece: bytes) -> int:  # type: ignore[override]
            self.data += piece
            return len(piece)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, (data, _) in kit.SERVER.items():
            archive.writestr(kit.plain(path), data)
    whole = bytes(pipe.data)
    (tmp_path / "a.zip").write_bytes(whole[: whole.index(b"PK\x01\x02")])
    collection = collect([str(tmp_path / "a.zip")])
    assert kit.found(collection) == kit.expected()
    for artifact in collection.artifacts:
        assert read_bounded(artifact.locator, 1 << 20) == (kit.SERVER[artifact.path][0], False)


def test_bytes_before_the_archive_shift_nothing(tmp_path: Path, kit: SimpleNamespace) -> None:
    path = kit.zipped(tmp_path / "a.zip", kit.plain)
    path.write_bytes(b"MZ something in front" * 50 + path.read_bytes())
    collection = collect([str(path)])
    assert kit.found(collection) == kit.expected()
    assert read_bounded(collection.artifacts[0].locator, 99)[1] is False


def test_a_truncated_gzip_gives_what_is_readable_then_the_error(tmp_path: Path) -> None:
    lines = b"".join(b"2021-03-03 00:00:%02d line %d\r\n" % (n % 60, n * 7919) for n in range(40_000))
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(lines)[:-20_000])
    [artifact] = collect([str(tmp_path / "a.log.gz")]).artifacts
    good, error = _read_all(artifact.locator, 10_000)
    assert isinstance(error, TruncatedError)
    assert lines.startswith(good)
    assert len(good) > len(lines) // 2
    with open_locator(artifact.locator) as stream:
        by_line = list(itertools.islice(stream, good.count(b"\n")))
        assert b"".join(by_line) == good[: good.rindex(b"\n") + 1]
        assert stream.readline() == good[good.rindex(b"\n") + 1 :]
        with pytest.raises(TruncatedError):
            stream.readline()
    assert read_bounded(artifact.locator, 1 << 30) == (good, True)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_truncated_tar_keeps_what_came_before(mode: str, tmp_path: Path, kit: SimpleNamespace) -> None:
    path = kit.tarred(tmp_path / "a.tar", mode)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    collection = collect([str(path)])
    assert kit.found(collection) <= kit.expected()
    assert "notice.truncated" in _reasons(collection)
    assert len(collection.artifacts) >= 3
    for artifact in collection.artifacts:
        data, cut = read_bounded(artifact.locator, 1 << 20)
        assert cut or data == kit.SERVER[artifact.path][0]
        assert not cut or artifact.partial


REFUSED: dict[str, bytes] = {
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(2048), "rar": b"Rar!\x1a\x07\x01\x00" + bytes(2048),
    "e01": b"EVF\x09\x0d\x0a\xff\x00" + bytes(2048), "vhdx": b"vhdxfile" + bytes(2048),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_other_containers_are_refused_with_a_hint(kind: str, tmp_path: Path, kit: SimpleNamespace) -> None:
    path = tmp_path / "h" / f"evidence.{kind}"
    path.parent.mkdir()
    path.write_bytes(REFUSED[kind])
    with pytest.raises(EvidenceError, match="hand in the"):
        collect([str(path)])
    (path.parent / "u_ex.log").write_bytes(kit.IIS)
    assert "notice.container-not-supported" in _reasons(collect([str(path.parent)]))


def test_random_damage_never_ends_in_anything_but_a_typed_error(tmp_path: Path, kit: SimpleNamespace) -> None:
    whole = {
        "zip": kit.zipped(tmp_path / "a.zip", kit.plain).read_bytes(),
        "tar": kit.tarred(tmp_path / "a.tar", "w").read_bytes(),
        "tgz": kit.tarred(tmp_path / "a.tgz", "w:gz").read_bytes(),
    }
    for suffix, data in whole.items():
        for seed in range(60):
            hurt = bytearray(data)
            for step in range(1 + seed % 5):
                hurt[zlib.crc32(b"%d %d" % (seed, step)) % len(hurt)] ^= 1 << (seed % 8)
            path = tmp_path / f"hurt{seed}.{suffix}"
            path.write_bytes(hurt)
            try:
                artifacts = collect([str(path)]).artifacts
            except EvidenceError:
                continue
            for artifact in artifacts:
                with contextlib.suppress(EvidenceError):
                    read_bounded(artifact.locator, 1 << 20)
            path.unlink()
