"""VB's statements to the common nodes.

Two statements on one line without a separator are taken as two. A statement that cannot be read costs itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.vbvariables import VbVariables
from afterpatch.detect.pages.vbwords import ENDERS, MAX_DEPTH, MODIFIERS, PLAIN_ENDS
from afterpatch.model import message


class VbStatements(VbVariables):
    """Branches, loops, blocks, assignments."""

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

    def on_set(self) -> ir.Node | None:
        self.next()
        return self.simple()

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

    def on_const(self) -> ir.Node | None:
        return self.dim(keyword=True)

    def on_execute(self) -> ir.Node:
        """`Execute x`, `ExecuteGlobal x`: with or without brackets."""
        return self.simple()

    def on_on(self) -> ir.Node | None:
        """`On Error Resume Next`, `On Error GoTo x`: no more than these words."""
        for words in (("on",), ("error",), ("resume", "goto"), ("next", "0")):
            if self.token.lower in words or (words == ("next", "0") and self.token.kind in ("name", "number")):
                self.next()
        return None

    def on_throw(self) -> ir.Node:
        line = self.next().line
        return ir.Op(line, "throw", [] if self.token.kind in ("line", "end") else [self.expression()])

    def on_option(self) -> ir.Node | None:
        self.skip_line()
        return None

    on_delegate = on_event = on_inherits = on_implements = on_goto = on_addhandler = on_option
    on_let = on_call = on_set
    on_elseif = on_next = on_loop = on_wend = on_case = on_else
    on_executeglobal = on_eval = on_execute
