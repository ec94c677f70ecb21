"""The normal form of an event, from the object that EVTX readers give: `{"Event": {"System": ...}}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from afterpatch.parsers.events.positional import add_names
from afterpatch.parsers.events.record import EventRecord
from afterpatch.parsers.timestamps import EARLIEST, LATEST

MAX_DEPTH = 12
MAX_FIELDS = 512
DATA = "Data"
OF_DATA = "UserData_"  # before a name of the data that the system part has too


@dataclass(frozen=True, slots=True)
class System:
    """The system part of an event, in whatever shape it came."""

    provider: str = ""
    event_id: str = ""
    channel: str = ""
    computer: str = ""
    level: str = ""
    record_id: str = ""
    time: str = ""
    extra: tuple[tuple[str, str], ...] = ()  # Keywords, Task ... by their field names


SYSTEM_FIELDS = frozenset((
    "Provider_Name", "EventID", "Channel", "Computer", "Level", "EventRecordID", "Keywords", "Task", "Opcode", "Version",
    "UserID", "Execution_ProcessID", "Execution_ThreadID", "Message",
))  # fmt: skip
_PLAIN = frozenset((str, int, float, bool, type(None)))


def is_simple(data: object) -> bool:
    """Whether the object `EventData` of an event, alone beside its system part, is a plain list of named values."""
    if not isinstance(data, dict) or DATA in data or len(data) > MAX_FIELDS:
        return False
    return _PLAIN.issuperset(map(type, data.values())) and SYSTEM_FIELDS.isdisjoint(data)


def build(system: System, data: Mapping[str, str], values: Sequence[str], place: tuple[int, int], raw: str) -> EventRecord:
    """An event of its parts. `values`: positional values; `place`: (record number where the system tells none,
    offset)."""
    fields: dict[str, str] = {
        "Provider_Name": system.provider, "EventID": system.event_id, "Channel": system.channel,
        "Computer": system.computer, "Level": system.level, "EventRecordID": system.record_id,
    }  # fmt: skip
    for name, value in data.items():
        if name in fields:
            fields[OF_DATA + name] = value
        else:
            fields[name] = value
    for name, value in system.extra:
        fields.setdefault(name, value)
    if values:
        fields[DATA] = "\n".join(values)
    event_id = _whole(system.event_id)
    add_names(system.provider, event_id, values, fields)
    return EventRecord(
        record_id=_whole(system.record_id) or place[0],
        offset=place[1],
        time=event_time(system.time),
        provider=system.provider,
        channel=system.channel,
        event_id=event_id,
        level=_whole(system.level, -1),
        computer=system.computer,
        fields=fields,
        raw=raw,
    )


def from_object(event: Mapping[str, object], place: tuple[int, int], raw: str) -> EventRecord:
    """An event of the object inside `Event`."""
    data: dict[str, str] = {}
    values: list[str] = []
    data_of(event, data, values)
    return build(_system(_mapping(event.get("System"))), data, values, place, raw)


def data_of(event: Mapping[str, object], data: dict[str, str], values: list[str]) -> None:
    """Takes the named and the positional values of all parts of an event but the system's."""
    event_data = event.get("EventData")
    if isinstance(event_data, dict):
        _named(event_data, data, values)
    for name, part in event.items():
        if name not in ("System", "EventData", "#attributes", "@attributes", "xmlns"):
            _leaves(name, part, data, 0)


def from_json(text: str, place: tuple[int, int]) -> EventRecord | None:
    """An event of one JSON text as the `evtx` library writes it; None where it is none."""
    try:
        loaded = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    event = loaded.get("Event") if isinstance(loaded, dict) else None
    return from_object(event, place, text) if isinstance(event, dict) else None


def as_text(value: object) -> str:
    """A JSON value as the text of a field."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        if "#text" in value or "#attributes" in value:
            return as_text(value.get("#text"))
        return "\n".join(map(as_text, value.values()))
    if isinstance(value, list):
        return "\n".join(map(as_text, value))
    return str(value)


def event_time(text: str) -> datetime | None:
    """The time of an event, aware UTC; without an offset it is UTC. None where it is none or outside 1995 to 2100."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None
    return moment if EARLIEST <= moment.year <= LATEST else None


def _whole(text: str, otherwise: int = 0) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else otherwise


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _attributes(value: object) -> Mapping[str, object]:
    outer = _mapping(value)
    inner = _mapping(outer.get("#attributes") or outer.get("@attributes")) or outer
    return {name.removeprefix("@"): each for name, each in inner.items()} if any("@" in name for name in inner) else inner


def _system(part: Mapping[str, object]) -> System:
    provider = _attributes(part.get("Provider"))
    execution = _attributes(part.get("Execution"))
    time = _attributes(part.get("TimeCreated")).get("SystemTime")
    extra = [(name, as_text(part[name])) for name in ("Keywords", "Task", "Opcode", "Version") if name in part]
    for name, key in (("Execution_ProcessID", "ProcessID"), ("Execution_ThreadID", "ThreadID")):
        if key in execution:
            extra.append((name, as_text(execution[key])))
    user = _attributes(part.get("Security")).get("UserID")
    if user:
        extra.append(("UserID", as_text(user)))
    return System(
        provider=as_text(provider.get("Name")),
        event_id=_id(part.get("EventID")),
        channel=as_text(part.get("Channel")),
        computer=as_text(part.get("Computer")),
        level=as_text(part.get("Level")),
        record_id=as_text(part.get("EventRecordID")),
        time=_moment(time),
        extra=tuple(extra),
    )


def _id(value: object) -> str:
    """`4688`, `{"#text": 4688}` or `{"Value": 4688}`."""
    if isinstance(value, dict):
        value = value.get("#text", value.get("Value"))
    return as_text(value)


def _moment(value: object) -> str:
    """A time as text; some readers write seconds since 1970."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11:
        return datetime.fromtimestamp(value, UTC).isoformat()
    return as_text(value)


def _named(part: Mapping[str, object], data: dict[str, str], values: list[str]) -> None:
    """EventData: names with values; `Data` holds the positional ones."""
    for name, value in part.items():
        if name == DATA:
            named = isinstance(value, dict) and ("@Name" in value or "Name" in value)
            inner = [value] if named else value.get("#text") if isinstance(value, dict) else value
            if isinstance(inner, list):
                _listed(inner, data, values)
            else:
                values.append(as_text(inner))
        elif name not in ("#attributes", "@attributes") and len(data) < MAX_FIELDS:
            if isinstance(value, dict) and "#text" not in value:
                _leaves(name, value, data, 0)
            else:
                data[name] = as_text(value)


def _listed(items: Sequence[object], data: dict[str, str], values: list[str]) -> None:
    """A list of values, or of `{"@Name": ..., "#text": ...}` as some converters write named data."""
    for item in items[:MAX_FIELDS]:
        name = item.get("@Name") or item.get("Name") if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(name, str):
            data[name] = as_text(item.get("#text", item.get("text")))
        else:
            values.append(as_text(item))


def _leaves(name: str, value: object, data: dict[str, str], depth: int) -> None:
    """UserData and other parts: every leaf by its own name; a second one of a name is added below the first."""
    if isinstance(value, dict) and depth < MAX_DEPTH:
        for inner, child in value.items():
            if inner == "#text":
                _leaf(name, as_text(child), data)
            elif inner not in ("#attributes", "@attributes", "xmlns"):
                _leaves(inner, child, data, depth + 1)
            elif depth and isinstance(child, dict):
                kept = {key: each for key, each in child.items() if not key.startswith("xmlns")}
                _leaves(name, kept, data, depth + 1)
    elif value is not None or depth > 1:
        _leaf(name, as_text(value), data)


def _leaf(name: str, value: str, data: dict[str, str]) -> None:
    if name in data:
        data[name] = f"{data[name]}\n{value}"
    elif len(data) < MAX_FIELDS:
        data[name] = value
