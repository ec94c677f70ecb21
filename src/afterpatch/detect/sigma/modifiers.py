"""Value modifiers: from a written value and its chain of modifiers to the values it stands for.

Specification 2.1.0, appendix Modifiers. Combinations without a meaning raise ModifierError; nothing is ignored.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from afterpatch.detect.sigma.model import Cidr, Compare, Exists, FieldRef, Null, Part, Regex, Text, Value, Wild
from afterpatch.detect.sigma.regex import RegexError, translate
from afterpatch.detect.sigma.text import expand, has_wildcards, literal, parse_text, surround, tidy

Written = str | int | float | bool | None
MIN_OFFSET_BYTES = 3
MAX_VARIANTS = 3_000
DASHES = "-/\u2013\u2014\u2015"  # hyphen, slash, en dash, em dash, horizontal bar


class ModifierError(Exception):
    """A modifier cannot be used there; the message says why."""


@dataclass(frozen=True, slots=True)
class _Number:
    """A number or a time component before anything else was said of it."""

    value: float
    texts: tuple[str, ...]
    part: str = ""


@dataclass(frozen=True, slots=True)
class _Bool:
    value: bool


@dataclass(frozen=True, slots=True)
class _Raw:
    """A string whose escapes are not read yet: what `re` needs."""

    text: str


_State = Text | Regex | Cidr | Compare | Null | Exists | FieldRef | _Number | _Bool | _Raw


@dataclass(frozen=True, slots=True)
class Chain:
    """The modifiers of one field. `values` are those that work on single values, in order."""

    names: tuple[str, ...]

    @property
    def every(self) -> bool:
        return "all" in self.names

    @property
    def negated(self) -> bool:
        return "neq" in self.names

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in ("all", "neq"))


def _text(state: _State, modifier: str) -> Text:
    if isinstance(state, _Raw):
        return parse_text(state.text)
    if isinstance(state, _Number) and not state.part:
        return literal(state.texts[0])
    if isinstance(state, Text):
        return state
    raise ModifierError(f"'{modifier}' needs a string")


def _affix(state: _State, modifier: str) -> list[_State]:
    before, after = modifier in ("contains", "endswith"), modifier in ("contains", "startswith")
    if isinstance(state, Regex):
        if modifier == "contains":
            return [state]
        anchored = rf"\A(?:{state.pattern})" if modifier == "startswith" else rf"(?:{state.pattern})\Z"
        return [replace(state, pattern=anchored)]
    if isinstance(state, FieldRef):
        if state.mode != "equals":
            raise ModifierError(f"'{modifier}' after '{state.mode}'")
        return [replace(state, mode=modifier)]
    return [surround(_text(state, modifier), before=before, after=after)]


def _encode(state: _State, modifier: str) -> list[_State]:
    codec = "utf-16-be" if modifier == "utf16be" else "utf-16-le"
    text = _text(state, modifier)
    if text.encoded:
        raise ModifierError(f"'{modifier}' on a value that is encoded already")
    results: list[_State] = []
    for variant in _variants(text):
        parts: list[Part] = ["\xff\xfe"] if modifier == "utf16" else []
        parts += [part.encode(codec).decode("latin-1") if isinstance(part, str) else part for part in variant.parts]
        results.append(Text(tidy(parts), variant.cased, encoded=True))
    return results


def _variants(text: Text) -> list[Text]:
    try:
        return expand(text)
    except ValueError as error:
        raise ModifierError(str(error)) from error


def _bytes_of(text: Text, modifier: str) -> bytes:
    if has_wildcards(text):
        raise ModifierError(f"'{modifier}' cannot encode wildcards")
    plain = "".join(part for part in text.parts if isinstance(part, str))
    return plain.encode("latin-1" if text.encoded else "utf-8")


def _base64(state: _State, modifier: str) -> list[_State]:
    variants = _variants(_text(state, modifier))
    return [literal(base64.b64encode(_bytes_of(text, modifier)).decode("ascii"), cased=text.cased) for text in variants]


def _base64_offset(state: _State, modifier: str) -> list[_State]:
    """The three ways a run of bytes looks inside a longer one, without the characters its neighbours take part in."""
    results: list[_State] = []
    for text in _variants(_text(state, modifier)):
        data = _bytes_of(text, modifier)
        if len(data) < MIN_OFFSET_BYTES:
            raise ModifierError(f"'{modifier}' needs at least {MIN_OFFSET_BYTES} bytes, or it would match nearly everything")
        for shift, start in enumerate((0, 2, 3)):
            encoded = base64.b64encode(b" " * shift + data).decode("ascii")
            end = (None, -3, -2)[(len(data) + shift) % 3]
            results.append(literal(encoded[start:end], cased=text.cased))
    return results


_DASH = re.compile(rf"\B[{re.escape(DASHES)}](?=\w)")


def _windash(state: _State, modifier: str) -> list[_State]:
    text = _text(state, modifier)
    parts: list[Part] = []
    for part in text.parts:
        if isinstance(part, Wild):
            parts.append(part)
            continue
        last = 0
        for found in _DASH.finditer(part):
            parts += [part[last : found.start()], Wild(chars=DASHES)]
            last = found.end()
        parts.append(part[last:])
    return [replace(text, parts=tidy(parts))]


def _regex(state: _State, modifier: str) -> list[_State]:
    if isinstance(state, _Number) and not state.part:
        state = _Raw(state.texts[0])
    if not isinstance(state, _Raw):
        raise ModifierError(f"'{modifier}' needs a plain string and must come first")
    if not state.text:
        raise ModifierError("an empty regular expression matches everything")
    try:
        return [Regex(translate(state.text))]
    except RegexError as error:
        raise ModifierError(f"the regular expression {error}") from error


def _regex_flag(state: _State, modifier: str) -> list[_State]:
    if not isinstance(state, Regex):
        raise ModifierError(f"'{modifier}' must follow 're'")
    flag = {"ignorecase": "i", "multiline": "m", "dotall": "s"}.get(modifier, modifier)
    return [replace(state, flags="".join(sorted({*state.flags, flag})))]


def _cased(state: _State, modifier: str) -> list[_State]:
    if isinstance(state, FieldRef):
        return [replace(state, cased=True)]
    return [replace(_text(state, modifier), cased=True)]


def _exists(state: _State, modifier: str) -> list[_State]:
    if not isinstance(state, _Bool):
        raise ModifierError(f"'{modifier}' needs true or false")
    return [Exists(state.value)]


def _compare(state: _State, modifier: str) -> list[_State]:
    if not isinstance(state, _Number):
        raise ModifierError(f"'{modifier}' needs a number")
    return [Compare(modifier, state.value, state.part)]


_RANGES = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "week": (1, 53),
    "month": (1, 12),
    "year": (1, 9999),
}


def _time_part(state: _State, modifier: str) -> list[_State]:
    if not isinstance(state, _Number) or state.part:
        raise ModifierError(f"'{modifier}' needs a number")
    low, high = _RANGES[modifier]
    if not low <= state.value <= high:
        raise ModifierError(f"'{modifier}' goes from {low} to {high}")
    return [replace(state, part=modifier)]


def _cidr(state: _State, modifier: str) -> list[_State]:
    if not isinstance(state, _Raw):
        raise ModifierError(f"'{modifier}' needs a plain string and must come first")
    try:
        return [Cidr(str(ipaddress.ip_network(state.text.strip())))]
    except ValueError as error:
        raise ModifierError(f"'{modifier}': {error}") from error


def _field_ref(state: _State, modifier: str) -> list[_State]:
    text = _text(state, modifier) if isinstance(state, _Raw | Text) else None
    if text is None or len(text.parts) != 1 or not isinstance(text.parts[0], str):
        raise ModifierError(f"'{modifier}' needs the name of a field")
    return [FieldRef(text.parts[0], "equals", text.cased)]


_APPLY: dict[str, Callable[[_State, str], list[_State]]] = {
    **dict.fromkeys(("contains", "startswith", "endswith"), _affix),
    **dict.fromkeys(("wide", "utf16le", "utf16be", "utf16"), _encode),
    **dict.fromkeys(("i", "m", "s", "ignorecase", "multiline", "dotall"), _regex_flag),
    **dict.fromkeys(("lt", "lte", "gt", "gte"), _compare),
    **dict.fromkeys(_RANGES, _time_part),
    "base64": _base64,
    "base64offset": _base64_offset,
    "windash": _windash,
    "re": _regex,
    "cased": _cased,
    "exists": _exists,
    "cidr": _cidr,
    "fieldref": _field_ref,
}
MODIFIERS = frozenset(_APPLY) | {"all", "neq", "expand"}

_PLACEHOLDER = re.compile(r"(?<!\\)%([\w.-]+)%")


def _placeholders(state: _State, known: Mapping[str, Sequence[str]]) -> list[_State]:
    """`%name%` replaced by each of its values; `\\%` is a plain percent sign."""
    if isinstance(state, _Raw):
        return [_Raw(text) for text in _filled(state.text, known)]
    if not isinstance(state, Text) or state.encoded:
        raise ModifierError("'expand' needs a string")
    variants: list[tuple[Part, ...]] = [()]
    for part in state.parts:
        filled = [parse_text(text).parts for text in _filled(part, known)] if isinstance(part, str) else [(part,)]
        variants = [(*head, *tail) for head in variants for tail in filled]
        if len(variants) > MAX_VARIANTS:
            raise ModifierError(f"stands for more than {MAX_VARIANTS} values")
    return [replace(state, parts=tidy(variant)) for variant in variants]


def _filled(text: str, known: Mapping[str, Sequence[str]]) -> list[str]:
    found = _PLACEHOLDER.search(text)
    if found is None:
        return [text.replace("\\%", "%")]
    if found[1] not in known:
        raise ModifierError(f"the placeholder %{found[1]}% has no values here")
    head, tails = text[: found.start()].replace("\\%", "%"), _filled(text[found.end() :], known)
    if len(tails) * len(known[found[1]]) > MAX_VARIANTS:
        raise ModifierError(f"stands for more than {MAX_VARIANTS} values")
    return [head + value + tail for value in known[found[1]] for tail in tails]


def _start(value: Written, text: str) -> _State:
    if value is None:
        return Null()
    if isinstance(value, bool):
        return _Bool(value)
    if isinstance(value, str):
        return _Raw(value)
    canonical = str(int(value)) if isinstance(value, int) or value.is_integer() else str(value)
    return _Number(float(value), (text,) if text == canonical else (canonical, text))


def _finish(state: _State, *, keyword: bool) -> list[Value]:
    if isinstance(state, _Bool):
        return [_keyword(literal("true" if state.value else "false"), keyword=keyword)]
    if isinstance(state, _Number):
        if state.part:
            return [Compare("eq", state.value, state.part)]
        return [_keyword(literal(text), keyword=keyword) for text in state.texts]
    if isinstance(state, _Raw):
        return [_keyword(parse_text(state.text), keyword=keyword)]
    if isinstance(state, Text):
        return [_keyword(_as_text(state), keyword=keyword)]
    if keyword and not isinstance(state, Regex):
        raise ModifierError("a keyword must be a string or a number")
    return [state]


def _as_text(text: Text) -> Text:
    """Bytes that were not put into base64 as the text they are in a log that shows them one by one."""
    if not text.encoded:
        return text
    parts = tuple(part.replace("\xff\xfe", "\ufeff") if isinstance(part, str) else part for part in text.parts)
    if any(isinstance(part, str) and any("\x7f" < char <= "\xff" for char in part) for part in parts):
        raise ModifierError("wide text of other than ASCII characters needs 'base64' or 'base64offset' after it")
    return Text(parts, text.cased)


def _keyword(text: Text, *, keyword: bool) -> Text:
    """A keyword is searched anywhere in the record."""
    if not keyword:
        return text
    if not any(isinstance(part, str) or part.chars for part in text.parts):
        raise ModifierError("a keyword of nothing but wildcards matches everything")
    return surround(text, before=True, after=True)


def _check(names: Sequence[str], *, keyword: bool) -> None:
    for name in names:
        if name not in MODIFIERS:
            raise ModifierError(f"the modifier '{name}' is not known")
        if names.count(name) > 1:
            raise ModifierError(f"the modifier '{name}' is there twice")
    if "exists" in names and len(names) > 1:
        raise ModifierError("'exists' stands alone")
    if keyword and {"exists", "fieldref", "cidr", "lt", "lte", "gt", "gte", *_RANGES} & set(names):
        raise ModifierError("this modifier needs a field")
    if len({"contains", "startswith", "endswith"} & set(names)) > 1:
        raise ModifierError("only one of 'contains', 'startswith', 'endswith'")


def read_chain(names: Sequence[str], *, keyword: bool = False) -> Chain:
    """The chain behind a field name (`keyword`: there is no field). Raises ModifierError."""
    _check(names, keyword=keyword)
    return Chain(tuple(names))


def apply_chain(
    chain: Chain, value: Written, text: str, *, keyword: bool, placeholders: Mapping[str, Sequence[str]]
) -> tuple[Value, ...]:
    """The alternatives a written value stands for. `text` is how YAML wrote it. Raises ModifierError."""
    states = [_start(value, text)]
    for name in chain.values:
        following: list[_State] = []
        for state in states:
            following += _placeholders(state, placeholders) if name == "expand" else _APPLY[name](state, name)
        states = following
        if len(states) > MAX_VARIANTS:
            raise ModifierError(f"stands for more than {MAX_VARIANTS} values")
    return tuple(result for state in states for result in _finish(state, keyword=keyword))
