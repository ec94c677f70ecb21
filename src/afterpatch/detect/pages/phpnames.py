"""What PHP's variables, properties and elements are, and how values get into them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.budget import Budget
from afterpatch.detect.pages.calls import CallMachine
from afterpatch.detect.pages.catalogue import Catalogue
from afterpatch.detect.pages.fold import Fold
from afterpatch.detect.pages.machine import PROGRAMS
from afterpatch.detect.pages.operators import combine
from afterpatch.detect.pages.phpfold import DECODERS, PHP_FUNCTIONS
from afterpatch.detect.pages.scope import joined
from afterpatch.detect.pages.value import (
    ANCHORED,
    BITS,
    BUILT,
    MAX_FIELDS,
    NUMBER,
    SPELLED,
    Trace,
    Value,
    join_traces,
)

_SUPER = re.compile(r"\$?(_GET|_POST|_REQUEST|_COOKIE|_FILES|_SERVER)$", re.IGNORECASE)
MAX_CHOICE = 16
_SPELLERS = DECODERS | {"chr"}
_OWN_FILES = frozenset(("__file__", "__dir__"))

# Programs in the languages of the systems that PHP mostly runs on, as they are and as base64.
_SCRIPTS = (
    ("IyEvdXNyL2J", "script"),
    ("IyEvYmluL", "script"),
    ("#!/usr/bin/", "script"),
    ("#!/bin/", "script"),
    ("I2luY2x1ZG", "source"),
    ("#include <", "source"),
)


class PhpNames(CallMachine):
    """Names, assignment, operators, elements."""

    functions_table: dict[str, Fold] = PHP_FUNCTIONS
    methods_table: dict[str, Fold] = {}
    bracket_members = False
    programs = (*PROGRAMS, *_SCRIPTS)
    decoders = DECODERS

    def __init__(self, tables: Catalogue, budget: Budget, read: Callable[[str, str], ir.Program]) -> None:
        super().__init__(tables, budget)
        self.read = read
        self.carries_pages = False  # PHP applications hold the text of pages they generate
        self.hidden_names: set[str] = set()
        self.filled: dict[str, tuple[Trace, ...]] = {}

    def name(self, node: ir.Name) -> Value:
        held = self.lookup(node.id)
        if held is not None:
            return held
        lower = node.id.lower()
        if lower.startswith("$"):
            return self.variable(lower, node)
        if "const:" + lower in self.globals:
            return self.globals["const:" + lower]
        if lower in _OWN_FILES:
            return Value(path="own.file", marks=frozenset((ANCHORED,)), head="./")
        return Value(path=lower, const=node.id)

    def variable(self, lower: str, node: ir.Node) -> Value:
        """A variable nobody assigned: a superglobal, or one that `extract($_POST)` may have made."""
        if lower in self.tables.sets["sources"]:
            kind = "server" if "server" in lower else "files" if "files" in lower else "requestdata"
            return Value(type=kind, traces=(Trace("client", lower.upper().replace("$HTTP", "$HTTP"), node.line),))
        if lower in ("$_session", "$globals", "$http_session_vars"):
            return self.state(lower)
        if lower == "$this":
            return Value(path="$this")
        if self.all_tainted is not None and self.frame.function is None:
            return Value(traces=(self.all_tainted,))
        if self.frame.function is None or self.key(node.id if isinstance(node, ir.Name) else "") in self.frame.declared_global:
            # Kept, so that a default that is only set where the variable is empty joins what the request may bring.
            value = Value(traces=(Trace("undefined", f"the undeclared variable {lower}", node.line),))
            if isinstance(node, ir.Name) and len(self.globals) < MAX_FIELDS:
                self.globals[self.key(node.id)] = value
            return value
        return Value()

    def state(self, name: str) -> Value:
        found = self.globals.get("state:" + name)
        if found is None:
            found = self.globals["state:" + name] = Value(type="state", fields={})
        return found

    def member(self, node: ir.Node, target: Value, name: str) -> Value:
        lower = name.lower()
        if target.path in ("$this", "self", "static", "parent"):
            return self.globals.get(name.lstrip("$")) or self.globals.get("$" + name.lstrip("$")) or Value()
        if target.fields is not None and lower in target.fields:
            return target.fields[lower]
        if target.type in self.owners and name in self.globals:
            return self.globals[name]
        if target.path and self.globals.get("$" + name.lstrip("$")) is not None and target.path in self.owners:
            return self.globals["$" + name.lstrip("$")]
        return Value(traces=tuple(trace.through(name, node.line) for trace in target.traces))

    def store_member(self, target: ir.Member, value: Value) -> None:
        holder = self.ev(target.target)
        if holder.path in ("$this", "self", "static") or holder.path in self.owners:
            name = target.name.lstrip("$")
            self.globals[name] = joined(self.globals.get(name), value)
            return
        if holder.type in self.owners and (value.traces or value.known):  # what its methods see as `$this->name`
            self.globals[target.name] = joined(self.globals.get(target.name), value)
        self.set_field(holder, target.name.lower(), value)

    def assign(self, node: ir.Assign) -> Value:
        if node.op in ("++", "--", "++post", "--post"):
            return self.increment(node)
        if node.op == ".":
            if isinstance(node.target, ir.Name) and self.lookup(node.target.id) is None:
                return super().assign(
                    ir.Assign(node.line, node.target, ir.Op(node.line, ".", [ir.Lit(node.line, ""), node.value]))
                )
            return super().assign(ir.Assign(node.line, node.target, ir.Op(node.line, ".", [node.target, node.value])))
        return super().assign(node)

    def increment(self, node: ir.Assign) -> Value:
        """`++` on text counts like letters do."""
        old = self.ev(node.target)
        new = Value(marks=frozenset((NUMBER,)))
        if isinstance(old.const, int):
            new = Value(const=old.const + (1 if "+" in node.op else -1))
        elif isinstance(old.const, str) and old.const and "+" in node.op:
            new = Value(const=_next_text(old.const))
        elif old.const is None:
            new = Value(const=1)
        self.store(node.target, new)
        return old if node.op.endswith("post") else new

    def operator(self, node: ir.Op) -> Value:
        if node.op == "+" and len(node.items) == 2:
            values = [self.ev(item) for item in node.items]
            if not all(isinstance(one.const, int | float) for one in values):
                return Value(
                    traces=self.gathered(values, "+", node.line), marks=frozenset() if values[0].traces else frozenset((NUMBER,))
                )
            return combine("+", values, node.line, self.budget)
        if node.op == ".":
            values = [self.ev(item) for item in node.items]
            values = [Value(const="Array") if one.type == "array" and not one.traces else one for one in values]
            return combine(".", values, node.line, self.budget)
        if node.op == "&":
            node = ir.Op(node.line, "&bits", node.items)
        if node.op == "spread" and node.items:
            return self.ev(node.items[0])
        result = super().operator(node)
        if node.op in ("^", "|", "&bits", "u~") and isinstance(result.const, str):
            result.marks = result.marks | {BITS}
        if not result.known and not result.traces and node.op in ("^", "|", "&bits", "u~"):
            return Value(marks=result.marks | {BUILT})
        return result

    def folded(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        value = super().folded(holder, method, arguments, node)
        short = value is not None and isinstance(value.const, str) and len(value.const) <= 80
        if value is not None and short and (method in _SPELLERS or any(SPELLED in one.marks for one in arguments)):
            value.marks = value.marks | {SPELLED}
        return value

    def constant(self, value: Value) -> Any:
        if value.type == "array" and not value.traces and value.fields == {}:
            return []
        return super().constant(value)

    def by_name(self, value: Value, node: ir.Node) -> Value:
        """`$$x`: the variable of that name."""
        if value.text is not None and not value.traces:
            return self.name(ir.Name(node.line, "$" + value.text))
        return Value(traces=value.traces, marks=frozenset((BUILT,)))

    def store(self, target: ir.Node, value: Value) -> None:
        if isinstance(target, ir.Call) and isinstance(target.target, ir.Name) and target.target.id == "__variable":
            named = self.ev(target.args[0]) if target.args else Value()
            if named.text is not None and not named.traces:
                self.store_name("$" + named.text, value)
            elif value.traces:
                self.all_tainted = value.traces[0].through("variable variable", target.line)
            return
        if isinstance(target, ir.Index) and not isinstance(target.target, ir.Name | ir.Member | ir.Index):
            holder = self.ev(target.target)
            if holder.type in ("array", "state"):
                self.store_element(holder, [self.ev(one) for one in target.args], value, target)
            return
        name = target.target.id if isinstance(target, ir.Index) and isinstance(target.target, ir.Name) else ""
        held = self.lookup(name) if name else None
        if (
            name
            and (held is None or (held.known and held.const in ("", None)))
            and name.lower() not in self.tables.sets["sources"]
        ):
            self.store_name(name, Value(type="array", fields={}))
        super().store(target, value)

    def store_element(self, holder: Value, keys: Sequence[Value], value: Value, node: ir.Node) -> None:
        if holder.type in ("requestdata", "server", "files"):  # the client still has its say
            value = Value(value.const, join_traces(value.traces, holder.traces), value.type, "", value.fields, value.marks)
        if not keys and holder.fields is not None:
            keys = [Value(const=len(holder.fields))]
        named = keys[0].text if keys and not keys[0].traces else None
        if named and holder is self.globals.get("state:$globals"):
            if len(self.globals) < MAX_FIELDS:
                held = self.globals.get("$" + named)
                self.globals["$" + named] = joined(held, value) if self.frame.weak else value
            return
        super().store_element(holder, keys, value, node)

    def element(self, holder: Value, keys: Sequence[Value], node: ir.Node) -> Value:
        key = keys[0] if keys else Value()
        if key.const == "" and isinstance(holder.const, str) and not holder.traces:
            keys = [Value(const=0)]
        place = keys[0].const if keys else None
        if isinstance(holder.const, str) and holder.const and not holder.traces and isinstance(place, int):
            char = super().element(holder, keys, node)
            char.marks = char.marks | ({SPELLED} if char.known else set())
            return char
        if holder.type == "state":
            named = str(key.const) if key.known and not key.traces else None
            if named is not None and _SUPER.match(named) and holder is self.globals.get("state:$globals"):
                return self.name(ir.Name(node.line, "$" + named.lstrip("$")))
            if named is not None and holder is self.globals.get("state:$globals"):
                held = self.globals.get("$" + named)
                return held if held is not None else Value(marks=frozenset((BUILT,)))
            held = (holder.fields or {}).get((named or "").lower())
            if held is None and not (holder.fields or {}).get("?"):
                return Value(traces=(Trace("session", f"$_SESSION[{named!r}]"[:80], node.line),))
        if holder.type == "server" and key.text is not None:
            lower = key.text.lower()
            if self.tables.has("server_safe", lower):
                own = any(word in lower for word in ("script", "document", "self", "path"))
                return Value(path="own.server", marks=frozenset((ANCHORED,)), head="./") if own else Value(path="server.safe")
        if holder.type == "files":
            value = super().element(holder, keys, node)
            if key.text == "name":
                return Value(traces=tuple(Trace("upload-name", t.source, t.line, t.steps) for t in value.traces))
            if key.text == "tmp_name":
                return Value(traces=value.traces, path="upload.content", marks=frozenset((ANCHORED,)), head="?tmp")
            return Value(type="files", traces=value.traces)
        if holder.type == "requestdata" and key.text is not None:
            trace = holder.traces[0] if holder.traces else None
            if trace is not None and not trace.steps:
                return Value(type="requestdata", traces=(Trace("client", f"{trace.source}[{key.text!r}]"[:80], node.line),))
        if not key.known and holder.type == "array" and 0 < len(holder.fields or {}) <= MAX_CHOICE and self.plain(holder):
            return Value(type="choice", fields=holder.fields)  # one of several constants
        value = super().element(holder, keys, node)
        if not value.known and not value.traces and not value.fields and not value.type and holder.type not in ("array", "state"):
            return Value(
                marks=value.marks | ({BUILT} if isinstance(holder.const, str) or BUILT in holder.marks else frozenset()),
                function=value.function,
            )
        return value


def _next_text(text: str) -> str:
    """PHP's ++ on text: `Az` becomes `Ba`, `zz` becomes `aaa`."""
    chars = list(text[-40:])
    for place in range(len(chars) - 1, -1, -1):
        char = chars[place]
        if char == "z":
            chars[place] = "a"
        elif char == "Z":
            chars[place] = "A"
        elif char == "9":
            chars[place] = "0"
        else:
            chars[place] = chr(ord(char) + 1) if char.isalnum() else char
            return "".join(chars)
    first = "a" if chars[0] == "a" else "A" if chars[0] == "A" else "1"
    return first + "".join(chars)
