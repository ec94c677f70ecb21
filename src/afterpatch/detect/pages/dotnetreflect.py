"""Methods and types by their names in strings."""

from __future__ import annotations

from collections.abc import Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.dotnetobjects import DotNetObjects
from afterpatch.detect.pages.folding import short
from afterpatch.detect.pages.value import Value, join_traces
from afterpatch.model import message

_PROPERTY_GETTERS = frozenset(("getmethod", "getmethods", "getconstructor", "getconstructors", "getproperty", "getfield"))


class DotNetReflection(DotNetObjects):
    """Reflection, delegates, late binding."""

    def reflection(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        if method in ("gettype", "gettypefromprogid", "gettypefromclsid") and arguments and arguments[0].text:
            named = arguments[0].text if method == "gettype" else "com:" + self.com_type(arguments[0].text)
            return Value(const=named, type="type", traces=join_traces(holder.traces, arguments[0].traces))
        if method in _PROPERTY_GETTERS:
            traces = self.gathered([holder, *arguments], method, node.line)
            kind = self.tables.returns.get("*." + method, "")
            fields = {"owner": holder, **({"name": arguments[0]} if arguments else {})}
            return Value(type=kind, traces=traces, fields=fields)
        if method == "invoke" and holder.type in ("methodinfo", "constructorinfo") and holder.fields:
            return self.invoke_member(holder, arguments, node)
        if method == "createdelegate" and (made := self.made_delegate(holder, arguments)) is not None:
            return made
        if method == "invokemember" and len(arguments) >= 4:
            return self.late_bound(holder, arguments[0], arguments[3], arguments[4:5], node)
        if method == "callbyname" and len(arguments) >= 2:
            return self.late_bound(arguments[0], arguments[1], arguments[0], arguments[3:], node)
        if method == "createinstance" and short(holder.path) == "activator" and arguments and arguments[0].type == "type":
            spelled = arguments[0].text
            if spelled and not arguments[0].traces:
                rest = self.unpacked(arguments[1:2]) or list(arguments[1:])
                kind = spelled[4:] if spelled.startswith("com:") else short(spelled.partition(",")[0]).lower()
                return self.construct(kind, rest, node, Value())
        return None

    def made_delegate(self, holder: Value, arguments: Sequence[Value]) -> Value | None:
        """A delegate of a method that is named: calling it is calling the method."""
        for one in (holder, *arguments):
            fields = one.fields or {}
            owner, named = fields.get("owner"), fields.get("name")
            if one.type == "methodinfo" and owner is not None and named is not None and named.text and owner.text:
                return Value(path=f"{self.type_path(owner.text)}.{named.text.lower()}")
        return None

    def invoke_member(self, holder: Value, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        fields = holder.fields or {}
        owner, named = fields.get("owner", Value()), fields.get("name", Value())
        if owner.type == "type" and isinstance(owner.const, str) and named.text and not holder.traces:
            self.notes.add(message("page.note.reflection"))
            target = Value(path=self.type_path(owner.const))
            return self.invoke(target, named.text, self.unpacked(arguments[1:2]) or list(arguments[1:]), node)
        if owner.type == "type" and isinstance(owner.const, str) and not named.text and arguments:
            self.any_method(self.type_path(owner.const), self.unpacked(arguments[-1:]) or list(arguments[1:]), node)
        return None

    def any_method(self, owner: str, arguments: Sequence[Value], node: ir.Node) -> None:
        """A method of a known type that is picked while the page runs: any of the type's that the tables know."""
        start = short(owner) + "."
        for key, sinks in self.tables.sinks.items():
            if key.startswith(start) and any(one.all_traces() for one in arguments):
                self.reach(sinks[0], Value(), arguments, node)
                return

    def late_bound(self, holder: Value, named: Value, target: Value, rest: Sequence[Value], node: ir.Node) -> Value | None:
        if not named.text or named.traces:
            return None
        self.notes.add(message("page.note.reflection"))
        actual = target if (target.type or target.path) else holder
        if holder.type == "type" and isinstance(holder.const, str):
            com = holder.const.startswith("com:")
            actual = Value(
                type=holder.const[4:] if com else "",
                path="" if com else self.type_path(holder.const),
                fields=target.fields,
                traces=target.traces,
            )
        return self.invoke(actual, named.text, self.unpacked(rest) or list(rest), node)
