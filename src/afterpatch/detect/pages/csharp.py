"""C# to the common nodes, by tree-sitter's grammar; errors in the code cost the piece they stand in, no more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import tree_sitter_c_sharp
from tree_sitter import Language, Node

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.treebase import TreeReader, unescape
from afterpatch.model import message

_JUMPS = {"break_statement": "break", "continue_statement": "continue"}
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


_GOTO = re.compile(r"\bgoto\s+\w")
_ENTRY_POINT = re.compile(r"(?i)EntryPoint\s{0,8}=\s{0,8}@?\"([^\"]{1,80})\"")


@cache
def _language() -> Language:
    return Language(tree_sitter_c_sharp.language())


_BETWEEN = re.compile(r"@|/\*.*?\*/|//[^\n]*|\s", re.DOTALL)


def short_type(text: str) -> str:
    """The last part of a type's name, lower case, without generics, arrays and nullable marks."""
    bare = _BETWEEN.sub("", text).partition("<")[0].replace("global::", "")
    array = "[]" if text.rstrip().endswith("]") else ""
    return bare.partition("[")[0].rstrip("?* ").rpartition(".")[2].lower() + array


class CSharpReader(TreeReader):
    """Lowers C#."""

    def __init__(self, code: str, first_line: int = 1) -> None:
        super().__init__(_language(), code, first_line)
        self.table.update(
            {
                "identifier": self.name,
                "generic_name": self.name,
                "predefined_type": self.name,
                "qualified_name": self.qualified,
                "alias_qualified_name": self.qualified,
                "this": self.this,
                "this_expression": self.this,
                "base": self.this,
                "member_access_expression": self.chain,
                "invocation_expression": self.chain,
                "element_access_expression": self.chain,
                "conditional_access_expression": self.conditional_access,
                "object_creation_expression": self.new,
                "implicit_object_creation_expression": self.new,
                "array_creation_expression": self.new_array,
                "implicit_array_creation_expression": self.new_array,
                "stackalloc_expression": self.new_array,
                "initializer_expression": self.array,
                "collection_expression": self.array,
                "tuple_expression": self.array,
                "string_literal": self.string,
                "verbatim_string_literal": self.verbatim,
                "raw_string_literal": self.raw_string,
                "character_literal": self.char,
                "integer_literal": self.integer,
                "real_literal": self.real,
                "boolean_literal": self.boolean,
                "null_literal": self.null,
                "interpolated_string_expression": self.interpolated,
                "binary_expression": self.binary,
                "assignment_expression": self.assign,
                "cast_expression": self.cast,
                "as_expression": self.cast_as,
                "conditional_expression": self.conditional,
                "prefix_unary_expression": self.unary,
                "postfix_unary_expression": self.unary,
                "typeof_expression": self.typeof,
                "is_pattern_expression": self.pattern,
                "switch_expression": self.switch_expression,
                "argument": self.argument,
                "throw_statement": self.throw,
                "throw_expression": self.throw,
                "catch_declaration": self.caught,
                "yield_statement": self.return_,
                "tuple_pattern": self.array,
                "declaration_expression": self.declaration,
                "lambda_expression": self.lambda_,
                "anonymous_method_expression": self.lambda_,
                "block": self.block,
                "compilation_unit": self.block,
                "declaration_list": self.block,
                "variable_declaration": self.variables,
                "if_statement": self.if_,
                "while_statement": self.while_,
                "do_statement": self.while_,
                "for_statement": self.for_,
                "foreach_statement": self.foreach,
                "return_statement": self.return_,
                "break_statement": self.return_,
                "continue_statement": self.return_,
                "using_directive": self.using,
                "using_statement": self.statements,
                "try_statement": self.statements,
                "lock_statement": self.statements,
                "fixed_statement": self.statements,
                "switch_statement": self.switch_statement,
                "switch_body": self.statements,
                "switch_section": self.statements,
                "class_declaration": self.class_,
                "struct_declaration": self.class_,
                "method_declaration": self.method,
                "constructor_declaration": self.method,
                "destructor_declaration": self.method,
                "operator_declaration": self.method,
                "local_function_statement": self.method,
                "property_declaration": self.property_,
                "attribute_list": self.null,
                "modifier": self.null,
            }
            | dict.fromkeys(_TRANSPARENT, self.transparent)
        )

    def transparent(self, node: Node) -> ir.Node:
        """Unwrap without costing depth."""
        while node.type in _TRANSPARENT and node.named_child_count:
            named = [one for one in node.named_children if one.type != "comment"]
            if not named:
                break
            node = named[-1]
        self.depth -= 1
        try:
            return self.lower(node) if node.type not in _TRANSPARENT else ir.Lit(self.line(node), None)
        finally:
            self.depth += 1

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

    def chain(self, node: Node) -> ir.Node:
        """`a.b(c)[d].e`: from the inside out, without recursion into the target."""
        links: list[Node] = []
        current: Node | None = node
        while current is not None and current.type in (
            "member_access_expression",
            "invocation_expression",
            "element_access_expression",
            "parenthesized_expression",
        ):
            links.append(current)
            if current.type == "invocation_expression":
                current = current.child_by_field_name("function")
            elif current.type == "parenthesized_expression":
                current = current.named_children[-1] if current.named_child_count else None
            else:
                current = current.child_by_field_name("expression")
        result = self.lower(current)
        for link in reversed(links):
            result = self.link(link, result)
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

    def array(self, node: Node) -> ir.Node:
        return ir.Array(self.line(node), self.each(node.named_children))

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

    def binary(self, node: Node) -> ir.Node:
        return self.left_spine(node, "binary_expression", lambda one: self.text(one.child_by_field_name("operator")))

    def assign(self, node: Node) -> ir.Node:
        operator = self.text(node.child_by_field_name("operator")) or "="
        return ir.Assign(self.line(node), self.field(node, "left"), self.field(node, "right"), operator[:-1])

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

    def switch_statement(self, node: Node) -> ir.Node:
        """The cases one after the other; names that their patterns bind are the tested value."""
        tested = self.field(node, "value")
        found: list[ir.Node] = [tested]
        body = node.child_by_field_name("body")
        for section in body.named_children if body is not None else ():
            patterns = [one for one in section.named_children if one.type.endswith("_pattern")]
            found.extend(self.bindings(patterns, tested))
            inner = self.statements(section)
            found.append(ir.If(self.line(section), self.case_test(tested, patterns), [inner]))
        return ir.Block(self.line(node), found)

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

    def variables(self, node: Node) -> ir.Node:
        kind = short_type(self.text(node.child_by_field_name("type")))
        kind = "" if kind in ("var", "object", "dynamic") else kind
        found: list[ir.Node] = []
        for one in node.named_children:
            if one.type == "variable_declarator":
                found.append(self.declarator(one, kind))
        return ir.Block(self.line(node), found)

    def declarator(self, node: Node, kind: str) -> ir.Node:
        named = node.child_by_field_name("name") or node.named_children[0]
        values = [one for one in node.named_children if one.start_byte > named.end_byte and one.type != "comment"]
        target = ir.Name(self.line(node), self.word(named))
        value = self.lower(values[-1]) if values else ir.Op(self.line(node), "undefined", [])
        if named.type == "tuple_pattern":
            return ir.Assign(self.line(node), self.lower(named), value)
        if isinstance(value, ir.Array):
            value = ir.New(value.line, kind, [], value.items)
        return ir.Assign(self.line(node), target, value, "", kind)

    def if_(self, node: Node) -> ir.Node:
        first: ir.If | None = None
        last: ir.If | None = None
        current: Node | None = node
        while current is not None and current.type == "if_statement":  # else-if chains are long, not deep
            then = self.body(current.child_by_field_name("consequence"))
            one = ir.If(self.line(current), self.field(current, "condition"), then)
            if last is None:
                first = one
            else:
                last.other = [one]
            last = one
            current = current.child_by_field_name("alternative")
        if last is not None and current is not None:
            last.other = self.body(current)
        return first or ir.Lit(self.line(node), None)

    def while_(self, node: Node) -> ir.Node:
        test, body = self.field(node, "condition"), self.body(node.child_by_field_name("body"))
        return ir.Loop(self.line(node), test, body, post=node.type == "do_statement")

    def for_(self, node: Node) -> ir.Node:
        start = node.child_by_field_name("initializer")
        test = node.child_by_field_name("condition")
        steps = node.children_by_field_name("update")
        loop = ir.Loop(
            self.line(node),
            self.lower(test) if test is not None else None,
            self.body(node.child_by_field_name("body")),
            self.each(steps),
        )
        return ir.Block(self.line(node), [*self.body(start), loop])

    def foreach(self, node: Node) -> ir.Node:
        return ir.ForEach(
            self.line(node),
            self.field(node, "left"),
            self.field(node, "right"),
            self.body(node.child_by_field_name("body")),
        )

    def return_(self, node: Node) -> ir.Node:
        inner = self.each(node.named_children)
        return ir.Return(self.line(node), inner[0] if inner else None, _JUMPS.get(node.type, "return"))

    def statements(self, node: Node) -> ir.Node:
        """Parts that run one after the other: try, catch, finally; the cases of a switch."""
        found = self.each(node.named_children)
        return ir.Block(self.line(node), [one for one in found if not isinstance(one, ir.Return) or one.jump == "return"])

    def using(self, node: Node) -> ir.Node:
        words = self.text(node).strip(" ;").removeprefix("global ").removeprefix("using").strip()
        if "=" in words:
            alias, _, full = words.partition("=")
            self.program.aliases[alias.strip().lower()] = full.strip().lower()
        else:
            if words.startswith("static "):
                self.program.statics.add(words.removeprefix("static ").strip().lower())
            self.program.imports.add(words.removeprefix("static ").strip().lower())
        return ir.Lit(self.line(node), None)

    def class_(self, node: Node) -> ir.Node:
        outer, self.owner = self.owner, self.word(node.child_by_field_name("name"))
        bases = [one for one in node.named_children if one.type == "base_list"]
        names = tuple(short_type(self.text(one)) for base in bases for one in base.named_children)
        self.program.bases[self.owner.lower()] = names
        body = self.body(node.child_by_field_name("body"))
        self.owner = outer
        return ir.Block(self.line(node), body)

    def marks(self, node: Node) -> frozenset[str]:
        found: set[str] = set()
        for one in node.named_children:
            if one.type == "attribute_list":
                found |= {self.text(part.child_by_field_name("name")).rpartition(".")[2].lower() for part in one.named_children}
        return frozenset(found)

    def method(self, node: Node) -> ir.Node:
        names, types = self.parameters(node.child_by_field_name("parameters"))
        body = node.child_by_field_name("body")
        name = self.word(node.child_by_field_name("name")) or "operator"
        returns = node.child_by_field_name("returns") or node.child_by_field_name("type")
        saved, self.depth = self.depth, 0  # a body has its own depth
        lowered = self.tail(body)
        self.depth = saved
        if _GOTO.search(self.text(body)):
            again = ir.If(self.line(node), ir.Op(self.line(node), "undefined", []), lowered)
            lowered = [*lowered, again]  # what stands above a label may run after what stands below
        parameters = node.child_by_field_name("parameters")
        byref, extends = self.passing(parameters)
        function = ir.Function(
            self.line(node),
            name,
            names,
            lowered,
            types,
            self.owner,
            self.marks(node),
            short_type(self.text(returns)),
            byref,
            "" if body is not None else self.entry_point(node, name),
            extends,
        )
        return self.function(node, function)

    def passing(self, parameters: Node | None) -> tuple[frozenset[str], bool]:
        """Parameters that give back (`ref`, `out`), and whether the first is the object it extends (`this`)."""
        byref, extends = set(), False
        for one in parameters.named_children if parameters is not None else ():
            words = self.text(one).split()[:3]
            if {"ref", "out"} & set(words):
                byref.add(self.text(one.child_by_field_name("name")).lstrip("@"))
            extends = extends or words[:1] == ["this"]
        return frozenset(byref), extends

    def entry_point(self, node: Node, name: str) -> str:
        """The name of the function outside .NET that a method without a body stands for, "" where it is none."""
        for one in node.named_children:
            if one.type == "attribute_list" and "dllimport" in self.text(one).lower():
                named = _ENTRY_POINT.search(self.text(one))
                return (named.group(1) if named else name).lower()
        return ""

    def property_(self, node: Node) -> ir.Node:
        name = self.word(node.child_by_field_name("name"))
        kind = short_type(self.text(node.child_by_field_name("type")))
        value = node.child_by_field_name("value")
        accessors = node.child_by_field_name("accessors")
        body: list[ir.Node] = self.tail(value) if value is not None else []
        for one in accessors.named_children if accessors is not None else ():
            inner = one.child_by_field_name("body")
            if inner is not None and self.text(one).lstrip().startswith("set"):
                setter = ir.Function(self.line(one), "set:" + name, ["value"], self.tail(inner), [kind], self.owner)
                self.program.functions.append(setter)
            elif inner is not None:
                body.extend(self.tail(inner))
        if body:
            self.function(node, ir.Function(self.line(node), "property:" + name, [], body, (), self.owner, result=kind))
        return ir.Lit(self.line(node), None)


def read_csharp(code: str, first_line: int = 1) -> ir.Program:
    """C# source, line `first_line` of the page first, as a program."""
    reader = CSharpReader(code, first_line)
    root = reader.parse()
    if root.has_error:
        reader.problem(message("page.problem.parse", language="C#"))
    return reader.finish(root)
