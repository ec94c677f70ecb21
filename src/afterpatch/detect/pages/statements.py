"""Runs statements on half-known values.

Branches whose test is unknown are both taken and joined; loops run as they stand while their test is a constant,
else twice. Everything is bounded by the Budget and by depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.memory import Memory
from afterpatch.detect.pages.value import BUILT, Value, join_traces, passed

MAX_EVAL = 160
MAX_LOOP = 3000


class Statements(Memory):
    """Blocks, branches, loops."""

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


def _branches(body: Sequence[ir.Node]) -> bool:
    """Whether a loop's body chooses among cases: a machine of states may take them in any order."""
    blocks = [one for statement in body for one in (statement.body if isinstance(statement, ir.Block) else (statement,))]
    return sum(isinstance(one, ir.If | ir.Block) for one in blocks) > 1 or any(
        isinstance(one, ir.If) and len(one.other) == 1 and isinstance(one.other[0], ir.If) for one in blocks
    )
