"""VB.NET and VBScript to the common nodes: an own, tolerant parser, statement by statement.

Case does not matter, `_` at a line's end continues it, `:` separates statements, `'` and Rem start comments, `&` joins
text, `x(1)` is a call or an element.
"""

from __future__ import annotations

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.vbstatements import VbStatements
from afterpatch.detect.pages.vbwords import MODIFIERS

_DECLARING = frozenset(("auto", "ansi", "unicode", "function", "sub", "lib", "alias", "ptrsafe"))


class VbReader(VbStatements):
    """Reads VB.NET and VBScript: procedures, properties, classes beside the statements."""

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

    on_module = on_structure = on_interface = on_class
    on_function = on_sub


def read_vb(code: str, first_line: int = 1) -> ir.Program:
    """VB.NET or VBScript source, line `first_line` of the page first, as a program."""
    reader = VbReader(code, first_line)
    reader.program.statements.extend(reader.statements())
    return reader.program
