"""The EVTX files that the demo and the tests write: what is written is read, by the library and by our reader."""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from evtx import PyEvtxParser

from afterpatch.demo.evtxfile import CHUNK, Record, evtx_bytes
from afterpatch.parsers.events import EventRecord, read_events

WHEN = datetime(2021, 3, 3, 6, 59, 10, 817000, tzinfo=UTC)


def one(number: int, **more: object) -> Record:
    values = {"data": {"Text": f"value {number} <&>\"' é 漢"}, **more}
    return Record(WHEN + timedelta(seconds=number), "Example", 100 + number % 7, "Application", "exch01.example.local", **values)  # type: ignore[arg-type]


def test_everything_written_is_read() -> None:
    found = list(read_events(evtx_bytes(one(number) for number in range(400))))
    assert [record.record_id for record in found if isinstance(record, EventRecord)] == list(range(1, 401))
    for number, record in enumerate(found):
        assert isinstance(record, EventRecord)
        assert record.time == WHEN + timedelta(seconds=number)
        assert (record.provider, record.channel, record.event_id) == ("Example", "Application", 100 + number % 7)
        assert (record.computer, record.level) == ("exch01.example.local", 4)
        assert record.fields["Text"] == f"value {number} <&>\"' é 漢"


def test_values_without_names_and_user_data() -> None:
    records = [one(1, data={}, values=["a", "", "c"]), one(2, data={"Channel": "Security", "User": "x"}, user="LogFileCleared")]
    first, second = read_events(evtx_bytes(records))
    assert isinstance(first, EventRecord)
    assert isinstance(second, EventRecord)
    assert first.fields["Data"] == "a\n\nc"
    assert (second.fields["User"], second.fields["UserData_Channel"]) == ("x", "Security")


def test_the_frame_is_that_of_windows() -> None:
    data = evtx_bytes([one(number) for number in range(400)])
    count = struct.unpack_from("<H", data, 42)[0]
    assert len(data) == 4096 + count * CHUNK
    assert count > 1
    assert zlib.crc32(data[:120]) == struct.unpack_from("<I", data, 124)[0]
    for start in range(4096, len(data), CHUNK):
        chunk = data[start : start + CHUNK]
        free = struct.unpack_from("<I", chunk, 48)[0]
        assert zlib.crc32(chunk[512:free]) == struct.unpack_from("<I", chunk, 52)[0]
        assert zlib.crc32(chunk[:120] + chunk[128:512]) == struct.unpack_from("<I", chunk, 124)[0]


def test_the_same_events_give_the_same_bytes(tmp_path: object) -> None:
    assert evtx_bytes([one(1), one(2)]) == evtx_bytes([one(1), one(2)])
    assert PyEvtxParser  # the library itself reads it in every test above


def test_what_fits_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="64 KiB"):
        evtx_bytes([one(1, data={"Text": "x" * 32_760, "More": "y" * 10})])
