"""JScript, JScript.NET and JavaScript to the common nodes, by tree-sitter's grammar behind a tolerant pre-pass: types
after colons, imports, conditional compilation and packages are taken out first."""

from __future__ import annotations

import re
from functools import cache

import tree_sitter_javascript
from tree_sitter import Language, Node

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.treebase import unescape
from afterpatch.detect.pages.treecurly import CurlyReader
from afterpatch.model import message

_VAR_TYPE = re.compile(r"\b((?:var|const)\s{1,20}\w{1,80})\s{0,20}:\s{0,20}[\w.]{1,80}(?:\[\])?")
_PARAMETERS = re.compile(
    r"\bfunction\s{0,20}(?:get\s|set\s)?\s{0,20}\w{0,80}\s{0,20}\(([^()]{0,2000})\)(\s{0,20}:\s{0,20}[\w.\[\]]{1,80})?"
)
_PARAMETER_TYPE = re.compile(r"\s{0,20}:\s{0,20}[\w.]{1,80}(?:\[\])?")
_IMPORT = re.compile(r"^\s{0,80}(?:import|package)\s{1,20}[\w.]{1,120}\s{0,20};?", re.MULTILINE)
_CONDITIONAL = re.compile(r"/\*@(?:cc_on)?|@\*/|@(?:set|if|elif|else|end|cc_on)\b(?:\s{0,8}\([^()\n]{0,200}\))?")
_MODIFIERS = re.compile(
    r"\b(?:public|private|protected|internal|static|expando|override|final|hide)\s{1,20}(?=(?:var|function|class)\b)"
)
_ATTRIBUTES = re.compile(
    r"\b\w{1,60}Attribute\b(?:\s{0,8}\([^()\n]{0,200}\))?\s{1,40}(?=(?:\w{1,60}\s{1,40}){0,6}(?:function|class)\b)"
)
_PUBLISHED = re.compile(
    r"\b(?:WebMethod|OperationContract|ScriptMethod|WebInvoke|WebGet)(?:Attribute)?\b[^{};]{0,300}?\bfunction\s{1,20}(\w{1,80})"
)
_TRANSPARENT = ("parenthesized_expression", "expression_statement", "await_expression", "else_clause", "variable_declarator_list")


@cache
def _language() -> Language:
    return Language(tree_sitter_javascript.language())


def without_types(code: str) -> str:
    """JScript.NET as JavaScript; line ends are kept."""
    code = _IMPORT.sub("", code)
    code = _CONDITIONAL.sub(" ", code) if "@" in code else code
    code = _ATTRIBUTES.sub(" ", code)
    code = _MODIFIERS.sub("", code)
    code = _VAR_TYPE.sub(r"\1", code)

    def parameters(match: re.Match[str]) -> str:
        whole = match.group(0)
        head = whole[: match.start(1) - match.start()]
        return head + _PARAMETER_TYPE.sub("", match.group(1)) + ")"

    return _PARAMETERS.sub(parameters, code)


class JScriptReader(CurlyReader):
    """Lowers JScript."""

    wrappers = _TRANSPARENT
    member_kind, call_kind, index_kind = "member_expression", "call_expression", "subscript_expression"
    holder_field = "object"

    def __init__(self, code: str, first_line: int = 1) -> None:
        super().__init__(_language(), without_types(code), first_line)
        self.published = frozenset(_PUBLISHED.findall(code))
        self.table.update(
            {
                "identifier": self.name,
                "this": self.name,
                "property_identifier": self.literal_name,
                "shorthand_property_identifier": self.name,
                "member_expression": self.chain,
                "call_expression": self.chain,
                "subscript_expression": self.chain,
                "new_expression": self.new,
                "string": self.string,
                "template_string": self.template,
                "number": self.number,
                "true": self.constant,
                "false": self.constant,
                "null": self.constant,
                "undefined": self.constant,
                "array": self.array,
                "object": self.object,
                "binary_expression": self.binary,
                "assignment_expression": self.assign,
                "augmented_assignment_expression": self.assign,
                "update_expression": self.update,
                "unary_expression": self.unary,
                "ternary_expression": self.ternary,
                "variable_declarator": self.declarator,
                "variable_declaration": self.block,
                "lexical_declaration": self.block,
                "program": self.block,
                "statement_block": self.block,
                "class_body": self.block,
                "switch_body": self.cases,
                "switch_statement": self.cases,
                "switch_case": self.case,
                "switch_default": self.case,
                "try_statement": self.cases,
                "with_statement": self.cases,
                "catch_clause": self.cases,
                "finally_clause": self.cases,
                "sequence_expression": self.sequence,
                "if_statement": self.if_,
                "while_statement": self.while_,
                "do_statement": self.while_,
                "for_statement": self.for_,
                "for_in_statement": self.for_in,
                "return_statement": self.return_,
                "break_statement": self.return_,
                "continue_statement": self.return_,
                "function_declaration": self.function_,
                "method_definition": self.function_,
                "generator_function_declaration": self.function_,
                "function_expression": self.lambda_,
                "arrow_function": self.lambda_,
            }
            | dict.fromkeys(_TRANSPARENT, self.transparent)
        )

    def name(self, node: Node) -> ir.Node:
        return ir.Name(self.line(node), self.text(node))

    def literal_name(self, node: Node) -> ir.Node:
        return ir.Lit(self.line(node), self.text(node))

    def link(self, node: Node, target: ir.Node) -> ir.Node:
        if node.type == "member_expression":
            named = node.child_by_field_name("property")
            return ir.Member(self.line(named) if named else self.line(node), target, self.text(named))
        if node.type == "call_expression":
            given = node.child_by_field_name("arguments")
            arguments = self.each(given.named_children) if given is not None else []
            return ir.Call(target.line, target, arguments)
        if node.type == "subscript_expression":
            return ir.Index(target.line, target, [self.field(node, "index")])
        return target

    def new(self, node: Node) -> ir.Node:
        made = node.child_by_field_name("constructor")
        given = node.child_by_field_name("arguments")
        arguments = self.each(given.named_children) if given is not None else []
        text = self.text(made)
        kind = text.rpartition(".")[2].lower() if re.fullmatch(r"[\w.$]{1,120}", text) else ""
        return ir.New(self.line(node), kind, arguments, (), None if kind else self.lower(made))

    def string(self, node: Node) -> ir.Node:
        return ir.Lit(self.line(node), unescape(self.text(node)[1:-1]))

    def template(self, node: Node) -> ir.Node:
        items: list[ir.Node] = [ir.Lit(self.line(node), "")]
        for child in node.named_children:
            if child.type == "template_substitution":
                items.extend(self.each(child.named_children))
            else:
                items.append(ir.Lit(self.line(child), unescape(self.text(child))))
        return ir.Op(self.line(node), "+", items)

    def number(self, node: Node) -> ir.Node:
        text = self.text(node).lower().rstrip("n")
        try:
            if len(text) < 60:
                return ir.Lit(self.line(node), int(text, 0) if text.isalnum() and not text.isdigit() else int(float(text)))
        except (ValueError, OverflowError):
            pass
        return ir.Lit(self.line(node), 0)

    def constant(self, node: Node) -> ir.Node:
        return ir.Lit(self.line(node), {"true": True, "false": False}.get(node.type))

    def object(self, node: Node) -> ir.Node:
        keys: list[ir.Node | None] = []
        items: list[ir.Node] = []
        for one in node.named_children:
            if one.type == "pair":
                keys.append(self.field(one, "key"))
                items.append(self.field(one, "value"))
            elif one.type != "comment":
                keys.append(None)
                items.append(self.lower(one))
        return ir.Array(self.line(node), items, keys)

    def update(self, node: Node) -> ir.Node:
        sign = "-" if "--" in self.text(node) else "+"
        return ir.Assign(self.line(node), self.field(node, "argument"), ir.Lit(self.line(node), 1), sign)

    def unary(self, node: Node) -> ir.Node:
        return ir.Op(self.line(node), "u" + self.text(node.child_by_field_name("operator")), [self.field(node, "argument")])

    def ternary(self, node: Node) -> ir.Node:
        return ir.Op(self.line(node), "?:", [self.field(node, part) for part in ("condition", "consequence", "alternative")])

    def declarator(self, node: Node) -> ir.Node:
        value = node.child_by_field_name("value")
        lowered = self.lower(value) if value is not None else ir.Op(self.line(node), "undefined", [])
        return ir.Assign(self.line(node), self.field(node, "name"), lowered, "", "var" if value is None else "")

    def case(self, node: Node) -> ir.Node:
        """One case of a switch: it may be taken."""
        inner = self.cases(node)
        return ir.If(self.line(node), ir.Op(self.line(node), "undefined", []), [inner])

    def cases(self, node: Node) -> ir.Node:
        found = self.each(node.named_children)
        return ir.Block(self.line(node), [one for one in found if not isinstance(one, ir.Return) or one.jump == "return"])

    def sequence(self, node: Node) -> ir.Node:
        items = self.each(node.named_children)
        return ir.Op(self.line(node), "last", items)

    def alternative(self, node: Node) -> Node | None:
        follow = super().alternative(node)  # an `else` of its own
        return follow.named_children[-1] if follow is not None and follow.named_child_count else None

    def for_(self, node: Node) -> ir.Node:
        start, test = node.child_by_field_name("initializer"), node.child_by_field_name("condition")
        step = node.child_by_field_name("increment")
        loop = ir.Loop(
            self.line(node),
            self.lower(test) if test is not None and test.type != "empty_statement" else None,
            self.body(node.child_by_field_name("body")),
            [self.lower(step)] if step is not None else [],
        )
        return ir.Block(self.line(node), [*self.body(start), loop])

    def for_in(self, node: Node) -> ir.Node:
        return ir.ForEach(
            self.line(node), self.field(node, "left"), self.field(node, "right"), self.body(node.child_by_field_name("body"))
        )

    def return_(self, node: Node) -> ir.Node:
        inner = self.each(node.named_children)
        jump = node.type.partition("_")[0]
        return ir.Return(self.line(node), inner[0] if inner and jump == "return" else None, jump)

    def parameters(self, node: Node) -> list[str]:
        given = node.child_by_field_name("parameters") or node.child_by_field_name("parameter")
        if given is None:
            return []
        named = given.named_children if given.type == "formal_parameters" else [given]
        return [self.text(one).partition("=")[0].strip() for one in named if one.type != "comment"]

    def function_(self, node: Node) -> ir.Node:
        saved, self.depth = self.depth, 0
        body = self.body(node.child_by_field_name("body"))
        self.depth = saved
        name = self.text(node.child_by_field_name("name"))
        marks = frozenset(("webmethod",)) if name in self.published else frozenset()
        return self.function(node, ir.Function(self.line(node), name, self.parameters(node), body, marks=marks))

    def lambda_(self, node: Node) -> ir.Node:
        body = node.child_by_field_name("body")
        if body is not None and body.type != "statement_block":
            return ir.Lambda(self.line(node), self.parameters(node), [ir.Return(self.line(body), self.lower(body))])
        return ir.Lambda(self.line(node), self.parameters(node), self.body(body))


def read_jscript(code: str, first_line: int = 1) -> ir.Program:
    """JScript source, line `first_line` of the page first, as a program."""
    reader = JScriptReader(code, first_line)
    root = reader.parse()
    if root.has_error:
        reader.problem(message("page.problem.parse", language="JScript"))
    return reader.finish(root)
