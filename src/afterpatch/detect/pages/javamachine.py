"""JSP: the request object, attributes, class loaders, reflection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.budget import Budget
from afterpatch.detect.pages.calls import CallMachine, spell
from afterpatch.detect.pages.catalogue import Catalogue
from afterpatch.detect.pages.dotnetnames import own_place
from afterpatch.detect.pages.fold import METHODS, Fold, as_int, decode_bytes, from_base64
from afterpatch.detect.pages.folding import short
from afterpatch.detect.pages.value import ANCHORED, MAPPED, NUMBER, Trace, Value, join_traces, number
from afterpatch.model import message

_IMPLICIT = {
    "request": "httpservletrequest",
    "session": "state",
    "application": "state",
    "pagecontext": "pagecontext",
    "response": "response",
    "out": "out",
}
_JAVA_METHODS: dict[str, Fold] = {
    **METHODS,
    "decode": lambda _o, a: bytearray(from_base64(a[0])),
    "decodebuffer": lambda _o, a: bytearray(from_base64(a[0])),
    "valueof": lambda _o, a: a[0] if isinstance(a[0], str) else str(a[0]),
    "parseint": lambda _o, a: int(str(a[0]), as_int(a[1])) if len(a) > 1 else as_int(a[0]),
    "getbytes": lambda o, _a: bytearray(decode_bytes(o).encode("utf-8", "replace")),
}


class JavaMachine(CallMachine):
    """The platform of JSP pages."""

    methods_table: dict[str, Fold] = _JAVA_METHODS
    functions_table: dict[str, Fold] = {}

    def __init__(
        self,
        tables: Catalogue,
        budget: Budget,
        read: Callable[[str, str], ir.Program],
        beans: Mapping[str, str] | None = None,
    ) -> None:
        """`beans`: names that `<jsp:useBean>` gives to objects, and their classes, in lower case."""
        super().__init__(tables, budget)
        self.read = read
        self.beans = beans or {}

    def name(self, node: ir.Name) -> Value:
        held = self.lookup(node.id)
        if held is not None:
            return held
        lower = node.id.lower()
        if lower in _IMPLICIT:
            kind = _IMPLICIT[lower]
            return self.state(lower) if kind == "state" else Value(type=kind, path=lower)
        if lower in self.beans:
            return self.globals.setdefault(self.key(node.id), Value(type=short(self.beans[lower]), fields={}))
        return Value(path=lower)

    def state(self, name: str) -> Value:
        found = self.globals.get("state:" + name)
        if found is None:
            found = self.globals["state:" + name] = Value(type="state", fields={})
        return found

    def member(self, node: ir.Node, target: Value, name: str) -> Value:
        lower = name.lower()
        if target.fields is not None and lower in target.fields:
            return target.fields[lower]
        if target.path in ("this", "super"):
            return self.lookup(name) or Value()
        if lower == "length" and (target.known or target.fields):
            if isinstance(target.const, str | bytes | bytearray):
                return Value(const=len(target.const))
            return number()
        if lower == "class" and target.path:
            return Value(const=target.path, type="class")
        if target.path and not target.traces:
            return Value(path=f"{target.path}.{lower}"[:200])
        return Value(traces=tuple(trace.through(name, node.line) for trace in target.traces))

    def is_own(self, holder: Value) -> bool:
        return super().is_own(holder) or holder.path == "super"

    def special(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        if self.tables.has("request_types", holder.type):
            return self.request_call(method, arguments, node)
        if method == "getrequest":
            return Value(type="httpservletrequest", path="request")
        if method == "getsession":
            return self.state("session")
        if method == "getservletcontext":
            return self.state("application")
        if holder.type == "state" or holder.type == "pagecontext":
            return self.state_call(holder, method, arguments, node)
        if method in ("getrealpath",):
            return self.real_path(arguments, node)
        is_named = bool(arguments and arguments[0].text and not arguments[0].traces)
        if method == "forname" and short(holder.path) == "class" and is_named:
            return Value(const=arguments[0].text, type="class")
        if method in ("getmethod", "getdeclaredmethod") and arguments:
            fields = {"owner": holder, "name": arguments[0]}
            return Value(type="method", fields=fields, traces=join_traces(holder.traces, arguments[0].traces))
        if method in ("findvirtual", "findstatic", "findspecial") and len(arguments) > 1:
            fields = {"owner": arguments[0], "name": arguments[1]}
            return Value(type="method", fields=fields, traces=join_traces(arguments[0].traces, arguments[1].traces))
        if method in ("invokeexact", "invokewitharguments", "bindto") and holder.type == "method" and holder.fields:
            return self.reflected(holder, arguments, node)
        if method == "invoke" and holder.type == "method" and holder.fields:
            return self.reflected(holder, arguments, node)
        if method == "invoke" and short(holder.path) == "methodutil" and arguments and arguments[0].type == "method":
            return self.reflected(arguments[0], arguments[1:], node)
        if (
            holder.type == "class"
            and method in ("newinstance", "getconstructor", "getdeclaredconstructor")
            and isinstance(holder.const, str)
        ):
            return Value(
                type=short(holder.const).lower() if method == "newinstance" else "constructor",
                fields={"of": holder},
                traces=holder.traces,
            )
        if holder.type == "constructor" and method == "newinstance" and holder.fields and "of" in holder.fields:
            named = holder.fields["of"].text
            if named:
                return self.construct(short(named).lower(), list(arguments), node)
        return None

    def request_call(self, method: str, arguments: Sequence[Value], node: ir.Node) -> Value:
        if method in ("getsession",):
            return self.state("session")
        if method in ("getattribute", "setattribute"):
            return self.state_call(self.state("request"), method, arguments, node) or Value()
        if method == "getrealpath":
            return self.real_path(arguments, node)
        if self.tables.has("request_safe", method):
            return own_place("own." + method) if "path" in method else Value(path="request." + method)
        key = f"({arguments[0].const!r})" if arguments and arguments[0].known else ""
        name = node.target.name if isinstance(node, ir.Call) and isinstance(node.target, ir.Member) else method
        kind = "upload-name" if method == "getsubmittedfilename" else "client"
        return Value(traces=(Trace(kind, f"request.{name}{key}"[:80], node.line),))

    @staticmethod
    def real_path(arguments: Sequence[Value], node: ir.Node) -> Value:
        """A path below the site."""
        first = arguments[0] if arguments else Value()
        if not first.traces:
            return own_place("own.path")
        traces = tuple(trace.through("getRealPath", node.line) for trace in first.traces)
        return Value(traces=traces, marks=first.marks | {MAPPED}, head=first.head, tail=first.tail)

    def state_call(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        if method in ("setattribute", "putvalue") and len(arguments) > 1:
            self.store_element(holder, arguments[:1], arguments[1], node)
            return Value()
        if method in ("getattribute", "getvalue"):
            return self.element(holder, arguments, node)
        if method == "getrealpath":
            return self.real_path(arguments, node)
        return Value(path=f"{holder.path or 'state'}.{method}") if holder.type == "state" else None

    def reflected(self, holder: Value, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        fields = holder.fields or {}
        owner, named = fields.get("owner", Value()), fields.get("name", Value())
        if named.text and not named.traces and not owner.traces:
            self.notes.add(message("page.note.reflection"))
            first = arguments[0] if arguments else Value()
            rest = list(arguments[1:])
            if len(rest) == 1 and rest[0].fields and rest[0].type.endswith("[]"):
                rest = list(rest[0].fields.values())
            target = (
                Value(path=owner.const.lower())
                if isinstance(owner.const, str)
                else (first if first.type or first.path else owner)
            )
            return self.invoke(target, named.text, rest, node)
        return None

    def new(self, node: ir.New) -> Value:
        arguments = [self.ev(one) for one in node.args]
        if node.type.endswith("[]"):
            items = [self.ev(item) for item in node.inits[:60000]]
            numbers = [one.const for one in items]
            if node.type == "byte[]" and numbers and all(isinstance(one, int) for one in numbers):
                return Value(const=bytearray(int(one) & 0xFF for one in numbers), type="byte[]")
            return Value(type=node.type, fields={str(position): item for position, item in enumerate(items[:4000])})
        return self.construct(node.type, arguments, node)

    def construct(self, kind: str, arguments: Sequence[Value], node: ir.Node) -> Value:
        """A new object."""
        first = arguments[0] if arguments else Value()
        if kind in ("stringbuilder", "stringbuffer"):
            known = isinstance(first.const, str)
            return Value(
                const=first.const if known else "", type=kind, fields={}, traces=first.traces if NUMBER not in first.marks else ()
            )
        if kind == "string" and arguments:
            if first.known and not first.traces:
                if isinstance(first.const, bytes | bytearray):
                    self.look_for_program(decode_bytes(first.const[:4000]))
                return Value(const=decode_bytes(first.const) if isinstance(first.const, bytes | bytearray) else first.const)
            return Value(
                traces=tuple(t.through("new String", node.line) for t in first.traces),
                marks=first.marks,
                head=first.head,
                tail=first.tail,
            )
        if kind in ("expression", "statement") and len(arguments) > 2 and arguments[1].text and not arguments[1].traces:
            rest = list((arguments[2].fields or {}).values()) or [arguments[2]]
            return self.invoke(arguments[0], arguments[1].text, rest, node)
        value = Value(type=kind, fields={}, traces=self.gathered(arguments, "new " + kind, node.line))
        if (
            kind
            in ("file", "fileoutputstream", "filewriter", "fileinputstream", "printwriter", "randomaccessfile", "bufferedwriter")
            and value.fields is not None
        ):
            value.fields["path"] = self.path_of(arguments)
            value.marks, value.head = value.fields["path"].marks, value.fields["path"].head
        if kind in self.owners:
            for function in self.functions.get(kind, [])[:3]:
                if function.owner.lower() == kind:
                    self.apply(function, arguments)
        for sink in self.tables.sinks.get("new " + kind, ()):
            if sink.kind.startswith("file"):
                roles = {"path": (value.fields or {}).get("path", first)}
                if len(arguments) > 1 and len(sink.roles) > 1:
                    roles[sink.roles[1]] = arguments[1]
                if roles["path"].known or roles["path"].traces or roles["path"].marks:
                    self.event(sink.kind, "new " + kind, node.line, roles)
            else:
                self.reach(sink, Value(), arguments, node)
        return value

    def path_of(self, arguments: Sequence[Value]) -> Value:
        """`new File(parent, child)`: the folder fixed, the name perhaps not."""
        first = arguments[0] if arguments else Value()
        inner = (first.fields or {}).get("path", first)
        if len(arguments) > 1 and arguments[1].traces:
            anchored = not inner.traces
            return Value(
                traces=join_traces(inner.traces, arguments[1].traces),
                marks=frozenset((ANCHORED,)) if anchored else frozenset(),
                head=(inner.text or inner.head or "?") if anchored else "",
            )
        return inner

    def parameter(self, function: ir.Function, position: int) -> Value:
        kind = function.types[position] if position < len(function.types) else ""
        if function.name.lower() == "onmessage" and kind in ("string", "byte[]", "bytebuffer", ""):
            return Value(traces=(Trace("client", "message of a web socket", function.line),))
        return Value(type=kind)

    def opaque(self, node: ir.Opaque) -> Value:
        if "request" in node.text.lower():
            return Value(traces=(Trace("client", "request (in code too deep to read)", node.line),))
        return Value()

    def called(self, value: Value, arguments: Sequence[Value], node: ir.Call) -> Value:
        return Value(traces=self.gathered([value, *arguments], spell(node.target), node.line))
