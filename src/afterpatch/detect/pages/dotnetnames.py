"""What names, members and elements are on ASP and ASP.NET pages: the request, controls, session state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.budget import Budget
from afterpatch.detect.pages.calls import CallMachine, spell
from afterpatch.detect.pages.catalogue import Catalogue
from afterpatch.detect.pages.operators import combine
from afterpatch.detect.pages.value import ANCHORED, NUMBER, Trace, Value, number

CodeReader = Callable[[str, str], ir.Program]
OWN_MEMBERS = frozenset(("appdomainapppath", "basedirectory", "applicationphysicalpath"))


class DotNetNames(CallMachine):
    """Names, members, elements, properties."""

    def __init__(
        self,
        tables: Catalogue,
        budget: Budget,
        read: CodeReader,
        controls: Mapping[str, str] | None = None,
        objects: Mapping[str, str] | None = None,
        languages: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(tables, budget)
        self.read = read
        self.controls = controls or {}
        self.objects = objects or {}
        self.languages = languages
        self.caseless = bool(languages & {"vb", "vbscript"})

    def name(self, node: ir.Name) -> Value:
        held = self.lookup(node.id)
        if held is not None:
            return held
        lower = node.id.lower()
        if lower in self.aliases:
            return Value(path=self.aliases[lower])
        if "jscript" in self.languages and lower == "string" and node.id == "string":
            return Value(path=lower)
        if self.tables.has("request_names", lower):
            return Value(type="httprequest", path=lower)
        if self.tables.has("stores", lower):
            return self.state(lower)
        if lower in self.objects:
            return Value(type=self.com_type(self.objects[lower]), path=lower, fields={})
        if lower in self.controls:
            return Value(type=self.controls[lower].rpartition(":")[2], path="control:" + lower)
        if "property:" + lower in self.functions:
            return self.own("property:" + lower, [])
        if self.caseless and lower in self.functions and not self.functions[lower][0].params:
            return self.own(lower, [])
        if lower in self.functions:
            return Value(function=self.functions[lower][0])
        return Value(path=lower)

    def state(self, name: str) -> Value:
        """Session, application, cache: what is put in can be taken out in another request."""
        found = self.globals.get("state:" + name)
        if found is None:
            found = self.globals["state:" + name] = Value(type="state", fields={})
        return found

    def com_type(self, identifier: str) -> str:
        """A programmatic or class id as a type: the tables know both."""
        bare = identifier.lower().removeprefix("clsid:").strip("{} ")
        known = self.tables.raw.get("class_ids", {})
        return str(known.get(bare, bare))

    def parameter(self, function: ir.Function, position: int) -> Value:
        kind = function.types[position] if position < len(function.types) else ""
        if function.marks & {"webmethod", "operationcontract", "scriptmethod", "webinvoke", "webget", "ajaxmethod"}:
            source = f"parameter {function.params[position]} of web method {function.name}"
            value = Value(traces=(Trace("client", source, function.line),), type=kind)
            return self.typed(value, kind)
        return super().parameter(function, position)

    def member(self, node: ir.Node, target: Value, name: str) -> Value:
        lower = name.lower()
        if target.fields is not None and lower in target.fields:
            return target.fields[lower]
        if target.path in ("this", "me", "base", "mybase"):
            return self.name(ir.Name(node.line, name))
        if self.is_request(target):
            return self.request_member(node, target, lower, name)
        if self.tables.has("request_names", lower) and target.type != "webclient":
            return Value(type="httprequest", path=lower)
        if self.tables.has("stores", lower) and (target.path or target.type in ("httpcontext", "page", "")) and not target.traces:
            return self.state(lower)
        if target.path.startswith("control:") and self.tables.has("control_members", lower):
            return self.control_member(node, target, lower)
        if target.path in self.owners and self.lookup(name) is not None:
            return self.lookup(name) or Value()
        return self.plain_member(node, target, lower, name)

    def is_request(self, value: Value) -> bool:
        """Whether a value is the request object."""
        return self.tables.has("request_types", value.type)

    def request_member(self, node: ir.Node, target: Value, lower: str, name: str) -> Value:
        if self.tables.has("request_safe", lower):
            return own_place("request." + lower) if "path" in lower else Value(path="request." + lower)
        if self.tables.has("request_names", lower):
            return target
        kind = "httpfile" if self.tables.has("request_files", lower) else "requestdata"
        return Value(type=kind, traces=(Trace("client", f"Request.{name}", node.line),))

    def control_member(self, node: ir.Node, target: Value, lower: str) -> Value:
        if self.tables.has("numbers", lower) or not self.tables.has("controls", target.type):
            return Value(path=target.path + "." + lower)
        identifier = target.path.removeprefix("control:")
        upload = self.tables.has("upload_controls", target.type) and lower == "filename"
        trace = Trace("upload-name" if upload else "client", f"control {identifier}.{lower}", node.line)
        kind = "httpfile" if lower in ("postedfile", "filecontent", "filebytes") else ""
        return Value(type=kind, traces=(trace,))

    def plain_member(self, node: ir.Node, target: Value, lower: str, name: str) -> Value:
        if lower in ("length", "count") and (target.known or target.type == "array" or target.type.endswith("[]")):
            size = self.size(target)
            if size is not None:
                return Value(const=size)
        if target.type == "httpfile" and lower == "filename":
            traces = tuple(Trace("upload-name", t.source + ".FileName", node.line, t.steps) for t in target.traces)
            return Value(traces=traces)
        if self.tables.has("numbers", lower) and (target.traces or target.known):
            return number()
        keys = tuple(self.keys_of(target, lower))
        for key in (*keys, *(f"{owner}.*" for owner in self.owners_of(target))):
            for sink in self.tables.sinks.get(key, ()) if not key.startswith("?") else ():
                if sink.kind in ("secrets", "environment"):
                    self.event(sink.kind, spell(node), node.line, {"data": target})
        kind = next((self.tables.returns[key] for key in keys if key in self.tables.returns), "")
        if self.tables.has("fetchers", *keys):
            return Value(traces=(Trace("download", spell(node), node.line),))
        if self.tables.has("file_readers", *keys) and not target.traces:
            return Value(traces=(Trace("file", spell(node), node.line),))
        if lower in OWN_MEMBERS:
            return own_place(f"own.{lower}")
        path = f"{target.path}.{lower}" if target.path else ""
        if kind and target.fields is not None:  # a part of the object: what is set on it stays
            part = Value(type=kind, traces=target.traces, fields={})
            target.fields[lower] = part
            return part
        if path and len(path) < 200 and not target.traces and not target.type:
            return Value(path=path, type=kind)
        traces = () if NUMBER in target.marks else tuple(t.through(name, node.line) for t in target.traces)
        return Value(type=kind, traces=traces, marks=target.marks - {NUMBER}, head=target.head)

    def size(self, value: Value) -> int | None:
        """Length of a constant or array."""
        if isinstance(value.const, str | bytes | bytearray):
            return len(value.const)
        if value.fields is not None and not value.traces and value.type != "state":
            return len(value.fields)
        return None

    def element(self, holder: Value, keys: Sequence[Value], node: ir.Node) -> Value:
        own = self.element_of_this(holder, keys)
        if own is not None:
            return own
        if self.is_request(holder):
            key = keys[0].const if keys and keys[0].known else "..."
            return Value(type="requestdata", traces=(Trace("client", f"Request[{key!r}]"[:80], node.line),))
        if holder.type == "requestdata" and keys:
            label = keys[0].text
            if (
                label
                and self.tables.has("request_safe_keys", label.lower())
                and "ServerVariables" in "".join(trace.source for trace in holder.traces)
            ):
                return (
                    own_place("request.safe")
                    if "path" in label.lower() or "script" in label.lower()
                    else Value(path="request.safe")
                )
            if label is not None and holder.traces and not holder.traces[0].steps and not holder.fields:
                first = holder.traces[0]
                named = Trace(first.kind, f"{first.source}[{label!r}]"[:80], node.line)
                return Value(type="requestdata", traces=(named, *holder.traces[1:]))
            return Value(type="requestdata", traces=super().element(holder, keys, node).traces)
        if holder.type == "methodinfo" and holder.fields:
            return holder
        if self.tables.has("rows", holder.type) and not holder.traces:
            label = keys[0].text if keys else None
            return Value(traces=(Trace("database", f"column {label or '...'}"[:80], node.line),))
        if holder.type == "httpfile":
            return Value(type="httpfile", traces=super().element(holder, keys, node).traces)
        return super().element(holder, keys, node)

    def element_of_this(self, holder: Value, keys: Sequence[Value]) -> Value | None:
        """JScript: `this["eval"]` is eval, and the constructor of a function makes functions out of text."""
        named = keys[0].text if keys else None
        if named is None or "jscript" not in self.languages:
            return None
        if holder.path in ("this", "window", "globalthis") and not holder.type:
            return self.name(ir.Name(0, named))
        if named == "constructor":
            return Value(path="function" if holder.path == "constructor" else "constructor")
        return None

    def called(self, value: Value, arguments: Sequence[Value], node: ir.Call) -> Value:
        if self.is_request(value) or value.type in ("requestdata", "state", "array", "httpfile") or value.type.endswith("[]"):
            return self.element(value, arguments, node)
        if value.known and arguments and isinstance(value.const, str | bytearray):
            return self.element(value, arguments, node)
        if value.type in ("methodinfo", "delegate", "func", "action"):
            self.event(
                "reflection", spell(node.target), node.line, {"object": value, **({"data": arguments[0]} if arguments else {})}
            )
        return Value(traces=self.gathered([value, *arguments], spell(node.target), node.line))

    def own_member(self, target: ir.Member, value: Value) -> None:
        super().own_member(target, value)
        self.set_property(target.name, value)

    def store_name(self, name: str, value: Value) -> None:
        super().store_name(name, value)
        self.set_property(name, value)

    def set_property(self, name: str, value: Value) -> None:
        """A property of the page's own: its setter runs."""
        if value.traces and "set:" + name.lower() in self.functions:
            self.own("set:" + name.lower(), [value])

    def assigned(self, target: ir.Member, holder: Value, value: Value) -> None:
        method = target.name.lower()
        for key in self.keys_of(holder, method):
            for sink in self.tables.assigned.get(key, ()):
                role = sink.roles[0] if sink.roles else "data"
                self.event(sink.kind, spell(target), target.line, {role: value})
                return

    def operator(self, node: ir.Op) -> Value:
        if node.op == "&concat" and "vbscript" in self.languages:
            values = [self.ev(item) for item in node.items]
            filled = [Value(const="") if self.is_empty(one, item) else one for one, item in zip(values, node.items, strict=True)]
            return combine(node.op, filled, node.line, self.budget)
        return super().operator(node)

    def is_empty(self, value: Value, node: ir.Node) -> bool:
        """A variable that was never given anything: VBScript takes it for empty text."""
        plain = isinstance(node, ir.Name) and not value.known and not value.traces and not value.type and not value.fields
        return plain and not value.marks and value.path in ("", node.id.lower() if isinstance(node, ir.Name) else "")

    def opaque(self, node: ir.Opaque) -> Value:
        lowered = node.text.lower()
        if any(f"{name}" in lowered for name in self.tables.sets.get("request_names", ())):
            return Value(traces=(Trace("client", "Request (in code too deep to read)", node.line),))
        return Value()

    def unpacked(self, arguments: Sequence[Value]) -> list[Value]:
        """The elements of an argument array."""
        if arguments and arguments[0].fields and (arguments[0].type == "array" or arguments[0].type.endswith("[]")):
            return list(arguments[0].fields.values())
        return []

    @staticmethod
    def type_path(named: str) -> str:
        """A type's name in a string as a dotted path."""
        return named.partition(",")[0].removeprefix("com:").lower()


def own_place(path: str) -> Value:
    """A path of the page or site itself: fixed, and in a folder that is served."""
    return Value(path=path, marks=frozenset((ANCHORED,)), head="./")
