"""PHP and Java to the common nodes: an own, tolerant parser for languages of C's shape.

It reads what web shells are written in, not all of either language; a statement that cannot be read costs itself.
Depth is bounded, operators in a row become one node, and no input makes it go back more than a few tokens.
"""

from __future__ import annotations

import re

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.cexpr import MAX_DEPTH, CExpressions
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


class CReader(CExpressions):
    """Reads PHP and Java; subclasses know the details."""

    def keywords(self) -> None:
        """What starts a statement."""
        self.words |= {
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
        saved = self.depth
        self.depth = saved if self.inside else 0  # a function in a function is as deep as it stands
        self.inside += 1
        body = self.block() if self.sign("{") else []
        self.inside -= 1
        self.depth = saved
        self.program.functions.append(ir.Function(line, name, names, body, types, self.owner, result=result, byref=byref))
