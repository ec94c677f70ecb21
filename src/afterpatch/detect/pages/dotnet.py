"""C#, VB.NET, JScript and classic ASP: the request object, controls, session state, reflection, COM objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.budget import Budget
from afterpatch.detect.pages.calls import CallMachine, short, spell
from afterpatch.detect.pages.catalogue import Catalogue, Sink
from afterpatch.detect.pages.value import ANCHORED, MAPPED, NUMBER, UNKNOWN, Trace, Value, join_traces, number

CodeReader = Callable[[str, str], ir.Program]
_CODE_LANGUAGE = {"eval": "jscript", "function": "jscript", "execute": "vbscript", "executeglobal": "vbscript",
    "executestatement": "vbscript", "addcode": "vbscript", "compileassemblyfromsource": "csharp"}  # fmt: skip
_SOURCE_CALLS = frozenset(
    ("binaryread", "saveas", "item", "get", "getvalues", "getinputstream", "getbufferedinputstream", "getbufferlessinputstream")
)
_PROPERTY_GETTERS = frozenset(("getmethod", "getmethods", "getconstructor", "getconstructors", "getproperty", "getfield"))


OWN_FOLDERS = frozenset(("", ".", "./", "/", "\\", "~", "~/", "~\\", ".\\"))
OWN_MEMBERS = frozenset(("appdomainapppath", "basedirectory", "applicationphysicalpath"))


def own_place(path: str) -> Value:
    """A path of the page or site itself: fixed, and in a folder that is served."""
    return Value(path=path, marks=frozenset((ANCHORED,)), head="./")


class DotNetMachine(CallMachine):
    """The platform of ASP and ASP.NET pages."""

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

    # --- names --------------------------------------------------------------------------------------------------

    def name(self, node: ir.Name) -> Value:
        held = self.lookup(node.id)
        if held is not None:
            return held
        lower = node.id.lower()
        if lower in self.aliases:
            return Value(path=self.aliases[lower])
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

    # --- members ------------------------------------------------------------------------------------------------

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
        if lower in OWN_MEMBERS:
            return own_place(f"own.{lower}")
        path = f"{target.path}.{lower}" if target.path else ""
        if kind and target.fields is not None:  # a part of the object: what is set on it stays
            part = Value(type=kind, traces=target.traces, fields={})
            target.fields[lower] = part
            return part
        if path and len(path) < 200 and not target.traces and not target.type:
            return Value(path=path, type=kind)
        traces = tuple(t.through(name, node.line) for t in target.traces)
        return Value(type=kind, traces=traces, marks=target.marks - {NUMBER}, head=target.head)

    def size(self, value: Value) -> int | None:
        """Length of a constant or array."""
        if isinstance(value.const, str | bytes | bytearray):
            return len(value.const)
        if value.fields is not None and not value.traces and value.type != "state":
            return len(value.fields)
        return None

    # --- calls --------------------------------------------------------------------------------------------------

    def element(self, holder: Value, keys: Sequence[Value], node: ir.Node) -> Value:
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
            return Value(type="requestdata", traces=super().element(holder, keys, node).traces)
        if holder.type == "httpfile":
            return Value(type="httpfile", traces=super().element(holder, keys, node).traces)
        return super().element(holder, keys, node)

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

    def call_name(self, node: ir.Call, target: ir.Name) -> Value:
        lower = target.id.lower()
        if self.lookup(target.id) is None and (self.tables.has("request_names", lower) or self.tables.has("stores", lower)):
            return self.element(self.name(target), [self.ev(one) for one in node.args], node)
        return super().call_name(node, target)

    def special(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        if self.is_request(holder):
            return self.request_call(holder, method, arguments, node)
        if self.tables.has("request_names", method) and arguments and not holder.known:
            return self.element(Value(type="httprequest"), arguments, node)
        if self.tables.has("stores", method) and arguments and not holder.known and not holder.traces and holder.type != "state":
            return self.element(self.state(method), arguments, node)
        if holder.type == "state":
            return self.state_call(holder, method, arguments, node)
        if method in ("createobject", "getobject") or (method == "activexobject"):
            return self.create(arguments, node)
        if method in ("eval", "function") and not holder.type and (holder.path in ("", "this", "window", "globalthis")):
            return self.evaluate(method, arguments, node)
        if method == "mappath":
            return self.map_path(arguments, node)
        return self.reflection(holder, method, arguments, node)

    def request_call(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        if method == "mappath":
            return self.map_path(arguments, node)
        if self.tables.has("request_safe", method) and method != "saveas":
            return Value(path="request." + method)
        if method in ("getrequeststream", "getresponse", "setrequestheader"):
            return None
        collection = self.request_member(node, holder, method, method)
        return self.element(collection, arguments, node) if arguments else collection

    def map_path(self, arguments: Sequence[Value], node: ir.Node) -> Value:
        """A path below the site: fixed text stays fixed text."""
        if not arguments:
            return Value(const="")
        first = arguments[0]
        if first.known and not first.traces:
            text = first.text
            return own_place("path.fixed") if text is not None and text.strip() in OWN_FOLDERS else Value(const=first.const)
        traces = tuple(trace.through("MapPath", node.line) for trace in first.traces)
        return Value(
            traces=traces, marks=first.marks | {MAPPED}, head=first.head, tail=first.tail, path="" if traces else "path.fixed"
        )

    def state_call(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value:
        if method in ("add", "insert", "set", "setvalue") and len(arguments) > 1:
            self.store_element(holder, arguments[:1], arguments[1], node)
            return Value()
        return self.element(holder, arguments, node)

    def create(self, arguments: Sequence[Value], node: ir.Node) -> Value:
        """CreateObject, GetObject, ActiveXObject: a COM object by name."""
        first = arguments[0] if arguments else Value()
        identifier = first.text
        if identifier is None:
            kind = "com:unknown"
            if first.all_traces():
                self.event("reflection", "CreateObject", node.line, {"type": first})
        else:
            kind = self.com_type(identifier)
            if kind.startswith("script:"):
                self.event("code-execution", "GetObject", node.line, {"code": first})
            if kind.startswith("iis://"):
                self.event("secrets", "GetObject IIS", node.line, {"data": first})
            if kind.startswith("winmgmts"):
                kind = "winmgmts"
        return Value(type=kind, fields={}, traces=first.traces)

    def evaluate(self, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        """JScript's and VBScript's eval; ASP.NET's data-binding Eval("Name") in C# and VB is another thing."""
        if not self.languages & {"jscript", "vbscript"} or not arguments:
            return None if method == "function" else Value(path="databinding")
        code = arguments[-1] if method == "function" else arguments[0]
        self.event("code-execution", method, node.line, {"code": code})
        text = code.text
        if text is not None and not code.traces:
            return self.nested_code(text, "jscript" if "jscript" in self.languages else "vbscript")
        return Value(traces=code.traces)

    def nested_code(self, text: str, language: str) -> Value:
        """Read and run code that was a constant; gives its last value."""
        if self.budget.layers <= 0 or not self.budget.step(50):
            self.budget.exhausted("layers")
            return Value()
        self.budget.layers -= 1
        try:
            self.notes.add("Code stands in a string that is built or decoded and then run.")
            program = self.read(text, language)
            self.load(program)
            result = Value()
            for statement in program.statements:
                while isinstance(statement, ir.Block) and statement.body:
                    self.block(statement.body[:-1])
                    statement = statement.body[-1]
                result = self.ev(statement)
            for function in program.functions:
                self.enter(function)
            return result
        finally:
            self.budget.layers += 1

    def reached(self, sink: Sink, roles: dict[str, Value], node: ir.Node) -> None:
        del node
        code = roles.get("code")
        if sink.kind != "code-execution" or code is None or code.traces:
            return
        language = _CODE_LANGUAGE.get(short(sink.name), "")
        text = (
            code.text
            if code.text is not None
            else next((one.text for one in (code.fields or {}).values() if one.text is not None), None)
        )
        if language and text:
            self.nested_code(text, language)

    # --- reflection ---------------------------------------------------------------------------------------------

    def reflection(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        if method in ("gettype", "gettypefromprogid", "gettypefromclsid") and arguments and arguments[0].text:
            kind_name = self.com_type(arguments[0].text) if method != "gettype" else arguments[0].text
            return Value(const=kind_name, type="type", traces=join_traces(holder.traces, arguments[0].traces))
        if method in _PROPERTY_GETTERS:
            traces = self.gathered([holder, *arguments], method, node.line)
            kind = self.tables.returns.get("*." + method, "")
            fields = {"owner": holder, **({"name": arguments[0]} if arguments else {})}
            return Value(type=kind, traces=traces, fields=fields)
        if method == "invoke" and holder.type in ("methodinfo", "constructorinfo") and holder.fields:
            return self.invoke_member(holder, arguments, node)
        if method == "invokemember" and len(arguments) >= 4:
            return self.late_bound(holder, arguments[0], arguments[3], arguments[4:5], node)
        if method == "callbyname" and len(arguments) >= 2:
            return self.late_bound(arguments[0], arguments[1], arguments[0], arguments[3:], node)
        if method == "createinstance" and short(holder.path) == "activator" and arguments and arguments[0].type == "type":
            named = arguments[0].text
            if named and not arguments[0].traces:
                rest = self.unpacked(arguments[1:2]) or list(arguments[1:])
                return self.construct(short(named.partition(",")[0]).lower(), rest, node, Value())
        return None

    def unpacked(self, arguments: Sequence[Value]) -> list[Value]:
        """The elements of an argument array."""
        if arguments and arguments[0].fields and (arguments[0].type == "array" or arguments[0].type.endswith("[]")):
            return list(arguments[0].fields.values())
        return []

    def invoke_member(self, holder: Value, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        fields = holder.fields or {}
        owner, named = fields.get("owner", Value()), fields.get("name", Value())
        if owner.type == "type" and isinstance(owner.const, str) and named.text and not holder.traces:
            self.notes.add("A method is called by its name in a string (reflection).")
            target = Value(path=owner.const.partition(",")[0].lower())
            return self.invoke(target, named.text, self.unpacked(arguments[1:2]) or list(arguments[1:]), node)
        return None

    def late_bound(self, holder: Value, named: Value, target: Value, rest: Sequence[Value], node: ir.Node) -> Value | None:
        if not named.text or named.traces:
            return None
        self.notes.add("A method is called by its name in a string (reflection).")
        actual = target if (target.type or target.path) else holder
        if holder.type == "type" and isinstance(holder.const, str):
            actual = Value(path=holder.const.partition(",")[0].lower(), fields=target.fields, traces=target.traces)
        return self.invoke(actual, named.text, self.unpacked(rest) or list(rest), node)

    # --- objects ------------------------------------------------------------------------------------------------

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
                self.set_field(value, init.target.id.lower(), self.ev(init.value))
                value.traces = join_traces(value.traces, value.fields[init.target.id.lower()].traces if value.fields else ())
            else:
                item = self.ev(init)
                value.traces = join_traces(value.traces, item.traces)
        return self.construct(kind, arguments, node, value)

    def construct(self, kind: str, arguments: Sequence[Value], node: ir.Node, value: Value) -> Value:
        """A new object of a type."""
        value.type = kind
        value.fields = value.fields if value.fields is not None else {}
        if kind in ("stringbuilder", "stringbuffer"):
            first = arguments[0] if arguments and NUMBER not in arguments[0].marks else None
            value.const = "" if first is None or isinstance(first.const, int) else first.const
            value.traces = first.traces if first is not None else ()
            return value
        if kind in ("string",) and arguments:
            whole = "".join(str(one.const) for one in self.unpacked(arguments)) or arguments[0].text
            return Value(const=whole if whole and not arguments[0].traces else UNKNOWN, traces=arguments[0].traces)
        value.traces = join_traces(value.traces, self.gathered(arguments, "new " + kind, node.line))
        if kind in ("streamwriter", "filestream", "fileinfo", "directoryinfo") and arguments:
            first = arguments[0]
            value.fields["path"] = (first.fields or {}).get("path", first)
            value.head, value.marks = first.head, first.marks
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
        fields = {str(position): item for position, item in enumerate(items[:4000])}
        return Value(type=node.type or "array[]", fields=fields)

    def assigned(self, target: ir.Member, holder: Value, value: Value) -> None:
        method = target.name.lower()
        for key in self.keys_of(holder, method):
            for sink in self.tables.assigned.get(key, ()):
                role = sink.roles[0] if sink.roles else "data"
                self.event(sink.kind, spell(target), target.line, {role: value})
                return

    def opaque(self, node: ir.Opaque) -> Value:
        lowered = node.text.lower()
        if any(f"{name}" in lowered for name in self.tables.sets.get("request_names", ())):
            return Value(traces=(Trace("client", "Request (in code too deep to read)", node.line),))
        return Value()
