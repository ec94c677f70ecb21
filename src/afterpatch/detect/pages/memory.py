"""What running code knows: variables, objects, and how values get into them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.budget import Budget
from afterpatch.detect.pages.catalogue import Catalogue
from afterpatch.detect.pages.operators import combine
from afterpatch.detect.pages.scope import Event, Frame, joined
from afterpatch.detect.pages.value import MAX_FIELDS, NUMBER, UNKNOWN, Trace, Value, join_traces


class Memory:
    """State of one page."""

    def __init__(self, tables: Catalogue, budget: Budget) -> None:
        self.tables = tables
        self.budget = budget
        self.globals: dict[str, Value] = {}
        self.functions: dict[str, list[ir.Function]] = {}
        self.owners: dict[str, tuple[str, ...]] = {}
        self.aliases: dict[str, str] = {}
        self.frames: list[Frame] = [Frame()]
        self.events: dict[tuple[str, int, str, int], Event] = {}
        self.notes: set[str] = set()
        self.depth = 0
        self.active: list[int] = []
        self.memory: dict[Any, tuple[Value, dict[int, Value], Sequence[Value]]] = {}
        self.given_back: dict[int, Value] = {}  # by position: what the last call left in parameters passed by reference
        self.entered: set[int] = set()
        self.all_tainted: Trace | None = None
        self.caseless = False
        self.embedded: dict[str, int] = {}
        self.carries_pages = True  # a back door in a constant counts even where nothing is seen to write it
        self.carried: list[str] = []  # programs that stand in constants
        self.round = 0  # the second time round, declarations do not forget
        self.statics: set[str] = set()
        self.nameless: dict[int, ir.Function] = {}

    def key(self, name: str) -> str:
        """A variable's name as it is compared: VB does not tell cases apart."""
        return name.lower() if self.caseless else name

    @property
    def frame(self) -> Frame:
        """The running function."""
        return self.frames[-1]

    def ev(self, node: ir.Node) -> Value:
        """The value of an expression."""
        raise NotImplementedError

    @staticmethod
    def key_of(value: Value) -> str | None:
        """A constant as a key of fields."""
        if value.known and isinstance(value.const, str | int):
            return str(value.const).lower() if isinstance(value.const, str) else str(int(value.const))
        return None

    # --- assignment ---------------------------------------------------------------------------------------------

    def assign(self, node: ir.Assign) -> Value:
        value = self.ev(node.value)
        if node.type and not value.type:
            value = self.typed(value, node.type)
        if node.op and value.function is not None:
            value = joined(self.ev(node.target), value)  # a handler is added to an event
        elif node.op:
            value = combine(node.op, [self.ev(node.target), value], node.line, self.budget)
        self.store(node.target, value)
        return value

    @staticmethod
    def typed(value: Value, kind: str) -> Value:
        """The value with a declared type."""
        marks = value.marks
        if kind in ("int", "long", "bool", "double", "float", "short", "decimal", "guid", "datetime", "integer", "boolean"):
            marks = marks | {NUMBER}
        return Value(value.const, value.traces, kind, value.path, value.fields, marks, value.head, value.tail, value.function)

    def store(self, target: ir.Node, value: Value) -> None:
        """Assign to a name, member or element."""
        if isinstance(target, ir.Name):
            self.store_name(target.id, self.stepped(value, target))
        elif isinstance(target, ir.Member):
            self.store_member(target, value)
        elif isinstance(target, ir.Index | ir.Call):
            holder = self.ev(target.target)
            keys = [self.ev(one) for one in target.args]
            self.store_element(holder, keys, value, target)
        elif isinstance(target, ir.Array):
            for position, one in enumerate(target.items[:200]):
                element = (value.fields or {}).get(str(position))
                self.store(one, element or Value(traces=value.traces, type=value.type))
        elif isinstance(target, ir.Op):
            for one in target.items[:8]:
                if isinstance(one, ir.Name | ir.Member | ir.Index | ir.Array):
                    self.store(one, value)

    @staticmethod
    def stepped(value: Value, target: ir.Name) -> Value:
        """The value, its way one step longer by the name it got."""
        if not value.traces:
            return value
        traces = tuple(trace.through(target.id, target.line) for trace in value.traces)
        return Value(
            value.const, traces, value.type, value.path, value.fields, value.marks, value.head, value.tail, value.function
        )

    def store_name(self, name: str, value: Value) -> None:
        """Assign to a variable: a local one, unless the name is known outside or no function runs."""
        key = self.key(name)
        frame = self.frame
        scope = frame.locals
        if len(self.frames) == 1 or key in frame.declared_global or (key not in scope and key in self.globals):
            scope = self.globals
        if len(scope) < MAX_FIELDS:
            again = scope is self.globals and self.round > 0 and not value.known and not value.traces
            scope[key] = joined(scope.get(key), value) if frame.weak or again else value

    def store_member(self, target: ir.Member, value: Value) -> None:
        holder = self.ev(target.target)
        if holder.path in ("this", "me", "self", "$this", "base"):
            key = self.key(target.name)
            self.globals[key] = joined(self.globals.get(key), value)
            return
        self.assigned(target, holder, value)
        if holder.type in self.owners:
            self.own_member(target, value)
        self.set_field(holder, target.name.lower(), value)

    def own_member(self, target: ir.Member, value: Value) -> None:
        """A member of an object of one of the page's classes: what its methods see under the bare name."""
        key = self.key(target.name)
        self.globals[key] = joined(self.globals.get(key), value)

    def assigned(self, target: ir.Member, holder: Value, value: Value) -> None:
        """A property was set: a sink for some."""

    def set_field(self, holder: Value, key: str, value: Value) -> None:
        """Put a value into an object, shared by all who hold it."""
        if holder.fields is None:
            holder.fields = {}
        if len(holder.fields) < MAX_FIELDS:
            holder.fields[key] = value if self.frame.concrete else joined(holder.fields.get(key), value)

    def store_element(self, holder: Value, keys: Sequence[Value], value: Value, node: ir.Node) -> None:
        """`holder[keys] = value`."""
        key = self.key_of(keys[0]) if keys else None
        if isinstance(holder.const, bytearray) and keys and isinstance(keys[0].const, int):
            place = keys[0].const
            if isinstance(value.const, int | float) and 0 <= place < len(holder.const):
                holder.const[place] = int(value.const) & 0xFF
                return
        traces = tuple(trace.through("element", node.line) for trace in value.traces)
        holder.traces = join_traces(holder.traces, traces)
        if isinstance(holder.const, bytearray | str | bytes):
            holder.const = UNKNOWN
        self.set_field(
            holder,
            key if key is not None else "?",
            Value(value.const, traces, value.type, value.path, value.fields, value.marks, function=value.function),
        )
