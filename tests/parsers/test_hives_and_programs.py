"""Registry hives and version resources: what is read, and that nothing in them does harm."""

from __future__ import annotations

import importlib.util
import struct
import time
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.parsers import regf
from afterpatch.parsers.peversion import file_version
from afterpatch.parsers.regf import Hive, Key, filetime

WRITTEN = datetime(2021, 4, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def kit() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "afterpatch_tests_serverkit_for_parsers", Path(__file__).parents[1] / "assess" / "serverkit.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def everything(hive: Hive) -> list[Any]:
    """All keys and values, walked to a bounded depth."""
    found: list[Any] = []

    def walk(key: Key, depth: int) -> None:
        found.append(key.name)
        found.extend((one.name, one.number, one.text) for one in hive.values(key))
        for below in hive.subkeys(key):
            if depth < 8 and len(found) < 5000:
                walk(below, depth + 1)

    if hive.root is not None:
        walk(hive.root, 0)
    return found


def test_keys_values_and_times(kit: ModuleType) -> None:
    data = kit.hive({"One": {"Two": {"Number": 7, "Text": "héllo"}}, "Other": {}}, WRITTEN)
    hive = Hive(data, "SOFTWARE")
    key = hive.key("one", "TWO")
    assert key is not None
    assert key.written == hive.written == WRITTEN
    assert {one.name: one.number or one.text for one in hive.values(key)} == {"Number": 7, "Text": "héllo"}
    assert [one.name for one in hive.subkeys(hive.root)] == ["One", "Other"]
    assert hive.key("One", "Three") is None
    assert hive.value(None, "x") is None
    assert (hive.notices, hive.broken) == ([], 0)


def test_a_dirty_hive_says_so(kit: ModuleType) -> None:
    data = bytearray(kit.hive({"One": {}}, WRITTEN))
    data[4] = 9
    assert [one.reason for one in Hive(bytes(data), "x").notices] == ["notice.hive-dirty"]


@pytest.mark.parametrize("data", [b"", b"regf", b"regf" + bytes(5000), b"MZ" + bytes(9000)])
def test_what_is_no_hive(data: bytes) -> None:
    hive = Hive(data, "x")
    assert hive.root is None
    assert hive.key("Select") is None
    assert "notice.hive-head" in [one.reason for one in hive.notices]


def test_lists_that_name_themselves_end(kit: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regf, "MAX_CELLS", 20_000)
    data = bytearray(kit.hive({"One": {}, "Two": {}, "Three": {}}, WRITTEN))
    place = data.index(b"lh\x03\x00")
    data[place : place + 4] = b"ri" + struct.pack("<H", 3)
    for number in range(3):
        struct.pack_into("<I", data, place + 4 + 4 * number, place - 4 - 4096)
    begun = time.monotonic()
    hive = Hive(bytes(data), "x")
    assert hive.key("One") is None
    assert hive.exhausted
    assert time.monotonic() - begun < 10


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_never_raises(kit: ModuleType, data: st.DataObject) -> None:
    whole = bytearray(kit.hive(kit.software("15.1.2176.2", [("Update for Exchange Server (KB5000871)", "20210310")]), WRITTEN))
    for _ in range(data.draw(st.integers(1, 12))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(whole)))
    everything(Hive(bytes(whole[:end] if data.draw(st.booleans()) else whole), "x"))


def test_times_that_no_calendar_holds() -> None:
    assert filetime(0) is None
    assert filetime(2**64 - 1) is None


def test_file_versions(kit: ModuleType) -> None:
    assert file_version(kit.program("15.1.2176.9")) == "15.1.2176.9"
    assert file_version(kit.program("15.1.2176.9")[2:]) == ""
    assert file_version(b"MZ" + "VS_VERSION_INFO".encode("utf-16-le") * 3) == ""
    assert file_version(kit.program("15.1.2176.9")[:250]) == ""
