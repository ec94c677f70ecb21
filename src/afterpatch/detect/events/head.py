"""The system part of an event's JSON text, read without parsing it."""

from __future__ import annotations

from typing import NamedTuple

FURTHEST = 4_000  # characters in which the system part must end


class Head(NamedTuple):
    """What says where an event belongs. `end`: where the text after the computer's name begins."""

    provider: str
    event_id: str
    time: str
    channel: str
    computer: str
    end: int


def read_head(text: str) -> Head | None:
    """The head of an event as the `evtx` library writes it: provider, id, time, channel, computer and security, in this
    order. None where the text is not in that form, or a value holds an escape: then it must be parsed. Inside a value a
    quote is escaped, so no value can look like a name."""
    provider = _value(text, '{"Name":"', 0)
    if provider is None:
        return None
    event_id = _number(text, provider[1])
    if event_id is None:
        return None
    time = _value(text, '"SystemTime":"', event_id[1])
    channel = _value(text, ',"Channel":"', time[1]) if time is not None else None
    if time is None or channel is None or not text.startswith('","Computer":"', channel[1]):
        return None
    computer = _value(text, ',"Computer":"', channel[1])
    if computer is None or not text.startswith('","Security":', computer[1]):
        return None
    return Head(provider[0], event_id[0], time[0], channel[0], computer[0], computer[1])


def _value(text: str, name: str, start: int) -> tuple[str, int] | None:
    """(value, place of the quote that ends it) of the next value of a name."""
    at = text.find(name, start, FURTHEST)
    if at < 0:
        return None
    at += len(name)
    end = text.find('"', at, FURTHEST)
    value = text[at:end]
    return None if end < 0 or "\\" in value else (value, end)


def _number(text: str, start: int) -> tuple[str, int] | None:
    """The event id: `"EventID":4688`, or with attributes `"EventID":{"#attributes":{"Qualifiers":0},"#text":4688}`."""
    at = text.find('"EventID":', start, FURTHEST)
    if at < 0:
        return None
    at += len('"EventID":')
    if text.startswith("{", at):
        at = text.find('"#text":', at, FURTHEST)
        if at < 0:
            return None
        at += len('"#text":')
    at += text.startswith('"', at)
    end = at
    while end - at < 10 and text[end : end + 1].isdigit():
        end += 1
    value = text[at:end]
    return (value, end) if value and value.isascii() else None
