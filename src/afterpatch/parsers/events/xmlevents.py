"""XML exports (wevtutil, the Event Viewer, evtx_dump): each `<Event>` on its own: one bad event spoils no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from lxml import etree

from afterpatch.parsers.events.normal import MAX_FIELDS, System, build
from afterpatch.parsers.events.record import BadEvent, EventRecord
from afterpatch.parsers.events.unicode import utf8

MAX_EVENT = 4 << 20
_OPEN = re.compile(rb"<Event(?=[\s>])")
_CLOSE = b"</Event>"
_MORE = 3  # how many `</Event>` are tried where UserData holds an Event of its own


def event_of_xml(data: bytes, place: tuple[int, int], raw: str) -> EventRecord | None:
    """One `<Event>` element; None where it is no well-formed event."""
    try:
        root = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError:
        return None
    system = _child(root, "System")
    if system is None:
        return None
    named: dict[str, str] = {}
    values: list[str] = []
    for part in root:
        name = _local(part)
        if name == "EventData":
            _data(part, named, values)
        elif name == "RenderingInfo":
            message = _child(part, "Message")
            if message is not None and message.text:
                named["Message"] = message.text
        elif name not in ("", "System"):
            _leaves(part, named)
    return build(_system(system), named, values, place, raw)


def data_of_xml(data: bytes, named: dict[str, str], values: list[str]) -> bool:
    """Takes the values of an `<EventData>` or `<UserData>` that came without its event. False where it is no XML."""
    try:
        root = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError:
        return False
    if _local(root) == "EventData":
        _data(root, named, values)
    else:
        _leaves(root, named)
    return True


def _parser() -> Any:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True)


def _local(element: Any) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _child(element: Any, name: str) -> Any:
    return next((child for child in element if _local(child) == name), None)


def _text(element: Any, name: str) -> str:
    child = _child(element, name)
    return (child.text or "").strip() if child is not None else ""


def _attribute(element: Any, name: str, attribute: str) -> str:
    child = _child(element, name)
    return str(child.get(attribute, "")) if child is not None else ""


def _system(part: Any) -> System:
    extra = [(name, _text(part, name)) for name in ("Keywords", "Task", "Opcode", "Version")]
    extra.append(("Execution_ProcessID", _attribute(part, "Execution", "ProcessID")))
    extra.append(("UserID", _attribute(part, "Security", "UserID")))
    return System(
        provider=_attribute(part, "Provider", "Name"),
        event_id=_text(part, "EventID"),
        channel=_text(part, "Channel"),
        computer=_text(part, "Computer"),
        level=_text(part, "Level"),
        record_id=_text(part, "EventRecordID"),
        time=_attribute(part, "TimeCreated", "SystemTime"),
        extra=tuple((name, value) for name, value in extra if value),
    )


def _data(part: Any, named: dict[str, str], values: list[str]) -> None:
    for child in list(part)[:MAX_FIELDS]:
        text = "".join(child.itertext()) if isinstance(child.tag, str) else ""
        name = child.get("Name") if _local(child) == "Data" else _local(child)
        if name:
            named[name] = text
        elif _local(child) == "Data":
            values.append(text)


def _leaves(part: Any, named: dict[str, str]) -> None:
    for element in part.iter(etree.Element):
        if len(element) == 0 and len(named) < MAX_FIELDS:
            name, text = _local(element), element.text or ""
            named[name] = f"{named[name]}\n{text}" if name in named else text


def xml_events(stream: BinaryIO) -> Iterator[EventRecord | BadEvent]:
    """All events of an XML export, UTF-8 or UTF-16. Offsets are those of the text as UTF-8."""
    buffer, at, number = b"", 0, 0
    for part in utf8(stream):
        buffer += part
        while (taken := _cut(buffer)) is not None:
            start, end = taken
            number += 1
            data = buffer[start:end]
            record = event_of_xml(data, (number, at + start), data.decode("utf-8", "replace"))
            yield record if record is not None else BadEvent(at + start, "event-xml")
            buffer, at = buffer[end:], at + end
        if len(buffer) > MAX_EVENT:
            if _OPEN.search(buffer):
                yield BadEvent(at, "event-too-long")
            buffer, at = buffer[-16:], at + len(buffer) - 16
    if _OPEN.search(buffer):
        yield BadEvent(at, "event-cut")


def _cut(buffer: bytes) -> tuple[int, int] | None:
    """(start, end) of the first event, None where its end has not come yet."""
    opened = _OPEN.search(buffer)
    if opened is None:
        return None
    start, end = opened.start(), opened.end()
    for _attempt in range(_MORE):
        found = buffer.find(_CLOSE, end)
        if found < 0:
            return None
        end = found + len(_CLOSE)
        if len(_OPEN.findall(buffer, start, end)) == buffer.count(_CLOSE, start, end) or _second(buffer, start, end):
            break
    return start, end


def _second(buffer: bytes, start: int, end: int) -> bool:
    """Whether an event lacks its end: the next one begins with its own System part."""
    return buffer.count(b"<System>", start, end) > 1
