"""Our readers of archive directories against the standard library's, and their side files against nonsense."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.evidence import collect, read_bounded
from afterpatch.evidence.members import Member, decoder_of, window
from afterpatch.evidence.rawbytes import MemoryBytes
from afterpatch.evidence.tardir import read_tar
from afterpatch.evidence.zipdir import data_offset
from afterpatch.evidence.zipsalvage import read_zip, salvage
from afterpatch.model import EvidenceError

NAME = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=120)
FILES = st.lists(st.tuples(NAME, st.binary(max_size=300)), min_size=1, max_size=8)
METHODS = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
ROW = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("_Components", "vfs_path", "file_size", "uploaded_size", "Type", "Hostname"), JSON),
)


def _bytes(data: MemoryBytes, member: Member) -> bytes:
    at = data_offset(data, member)
    decoder = decoder_of(member, data, at)
    if decoder is None:
        return window(member, data, at).read_at(0, 1 << 20)
    return b"".join(iter(decoder.next, b""))


@given(FILES, METHODS, st.binary(max_size=50))
@settings(deadline=None, max_examples=60)
def test_zip_directories_agree_with_the_library(files: list[tuple[str, bytes]], method: int, comment: bytes) -> None:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")
        archive.comment = comment.replace(b"P", b"")
        for name, content in files:
            archive.writestr(name, content)
    data = MemoryBytes(buffer.getvalue())
    with zipfile.ZipFile(buffer) as archive:
        oracle = [(info.filename, info.file_size, info.is_dir()) for info in archive.infolist()]
    directory = read_zip(data)
    assert [(item.name, item.size, item.name.endswith("/")) for item in directory.members] == oracle
    for member, (_, content) in zip(directory.members, files, strict=True):
        assert _bytes(data, member) == content
    saved = salvage(data)
    assert {item.name for item in saved.members} >= {name for name, content in files if content}


@given(FILES, st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
@settings(deadline=None, max_examples=60)
def test_tar_directories_agree_with_the_library(files: list[tuple[str, bytes]], form: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1.5
            archive.addfile(info, io.BytesIO(content))
    data = MemoryBytes(buffer.getvalue())
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as archive:
        oracle = [(info.name, info.size) for info in archive.getmembers()]
    members = read_tar(data).members
    assert [(item.name.rstrip("/"), item.size) for item in members] == [(name.rstrip("/"), n) for name, n in oracle]
    for member, (_, content) in zip(members, files, strict=True):
        assert window(member, data, member.offset).read_at(0, 1 << 20) == content


@given(st.binary(max_size=3000))
@settings(deadline=None)
def test_any_bytes_end_in_members_or_a_typed_error(data: bytes) -> None:
    for reader in (read_zip, read_tar):
        for head in (b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(12)):
            try:
                directory = reader(MemoryBytes(head + data))
                assert directory.members or directory.problems == (("", "notice.empty-archive"),)
            except EvidenceError as error:
                assert str(error)  # noqa: PT017


def test_a_tar_header_with_a_monstrous_size_ends_the_list(tmp_path: Path, kit: SimpleNamespace) -> None:
    data = bytearray(kit.tarred(tmp_path / "a.tar", "w").read_bytes())
    data[124:136] = b"\x80" + b"\xff" * 11
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(EvidenceError):
        collect([str(tmp_path / "a.tar")])


@given(st.lists(ROW, max_size=5), st.binary(max_size=200), st.text(max_size=200))
@settings(deadline=None, max_examples=40)
def test_side_files_full_of_nonsense_do_no_harm(rows: list[dict[str, object]], noise: bytes, text: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name) / "v"
        (base / "uploads/auto/C%3A/Windows").mkdir(parents=True)
        (base / "uploads/auto/C%3A/Windows/x.txt").write_bytes(noise)
        (base / "uploads.json").write_bytes("\n".join(map(json.dumps, rows)).encode() + noise)
        (base / "client_info.json").write_text(json.dumps(rows))
        head = "SourceFile,SourceFileSha1,ModifiedOnUtc,CreatedOnUtc,Reason\r\nC:\\Windows\\x.txt,"
        (base / "1_CopyLog.csv").write_text(head + text, encoding="utf-8")
        (base / "1_SkipLog.csv").write_bytes(head.encode() + noise)
        collection = collect([str(base)])
        assert len(collection.artifacts) >= 5
        for item in collection.artifacts:
            read_bounded(item.locator, 100)


def test_a_row_too_long_for_csv_costs_only_itself(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.tree(tmp_path, kit.plain)
    header, _, rows = kit.copy_log().partition(b"\r\n")
    (tmp_path / "1_CopyLog.csv").write_bytes(header + b"\r\nC:\\" + b"a" * 200_000 + b"\r\n" + rows)
    collection = collect([str(tmp_path)])
    assert all(item.times_original for item in collection.artifacts if item.kind != "side-file")
    assert [(notice.reason, notice.count) for notice in collection.notices] == [("notice.side-file-damaged", 1)]
