"""Values out of the sentence that Windows shows of an event, for exports that hold nothing but it (English only)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

MAX_TEXT = 64_000
# Text of an event whose description is not installed where it was read: its values follow, one a line.
_INCLUDED = re.compile(r"information (?:was|is) included with the event:\s{1,8}", re.IGNORECASE)
_AFTER = re.compile(r"\n\s{0,4}The (?:message resource|handle|specified|locale)\b")
_LABEL = re.compile(r"^[ \t]{0,8}([A-Za-z][A-Za-z ()/]{0,60}):[ \t]{0,16}(.{0,8000})$")
# The sentences of events without names: what stands where a value was put in.
_SENTENCES: Mapping[str, tuple[re.Pattern[str], ...]] = MappingProxyType({
    "cmdlet": (
        re.compile(r"Cmdlet (?:suc{1,2}eeded|failed)\. Cmdlet ([\w-]{3,160}), parameters (.{0,60000}?)\.?\s{0,8}\Z", re.DOTALL),
    ),
    "cmdlet_exception": (re.compile(r"Task ([\w-]{3,160}) throwing unhandled exception: (.{0,60000})", re.DOTALL),),
    "watson": (
        re.compile(r"process id: (\d{1,10}), with parameters: (.{0,8000}?)(?:\. ErrorReportingEnabled.{0,40})?\Z", re.DOTALL),
    ),
    "database": (re.compile(r"(\S{1,60}) .{0,400}?([A-Za-z]:\\[^\"<>|*\n]{1,300}?\.(?:dit|edb|dat))", re.DOTALL),),
    "module": (re.compile(r"(?:Module|DLL) (?:DLL )?'?([A-Za-z]:\\[^\"<>|*\n']{1,300}?\.dll)", re.IGNORECASE),),
    "product": (
        re.compile(r"Product Name: (.{1,300}?)\. Product Version: ([\w.]{1,40}?)\.(?:\s|\Z)"),
        re.compile(r"Product: (.{1,300}?)(?: -- |\. Version: ([\w.]{1,40}))"),
    ),
})  # fmt: skip
_WEB = MappingProxyType({
    "Event code": "EventCode", "Event message": "EventMessage", "Event time": "EventTime", "Event detail code": "EventDetailCode",
    "Request URL": "RequestUrl", "Request path": "RequestPath", "User host address": "UserHostAddress", "User": "RequestUser",
    "Exception type": "ExceptionType", "Exception message": "ExceptionMessage", "Process name": "ProcessName",
    "Process ID": "ProcessID", "Account name": "AccountName", "Application Virtual Path": "ApplicationVirtualPath",
    "Application Path": "ApplicationPath", "Machine name": "MachineName",
})  # fmt: skip


def values_of(reader: str, text: str) -> list[str]:
    """The positional values of an event without names, as far as its sentence tells them; [] where it does not."""
    text = text[:MAX_TEXT].replace("\r\n", "\n")
    found = _INCLUDED.search(text)
    if found:
        rest = _AFTER.split(text[found.end() :], maxsplit=1)[0]
        return [line.strip() for line in rest.split("\n")]
    for pattern in _SENTENCES.get(reader, ()):
        match = pattern.search(text)
        if match:
            return [value or "" for value in match.groups()]
    return []


def web_fields(text: str) -> dict[str, str]:
    """The fields of an ASP.NET health event's text."""
    return {_WEB[label]: value for _section, label, value in _labelled(text) if label in _WEB and value}


def named_fields(provider: str, event_id: int, text: str) -> dict[str, str]:
    """The fields of an event that has names, by the labels of its text; the first value of a name counts."""
    known = _labels().get(provider.lower(), {})
    labels = known.get("*") or known.get(event_id)
    if labels is None:
        return {}
    found: dict[str, str] = {}
    for section, label, value in _labelled(text):
        field = label if labels == "*" else labels.get(f"{section}/{label}") or labels.get(label)
        if field:
            found.setdefault(field, value)
    return found


@cache
def _labels() -> Mapping[str, Mapping[Any, Any]]:
    loaded: dict[str, Any] = yaml.safe_load(files(__package__).joinpath("labels.yml").read_text("utf-8"))
    return MappingProxyType({provider.lower(): events for provider, events in loaded["events"].items()})


def _labelled(text: str) -> Iterator[tuple[str, str, str]]:
    """(section, label, value) of lines `label: value`; a label without a value opens a section, a value goes on until
    the next label."""
    section = label = ""
    value: list[str] = []
    for line in text[:MAX_TEXT].replace("\r\n", "\n").split("\n"):
        found = _LABEL.match(line)
        if found is None:
            if label and line.strip():
                value.append(line)
            continue
        if label:
            yield section, label, "\n".join(value).strip()
        label, value = found[1].strip(), [found[2].strip()]
        if not found[2].strip() and not line[:1].isspace():
            section = label
    if label:
        yield section, label, "\n".join(value).strip()
