"""EVTX: records as JSON text, batch by batch, every record read or counted.

The decoding of one record is the `evtx` library's (Rust). It stops a chunk at the first damage and knows no chunk
whose magic is gone; so chunks whose records do not add up are read one by one, with what is damaged fenced off
(chunks.py), and what still cannot be read is counted.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from evtx import PyEvtxParser

from afterpatch.parsers.events.chunks import CHUNK_SIZE, RECORD, Chunk, Spot, as_file, chunks, mended, spots
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
    _offsets: dict[int, int] | None = None

    def offset_of(self, number: int) -> int:
        """Where a record begins in the file; the batch's start where it cannot be found."""
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
    """The records of some chunks. Chunks that look whole are read together; if that does not give every record that
    they declare, and for all others, each is read with care."""
    batch = Batch(parts[0].offset, parts)
    easy = [chunk for chunk in parts if _looks_whole(chunk)]
    if easy:
        events, errors = _decode([chunk.data for chunk in easy])
        if errors or len(events) != sum(chunk.declared for chunk in easy):
            easy = []
        else:
            batch.events = events
    sound = {chunk.offset for chunk in easy}
    for chunk in parts:
        if chunk.offset not in sound:
            _with_care(chunk, batch)
    return batch


def _looks_whole(chunk: Chunk) -> bool:
    return chunk.whole and chunk.size == CHUNK_SIZE and chunk.declared == chunk.data.count(RECORD)


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
    try:
        reader = PyEvtxParser(io.BytesIO(as_file(parts)), 1).records_json()
    except RuntimeError:
        return events, 1
    while errors < MOST_ERRORS:
        try:
            record = next(reader)
        except StopIteration:
            break
        except RuntimeError:
            errors += 1
        else:
            if record is not None:
                events.append((int(record["event_record_id"]), str(record["data"])))
    return events, errors
