"""The model as plain values (dict, list, str, int) and back, by the types of its fields.

Names are the model's own, which are the contract's. A message (`msg:...`) is written in English, and beside it as it
was: `summary` and `summary_key`, `reasons` and `reasons_keys`. Reading takes the key where there is one, so reading
what was written gives the same model. Two things are not kept: times below a millisecond, and lone surrogates, which
are written out (`\\udc80`).
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, TypeVar

from afterpatch.model import (
    Answerable,
    BuildContradiction,
    Chain,
    DetectionState,
    EvidenceError,
    EvidenceRef,
    Exposure,
    Finding,
    ImpactItem,
    Mitigation,
    Notice,
    ServerExamination,
    Subject,
    TimelineEntry,
    Verdict,
    parse_iso,
)
from afterpatch.model.messages import PREFIX
from afterpatch.report.catalogue import Catalogue
from afterpatch.report.text import storable
from afterpatch.report.times import iso

T = TypeVar("T")

# The fields that may hold messages. Values of evidence (raw, subject, path ...) are not among them.
TEXTS: Mapping[type, frozenset[str]] = {
    Answerable: frozenset({"question", "missing"}),
    Chain: frozenset({"name", "overlaps"}),
    DetectionState: frozenset({"title", "detail"}),
    BuildContradiction: frozenset({"text"}),
    Exposure: frozenset({"basis", "messages"}),
    Finding: frozenset({"title", "explanation", "benign_causes", "next_steps"}),
    ImpactItem: frozenset({"what", "value"}),
    Mitigation: frozenset({"reasons"}),
    Notice: frozenset({"reason"}),
    ServerExamination: frozenset({"build_basis", "actions"}),
    TimelineEntry: frozenset({"what"}),
    Verdict: frozenset({"summary", "reasons", "limits"}),
}
# Facts of a finding whose values are texts of ours; all other facts are evidence.
WORDED = frozenset({"reason", "note", "second opinion", "problem"})
_WORDED_KEYS = ("page.fact.",)
# Left out where they are unknown: "line|record|offset", and what the contract does not name.
SPARSE: Mapping[type, frozenset[str]] = {
    EvidenceRef: frozenset({"line", "record", "offset"}),
    Subject: frozenset({"agent", "mailbox", "status", "extra"}),
    TimelineEntry: frozenset({"proofs"}),
}
_NOTHING: frozenset[str] = frozenset()


_HINTS: dict[Any, Mapping[str, Any]] = {}


def _hints(kind: Any) -> Mapping[str, Any]:
    """The fields of a model class and their types, in order."""
    if kind not in _HINTS:
        hints = typing.get_type_hints(kind)
        _HINTS[kind] = {one.name: hints[one.name] for one in dataclasses.fields(kind)}
    return _HINTS[kind]


def plain(value: Any, english: Catalogue) -> Any:
    """A value of the model as dict, list, str, int, bool or None."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, tuple):
        return [plain(one, english) for one in value]
    return _object(value, english)


def _object(value: Any, english: Catalogue) -> dict[str, Any]:
    kind = type(value)
    texts, sparse = TEXTS.get(kind, _NOTHING), SPARSE.get(kind, _NOTHING)
    if kind is ImpactItem and value.certainty != "not-determinable":
        texts = texts - {"value"}  # a value of the evidence, not a text of ours
    out: dict[str, Any] = {}
    for name in _hints(kind):
        one = getattr(value, name)
        if name in sparse and one in (None, "", ()):
            continue
        if kind is Subject and name == "extra":
            out.update(_facts(one, english))
        elif name in texts:
            out.update(_text(name, one, english.notice if kind is Notice else english.words))
        else:
            out[name] = plain(one, english)
    return out


def worded(name: str, value: str, words: Catalogue) -> str:
    """A fact's value: a message of ours in words, evidence as it is."""
    ours = name in WORDED or value.startswith(tuple(PREFIX + key for key in _WORDED_KEYS))
    return words.words(value) if ours and value.startswith(PREFIX) else value


def _facts(pairs: tuple[tuple[str, str], ...], english: Catalogue) -> dict[str, Any]:
    told = [(name, worded(name, value, english)) for name, value in pairs]
    out: dict[str, Any] = {"extra": [plain(one, english) for one in told]}
    keys = [storable(value) if text != value else None for (_name, value), (_same, text) in zip(pairs, told, strict=True)]
    if any(key is not None for key in keys):
        out["extra_keys"] = keys
    return out


def _text(name: str, value: Any, words: Callable[[str], str]) -> dict[str, Any]:
    if isinstance(value, str):
        stored, english = storable(value), storable(words(value))
        return {name: english} if english == stored else {name: english, f"{name}_key": stored}
    stored_all, english_all = [storable(one) for one in value], [storable(words(one)) for one in value]
    keys = [None if text == key else key for text, key in zip(english_all, stored_all, strict=True)]
    return {name: english_all, f"{name}_keys": keys} if any(key is not None for key in keys) else {name: english_all}


def build(kind: type[T], value: Any, where: str) -> T:
    """The dataclass of a plain object. Unknown members are passed over, missing ones take the field's default.

    Raises EvidenceError, naming the place, where the object is not of that shape.
    """
    if not isinstance(value, dict):
        raise EvidenceError(f"The document is not an Afterpatch examination: {where} is no object.")
    texts = TEXTS.get(kind, _NOTHING)
    given = {}
    for name, hint in _hints(kind).items():
        if name in value:
            known = _with_keys(value, name) if name in texts else value[name]
            if kind is Subject and name == "extra":
                known = _with_fact_keys(value)
            given[name] = _value(hint, known, f"{where}.{name}")
    try:
        return kind(**given)
    except TypeError:
        raise EvidenceError(f"The document is not an Afterpatch examination: {where} lacks a member.") from None


def _with_keys(value: Mapping[str, Any], name: str) -> Any:
    one = value[name]
    if isinstance(one, str):
        return value.get(f"{name}_key", one)
    keys = value.get(f"{name}_keys")
    if not isinstance(one, list) or not isinstance(keys, list) or len(keys) != len(one):
        return one
    return [text if key is None else key for text, key in zip(one, keys, strict=True)]


def _with_fact_keys(value: Mapping[str, Any]) -> Any:
    pairs, keys = value["extra"], value.get("extra_keys")
    if not isinstance(pairs, list) or not isinstance(keys, list) or len(keys) != len(pairs):
        return pairs
    return [
        [pair[0], key] if isinstance(key, str) and isinstance(pair, list) and len(pair) == 2 else pair
        for pair, key in zip(pairs, keys, strict=True)
    ]


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        if value is None and NoneType in parts:
            return None
        return _value(next(part for part in parts if part is not NoneType), value, where)
    if origin is tuple:
        return _tuple(parts, value, where)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, where)
    if hint is datetime:
        return _time(value, where)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise EvidenceError(f"The document is not an Afterpatch examination: {where} has an unexpected type.")
    return value


def _tuple(parts: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise EvidenceError(f"The document is not an Afterpatch examination: {where} is no list.")
    if len(parts) == 2 and parts[1] is Ellipsis:
        return tuple(_value(parts[0], one, f"{where}[{index}]") for index, one in enumerate(value))
    if len(parts) != len(value):
        raise EvidenceError(f"The document is not an Afterpatch examination: {where} has the wrong length.")
    return tuple(_value(part, one, where) for part, one in zip(parts, value, strict=True))


def _time(value: Any, where: str) -> datetime:
    moment = parse_iso(value) if isinstance(value, str) else None
    if moment is None:
        raise EvidenceError(f"The document is not an Afterpatch examination: {where} is no time.")
    return moment
