"""Streams against plain bytes: the fast path and its slow oracle agree."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import multiprocessing
import pickle
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.evidence import collect, inflated, limits, local_path, open_locator, opening, read_bounded
from afterpatch.evidence.decoders import DecodedStream, Decoder
from afterpatch.evidence.inflated import InflatedBytes
from afterpatch.evidence.rawbytes import MemoryBytes, RandomReader, WindowBytes

PACK = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "deflate": lambda data: zlib.compress(data)[2:-4],
}
TEXT = b"".join(b"%d %x\n" % (n, n * 2654435761 % 2**32) for n in range(30_000))
PACKED = {kind: pack(TEXT) for kind, pack in PACK.items()}


def _decoder(kind: str, packed: bytes, copyable: bool = False) -> Decoder:
    return Decoder(kind, MemoryBytes(packed), 0, len(packed), copyable=copyable)


@pytest.mark.parametrize("kind", PACK)
@given(data=st.binary(max_size=3000), sizes=st.lists(st.integers(-1, 400), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_reads_agree_with_bytesio(kind: str, data: bytes, sizes: list[int]) -> None:
    stream, oracle = DecodedStream(_decoder(kind, PACK[kind](data))), io.BytesIO(data)
    for place, size in enumerate(sizes):
        if place % 2:
            assert stream.readline(size) == oracle.readline(size)
        else:
            assert stream.read(size) == oracle.read(size)
    assert stream.read() == oracle.read()
    assert stream.read(1) == b""


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
@given(parts=st.lists(st.binary(max_size=200), min_size=1, max_size=5), padding=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_streams_after_one_another_are_one(kind: str, parts: list[bytes], padding: int) -> None:
    packed = b"".join(PACK[kind](part) for part in parts) + bytes(padding)
    assert DecodedStream(_decoder(kind, packed)).read() == b"".join(parts)


@pytest.mark.parametrize("kind", PACK)
@given(accesses=st.lists(st.tuples(st.integers(0, len(TEXT) + 10), st.integers(0, 5000)), max_size=12))
@settings(max_examples=8, deadline=None)
def test_random_access_agrees_with_slices(kind: str, accesses: list[tuple[int, int]]) -> None:
    data = InflatedBytes(_decoder(kind, PACKED[kind], copyable=True))
    for offset, count in accesses:
        assert data.read_at(offset, count) == TEXT[offset : offset + count]
    assert data.size == len(TEXT)


def test_checkpoints_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflated, "CHECKPOINT", 1000)
    monkeypatch.setattr(inflated, "MAX_CHECKPOINTS", 4)
    monkeypatch.setattr(limits, "READ_CHUNK", 500)
    data = InflatedBytes(_decoder("gzip", gzip.compress(TEXT), copyable=True))
    assert data.size == len(TEXT)
    assert 0 < len(data._points) <= 4
    for offset in (len(TEXT) - 5, 10, len(TEXT) // 2, 0, len(TEXT) // 3):
        assert data.read_at(offset, 777) == TEXT[offset : offset + 777]


@given(st.binary(max_size=500), st.integers(0, 100), st.integers(0, 600), st.lists(st.integers(0, 90), max_size=9))
def test_windows_are_seekable_and_bounded(data: bytes, start: int, size: int, reads: list[int]) -> None:
    window = WindowBytes(MemoryBytes(data), start, size)
    stream, oracle = io.BufferedReader(RandomReader(window), 16), io.BytesIO(data[start : start + size])
    for count in reads:
        assert stream.read(count) == oracle.read(count)
    assert stream.seek(3) == oracle.seek(3)
    assert stream.read() == oracle.read()


def test_readinto_and_iteration(tmp_path: Path) -> None:
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(TEXT))
    [artifact] = collect([str(tmp_path / "a.log.gz")]).artifacts
    with open_locator(artifact.locator) as stream:
        assert list(stream) == TEXT.splitlines(keepends=True)
    with open_locator(artifact.locator) as stream:
        buffer = bytearray(1000)
        assert stream.readinto(buffer) == 1000  # type: ignore[attr-defined]
        assert bytes(buffer) == TEXT[:1000]
    assert stream.closed
    with io.TextIOWrapper(open_locator(artifact.locator), encoding="ascii") as text:
        assert text.readline() == "0 0\n"


def test_plain_files_can_be_mapped_and_members_cannot(tmp_path: Path, kit: SimpleNamespace) -> None:
    log = tmp_path / "u_ex.log"
    log.write_bytes(kit.IIS)
    [artifact] = collect([str(log)]).artifacts
    assert local_path(artifact.locator) == str(log)
    member = collect([str(kit.zipped(tmp_path / "a.zip", kit.plain))]).artifacts[0]
    assert local_path(member.locator) is None


@pytest.mark.parametrize("suffix", ["zip", "tgz"])
def test_locators_work_in_other_processes(suffix: str, tmp_path: Path, kit: SimpleNamespace) -> None:
    path = tmp_path / f"a.{suffix}"
    path = kit.zipped(path, kit.plain) if suffix == "zip" else kit.tarred(path, "w:gz")
    artifacts = collect([str(path)]).artifacts
    jobs = [(pickle.loads(pickle.dumps(item.locator)), 1 << 20) for item in artifacts]
    want = [(kit.SERVER[item.path][0], False) for item in artifacts]
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.starmap_async(read_bounded, jobs, chunksize=1).get(timeout=60) == want


def test_few_containers_stay_open(tmp_path: Path, kit: SimpleNamespace) -> None:
    for number in range(30):
        kit.zipped(tmp_path / f"h/{number}.zip", kit.plain)
    artifacts = collect([str(tmp_path / "h")]).artifacts
    streams = [open_locator(item.locator) for item in artifacts[:: len(kit.SERVER)]]
    assert len(opening._SHELF.items) <= limits.MAX_OPEN_CONTAINERS
    assert len(opening._SHELF.layers) <= limits.MAX_OPEN_CONTAINERS
    assert all(stream.read() for stream in streams)  # evicted, but still readable for who holds them


def test_a_replaced_archive_is_read_anew(tmp_path: Path, kit: SimpleNamespace) -> None:
    path = kit.zipped(tmp_path / "a.zip", lambda p: p)
    [*_, artifact] = collect([str(path)]).artifacts
    path.unlink()
    kit.zipped(path, lambda p: "other/" + kit.plain(p))
    with pytest.raises(Exception, match="changed"):
        open_locator(artifact.locator)
