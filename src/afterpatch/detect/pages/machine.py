"""Runs the common nodes on half-known values: constants are computed, everything else carries where it came from.

Branches whose test is unknown are both taken and joined; loops run as they stand while their test is a constant,
else twice. Functions are entered with the values they are called with, and once more on their own, as events enter
them. Everything is bounded by the Budget and by depth.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.memory import Memory
from afterpatch.detect.pages.operators import combine
from afterpatch.detect.pages.scope import Event, Frame, joined
from afterpatch.detect.pages.value import BUILT, MAX_FIELDS, NUMBER, UNKNOWN, Trace, Value, join_traces, number, passed

MAX_CALLS = 10
MAX_EVAL = 160
MAX_LOOP = 3000
MAX_EVENTS = 400
# How programs begin, as they are and in the spellings that pages carry them in (base64, hexadecimal, BCEL).
_PROGRAMS = (
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
    ("IyEvdXNyL2J", "script"),
    ("IyEvYmluL", "script"),
    ("#!/usr/bin/", "script"),
    ("#!/bin/", "script"),
    ("I2luY2x1ZG", "source"),
    ("#include <", "source"),
    ("AAEAAAD/////", "net-objects"),
    ("rO0AB", "java-objects"),
)
_EMBEDDED = re.compile(r"<%|<\?(?:php|=)|:script\b|php\.net/xsl|runat\s{0,4}=", re.IGNORECASE)


class Machine(Memory):
    """State of one page. Subclasses say what names and calls mean (`name`, `member`, `call`)."""

    # --- programs -----------------------------------------------------------------------------------------------

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
            for program in programs:
                self.block(program.statements)
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

    # --- statements ---------------------------------------------------------------------------------------------

    def block(self, body: Sequence[ir.Node]) -> str:
        """Statements in order; gives `return`, `break`, `continue` or ""."""
        for statement in body:
            jump = self.statement(statement)
            if jump:
                if self.frame.weak or not self.frame.concrete:
                    continue  # what follows an early return may still run
                return jump
            if not self.budget.steps:
                return ""
        return ""

    def statement(self, node: ir.Node) -> str:
        """One statement."""
        if isinstance(node, ir.Block):
            return self.nested(node.body)
        if isinstance(node, ir.If):
            return self.branch(node)
        if isinstance(node, ir.Loop):
            return self.loop(node)
        if isinstance(node, ir.ForEach):
            return self.for_each(node)
        if isinstance(node, ir.Return):
            if node.value is not None:
                self.frame.returned.append(self.ev(node.value))
            elif node.jump == "return":
                self.frame.returned.append(Value())
            return node.jump
        self.ev(node)
        return ""

    def nested(self, body: Sequence[ir.Node]) -> str:
        """A block, one level deeper."""
        if self.depth > MAX_EVAL:
            self.budget.exhausted("depth")
            return ""
        self.depth += 1
        try:
            return self.block(body)
        finally:
            self.depth -= 1

    def weakly(self, body: Sequence[ir.Node]) -> str:
        """A block that may not run: what it assigns is joined with what was."""
        self.frame.weak += 1
        try:
            return self.nested(body)
        finally:
            self.frame.weak -= 1

    def branch(self, node: ir.If) -> str:
        current: ir.If | None = node
        while current is not None:
            test = self.ev(current.test)
            known = test.known and self.frame.concrete
            if known and self.truth(test.const):
                return self.nested(current.then)
            if not known and test.known and self.truth(test.const):
                # seemingly always taken: taken last, so that its constants are the ones that stay
                self.weakly(current.other)
                return self.weakly(current.then)
            if not known:
                self.weakly(current.then)
            follow = current.other[0] if len(current.other) == 1 else None
            if isinstance(follow, ir.If):
                current = follow
                continue
            return self.nested(current.other) if known else self.weakly(current.other)
        return ""

    @staticmethod
    def truth(const: Any) -> bool:
        """Whether a constant counts as true."""
        return bool(const) and const not in ("", "0", "False", "false")

    def loop(self, node: ir.Loop) -> str:
        turns, floor = 0, self.budget.steps * 2 // 3
        while turns < MAX_LOOP and self.budget.steps > floor:
            test = self.ev(node.test) if node.test is not None else Value()
            if not test.known:
                break
            if not self.truth(test.const) and not (node.post and not turns):
                if not turns and not self.frame.concrete:
                    break  # the constant may be one of several
                if turns and not self.frame.concrete and _branches(node.body):
                    self.explore(node.body)
                return ""
            turns += 1
            jump = self.turn(node.body)
            if jump in ("return", "break"):
                if not self.frame.concrete and _branches(node.body):
                    self.explore(node.body)
                return jump if jump == "return" else ""
            for step in node.step:
                self.ev(step)
        if turns >= MAX_LOOP or (turns and self.budget.steps <= floor):
            self.budget.exhausted("loop")
            self.forget(node.body)
            return ""
        for _again in range(3 if turns == 0 and _branches(node.body) else 2):
            self.weakly(node.body)
            self.weakly(node.step)
        return ""

    def explore(self, body: Sequence[ir.Node]) -> None:
        """A loop over states ended as its constants said; the states that were not met are looked at too. What was
        computed stays, what came from the client is added."""
        scopes = [self.frame.locals, self.globals]
        before = [dict(scope) for scope in scopes]
        for _again in range(3):
            self.weakly(body)
        for scope, kept in zip(scopes, before, strict=True):
            for key, old in kept.items():
                new = scope.get(key)
                if new is not None and new is not old and old.known:
                    traces = join_traces(old.traces, new.traces)
                    scope[key] = Value(
                        old.const, traces, old.type, old.path, old.fields, old.marks, old.head, old.tail, old.function
                    )

    def forget(self, body: Sequence[ir.Node]) -> None:
        """A loop was left early: what it was building is unknown, but known to be built."""
        for statement in body:
            if isinstance(statement, ir.Assign) and isinstance(statement.target, ir.Name):
                old = self.ev(statement.target)
                self.store_name(statement.target.id, Value(traces=old.traces, marks=frozenset((BUILT,))))
            elif isinstance(statement, ir.Block | ir.Loop | ir.ForEach):
                self.forget(statement.body)
            elif isinstance(statement, ir.If):
                self.forget(statement.then)
                self.forget(statement.other)

    def turn(self, body: Sequence[ir.Node]) -> str:
        """One pass through a loop whose test is known: what is known inside is decided, not joined."""
        concrete, self.frame.concrete = self.frame.concrete, True
        weak, self.frame.weak = self.frame.weak, 0
        try:
            return self.nested(body)
        finally:
            self.frame.concrete, self.frame.weak = concrete, weak

    def for_each(self, node: ir.ForEach) -> str:
        items = self.ev(node.items)
        values = self.items_of(items)
        if values is not None and len(values) <= MAX_LOOP and self.budget.steps > 0:
            for key, value in values:
                if node.key is not None:
                    self.store(node.key, Value(const=key))
                self.store(node.target, value)
                if self.turn(node.body) in ("return", "break"):
                    break
            if values:
                return ""
        element = Value(traces=passed(items, "each element", node.line), type=items.type, marks=items.marks & {BUILT})
        if items.type in ("methodinfo", "constructorinfo"):
            element.fields = items.fields
        if node.key is not None:
            self.store(node.key, Value(traces=items.traces))
        self.store(node.target, element)
        self.weakly(node.body)
        return ""

    @staticmethod
    def items_of(value: Value) -> list[tuple[Any, Value]] | None:
        """The known elements of a value, None where nobody knows them."""
        if (value.fields and value.type in ("array", "list", "array[]")) or (value.fields and value.type.endswith("[]")):
            return list(value.fields.items())
        if isinstance(value.const, str | bytes | bytearray) and not value.traces:
            return [(index, Value(const=one)) for index, one in enumerate(value.const[: MAX_LOOP + 1])]
        return None

    # --- expressions --------------------------------------------------------------------------------------------

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
            what = next((what for start, what in _PROGRAMS if head.startswith(start)), "")
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

    # --- calls --------------------------------------------------------------------------------------------------

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


def _branches(body: Sequence[ir.Node]) -> bool:
    """Whether a loop's body chooses among cases: a machine of states may take them in any order."""
    blocks = [one for statement in body for one in (statement.body if isinstance(statement, ir.Block) else (statement,))]
    return sum(isinstance(one, ir.If | ir.Block) for one in blocks) > 1 or any(
        isinstance(one, ir.If) and len(one.other) == 1 and isinstance(one.other[0], ir.If) for one in blocks
    )


def _weight(event: Event) -> int:
    """Of two calls on one line without traces the one that hides more, then the one that is known better."""
    hidden = any(not value.known and BUILT in value.marks for value in event.roles.values())
    return 100 * hidden + sum(value.known for value in event.roles.values())
