"""PHP: superglobals, variable functions and variables, callbacks, includes, decoded code."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.budget import Budget
from afterpatch.detect.pages.calls import CallMachine, spell
from afterpatch.detect.pages.catalogue import Catalogue, Sink
from afterpatch.detect.pages.fold import Fold
from afterpatch.detect.pages.operators import combine
from afterpatch.detect.pages.phpfold import DECODERS, PHP_FUNCTIONS
from afterpatch.detect.pages.phplex import lex_php
from afterpatch.detect.pages.scope import joined
from afterpatch.detect.pages.value import (
    ANCHORED,
    BITS,
    BUILT,
    DECODED,
    MAX_FIELDS,
    NUMBER,
    QUOTED,
    SPELLED,
    Trace,
    Value,
    join_traces,
    passed,
)
from afterpatch.model import message

_SUPER = re.compile(r"\$?(_GET|_POST|_REQUEST|_COOKIE|_FILES|_SERVER)$", re.IGNORECASE)
_EVAL_MODIFIER = re.compile(r"^\s*([^\w\s\\])(?:.*)\1?[a-zA-Z]*e[a-zA-Z]*\s*$", re.DOTALL)
_SCHEMES = frozenset(("http", "https", "ftp", "php", "data", "file", "phar", "zip", "glob", "compress.zlib", "compress.bzip2"))
_LOADED = ("LD_PRELOAD", "GCONV_PATH", "LD_AUDIT", "LD_LIBRARY_PATH")
_MAIL_OPTIONS = re.compile(r"(?:^|\s)-(?:X|O|C|be\b)")  # options of sendmail that write files or run commands
MAX_CHOICE = 16
_INCLUDING = frozenset(("auto_prepend_file", "auto_append_file", "include_path"))
_REPLACERS = frozenset(("ereg_replace", "eregi_replace", "str_replace", "str_ireplace"))
_SPELLERS = DECODERS | {"chr"}
_OWN_FILES = frozenset(("__file__", "__dir__"))


class PhpMachine(CallMachine):
    """The platform of PHP pages."""

    functions_table: dict[str, Fold] = PHP_FUNCTIONS
    methods_table: dict[str, Fold] = {}
    bracket_members = False
    decoders = DECODERS

    def __init__(self, tables: Catalogue, budget: Budget, read: Callable[[str, str], ir.Program]) -> None:
        super().__init__(tables, budget)
        self.read = read
        self.carries_pages = False  # PHP applications hold the text of pages they generate
        self.hidden_names: set[str] = set()
        self.filled: dict[str, tuple[Trace, ...]] = {}

    # --- names --------------------------------------------------------------------------------------------------

    def name(self, node: ir.Name) -> Value:
        held = self.lookup(node.id)
        if held is not None:
            return held
        lower = node.id.lower()
        if lower.startswith("$"):
            return self.variable(lower, node)
        if "const:" + lower in self.globals:
            return self.globals["const:" + lower]
        if lower in _OWN_FILES:
            return Value(path="own.file", marks=frozenset((ANCHORED,)), head="./")
        return Value(path=lower, const=node.id)

    def variable(self, lower: str, node: ir.Node) -> Value:
        """A variable nobody assigned: a superglobal, or one that `extract($_POST)` may have made."""
        if lower in self.tables.sets["sources"]:
            kind = "server" if "server" in lower else "files" if "files" in lower else "requestdata"
            return Value(type=kind, traces=(Trace("client", lower.upper().replace("$HTTP", "$HTTP"), node.line),))
        if lower in ("$_session", "$globals", "$http_session_vars"):
            return self.state(lower)
        if lower == "$this":
            return Value(path="$this")
        if self.all_tainted is not None and self.frame.function is None:
            return Value(traces=(self.all_tainted,))
        if self.frame.function is None or self.key(node.id if isinstance(node, ir.Name) else "") in self.frame.declared_global:
            # Kept, so that a default that is only set where the variable is empty joins what the request may bring.
            value = Value(traces=(Trace("undefined", f"the undeclared variable {lower}", node.line),))
            if isinstance(node, ir.Name) and len(self.globals) < MAX_FIELDS:
                self.globals[self.key(node.id)] = value
            return value
        return Value()

    def state(self, name: str) -> Value:
        found = self.globals.get("state:" + name)
        if found is None:
            found = self.globals["state:" + name] = Value(type="state", fields={})
        return found

    def member(self, node: ir.Node, target: Value, name: str) -> Value:
        lower = name.lower()
        if target.path in ("$this", "self", "static", "parent"):
            return self.globals.get(name.lstrip("$")) or self.globals.get("$" + name.lstrip("$")) or Value()
        if target.fields is not None and lower in target.fields:
            return target.fields[lower]
        if target.type in self.owners and name in self.globals:
            return self.globals[name]
        if target.path and self.globals.get("$" + name.lstrip("$")) is not None and target.path in self.owners:
            return self.globals["$" + name.lstrip("$")]
        return Value(traces=tuple(trace.through(name, node.line) for trace in target.traces))

    def store_member(self, target: ir.Member, value: Value) -> None:
        holder = self.ev(target.target)
        if holder.path in ("$this", "self", "static") or holder.path in self.owners:
            name = target.name.lstrip("$")
            self.globals[name] = joined(self.globals.get(name), value)
            return
        if holder.type in self.owners and (value.traces or value.known):  # what its methods see as `$this->name`
            self.globals[target.name] = joined(self.globals.get(target.name), value)
        self.set_field(holder, target.name.lower(), value)

    def assign(self, node: ir.Assign) -> Value:
        if node.op in ("++", "--", "++post", "--post"):
            return self.increment(node)
        if node.op == ".":
            if isinstance(node.target, ir.Name) and self.lookup(node.target.id) is None:
                return super().assign(
                    ir.Assign(node.line, node.target, ir.Op(node.line, ".", [ir.Lit(node.line, ""), node.value]))
                )
            return super().assign(ir.Assign(node.line, node.target, ir.Op(node.line, ".", [node.target, node.value])))
        return super().assign(node)

    def increment(self, node: ir.Assign) -> Value:
        """`++` on text counts like letters do."""
        old = self.ev(node.target)
        new = Value(marks=frozenset((NUMBER,)))
        if isinstance(old.const, int):
            new = Value(const=old.const + (1 if "+" in node.op else -1))
        elif isinstance(old.const, str) and old.const and "+" in node.op:
            new = Value(const=_next_text(old.const))
        elif old.const is None:
            new = Value(const=1)
        self.store(node.target, new)
        return old if node.op.endswith("post") else new

    # --- operators ----------------------------------------------------------------------------------------------

    def operator(self, node: ir.Op) -> Value:
        if node.op == "+" and len(node.items) == 2:
            values = [self.ev(item) for item in node.items]
            if not all(isinstance(one.const, int | float) for one in values):
                return Value(
                    traces=self.gathered(values, "+", node.line), marks=frozenset() if values[0].traces else frozenset((NUMBER,))
                )
            return combine("+", values, node.line, self.budget)
        if node.op == ".":
            values = [self.ev(item) for item in node.items]
            values = [Value(const="Array") if one.type == "array" and not one.traces else one for one in values]
            return combine(".", values, node.line, self.budget)
        if node.op == "&":
            node = ir.Op(node.line, "&bits", node.items)
        if node.op == "spread" and node.items:
            return self.ev(node.items[0])
        result = super().operator(node)
        if node.op in ("^", "|", "&bits", "u~") and isinstance(result.const, str):
            result.marks = result.marks | {BITS}
        if not result.known and not result.traces and node.op in ("^", "|", "&bits", "u~"):
            return Value(marks=result.marks | {BUILT})
        return result

    def folded(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        value = super().folded(holder, method, arguments, node)
        short = value is not None and isinstance(value.const, str) and len(value.const) <= 80
        if value is not None and short and (method in _SPELLERS or any(SPELLED in one.marks for one in arguments)):
            value.marks = value.marks | {SPELLED}
        return value

    def constant(self, value: Value) -> Any:
        if value.type == "array" and not value.traces and value.fields == {}:
            return []
        return super().constant(value)

    # --- calls --------------------------------------------------------------------------------------------------

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

    def by_name(self, value: Value, node: ir.Node) -> Value:
        """`$$x`: the variable of that name."""
        if value.text is not None and not value.traces:
            return self.name(ir.Name(node.line, "$" + value.text))
        return Value(traces=value.traces, marks=frozenset((BUILT,)))

    def store(self, target: ir.Node, value: Value) -> None:
        if isinstance(target, ir.Call) and isinstance(target.target, ir.Name) and target.target.id == "__variable":
            named = self.ev(target.args[0]) if target.args else Value()
            if named.text is not None and not named.traces:
                self.store_name("$" + named.text, value)
            elif value.traces:
                self.all_tainted = value.traces[0].through("variable variable", target.line)
            return
        if isinstance(target, ir.Index) and not isinstance(target.target, ir.Name | ir.Member | ir.Index):
            holder = self.ev(target.target)
            if holder.type in ("array", "state"):
                self.store_element(holder, [self.ev(one) for one in target.args], value, target)
            return
        name = target.target.id if isinstance(target, ir.Index) and isinstance(target.target, ir.Name) else ""
        held = self.lookup(name) if name else None
        if (
            name
            and (held is None or (held.known and held.const in ("", None)))
            and name.lower() not in self.tables.sets["sources"]
        ):
            self.store_name(name, Value(type="array", fields={}))
        super().store(target, value)

    def store_element(self, holder: Value, keys: Sequence[Value], value: Value, node: ir.Node) -> None:
        if holder.type in ("requestdata", "server", "files"):  # the client still has its say
            value = Value(value.const, join_traces(value.traces, holder.traces), value.type, "", value.fields, value.marks)
        if not keys and holder.fields is not None:
            keys = [Value(const=len(holder.fields))]
        named = keys[0].text if keys and not keys[0].traces else None
        if named and holder is self.globals.get("state:$globals"):
            if len(self.globals) < MAX_FIELDS:
                held = self.globals.get("$" + named)
                self.globals["$" + named] = joined(held, value) if self.frame.weak else value
            return
        super().store_element(holder, keys, value, node)

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

    # --- functions ----------------------------------------------------------------------------------------------

    def special(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        if holder.path or holder.type or holder.traces:
            return self.special_method(holder, method, arguments, node)
        if method in ("preg_replace", "preg_filter", "mb_ereg_replace", "mb_eregi_replace") and len(arguments) > 2:
            return self.regex_eval(method, arguments, node)
        if method in ("file_get_contents", "fopen", "file", "readfile") and arguments:
            name = (arguments[0].text or "").lower()
            if name.startswith("php://input"):
                return Value(traces=(Trace("client", "php://input", node.line),))
            if name.startswith(("http://", "https://", "ftp://")):
                return Value(type="handle" if method == "fopen" else "", traces=(Trace("download", name[:80], node.line),))
        if method in ("exif_read_data", "iptcparse", "read_exif_data"):
            return Value(traces=(Trace("file", method, node.line),))
        if method in ("get_defined_functions", "get_class_methods", "get_defined_constants", "get_declared_classes"):
            return Value(marks=frozenset((BUILT,)))
        if self.tables.has("source_calls", method):
            return Value(type="requestdata", traces=(Trace("client", method, node.line),))
        if method in ("getenv",) and arguments and (arguments[0].text or "").upper().startswith(("HTTP_", "QUERY_")):
            return Value(traces=(Trace("client", f"getenv({arguments[0].text})", node.line),))
        if method in ("call_user_func", "call_user_func_array") and arguments and arguments[0].known and not arguments[0].traces:
            rest = list(arguments[1:]) if method == "call_user_func" else self.unpacked(arguments[1:2])
            return self.dynamic(arguments[0], rest, node, method)
        if method in _REPLACERS and len(arguments) > 2:
            filled = self.filled_in(arguments)
            if filled is not None:
                return filled
        if method == "ini_set" and len(arguments) > 1 and (arguments[0].text or "").lower() in _INCLUDING:
            self.event("include", "ini_set", node.line, {"path": arguments[1]})
        if method == "array_flip" and arguments and self.plain(arguments[0]):
            flipped = {one.text.lower(): Value(const=key) for key, one in (arguments[0].fields or {}).items() if one.text}
            return Value(type="array", fields=flipped)
        if method == "array_keys" and arguments and arguments[0].type == "array" and not arguments[0].traces:
            keys = [one for one in (arguments[0].fields or {}) if not one.startswith("?")]
            return Value(type="array", fields={str(place): Value(const=key) for place, key in enumerate(keys)})
        if method == "session_set_save_handler":
            for one in arguments:
                if self.tables.has("runners", (one.text or "").lower()):
                    self.dynamic(one, [Value(traces=(Trace("client", "the session's id and data", node.line),))], node, method)
        if method == "constant" and arguments and arguments[0].text and not arguments[0].traces:
            named = arguments[0].text.rpartition("::")[2].lower()
            return self.globals.get("const:" + named, Value(marks=frozenset((BUILT,))))
        if method == "putenv" and arguments and (arguments[0].text or arguments[0].head).upper().startswith(_LOADED):
            self.event("assembly-load", "putenv", node.line, {"assembly": arguments[0]})
        if method == "mail" and len(arguments) > 4 and _MAIL_OPTIONS.search(arguments[4].text or arguments[4].head):
            self.event("process-start", "mail", node.line, {"command": arguments[4]})
        if len(arguments) > 1 and self.tables.has("connection_first", method):
            return self.invoke(Value(), method, arguments[1:], node)
        if method == "tmpfile" or (method in ("tempnam", "sys_get_temp_dir") and not any(one.traces for one in arguments)):
            return Value(
                type="handle" if method == "tmpfile" else "", path="temporary.file", fields={"path": Value(path="temporary.file")}
            )
        if method == "stream_get_meta_data" and arguments and arguments[0].fields:
            return Value(type="array", fields={"uri": arguments[0].fields.get("path", Value())})
        if method == "create_function" and len(arguments) > 1:
            return self.made_function(arguments, node)
        if method == "escapeshellarg" and arguments and arguments[0].traces:
            return Value(traces=passed(arguments[0], method, node.line), marks=frozenset((QUOTED,)))
        if method == "chr" and arguments and arguments[0].traces:
            return Value(traces=arguments[0].traces)
        return None

    @staticmethod
    def filled_in(arguments: Sequence[Value]) -> Value | None:
        """A known text in which one known word is replaced by something nobody knows: the text, a blank in its place."""
        old, new, subject = arguments[0].text, arguments[1], arguments[2]
        plain = old is not None and re.fullmatch(r"[\w %@#-]{2,80}", old) is not None
        if not plain or new.known or new.traces or subject.text is None or subject.traces:
            return None
        return Value(const=subject.text.replace(old or "", "''"), marks=subject.marks)

    def made_function(self, arguments: Sequence[Value], node: ir.Node) -> Value:
        """create_function: its parameters and its code are strings."""
        code = arguments[1]
        self.event("code-execution", "create_function", node.line, {"code": code})
        if code.text is None or code.traces or self.budget.layers <= 0:
            return Value(traces=code.traces, marks=frozenset((BUILT,)))
        self.budget.layers -= 1
        program = self.read(_as_php(code.text), "php")
        self.budget.layers += 1
        self.load(program)
        names = re.findall(r"\$\w+", arguments[0].text or "")
        function = ir.Function(node.line, "created", names, program.statements)
        self.apply(function, [Value() for _name in names])
        return Value(function=function)

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

    def special_method(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        made = self.undeclared(holder, method, arguments, node)
        if made is not None:
            return made
        if holder.type == "reflectionfunction" and method in ("invoke", "invokeargs") and holder.fields:
            return self.dynamic(
                holder.fields.get("callable", Value()), self.unpacked(arguments), node, "ReflectionFunction.invoke"
            )
        if holder.fields and "?com" in holder.fields and method in ("exec", "run", "shellexecute", "create") and arguments:
            self.event("process-start", method, node.line, {"command": arguments[0]})
        if method == "registerphpfunctions":
            holder.fields = holder.fields if holder.fields is not None else {}
            holder.fields["?php"] = Value(const=True)
        if holder.fields and "?php" in holder.fields:
            self.calls_from_xml(method, arguments, node)
        if holder.type == "reflectionmethod" and holder.fields:
            return self.reflected_method(holder, method, arguments, node)
        if holder.type == "reflectionclass" and holder.fields and method == "getmethod" and arguments:
            return Value(type="reflectionmethod", fields={"name": arguments[0]}, traces=arguments[0].traces)
        if holder.type == "reflectionclass" and holder.fields:
            kind = (holder.fields.get("callable", Value()).text or "").lower()
            if method in ("newinstance", "newinstanceargs"):
                return self.construct(kind, self.unpacked(arguments) if method.endswith("args") else list(arguments), node)
            if method == "getconstants":
                return Value(marks=frozenset((BUILT,)))
            if method == "getconstant" and arguments:
                return self.globals.get("const:" + (arguments[0].text or "").lower(), Value(marks=frozenset((BUILT,))))
        return None

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

    def calls_from_xml(self, method: str, arguments: Sequence[Value], node: ir.Node) -> None:
        """XPath and XSLT that may call PHP's functions."""
        if method in ("query", "evaluate") and arguments and arguments[0].traces:
            self.event("code-execution", method, node.line, {"code": arguments[0]})
        if method == "importstylesheet" and arguments:
            self.event("xslt-script", method, node.line, {"code": arguments[0], "trust": Value()})

    def unpacked(self, arguments: Sequence[Value]) -> list[Value]:
        """The elements of an argument array, or the arguments."""
        if arguments and arguments[0].fields and arguments[0].type == "array":
            return list(arguments[0].fields.values())
        return list(arguments)

    def regex_eval(self, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        """preg_replace with the modifier e runs the replacement as code."""
        pattern = arguments[0]
        if pattern.type == "array" and pattern.fields:
            pattern = next(iter(pattern.fields.values()))
        options = arguments[3].text if len(arguments) > 3 else None
        text = pattern.text
        evaluates = (
            pattern.traces
            or (text is not None and _has_eval_modifier(text))
            or (method.startswith("mb") and options and "e" in options)
        )
        if evaluates:
            data = arguments[1] if arguments[1].traces or not arguments[2].all_traces() else arguments[2]
            self.event("code-execution", method, node.line, {"code": data, "object": pattern})
            self.run_text(arguments[1])
            if "\\" in (arguments[1].text or "") or "$" in (arguments[1].text or ""):
                self.run_text(arguments[2])
            return Value(traces=data.traces)
        return None

    def outcome(self, holder: Value, method: str, name: str, arguments: Sequence[Value], node: ir.Node) -> Value:
        self.named_callbacks(method, arguments, node)
        result = super().outcome(holder, method, name, arguments, node)
        if (
            not result.traces
            and not result.known
            and not holder.path
            and not holder.type
            and (method in PHP_FUNCTIONS or method == "create_function")
        ) and NUMBER not in result.marks:
            result.marks = result.marks | {BUILT}
        return result

    def named_callbacks(self, method: str, arguments: Sequence[Value], node: ir.Node) -> None:
        """Functions handed over by their names, also inside option arrays: the page's own, and those that run code."""
        if self.tables.has("asking", method):
            return
        inside = [item for one in arguments if one.type == "array" for item in list((one.fields or {}).values())[:8]]
        inside += [item for one in inside if one.type == "array" for item in list((one.fields or {}).values())[:8]]
        names = [one.const.lower() for one in (*arguments, *inside) if isinstance(one.const, str) and not one.traces]
        wanted = [name for name in names if name in self.functions or self.tables.has("runners", name)]
        traces = self.gathered(arguments, method, node.line) if wanted else ()
        for name in wanted if traces else ():
            if name in self.functions:
                self.own(name, [Value(traces=traces)])
            else:
                called = Value(marks=frozenset((BUILT,)))
                self.event("dynamic-call", method, node.line, {"callable": called, "data": Value(traces=traces)})

    def reached(self, sink: Sink, roles: dict[str, Value], node: ir.Node) -> None:
        name = sink.name
        if sink.kind == "dynamic-call" and "callable" in roles:
            self.call_back(name, roles["callable"], roles.get("data", Value()), node)
        elif name in ("eval", "assert", "*.__eval") and "code" in roles:
            self.run_text(roles["code"])
        elif sink.kind == "include" and "path" in roles:
            self.included(roles["path"], node)
        elif sink.kind in ("file-write", "file-open"):
            self.kept(roles)

    def kept(self, roles: dict[str, Value]) -> None:
        """Remember which files of fixed names the client fills."""
        handle = roles.get("handle", Value())
        path = roles.get("path") or (handle.fields or {}).get("path") or Value()
        content = roles.get("content", Value())
        traces = content.all_traces()
        name = path.text if path.text is not None and not path.traces else path.path or None
        if name and traces and len(self.filled) < 200:
            self.filled[name.lower()] = traces

    def included(self, path: Value, node: ir.Node) -> None:
        """A file that the page fills and then includes is code of whoever filled it."""
        name = (path.text if path.text is not None and not path.traces else path.path) or ""
        traces = self.filled.get(name.lower())
        scheme, _, rest = name.partition("://")
        if rest and "stream_read" in self.functions and "stream_open" in self.functions and scheme.lower() not in _SCHEMES:
            self.own("stream_open", [path], node)
            read = self.own("stream_read", [Value()], node)
            self.run_text(read)
            traces = read.all_traces() or traces
        if traces:
            self.event("code-execution", "include", node.line, {"code": Value(traces=traces)})

    def call_back(self, name: str, function: Value, data: Value, node: ir.Node) -> None:
        """The platform calls a function of the page's choice with some data."""
        if name == "stream_wrapper_register":
            return
        if name == "ob_start":
            data = (
                Value(traces=(Trace("client", "the page's output", node.line),))
                if function.function or function.known
                else Value()
            )
        rest = [data]
        if data.fields and data.type == "array":
            rest = list(data.fields.values())[:4]
            if data.traces:
                rest = [Value(traces=data.traces), *rest]
            if name.startswith("array_walk"):
                for key, value in list(data.fields.items())[:8]:
                    self.dynamic(function, [value, Value(const=key)], node, name)
        self.dynamic(function, rest, node, name)

    def run_text(self, code: Value) -> None:
        """Code in a constant is read itself; code that was decoded is marked as packed."""
        text = code.text
        if text is None or code.traces:
            return
        if len(text) < 3 or self.budget.layers <= 0:
            if self.budget.layers <= 0:
                self.budget.exhausted("layers")
            return
        self.budget.layers -= 1
        try:
            self.notes.add(message("page.note.nested-code"))
            program = self.read(_as_php(text), "php")
            self.load(program)
            self.nested(program.statements)
            for function in program.functions:
                self.enter(function)
        finally:
            self.budget.layers += 1

    # --- elements -----------------------------------------------------------------------------------------------

    def element(self, holder: Value, keys: Sequence[Value], node: ir.Node) -> Value:
        key = keys[0] if keys else Value()
        if key.const == "" and isinstance(holder.const, str) and not holder.traces:
            keys = [Value(const=0)]
        place = keys[0].const if keys else None
        if isinstance(holder.const, str) and holder.const and not holder.traces and isinstance(place, int):
            char = super().element(holder, keys, node)
            char.marks = char.marks | ({SPELLED} if char.known else set())
            return char
        if holder.type == "state":
            named = str(key.const) if key.known and not key.traces else None
            if named is not None and _SUPER.match(named) and holder is self.globals.get("state:$globals"):
                return self.name(ir.Name(node.line, "$" + named.lstrip("$")))
            if named is not None and holder is self.globals.get("state:$globals"):
                held = self.globals.get("$" + named)
                return held if held is not None else Value(marks=frozenset((BUILT,)))
            held = (holder.fields or {}).get((named or "").lower())
            if held is None and not (holder.fields or {}).get("?"):
                return Value(traces=(Trace("session", f"$_SESSION[{named!r}]"[:80], node.line),))
        if holder.type == "server" and key.text is not None:
            lower = key.text.lower()
            if self.tables.has("server_safe", lower):
                own = any(word in lower for word in ("script", "document", "self", "path"))
                return Value(path="own.server", marks=frozenset((ANCHORED,)), head="./") if own else Value(path="server.safe")
        if holder.type == "files":
            value = super().element(holder, keys, node)
            if key.text == "name":
                return Value(traces=tuple(Trace("upload-name", t.source, t.line, t.steps) for t in value.traces))
            if key.text == "tmp_name":
                return Value(traces=value.traces, path="upload.content", marks=frozenset((ANCHORED,)), head="?tmp")
            return Value(type="files", traces=value.traces)
        if holder.type == "requestdata" and key.text is not None:
            trace = holder.traces[0] if holder.traces else None
            if trace is not None and not trace.steps:
                return Value(type="requestdata", traces=(Trace("client", f"{trace.source}[{key.text!r}]"[:80], node.line),))
        if not key.known and holder.type == "array" and 0 < len(holder.fields or {}) <= MAX_CHOICE and self.plain(holder):
            return Value(type="choice", fields=holder.fields)  # one of several constants
        value = super().element(holder, keys, node)
        if not value.known and not value.traces and not value.fields and not value.type and holder.type not in ("array", "state"):
            return Value(
                marks=value.marks | ({BUILT} if isinstance(holder.const, str) or BUILT in holder.marks else frozenset()),
                function=value.function,
            )
        return value

    def new(self, node: ir.New) -> Value:
        arguments = [self.ev(one) for one in node.args]
        if node.type_node is not None:
            named = self.ev(node.type_node)
            kind = (named.text or "").lower() if not named.traces else ""
            if named.traces:
                self.event(
                    "reflection", "new $class", node.line, {"type": named, **({"data": arguments[0]} if arguments else {})}
                )
        else:
            kind = node.type
        if kind == "com" and arguments and (arguments[0].text or arguments[0].head).lower().startswith("iis://"):
            self.event("secrets", "new COM IIS", node.line, {"data": arguments[0]})
        if kind == "com" and arguments and arguments[0].text:
            return Value(type=arguments[0].text.lower().removesuffix(".1"), fields={"?com": Value(const=True)})
        return self.construct(kind, arguments, node)

    def construct(self, kind: str, arguments: Sequence[Value], node: ir.Node) -> Value:
        """A new object of a class."""
        value = Value(type=kind, fields={}, traces=self.gathered(arguments, "new " + kind, node.line))
        if kind in ("reflectionfunction", "reflectionclass") and arguments and value.fields is not None:
            value.fields["callable"] = arguments[0]
        if kind in self.owners:
            for constructor in ("__construct", kind):
                for function in self.functions.get(constructor, [])[:3]:
                    if function.owner.lower() == kind:
                        self.apply(function, arguments)
        for sink in self.tables.sinks.get("new " + kind, ()):
            self.reach(sink, Value(), arguments, node)
        return value

    def opaque(self, node: ir.Opaque) -> Value:
        if re.search(r"\$_(?:GET|POST|REQUEST|COOKIE|FILES)", node.text, re.IGNORECASE):
            return Value(traces=(Trace("client", "request (in code too deep to read)", node.line),))
        return Value()


def _has_eval_modifier(pattern: str) -> bool:
    text = pattern.strip()
    if len(text) < 2:
        return False
    close = {"(": ")", "[": "]", "{": "}", "<": ">"}.get(text[0], text[0])
    end = text.rfind(close)
    return end > 0 and "e" in text[end + 1 :] and text[end + 1 :].isalpha()


def _next_text(text: str) -> str:
    """PHP's ++ on text: `Az` becomes `Ba`, `zz` becomes `aaa`."""
    chars = list(text[-40:])
    for place in range(len(chars) - 1, -1, -1):
        char = chars[place]
        if char == "z":
            chars[place] = "a"
        elif char == "Z":
            chars[place] = "A"
        elif char == "9":
            chars[place] = "0"
        else:
            chars[place] = chr(ord(char) + 1) if char.isalnum() else char
            return "".join(chars)
    first = "a" if chars[0] == "a" else "A" if chars[0] == "A" else "1"
    return first + "".join(chars)


def _as_php(text: str) -> str:
    """Code as eval takes it: `?>...<?php` outside strings switches out of and into code."""
    if "?>" not in text and "<?" not in text:
        return text
    page = lex_php("<?php " + text)
    return ";".join(segment.text for segment in page.segments)
