"""The system part of an event's JSON text, read without parsing it.

Between two marks that every record has (the time, and `Security`) the text is the same for all events of one kind on one
computer, so what it says is read once and remembered by the text itself."""

from __future__ import annotations

import re
from typing import NamedTuple

FURTHEST = 4_000  # characters in which the system part must end
_TIME = ',"TimeCreated":{"#attributes":{"SystemTime":"'
_RECORD = '"}},"EventRecordID":'
_TAIL = ',"Channel":"'
_END = ',"Security":'
_DATA = ',"EventData":{'
_SECURITY = re.compile(r',"Security":(?:null|"[^"\\]*"|\{"#attributes":\{[^{}]*\}\})\}')
_BEFORE = re.compile(
    r'\{"Event":\{(?:"#attributes":\{[^{}]*\},)?"System":\{'
    r'"Provider":\{"#attributes":\{"Name":"([^"\\]*)"[^{}]*\}\},'
    r'"EventID":(?:\{"#attributes":\{[^{}]*\},"#text":)?"?([0-9]{1,10})["},].*',
    re.DOTALL,
)
_AFTER = re.compile(r',"Channel":"([^"\\]*)","Computer":"([^"\\]*)"')


class Head(NamedTuple):
    """Where the parts of the text are that say where an event belongs. `before` (provider, event id) and `after`
    (channel, computer) are what kinds are told apart by; `end`: where the text after the computer's name begins."""

    before: str
    after: str
    time: str
    end: int


class Origin(NamedTuple):
    """What the parts of a head say."""

    provider: str
    event_id: str
    channel: str
    computer: str


def read_head(text: str) -> Head | None:
    """The head of an event as the `evtx` library writes it: provider, id, time, record number, channel, computer and
    security, in this order. None where the text is not in that form: then it must be parsed. Inside a value a quote is
    escaped, so no value can look like one of the marks."""
    time = text.find(_TIME, 0, FURTHEST)
    start = time + len(_TIME)
    stop = text.find(_RECORD, start, start + 60)
    channel = text.find(_TAIL, stop, FURTHEST)
    end = text.find(_END, channel, FURTHEST)
    if time < 0 or stop < 0 or channel < 0 or end < 0:
        return None
    return Head(text[:time], text[channel:end], text[start:stop], end)


def origin_of(head: Head) -> Origin | None:
    """What a head says; None where a value is not as plain as all are: then the event must be parsed."""
    before, after = _BEFORE.fullmatch(head.before), _AFTER.fullmatch(head.after)
    if before is None or after is None or '"' in head.time or "\\" in head.time:
        return None
    return Origin(before[1], before[2], after[1], after[2])


def record_number(text: str, otherwise: int) -> int:
    """The record's own number, as read_head found its place."""
    start = text.find(_RECORD, 0, FURTHEST) + len(_RECORD)
    end = text.find(",", start, start + 22)
    number = text[start:end].strip('"')
    return (int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0) or otherwise


def data_part(text: str, start: int) -> str | None:
    """The text of the object `EventData` where it is the event's only part beside the system part, whose `Security`
    begins at `start`."""
    at = text.find(_DATA, start)
    if at < 0 or not text.endswith("}}}") or _SECURITY.fullmatch(text, start, at) is None:
        return None
    return text[at + len(_DATA) - 1 : -2]
