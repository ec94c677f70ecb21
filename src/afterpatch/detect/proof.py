"""The examples of rules as records: written as a log and read back, so that a rule is proved on what a log really says."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

import orjson

from afterpatch.detect.events.view import EventView
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.detect.sigma.model import RAW, Example
from afterpatch.detect.sigma.view import DictView, FieldView
from afterpatch.model import Record
from afterpatch.parsers.events.normal import from_object
from afterpatch.parsers.fields import derive
from afterpatch.parsers.formats import formats
from afterpatch.parsers.textlog import read_log

WHEN = "2021-03-03T06:59:10.000Z"
_SYSTEM = ("Provider_Name", "EventID", "Level", "Channel", "Computer", "Data")
_USER = "UserData_"


def log_of(example: Example) -> bytes:
    """A log with one row: the example's line under the kind's own column list, or its columns with a time."""
    form = formats().by_kind[example.kind]
    if example.line:
        columns, row = form.schemas[0].columns, example.line
    else:
        fields = dict(example.fields)
        known = form.schemas[0].columns if form.schemas else ()
        columns = (*known, *(name for name in fields if name not in known))
        clocks = {name.lower() for name in form.time}
        clock = next((name for name in columns if name.lower() in clocks), form.time[0])
        columns = columns if clock in columns else (clock, *columns)
        row = _row({clock: WHEN, **fields}, columns, quoted=form.quoted)
    separator = form.separator
    return f"#Fields: {separator.join(columns)}\r\n{row}\r\n".encode("utf-8", "surrogatepass")


def _row(fields: dict[str, str], columns: tuple[str, ...], *, quoted: bool) -> str:
    if not quoted:
        day, _, clock = WHEN.rstrip("Z").partition("T")
        fields = {"date": day, "time": clock[:8], **fields}
        return " ".join(fields.get(name, "-").replace(" ", "+") or "-" for name in columns)
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([fields.get(name, "") for name in columns])
    return out.getvalue()


def event_of(fields: Mapping[str, str]) -> dict[str, Any]:
    """The object of an event. `Data`: the positional values, one a line; `UserData_x`: the `x` of UserData."""
    data: dict[str, Any] = {name: value for name, value in fields.items() if name not in _SYSTEM and not name.startswith(_USER)}
    user = {name.removeprefix(_USER): value for name, value in fields.items() if name.startswith(_USER)}
    if "Data" in fields:
        data["Data"] = {"#text": fields["Data"].split("\n")}
    system = {
        "Provider": {"#attributes": {"Name": fields.get("Provider_Name", "Example")}},
        "EventID": int(fields.get("EventID", "0")),
        "Level": int(fields.get("Level", "4")),
        "TimeCreated": {"#attributes": {"SystemTime": WHEN}},
        "EventRecordID": 1,
        "Channel": fields.get("Channel", "Application"),
        "Computer": fields.get("Computer", "exch01.example.local"),
    }
    return {"System": system, **({"UserData": {"Event": {**data, **user}}} if user else {"EventData": data})}


def _event_view(example: Example) -> FieldView:
    event = event_of(dict(example.fields))
    record = from_object(event, (1, 0), orjson.dumps({"Event": event}).decode())
    return EventView(None, lambda: record)


def view_of(example: Example) -> FieldView:
    """The example as a rule sees it. Raises ValueError where it makes no record."""
    if example.kind == EVENT_LOG:
        return _event_view(example)
    if example.kind not in formats().by_kind:
        return DictView(dict(example.fields), raw=example.line)
    records = [one for one in read_log(example.kind, io.BytesIO(log_of(example))) if isinstance(one, Record)]
    if len(records) != 1:
        raise ValueError("it makes no single row of this log")
    record = records[0]
    return derive(record.kind, {**record.fields, RAW: record.raw})
