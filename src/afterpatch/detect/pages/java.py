"""Java source, as JSP pages hold it, to the common nodes."""

from __future__ import annotations

import re

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.clike import JAVA_TOKENS, CReader

_PRIMITIVE = frozenset(("int", "long", "short", "byte", "char", "boolean", "float", "double", "void", "var"))
_UNICODE = re.compile(r"\\u+([0-9A-Fa-f]{4})")
_NOT_TYPES = frozenset(
    ("return", "new", "throw", "else", "case", "instanceof", "assert", "yield", "package", "import", "this", "super")
)
_LITERALS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


def plain_java(code: str) -> tuple[str, int]:
    """Unicode escapes undone, which Java does before all else; and how many there were."""
    return _UNICODE.subn(lambda match: chr(int(match.group(1), 16)), code) if "\\u" in code else (code, 0)


class JavaReader(CReader):
    """Reads Java."""

    pattern = JAVA_TOKENS
    caseless = False

    def __init__(self, code: str, first_line: int = 1) -> None:
        super().__init__(code, first_line)
        self.words |= {"import": self.on_import, "package": self.on_import, "synchronized": self.on_synchronized}

    def on_import(self) -> ir.Node | None:
        self.skip_to(";")
        self.accept(";")
        return None

    def on_synchronized(self) -> ir.Node | None:
        line = self.next().line
        if self.sign("("):
            self.condition()
        return ir.Block(line, self.block())

    def statement(self) -> ir.Node | None:
        if self.sign("@") and self.peek().kind == "name":
            self.next()
            self.type_text()
            if self.sign("("):
                self.arguments()
            return None
        return super().statement()

    # --- declarations -------------------------------------------------------------------------------------------

    def type_end(self, at: int) -> int:
        """Where a type that starts at a token ends, -1 where none does."""
        tokens = self.tokens
        if tokens[at].kind != "name" or tokens[at].text in _NOT_TYPES:
            return -1
        at += 1
        while at + 1 < len(tokens) and tokens[at].text == "." and tokens[at + 1].kind == "name":
            at += 2
        if tokens[at].text == "<":
            depth, limit = 0, at + 60
            while at < min(len(tokens), limit):
                text = tokens[at].text
                depth += (text == "<") - (text == ">") - 2 * (text == ">>")
                if tokens[at].kind not in ("name",) and text not in ("<", ">", ">>", ",", ".", "?", "[", "]", "&"):
                    return -1
                at += 1
                if depth <= 0:
                    break
        while at + 1 < len(tokens) and tokens[at].text == "[" and tokens[at + 1].text == "]":
            at += 2
        return at + 1 if tokens[at].text == "..." else at

    def type_text(self) -> str:
        """Take a type; its last name in lower case, with `[]` for arrays."""
        end = self.type_end(self.at)
        if end < 0:
            return self.next().lower
        words = [token.text for token in self.tokens[self.at : end]]
        self.at = end
        bare = "".join(words).partition("<")[0].replace("...", "[]")
        array = "[]" if words and words[-1] in ("]", "...") else ""
        return bare.partition("[")[0].rpartition(".")[2].lower() + array

    def declaration(self) -> ir.Node | None:
        token = self.token
        if self.sign("<"):
            return None
        end = self.type_end(self.at)
        if end < 0:
            return None
        after = self.tokens[min(end, len(self.tokens) - 1)]
        behind = self.tokens[min(end + 1, len(self.tokens) - 1)]
        if after.kind == "name" and after.text not in ("instanceof",):
            if behind.text == "(":
                return self.method(token.line)
            if behind.text in ("=", ";", ",", ":", ")", "["):
                return self.variables(token.line)
        if self.owner and after.text == "(" and token.text == self.owner:
            self.method_rest(token.line, self.next().text, "")
            return ir.Lit(token.line, None)
        return None

    def method(self, line: int) -> ir.Node:
        result = self.type_text()
        self.method_rest(line, self.next().text, result)
        return ir.Lit(line, None)

    def method_rest(self, line: int, name: str, result: str) -> None:
        names: list[str] = []
        types: list[str] = []
        self.accept("(")
        while not self.done() and not self.sign(")"):
            while self.word("final") or self.sign("@", ","):
                if self.next().text == "@":
                    self.next()
            if self.sign(")"):
                break
            types.append(self.type_text())
            if self.token.kind == "name":
                names.append(self.next().text)
            self.skip_to(",", ")")
        self.accept(")")
        self.skip_to("{", ";", "}")
        self.function_body(line, name, names, types, result)
        self.accept(";")

    def variables(self, line: int) -> ir.Node:
        kind = self.type_text()
        found: list[ir.Node] = []
        while self.token.kind == "name":
            name = self.next()
            mine = kind
            while self.accept("["):
                self.accept("]")
                mine = kind + "[]"
            value: ir.Node = ir.Op(name.line, "undefined", [])
            if self.accept("="):
                value = self.array(mine) if self.sign("{") else self.expression()
            found.append(
                ir.Assign(name.line, ir.Name(name.line, name.text), value, "", "" if mine in ("var", "object") else mine)
            )
            if not self.accept(","):
                break
        self.accept(";")
        return ir.Block(line, found)

    def for_each(self, line: int) -> ir.Node | None:
        if self.word("final"):
            self.next()
        end = self.type_end(self.at)
        if end < 0 or end + 1 >= len(self.tokens) or self.tokens[end].kind != "name" or self.tokens[end + 1].text != ":":
            return None
        self.type_text()
        target = ir.Name(line, self.next().text)
        self.next()
        items = self.expression()
        self.skip_to(")")
        self.accept(")")
        return ir.ForEach(line, target, items, self.block())

    def array(self, kind: str) -> ir.Node:
        line = self.token.line
        items = self.arguments("}")
        return ir.New(line, kind if kind.endswith("[]") else kind + "[]", [], items)

    # --- expressions --------------------------------------------------------------------------------------------

    def primary(self) -> ir.Node:
        token = self.token
        line = token.line
        if token.kind in ("string", "heredoc"):
            self.next()
            return ir.Lit(line, token.text.strip('"') if token.kind == "heredoc" else self.string_text(token.text))
        if token.kind == "number":
            self.next()
            return ir.Lit(line, self.number(token.text))
        if self.word("new"):
            return self.new()
        if token.kind == "name":
            self.next()
            if token.text in _LITERALS:
                return ir.Lit(line, _LITERALS[token.text])
            if self.sign("->"):
                return self.arrow(line, [token.text])
            return ir.Name(line, token.text)
        if self.sign("("):
            return self.bracket()
        if self.sign("{"):
            return ir.Array(line, self.arguments("}"))
        if not self.sign(";", ")", "}", "]", ",") and not self.done():
            self.next()
        return ir.Lit(line, None)

    def bracket(self) -> ir.Node:
        """`(x)`, a cast, or a lambda's parameters."""
        line = self.token.line
        end = self.type_end(self.at + 1)
        if end > 0 and self.tokens[end].text == ")":
            after = self.tokens[min(end + 1, len(self.tokens) - 1)]
            primitive = self.peek().text in _PRIMITIVE
            if (
                after.kind in ("name", "string", "number")
                or after.text in ("(", "!", "~", "{")
                or (primitive and after.text in ("-", "+"))
            ) and after.text not in ("instanceof",):
                self.next()
                kind = self.type_text()
                self.next()
                return ir.Op(line, "cast:" + kind, [self.inner()])
        found = self.arguments()
        if self.sign("->"):
            return self.arrow(line, [one.id for one in found if isinstance(one, ir.Name)])
        return found[0] if len(found) == 1 else ir.Array(line, found)

    def arrow(self, line: int, names: list[str]) -> ir.Node:
        self.next()
        if self.sign("{"):
            return ir.Lambda(line, names, self.block())
        return ir.Lambda(line, names, [ir.Return(line, self.expression())])

    def new(self) -> ir.Node:
        line = self.next().line
        kind = self.type_text() if self.token.kind == "name" else ""
        if self.sign("[") or kind.endswith("[]"):
            sizes: list[ir.Node] = []
            while self.sign("["):
                sizes.extend(self.arguments("]"))
            if self.sign("{"):
                return self.array(kind)
            return ir.New(line, kind.removesuffix("[]") + "[]", sizes[:1])
        arguments = self.arguments() if self.sign("(") else []
        if self.sign("{"):  # a class without a name: its methods are the page's
            outer, self.owner = self.owner, kind
            statements = self.block()
            self.owner = outer
            self.program.statements.extend(statements)
        return ir.New(line, kind, arguments)

    def postfix(self, node: ir.Node) -> ir.Node:
        while True:
            line = self.token.line
            if self.sign("("):
                node = ir.Call(node.line, node, self.arguments())
            elif self.sign("["):
                node = ir.Index(node.line, node, self.arguments("]"))
            elif self.sign(".", "::"):
                self.next()
                if self.sign("<"):
                    self.skip_to(">")
                    self.accept(">")
                if self.word("new"):
                    node = self.new()
                    continue
                if self.token.kind != "name":
                    return node
                token = self.next()
                node = ir.Member(token.line, node, token.text)
            elif self.sign("++", "--"):
                sign = self.next().text
                node = ir.Assign(line, node, ir.Lit(line, 1), sign[0])
            else:
                return node


def read_java(code: str, first_line: int = 1) -> ir.Program:
    """Java source, line `first_line` of the page first, as a program."""
    return JavaReader(plain_java(code)[0], first_line).program_of()
