"""New objects of ASP and ASP.NET: what their constructors keep."""

from __future__ import annotations

from collections.abc import Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.dotnetcode import DotNetCode
from afterpatch.detect.pages.folding import short
from afterpatch.detect.pages.value import NUMBER, UNKNOWN, Value, join_traces


class DotNetObjects(DotNetCode):
    """`new`, with initialisers, arrays and the page's own classes."""

    def new(self, node: ir.New) -> Value:
        arguments = [self.ev(one) for one in node.args]
        if node.type.endswith("[]"):
            return self.new_array(node, arguments)
        kind = short(self.aliases.get(node.type, node.type)).lower()
        if kind == "activexobject":
            return self.create(arguments, node)
        if kind == "function" and "jscript" in self.languages:
            return self.evaluate("function", arguments, node) or Value()
        value = Value()
        for init in node.inits:
            if isinstance(init, ir.Assign) and isinstance(init.target, ir.Name):
                given = self.ev(init.value)
                self.set_field(value, init.target.id.lower(), given)
                self.initialised(kind, init.target, value, given)
                value.traces = join_traces(value.traces, value.fields[init.target.id.lower()].traces if value.fields else ())
            else:
                item = self.ev(init)
                value.traces = join_traces(value.traces, item.traces)
                self.pair(value, item)
        return self.construct(kind, arguments, node, value)

    def pair(self, holder: Value, item: Value) -> None:
        """`{ { key, value } }`: an entry of a dictionary, or an element of a list."""
        parts = item.fields if item.type == "array" and item.fields else {}
        if len(parts) == 2:
            self.set_field(holder, self.key_of(parts["0"]) or "?", parts["1"])
        elif item.function is not None:
            self.set_field(holder, f"?{len(holder.fields or {})}", item)

    def initialised(self, kind: str, target: ir.Name, holder: Value, value: Value) -> None:
        """`new T { member = value }` sets the member as an assignment does."""
        member = ir.Member(target.line, ir.Name(target.line, kind), target.id)
        if kind in self.owners:
            self.own_member(member, value)
        self.assigned(member, Value(type=kind, fields=holder.fields), value)

    def construct(self, kind: str, arguments: Sequence[Value], node: ir.Node, value: Value) -> Value:
        """A new object of a type."""
        value.type = kind
        value.fields = value.fields if value.fields is not None else {}
        if kind != "label" and self.tables.has("controls", kind):
            value.path = "control:" + kind
        if kind in ("stringbuilder", "stringbuffer"):
            first = arguments[0] if arguments and NUMBER not in arguments[0].marks else None
            value.const = "" if first is None or isinstance(first.const, int) else first.const
            value.traces = first.traces if first is not None else ()
            return value
        if kind in ("string",) and arguments:
            whole = "".join(str(one.const) for one in self.unpacked(arguments)) or arguments[0].text
            return Value(const=whole if whole and not arguments[0].traces else UNKNOWN, traces=arguments[0].traces)
        if kind == "guid" and arguments and arguments[0].text and not arguments[0].traces:
            return Value(const=arguments[0].text, type=kind)
        if kind == "javascriptserializer" and arguments:
            value.type = "resolvedserializer"  # a type resolver lets the text name its types
        if arguments and arguments[0].fields is not None and arguments[0].type not in ("array", ""):
            value.fields["?inner"] = arguments[0]  # a stream around another one writes into it
        value.traces = join_traces(value.traces, self.gathered(arguments, "new " + kind, node.line))
        if kind in ("streamwriter", "filestream", "fileinfo", "directoryinfo") and arguments:
            first = arguments[0]
            value.fields["path"] = (first.fields or {}).get("path", first)
            value.head, value.marks = first.head, first.marks
        kept = tuple(one.function for one in arguments if one.function is not None)
        if kept:
            value.fields["?call"] = Value(function=kept)
        if kind in self.owners:
            self.construct_own(kind, arguments)
        for sink in self.tables.sinks.get("new " + kind, ()):
            self.reach(sink, Value(fields=value.fields) if value.fields and kind.endswith("info") else Value(), arguments, node)
        return value

    def construct_own(self, kind: str, arguments: Sequence[Value]) -> None:
        """A class of the page: its constructor runs."""
        for function in self.functions.get(kind, [])[:3]:
            if function.owner.lower() == kind:
                self.apply(function, arguments)

    def new_array(self, node: ir.New, arguments: Sequence[Value]) -> Value:
        items = [self.ev(item) for item in node.inits[:60000]]
        if node.type in ("byte[]", "sbyte[]"):
            numbers = [one.const for one in items]
            if numbers and all(isinstance(one, int) for one in numbers):
                return Value(const=bytearray(int(one) & 0xFF for one in numbers), type="byte[]")
            size = arguments[0].const if arguments else None
            if not items and isinstance(size, int) and 0 < size < 100_000 and self.budget.fold(size):
                return Value(const=bytearray(size), type="byte[]")
        if arguments and not items:
            return Value(type=node.type or "array[]")  # of a size nobody knows
        fields = {str(position): item for position, item in enumerate(items[:4000])}
        return Value(type=node.type or "array[]", fields=fields)
