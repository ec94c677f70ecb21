"""Expressions of VB.NET and VBScript; the statements are in `vb`."""

from __future__ import annotations

import re

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.tokens import Token, scan
from afterpatch.detect.pages.vbwords import LEVELS, MAX_DEPTH, PATTERN, SKIP, STOPS, WORD_LITERALS
from afterpatch.model import message


class VbExpressions:
    """The scanner's state and everything that has a value."""

    def __init__(self, code: str, first_line: int = 1) -> None:
        self.tokens = scan(code, PATTERN, first_line, SKIP, {"bracket": "name"})
        self.at = 0
        self.program = ir.Program()
        self.owner = ""
        self.depth = 0
        self.withs: list[ir.Node] = []
        self.marks: set[str] = set()
        self.byref: set[str] = set()

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

    def parameters(self) -> tuple[list[str], list[str]]:
        """Names and types of parameters in brackets."""
        raise NotImplementedError

    def type_name(self) -> str:
        """A type behind As."""
        raise NotImplementedError

    def statements(self, *ends: str) -> list[ir.Node]:
        """Statements up to a closing word."""
        raise NotImplementedError

    def statement(self) -> ir.Node | None:
        """One statement."""
        raise NotImplementedError

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
            mine = LEVELS.get(operator)
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
            if self.sign(".", "!") and not (self.withs and self.token.spaced and self.peek(-1).kind == "name"):
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
        if message("page.problem.deep") not in self.program.problems:
            self.program.problems.append(message("page.problem.deep"))
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
            separator = self.next().text
            if self.token.kind != "name":
                return self.withs[-1]
            name = self.name_text(self.next())
            held = self.withs[-1]
            return (
                ir.Member(token.line, held, name) if separator == "." else ir.Index(token.line, held, [ir.Lit(token.line, name)])
            )
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
        if word in WORD_LITERALS:
            self.next()
            return ir.Lit(token.line, WORD_LITERALS[word])
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
        if word in STOPS:
            return ir.Lit(token.line, None)
        self.next()
        return ir.Name(token.line, self.name_text(token))

    def lambda_(self) -> ir.Node:
        line = self.next().line
        word = self.peek(-1).lower
        names, types = self.parameters()
        if self.accept("as"):
            self.type_name()
        if self.token.kind != "line":
            body = self.statement() if word == "sub" else None
            return ir.Lambda(line, names, [body] if body is not None else [ir.Return(line, self.expression())], types)
        withs, self.withs = self.withs, []
        body_of = self.statements(word)
        self.withs = withs
        if self.word("end") and self.peek().lower == word:
            self.next()
            self.next()
        return ir.Lambda(line, names, body_of, types)

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
