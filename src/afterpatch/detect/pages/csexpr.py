"""C#'s expressions to the common nodes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tree_sitter import Node

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.treebase import unescape
from afterpatch.detect.pages.treecurly import CurlyReader

_TRANSPARENT = (
    "parenthesized_expression",
    "expression_statement",
    "global_statement",
    "checked_expression",
    "await_expression",
    "ref_expression",
    "arrow_expression_clause",
    "attribute_argument",
)
_BETWEEN = re.compile(r"@|/\*.*?\*/|//[^\n]*|\s", re.DOTALL)


class CSharpExpressions(CurlyReader):
    """Everything that has a value."""

    wrappers = _TRANSPARENT
    member_kind, call_kind, index_kind = "member_access_expression", "invocation_expression", "element_access_expression"
    holder_field = "expression"

    def word(self, node: Node | None) -> str:
        """A name without `@` and without the comments and blanks that may stand between its parts."""
        return _BETWEEN.sub("", self.text(node))

    def name(self, node: Node) -> ir.Node:
        return ir.Name(self.line(node), self.word(node).partition("<")[0])

    def this(self, node: Node) -> ir.Node:
        return ir.Name(self.line(node), "this")

    def qualified(self, node: Node) -> ir.Node:
        parts = self.word(node).replace("global::", "").replace("::", ".").split(".")
        result: ir.Node = ir.Name(self.line(node), parts[0].strip())
        for part in parts[1:40]:
            result = ir.Member(self.line(node), result, part.strip().partition("<")[0])
        return result

    def link(self, node: Node, target: ir.Node) -> ir.Node:
        if node.type == "member_access_expression":
            named = node.child_by_field_name("name")
            place = self.line(named) if named else self.line(node)
            return ir.Member(place, target, self.word(named).partition("<")[0])
        if node.type == "invocation_expression":
            return ir.Call(target.line, target, self.arguments(node.child_by_field_name("arguments")))
        if node.type == "element_access_expression":
            return ir.Index(target.line, target, self.arguments(node.child_by_field_name("subscript")))
        return target

    def arguments(self, node: Node | None) -> list[ir.Node]:
        return self.each(node.named_children) if node is not None else []

    def conditional_access(self, node: Node) -> ir.Node:
        """`a?.b(c)`: the right side is read on the left one."""
        children = node.named_children
        result = self.lower(children[0]) if children else ir.Lit(self.line(node), None)
        links: list[Node] = []
        current: Node | None = children[-1] if len(children) > 1 else None
        while current is not None:
            links.append(current)
            current = current.child_by_field_name("function" if current.type == "invocation_expression" else "expression")
        for link in reversed(links):
            if link.type == "member_binding_expression":
                named = link.child_by_field_name("name")
                result = ir.Member(self.line(link), result, self.word(named))
            elif link.type == "element_binding_expression":
                result = ir.Index(self.line(link), result, self.each(link.named_children))
            else:
                result = self.link(link, result)
        return result

    def new(self, node: Node) -> ir.Node:
        given = node.child_by_field_name("type")
        kind = short_type(self.text(given)) if given is not None else self.expected(node)
        initializer = node.child_by_field_name("initializer")
        inits = self.each(initializer.named_children) if initializer is not None else []
        arguments = next((one for one in node.named_children if one.type == "argument_list"), None)
        return ir.New(self.line(node), kind, self.arguments(arguments), inits)

    def expected(self, node: Node) -> str:
        """The type of `T x = new(...)`: the declaration's."""
        parent = node.parent.parent if node.parent is not None else None
        declared = parent.child_by_field_name("type") if parent is not None else None
        return short_type(self.text(declared)) if declared is not None and declared.type != "implicit_type" else ""

    def new_array(self, node: Node) -> ir.Node:
        kind = short_type(self.text(node.child_by_field_name("type")) or "object")
        for child in node.named_children:
            if child.type == "initializer_expression":
                items = self.each(child.named_children)
                return ir.New(self.line(node), kind.partition("[")[0] + "[]", [], items)
        sizes = [part for part in node.named_children if part.type == "array_type"]
        inner = self.each(sizes[0].named_children[-1:]) if sizes else []
        return ir.New(self.line(node), kind.partition("[")[0] + "[]", inner)

    def string(self, node: Node) -> ir.Node:
        return ir.Lit(self.line(node), unescape(self.text(node).removesuffix("u8")[1:-1], 4))

    def verbatim(self, node: Node) -> ir.Node:
        return ir.Lit(self.line(node), self.text(node)[2:-1].replace('""', '"'))

    def raw_string(self, node: Node) -> ir.Node:
        return ir.Lit(self.line(node), self.text(node).strip('"'))

    def char(self, node: Node) -> ir.Node:
        return ir.Lit(self.line(node), unescape(self.text(node)[1:-1], 4)[:1])

    def integer(self, node: Node) -> ir.Node:
        text = self.text(node).lower().replace("_", "").rstrip("ul")
        base = 16 if text.startswith("0x") else 2 if text.startswith("0b") else 10
        digits = text[2:] if base != 10 else text
        return ir.Lit(self.line(node), int(digits, base) if digits.isalnum() and len(digits) < 70 else 0)

    def real(self, node: Node) -> ir.Node:
        return ir.Lit(self.line(node), 0.5)

    def boolean(self, node: Node) -> ir.Node:
        return ir.Lit(self.line(node), self.text(node) == "true")

    def null(self, node: Node) -> ir.Node:
        return ir.Lit(self.line(node), None)

    def interpolated(self, node: Node) -> ir.Node:
        items: list[ir.Node] = [ir.Lit(self.line(node), "")]
        for child in node.named_children:
            if child.type == "interpolation":
                inner = [one for one in child.named_children if "brace" not in one.type]
                items.extend(self.each(inner[:1]))
            elif child.type in ("string_content", "interpolation_text", "interpolated_string_text"):
                items.append(ir.Lit(self.line(child), self.text(child)))
            elif child.type == "escape_sequence":
                items.append(ir.Lit(self.line(child), unescape(self.text(child), 4)))
        return ir.Op(self.line(node), "+", items)

    def cast(self, node: Node) -> ir.Node:
        kind = short_type(self.text(node.child_by_field_name("type")))
        return ir.Op(self.line(node), "cast:" + kind, [self.field(node, "value")])

    def cast_as(self, node: Node) -> ir.Node:
        kind = short_type(self.text(node.child_by_field_name("right")))
        return ir.Op(self.line(node), "cast:" + kind, [self.field(node, "left")])

    def conditional(self, node: Node) -> ir.Node:
        parts = [self.field(node, part) for part in ("condition", "consequence", "alternative")]
        return ir.Op(self.line(node), "?:", parts)

    def unary(self, node: Node) -> ir.Node:
        operator = self.text(node).strip()
        inner = self.each(node.named_children)
        sign = operator[:2] if operator[:2] in ("++", "--") else operator[-2:]
        if sign in ("++", "--") and inner:
            return ir.Assign(self.line(node), inner[0], ir.Lit(self.line(node), 1), sign[0])
        return ir.Op(self.line(node), "u" + operator[:1], inner)

    def typeof(self, node: Node) -> ir.Node:
        return ir.Op(self.line(node), "typeof:" + self.text(node.child_by_field_name("type")), [])

    def argument(self, node: Node) -> ir.Node:
        """An argument; what it is passed by reference as may be given back."""
        named = [one for one in node.named_children if one.type != "comment"]
        if not named:
            return ir.Lit(self.line(node), None)
        self.depth -= 1
        try:
            inner = self.lower(named[-1])
        finally:
            self.depth += 1
        passed = node.children[0].type in ("ref", "out")
        return ir.Op(self.line(node), "ref", [inner]) if passed else inner

    def declaration(self, node: Node) -> ir.Node:
        """`out string s`, `(string a, ...) = `: a name."""
        return self.lower(node.named_children[-1]) if node.named_child_count else ir.Lit(self.line(node), None)

    def throw(self, node: Node) -> ir.Node:
        return ir.Op(self.line(node), "throw", self.each(node.named_children))

    def caught(self, node: Node) -> ir.Node:
        named = node.child_by_field_name("name")
        if named is None:
            return ir.Lit(self.line(node), None)
        return ir.Assign(self.line(node), ir.Name(self.line(node), self.text(named)), ir.Op(self.line(node), "caught", []))

    def pattern(self, node: Node) -> ir.Node:
        """`x is string s`: s is x."""
        children = node.named_children
        tested = self.lower(children[0]) if children else ir.Lit(self.line(node), None)
        return ir.Op(self.line(node), "is", [tested, *self.bindings(children[1:], tested)])

    def bindings(self, patterns: Sequence[Node], tested: ir.Node) -> list[ir.Node]:
        """Names that patterns give to what is tested, or to a part of it."""
        found: list[ir.Node] = []
        waiting = list(patterns)
        while waiting and len(found) < 20:
            one = waiting.pop()
            if one.type in ("declaration_pattern", "var_pattern", "recursive_pattern", "list_pattern"):
                named = one.child_by_field_name("name") or (one.named_children[-1] if one.named_child_count else None)
                if named is not None and named.type == "identifier":
                    found.append(ir.Assign(self.line(one), ir.Name(self.line(one), self.text(named)), tested))
            if one.type.endswith(("_pattern", "clause", "subpattern", "_arm")) or one.type == "subpattern":
                waiting.extend(one.named_children)
        return found

    def case_test(self, tested: ir.Node, patterns: Sequence[Node]) -> ir.Node:
        """Whether a case is the one; nobody knows where it is not one constant."""
        if len(patterns) == 1 and patterns[0].type == "constant_pattern":
            return ir.Op(tested.line, "==", [tested, self.lower(patterns[0])])
        return ir.Op(tested.line, "undefined", [])

    def switch_expression(self, node: Node) -> ir.Node:
        children = node.named_children
        tested = self.lower(children[0]) if children else ir.Lit(self.line(node), None)
        found: list[ir.Node] = []
        for arm in children[1:]:
            if arm.type == "switch_expression_arm" and arm.named_child_count:
                found.extend(self.bindings(arm.named_children[:1], tested))
                found.append(self.lower(arm.named_children[-1]))
        return ir.Op(self.line(node), "any", found)

    def lambda_(self, node: Node) -> ir.Node:
        parameters = node.child_by_field_name("parameters")
        names, _types = self.parameters(parameters)
        if parameters is not None and parameters.type == "implicit_parameter":
            names = [self.text(parameters)]
        body = node.child_by_field_name("body")
        if body is None:
            body = next((one for one in node.named_children if one.type == "block"), None)
        return ir.Lambda(self.line(node), names, self.tail(body))

    def tail(self, body: Node | None) -> list[ir.Node]:
        """A body: an expression body is returned."""
        if body is None:
            return []
        if body.type == "block":
            return self.body(body)
        return [ir.Return(self.line(body), self.lower(body))]

    def parameters(self, node: Node | None) -> tuple[list[str], list[str]]:
        names: list[str] = []
        types: list[str] = []
        for one in node.named_children if node is not None else ():
            if one.type == "parameter":
                names.append(self.word(one.child_by_field_name("name")))
                types.append(short_type(self.text(one.child_by_field_name("type"))))
        return names, types


def short_type(text: str) -> str:
    """The last part of a type's name, lower case, without generics, arrays and nullable marks."""
    bare = _BETWEEN.sub("", text).partition("<")[0].replace("global::", "")
    array = "[]" if text.rstrip().endswith("]") else ""
    return bare.partition("[")[0].rstrip("?* ").rpartition(".")[2].lower() + array
