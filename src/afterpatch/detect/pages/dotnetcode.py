"""COM objects by name, and text that ASP and ASP.NET run as code."""

from __future__ import annotations

from collections.abc import Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.catalogue import Sink
from afterpatch.detect.pages.dotnetnames import DotNetNames, own_place
from afterpatch.detect.pages.folding import short
from afterpatch.detect.pages.value import MAPPED, Value
from afterpatch.model import message

_CODE_LANGUAGE = {"eval": "jscript", "function": "jscript", "execute": "vbscript", "executeglobal": "vbscript",
    "executestatement": "vbscript", "addcode": "vbscript", "compileassemblyfromsource": "csharp"}  # fmt: skip
OWN_FOLDERS = frozenset(("", ".", "./", "/", "\\", "~", "~/", "~\\", ".\\"))


class DotNetCode(DotNetNames):
    """Objects made by name, code in strings, paths of the site."""

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

    @staticmethod
    def reverse(value: Value) -> Value:
        """`Array.Reverse(x)`: in place."""
        if isinstance(value.const, str | bytes | bytearray):
            value.const = value.const[::-1]
        elif value.fields:
            value.fields = dict(zip(value.fields, reversed(list(value.fields.values())), strict=True))
        return Value()
