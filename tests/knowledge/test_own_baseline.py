"""The user's own baseline: what is written is what is read, and nothing else is taken for one."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from afterpatch.knowledge.builds import Build
from afterpatch.knowledge.own_baseline import OwnBaseline, OwnFile, joined, load, to_bytes
from afterpatch.model import UsageError

LOGON = "\\frontend\\httpproxy\\owa\\auth\\logon.aspx"
SERVER = "D:\\Exchange\\FrontEnd\\HttpProxy\\owa\\auth\\logon.aspx"


def _one(digest: str = "a", build: str = "15.2.1118.40") -> OwnBaseline:
    return OwnBaseline.of([OwnFile(LOGON, digest * 64, 5, "text\u4e2d")], build, "media")


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "own.gz"
    path.write_bytes(to_bytes(_one()))
    assert load(str(path)) == _one()
    assert to_bytes(load(str(path))) == to_bytes(_one())


def test_questions() -> None:
    own = _one()
    assert own.knows(SERVER, "A" * 64)
    assert not own.knows(SERVER, "b" * 64)
    assert own.covers(SERVER.replace("logon", "other"))
    assert not own.covers("C:\\inetpub\\wwwroot\\x.aspx")
    assert own.judges(None)
    assert own.judges(Build.parse("15.2.1118.40"))
    assert not own.judges(Build.parse("15.2.1258.12"))


def test_several_as_one() -> None:
    assert joined([]) is None
    both = joined([_one("a"), _one("b", "15.2.986.5")])
    assert both is not None
    assert both.build == ""
    assert both.knows(SERVER, "a" * 64)
    assert both.knows(SERVER, "b" * 64)


@pytest.mark.parametrize(
    ("plain", "cut"),
    [
        (None, 0),
        (b"", 0),
        (b"[]\n", 0),
        (b'{"format": "other", "version": 1}\n', 0),
        (b'{"format": "afterpatch-baseline", "version": 1}\n{"path": "x"}\n', 0),
        (b'{"format": "afterpatch-baseline", "version": 1}\n{"path": "x", "sha256": "zz", "size": 1}\n', 0),
        (b"x" * 4000, 20),
        (b"[" * 100_000, 0),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path: Path, plain: bytes | None, cut: int) -> None:
    path = tmp_path / "own.gz"
    packed = b"no gzip" if plain is None else gzip.compress(plain)
    path.write_bytes(packed[: len(packed) - cut])
    with pytest.raises(UsageError, match="baseline make"):
        load(str(path))


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="No such file"):
        load("/does/not/exist")
