"""VB's declarations of variables and types."""

from __future__ import annotations

from collections.abc import Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.vbexpr import VbExpressions


class VbVariables(VbExpressions):
    """`Dim`, types, attributes."""

    def on_dim(self) -> ir.Node | None:
        return self.dim(keyword=True)

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

    def attribute(self) -> None:
        """`<WebMethod()> _` in front of a member."""
        while self.token.kind not in ("end",) and not self.sign(">"):
            if self.token.kind == "name":
                self.marks.add(self.token.lower)
            if self.token.kind == "line":
                return
            self.next()
        self.next()

    on_redim = on_dim
