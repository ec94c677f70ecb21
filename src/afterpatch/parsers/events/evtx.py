"""EVTX: records as JSON text, batch by batch, every record read or counted.

The decoding of one record is the `evtx` library's (Rust). It stops a chunk at the first damage and knows no chunk
whose magic is gone; so chunks whose records do not add up are read one by one, with what is damaged fenced off
(chunks.py), and what still cannot be read is counted.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from evtx import PyEvtxParser

from afterpatch.parsers.events.chunks import CHUNK_SIZE, FIRST_RECORD, RECORD, Chunk, Spot, as_file, chunks, mended, spots
from afterpatch.parsers.events.record import BadEvent

BATCH = 32  # chunks: 2 MiB, about 4,000 records
MOST_ERRORS = 8_192  # of one batch; a reader that gives more without an end is left


@dataclass(slots=True)
class Batch:
    """Records of some neighbouring chunks: (record number, JSON text). `bad`: what could not be read."""

    start: int
    chunks: list[Chunk]
    events: list[tuple[int, str]] = field(default_factory=list)
    bad: list[BadEvent] = field(default_factory=list)
    _places: dict[int, dict[int, int]] = field(default_factory=dict)
    _ranges: list[tuple[int, int, Chunk]] | None = None
    _offsets: dict[int, int] | None = None

    def offset_of(self, number: int) -> int:
        """Where a record begins in the file; the batch's start where it cannot be found."""
        if self._ranges is None:
            self._ranges = [(*chunk.numbers, chunk) for chunk in self.chunks if chunk.declared]
        for first, last, chunk in self._ranges:
            if first <= number <= last:
                places = self._places.get(chunk.offset)
                if places is None:
                    places = self._places[chunk.offset] = chunk.places()
                if number in places:
                    return chunk.offset + places[number]
        if self._offsets is None:
            self._offsets = {spot.number: chunk.offset + spot.start for chunk in self.chunks for spot in spots(chunk.data)}
        return self._offsets.get(number, self.start)

    @property
    def size(self) -> int:
        """Bytes of the file that were read."""
        return sum(chunk.size for chunk in self.chunks)


def evtx_batches(stream: BinaryIO, start: int = 0, end: int | None = None) -> Iterator[Batch]:
    """All batches of the chunks that begin in [start, end). The stream stands at `start`. Memory does not grow with the
    file."""
    waiting: list[Chunk] = []
    for chunk in chunks(stream, start, end):
        waiting.append(chunk)
        if len(waiting) >= BATCH:
            yield read_batch(waiting)
            waiting = []
    if waiting:
        yield read_batch(waiting)


def read_batch(parts: list[Chunk]) -> Batch:
    """The records of some chunks. Chunks that look whole are read together; where that does not give every record that
    they declare, halves of them are, down to the one that is damaged. It and all others are read with care."""
    batch = Batch(parts[0].offset, parts)
    sound: set[int] = set()
    _together([chunk for chunk in parts if _looks_whole(chunk)], batch, sound)
    for chunk in parts:
        if chunk.offset not in sound:
            _with_care(chunk, batch)
        else:
            _slack(chunk, batch)
    return batch


def _together(easy: list[Chunk], batch: Batch, sound: set[int]) -> None:
    if not easy:
        return
    events, errors = _decode([chunk.data for chunk in easy])
    if not errors and len(events) == sum(chunk.declared for chunk in easy):
        batch.events += events
        sound.update(chunk.offset for chunk in easy)
    elif len(easy) > 1:
        half = len(easy) // 2
        _together(easy[:half], batch, sound)
        _together(easy[half:], batch, sound)


def _looks_whole(chunk: Chunk) -> bool:
    if not chunk.whole or chunk.size != CHUNK_SIZE:
        return False
    return chunk.declared == chunk.data.count(RECORD, FIRST_RECORD, chunk.data_end)


def _with_care(chunk: Chunk, batch: Batch) -> None:
    end = chunk.data_end
    good = list(spots(chunk.data, end=end))
    cut = chunk.size < CHUNK_SIZE
    if not good and not chunk.declared:
        if cut or not chunk.empty:
            batch.bad.append(BadEvent(chunk.offset, "event-cut" if cut else "event-chunk"))
        return
    events = _decode([mended(chunk, good)])[0] if good else []
    if chunk.whole and len(events) < chunk.declared:
        plain = _decode([chunk.data])[0]  # a last record without its end is none for `spots`
        events = plain if len(plain) > len(events) else events
    batch.events += events
    gaps = _gaps(good, end)
    missing = max(chunk.declared, len(good)) - len(events)
    if missing > 0 or gaps:
        batch.bad.append(BadEvent(chunk.offset, "event-cut" if cut else "event-record", max(missing, gaps)))
    _slack(chunk, batch)


def _slack(chunk: Chunk, batch: Batch) -> None:
    """Counts the whole records behind the end of a chunk's data."""
    end = chunk.data_end
    slack = sum(1 for _spot in spots(chunk.data, start=end))
    if slack:
        batch.bad.append(BadEvent(chunk.offset + end, "event-slack", slack))


def _gaps(good: list[Spot], end: int) -> int:
    """Stretches between good records, and behind the last one, that hold bytes but no record."""
    gaps, at = 0, 512
    for spot in good:
        gaps += spot.start != at
        at = spot.start + spot.size
    return gaps + (at < end)


def _decode(parts: list[bytes]) -> tuple[list[tuple[int, str]], int]:
    """(records, how many errors were raised). The library raises in the middle of damage: ask again and go on."""
    events: list[tuple[int, str]] = []
    errors = 0
    reader: Any
    try:
        reader = PyEvtxParser(io.BytesIO(as_file(parts)), 1).records_json()
    except RuntimeError:
        return events, 1
    while errors < MOST_ERRORS:
        try:
            for record in reader:
                events.append((record["event_record_id"], record["data"]))
        except RuntimeError:
            errors += 1
        else:
            break
    return events, errors
