"""PHP that runs text as code: eval, patterns with the modifier e, includes, callbacks by the platform."""

from __future__ import annotations

import re
from collections.abc import Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.catalogue import Sink
from afterpatch.detect.pages.phpcalls import PhpCalls
from afterpatch.detect.pages.phplex import lex_php
from afterpatch.detect.pages.value import (
    BUILT,
    Trace,
    Value,
)
from afterpatch.model import message

_SCHEMES = frozenset(("http", "https", "ftp", "php", "data", "file", "phar", "zip", "glob", "compress.zlib", "compress.bzip2"))


class PhpCode(PhpCalls):
    """Text, files and names that become code."""

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


def _has_eval_modifier(pattern: str) -> bool:
    text = pattern.strip()
    if len(text) < 2:
        return False
    close = {"(": ")", "[": "]", "{": "}", "<": ">"}.get(text[0], text[0])
    end = text.rfind(close)
    return end > 0 and "e" in text[end + 1 :] and text[end + 1 :].isalpha()


def _as_php(text: str) -> str:
    """Code as eval takes it: `?>...<?php` outside strings switches out of and into code."""
    if "?>" not in text and "<?" not in text:
        return text
    page = lex_php("<?php " + text)
    return ";".join(segment.text for segment in page.segments)
