"""Events of one kind: what all records agree on that come from one provider, with one id, on one channel and computer."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from afterpatch.detect.events.head import Head, data_part, origin_of, record_number
from afterpatch.detect.events.plan import EventPlan
from afterpatch.detect.events.program import Program
from afterpatch.detect.events.watched import watched
from afterpatch.detect.plane.tally import MAX_RAW, Sample
from afterpatch.model import EPOCH
from afterpatch.parsers.events.evtx import Batch
from afterpatch.parsers.events.normal import event_time, from_object, is_simple
from afterpatch.parsers.events.positional import named_providers
from afterpatch.parsers.events.record import EventRecord

MAX_KINDS = 10_000


class NoEventError(Exception):
    """A record's text is no event."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """`system`: what its records say of it, by field names; `held`: numbers of the program's literals that its system
    part holds."""

    system: dict[str, str]
    program: Program
    held: tuple[int, ...]

    @property
    def computer(self) -> str:
        return self.system["Computer"]

    @property
    def channel(self) -> str:
        return self.system["Channel"]


class Kinds:
    """The kinds met so far, by the text of their heads; None where records of such a head must be parsed."""

    def __init__(self, plan: EventPlan) -> None:
        self._plan = plan
        self._known: dict[tuple[str, str], Kind | None] = {}

    def of(self, head: Head) -> Kind | None:
        """The kind of a head."""
        key = (head.before, head.after)
        try:
            return self._known[key]
        except KeyError:
            if len(self._known) >= MAX_KINDS:
                self._known.clear()
            kind = self._known[key] = self._made(head)
            return kind

    def _made(self, head: Head) -> Kind | None:
        origin = origin_of(head)
        if origin is None or origin.provider.lower() in named_providers() or watched(origin.provider, origin.event_id):
            return None
        program = self._plan.program(origin.channel, int(origin.event_id))
        system = {
            "Provider_Name": origin.provider, "EventID": origin.event_id, "Channel": origin.channel, "Computer": origin.computer,
        }  # fmt: skip
        held: tuple[int, ...] = ()
        if program.system:
            text = (head.before + "\n" + head.after).encode("utf-8", "surrogatepass")
            held = tuple(sorted(program.system.intersection(program.anchors.found(text))))
        return Kind(system, program, held)


class Found:
    """A record whose text holds what rules look for: parsed as far as it must be. `data`: its named values where they
    are a plain list. Raises NoEventError where the text is no event."""

    __slots__ = ("_batch", "_event", "_head", "_number", "_text", "data", "kind")

    def __init__(self, text: str, head: Head, kind: Kind, batch: Batch, number: int) -> None:
        self._text, self._head, self._batch, self._number, self.kind = text, head, batch, number, kind
        self._event: dict[str, object] | None = None
        self.data = self._simple()

    @property
    def system(self) -> dict[str, str]:
        """Provider, id, channel and computer by their field names."""
        return self.kind.system

    def _simple(self) -> dict[str, object] | None:
        part = data_part(self._text, self._head.end)
        if part is not None:
            try:
                data = orjson.loads(part)
            except orjson.JSONDecodeError:
                part = None
            else:
                return data if is_simple(data) else None
        self._whole()
        return None

    def _whole(self) -> dict[str, object]:
        if self._event is None:
            try:
                event = orjson.loads(self._text)["Event"]
            except (orjson.JSONDecodeError, KeyError, TypeError) as error:
                raise NoEventError from error
            if not isinstance(event, dict):
                raise NoEventError
            self._event = event
        return self._event

    def record(self) -> EventRecord:
        """The whole event."""
        return from_object(self._whole(), (self._number, self._batch.offset_of(self._number)), self._text)

    def sample(self, artifact: int) -> Sample:
        """The event as a proof."""
        number = record_number(self._text, self._number)
        return Sample(
            event_time(self._head.time) or EPOCH, artifact, number, self._batch.offset_of(self._number), self._text[:MAX_RAW]
        )
