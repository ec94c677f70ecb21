"""PHP source to the common nodes."""

from __future__ import annotations

import re

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.clike import PHP_TOKENS, CReader
from afterpatch.detect.pages.phplex import without_heredocs
from afterpatch.detect.pages.tokens import Token
from afterpatch.detect.pages.treebase import unescape

_INTERPOLATED = re.compile(
    r"\{\$(?P<braced>[^{}]{1,300})\}|\$\{(?P<named>[^{}]{1,200})\}|\$(?P<plain>[A-Za-z_]\w*)(?:\[(?P<key>[^\]\s]{1,80})\]|->(?P<member>\w{1,80}))?"
)
_LITERALS: dict[str, str | int | bool | None] = {
    "true": True,
    "false": False,
    "null": None,
    "php_eol": "\n",
    "directory_separator": "/",
}
_STATEMENT_CALLS = frozenset(("echo", "print", "include", "include_once", "require", "require_once", "exit", "die"))


class PhpReader(CReader):
    """Reads PHP. Variables keep their `$`; superglobals are names like any other."""

    pattern = PHP_TOKENS

    def __init__(self, code: str, first_line: int = 1, depth: int = 0) -> None:
        super().__init__(without_heredocs(code) if "<<<" in code else code, first_line)
        self.depth = depth
        self.words |= {
            "foreach": self.on_foreach,
            "function": self.on_function,
            "fn": self.on_expression,
            "global": self.on_global,
            "static": self.on_static,
            "const": self.on_const,
            "namespace": self.on_skip,
            "use": self.on_use,
            "goto": self.on_skip,
            "declare": self.on_skip,
            "endif": self.skip_word,
            "endforeach": self.skip_word,
            "endwhile": self.skip_word,
            "endfor": self.skip_word,
            "endswitch": self.skip_word,
            "elseif": self.skip_word,
        }

    def on_expression(self) -> ir.Node | None:
        found = self.expression()
        self.accept(";")
        return found

    def on_skip(self) -> ir.Node | None:
        self.skip_to(";", "{")
        self.accept(";")
        return None

    def on_use(self) -> ir.Node | None:
        """`use function a\\b as c;`: another name for a function."""
        self.next()
        if self.word("function"):
            self.next()
            while self.token.kind == "name":
                name = self.next().text.rpartition("\\")[2].lower()
                if self.accept("as"):
                    self.program.aliases[self.next().lower] = name
                if not self.accept(","):
                    break
        return self.on_skip() if not self.accept(";") else None

    def on_foreach(self) -> ir.Node | None:
        line = self.next().line
        if not self.accept("("):
            return None
        items = self.expression()
        self.accept("as")
        target, key = self.expression(), None
        if self.accept("=>"):
            key, target = target, self.expression()
        if not self.sign(")"):
            self.skip_to(")")
        self.accept(")")
        body = self.body("endforeach")
        self.accept("endforeach")
        return ir.ForEach(line, target, items, body, key)

    def on_function(self) -> ir.Node | None:
        if self.peek().text == "(":
            return self.on_expression()
        line = self.next().line
        self.accept("&")
        name = self.next().text
        names, types = self.parameters()
        self.skip_to("{", ";")
        self.function_body(line, name, names, types)
        return None

    def parameters(self) -> tuple[list[str], list[str]]:
        names: list[str] = []
        self.byref = set()
        if not self.sign("("):
            return names, []
        self.next()
        while not self.done() and not self.sign(")"):
            if self.token.kind == "variable":
                by_reference = self.tokens[self.at - 1].text == "&"
                names.append(self.next().text)
                if by_reference:
                    self.byref.add(names[-1])
                if self.accept("="):
                    self.expression()
            else:
                self.next()
        self.accept(")")
        return names, []

    def on_global(self) -> ir.Node | None:
        line = self.next().line
        names: list[ir.Node] = []
        while self.token.kind == "variable" or self.sign(","):
            token = self.next()
            if token.kind == "variable":
                names.append(ir.Lit(line, token.text))
        self.accept(";")
        return ir.Call(line, ir.Name(line, "__global"), names)

    def on_static(self) -> ir.Node | None:
        self.next()
        return self.statement()

    def on_const(self) -> ir.Node | None:
        line = self.next().line
        name = self.next().text
        if not self.accept("="):
            return self.on_skip()
        value = self.expression()
        self.accept(";")
        return ir.Call(line, ir.Name(line, "define"), [ir.Lit(line, name), value])

    def declaration(self) -> ir.Node | None:
        token = self.token
        word = token.lower
        if word in _STATEMENT_CALLS and self.peek().kind != "end":
            return self.statement_call(token)
        if (
            token.kind == "name"
            and self.peek().kind == "variable"
            and word not in ("new", "clone", "print", "yield", "return", "throw", "and", "or")
        ):
            self.next()  # a typed property
            return self.statement()
        return None

    def statement_call(self, token: Token) -> ir.Node:
        """`echo a, b;`, `include x;`: calls without brackets."""
        self.next()
        arguments: list[ir.Node] = []
        while not self.done() and not self.sign(";", "}"):
            arguments.append(self.expression())
            if not self.accept(","):
                break
        self.accept(";")
        return ir.Call(token.line, ir.Name(token.line, token.lower), arguments)

    # --- expressions --------------------------------------------------------------------------------------------

    def argument(self) -> ir.Node:
        if not self.sign("{"):
            return self.expression()
        self.next()  # braces around a value: no PHP, but what was meant is plain
        value = self.expression()
        self.accept("}")
        return value

    def primary(self) -> ir.Node:
        token = self.token
        line = token.line
        if token.kind == "variable":
            self.next()
            return ir.Name(line, token.text)
        if token.kind == "string":
            self.next()
            return self.string(token)
        if token.kind == "number":
            self.next()
            return ir.Lit(line, self.number(token.text))
        if token.kind == "name":
            return self.named()
        if self.sign("("):
            found = self.arguments()
            if len(found) == 1 and isinstance(found[0], ir.Name) and found[0].id[:1] != "$" and self.sign("("):
                return ir.Op(line, "last", found)  # `(NAME)(...)`: a constant that holds a function's name
            return found[0] if len(found) == 1 else ir.Array(line, found)
        if self.sign("["):
            return self.array("]")
        if self.sign("$"):
            return self.variable_variable()
        if not self.sign(";", ")", "}", "]", ",") and not self.done():
            self.next()
        return ir.Lit(line, None)

    def variable_variable(self) -> ir.Node:
        """`$$x`, `${expr}`."""
        line = self.next().line
        if self.accept("{"):
            inner = self.expression()
            self.skip_to("}")
            self.accept("}")
        else:
            inner = self.inner_primary()
        return ir.Call(line, ir.Name(line, "__variable"), [inner])

    def inner_primary(self) -> ir.Node:
        if self.depth > 60:
            return self.opaque()
        self.depth += 1
        try:
            return self.primary()
        finally:
            self.depth -= 1

    def array(self, close: str) -> ir.Node:
        line = self.next().line
        keys: list[ir.Node | None] = []
        items: list[ir.Node] = []
        while not self.done() and not self.sign(close):
            before = self.at
            if self.accept(","):
                continue
            item, key = self.expression(), None
            if self.accept("=>"):
                key, item = item, self.expression()
            keys.append(key)
            items.append(item)
            if not self.sign(",", close):
                self.skip_to(close, ",")
            if self.at == before:
                self.next()
        self.accept(close)
        return ir.Array(line, items, keys if any(key is not None for key in keys) else ())

    def named(self) -> ir.Node:
        token = self.token
        word = token.lower.lstrip("\\")
        line = token.line
        if word == "new":
            return self.new()
        if word in ("function", "fn"):
            return self.closure(word)
        if word == "match" and self.peek().text == "(":
            return self.match()
        if word in ("array", "list") and self.peek().text == "(":
            self.next()
            return self.array(")")
        if word in _STATEMENT_CALLS or word in ("clone", "yield"):
            self.next()
            if self.sign(";", ")"):
                return ir.Call(line, ir.Name(line, word), [])
            return ir.Call(line, ir.Name(line, word), [self.expression(3)])
        self.next()
        if word in _LITERALS and self.token.text != "(":
            return ir.Lit(line, _LITERALS[word])
        return ir.Name(line, token.text.lstrip("\\").rpartition("\\")[2])

    def match(self) -> ir.Node:
        """`match (x) { a, b => c, default => d }`: any of its arms."""
        line = self.next().line
        arms: list[ir.Node] = [self.condition()]
        if not self.accept("{"):
            return arms[0]
        while not self.done() and not self.sign("}"):
            before = self.at
            self.skip_to("=>", "}")
            if self.accept("=>"):
                arms.append(self.expression())
            self.accept(",")
            if self.at == before:
                self.next()
        self.accept("}")
        return ir.Op(line, "any", arms[1:] or arms)

    def new(self) -> ir.Node:
        line = self.next().line
        if self.word("class"):
            self.next()
            return ir.New(line, "", self.arguments() if self.sign("(") else [])
        if self.token.kind == "name":
            kind = self.next().text.rpartition("\\")[2].lower()
            return ir.New(line, kind, self.arguments() if self.sign("(") else [])
        made = self.member_chain(self.inner_primary())
        return ir.New(line, "", self.arguments() if self.sign("(") else [], (), made)

    def member_chain(self, node: ir.Node) -> ir.Node:
        while self.sign("->", "[", "{", "::"):
            if self.sign("[", "{"):
                node = ir.Index(node.line, node, self.arguments("]" if self.sign("[") else "}"))
            else:
                self.next()
                node = ir.Member(node.line, node, self.next().text)
        return node

    def closure(self, word: str) -> ir.Node:
        line = self.next().line
        self.accept("&")
        names, _types = self.parameters()
        if word == "fn":
            self.accept("=>")
            return ir.Lambda(line, names, [ir.Return(line, self.expression())])
        if self.accept("use"):
            self.parameters()
        self.skip_to("{", ";")
        return ir.Lambda(line, names, self.block() if self.sign("{") else [])

    def postfix(self, node: ir.Node) -> ir.Node:
        while True:
            line = self.token.line
            if self.sign("("):
                node = ir.Call(node.line, node, self.arguments())
            elif self.sign("["):
                node = ir.Index(node.line, node, self.arguments("]"))
            elif self.sign("{") and isinstance(node, ir.Name | ir.Index | ir.Member) and self.is_offset():
                node = ir.Index(node.line, node, self.arguments("}"))
            elif self.sign("->", "?->", "::"):
                node = self.member(node)
            elif self.sign("++", "--"):
                sign = self.next().text
                node = ir.Assign(line, node, ir.Lit(line, 1), sign + "post")
            else:
                return node

    def is_offset(self) -> bool:
        """`$x{3}`: an old way to write an offset; no block starts with a number or variable and ends behind it."""
        return self.peek().kind in ("number", "variable") and self.peek(2).text in ("}", "+", "-", "[", "%", "{")

    def member(self, node: ir.Node) -> ir.Node:
        sign = self.next().text
        token = self.token
        if token.kind == "name":
            self.next()
            return ir.Member(token.line, node, token.text)
        if token.kind == "variable":
            self.next()
            if sign == "::":
                return ir.Member(token.line, node, token.text)
            return ir.Index(token.line, node, [ir.Name(token.line, token.text)])
        if self.sign("{"):
            return ir.Index(token.line, node, self.arguments("}"))
        return ir.Index(token.line, node, [self.inner_primary()])

    # --- strings ------------------------------------------------------------------------------------------------

    def string(self, token: Token) -> ir.Node:
        text = token.text
        body = text[1:-1] if len(text) > 1 and text[-1] == text[0] else text[1:]
        if text[0] == "'":
            return ir.Lit(token.line, re.sub(r"\\([\\'])", r"\1", body))
        value = self.interpolate(body, token.line)
        if text[0] == "`":
            return ir.Call(token.line, ir.Name(token.line, "shell_exec"), [value])
        return value

    def interpolate(self, body: str, line: int) -> ir.Node:
        """A string in double quotes: variables in it are joined in."""
        if "$" not in body:
            return ir.Lit(line, unescape(body))
        items: list[ir.Node] = []
        last = 0
        for match in _INTERPOLATED.finditer(body):
            if match.start() and body[match.start() - 1] == "\\":
                continue
            items.append(ir.Lit(line, unescape(body[last : match.start()])))
            items.append(self.inserted(match, line))
            last = match.end()
            if len(items) > 400:
                break
        items.append(ir.Lit(line, unescape(body[last:])))
        return ir.Op(line, ".", items) if len(items) > 1 else items[0]

    def inserted(self, match: re.Match[str], line: int) -> ir.Node:
        plain = match.group("plain")
        if plain:
            node: ir.Node = ir.Name(line, "$" + plain)
            if match.group("key"):
                return ir.Index(line, node, [ir.Lit(line, match.group("key").strip("'\""))])
            return ir.Member(line, node, match.group("member")) if match.group("member") else node
        named = match.group("named")
        text = "$" + match.group("braced") if match.group("braced") else ("$" + named if re.fullmatch(r"\w+", named) else named)
        if self.depth > 40:
            return ir.Opaque(line, text)
        reader = PhpReader(text, line, self.depth + 8)
        value = reader.expression()
        return (
            value
            if match.group("braced") or re.fullmatch(r"\w+", named or "")
            else ir.Call(line, ir.Name(line, "__variable"), [value])
        )


def read_php(code: str, first_line: int = 1) -> ir.Program:
    """PHP source, line `first_line` of the page first, as a program."""
    return PhpReader(code, first_line).program_of()
