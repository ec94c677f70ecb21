"""What calls do, by the platform's tables: constants are folded, sinks recorded, everything else carries traces on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.catalogue import Sink
from afterpatch.detect.pages.folding import FoldingMachine, short
from afterpatch.detect.pages.operators import numbered
from afterpatch.detect.pages.scope import gathered_role, joined
from afterpatch.detect.pages.value import (
    ANCHORED,
    BASENAME,
    BUILT,
    MAX_TRACES,
    NUMBER,
    UNKNOWN,
    Trace,
    Value,
    join_traces,
    number,
    passed,
)

_FILLERS = frozenset(
    ("read", "readasync", "copyto", "copytoasync", "receive", "receiveasync", "receivefrom", "readfully", "getbytes", "readblock")
)
_CALLERS = frozenset(("apply", "accept", "run", "call", "get", "test", "invoke", "dynamicinvoke", "begininvoke", "execute"))
_OWN = frozenset(("", "this", "me", "mybase", "myclass", "base", "self", "static", "parent", "$this", "page", "window"))
_CHARACTERS = frozenset(("chr", "chrw", "chrb", "tochar", "fromcharcode", "convertfromutf32"))
_VOID = frozenset(("response", "server", "out", "console", "label", "trace", "httpresponse", "cookies"))


class CallMachine(FoldingMachine):
    """Calls by the tables."""

    def call(self, node: ir.Call) -> Value:
        target = node.target
        if isinstance(target, ir.Member):
            holder = self.ev(target.target)
            held = (holder.fields or {}).get(target.name.lower())
            if held is not None and (held.function is not None or held.path):
                return self.call_value(held, [self.ev(one) for one in node.args], node)
            return self.invoke(holder, target.name, [self.ev(one) for one in node.args], node)
        if isinstance(target, ir.Name):
            return self.call_name(node, target)
        if isinstance(target, ir.Index) and len(target.args) == 1 and self.bracket_members:
            holder, key = self.ev(target.target), self.ev(target.args[0])
            if isinstance(key.const, str) and not holder.type.endswith("[]"):
                return self.invoke(holder, key.const, [self.ev(one) for one in node.args], node)
        value = self.ev(target)
        return self.call_value(value, [self.ev(one) for one in node.args], node)

    def call_name(self, node: ir.Call, target: ir.Name) -> Value:
        """`name(args)`: a variable that holds a function, a function of the page, or one of the platform."""
        held = self.lookup(target.id)
        arguments = [self.ev(one) for one in node.args]
        running = self.frame.function
        if self.caseless and running is not None and running.name.lower() == target.id.lower():
            return self.own(target.id.lower(), arguments, node) if target.id.lower() in self.functions else Value()
        if held is not None and not held.path and (held.function or held.known or held.fields or held.traces):
            return self.call_value(held, arguments, node)
        if target.id.lower() in self.functions:
            return self.own(target.id.lower(), arguments, node)
        name = held.path if held is not None and held.path else self.aliases.get(target.id.lower(), target.id)
        return self.invoke_path(name, arguments, node)

    def invoke_path(self, name: str, arguments: Sequence[Value], node: ir.Call) -> Value:
        """A function by its dotted name."""
        owner, _, method = name.rpartition(".")
        return self.invoke(Value(path=owner.lower()), method, arguments, node)

    def call_value(self, value: Value, arguments: Sequence[Value], node: ir.Call) -> Value:
        """Call what a variable or expression holds."""
        if value.function is not None:
            return self.apply_all(value.function, arguments, node)
        if value.path:
            return self.invoke_path(value.path, arguments, node)
        return self.called(value, arguments, node)

    def called(self, value: Value, arguments: Sequence[Value], node: ir.Call) -> Value:
        """A call of something that is no function known to us: an element, by VB's rules, or a delegate."""
        return self.element(value, arguments, node)

    def own(self, name: str, arguments: Sequence[Value], node: ir.Node | None = None) -> Value:
        """A function of the page; where several share the name, those with as many parameters."""
        candidates = self.functions[name]
        fitting = [one for one in candidates if len(one.params) == len(arguments)] or candidates
        return self.apply_all(tuple(fitting[:4]), arguments, node)

    def apply_all(self, functions: Any, arguments: Sequence[Value], node: ir.Node | None) -> Value:
        """One or several functions that are meant by a call; what they give back lands where it was passed from."""
        result: Value | None = None
        for function in functions if isinstance(functions, tuple) else (functions,):
            if not isinstance(function, ir.Function):
                continue
            if function.extern:
                result = joined(result, self.foreign(function, arguments, node or ir.Name(function.line, function.name)))
                continue
            result = joined(result, self.apply(function, arguments))
            if self.given_back and isinstance(node, ir.Call):
                self.give_back(self.given_back, node)
        return result or Value()

    def give_back(self, values: dict[int, Value], node: ir.Call) -> None:
        """Parameters passed by reference were assigned: the caller's variables change."""
        for position, value in list(values.items()):
            target = node.args[position] if position < len(node.args) else None
            while isinstance(target, ir.Op) and target.op == "ref" and target.items:
                target = target.items[0]
            if isinstance(target, ir.Name | ir.Member | ir.Index) and not (value.const is UNKNOWN and not value.traces):
                self.store(target, value)

    def foreign(self, function: ir.Function, arguments: Sequence[Value], node: ir.Node) -> Value:
        """A function outside .NET: the tables know it by its own name."""
        self.sink(Value(type="native"), function.extern, arguments, node)
        return Value(traces=self.gathered(arguments, function.name, node.line))

    def hand_over(self, holder: Value, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        """A method of an unknown object that is given functions (`Select`, `ForEach`, `Start`) calls them with what
        the object and the other arguments carry."""
        kept = (holder.fields or {}).get("?call")
        given = [one for one in arguments if one.function is not None]
        if kept is None and not given:
            return None
        traces = self.gathered([holder, *(one for one in arguments if one.function is None)], "each element", node.line)
        result: Value | None = None
        for one in (*given, *((kept,) if kept is not None else ())):
            for function in one.function if isinstance(one.function, tuple) else (one.function,):
                if isinstance(function, ir.Function) and (traces or function.name != "lambda"):
                    values = [self.handed(function, place, traces) for place in range(len(function.params))]
                    result = joined(result, self.apply(function, values))
        return result

    def handed(self, function: ir.Function, position: int, traces: tuple[Trace, ...]) -> Value:
        """What a called-back function gets: by its type, and what the caller's object carries."""
        value = self.parameter(function, position)
        value.traces = join_traces(value.traces, traces)
        return value

    def owners_of(self, value: Value) -> tuple[str, ...]:
        """Names under which the tables may know an object: its type, what it is called where it is static."""
        names = [value.type.removesuffix("[]"), short(value.path)]
        if value.type == "type" and isinstance(value.const, str):
            names.append(short(value.const.partition(",")[0]).lower())
        return tuple(name for name in names if name)

    def keys_of(self, holder: Value, method: str) -> Iterator[str]:
        """The tables' keys for a method of an object, the most telling first."""
        for owner in self.owners_of(holder):
            yield f"{owner}.{method}"
        if not holder.path and not holder.type:
            yield method if holder.const is UNKNOWN and not holder.traces else f"?.{method}"
        yield f"*.{method}"

    def invoke(self, holder: Value, name: str, arguments: Sequence[Value], node: ir.Node) -> Value:
        """A method of an object, or a function (holder without path, type and constant)."""
        method = name.lower()
        if holder.function is not None and method in _CALLERS:
            return self.apply_all(holder.function, arguments, node)
        if method in self.functions and self.is_own(holder):
            return self.own(method, arguments, node)
        special = self.special(holder, method, arguments, node)
        if special is not None:
            return special
        folded = self.folded(holder, method, arguments, node)
        if folded is not None:
            return folded
        known = self.sink(holder, method, arguments, node)
        if not known and method in self.functions:
            return self.of_some_object(holder, method, arguments, node)
        return self.outcome(holder, method, name, arguments, node)

    def of_some_object(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value:
        """A method that the page has, of an object nobody knows the class of: an interface, or an extension method."""
        extensions = tuple(one for one in self.functions[method] if one.extends)
        if extensions:
            return self.apply_all(extensions[:4], [holder, *arguments], node)
        fitting = any(len(one.params) == len(arguments) and one.owner for one in self.functions[method])
        found = self.own(method, arguments, node) if fitting and not holder.known else None
        return joined(found, self.outcome(holder, method, method, arguments, node))

    def is_own(self, holder: Value) -> bool:
        """Whether methods of the page can be meant."""
        if holder.known or (holder.traces and not holder.type):
            return False
        return (holder.path in _OWN and not holder.type) or holder.path in self.owners or holder.type in self.owners

    def special(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        """What the platform treats in a way of its own."""
        del holder, method, arguments, node  # nothing here; platforms do
        return None

    def sink(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> bool:
        """Record the call where the tables know it."""
        for key in self.keys_of(holder, method):
            for one in self.tables.sinks.get(key, ()):
                self.reach(one, holder, arguments, node)
                return True
        if not holder.path and not holder.type and self.statics:
            for owner in self.statics:
                for one in self.tables.sinks.get(f"{short(owner)}.{method}", ()):
                    self.reach(one, holder, arguments, node)
                    return True
        for owner in self.owners_of(holder):
            for one in self.tables.sinks.get(f"{owner}.*", ()):
                self.reach(one, holder, arguments, node)
                return True
        return False

    def reach(self, sink: Sink, holder: Value, arguments: Sequence[Value], node: ir.Node) -> None:
        roles: dict[str, Value] = {}
        for position, value in enumerate(arguments[:24]):
            role = sink.role(position)
            if role != "_":
                roles[role] = gathered_role(roles[role], value) if role in roles else value
        if holder.traces or holder.fields:
            roles["object"] = holder
            if "path" in (holder.fields or {}) and "path" not in roles:
                roles["path"] = holder.fields["path"]  # type: ignore[index]
        target = node.target if isinstance(node, ir.Call) else node
        self.event(sink.kind, spell(target) or sink.name, node.line, roles)
        self.reached(sink, roles, node)

    def reached(self, sink: Sink, roles: dict[str, Value], node: ir.Node) -> None:
        """After a sink was recorded: constant code is read itself."""

    def outcome(self, holder: Value, method: str, name: str, arguments: Sequence[Value], node: ir.Node) -> Value:
        """What an ordinary call gives back."""
        tables = self.tables
        keys = tuple(self.keys_of(holder, method))
        kind = next((tables.returns[key] for key in keys if key in tables.returns), "")
        if tables.has("converters", method) and not kind and len(arguments) <= 1:
            return numbered(arguments or [holder])
        if tables.has("numbers", method) and not kind:
            return number()
        if self.parses(holder, method, arguments):
            return number()
        if method in _CHARACTERS and any(NUMBER in one.marks and one.traces for one in arguments):
            return Value(traces=tuple(trace.through(name, node.line) for one in arguments for trace in one.traces)[:MAX_TRACES])
        if tables.has("fetchers", *keys):
            return Value(traces=(Trace("download", spell(node.target if isinstance(node, ir.Call) else node), node.line),))
        self.mutate(holder, method, arguments, node)
        called = self.hand_over(holder, arguments, node)
        traces = self.gathered([holder, *arguments], name, node.line)
        if not traces and tables.has("file_readers", *keys):
            traces = (Trace("file", name, node.line),)
        built = method in self.decoders or BUILT in holder.marks or any(BUILT in one.marks for one in arguments)
        result = Value(traces=traces, type=kind, marks=frozenset((BUILT,)) if built and not traces else frozenset())
        self.shape(result, holder, method, arguments, keys)
        if kind in ("streamwriter", "filestream", "fileinfo", "textfile", "handle") and arguments:
            result.fields = {"path": arguments[0]}
        elif kind in ("streamwriter", "filestream") and holder.fields and "path" in holder.fields:
            result.fields = {"path": holder.fields["path"]}
        return result if called is None or not called.traces else joined(called, result)

    def parses(self, holder: Value, method: str, arguments: Sequence[Value]) -> bool:
        """Whether the call turns text into a number, date or identifier; with a base it decodes."""
        tables = self.tables
        if not tables.has("parsers", method) or len(arguments) > 1:
            return False
        return method.startswith("to") or tables.has("parser_owners", *self.owners_of(holder))

    def shape(self, result: Value, holder: Value, method: str, arguments: Sequence[Value], keys: Sequence[str]) -> None:
        """Keep what is known of the form of a path."""
        if not result.traces:
            return
        marks = set(holder.marks - {NUMBER})
        if method in ("combine", "join") and len(arguments) > 1 and not arguments[0].traces:
            marks.add(ANCHORED)
            result.head = arguments[0].text or arguments[0].head or "?"
            marks |= {BASENAME} if all(not one.traces or BASENAME in one.marks for one in arguments) else set()
        elif self.tables.has("basenames", *keys):
            marks.add(BASENAME)
        elif arguments and not holder.traces:
            marks |= arguments[0].marks
            result.head, result.tail = arguments[0].head, arguments[0].tail
        elif holder.traces:
            result.head, result.tail = holder.head, holder.tail
        result.marks = frozenset(marks - {NUMBER})

    def mutate(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> None:
        """Objects that take in what they are given, and buffers that are filled."""
        if method in _FILLERS and holder.traces:
            for value in arguments[:2]:
                value.traces = join_traces(value.traces, tuple(t.through(method, node.line) for t in holder.traces))
                value.const = UNKNOWN
            return
        if holder.fields is None or short(holder.path) in _VOID or holder.type in _VOID:
            return
        traces = self.gathered(arguments, method, node.line)
        if isinstance(node, ir.Call) and holder.traces:
            refs = [place for place, one in enumerate(node.args) if isinstance(one, ir.Op) and one.op == "ref"]
            self.give_back({place: Value(traces=passed(holder, method, node.line)) for place in refs}, node)
        inner = holder.fields.get("?inner")
        for _depth in range(4):
            if inner is None or inner is holder or not traces:
                break
            inner.traces = join_traces(inner.traces, traces)
            inner = (inner.fields or {}).get("?inner")
        if traces:
            holder.traces = join_traces(holder.traces, traces)
            self.set_field(holder, "?" + method, Value(traces=traces))


def spell(node: ir.Node, limit: int = 6) -> str:
    """A call's target as the page spells it, shortened."""
    parts: list[str] = []
    while len(parts) < limit:
        if isinstance(node, ir.Member):
            parts.append(node.name)
            node = node.target
        elif isinstance(node, ir.Call | ir.Index):
            parts.append("()" if isinstance(node, ir.Call) else "[]")
            node = node.target
        elif isinstance(node, ir.Name):
            parts.append(node.id)
            break
        elif isinstance(node, ir.New):
            parts.append("new " + node.type)
            break
        else:
            break
    return ".".join(reversed(parts)).replace(".()", "()").replace(".[]", "[]")[:120]
