"""PHP and Java to the common nodes: an own, tolerant parser for languages of C's shape.

It reads what web shells are written in, not all of either language; a statement that cannot be read costs itself.
Depth is bounded, operators in a row become one node, and no input makes it go back more than a few tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.tokens import Token, scan
from afterpatch.detect.pages.treebase import unescape
from afterpatch.model import message

PHP_TOKENS = re.compile(
    r"""
    (?P<blank>\s+)
  | (?P<comment>/\*.*?(?:\*/|\Z)|(?://|\#(?!\[))[^\n\r]*)
  | (?P<string>\"(?:[^\"\\]|\\.)*(?:\"|\Z)|'(?:[^'\\]|\\.)*(?:'|\Z)|`(?:[^`\\]|\\.)*(?:`|\Z))
  | (?P<number>0[xX][0-9a-fA-F]+|0[bB][01]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)
  | (?P<cast>\(\s*(?:int|integer|float|double|real|bool|boolean|string|array|object|binary|unset)\s*\))
  | (?P<variable>\$[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)
  | (?P<name>\\?[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*(?:\\[A-Za-z_]\w*)*)
  | (?P<op>===|!==|<=>|\*\*=|\.\.\.|<<=|>>=|\?\?=|\?->|=>|->|::|==|!=|<>|<=|>=|&&|\|\||\?\?|\+\+|--
      |\+=|-=|\*=|/=|\.=|%=|&=|\|=|\^=|<<|>>|\*\*|.)
    """,
    re.VERBOSE | re.DOTALL,
)
JAVA_TOKENS = re.compile(
    r"""
    (?P<blank>\s+)
  | (?P<comment>/\*.*?(?:\*/|\Z)|//[^\n\r]*)
  | (?P<heredoc>\"\"\".*?(?:\"\"\"|\Z))
  | (?P<string>\"(?:[^\"\\\n]|\\.)*(?:\"|(?=\n)|\Z)|'(?:[^'\\\n]|\\[^\n]){1,8}')
  | (?P<number>0[xX][0-9a-fA-F_]+[lL]?|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?[lLfFdD]?)
  | (?P<name>[A-Za-z_$\x80-\U0010ffff][\w$\x80-\U0010ffff]*)
  | (?P<op>>>>=|>>>(?!=)|<<=|>>=|->|::|==|!=|<=|>=|&&|\|\||\+\+|--|\+=|-=|\*=|/=|%=|&=|\|=|\^=|<<|\.\.\.|.)
    """,
    re.VERBOSE | re.DOTALL,
)
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
_MODIFIERS = frozenset(
    [
        "public",
        "private",
        "protected",
        "static",
        "final",
        "abstract",
        "var",
        "synchronized",
        "native",
        "transient",
        "volatile",
        "strictfp",
        "readonly",
        "default",
    ]
)
MAX_DEPTH = 45


class CReader:
    """Reads PHP and Java; subclasses know the details."""

    pattern: re.Pattern[str]
    caseless = True
    extends = frozenset(("extends", "implements"))

    def __init__(self, code: str, first_line: int = 1) -> None:
        self.tokens = scan(code, self.pattern, first_line, _SKIP, {})
        self.at = 0
        self.depth = 0
        self.owner = ""
        self.byref: set[str] = set()
        self.program = ir.Program()
        self.words: dict[str, Callable[[], ir.Node | None]] = {
            "if": self.on_if,
            "while": self.on_while,
            "for": self.on_for,
            "do": self.on_do,
            "switch": self.on_switch,
            "try": self.on_try,
            "return": self.on_return,
            "break": self.on_jump,
            "continue": self.on_jump,
            "class": self.on_class,
            "interface": self.on_class,
            "trait": self.on_class,
            "throw": self.on_throw,
            "case": self.on_case,
            "default": self.on_case,
            "else": self.skip_word,
            "enum": self.on_class,
        }

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

    # --- statements ---------------------------------------------------------------------------------------------

    def program_of(self) -> ir.Program:
        """The whole text."""
        while not self.done():
            before = self.at
            self.program.statements.extend(self.statements())
            if self.at == before or self.sign("}"):
                self.next()
        return self.program

    def statements(self, *ends: str) -> list[ir.Node]:
        """Statements up to a closing brace or word, which is left standing."""
        found: list[ir.Node] = []
        while not self.done() and not self.sign("}") and not self.word(*ends):
            before = self.at
            statement = self.statement()
            if statement is not None:
                found.append(statement)
            if self.at == before:
                self.next()
        return found

    def block(self) -> list[ir.Node]:
        """`{ ... }` or one statement."""
        if self.depth > MAX_DEPTH:
            self.too_deep()
            return []
        self.depth += 1
        try:
            if self.accept("{"):
                body = self.statements()
                self.accept("}")
                return body
            statement = self.statement()
            return [statement] if statement is not None else []
        finally:
            self.depth -= 1

    def too_deep(self) -> None:
        if message("page.problem.deep") not in self.program.problems:
            self.program.problems.append(message("page.problem.deep"))
        self.next()

    def statement(self) -> ir.Node | None:
        token = self.token
        if self.sign(";"):
            self.next()
            return None
        if self.sign("{"):
            return ir.Block(token.line, self.block())
        if token.kind == "name":
            while (
                self.word(*_MODIFIERS)
                and not (self.word("default") and self.peek().text == ":")
                and self.peek().text not in ("::", "(")
            ):
                self.next()
            handler = self.words.get(self.token.lower if self.caseless else self.token.text)
            if handler is not None and self.peek().text not in ("=", "->", ".", "::"):
                return handler()
            special = self.declaration()
            if special is not None:
                return special
        found = self.expression()
        while self.accept(","):
            found = ir.Block(token.line, [found, self.expression()])
        self.accept(";")
        return found

    def declaration(self) -> ir.Node | None:
        """What only one of the languages has."""
        return None

    def skip_word(self) -> ir.Node | None:
        self.next()
        return None

    def condition(self) -> ir.Node:
        """`( ... )`."""
        line = self.token.line
        if not self.accept("("):
            return ir.Lit(line, None)
        test = self.expression()
        if not self.sign(")"):
            self.skip_to(")")
        self.accept(")")
        return test

    def body(self, *ends: str) -> list[ir.Node]:
        """A block, a statement, or PHP's `: ... endif;`."""
        if self.sign(":"):
            self.next()
            return self.statements(*ends)
        return self.block()

    def on_if(self) -> ir.Node:
        line = self.next().line
        root = last = ir.If(line, self.condition(), self.body("elseif", "else", "endif"))
        while True:
            while self.sign(";") and self.peek().lower in ("else", "elseif"):
                self.next()
            if self.word("elseif") or (self.word("else") and self.peek().lower == "if"):
                if self.next().lower == "else":
                    self.next()
                follow = ir.If(self.token.line, self.condition(), self.body("elseif", "else", "endif"))
                last.other = [follow]
                last = follow
            elif self.word("else"):
                self.next()
                last.other = self.body("endif")
                break
            else:
                break
        self.accept("endif")
        return root

    def on_while(self) -> ir.Node:
        line = self.next().line
        loop = ir.Loop(line, self.condition(), self.body("endwhile"))
        self.accept("endwhile")
        return loop

    def on_do(self) -> ir.Node:
        line = self.next().line
        body = self.block()
        test = self.condition() if self.accept("while") else None
        return ir.Loop(line, test, body, post=True)

    def on_for(self) -> ir.Node | None:
        line = self.next().line
        if not self.accept("("):
            return None
        each = self.for_each(line)
        if each is not None:
            return each
        start = self.listed(";")
        tests = self.listed(";")
        steps = self.listed(")")
        body = self.body("endfor")
        self.accept("endfor")
        loop = ir.Loop(line, tests[-1] if tests else None, body, steps)
        return ir.Block(line, [*start, loop])

    def for_each(self, line: int) -> ir.Node | None:
        """A loop over elements in `for`'s brackets, where the language has that."""
        del line
        return None

    def listed(self, close: str) -> list[ir.Node]:
        """Expressions with commas up to a sign, which is taken."""
        found: list[ir.Node] = []
        while not self.done() and not self.sign(close):
            before = self.at
            declared = self.declaration() if self.token.kind == "name" else None
            found.append(declared if declared is not None else self.expression())
            if declared is not None and close == ";":
                return found
            if not self.accept(","):
                if not self.sign(close):
                    self.skip_to(close)
                break
            if self.at == before:
                break
        self.accept(close)
        return found

    def on_switch(self) -> ir.Node:
        line = self.next().line
        test = self.condition()
        body = self.body("endswitch")
        self.accept("endswitch")
        kept = [one for one in body if not isinstance(one, ir.Return) or one.jump == "return"]
        return ir.Block(line, [test, *[ir.If(one.line, ir.Op(line, "undefined", []), [one]) for one in kept]])

    def on_case(self) -> ir.Node | None:
        word = self.next().lower
        if word == "case":
            self.expression()
        if self.sign(":", ";"):
            self.next()
        elif self.accept("->"):
            pass
        return None

    def on_try(self) -> ir.Node:
        line = self.next().line
        found: list[ir.Node] = []
        if self.sign("("):
            self.next()
            found.extend(self.listed(")"))
        found.extend(self.block())
        while self.word("catch", "finally"):
            self.next()
            if self.accept("("):
                self.skip_to(")")
                self.accept(")")
            found.extend(self.block())
        return ir.Block(line, found)

    def on_return(self) -> ir.Node:
        line = self.next().line
        value = None if self.sign(";", "}") or self.done() else self.expression()
        self.accept(";")
        return ir.Return(line, value)

    def on_jump(self) -> ir.Node:
        token = self.next()
        self.skip_to(";", "}")
        self.accept(";")
        return ir.Return(token.line, None, token.lower)

    def on_throw(self) -> ir.Node:
        self.next()
        found = self.expression()
        self.accept(";")
        return found

    def on_class(self) -> ir.Node | None:
        line = self.next().line
        if self.token.kind != "name":
            return None
        outer, self.owner = self.owner, self.next().text
        bases: list[str] = []
        while not self.done() and not self.sign("{", ";"):
            token = self.next()
            if token.kind == "name" and token.lower not in self.extends:
                bases.append(token.lower)
        self.program.bases[self.owner.lower()] = tuple(bases)
        body = self.block() if self.sign("{") else []
        self.owner = outer
        return ir.Block(line, body)

    def function_body(self, line: int, name: str, names: list[str], types: list[str], result: str = "") -> None:
        byref = frozenset(self.byref)
        saved, self.depth = self.depth, 0
        body = self.block() if self.sign("{") else []
        self.depth = saved
        self.program.functions.append(ir.Function(line, name, names, body, types, self.owner, result=result, byref=byref))

    # --- expressions --------------------------------------------------------------------------------------------

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
