"""Names for the values of events that have none (positional.yml), and values taken out of running text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

from afterpatch.parsers.cmdlets import normal_parameters
from afterpatch.parsers.events.wording import named_fields, values_of, web_fields

Fields = dict[str, str]
_CMDLET = re.compile(r"[A-Za-z]{2,32}-[A-Za-z][A-Za-z0-9]{1,127}\Z")
_POOL = re.compile(r"\b([\w.]{1,64})#(\w{1,80}AppPool)\b")
_EXCEPTION = re.compile(r"\b((?:[A-Z]\w{0,63}\.){1,8}\w{0,80}Exception)\b")
_BUILD = re.compile(r"\b(\d{2}\.\d{2}\.\d{4}\.\d{3})\b")
_ADDRESS = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}\Z|[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]{2,60}(?:%\d{1,4})?\Z")
_DETAIL = re.compile(r"^[ \t]{0,8}([A-Za-z]{3,24})=(.{0,4000})$", re.MULTILINE)
# cmdlet, parameters, caller, the two SIDs, host application
_JOINED = re.compile(
    r"([A-Za-z]{2,32}-[A-Za-z][A-Za-z0-9]{1,127}), ?(.{0,60000}?), ?([^,\n]{0,300}), ?(S-1-[\d-]{1,180}), ?(S-1-[\d-]{1,180}), ?"
    r"([^,]{0,200})",
    re.DOTALL,
)
MAX_TEXT = 64_000


@dataclass(frozen=True, slots=True)
class Naming:
    """How the values of one event are named."""

    names: tuple[str, ...]
    reader: str
    message: str


@cache
def namings() -> Mapping[tuple[str, int], Naming]:
    """(provider in lower case, event id; 0 for all) -> Naming."""
    loaded: dict[str, Any] = yaml.safe_load(files(__package__).joinpath("positional.yml").read_text("utf-8"))
    found: dict[tuple[str, int], Naming] = {}
    for entry in loaded["events"]:
        naming = Naming(tuple(entry.get("names", ())), entry.get("reader", ""), entry.get("message", ""))
        for provider in entry["providers"]:
            for number in entry["ids"] or [0]:
                found[(provider.lower(), number)] = naming
    return MappingProxyType(found)


@cache
def named_providers() -> frozenset[str]:
    """Providers (lower case) some of whose events have names or a message here that are not in their text."""
    return frozenset(provider for (provider, _id), naming in namings().items() if naming.names or naming.reader)


def add_names(provider: str, event_id: int, values: Sequence[str], fields: Fields) -> None:
    """Adds what the positions mean, and the message where rules look for its words."""
    known = namings()
    key = provider.lower()
    naming = known.get((key, event_id)) or known.get((key, 0))
    text = fields.get("Message", "")
    if naming is None:
        if text and not values:
            _add_told(named_fields(provider, event_id, text), fields)
        return
    if text and not values:
        values = values_of(naming.reader, text)
        if values:
            fields.setdefault("Data", "\n".join(values))
        elif naming.reader == "web_event":
            _add_told(web_fields(text), fields)
    elif len(values) == 1:
        values = _cut_apart(values[0]) or values
    for name, value in zip(naming.names, values, strict=False):
        if name:
            fields.setdefault(name, value)
    if naming.reader:
        READERS[naming.reader](values, fields)
    if naming.message and "Message" not in fields:
        fields["Message"] = _filled(naming.message, fields)


def _add_told(told: Mapping[str, str], fields: Fields) -> None:
    """Adds what a text tells, where the record itself does not."""
    for name, value in told.items():
        fields.setdefault(name, value)


def _cut_apart(text: str) -> list[str]:
    """The values of a cmdlet event that an exporter joined by commas (EvtxECmd); [] where it is none."""
    found = _JOINED.match(text[:MAX_TEXT])
    return [value.strip() for value in found.groups()] if found else []


def _filled(template: str, fields: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: fields.get(found[1], ""), template)


def _cmdlet(_values: Sequence[str], fields: Fields) -> None:
    fields["cmdlet.name"] = fields.get("CmdletName", "").strip()
    fields["cmdlet.parameters"] = normal_parameters(fields.get("CmdletParameters", "")[:MAX_TEXT])
    fields["cmdlet.caller"] = fields.get("Caller", "")
    fields["cmdlet.host"] = fields.get("HostApplication", "")
    fields["cmdlet.result"] = "failure" if fields["EventID"] == "6" else "success"


def _cmdlet_exception(values: Sequence[str], fields: Fields) -> None:
    """Event 8: the cmdlet and the exception are found by their form."""
    name = next((value for value in values if _CMDLET.match(value.strip())), "")
    error = max((value for value in values if "Exception" in value), key=len, default="")
    fields.setdefault("CmdletName", name.strip())
    fields.setdefault("Exception", error)
    fields["cmdlet.name"], fields["cmdlet.parameters"], fields["cmdlet.result"] = name.strip(), "", "failure"
    found = _EXCEPTION.search(error, 0, MAX_TEXT)
    if found:
        fields.setdefault("ExceptionType", found[1])


def _watson(values: Sequence[str], fields: Fields) -> None:
    """MSExchange Common 4999: process number, then the parameters of the crash report."""
    parameters = ", ".join(values[1:])[:MAX_TEXT]
    fields["CrashProcessId"] = values[0] if values else ""
    fields["CrashParameters"] = parameters
    pool, error, build = _POOL.search(parameters), _EXCEPTION.search(parameters), _BUILD.search(parameters)
    if pool:
        fields["CrashProcess"], fields["AppPool"] = pool[1], pool[2]
    if error:
        fields["ExceptionType"] = error[1]
    if build:
        fields["Build"] = build[1]


def _web_event(values: Sequence[str], fields: Fields) -> None:
    """ASP.NET health events: the request is the address among the values, what follows it are path, client, user."""
    for place, value in enumerate(values):
        if value[:8].lower().startswith(("http://", "https://")):
            following = [*values[place + 1 : place + 4], "", "", ""]
            fields["RequestUrl"], fields["RequestPath"] = value, following[0]
            if _ADDRESS.match(following[1].strip()):
                fields["UserHostAddress"] = following[1].strip()
            fields["RequestUser"] = following[2]
            break
    if len(values) > 18 and "Exception" in values[17]:
        fields["ExceptionType"], fields["ExceptionMessage"] = values[17], values[18]


def _database(values: Sequence[str], fields: Fields) -> None:
    """ESENT: the database among the values, and the process that had it open."""
    fields["Process"] = values[0] if values else ""
    found = [value for value in values if "\\" in value and value.lower().rstrip().endswith((".dit", ".edb", ".dat"))]
    fields["Database"] = found[0] if found else ""


def _details(values: Sequence[str], fields: Fields) -> None:
    """Classic PowerShell events: `Name=value` lines in the last value."""
    text = "\n".join(values) or fields.get("Message", "")
    for name, value in _DETAIL.findall(text[:MAX_TEXT]):
        fields.setdefault(name, value.strip())


def _nothing(_values: Sequence[str], _fields: Fields) -> None:
    """Names alone are enough."""


READERS: Mapping[str, Callable[[Sequence[str], Fields], None]] = MappingProxyType({
    "cmdlet": _cmdlet,
    "cmdlet_exception": _cmdlet_exception,
    "watson": _watson,
    "web_event": _web_event,
    "database": _database,
    "details": _details,
    "module": _nothing,
    "product": _nothing,
})  # fmt: skip
