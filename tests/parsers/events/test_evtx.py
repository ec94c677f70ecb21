"""EVTX frames: chunks found, damage fenced off, every record read or counted.

Real records need binary XML that only Windows writes; tests that read some use the shared sample, the others frames of
their own."""

from __future__ import annotations

import io
import struct
from collections import Counter
from pathlib import Path

import pytest

from afterpatch.parsers.events import BadEvent, EventRecord, read_events
from afterpatch.parsers.events.chunks import CHUNK_SIZE, FIRST_RECORD, HEADER_SIZE, as_file, chunks, mended, spots
from afterpatch.parsers.events.evtx import evtx_batches

SAMPLE = Path(__file__).parents[4] / "shared" / "samples" / "evtx" / "MSExchange_Management_wec.evtx"
needs_sample = pytest.mark.skipif(not SAMPLE.exists(), reason="the shared EVTX sample is not here")


def record(number: int, size: int = 64) -> bytes:
    return struct.pack("<4sIQQ", b"**\0\0", size, number, 0).ljust(size - 4, b"\0") + struct.pack("<I", size)


def chunk(numbers: list[int], size: int = 64) -> bytes:
    body = b"".join(record(number, size) for number in numbers)
    first, last = (numbers[0], numbers[-1]) if numbers else (0, 0)
    head = struct.pack("<8s4QI", b"ElfChnk\0", first, last, first, last, 128)
    head += struct.pack("<II", FIRST_RECORD, FIRST_RECORD + len(body))
    return (head.ljust(FIRST_RECORD, b"\0") + body).ljust(CHUNK_SIZE, b"\0")


def read(data: bytes) -> tuple[list[EventRecord], Counter[str]]:
    records, bad = [], Counter[str]()
    for one in read_events(data):
        if isinstance(one, BadEvent):
            bad[one.reason] += one.count
        else:
            records.append(one)
    return records, bad


def test_frames_say_what_they_hold() -> None:
    found = list(chunks(io.BytesIO(as_file([chunk([1, 2, 3]), chunk([4])]))))
    assert [(one.offset, one.declared, one.whole) for one in found] == [
        (HEADER_SIZE, 3, True),
        (HEADER_SIZE + CHUNK_SIZE, 1, True),
    ]
    assert [spot.number for spot in spots(found[0].data)] == [1, 2, 3]


def test_a_chunk_that_begins_in_the_wrong_place_is_found() -> None:
    found = list(chunks(io.BytesIO(as_file([]) + b"x" * 1000 + chunk([7, 8]))))
    assert [(one.whole, one.offset - HEADER_SIZE) for one in found] == [(False, 0), (True, 1000)]


def test_blocks_of_zeros_are_not_chunks() -> None:
    assert not list(chunks(io.BytesIO(as_file([bytes(CHUNK_SIZE)] * 3))))


def test_a_range_gives_its_own_chunks_only() -> None:
    data = as_file([chunk([1]), chunk([2]), chunk([3])])
    start = HEADER_SIZE + CHUNK_SIZE
    stream = io.BytesIO(data)
    stream.seek(start)
    assert [one.offset for one in chunks(stream, start, start + CHUNK_SIZE)] == [start]


def test_mending_fences_damage_off() -> None:
    data = bytearray(chunk([1, 2, 3, 4]))
    data[FIRST_RECORD + 64 : FIRST_RECORD + 70] = b"\xff" * 6
    one = next(chunks(io.BytesIO(as_file([bytes(data)]))))
    good = list(spots(one.data, end=one.data_end))
    assert [spot.number for spot in good] == [1, 3, 4]
    whole = mended(one, good)
    at, sizes = FIRST_RECORD, []
    while whole[at : at + 4] == b"**\0\0":
        sizes.append(struct.unpack_from("<I", whole, at + 4)[0])
        at += sizes[-1]
    assert sizes == [64, 64, 64, 64]


@pytest.mark.parametrize("cut", [HEADER_SIZE + 10, HEADER_SIZE + 513, HEADER_SIZE + 4000])
def test_undecodable_records_are_counted(cut: int) -> None:
    data = as_file([chunk([1, 2, 3])])
    records, bad = read(data)
    assert not records
    assert sum(bad.values()) == 3
    records, bad = read(data[:cut])
    assert not records
    assert sum(bad.values()) >= 1


def test_garbage_is_one_bad_chunk() -> None:
    _records, bad = read(as_file([b"\x01" * CHUNK_SIZE]))
    assert bad == {"event-chunk": 1}


def test_a_chunk_that_was_never_written_to_is_no_damage() -> None:
    data = bytearray(chunk([]))
    data[8:40] = b"\xff" * 32
    assert read(as_file([bytes(data)])) == ([], Counter())


@pytest.mark.parametrize("data", [b"ElfFile\0", b"ElfFile\0" + b"\xff" * 70_000, b"ElfChnk\0" * 20_000, b"\0" * 5000])
def test_hostile_frames_end(data: bytes) -> None:
    records, _bad = read(data)
    assert not records


@needs_sample
def test_the_sample_gives_its_record() -> None:
    records, bad = read(SAMPLE.read_bytes())
    assert bad == {"event-slack": 9}
    [one] = records
    assert (one.provider, one.channel, one.event_id, one.record_id) == ("MSExchange CmdletLogs", "MSExchange Management", 1, 3229)
    assert one.fields["cmdlet.name"] == "Set-Mailbox"
    assert one.fields["cmdlet.parameters"].startswith(' -Identity "')
    assert one.fields["Message"].startswith("Cmdlet suceeded. Cmdlet Set-Mailbox, parameters ")
    assert SAMPLE.read_bytes()[one.offset : one.offset + 4] == b"**\0\0"


@needs_sample
@pytest.mark.parametrize("where", range(0, 2600, 150))
def test_any_damage_is_read_or_counted(where: int) -> None:
    data = bytearray(SAMPLE.read_bytes())
    at = HEADER_SIZE + FIRST_RECORD + where
    data[at : at + 8] = b"\xee" * 8
    records, bad = read(bytes(data))
    assert len(records) + bad["event-record"] + bad["event-json"] >= 1


@needs_sample
def test_a_lost_magic_does_not_lose_the_record() -> None:
    data = bytearray(SAMPLE.read_bytes())
    data[HEADER_SIZE : HEADER_SIZE + 8] = bytes(8)
    records, _bad = read(bytes(data))
    assert 3229 in [one.record_id for one in records]


@needs_sample
def test_the_file_header_is_not_needed() -> None:
    data = SAMPLE.read_bytes()
    whole, _bad = read(data)
    assert read(bytes(HEADER_SIZE) + data[HEADER_SIZE:])[0] == whole


@needs_sample
def test_batches_know_where_their_records_are() -> None:
    data = SAMPLE.read_bytes()
    [batch] = evtx_batches(io.BytesIO(data))
    [(number, _text)] = batch.events
    assert batch.offset_of(number) == HEADER_SIZE + FIRST_RECORD
    assert batch.offset_of(10**12) == batch.start
