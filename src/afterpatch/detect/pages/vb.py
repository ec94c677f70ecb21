"""VB.NET and VBScript to the common nodes: an own, tolerant parser, statement by statement.

Case does not matter, `_` at a line's end continues it, `:` separates statements, `'` and Rem start comments, `&` joins
text, `x(1)` is a call or an element. Two statements on one line without a separator are taken as two. A statement
that cannot be read costs itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.vbexpr import ENDERS, MAX_DEPTH, MODIFIERS, PLAIN_ENDS, VbExpressions
from afterpatch.model import message

_DECLARING = frozenset(("auto", "ansi", "unicode", "function", "sub", "lib", "alias", "ptrsafe"))


class VbReader(VbExpressions):
    """Reads VB.NET and VBScript."""

    # --- statements ---------------------------------------------------------------------------------------------

    def statements(self, *ends: str) -> list[ir.Node]:
        """Statements up to one of the closing words, which is left standing; `end x` closes x."""
        found: list[ir.Node] = []
        self.depth += 1
        while not self.done():
            while self.token.kind == "line":
                self.next()
            if self.done() or self.closes(ends):
                break
            before = self.at
            if self.depth > MAX_DEPTH:
                found.extend(self.flat())
            else:
                statement = self.statement()
                if statement is not None:
                    found.append(statement)
            if self.at == before:
                self.next()
        self.depth -= 1
        return found

    def flat(self) -> list[ir.Node]:
        """Too deep: the words that open blocks are skipped, expressions are read."""
        if message("page.problem.deep") not in self.program.problems:
            self.program.problems.append(message("page.problem.deep"))
        if self.word(
            "if", "while", "do", "for", "with", "select", "sub", "function", "else", "elseif", "end", "loop", "next", "wend"
        ):
            self.next()
            return []
        return [self.simple()]

    def closes(self, ends: Sequence[str]) -> bool:
        if self.token.kind == "name" and self.token.lower in PLAIN_ENDS and self.token.lower in ends:
            return True
        if self.word("end"):
            follow = self.peek().lower
            return follow in ends or f"end {follow}" in ends or (follow in ENDERS and bool(ends) and self.depth > 1)
        return self.word("endif") and "if" in ends

    def close(self, word: str) -> None:
        """Take `End word`, or whatever closes here."""
        if self.word("end") and self.peek().lower in ENDERS:
            if self.peek().lower == word:
                self.next()
                self.next()
        elif self.word("endif") and word == "if":
            self.next()

    def statement(self) -> ir.Node | None:
        token = self.token
        if self.sign("<"):
            self.attribute()
            return None
        if token.kind == "name":
            while self.word(*MODIFIERS) and self.peek().kind == "name":
                self.next()
                if not self.word(
                    "sub",
                    "function",
                    "class",
                    "module",
                    "property",
                    "structure",
                    "enum",
                    "event",
                    "delegate",
                    "declare",
                    "operator",
                    "interface",
                    *MODIFIERS,
                ):
                    return self.dim(keyword=False)
            handler = getattr(self, "on_" + self.token.lower, None)
            if handler is not None and not (
                self.peek().kind == "op"
                and self.peek().text in (".", "=")
                and self.token.lower not in ("if", "while", "return", "with")
            ):
                result: ir.Node | None = handler()
                return result
        return self.simple()

    def simple(self) -> ir.Node:
        """An assignment or a call with or without brackets."""
        line = self.token.line
        target = self.postfix()
        if self.sign("="):
            self.next()
            return ir.Assign(line, target, self.expression())
        if self.sign("+=", "-=", "&=", "*=", "/="):
            operator = self.next().text[:-1]
            return ir.Assign(line, target, self.expression(), "." if operator == "&" else operator)
        if self.token.kind in ("line", "end") or (isinstance(target, ir.Call) and not self.sign(",", "&", "+")):
            return target if isinstance(target, ir.Call | ir.New | ir.Op | ir.Lit) else ir.Call(line, target, [])
        if isinstance(target, ir.Call) and self.sign("&", "+", ","):  # `Response.Write (x) & y`
            first = self.continue_expression(target.args[-1]) if target.args else self.expression()
            arguments = [*target.args[:-1], first]
            while self.accept(","):
                arguments.append(self.expression())
            return ir.Call(line, target.target, arguments)
        return ir.Call(line, target, self.bare_arguments())

    def bare_arguments(self) -> list[ir.Node]:
        found: list[ir.Node] = []
        while self.token.kind not in ("line", "end"):
            before = self.at
            if self.sign(","):
                found.append(ir.Lit(self.token.line, None))
            else:
                found.append(self.argument())
            if not self.accept(",") or self.at == before:
                break
        return found

    def attribute(self) -> None:
        """`<WebMethod()> _` in front of a member."""
        while self.token.kind not in ("end",) and not self.sign(">"):
            if self.token.kind == "name":
                self.marks.add(self.token.lower)
            if self.token.kind == "line":
                return
            self.next()
        self.next()

    def on_dim(self) -> ir.Node | None:
        return self.dim(keyword=True)

    on_redim = on_dim

    def dim(self, keyword: bool) -> ir.Node | None:
        """`Dim a, b(2) As T = v, c As New T(...)`."""
        line = self.token.line
        if keyword:
            self.next()
        self.accept("preserve")
        found: list[ir.Node] = []
        while self.token.kind == "name":
            found.append(self.declarator())
            if not self.accept(","):
                break
        return ir.Block(line, found)

    def declarator(self) -> ir.Node:
        line = self.token.line
        target = ir.Name(line, self.name_text(self.next()))
        size: Sequence[ir.Node] | None = self.arguments() if self.sign("(") else None
        kind, value = "", None
        if self.accept("as"):
            if self.word("new"):
                value = self.new()
                kind = value.type if isinstance(value, ir.New) else ""
            else:
                kind = self.type_name()
        if self.sign("="):
            self.next()
            value = self.expression()
            if isinstance(value, ir.Array) and kind:
                value = ir.New(line, kind if kind.endswith("[]") else kind + "[]", [], value.items)
        if value is None:
            value = ir.New(line, (kind or "object") + "[]", []) if size is not None else ir.Op(line, "undefined", [])
        return ir.Assign(line, target, value, "", kind if kind != "object" else "")

    def type_name(self) -> str:
        parts = [self.next().text]
        while self.sign("."):
            self.next()
            parts.append(self.next().text)
        kind = parts[-1].strip("[]").lower()
        while self.sign("("):
            if self.peek().text in (")", ","):
                kind += "[]"
            self.skip_brackets()
        return kind

    def skip_brackets(self) -> None:
        """`(Of T)`, `(,)`: up to the bracket that closes."""
        depth = 0
        while self.token.kind not in ("line", "end"):
            depth += self.sign("(")
            depth -= self.sign(")")
            self.next()
            if depth <= 0:
                return

    def on_if(self) -> ir.Node:
        line = self.next().line
        test = self.expression()
        self.accept("then")
        if self.token.kind not in ("line", "end") or (self.token.kind == "line" and self.token.text == ":"):
            return self.one_line_if(line, test)
        root = last = ir.If(line, test, self.statements("else", "elseif", "if"))
        while self.word("elseif") or (self.word("else") and self.peek().lower == "if"):
            if self.next().lower == "else":
                self.next()
            follow = ir.If(self.token.line, self.expression(), [])
            self.accept("then")
            follow.then = self.statements("else", "elseif", "if")
            last.other = [follow]
            last = follow
        if self.accept("else"):
            last.other = self.statements("if")
        self.close("if")
        return root

    def one_line_if(self, line: int, test: ir.Node) -> ir.Node:
        then = self.line_statements()
        other: list[ir.Node] = []
        if self.accept("else"):
            other = self.line_statements()
        if self.word("end") and self.peek().lower == "if":
            self.close("if")
        return ir.If(line, test, then, other)

    def line_statements(self) -> list[ir.Node]:
        found: list[ir.Node] = []
        self.depth += 1
        while not self.done() and not self.word("else"):
            if self.token.kind == "line":
                if self.token.text != ":":
                    break
                self.next()
                continue
            if self.word("end") and self.peek().lower == "if":
                break
            before = self.at
            statement = self.statement() if self.depth <= MAX_DEPTH else self.simple()
            if statement is not None:
                found.append(statement)
            if self.at == before:
                self.next()
        self.depth -= 1
        return found

    def on_for(self) -> ir.Node:
        line = self.next().line
        if self.accept("each"):
            target = ir.Name(line, self.name_text(self.next()))
            if self.accept("as"):
                self.type_name()
            self.accept("in")
            items = self.expression()
            body = self.statements("next")
            self.end_loop("next")
            return ir.ForEach(line, target, items, body)
        counter = ir.Name(line, self.name_text(self.next()))
        if self.accept("as"):
            self.type_name()
        self.accept("=")
        start = self.expression()
        self.accept("to")
        limit = self.expression()
        step: ir.Node = self.expression() if self.accept("step") else ir.Lit(line, 1)
        body = self.statements("next")
        self.end_loop("next")
        down = isinstance(step, ir.Op) or (isinstance(step, ir.Lit) and isinstance(step.value, int) and step.value < 0)
        test = ir.Op(line, ">=" if down else "<=", [counter, limit])
        loop = ir.Loop(line, test, body, [ir.Assign(line, counter, step, "+")])
        return ir.Block(line, [ir.Assign(line, counter, start), loop])

    def end_loop(self, word: str) -> None:
        if self.accept(word) and self.token.kind == "name" and word == "next" and self.peek().kind in ("line", "end"):
            self.next()

    def on_while(self) -> ir.Node:
        line = self.next().line
        test = self.expression()
        body = self.statements("wend", "while")
        if not self.accept("wend"):
            self.close("while")
        return ir.Loop(line, test, body)

    def on_do(self) -> ir.Node:
        line = self.next().line
        test = self.loop_test()
        body = self.statements("loop")
        self.accept("loop")
        after = self.loop_test()
        return ir.Loop(line, test or after, body, post=test is None)

    def loop_test(self) -> ir.Node | None:
        if self.word("while", "until"):
            negate = self.next().lower == "until"
            test = self.expression()
            return ir.Op(test.line, "unot", [test]) if negate else test
        return None

    def on_select(self) -> ir.Node:
        line = self.next().line
        self.accept("case")
        test = self.expression()
        found: list[ir.Node] = [test]
        last: ir.If | None = None
        self.skip_line()
        while not self.done():
            while self.token.kind == "line":
                self.next()
            if not self.word("case"):
                break
            self.next()
            values = [] if self.accept("else") else self.bare_arguments()
            case_line = self.token.line
            known = ir.Op(line, "=", [test, values[0]]) if len(values) == 1 else ir.Op(line, "undefined", [])
            case = ir.If(case_line, known, self.statements("case", "select"))
            if last is None:
                found.append(case)
            else:
                last.other = [case]
            last = case
        self.close("select")
        return ir.Block(line, found)

    def on_with(self) -> ir.Node:
        line = self.next().line
        target = self.expression()
        held = ir.Name(line, f"with:{len(self.withs)}:{line}")
        self.withs.append(held)
        body = self.statements("with")
        self.withs.pop()
        self.close("with")
        return ir.Block(line, [ir.Assign(line, held, target), *body])

    def on_using(self) -> ir.Node:
        line = self.next().line
        first: ir.Node = self.declarator() if self.peek().lower == "as" or self.peek().text == "=" else self.expression()
        body = self.statements("using")
        self.close("using")
        return ir.Block(line, [first, *body])

    def on_try(self) -> ir.Node:
        line = self.next().line
        body = self.statements("catch", "finally", "try")
        while self.word("catch", "finally"):
            caught = self.next().lower == "catch" and self.token.kind == "name" and not self.word("when")
            if caught:
                name = ir.Name(line, self.name_text(self.token))
                body.append(ir.Assign(line, name, ir.Op(line, "caught", [])))
            self.skip_line()
            body += self.statements("catch", "finally", "try")
        self.close("try")
        return ir.Block(line, body)

    def block_of(self, word: str) -> ir.Node:
        line = self.next().line
        self.skip_line()
        body = self.statements(word)
        self.close(word)
        return ir.Block(line, body)

    def on_synclock(self) -> ir.Node:
        return self.block_of("synclock")

    def on_namespace(self) -> ir.Node:
        return self.block_of("namespace")

    def on_enum(self) -> ir.Node:
        return self.block_of("enum")

    def on_class(self) -> ir.Node:
        outer, self.owner = self.owner, self.peek().text
        word = self.token.lower
        self.program.bases[self.owner.lower()] = ()
        block = self.block_of(word)
        self.owner = outer
        return block

    on_module = on_structure = on_interface = on_class

    def on_sub(self) -> ir.Node | None:
        word = self.next().lower
        line = self.token.line
        name = self.name_text(self.next())
        names, types = self.parameters() if self.sign("(") else ([], [])
        result = self.type_name() if self.accept("as") else ""
        if self.word("handles", "implements"):
            while self.token.kind not in ("line", "end"):
                self.next()
        marks, self.marks = frozenset(self.marks), set()
        byref = frozenset(self.byref)
        saved, self.depth = self.depth, 1
        body = self.statements(word)
        self.depth = saved
        self.close(word)
        name = self.owner if name.lower() == "new" and self.owner else name
        self.program.functions.append(ir.Function(line, name, names, body, types, self.owner, marks, result, byref))
        return None

    on_function = on_sub

    def on_property(self) -> ir.Node | None:
        self.next()
        if self.word("get", "let", "set") and self.peek().kind == "name":
            return self.script_property()
        line, name = self.token.line, self.name_text(self.next())
        self.skip_line()
        after = self.at
        while self.token.kind == "line":
            self.next()
        if not self.word("get", "set", *MODIFIERS):
            self.at = after
            return None
        body: list[ir.Node] = []
        while not self.done() and not (self.word("end") and self.peek().lower == "property"):
            if self.word("get", "set"):
                word = self.next().lower
                self.skip_line()
                body += self.statements(word)
                self.close(word)
            else:
                self.next()
        self.close("property")
        self.program.functions.append(ir.Function(line, "property:" + name, [], body, (), self.owner))
        return None

    def script_property(self) -> ir.Node | None:
        """VBScript's `Property Let name(value)`: one procedure for each direction."""
        reads = self.next().lower == "get"
        line, name = self.token.line, self.name_text(self.next())
        names, types = self.parameters() if self.sign("(") else ([], [])
        saved, self.depth = self.depth, 1
        body = self.statements("property")
        self.depth = saved
        self.close("property")
        label = ("property:" if reads else "set:") + name
        self.program.functions.append(ir.Function(line, label, names, body, types, self.owner))
        if reads:  # it gives back by its own name
            self.program.functions.append(ir.Function(line, name, names, body, types, self.owner))
        return None

    def on_declare(self) -> ir.Node | None:
        """`Declare Function name Lib "library" Alias "its name there" (...)`."""
        line, words = self.next().line, []
        while self.token.kind not in ("line", "end") and not self.sign("("):
            words.append(self.next())
        names, types = self.parameters() if self.sign("(") else ([], [])
        self.skip_line()
        strings = [self.string(one.text) for one in words if one.kind == "string"]
        plain = [one for one in words if one.kind == "name" and one.lower not in _DECLARING]
        if plain:
            name = self.name_text(plain[0])
            given = strings[1] if len(strings) > 1 else name
            self.program.functions.append(ir.Function(line, name, names, [], types, self.owner, extern=given.lower()))
        return None

    def on_option(self) -> ir.Node | None:
        self.skip_line()
        return None

    on_delegate = on_event = on_inherits = on_implements = on_goto = on_addhandler = on_option

    def on_on(self) -> ir.Node | None:
        """`On Error Resume Next`, `On Error GoTo x`: no more than these words."""
        for words in (("on",), ("error",), ("resume", "goto"), ("next", "0")):
            if self.token.lower in words or (words == ("next", "0") and self.token.kind in ("name", "number")):
                self.next()
        return None

    def on_throw(self) -> ir.Node:
        line = self.next().line
        return ir.Op(line, "throw", [] if self.token.kind in ("line", "end") else [self.expression()])

    def on_imports(self) -> ir.Node | None:
        self.next()
        words: list[str] = []
        while self.token.kind not in ("line", "end"):
            words.append(self.next().text)
        text = "".join(words)
        if "=" in text:
            alias, _, full = text.partition("=")
            self.program.aliases[alias.lower()] = full.lower()
        else:
            self.program.imports.add(text.lower())
        return None

    def on_set(self) -> ir.Node | None:
        self.next()
        return self.simple()

    on_let = on_call = on_set

    def on_return(self) -> ir.Node:
        line = self.next().line
        value = None if self.token.kind in ("line", "end") else self.expression()
        return ir.Return(line, value)

    def on_exit(self) -> ir.Node:
        line = self.next().line
        what = self.next().lower if self.token.kind == "name" else ""
        return ir.Return(line, None, "break" if what in ("for", "do", "while", "select") else "return")

    def on_end(self) -> ir.Node | None:
        self.next()
        if self.word(*ENDERS):
            self.next()
        return None

    def on_else(self) -> ir.Node | None:
        self.next()
        return None

    on_elseif = on_next = on_loop = on_wend = on_case = on_else

    def on_const(self) -> ir.Node | None:
        return self.dim(keyword=True)

    def on_execute(self) -> ir.Node:
        """`Execute x`, `ExecuteGlobal x`: with or without brackets."""
        return self.simple()

    on_executeglobal = on_eval = on_execute

    def parameters(self) -> tuple[list[str], list[str]]:
        names: list[str] = []
        types: list[str] = []
        self.byref = set()
        self.next()
        while not self.done() and not self.sign(")") and self.token.kind != "line":
            by_reference = self.word("byref")
            while self.word("byval", "byref", "optional", "paramarray"):
                by_reference = self.next().lower == "byref" or by_reference
            names.append(self.name_text(self.next()))
            if by_reference:
                self.byref.add(names[-1])
            if self.sign("("):
                self.arguments()
            types.append(self.type_name() if self.accept("as") else "")
            if self.accept("="):
                self.expression()
            if not self.accept(","):
                break
        self.accept(")")
        return names, types


def read_vb(code: str, first_line: int = 1) -> ir.Program:
    """VB.NET or VBScript source, line `first_line` of the page first, as a program."""
    reader = VbReader(code, first_line)
    reader.program.statements.extend(reader.statements())
    return reader.program
