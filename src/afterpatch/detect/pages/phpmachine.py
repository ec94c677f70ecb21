"""PHP: what its functions and classes mean beside the tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.phpcode import PhpCode
from afterpatch.detect.pages.phpfold import PHP_FUNCTIONS
from afterpatch.detect.pages.value import (
    BUILT,
    NUMBER,
    QUOTED,
    Trace,
    Value,
    passed,
)

_EVAL_MODIFIER = re.compile(r"^\s*([^\w\s\\])(?:.*)\1?[a-zA-Z]*e[a-zA-Z]*\s*$", re.DOTALL)
_LOADED = ("LD_PRELOAD", "GCONV_PATH", "LD_AUDIT", "LD_LIBRARY_PATH")
_MAIL_OPTIONS = re.compile(r"(?:^|\s)-(?:X|O|C|be\b)")  # options of sendmail that write files or run commands
_INCLUDING = frozenset(("auto_prepend_file", "auto_append_file", "include_path"))
_REPLACERS = frozenset(("ereg_replace", "eregi_replace", "str_replace", "str_ireplace"))


class PhpMachine(PhpCode):
    """The platform of PHP pages."""

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

    def calls_from_xml(self, method: str, arguments: Sequence[Value], node: ir.Node) -> None:
        """XPath and XSLT that may call PHP's functions."""
        if method in ("query", "evaluate") and arguments and arguments[0].traces:
            self.event("code-execution", method, node.line, {"code": arguments[0]})
        if method == "importstylesheet" and arguments:
            self.event("xslt-script", method, node.line, {"code": arguments[0], "trust": Value()})

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
