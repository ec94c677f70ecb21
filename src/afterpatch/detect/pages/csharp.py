"""C# to the common nodes."""

from __future__ import annotations

import re
from functools import cache

import tree_sitter_c_sharp
from tree_sitter import Language, Node

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.csexpr import _TRANSPARENT, CSharpExpressions, short_type
from afterpatch.model import message

_JUMPS = {"break_statement": "break", "continue_statement": "continue"}
_GOTO = re.compile(r"\bgoto\s+\w")
_ENTRY_POINT = re.compile(r"(?i)EntryPoint\s{0,8}=\s{0,8}@?\"([^\"]{1,80})\"")


class CSharpReader(CSharpExpressions):
    """Lowers C#: statements and declarations beside the expressions."""

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


@cache
def _language() -> Language:
    return Language(tree_sitter_c_sharp.language())


def read_csharp(code: str, first_line: int = 1) -> ir.Program:
    """C# source, line `first_line` of the page first, as a program."""
    reader = CSharpReader(code, first_line)
    root = reader.parse()
    if root.has_error:
        reader.problem(message("page.problem.parse", language="C#"))
    return reader.finish(root)
