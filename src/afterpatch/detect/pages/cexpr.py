"""Tokens and expressions of languages of C's shape (PHP, Java)."""

from __future__ import annotations

import re
from collections.abc import Callable

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.tokens import Token, scan
from afterpatch.detect.pages.treebase import unescape
from afterpatch.model import message

_SKIP = frozenset(("blank", "comment"))
_LEVELS = {
    sign: level
    for level, signs in enumerate(
        (
            ("or",),
            ("xor",),
            ("and",),
            ("??",),
            ("||",),
            ("&&",),
            ("|",),
            ("^",),
            ("&",),
            ("==", "!=", "===", "!==", "<>", "<=>"),
            ("<", ">", "<=", ">=", "instanceof"),
            ("<<", ">>", ">>>"),
            ("+", "-", "."),
            ("*", "/", "%"),
            ("**",),
        ),
    )
    for sign in signs
}
_ASSIGN = frozenset(("=", "+=", "-=", "*=", "/=", ".=", "%=", "&=", "|=", "^=", "<<=", ">>=", ">>>=", "??=", "**="))
MAX_DEPTH = 45


class CExpressions:
    """The scanner's state and everything that has a value."""

    pattern: re.Pattern[str]
    caseless = True
    extends = frozenset(("extends", "implements"))

    def __init__(self, code: str, first_line: int = 1) -> None:
        self.tokens = scan(code, self.pattern, first_line, _SKIP, {})
        self.at = 0
        self.depth = 0
        self.inside = 0  # functions around
        self.owner = ""
        self.byref: set[str] = set()
        self.program = ir.Program()
        self.words: dict[str, Callable[[], ir.Node | None]] = {}
        self.keywords()

    def keywords(self) -> None:
        """What starts a statement goes into `words`."""

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

    def done(self) -> bool:
        return self.token.kind == "end"

    def sign(self, *signs: str) -> bool:
        return self.token.kind in ("op", "cast") and self.token.text in signs

    def word(self, *words: str) -> bool:
        return self.token.kind == "name" and self.token.lower in words

    def accept(self, text: str) -> bool:
        if self.token.kind in ("op", "name") and self.token.lower == text:
            self.next()
            return True
        return False

    def skip_to(self, *signs: str) -> None:
        """Forward to a sign of this level; brackets are passed over."""
        depth = 0
        while not self.done():
            text = self.token.text if self.token.kind == "op" else ""
            if depth <= 0 and text in signs:
                return
            if text in ("(", "[", "{"):
                depth += 1
            elif text in (")", "]", "}"):
                if depth == 0:
                    return
                depth -= 1
            self.next()

    def expression(self, level: int = 0) -> ir.Node:
        if self.depth > MAX_DEPTH:
            return self.opaque()
        self.depth += 1
        try:
            return self.operators(self.unary(), level)
        finally:
            self.depth -= 1

    def opaque(self) -> ir.Node:
        """Too deep: the text up to the end of these brackets."""
        if message("page.problem.deep") not in self.program.problems:
            self.program.problems.append(message("page.problem.deep"))
        start, line = self.at, self.token.line
        self.skip_to(";", ",")
        return ir.Opaque(line, " ".join(token.text for token in self.tokens[start : min(self.at, start + 4000)]))

    def operators(self, left: ir.Node, level: int) -> ir.Node:
        while True:
            sign = self.token.lower if self.token.kind in ("op", "name") else ""
            if sign == "?" and level <= 3:
                left = self.ternary(left)
                continue
            if sign == ">" and self.peek().text == ">" and self.token.kind == "op":
                sign = ">>"
            mine = _LEVELS.get(sign)
            if mine is None or mine < level:
                return left
            line = self.next().line
            if sign == ">>":
                self.accept(">")
            right = self.expression(mine + 1)
            if isinstance(left, ir.Op) and left.op == sign and isinstance(left.items, list):
                left.items.append(right)
            else:
                left = ir.Op(line, sign, [left, right])

    def ternary(self, test: ir.Node) -> ir.Node:
        line = self.next().line
        if self.accept(":"):
            return ir.Op(line, "??", [test, self.expression(3)])
        then = self.expression()
        self.accept(":")
        return ir.Op(line, "?:", [test, then, self.expression(3)])

    def unary(self) -> ir.Node:
        token = self.token
        if token.kind == "cast":
            self.next()
            return ir.Op(token.line, "cast:" + token.lower.strip("() \t\r\n"), [self.inner()])
        if self.sign("!", "-", "+", "~", "@", "&", "..."):
            self.next()
            if token.text == "..." and self.sign(")"):
                return ir.Op(token.line, "callable", [])
            value = self.inner()
            if token.text == "...":
                return ir.Op(token.line, "spread", [value])
            return value if token.text in "@&+" else ir.Op(token.line, "u" + token.text, [value])
        if self.sign("++", "--"):
            self.next()
            target = self.inner()
            return ir.Assign(token.line, target, ir.Lit(token.line, 1), token.text)
        node = self.postfix(self.primary())
        if self.token.kind == "op" and self.token.text in _ASSIGN:
            return self.assignment(node)
        return node

    def inner(self) -> ir.Node:
        if self.depth > MAX_DEPTH:
            return self.opaque()
        self.depth += 1
        try:
            return self.unary()
        finally:
            self.depth -= 1

    def assignment(self, target: ir.Node) -> ir.Node:
        token = self.next()
        self.accept("&")
        return ir.Assign(token.line, target, self.expression(), token.text[:-1])

    def arguments(self, close: str = ")") -> list[ir.Node]:
        """`( a, b )`, the opening bracket still to be taken."""
        self.next()
        found: list[ir.Node] = []
        while not self.done() and not self.sign(close):
            before = self.at
            found.append(self.argument())
            if not self.accept(","):
                if not self.sign(close):
                    self.skip_to(close)
                break
            if self.at == before:
                self.next()
        self.accept(close)
        return found

    def argument(self) -> ir.Node:
        return self.expression()

    def primary(self) -> ir.Node:
        raise NotImplementedError

    def postfix(self, node: ir.Node) -> ir.Node:
        raise NotImplementedError

    @staticmethod
    def number(text: str) -> int | float:
        bare = text.lower().replace("_", "").rstrip("lfd" if not text.lower().startswith("0x") else "l")
        try:
            if bare.startswith(("0x", "0b")):
                return int(bare, 0) if len(bare) < 40 else 0
            if len(bare) > 1 and bare.startswith("0") and bare.isdigit():
                return int(bare, 8) if len(bare) < 40 else 0
            return int(bare) if bare.isdigit() and len(bare) < 40 else int(float(bare)) if "e" not in bare else 0
        except (ValueError, OverflowError):
            return 0

    def string_text(self, text: str) -> str:
        """A quoted string without its quotes and escapes."""
        body = text[1:-1] if len(text) > 1 and text[-1] == text[0] else text[1:]
        return unescape(body)
