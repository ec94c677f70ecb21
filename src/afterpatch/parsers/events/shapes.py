"""JSON exports of event logs: each object is recognised by its keys and brought into the normal form.

Shapes: evtx_dump and other renderings of the event's XML (`Event`), Winlogbeat and Elastic Agent (ECS, and the flat one
before version 7, also with dotted names), NXLog and Fluent Bit (flat), Splunk (`result`, rendered fields or `_raw` as XML,
text or JSON), Velociraptor's parse_evtx (`System` on top), EvtxECmd (`Payload`), PowerShell's
`Get-WinEvent | ConvertTo-Json`. A row of a CSV export is an object of its columns.
Sources: the exporters' public documentation of their output (Elastic winlogbeat fields; NXLog im_msvistalog; Fluent Bit
winevtlog; Splunk WinEventLog and XmlWinEventLog; Velociraptor parse_evtx; EvtxECmd), and public data sets in these shapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import orjson

from afterpatch.parsers.events.normal import DATA, MAX_FIELDS, System, as_text, build, data_of, from_object
from afterpatch.parsers.events.positional import named_providers
from afterpatch.parsers.events.record import EventRecord
from afterpatch.parsers.events.templates import named_by_position
from afterpatch.parsers.events.xmlevents import data_of_xml, event_of_xml

Object = Mapping[str, object]
Place = tuple[int, int]

_LEVELS = {
    "critical": "1", "error": "2", "warning": "3", "information": "4", "info": "4", "verbose": "5",
    "audit success": "0", "audit failure": "0", "logalways": "0",
}  # fmt: skip
_JSON_DATE = re.compile(r"/Date\((-?\d{1,14})\)/")
_EPOCH = re.compile(r"(\d{9,14}(?:\.\d{1,9})?)\Z")
_ZONE = re.compile(r" (UTC|[A-Z]{3}|[+-]\d\d:?\d\d)\Z")
_PARAM = re.compile(r"param[1-9]\d{0,2}\Z")
_PAIR = re.compile(r"^([A-Za-z]{2,32})=(.{0,4000})$", re.MULTILINE)


def events_of(loaded: object, place: Place, raw: str) -> Iterator[EventRecord | None]:
    """The events of one JSON value; None for each object that is no event of a known shape. Lists and the wrappers that
    search tools put around their hits are opened."""
    for item in _opened(loaded, 0):
        yield event_of(item, place, raw) if isinstance(item, Mapping) else None


def _opened(value: object, depth: int) -> Iterator[object]:
    if depth > 4:
        yield None
    elif isinstance(value, list):
        for item in value:
            yield from _opened(item, depth + 1)
    elif isinstance(value, Mapping):
        inner = None if is_event(value) else _inside(value)
        if inner is None:
            yield value
        else:
            yield from _opened(inner, depth + 1)
    else:
        yield None


def _inside(value: Object) -> object:
    """What a wrapper holds, None where the object is none."""
    for name in ("_source", "result", "hits", "results", "Events", "events", "value", "event", "fields", "_raw"):
        inner = value.get(name)
        if name == "_raw" and isinstance(inner, str) and inner.lstrip().startswith("{"):
            inner = _json(inner)
        if isinstance(inner, Mapping | list) and inner:
            return inner
    dotted = any(isinstance(name, str) and name.startswith(("winlog.", "System.", "Event.System.")) for name in value)
    return _undotted(value) if dotted else None


def _json(text: str) -> object:
    """The object of a JSON text, None where it is none."""
    try:
        loaded: object = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    return loaded


def _undotted(value: Object) -> Object:
    """`{"winlog.channel": ["Security"]}` as `{"winlog": {"channel": "Security"}}`; search tools show fields so. Empty
    columns of a table are left out."""
    found: dict[str, object] = {}
    for name, given in list(value.items())[: MAX_FIELDS * 4]:
        inner = given[0] if isinstance(given, list) and len(given) == 1 else given
        if inner is None or inner in ("", "-"):
            continue
        *above, last = name.split(".", 5)
        part = found
        for step in above:
            following = part.setdefault(step, {})
            if not isinstance(following, dict):
                break
            part = following
        else:
            part.setdefault(last, inner)
    return found


def event_of(item: Object, place: Place, raw: str) -> EventRecord | None:
    """One event, None where the object is of no known shape."""
    for holds, read in _SHAPES:
        if holds(item):
            return read(item, place, raw)
    return None


def _rendered(item: Object, place: Place, raw: str) -> EventRecord | None:
    event = item["Event"]
    assert isinstance(event, Mapping)
    return from_object(event, place, raw)


def _velociraptor(item: Object, place: Place, raw: str) -> EventRecord | None:
    return from_object({name: {"Message": part} if name == "Message" else part for name, part in item.items()}, place, raw)


def _told(data: dict[str, str], item: Object) -> dict[str, str]:
    """The values, and the sentence that Windows shows of the event where the exporter gives it."""
    message = item.get("Message") or item.get("message")
    if isinstance(message, str) and message:
        data.setdefault("Message", message)
    return data


def _level(value: object) -> str:
    text = as_text(value)
    return _LEVELS.get(text.strip().lower(), text)


def _first(item: Object, *names: str) -> str:
    for name in names:
        if (value := item.get(name)) is not None:
            return as_text(value)
    return ""


def _time(text: str) -> str:
    """ISO 8601 out of the forms exporters use: NXLog, Fluent Bit and Splunk write spaces, PowerShell milliseconds and
    Splunk's index seconds since 1970."""
    found = _JSON_DATE.match(text) or _EPOCH.match(text)
    if found:
        seconds = float(found[1]) / (1000 if len(found[1].partition(".")[0]) > 11 else 1)
        return datetime.fromtimestamp(seconds, UTC).isoformat() if abs(seconds) < 10**10 else ""
    return _ZONE.sub(r"\1", text).removesuffix("UTC")


def _part(item: Object, name: str) -> Object:
    part = item.get(name)
    return part if isinstance(part, Mapping) else {}


def _strings(part: Object) -> dict[str, str]:
    return {name: as_text(value) for name, value in list(part.items())[:MAX_FIELDS]}


def _positional(data: dict[str, str], provider: str) -> list[str]:
    """Winlogbeat names values without names `param1`, `param2` ...: given as positions too, and no names where the
    provider is known to have none. Empty ones are left out of the record: a gap is an empty value."""
    numbers = [int(name[5:]) for name in data if _PARAM.match(name)]
    values = [data.get(f"param{number}", "") for number in range(1, min(max(numbers, default=0), MAX_FIELDS) + 1)]
    if provider.lower() in named_providers():
        for number in numbers:
            del data[f"param{number}"]
    return values


def _beats(item: Object, place: Place, raw: str) -> EventRecord | None:
    log = _part(item, "winlog")
    data = _strings(_part(log, "event_data")) | _strings(_part(log, "user_data"))
    event = _part(item, "event")
    process = _part(log, "process")
    system = System(
        provider=_first(log, "provider_name") or _first(event, "provider"),
        event_id=_first(log, "event_id") or _first(event, "code"),
        channel=_first(log, "channel"),
        computer=_first(log, "computer_name") or _first(_part(item, "host"), "name"),
        level=_level(_part(item, "log").get("level")),
        record_id=_first(log, "record_id"),
        time=_first(item, "@timestamp"),
        extra=(("Execution_ProcessID", _first(process, "pid")), ("Task", _first(log, "task"))),
    )
    values = _positional(data, system.provider)
    return build(system, _told(data, item), values, place, raw)


def _old_beats(item: Object, place: Place, raw: str) -> EventRecord | None:
    data = _strings(_part(item, "event_data")) | _strings(_part(item, "user_data"))
    system = System(
        provider=_first(item, "source_name"),
        event_id=_first(item, "event_id"),
        channel=_first(item, "log_name"),
        computer=_first(item, "computer_name"),
        level=_level(item.get("level")),
        record_id=_first(item, "record_number"),
        time=_first(item, "@timestamp"),
    )
    values = _positional(data, system.provider)
    return build(system, _told(data, item), values, place, raw)


_FLAT_SYSTEM = frozenset((
    "EventTime", "EventReceivedTime", "Hostname", "EventType", "Severity", "SeverityValue", "EventID", "SourceName",
    "ProviderGuid", "Channel", "RecordNumber", "SourceModuleName", "SourceModuleType", "@timestamp", "@version",
    "host", "port", "tags", "type", "Message", "Computer", "TimeCreated", "LogName", "Provider", "EventCode",
    "ComputerName", "_time", "_raw", "RecordID", "EventRecordID", "EventRecordId", "Level", "ProviderName",
    "EventSourceName", "TimeGenerated", "StringInserts", "TenantId",
))  # fmt: skip


_POSITIONS = ("StringInserts", "EventData.Data", DATA, "Strings")
_PROVIDER = ("SourceName", "ProviderName", "Provider", "EventSourceName")
_NUMBERED = re.compile(r"(?:param|Data_?|EventData_Data_?)(\d{1,3})\Z")


def _flat(item: Object, place: Place, raw: str) -> EventRecord | None:
    """NXLog, Fluent Bit, and Splunk's rendered fields."""
    text = item.get("_raw")
    if isinstance(text, str) and text.lstrip().startswith("<Event"):
        return event_of_xml(text.encode("utf-8", "replace"), place, text)
    if isinstance(text, str) and "EventCode=" in text:
        item = {**dict(_PAIR.findall(text)), "Message": text.partition("Message=")[2], **_filled(item)}
    data, values = _flat_data(item)
    if "EventType" in item and not str(item["EventType"]).isupper():  # NXLog: INFO, AUDIT_SUCCESS; Sysmon: CreateKey
        data["EventType"] = as_text(item["EventType"])
    system = System(
        provider=_first(item, *_PROVIDER),
        event_id=_first(item, "EventID", "EventCode"),
        channel=_first(item, "Channel", "LogName"),
        computer=_first(item, "Hostname", "Computer", "ComputerName"),
        level=_level(item.get("Level", item.get("Severity", ""))),
        record_id=_first(item, "RecordNumber", "EventRecordID", "EventRecordId", "RecordID"),
        time=_time(_first(item, "EventTime", "TimeCreated", "TimeGenerated", "_time", "@timestamp")),
    )
    return build(system, _told(data, item), values, place, raw)


def _filled(item: Object) -> Object:
    return {name: value for name, value in item.items() if value not in (None, "")}


def _flat_data(item: Object) -> tuple[dict[str, str], list[str]]:
    """(named values, positional ones) of a flat object: all that is not the system's, and what an inner EventData has."""
    data: dict[str, str] = {}
    values: list[str] = []
    numbered: dict[int, str] = {}
    positional = _first(item, *_PROVIDER).lower() in named_providers()  # of others `param1` is the field's own name
    for name, value in list(item.items())[:MAX_FIELDS]:
        found = _NUMBERED.match(name)
        if name in ("EventData", "UserData") and not _take_data(value, data, values):
            data[name] = as_text(value)
        elif name in _POSITIONS and isinstance(value, list):
            values += [as_text(each) for each in value[:MAX_FIELDS]]
        elif name == DATA:
            values.append(as_text(value))
        elif found:
            numbered[int(found[1])] = as_text(value)
            if not positional:
                data[name] = as_text(value)
        elif name not in _FLAT_SYSTEM and name not in ("EventData", "UserData"):
            data[name] = as_text(value)
    if numbered and positional and not values:
        values = [numbered.get(number, "") for number in range(min(numbered), max(numbered) + 1)]
    return data, values


def _take_data(value: object, data: dict[str, str], values: list[str]) -> bool:
    """Takes over an EventData that is an object or XML text. False where it is neither."""
    if isinstance(value, str) and value.lstrip().startswith("<"):
        return data_of_xml(value.encode("utf-8", "replace"), data, values)
    if isinstance(value, Mapping):
        data_of({"EventData": value}, data, values)
        return True
    return False


def _evtxecmd(item: Object, place: Place, raw: str) -> EventRecord | None:
    """EvtxECmd: the system's parts on top, EventData as JSON text in `Payload`."""
    data: dict[str, str] = {}
    values: list[str] = []
    payload = _json(as_text(item.get("Payload")))
    if isinstance(payload, Mapping):
        data_of(payload, data, values)
    system = System(
        provider=_first(item, "Provider"),
        event_id=_first(item, "EventId"),
        channel=_first(item, "Channel"),
        computer=_first(item, "Computer"),
        level=_level(item.get("Level")),
        record_id=_first(item, "EventRecordId", "RecordNumber"),
        time=_time(_first(item, "TimeCreated")),
        extra=(("Keywords", _first(item, "Keywords")), ("Execution_ProcessID", _first(item, "ProcessId"))),
    )
    return build(system, data, values, place, raw)


def _get_winevent(item: Object, place: Place, raw: str) -> EventRecord | None:
    properties = item.get("Properties")
    values: Sequence[str] = ()
    if isinstance(properties, list):
        values = [as_text(each.get("Value") if isinstance(each, Mapping) else each) for each in properties[:MAX_FIELDS]]
    created = item.get("TimeCreated")
    system = System(
        provider=_first(item, "ProviderName"),
        event_id=_first(item, "Id"),
        channel=_first(item, "LogName"),
        computer=_first(item, "MachineName"),
        level=_level(item.get("Level")),
        record_id=_first(item, "RecordId"),
        time=_time(_first(created, "DateTime", "value") if isinstance(created, Mapping) else as_text(created)),
    )
    data = named_by_position(system.provider, system.event_id, values)
    values = () if data else values
    return build(system, _told(data, item), values, place, raw)


def _has(*names: str) -> Callable[[Object], bool]:
    return lambda item: all(name in item for name in names)


def _event_inside(item: Object) -> bool:
    inner = item.get("Event")
    return isinstance(inner, Mapping) and "System" in inner


def _raw_event(text: object) -> bool:
    return isinstance(text, str) and ("<Event" in text or "EventCode=" in text)


_SHAPES: tuple[tuple[Callable[[Object], bool], Callable[[Object, Place, str], EventRecord | None]], ...] = (
    (_event_inside, _rendered),
    (lambda item: isinstance(item.get("System"), Mapping) and "EventID" in _part(item, "System"), _velociraptor),
    (lambda item: "channel" in _part(item, "winlog") or "event_id" in _part(item, "winlog"), _beats),
    (_has("event_id", "log_name", "source_name"), _old_beats),
    (_has("Id", "ProviderName", "LogName"), _get_winevent),
    (_has("EventId", "Provider", "Channel", "Payload"), _evtxecmd),
    (lambda item: "EventID" in item and any(name in item for name in ("Channel", "SourceName", "ProviderName")), _flat),
    (lambda item: "EventCode" in item and ("LogName" in item or "SourceName" in item), _flat),
    (lambda item: _raw_event(item.get("_raw")), _flat),
)  # fmt: skip


def is_event(item: Object) -> bool:
    """Whether an object is of a known shape."""
    return any(holds(item) for holds, _read in _SHAPES)


__all__ = ["DATA", "event_of", "events_of", "is_event"]
