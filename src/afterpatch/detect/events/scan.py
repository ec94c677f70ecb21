"""Scans one event log, or a piece of a big one, into a LogScan.

EVTX: the library gives every record as JSON text. What says where a record belongs (provider, id, time, channel,
computer) is read from the text's head; the rest is searched for anchors and parsed only where a rule may fire.
Exports are parsed record by record; what is searched is their fields as JSON.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from typing import BinaryIO, cast

import orjson

from afterpatch.detect.events.channels import MAX_CHANNELS, ChannelCount
from afterpatch.detect.events.head import read_head
from afterpatch.detect.events.judge import EventJudge
from afterpatch.detect.events.kinds import Found, Kinds, NoEventError
from afterpatch.detect.events.plan import EventPlan
from afterpatch.detect.events.published import Published
from afterpatch.detect.events.watched import MOST_INSTALLS, MOST_VALUE, MOST_VALUES, watched
from afterpatch.detect.plane.tally import Hour, Install, LogScan
from afterpatch.evidence import local_path, open_locator
from afterpatch.model import EvidenceError, Locator
from afterpatch.parsers.events.evtx import Batch, evtx_batches
from afterpatch.parsers.events.normal import DATA, SYSTEM_FIELDS, from_json
from afterpatch.parsers.events.reading import HEAD, exported_events, format_of, with_head
from afterpatch.parsers.events.record import BadEvent, EventRecord

EVTX = "evtx"
MAX_NAMES = 1_000


@dataclass(frozen=True, slots=True)
class EventJob:
    """One artifact, or the chunks of a big EVTX file that begin in [start, end). `form`: evtx, or "" where the content
    must tell."""

    artifact: int
    locator: Locator
    size: int
    piece: int = 0
    start: int = 0
    end: int | None = None
    form: str = ""
    hashed: bool = True
    scanned: bool = True  # False: only hashed


def scan_event_log(job: EventJob, plan: EventPlan, *, slow: bool = False) -> LogScan:
    """Everything the log gives. A stream that breaks off leaves what was read and `error`.

    `slow` parses every record and judges it by every rule of its channel and id: the oracle of the fast way."""
    scan = LogScan(job.artifact, job.piece)
    worker = _Worker(job, plan, scan, slow)
    stream: _Counted | None = None
    try:
        with open_event_log(job.locator) as opened:
            stream = _Counted(opened, hashed=job.hashed)
            worker.run(stream, opened)
            if job.hashed and job.end is None:
                stream.drain()
    except EvidenceError as error:
        scan.error = str(error)
    except OSError as error:
        scan.error = error.strerror or type(error).__name__
    worker.finish()
    if stream is not None:
        scan.bytes = stream.bytes
        scan.sha256 = stream.sha256 if not scan.error else ""
    return scan


def open_event_log(locator: Locator) -> BinaryIO:
    """A plain file, or anything else through its containers."""
    plain = local_path(locator)
    return cast(BinaryIO, open(plain, "rb")) if plain is not None else open_locator(locator)


class _Counted:
    """A stream that counts and hashes what is read of it."""

    def __init__(self, stream: BinaryIO, *, hashed: bool) -> None:
        self._stream, self.bytes = stream, 0
        self._hash = hashlib.sha256() if hashed else None

    def read(self, size: int = -1) -> bytes:
        """Like BinaryIO.read."""
        data = self._stream.read(size)
        self.bytes += len(data)
        if self._hash is not None:
            self._hash.update(data)
        return data

    def drain(self) -> None:
        """Reads what is left, for the hash."""
        while self.read(1 << 20):
            pass

    @property
    def sha256(self) -> str:
        """Of all that was read; "" where nothing is hashed."""
        return self._hash.hexdigest() if self._hash is not None else ""


class _Worker:
    def __init__(self, job: EventJob, plan: EventPlan, scan: LogScan, slow: bool) -> None:
        self._job, self._plan, self._scan, self._slow = job, plan, scan, slow
        self._judge = EventJudge(plan, scan, reraise=os.environ.get("AFTERPATCH_RAISE") == "1")
        self._channels: dict[str, ChannelCount] = {}
        self._kinds = Kinds(plan)
        self._published = Published(plan.matcher) if plan.matcher is not None else None

    def run(self, counted: _Counted, opened: BinaryIO) -> None:
        """Reads the log, or the piece of it."""
        stream = cast(BinaryIO, counted)
        if not self._job.scanned:
            counted.drain()
        elif self._job.form == EVTX:
            if self._job.start:
                opened.seek(self._job.start)
            self._evtx(stream)
        else:
            head, whole = with_head(stream)
            form = format_of(head[:HEAD])
            if form == EVTX:
                self._evtx(whole)
            elif form:
                self._exported(exported_events(whole, form))
            elif head:
                self._bad(BadEvent(0, "event-shape"))

    def finish(self) -> None:
        """Hours as numbers, and totals."""
        self._scan.lines = self._scan.records + sum(self._scan.bad.values())
        for name, counted in self._channels.items():
            use, lost = counted.use()
            self._scan.channels[name] = use
            if lost:
                self._scan.lost["event-times"] += lost
            for number, hour in use.hours.items():
                self._hour(number, hour)

    def _hour(self, number: int, hour: Hour) -> None:
        known = self._scan.hours.setdefault(number, Hour(0, hour.first, hour.last))
        known.count += hour.count
        known.first, known.last = min(known.first, hour.first), max(known.last, hour.last)

    # EVTX

    def _evtx(self, stream: BinaryIO) -> None:
        for batch in evtx_batches(stream, self._job.start, self._job.end):
            for number, text in batch.events:
                self._one(batch, number, text)
            for bad in batch.bad:
                self._bad(bad)

    def _one(self, batch: Batch, number: int, text: str) -> None:
        head = None if self._slow else read_head(text)
        kind = self._kinds.of(head) if head is not None else None
        if head is None or kind is None:
            self._parsed(batch, number, text)
            return
        self._seen(head.time, kind.computer, kind.channel, number)
        told = self._published.found(text) if self._published is not None else None
        record = from_json(text, (number, batch.offset_of(number))) if told else None
        if told and record is not None:
            self._judge.indicators(record, told)
        program = kind.program
        if not program.candidates:
            return
        found = program.anchors.found(text[head.end :].encode("utf-8", "surrogatepass"))
        choice = program.choice((*kind.held, *found) if kind.held else found)
        if choice is None:
            return
        try:
            self._judge.found(Found(text, head, kind, batch, number), choice)
        except NoEventError:
            self._scan.records -= 1
            self._bad(BadEvent(batch.offset_of(number), "event-json"))

    def _parsed(self, batch: Batch, number: int, text: str) -> None:
        record = from_json(text, (number, batch.offset_of(number)))
        if record is None:
            self._bad(BadEvent(batch.offset_of(number), "event-json"))
            return
        self._record(record)

    # Exports, and events whose values need names

    def _exported(self, events: Iterable[EventRecord | BadEvent]) -> None:
        for event in events:
            if isinstance(event, BadEvent):
                self._bad(event)
            else:
                self._record(event)

    def _record(self, record: EventRecord) -> None:
        moment = record.time.astimezone(UTC).isoformat() if record.time is not None else ""
        if watched(record.provider, record.event_id):
            self._install(record)
        self._seen(moment, record.computer, record.channel, record.record_id)
        if self._published is not None:
            told = self._published.found(orjson.dumps(dict(record.fields)).decode())
            if told:
                self._judge.indicators(record, told)
        program = self._plan.program(record.channel, record.event_id)
        if not program.candidates:
            return
        if self._slow:
            self._judge.record(record, program.candidates)
            return
        choice = program.choice(program.anchors.found(orjson.dumps(dict(record.fields))))
        if choice is not None:
            self._judge.record(record, choice.candidates)

    def _install(self, record: EventRecord) -> None:
        """Keeps an event about an installation or a change of configuration."""
        if record.time is None:
            return
        if len(self._scan.installs) >= MOST_INSTALLS:
            self._scan.lost["installs"] += 1
            return
        fields = record.fields
        given = fields[DATA].split("\n") if DATA in fields else [fields[name] for name in fields if name not in SYSTEM_FIELDS]
        values = tuple(value[:MOST_VALUE] for value in (*given[:MOST_VALUES], fields.get("Message", "")))
        self._scan.installs.append(Install(record.time, record.provider, record.event_id, values))

    # Counts

    def _seen(self, time: str, computer: str, channel: str, number: int) -> None:
        scan = self._scan
        scan.records += 1
        counted = self._channels.get(channel)
        if counted is None:
            name = channel if len(self._channels) < MAX_CHANNELS else ""
            counted = self._channels.setdefault(name, ChannelCount())
        counted.add(time, number)
        if computer in scan.names or len(scan.names) < MAX_NAMES:
            scan.names[computer] += 1

    def _bad(self, bad: BadEvent) -> None:
        if bad.reason == "event-slack":  # in nearly every log; what is there was never part of it, or no longer is
            self._scan.lost[bad.reason] += bad.count
            return
        self._scan.bad[bad.reason] += bad.count
        first = self._scan.bad_first.get(bad.reason, bad.offset)
        self._scan.bad_first[bad.reason] = min(first, bad.offset)
