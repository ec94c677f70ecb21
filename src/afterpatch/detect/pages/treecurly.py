"""What the trees of C# and JScript have in common: chains of members and calls, branches, operators."""

from __future__ import annotations

from typing import ClassVar

from tree_sitter import Node

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.treebase import TreeReader


class CurlyReader(TreeReader):
    """Lowers what both grammars shape alike; the subclasses say how theirs names it."""

    wrappers: ClassVar[tuple[str, ...]] = ()  # nodes that only stand around another one
    member_kind: ClassVar[str] = ""
    call_kind: ClassVar[str] = ""
    index_kind: ClassVar[str] = ""
    holder_field: ClassVar[str] = ""  # where a member or element keeps the expression it is of

    def transparent(self, node: Node) -> ir.Node:
        """Unwrap without costing depth."""
        while node.type in self.wrappers:
            inner = [one for one in node.named_children if one.type != "comment"]
            if not inner:
                return ir.Lit(self.line(node), None)
            node = inner[-1]
        self.depth -= 1
        try:
            return self.lower(node)
        finally:
            self.depth += 1

    def chain(self, node: Node) -> ir.Node:
        """`a.b(c)[d].e`: from the inside out, without recursion into the target."""
        kinds = (self.member_kind, self.call_kind, self.index_kind, "parenthesized_expression")
        links: list[Node] = []
        current: Node | None = node
        while current is not None and current.type in kinds:
            links.append(current)
            if current.type == self.call_kind:
                current = current.child_by_field_name("function")
            elif current.type == "parenthesized_expression":
                current = current.named_children[-1] if current.named_child_count else None
            else:
                current = current.child_by_field_name(self.holder_field)
        result = self.lower(current)
        for link in reversed(links):
            result = self.link(link, result)
        return result

    def link(self, node: Node, target: ir.Node) -> ir.Node:
        """One link of a chain on what stands before it."""
        raise NotImplementedError

    def array(self, node: Node) -> ir.Node:
        """A list."""
        return ir.Array(self.line(node), self.each(node.named_children))

    def binary(self, node: Node) -> ir.Node:
        """An operator between two operands, chains flattened."""
        return self.left_spine(node, "binary_expression", lambda one: self.text(one.child_by_field_name("operator")))

    def assign(self, node: Node) -> ir.Node:
        """`target op= value`."""
        operator = self.text(node.child_by_field_name("operator")) or "="
        return ir.Assign(self.line(node), self.field(node, "left"), self.field(node, "right"), operator[:-1])

    def while_(self, node: Node) -> ir.Node:
        """`while` and `do`."""
        test, body = self.field(node, "condition"), self.body(node.child_by_field_name("body"))
        return ir.Loop(self.line(node), test, body, post=node.type == "do_statement")

    def if_(self, node: Node) -> ir.Node:
        """Branches; else-if chains are long, not deep."""
        first: ir.If | None = None
        last: ir.If | None = None
        current: Node | None = node
        while current is not None and current.type == "if_statement":
            then = self.body(current.child_by_field_name("consequence"))
            one = ir.If(self.line(current), self.field(current, "condition"), then)
            if last is None:
                first = one
            else:
                last.other = [one]
            last = one
            current = self.alternative(current)
        if last is not None and current is not None:
            last.other = self.body(current)
        return first or ir.Lit(self.line(node), None)

    def alternative(self, node: Node) -> Node | None:
        """What stands behind `else`."""
        return node.child_by_field_name("alternative")
