"""Parsed rules to plain JSON values and back. Values of items are written short, they are the bulk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import Any

from afterpatch.detect.sigma import model
from afterpatch.detect.sigma.model import ANY, ONE, RuleSet, Text, Wild
from afterpatch.model import RuleError

_TYPES: Mapping[str, type[Any]] = {
    one.__name__: one
    for one in (
        model.Regex,
        model.Cidr,
        model.Compare,
        model.Null,
        model.Exists,
        model.FieldRef,
        model.Item,
        model.All,
        model.Some,
        model.Not,
        model.LogSource,
        model.Example,
        model.Keys,
        model.Related,
        model.Header,
        model.Rule,
        model.RuleRef,
        model.RefAll,
        model.RefSome,
        model.RefNot,
        model.Threshold,
        model.Correlation,
        model.Filter,
        model.RuleSet,
    )
}
_FIELDS = {name: tuple(field.name for field in dataclass_fields(one)) for name, one in _TYPES.items()}
_ERROR = "RuleError"
_TEXT = "T"


class CodecError(Exception):
    """The data is not what was written."""


def _encode(value: Any) -> Any:
    if isinstance(value, Text):
        return {_TEXT: [value.cased * 1 + value.encoded * 2, *map(_encode_part, value.parts)]}
    if isinstance(value, RuleError):
        return {_ERROR: [value.message, value.path, value.line]}
    if is_dataclass(value) and not isinstance(value, type):
        name = type(value).__name__
        return {name: [_encode(getattr(value, field)) for field in _FIELDS[name]]}
    if isinstance(value, tuple):
        return [_encode(one) for one in value]
    return value


def _encode_part(part: str | Wild) -> Any:
    return part if isinstance(part, str) else 0 if part == ANY else 1 if part == ONE else [part.chars]


def _decode_part(part: Any) -> str | Wild:
    if isinstance(part, str):
        return part
    return (ANY, ONE)[part] if isinstance(part, int) else Wild(chars=part[0])


def _decode_text(parts: list[Any]) -> Text:
    return Text(tuple(map(_decode_part, parts[1:])), bool(parts[0] & 1), bool(parts[0] & 2))


_MAKERS: Mapping[str, Callable[[list[Any]], Any]] = {
    _TEXT: _decode_text,
    _ERROR: lambda parts: RuleError(*parts),
}


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple([_decode(one) for one in value])
    if not isinstance(value, dict):
        return value
    ((name, parts),) = value.items()
    maker = _MAKERS.get(name)
    if maker is not None:
        return maker(parts)
    return _TYPES[name](*[_decode(one) for one in parts])


def encode_rules(rules: RuleSet) -> Any:
    """The rules as lists, dictionaries, texts and numbers."""
    return _encode(rules)


def decode_rules(data: Any) -> RuleSet:
    """The rules back. Raises CodecError."""
    try:
        rules = _decode(data)
    except (TypeError, ValueError, KeyError, IndexError, RecursionError) as error:
        raise CodecError(str(error)) from error
    if not isinstance(rules, RuleSet):
        raise CodecError("no rules")
    return rules
