"""Constants through calls that are pure, elements of what is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.fold import ERRORS, FUNCTIONS, METHODS, STATIC_METHODS, Fold, as_text, bounded
from afterpatch.detect.pages.machine import Machine
from afterpatch.detect.pages.operators import concat
from afterpatch.detect.pages.value import (
    DECODED,
    MAX_FIELDS,
    UNKNOWN,
    Value,
)

_BUILDERS = frozenset(("stringbuilder", "stringbuffer"))
_ADDERS = frozenset(("append", "appendline", "appendformat", "insert", "replace"))


class FoldingMachine(Machine):
    """Calls that are computed, elements, string builders."""

    functions_table: dict[str, Fold] = FUNCTIONS
    methods_table: dict[str, Fold] = METHODS
    bracket_members = True  # `object["method"](...)` calls the method
    decoders: frozenset[str] = frozenset(
        (
            "frombase64string",
            "unescape",
            "atob",
            "decodebase64",
            "decodebuffer",
            "strreverse",
            "urldecode",
            "decode",
            "unescapedatastring",
        )
    )

    def folded(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        """The result where everything is constant and the call is a known pure one."""
        if holder.type in _BUILDERS and method in _ADDERS:
            return self.append(holder, method, arguments, node)
        static = not holder.known
        table = self.functions_table if static and not holder.path and not holder.type else self.methods_table
        fold = table.get(method)
        if fold is None and static and not holder.traces and method in STATIC_METHODS:
            fold = self.methods_table.get(method)
        if fold is None and holder.path:
            fold = self.functions_table.get(f"{short(holder.path)}.{method}")
        if fold is None or (static and (holder.traces or (holder.type == "array" and not self.plain(holder)))):
            return None
        try:
            constants = [self.constant(one) for one in arguments]
            own = self.constant(holder) if (holder.known or holder.type == "array") else None
            result = bounded(fold(own, constants))
        except ERRORS:
            return None
        value = self.from_constant(result)
        decodes = method in self.decoders or any(DECODED in one.marks for one in (holder, *arguments))
        if decodes and value is not None and isinstance(result, str | bytes | bytearray) and len(result) > 12:
            value.marks = frozenset((DECODED,))
            if isinstance(result, str) and "<" in result:
                self.keep_embedded(result, node.line)
            if isinstance(result, str):
                self.look_for_program(result)
        return value

    def plain(self, value: Value) -> bool:
        """Whether an array holds constants only."""
        return value.fields is not None and all(one.known and not one.traces for one in value.fields.values())

    def constant(self, value: Value) -> Any:
        """A value as a Python constant; raises TypeError where it is none."""
        if value.known and not value.traces:
            return value.const
        if value.fields and not value.traces and (value.type == "array" or value.type.endswith("[]")):
            if len(value.fields) > MAX_FIELDS:
                raise TypeError("too many")
            return [self.constant(one) for one in value.fields.values()]
        raise TypeError("not constant")

    def from_constant(self, result: Any) -> Value | None:
        """A Python constant as a value, None where it is too large."""
        if isinstance(result, list):
            return Value(type="array", fields={str(i): Value(const=one) for i, one in enumerate(result[:MAX_FIELDS])})
        if isinstance(result, str | bytes | bytearray) and not self.budget.fold(len(result)):
            return None
        return Value(const=result)

    def append(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value:
        """A string builder grows in place."""
        if method == "replace" and holder.known and all(one.known for one in arguments):
            try:
                holder.const = as_text(holder.const).replace(as_text(arguments[0].const), as_text(arguments[1].const))
            except ERRORS:
                holder.const = UNKNOWN
            return holder
        grown = concat([Value(holder.const, holder.traces), *arguments[: 1 if method != "insert" else 2]], node.line, self.budget)
        holder.const, holder.traces = grown.const, grown.traces
        holder.head = holder.head or grown.head
        return holder

    def index(self, node: ir.Index) -> Value:
        holder = self.ev(node.target)
        return self.element(holder, [self.ev(one) for one in node.args], node)

    def element(self, holder: Value, keys: Sequence[Value], node: ir.Node) -> Value:
        """`holder[keys]`."""
        key = self.key_of(keys[0]) if keys else None
        if holder.fields is not None and key is not None and key in holder.fields:
            return holder.fields[key]
        if isinstance(holder.const, str | bytes | bytearray) and keys and isinstance(keys[0].const, int):
            place = keys[0].const
            if -len(holder.const) <= place < len(holder.const):
                return Value(const=holder.const[place])
            return Value()
        functions = tuple(one.function for one in list((holder.fields or {}).values())[:8] if one.function is not None)
        if functions and key is None:
            return Value(function=functions)
        label = f"[{keys[0].const!r}]"[:60] if keys and keys[0].known else "[...]"
        traces = tuple(trace.through(label, node.line) for trace in holder.traces)
        other = (holder.fields or {}).get("?")
        if other is not None and not traces:
            traces = other.traces
        if not traces and key is None and holder.fields:
            traces = holder.all_traces(1)
        return Value(traces=traces, type=holder.type.removesuffix("[]") if holder.type.endswith("[]") else "")

    def lookup(self, name: str) -> Value | None:
        """A variable, None where nobody declared it."""
        key = self.key(name)
        frame = self.frames[-1]
        if key in frame.locals:
            return frame.locals[key]
        return self.globals.get(key)


def short(path: str) -> str:
    """The last part of a dotted name."""
    return path.rpartition(".")[2]
