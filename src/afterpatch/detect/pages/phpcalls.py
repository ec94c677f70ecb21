"""PHP's calls by names that are values: variable functions, callbacks as arrays, objects that can be called."""

from __future__ import annotations

import re
from collections.abc import Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.calls import spell
from afterpatch.detect.pages.phpfold import DECODERS
from afterpatch.detect.pages.phpnames import PhpNames
from afterpatch.detect.pages.scope import joined
from afterpatch.detect.pages.value import (
    BITS,
    BUILT,
    DECODED,
    SPELLED,
    Trace,
    Value,
)
from afterpatch.model import message


class PhpCalls(PhpNames):
    """Calls whose function is a value."""

    def call(self, node: ir.Call) -> Value:
        if len(node.args) == 1 and isinstance(node.args[0], ir.Op) and node.args[0].op == "callable":
            return self.ev(node.target)  # `f(...)`: the function itself
        target = node.target
        if isinstance(target, ir.Index) and len(target.args) == 1 and {"__call", "__callstatic"} & self.functions.keys():
            holder = self.ev(target.target)
            if holder.type in self.owners or holder.path in self.owners:
                return self.any_method_of(self.ev(target.args[0]), [self.ev(one) for one in node.args], node)
        return super().call(node)

    def any_method_of(self, name: Value, arguments: Sequence[Value], node: ir.Call) -> Value:
        """`$object->$name(...)` of a class that takes any name."""
        given = Value(type="array", fields={str(place): one for place, one in enumerate(arguments)})
        method = "__call" if "__call" in self.functions else "__callstatic"
        return self.own(method, [name, given], node)

    def call_name(self, node: ir.Call, target: ir.Name) -> Value:
        lower = target.id.lower()
        lower = self.aliases.get(lower, lower)
        if lower.startswith("$"):
            value = self.name(target)
            return self.call_value(value, [self.ev(one) for one in node.args], node)
        special = self.language_call(lower, node)
        if special is not None:
            return special
        arguments = self.spread([self.ev(one) for one in node.args], node)
        if lower in self.functions:
            return self.own(lower, arguments, node)
        return self.invoke(Value(), target.id if lower == target.id.lower() else lower, arguments, node)

    @staticmethod
    def spread(arguments: list[Value], node: ir.Call) -> list[Value]:
        """`f(...$a)`: an array's elements in the places of arguments, whatever it holds where nobody knows them."""
        if not node.args or not isinstance(node.args[-1], ir.Op) or node.args[-1].op != "spread":
            return arguments
        last = arguments[-1]
        if last.fields and last.type == "array":
            return [*arguments[:-1], *last.fields.values()]
        return [*arguments[:-1], *([last] * 4)]

    def is_own(self, holder: Value) -> bool:
        return holder.path in self.owners or super().is_own(holder)

    def language_call(self, lower: str, node: ir.Call) -> Value | None:
        """Calls that work on names: variable variables, global, define, extract."""
        if lower == "__variable":
            return self.by_name(self.ev(node.args[0]) if node.args else Value(), node)
        if lower == "__global":
            self.frame.declared_global |= {
                one.value for one in node.args if isinstance(one, ir.Lit) and isinstance(one.value, str)
            }
            return Value()
        if lower in ("extract", "parse_str", "mb_parse_str", "import_request_variables"):
            for one in node.args:
                traces = self.ev(one).all_traces()
                if traces:
                    self.all_tainted = traces[0].through(lower, node.line)
            if lower == "import_request_variables":
                self.all_tainted = Trace("client", "import_request_variables", node.line)
            if lower == "parse_str" and len(node.args) > 1:
                self.store(node.args[1], Value(traces=self.ev(node.args[0]).traces))
            return Value()
        if lower == "define" and len(node.args) > 1:
            named = self.ev(node.args[0]).text
            if named and len(self.globals) < 4000:
                self.globals["const:" + named.lower()] = self.ev(node.args[1])
            return Value()
        return None

    def called(self, value: Value, arguments: Sequence[Value], node: ir.Call) -> Value:
        """`$f(...)`: a function by its name in a variable."""
        return self.dynamic(value, arguments, node, spell(node.target) or "$f")

    def call_value(self, value: Value, arguments: Sequence[Value], node: ir.Call) -> Value:
        if isinstance(value.function, ir.Function):
            return self.apply(value.function, arguments)
        if value.path and not value.known and value.path != "$this":
            return self.invoke_path(value.path, arguments, node)
        return self.called(value, arguments, node)

    def dynamic(self, value: Value, arguments: Sequence[Value], node: ir.Node, call: str) -> Value:
        if isinstance(value.function, ir.Function):
            return self.apply(value.function, arguments)
        if value.type == "choice":
            result: Value | None = None
            for one in (value.fields or {}).values():
                result = joined(result, self.dynamic(one, arguments, node, call))
            return result or Value()
        named = self.method_pair(value)
        if named is not None:
            return self.own(named, arguments)
        if value.type in self.owners and "__invoke" in self.functions:
            return self.own("__invoke", arguments)
        if value.path == "$this" and "__invoke" in self.functions:
            return self.own("__invoke", arguments)
        text = value.text
        if text is not None and not value.traces:
            name = text.rpartition("::")[2].lstrip("\\").strip()
            if name.lower() in self.functions:
                return self.own(name.lower(), arguments, node)
            if re.fullmatch(r"\w{1,80}", name):
                if BITS in value.marks or self.hides(value, name.lower()):
                    self.event("hidden-call", name, node.line, {"callable": value})
                self.notes.add(message("page.note.by-name"))
                return self.invoke(Value(), name, arguments, node)
        data = arguments[0] if arguments else Value()
        for one in arguments[1:6]:
            data = joined(data, one)
        if value.traces or BUILT in value.marks:
            self.event("dynamic-call", call, node.line, {"callable": value, "data": data})
        return Value(traces=self.gathered([value, *arguments], call, node.line))

    def hides(self, value: Value, name: str) -> bool:
        """Whether a function's name came out of a decoder or single characters, and it is one worth hiding, or not
        the only one."""
        if not {SPELLED, DECODED} & value.marks:
            return False
        self.hidden_names.add(name)
        return name in DECODERS or name in self.tables.sinks or len(self.hidden_names) >= 3

    def method_pair(self, value: Value) -> str | None:
        """`array($object, "method")` as a callable: the method, where the page has it."""
        fields = list((value.fields or {}).values())
        if value.type != "array" or len(fields) != 2:
            return None
        name = (fields[1].text or "").lower()
        return name if name in self.functions else None

    def undeclared(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        """`A::x(...)`, `$a->x(...)` of a class that takes any name: __call and __callStatic."""
        if method in self.functions or not (holder.path in self.owners or holder.type in self.owners):
            return None
        for name in ("__callstatic", "__call"):
            if name in self.functions:
                given = Value(type="array", fields={str(place): one for place, one in enumerate(arguments)})
                spelled = node.target.name if isinstance(node, ir.Call) and isinstance(node.target, ir.Member) else method
                return self.own(name, [Value(const=spelled), given], node)
        return None

    def unpacked(self, arguments: Sequence[Value]) -> list[Value]:
        """The elements of an argument array, or the arguments."""
        if arguments and arguments[0].fields and arguments[0].type == "array":
            return list(arguments[0].fields.values())
        return list(arguments)

    def reflected_method(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        """ReflectionMethod: its closure, or the call itself."""
        fields = holder.fields or {}
        if method == "getclosure":
            return Value(type="reflectionmethod", fields={**fields, "object": arguments[0] if arguments else Value()})
        if method not in ("invoke", "invokeargs", "__invoke", "call"):
            return None
        target, rest = fields.get("object"), list(arguments)
        if target is None and rest:
            target, rest = rest[0], rest[1:]
        name = fields.get("name", Value())
        if name.text is None or name.traces:
            return self.dynamic(name, rest, node, "ReflectionMethod." + method)
        return self.invoke(target or Value(), name.text, self.unpacked(rest) if method == "invokeargs" else rest, node)
