"""C#, VB.NET, JScript and classic ASP: the request object, controls, session state, reflection, COM objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.budget import Budget
from afterpatch.detect.pages.calls import CallMachine, short, spell
from afterpatch.detect.pages.catalogue import Catalogue, Sink
from afterpatch.detect.pages.operators import combine
from afterpatch.detect.pages.value import ANCHORED, MAPPED, NUMBER, UNKNOWN, Trace, Value, join_traces, number
from afterpatch.model import message

CodeReader = Callable[[str, str], ir.Program]
_CODE_LANGUAGE = {"eval": "jscript", "function": "jscript", "execute": "vbscript", "executeglobal": "vbscript",
    "executestatement": "vbscript", "addcode": "vbscript", "compileassemblyfromsource": "csharp"}  # fmt: skip
_SOURCE_CALLS = frozenset(
    ("binaryread", "saveas", "item", "get", "getvalues", "getinputstream", "getbufferedinputstream", "getbufferlessinputstream")
)
_SELECTORS = frozenset(
    (
        "first",
        "firstordefault",
        "single",
        "singleordefault",
        "where",
        "last",
        "lastordefault",
        "elementat",
        "tolist",
        "toarray",
        "find",
    )
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

    # --- calls --------------------------------------------------------------------------------------------------

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
        held = self.lookup(target.id)
        if held is not None and self.tables.has("rows", held.type):
            return self.element(held, [self.ev(one) for one in node.args], node)
        return super().call_name(node, target)

    def special(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        if self.is_request(holder):
            return self.request_call(holder, method, arguments, node)
        if self.tables.has("request_names", method) and arguments and not holder.known:
            return self.element(Value(type="httprequest"), arguments, node)
        if self.tables.has("stores", method) and arguments and not holder.known and not holder.traces and holder.type != "state":
            return self.element(self.state(method), arguments, node)
        if self.tables.has("rows", holder.type) and method in ("fields", "item", "collect", "getrows", "getstring"):
            return self.element(holder, arguments, node)
        if holder.type == "state":
            return self.state_call(holder, method, arguments, node)
        if method in ("createobject", "getobject", "bindtomoniker") or (method == "activexobject"):
            return self.create(arguments, node)
        if method in ("eval", "function") and not holder.type and (holder.path in ("", "this", "window", "globalthis")):
            return self.evaluate(method, arguments, node)
        if method == "mappath":
            return self.map_path(arguments, node)
        if method == "findcontrol":
            return Value(path="control:" + (arguments[0].text or "found") if arguments else "control:found")
        if method == "getsection" and arguments and "machinekey" in (arguments[0].text or "").lower():
            self.event("secrets", "GetSection", node.line, {"data": arguments[0]})
        if method == "getref" and arguments and (arguments[0].text or "").lower() in self.functions:
            return Value(function=tuple(self.functions[(arguments[0].text or "").lower()][:4]))
        if method == "constructor" and holder.path == "constructor" and "jscript" in self.languages:
            return self.evaluate("function", arguments, node)
        if method in ("ubound", "lbound") and arguments and self.caseless:
            size = 0 if method == "lbound" else self.size(arguments[0])
            if size is not None and (method == "lbound" or size):
                return Value(const=max(size - 1, 0) if method == "ubound" else 0)
        if method == "add" and len(arguments) == 2 and holder.fields is not None and self.key_of(arguments[0]) is not None:
            self.set_field(holder, self.key_of(arguments[0]) or "?", arguments[1])
        if method == "item" and arguments and holder.fields is not None and holder.type not in ("state",):
            return self.element(holder, arguments, node)
        if method == "reverse" and short(holder.path) == "array" and arguments:
            return self.reverse(arguments[0])
        if method in _SELECTORS and holder.type in ("methodinfo", "type", "constructorinfo"):
            return holder
        return self.reflection(holder, method, arguments, node)

    @staticmethod
    def reverse(value: Value) -> Value:
        """`Array.Reverse(x)`: in place."""
        if isinstance(value.const, str | bytes | bytearray):
            value.const = value.const[::-1]
        elif value.fields:
            value.fields = dict(zip(value.fields, reversed(list(value.fields.values())), strict=True))
        return Value()

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
                kind = "win32_process" if kind.endswith("win32_process") else "winmgmts"
            if kind.startswith("new:"):
                kind = self.com_type(kind[4:])
        if (first.text or first.head).lower().startswith(("winnt:", "ldap:")):
            kind = "adsi"
        return Value(type=kind, fields={}, traces=first.traces)

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

    def evaluate(self, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        """JScript's and VBScript's eval; ASP.NET's data-binding Eval("Name") in C# and VB is another thing."""
        if not self.languages & {"jscript", "vbscript"} or not arguments:
            return None if method == "function" else Value(path="databinding")
        if len(arguments) == 1 and method == "function" and arguments[0].known and not arguments[0].traces:
            return self.nested_code(arguments[0].text or "", "jscript")
        code = arguments[-1] if method == "function" else arguments[0]
        unsafe = method == "eval" and len(arguments) > 1 and arguments[1].text == "unsafe"
        self.event("code-execution", method, node.line, {"code": code, **({"unsafe": arguments[1]} if unsafe else {})})
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
        outer = self.languages, self.caseless
        self.languages = self.languages | {language}
        self.caseless = self.caseless or language in ("vb", "vbscript")
        try:
            self.notes.add(message("page.note.nested-code"))
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
            self.languages, self.caseless = outer
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

    def unpacked(self, arguments: Sequence[Value]) -> list[Value]:
        """The elements of an argument array."""
        if arguments and arguments[0].fields and (arguments[0].type == "array" or arguments[0].type.endswith("[]")):
            return list(arguments[0].fields.values())
        return []

    def made_delegate(self, holder: Value, arguments: Sequence[Value]) -> Value | None:
        """A delegate of a method that is named: calling it is calling the method."""
        for one in (holder, *arguments):
            fields = one.fields or {}
            owner, named = fields.get("owner"), fields.get("name")
            if one.type == "methodinfo" and owner is not None and named is not None and named.text and owner.text:
                return Value(path=f"{self.type_path(owner.text)}.{named.text.lower()}")
        return None

    @staticmethod
    def type_path(named: str) -> str:
        """A type's name in a string as a dotted path."""
        return named.partition(",")[0].removeprefix("com:").lower()

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
