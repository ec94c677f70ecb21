"""VB.NET and VBScript to the common nodes: an own, tolerant parser, statement by statement.

Case does not matter, `_` at a line's end continues it, `:` separates statements, `'` and Rem start comments, `&` joins
text, `x(1)` is a call or an element. Two statements on one line without a separator are taken as two. A statement
that cannot be read costs itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.tokens import Token, scan

_PATTERN = re.compile(
    r"""
    (?P<continued>[ \t]_[ \t]*(?:'[^\n]*)?\r?\n)
  | (?P<blank>[ \t\f\v\u00a0\u3000]+)
  | (?P<line>\r?\n|\r|:(?!=))
  | (?P<comment>'[^\r\n]*|<!--[^\r\n]*|\brem\b(?=[ \t\r\n])[^\r\n]*)
  | (?P<string>[\"\u201c\u201d](?:[^\"\u201c\u201d\r\n]|[\"\u201c\u201d]{2})*(?:[\"\u201c\u201d]c?|(?=[\r\n]|$)))
  | (?P<date>\#[^\#\r\n]{4,30}\#)
  | (?P<number>(?<=[(,])&0[0-7]+&?|&h[0-9a-f]+&?|&o[0-7]+&?|\d+(?:\.\d+)?(?:e[+-]?\d+)?[%&!\#@ilsdfr]?(?!\w)|\d+)
  | (?P<bracket>\[[^\]\r\n]{1,80}\])
  | (?P<name>[^\W\d]\w*[$%!]?(?!\w)|[^\W\d]\w*)
  | (?P<op><>|<=|>=|=>|=<|:=|\+=|-=|&=|\*=|/=|<<|>>|[-+*/\\^&=<>().,{}!?])
  | (?P<other>.)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SKIP = frozenset(("continued", "blank", "comment", "other"))
_MODIFIERS = frozenset(
    "public private protected friend shared overrides overridable overloads default readonly writeonly shadows notoverridable mustoverride "
    "partial withevents static const async iterator mustinherit notinheritable".split()
)
_OPERATORS: tuple[frozenset[str], ...] = (
    frozenset(("or", "orelse", "xor", "eqv", "imp")),
    frozenset(("and", "andalso")),
    frozenset(("=", "<>", "<", ">", "<=", ">=", "=>", "=<", "is", "isnot", "like")),
    frozenset(("<<", ">>")),
    frozenset(("&",)),
    frozenset(("+", "-")),
    frozenset(("mod", "\\")),
    frozenset(("*", "/")),
    frozenset(("^",)),
)
_LEVELS = {operator: level for level, group in enumerate(_OPERATORS) for operator in group}
_STOPS = frozenset(("then", "to", "step", "else", "end", "next", "as", "in", "until", "while", "loop", "goto", "handles", "implements", "on"))
_ENDERS = {"if": "if", "sub": "sub", "function": "function", "class": "class", "module": "module", "select": "select", "with": "with",
    "while": "while", "try": "try", "using": "using", "property": "property", "get": "get", "set": "set", "namespace": "namespace",
    "structure": "structure", "enum": "enum", "synclock": "synclock", "interface": "interface"}  # fmt: skip
_WORD_LITERALS: dict[str, str | int | bool | None] = {
    "true": True, "false": False, "nothing": None, "null": None, "empty": "", "vbcrlf": "\r\n", "vbnewline": "\r\n", "vbcr": "\r", "vblf": "\n",
    "vbtab": "\t", "vbnullchar": "\0", "vbnullstring": "", "vbbinarycompare": 0, "vbtextcompare": 1,
}  # fmt: skip
MAX_DEPTH = 40


class VbReader:
    """Reads VB.NET and VBScript."""

    def __init__(self, code: str, first_line: int = 1) -> None:
        self.tokens = scan(code, _PATTERN, first_line, _SKIP, {"bracket": "name"})
        self.at = 0
        self.program = ir.Program()
        self.owner = ""
        self.depth = 0
        self.withs: list[ir.Node] = []
        self.marks: set[str] = set()

    # --- tokens -------------------------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def next(self) -> Token:
        token = self.tokens[self.at]
        if self.at < len(self.tokens) - 1:
            self.at += 1
        return token

    def word(self, *words: str) -> bool:
        return self.token.kind == "name" and self.token.lower in words

    def sign(self, *signs: str) -> bool:
        return self.token.kind == "op" and self.token.text in signs

    def accept(self, text: str) -> bool:
        if self.token.kind in ("op", "name") and self.token.lower == text:
            self.next()
            return True
        return False

    def skip_line(self) -> None:
        while self.token.kind not in ("line", "end"):
            self.next()

    def done(self) -> bool:
        return self.token.kind == "end"

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
        if "nesting too deep" not in self.program.problems:
            self.program.problems.append("nesting too deep")
        if self.word("if", "while", "do", "for", "with", "select", "sub", "function", "else", "elseif", "end", "loop", "next", "wend"):
            self.next()
            return []
        return [self.simple()]

    def closes(self, ends: Sequence[str]) -> bool:
        if self.word(*ends) and not (self.token.lower in ("get", "set") and self.peek().kind != "line"):
            return True
        if self.word("end"):
            follow = self.peek().lower
            return follow in ends or f"end {follow}" in ends or (follow in _ENDERS and bool(ends) and self.depth > 1)
        return self.word("endif") and "if" in ends

    def close(self, word: str) -> None:
        """Take `End word`, or whatever closes here."""
        if self.word("end") and self.peek().lower in _ENDERS:
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
            while self.word(*_MODIFIERS) and self.peek().kind == "name":
                self.next()
                if not self.word("sub", "function", "class", "module", "property", "structure", "enum", "event", "delegate", "declare",
                                 "operator", "interface", *_MODIFIERS):  # fmt: skip
                    return self.dim(keyword=False)
            handler = getattr(self, "on_" + self.token.lower, None)
            if handler is not None and not (self.peek().kind == "op" and self.peek().text in (".", "=") and self.token.lower not in ("if", "while", "return", "with")):
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
        if self.token.kind in ("line", "end") or isinstance(target, ir.Call) and not self.sign(",", "&", "+"):
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
        if self.sign("("):
            if self.peek().text in (")", ","):
                kind += "[]"
            self.arguments()
        return kind

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
        self.skip_line()
        while not self.done():
            while self.token.kind == "line":
                self.next()
            if not self.word("case"):
                break
            self.next()
            if self.accept("else"):
                pass
            else:
                self.bare_arguments()
            found.append(ir.If(self.token.line, ir.Op(line, "undefined", []), self.statements("case", "select")))
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
            self.next()
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
        saved, self.depth = self.depth, 1
        body = self.statements(word)
        self.depth = saved
        self.close(word)
        name = self.owner if name.lower() == "new" and self.owner else name
        self.program.functions.append(ir.Function(line, name, names, body, types, self.owner, marks, result))
        return None

    on_function = on_sub

    def on_property(self) -> ir.Node | None:
        self.next()
        line, name = self.token.line, self.name_text(self.next())
        self.skip_line()
        after = self.at
        while self.token.kind == "line":
            self.next()
        if not self.word("get", "set", *_MODIFIERS):
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

    def on_declare(self) -> ir.Node | None:
        self.skip_line()
        return None

    on_delegate = on_event = on_option = on_inherits = on_implements = on_goto = on_on = on_addhandler = on_throw = on_declare

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
        if self.word(*_ENDERS):
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
        self.next()
        while not self.done() and not self.sign(")") and self.token.kind != "line":
            while self.word("byval", "byref", "optional", "paramarray"):
                self.next()
            names.append(self.name_text(self.next()))
            if self.sign("("):
                self.arguments()
            types.append(self.type_name() if self.accept("as") else "")
            if self.accept("="):
                self.expression()
            if not self.accept(","):
                break
        self.accept(")")
        return names, types

    # --- expressions --------------------------------------------------------------------------------------------

    @staticmethod
    def name_text(token: Token) -> str:
        return token.text.strip("[]").rstrip("$%!")

    def expression(self, level: int = 0) -> ir.Node:
        return self.continue_expression(self.unary(), level)

    def continue_expression(self, left: ir.Node, level: int = 0) -> ir.Node:
        """Operators behind an operand, by precedence; chains of one operator are one node."""
        while self.token.kind in ("op", "name"):
            operator = self.token.lower
            mine = _LEVELS.get(operator)
            if mine is None or mine < level:
                break
            line = self.next().line
            right = self.expression(mine + 1) if self.deeper() else self.unary()
            self.depth -= 1
            sign = "&concat" if operator == "&" else operator
            if isinstance(left, ir.Op) and left.op == sign and isinstance(left.items, list):
                left.items.append(right)
            else:
                left = ir.Op(line, sign, [left, right])
        return left

    def deeper(self) -> bool:
        self.depth += 1
        return self.depth < MAX_DEPTH * 2

    def unary(self) -> ir.Node:
        token = self.token
        if self.word("not") or self.sign("-", "+"):
            self.next()
            inner = self.unary() if self.deeper() else ir.Lit(token.line, None)
            self.depth -= 1
            return inner if token.text == "+" else ir.Op(token.line, "u" + token.lower, [inner])
        if self.word("addressof", "await"):
            self.next()
        return self.postfix()

    def postfix(self) -> ir.Node:
        node = self.primary()
        while True:
            line = self.token.line
            if self.sign(".", "!"):
                separator = self.next().text
                if self.token.kind != "name":
                    break
                name = self.name_text(self.next())
                node = ir.Member(line, node, name) if separator == "." else ir.Index(line, node, [ir.Lit(line, name)])
            elif self.sign("("):
                node = ir.Call(line, node, self.arguments())
            elif self.sign("?") and self.peek().text == ".":
                self.next()
            else:
                break
        return node

    def arguments(self) -> list[ir.Node]:
        """`(a, , name:=b)`."""
        found: list[ir.Node] = []
        self.next()
        self.depth += 1
        while not self.done() and not self.sign(")"):
            if self.token.kind == "line":
                self.next()
                continue
            before = self.at
            if self.sign(","):
                self.next()
                found.append(ir.Lit(self.token.line, None))
                continue
            found.append(self.argument())
            if self.token.kind == "name" and self.token.lower == "to":
                self.next()
                self.expression()
            while self.token.kind == "line" and self.token.text != ":" and self.peek().text in (")", ","):
                self.next()
            if self.sign(","):
                self.next()
            elif not self.sign(")"):
                break
            if self.at == before:
                break
        self.depth -= 1
        self.accept(")")
        return found

    def argument(self) -> ir.Node:
        if self.token.kind == "name" and self.peek().text == ":=":
            self.next()
            self.next()
        if self.depth > MAX_DEPTH * 2:
            return ir.Opaque(self.token.line, self.rest())
        return self.expression()

    def rest(self) -> str:
        """Too deep: the text of what is left in the brackets."""
        words: list[str] = []
        depth = 0
        while not self.done() and len(words) < 20_000:
            depth += self.token.text == "("
            depth -= self.token.text == ")"
            if depth < 0:
                break
            words.append(self.next().text)
        return " ".join(words)

    def primary(self) -> ir.Node:
        token = self.token
        if token.kind == "string":
            self.next()
            return ir.Lit(token.line, self.string(token.text))
        if token.kind == "number":
            self.next()
            return ir.Lit(token.line, self.number(token.lower))
        if token.kind == "name":
            return self.named()
        if self.sign("("):
            arguments = self.arguments()
            return arguments[0] if len(arguments) == 1 else ir.Array(token.line, arguments)
        if self.sign("{"):
            return self.braces()
        if self.sign(".", "!") and self.withs:
            return self.withs[-1]
        if token.kind not in ("line", "end") and not self.sign(")", ",", "}"):
            self.next()
        return ir.Lit(token.line, None)

    def braces(self) -> ir.Node:
        line = self.next().line
        items: list[ir.Node] = []
        while not self.done() and not self.sign("}"):
            if self.token.kind == "line" or self.sign(","):
                self.next()
                continue
            before = self.at
            items.append(self.expression() if self.deeper() else ir.Lit(line, None))
            self.depth -= 1
            if self.at == before:
                self.next()
        self.accept("}")
        return ir.Array(line, items)

    @staticmethod
    def string(text: str) -> str:
        body = text[:-1] if text[-1:].lower() == "c" and len(text) > 2 and text[-2] in '"\u201c\u201d' else text
        body = body[1:-1] if len(body) > 1 and body[-1] in '"\u201c\u201d' else body[1:]
        return re.sub('["\u201c\u201d]{2}', '"', body)

    @staticmethod
    def number(text: str) -> int:
        if text.startswith("&h"):
            return int(text[2:].rstrip("&"), 16)
        if text.startswith("&0"):
            return int(text[1:].rstrip("&"), 8)
        if text.startswith("&o"):
            return int(text[2:].rstrip("&"), 8)
        match = re.match(r"\d{1,18}", text)
        return int(match.group(0)) if match else 0

    def named(self) -> ir.Node:
        token = self.token
        word = token.lower
        if word == "new":
            return self.new()
        if word in _WORD_LITERALS:
            self.next()
            return ir.Lit(token.line, _WORD_LITERALS[word])
        if word in ("ctype", "directcast", "trycast"):
            return self.cast()
        if word in ("gettype", "typeof"):
            self.next()
            if self.sign("(") and word == "gettype":
                arguments = self.arguments()
                name = arguments[0].id if arguments and isinstance(arguments[0], ir.Name) else ""
                return ir.Op(token.line, "typeof:" + name, [])
        if word in ("function", "sub") and self.peek().text == "(":
            return self.lambda_()
        if word in _STOPS:
            return ir.Lit(token.line, None)
        self.next()
        return ir.Name(token.line, self.name_text(token))

    def lambda_(self) -> ir.Node:
        line = self.next().line
        names, _types = self.parameters()
        if self.token.kind == "line":
            return ir.Lambda(line, names, [])
        return ir.Lambda(line, names, [ir.Return(line, self.expression())])

    def cast(self) -> ir.Node:
        line = self.next().line
        if not self.sign("("):
            return ir.Lit(line, None)
        self.next()
        value = self.expression()
        kind = self.type_name() if self.accept(",") else ""
        self.accept(")")
        return ir.Op(line, "cast:" + kind, [value])

    def new(self) -> ir.Node:
        line = self.next().line
        if self.token.kind != "name":
            return ir.Lit(line, None)
        parts = [self.next().text]
        while self.sign("."):
            self.next()
            parts.append(self.next().text)
        kind = parts[-1].strip("[]").lower()
        arguments = self.arguments() if self.sign("(") else []
        inits: list[ir.Node] = []
        if self.sign("{"):
            braces = self.braces()
            return ir.New(line, kind + "[]", arguments, braces.items if isinstance(braces, ir.Array) else ())
        if self.word("with") and self.peek().text == "{":
            self.next()
            inits = self.initializer()
        return ir.New(line, kind, arguments, inits)

    def initializer(self) -> list[ir.Node]:
        """`With {.a = 1, .b = 2}`."""
        found: list[ir.Node] = []
        self.next()
        while not self.done() and not self.sign("}"):
            if self.sign(".") and self.peek().kind == "name":
                self.next()
                target = ir.Name(self.token.line, self.name_text(self.next()))
                if self.accept("="):
                    found.append(ir.Assign(target.line, target, self.expression()))
                    continue
            self.next()
        self.accept("}")
        return found


def read_vb(code: str, first_line: int = 1) -> ir.Program:
    """VB.NET or VBScript source, line `first_line` of the page first, as a program."""
    reader = VbReader(code, first_line)
    reader.program.statements.extend(reader.statements())
    return reader.program
