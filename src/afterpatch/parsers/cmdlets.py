"""Exchange cmdlets as four logs write them, in one normal form: a name, and ` -Parameter "value"` for each
parameter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

_MOST = 256  # commands of one CMD value, and parameters of one command, that are told apart
# Every repetition has a bound: the text is an attacker's.
_NAME = re.compile(r"(?:Pipeline\.\d{1,4}\s{0,4}\|\s{0,4})?([A-Za-z]{2,32}-[A-Za-z0-9]{1,128})", re.IGNORECASE)
_PARAMETER = re.compile(r"\.([A-Za-z][A-Za-z0-9]{0,127})=")
_NEXT_COMMAND = r"[;|,\s]{1,8}(?:Pipeline\.\d{1,4}\s{0,4}\||[A-Z][a-z]{1,31}-[A-Z])"
_BARE_END = re.compile(rf"\.[A-Za-z][A-Za-z0-9]{{0,127}}=|{_NEXT_COMMAND}|[;|]\s*\Z")
_QUOTE_END = re.compile(rf"'(?=\.[A-Za-z][A-Za-z0-9]{{0,127}}=|{_NEXT_COMMAND}|[;|]?\s*\Z)")
_PAIR = re.compile(r",\s*(?=[A-Za-z]\w*=)")


@dataclass(frozen=True, slots=True)
class Cmdlet:
    """One command; `parameters` is "" or begins with a space."""

    name: str
    parameters: str = ""


def parse_ecp_command(text: str) -> tuple[Cmdlet, ...]:
    """The commands of an ECP `CMD` value: `Verb-Noun.Param=value.Param='value'`, `Pipeline.1|Verb-Noun`, several of
    them.

    A quoted value ends at a quote that another parameter, another command or the end follows, so that quotes inside a
    value do no harm. What fits no rule is kept as a parameter without a name."""
    found: list[Cmdlet] = []
    position = 0
    while len(found) < _MOST and (start := _NAME.search(text, position)) is not None:
        if text[position : start.start()].strip(" ;|,\t"):
            break  # text that is no separator: not a command of its own
        parameters, position = _ecp_parameters(text, start.end())
        found.append(Cmdlet(start[1], parameters))
    rest = text[position:].strip(" ;|,\t")
    if rest and found:
        found[-1] = Cmdlet(found[-1].name, f'{found[-1].parameters} "{rest}"')
    return tuple(found)


def _ecp_parameters(text: str, position: int) -> tuple[str, int]:
    parts: list[str] = []
    while len(parts) < _MOST and (name := _PARAMETER.match(text, position)) is not None:
        value, position = _ecp_value(text, name.end())
        parts.append(f' -{name[1]} "{value}"')
    return "".join(parts), position


def _ecp_value(text: str, position: int) -> tuple[str, int]:
    if text.startswith("'", position):
        close = _QUOTE_END.search(text, position + 1)
        if close is not None:
            return text[position + 1 : close.start()], close.end()
        return text[position + 1 :], len(text)
    end = _BARE_END.search(text, position)
    stop = end.start() if end is not None else len(text)
    return text[position:stop], stop


def normal_parameters(text: str) -> str:
    """Parameters as Rps_Cmdlet logs and later events write them (`-Name "value"`), or Exchange 2010 (`{A=b, C=d}`)."""
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        return parameters_of(pair.partition("=")[::2] for pair in _PAIR.split(text[1:-1], _MOST))
    return f" {text}" if text else ""


def parameters_of(pairs: Iterable[tuple[str, str]]) -> str:
    """The normal form of (name, value) pairs."""
    return "".join(f' -{name.strip()} "{value}"' for name, value in pairs if name.strip())


def parse_audit(text: str) -> Mapping[str, str]:
    """What an admin audit row's JSON says: operation, parameters (normal form), user, object, server, result; each ""
    where it is missing. Text that is no JSON object gives the empty mapping."""
    try:
        data = orjson.loads(text.encode("utf-8", "replace"))
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(data, dict):
        return {}
    parameters = data.get("Parameters")
    pairs = [
        (_text(entry.get("Name")), _text(entry.get("Value")))
        for entry in (parameters[:_MOST] if isinstance(parameters, list) else ())
        if isinstance(entry, dict)
    ]
    names = {"operation": "Operation", "user": "UserId", "object": "ObjectId", "server": "OriginatingServer"}
    found = {key: _text(data.get(name)) for key, name in names.items()}
    return {**found, "result": _text(data.get("ResultStatus")), "parameters": parameters_of(pairs)}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode("utf-8")
