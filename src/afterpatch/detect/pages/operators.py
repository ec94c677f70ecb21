"""What operators do to half-known values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from afterpatch.detect.pages.budget import Budget
from afterpatch.detect.pages.fold import ERRORS, as_int, as_text
from afterpatch.detect.pages.value import (
    ANCHORED,
    BASENAME,
    BITS,
    BUILT,
    DECODED,
    FIXED_END,
    MAPPED,
    NUMBER,
    QUOTED,
    SPELLED,
    Trace,
    Value,
    join_traces,
    number,
)

_COMPARE = frozenset(
    ("==", "!=", "===", "!==", "<", ">", "<=", ">=", "<>", "is", "like", "in", "instanceof", "u!", "unot", "isnot", "=", "not in")
)
_ARITHMETIC = frozenset(("-", "*", "/", "%", "<<", ">>", ">>>", "^", "&", "|", "\\", "mod", "xor", "**", "u-", "u~", "u+"))
_HIDING = frozenset((DECODED, BITS, SPELLED))
_KEEP = frozenset(("cast:string", "cast:object", "cast:", "u&", "u*", "u^", "u@"))
_NUMERIC_CASTS = frozenset(
    f"cast:{one}"
    for one in ("int", "long", "double", "float", "bool", "boolean", "short", "decimal", "integer", "uint", "single")
)


def combine(op: str, values: Sequence[Value], line: int, budget: Budget) -> Value:
    """One operator over its operands, left to right."""
    if op.startswith("cast:"):
        return _cast(op, values)
    if op in (".", "+", "&concat") or (op == "&" and _texts(values)):
        return concat(values, line, budget, numeric=op == "+")
    if op == "&bits":
        return _arithmetic("&", values, line, budget)
    if op in _COMPARE:
        return _compare(op, values)
    if op in _ARITHMETIC:
        return _arithmetic(op, values, line, budget)
    if op.startswith("typeof:"):
        return Value(const=op[7:], type="type")
    if len(values) == 1 or (op == "last" and values):
        return values[-1]
    return Value(traces=_all_traces(values))


def _texts(values: Sequence[Value]) -> bool:
    return any(isinstance(value.const, str) for value in values) or not all(NUMBER in value.marks for value in values)


def _all_traces(values: Sequence[Value]) -> tuple[Trace, ...]:
    found: tuple[Trace, ...] = ()
    for value in values:
        if NUMBER not in value.marks:
            found = join_traces(found, value.traces)
    return found


def numbered(values: Sequence[Value]) -> Value:
    """A number made of some values. It carries no text; its traces wake up again where it is made a character."""
    found: tuple[Trace, ...] = ()
    for value in values:
        found = join_traces(found, value.traces)
    return Value(traces=found, marks=frozenset((NUMBER,)))


def _cast(op: str, values: Sequence[Value]) -> Value:
    value = values[-1] if values else Value()
    kind = op[5:]
    if op in _NUMERIC_CASTS:
        known = value.const if isinstance(value.const, int | float) else None
        if isinstance(value.const, str) and len(value.const) == 1 and kind == "int":
            known = ord(value.const)
        return Value(const=int(known), marks=frozenset((NUMBER,))) if known is not None else numbered([value])
    if kind in ("byte", "char", "sbyte", "ushort"):
        if isinstance(value.const, int | float):
            code = int(value.const)
            return Value(const=chr(code & 0xFFFF) if kind == "char" else code & 0xFF)
        if isinstance(value.const, str) and len(value.const) == 1 and kind != "char":
            return Value(const=ord(value.const) & 0xFF)
        return Value(const=value.const, traces=value.traces)
    if op in _KEEP or not kind or (value.type and value.type != "object"):
        return value
    return Value(value.const, value.traces, kind, value.path, value.fields, value.marks, value.head, value.tail, value.function)


def _compare(op: str, values: Sequence[Value]) -> Value:
    if any(not value.known for value in values) or not values:
        return number()
    consts = [value.const for value in values]
    try:
        if op in ("u!", "unot"):
            return Value(const=not consts[0])
        left, right = consts[0], consts[-1]
        if isinstance(left, str) != isinstance(right, str) and left is not None and right is not None:
            left, right = as_text(left), as_text(right)
        return Value(const=_compared(op, left, right))
    except ERRORS:
        return number()


def _compared(op: str, left: Any, right: Any) -> bool:
    if op in ("==", "===", "=", "is"):
        return bool(left == right)
    if op in ("!=", "!==", "<>", "isnot"):
        return bool(left != right)
    if op in ("<", ">", "<=", ">="):
        return bool({"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[op])
    raise ValueError("not compared")


def _arithmetic(op: str, values: Sequence[Value], line: int, budget: Budget) -> Value:
    if values and all(value.known and isinstance(value.const, int | float | str | bytes) for value in values):
        try:
            result = values[0].const
            if len(values) == 1:
                return Value(const=_unary(op, result))
            for value in values[1:]:
                result = _binary(op, result, value.const)
            if not isinstance(result, str) or budget.fold(len(result)):
                return Value(const=result)
        except ERRORS:
            return number()
    traces = _all_traces(values)
    # A byte or character that was computed from the client's text still carries it (decoding loops).
    if traces:
        return Value(traces=tuple(trace.through(op, line) for trace in traces))
    return numbered(values)


def _unary(op: str, value: Any) -> Any:
    if op == "u-":
        return -as_int(value)
    if op == "u~":
        if isinstance(value, str):
            return "".join(chr(~ord(char) & 0xFF) for char in value)
        return ~as_int(value)
    return value


def _binary(op: str, left: Any, right: Any) -> Any:
    if op in ("^", "&", "|") and isinstance(left, str) and isinstance(right, str):
        return _string_bits(op, left, right)
    first, second = _numeric(left), _numeric(right)
    if abs(first) > 1 << 64 or abs(second) > 1 << 64:
        raise OverflowError("too large")
    if op in ("<<", ">>", ">>>"):
        if second > 64:
            raise OverflowError("too far")
        return first << second if op == "<<" else first >> second
    if op == "**":
        raise ValueError("not computed")
    if op in ("/", "\\"):
        return first // second if first % second == 0 or op == "\\" else first / second
    return {
        "-": first - second, "*": first * second, "^": first ^ second, "xor": first ^ second,
        "&": first & second, "|": first | second, "%": first % second if second else 0, "mod": first % second if second else 0,
    }[op]  # fmt: skip


def _numeric(value: Any) -> int:
    if isinstance(value, str) and len(value) == 1 and not value.isdigit():
        return ord(value)
    return as_int(value)


def _string_bits(op: str, left: str, right: str) -> str:
    """PHP's bitwise operators on strings: character by character."""
    pairs = list(zip(left, right, strict=False))
    if op == "|":
        tail = left[len(pairs) :] or right[len(pairs) :]
        return "".join(chr(ord(a) | ord(b)) for a, b in pairs) + tail
    if op == "&":
        return "".join(chr(ord(a) & ord(b)) for a, b in pairs)
    return "".join(chr(ord(a) ^ ord(b)) for a, b in pairs)


def concat(values: Sequence[Value], line: int, budget: Budget, numeric: bool = False) -> Value:
    """Text put together. A fixed head or tail is remembered: a path that starts with a folder is not any path."""
    if all(value.known for value in values):
        known = _concat_known([value.const for value in values], numeric, budget)
        if known is not None:
            hidden = frozenset(mark for value in values for mark in value.marks if mark in _HIDING)
            return Value(const=known, traces=_all_traces(values), marks=hidden)
    if numeric and all(NUMBER in value.marks or isinstance(value.const, int | float) for value in values):
        return numbered(values)
    traces = tuple(trace.through("concatenation", line) for trace in _all_traces(values))
    head, tail = _edge(values), _edge(list(reversed(values)), last=True)
    marks = {ANCHORED} if head else set()
    if tail:
        marks.add(FIXED_END)
    carrying = [value for value in values if value.traces and NUMBER not in value.marks]
    if carrying and all(MAPPED in value.marks for value in carrying):
        marks.add(MAPPED)
    marks |= {mark for mark in (BASENAME, QUOTED) if carrying and all(mark in value.marks for value in carrying)}
    if values and not head and ANCHORED in values[0].marks:
        marks.add(ANCHORED)
    if not traces and any(BUILT in value.marks for value in values):
        marks.add(BUILT)
    return Value(traces=traces, marks=frozenset(marks), head=head, tail=tail)


def _edge(values: Sequence[Value], last: bool = False) -> str:
    """The fixed text at one end; unknown but unsuspicious values count as fixed."""
    found = ""
    for value in values:
        if value.known:
            text = value.text if value.text is not None else str(value.const)
            found = text + found if last else found + text
            continue
        edge = value.tail if last else value.head
        if edge:
            return edge + found if last else found + edge
        if not value.traces and not found and not last:
            return "?"
        return found
    return found


def _concat_known(consts: Sequence[Any], numeric: bool, budget: Budget) -> Any:
    if numeric and all(isinstance(one, int | float) for one in consts):
        total = sum(consts)
        return total if abs(total) < 1 << 63 else None
    try:
        parts = [as_text(one) for one in consts]
    except ERRORS:
        return None
    size = sum(map(len, parts))
    return "".join(parts) if budget.fold(size) else None
