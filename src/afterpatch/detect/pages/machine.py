"""Runs the common nodes on half-known values: constants are computed, everything else carries where it came from.

Functions are entered with the values they are called with, and once more on their own, as events enter them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.operators import combine
from afterpatch.detect.pages.scope import Event, Frame, joined
from afterpatch.detect.pages.statements import MAX_EVAL, Statements
from afterpatch.detect.pages.value import BUILT, MAX_FIELDS, NUMBER, UNKNOWN, Trace, Value, join_traces, number

MAX_CALLS = 10
MAX_EVENTS = 400
# How programs begin, as they are and in the spellings that pages carry them in (base64, hexadecimal, BCEL).
PROGRAMS = (
    ("yv66v", "java-class"),
    ("cafebabe", "java-class"),
    ("CAFEBABE", "java-class"),
    ("$$BCEL$$", "java-class"),
    ("TVqQ", "windows"),
    ("TVpQ", "windows"),
    ("TVoA", "windows"),
    ("TVqA", "windows"),
    ("4d5a90", "windows"),
    ("4D5A90", "windows"),
    ("0x4d5a", "windows"),
    ("f0VMR", "linux"),
    ("AAEAAAD/////", "net-objects"),
    ("rO0AB", "java-objects"),
)
_EMBEDDED = re.compile(r"<%|<\?(?:php|=)|:script\b|php\.net/xsl|runat\s{0,4}=", re.IGNORECASE)


class Machine(Statements):
    """State of one page. Subclasses say what names and calls mean (`name`, `member`, `call`)."""

    programs: tuple[tuple[str, str], ...] = PROGRAMS

    def load(self, program: ir.Program) -> None:
        """Make a program's functions known."""
        for function in program.functions:
            self.functions.setdefault(function.name.lower(), []).append(function)
        self.owners.update(program.bases)
        self.statics.update(program.statics)
        self.aliases.update(program.aliases)

    def run(self, programs: Sequence[ir.Program]) -> None:
        """Run the statements outside functions, then every function as an entry; twice where state carries taint."""
        for program in programs:
            self.load(program)
        self.share_marks()
        for turn in range(2):
            self.round = turn
            kept = self.budget.keep(2, 5)
            for program in programs:
                self.block(program.statements)
            self.budget.give(kept)
            for program in programs:
                for function in program.functions:
                    if turn or id(function) not in self.entered:
                        self.enter(function)
            if not any(value.all_traces() for value in self.globals.values()):
                return
            self.memory.clear()

    def share_marks(self) -> None:
        """What an interface's method is marked as, its implementations are."""
        for functions in self.functions.values():
            marks = frozenset().union(*(one.marks for one in functions)) if len(functions) > 1 else frozenset()
            for one in functions:
                one.marks = one.marks | marks

    def enter(self, function: ir.Function) -> Value:
        """Run a function as the runtime would: with arguments nobody knows."""
        arguments = [self.parameter(function, position) for position in range(len(function.params))]
        return self.apply(function, arguments)

    def parameter(self, function: ir.Function, position: int) -> Value:
        """What an unknown argument is; by its declared type."""
        kind = function.types[position] if position < len(function.types) else ""
        return Value(type=kind)

    def ev(self, node: ir.Node) -> Value:
        """The value of an expression."""
        if not self.budget.step() or self.depth > MAX_EVAL:
            self.budget.exhausted("depth" if self.budget.steps else "steps")
            return Value()
        self.depth += 1
        try:
            return self.expression(node)
        finally:
            self.depth -= 1

    def expression(self, node: ir.Node) -> Value:
        match node:
            case ir.Lit():
                if isinstance(node.value, str) and len(node.value) > 20:
                    self.look_at(node.value, node.line)
                return Value(const=node.value)
            case ir.Name():
                return self.name(node)
            case ir.Member():
                return self.member(node, self.ev(node.target), node.name)
            case ir.Call():
                return self.call(node)
            case ir.Op():
                return self.operator(node)
            case ir.Assign():
                return self.assign(node)
            case ir.Index():
                return self.index(node)
            case ir.New():
                return self.new(node)
            case ir.Array():
                return self.array(node)
            case ir.Lambda():
                return Value(function=self.enter_lambda(node))
            case ir.Opaque():
                return self.opaque(node)
            case _:
                self.statement(node)
                return Value()

    def look_at(self, text: str, line: int) -> None:
        """A constant that may hold code of its own, or a whole program."""
        if "<" in text:
            self.keep_embedded(text, line)
        self.look_for_program(text)

    def look_for_program(self, text: str) -> None:
        """A constant that holds a whole program."""
        if len(text) >= 100:
            head = text[:12].lstrip()
            what = next((what for start, what in self.programs if head.startswith(start)), "")
            if what and what not in self.carried:
                self.carried.append(what)

    def keep_embedded(self, text: str, line: int) -> None:
        """Remember a constant that may hold code of its own."""
        if len(self.embedded) < 40 and len(text) < 100_000 and _EMBEDDED.search(text):
            self.embedded.setdefault(text, line)

    def enter_lambda(self, node: ir.Lambda) -> ir.Function:
        """A nameless function sees the names around it: its body is run where it stands, and again when it is called."""
        function = self.nameless.get(id(node))
        if function is None:
            function = self.nameless[id(node)] = ir.Function(node.line, "lambda", node.params, node.body, node.types)
        for position, name in enumerate(function.params):
            self.frame.locals.setdefault(self.key(name), self.parameter(function, position))
        self.weakly(function.body)
        function.closure = dict(self.frame.locals)
        return function

    def name(self, node: ir.Name) -> Value:
        """A name."""
        raise NotImplementedError

    def member(self, node: ir.Node, target: Value, name: str) -> Value:
        """`target.name`."""
        raise NotImplementedError

    def call(self, node: ir.Call) -> Value:
        """`target(args)`."""
        raise NotImplementedError

    def new(self, node: ir.New) -> Value:
        """`new type(args)`."""
        raise NotImplementedError

    def opaque(self, node: ir.Opaque) -> Value:
        """Code that could not be read."""
        raise NotImplementedError

    def index(self, node: ir.Index) -> Value:
        """`target[args]`."""
        raise NotImplementedError

    def array(self, node: ir.Array) -> Value:
        """A list or map."""
        fields: dict[str, Value] = {}
        traces: tuple[Trace, ...] = ()
        for position, item in enumerate(node.items[:MAX_FIELDS]):
            key = node.keys[position] if position < len(node.keys) else None
            named = self.ev(key) if key is not None else None
            label = self.key_of(named) if named is not None else str(position)
            if named is not None and named.traces:
                label, traces = None, join_traces(traces, named.traces)
            fields[label if label is not None else f"?{position}"] = self.ev(item)
        return Value(type="array", fields=fields, traces=traces)

    def operator(self, node: ir.Op) -> Value:
        """An operator."""
        if node.op == "caught":
            return self.globals.get("?thrown", Value())
        if node.op == "throw":
            thrown = joined(self.globals.get("?thrown"), self.ev(node.items[0]) if node.items else Value())
            self.globals["?thrown"] = thrown
            return Value()
        if node.op in ("&&", "||", "and", "or", "andalso", "orelse", "??", "?:", "any"):
            return self.choice(node)
        values = [self.ev(item) for item in node.items]
        return combine(node.op, values, node.line, self.budget)

    def choice(self, node: ir.Op) -> Value:
        values = [self.ev(item) for item in node.items]
        if node.op == "?:" and len(values) == 3:
            if values[0].known and not values[0].traces and values[0].const is not None:
                return values[1] if self.truth(values[0].const) else values[2]
            return joined(values[2], values[1])
        if node.op in ("??", "||", "any") and values:
            result = values[0]
            for value in values[1:]:
                result = joined(value, result)
            return result
        return number() if node.op != "any" else Value()

    def apply(self, function: ir.Function, arguments: Sequence[Value]) -> Value:
        """Run a function with arguments; the same arguments are not run twice."""
        if len(self.frames) > MAX_CALLS or self.active.count(id(function)) > 1 or self.depth > MAX_EVAL - 20:
            return Value(traces=self.gathered(arguments, function.name, function.line))
        key = (id(function), tuple(self.fingerprint(value) for value in arguments))
        if key in self.memory:
            result, self.given_back, _arguments = self.memory[key]
            return result
        self.entered.add(id(function))
        frame = Frame(function=function)
        if function.closure is not None:
            frame.locals.update(function.closure)
        for position, name in enumerate(function.params[:64]):
            given = arguments[position] if position < len(arguments) else Value()
            kind = function.types[position] if position < len(function.types) else ""
            frame.locals[self.key(name)] = self.typed(given, kind) if kind and not given.type and not given.known else given
        if self.caseless:
            frame.locals.setdefault(self.key(function.name), Value(const=""))
        frame.concrete = bool(arguments) and all(value.known and not value.traces for value in arguments)
        self.frames.append(frame)
        self.active.append(id(function))
        try:
            self.nested(function.body)
        finally:
            self.frames.pop()
            self.active.pop()
        result = self.result(function, frame)
        self.given_back = {
            position: frame.locals.get(self.key(name), Value())
            for position, name in enumerate(function.params)
            if name in function.byref
        }
        if len(self.memory) < 5000:
            self.memory[key] = (result, self.given_back, arguments)  # kept, so that no other object gets their identity
        return result

    def result(self, function: ir.Function, frame: Frame) -> Value:
        """What a function gave back: in some languages by its own name."""
        named = frame.locals.get(self.key(function.name)) if self.caseless else None
        if named is not None and named.const == "" and frame.returned:
            named = None
        values = frame.returned + ([named] if named is not None else [])
        if frame.concrete and values:
            result = values[-1] if named is not None else values[0]
            if not result.known and not result.traces and not result.path and result.function is None:
                result = self.decoded(result)
            return result
        total: Value | None = None
        for value in values[:50]:
            total = joined(total, value)
        return total or Value()

    @staticmethod
    def decoded(value: Value) -> Value:
        """Built by the page's own code out of constants, and yet unknown to us: the mark BUILT."""
        return Value(UNKNOWN, (), value.type, "", value.fields, value.marks | {BUILT}, value.head, value.tail)

    @staticmethod
    def fingerprint(value: Value) -> Any:
        """What of an argument changes a function's result."""
        const = value.const if isinstance(value.const, str | int | float | bool) or value.const is None else id(value.const)
        return (const, tuple((t.kind, t.source) for t in value.traces), value.type, id(value.fields), value.path)

    @staticmethod
    def gathered(values: Sequence[Value], what: str, line: int) -> tuple[Trace, ...]:
        """All traces of some values, one step further."""
        found: tuple[Trace, ...] = ()
        for value in values:
            if NUMBER not in value.marks:
                traces = value.all_traces()
                if traces:
                    found = join_traces(found, tuple(trace.through(what, line) for trace in traces))
        return found

    def event(self, kind: str, call: str, line: int, roles: dict[str, Value]) -> None:
        """Record a sink; of the same call the one that carries more."""
        key = (kind, line, call, self.budget.layers)
        function = self.frame.function.name if self.frame.function else ""
        new = Event(kind, call, line, roles, function)
        old = self.events.get(key)
        if (old is None and len(self.events) < MAX_EVENTS) or (
            old is not None and (len(new.traces()), _weight(new)) >= (len(old.traces()), _weight(old))
        ):
            self.events[key] = new


def _weight(event: Event) -> int:
    """Of two calls on one line without traces the one that hides more, then the one that is known better."""
    hidden = any(not value.known and BUILT in value.marks for value in event.roles.values())
    return 100 * hidden + sum(value.known for value in event.roles.values())
