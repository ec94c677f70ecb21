"""What the readers of tree-sitter trees share: bounded depth, lines, literal text, flattened operators."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Sequence

from tree_sitter import Language, Node, Parser

from afterpatch.detect.pages.ir import MAX_DEPTH, Block, Function, Lit, Name, Op, Opaque, Program
from afterpatch.detect.pages.ir import Node as Code
from afterpatch.model import message

MAX_NODES = 50_000
MAX_PARSE_CALLS = 30_000  # one call for a hundred of the parser's steps
MAX_PARSE_SECONDS = 0.6  # a valve: some ambiguous input makes each step slow and large
_ESCAPE = re.compile(
    r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{1,4})|([0-7]{1,3})|(.))", re.DOTALL
)
_SHORT = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b", "\n": ""}
_HIDDEN = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\u180e]|[\U000e0001-\U000e007f]")
_NESTED_GENERICS = re.compile(r"(?:[\w.@]{1,80}\s{0,4}<\s{0,4}){12,2000}")  # the grammar's memory grows with their square
_NAME_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))")


def unescape(text: str, hex_digits: int = 2) -> str:
    """Undo the escapes of a C-like string; `hex_digits` is how many `\\x` takes at most (C#: 4)."""
    if "\\" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        digits = match.group(1) or match.group(2) or match.group(3)
        if digits:
            code = int(digits, 16)
            return chr(code) if code < 0x110000 else "\ufffd"
        if match.group(4):
            return chr(int(match.group(4)[:hex_digits], 16)) + match.group(4)[hex_digits:]
        if match.group(5):
            return chr(int(match.group(5), 8))
        return _SHORT.get(match.group(6), match.group(6))

    return _ESCAPE.sub(one, text)


def plain_names(code: str) -> tuple[str, int]:
    """Undo unicode escapes that spell letters and drop invisible format characters, which compilers ignore in names.
    Returns the code and how many were undone."""
    count = 0

    def letter(match: re.Match[str]) -> str:
        nonlocal count
        number = int(match.group(1) or match.group(2), 16)
        if number < 0x110000 and (chr(number).isalnum() or chr(number) == "_"):
            count += 1
            return chr(number)
        if number < 0x110000 and unicodedata.category(chr(number)) == "Cf":
            count += 1
            return ""
        return match.group(0)

    if "\\u" in code or "\\U" in code:
        code = _NAME_ESCAPE.sub(letter, code)
    if not code.isascii():
        code, hidden = _HIDDEN.subn("", code)
        count += hidden
    return code, count


class TreeReader:
    """Lowers one tree. Subclasses name their node types in `table`: type -> method."""

    def __init__(self, language: Language, code: str, first_line: int = 1) -> None:
        self.source = _NESTED_GENERICS.sub(lambda match: match.group(0).replace("<", ","), code).encode("utf-8", "replace")
        self.first_line = first_line
        self.program = Program()
        self.depth = 0
        self.nodes = 0
        self.later: list[Node] = []
        self.owner = ""
        self.table: dict[str, Callable[[Node], Code]] = {}
        self.language = language

    def parse(self) -> Node:
        """The tree's root; parsing stops where it would take too long."""
        calls, started = 0, 0.0

        def progress(_offset: int, _error: bool) -> bool:
            nonlocal calls, started
            calls += 1
            if calls % 32:
                return False  # the clock is dear
            now = time.thread_time()
            started = started or now
            return calls > MAX_PARSE_CALLS or now - started > MAX_PARSE_SECONDS

        parser = Parser(self.language)
        source = self.source

        def read(offset: int, _point: object) -> bytes:
            return source[offset : offset + 65536]

        try:
            tree = parser.parse(read, progress_callback=progress)
        except ValueError:  # stopped
            tree = None
        if tree is None:
            self.problem(message("page.problem.gave-up"))
            return Parser(self.language).parse(b"").root_node
        return tree.root_node

    def problem(self, text: str) -> None:
        """Record once what could not be read."""
        if text not in self.program.problems:
            self.program.problems.append(text)

    def line(self, node: Node) -> int:
        """The node's line in the page."""
        return int(node.start_point[0]) + self.first_line

    def text(self, node: Node | None) -> str:
        """The node's source text."""
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace") if node is not None else ""

    def lower(self, node: Node | None) -> Code:
        """One node, deeper ones included, down to the allowed depth; what is deeper is read later on its own."""
        if node is None:
            return Lit(self.first_line, None)
        self.nodes += 1
        if self.nodes > MAX_NODES or self.depth >= MAX_DEPTH:
            if self.nodes <= MAX_NODES and len(self.later) < 200:
                self.later.append(node)
            self.problem(message("page.problem.deep") if self.nodes <= MAX_NODES else message("page.problem.much"))
            return Opaque(self.line(node), self.text(node)[:20_000])
        self.depth += 1
        try:
            method = self.table.get(node.type)
            return method(node) if method else self.anything(node)
        finally:
            self.depth -= 1

    def each(self, nodes: Sequence[Node]) -> list[Code]:
        """Several nodes, comments left out."""
        return [self.lower(node) for node in nodes if node.type != "comment"]

    def anything(self, node: Node) -> Code:
        """A node of no importance: its parts are."""
        parts = self.each(node.named_children)
        if len(parts) == 1:
            return parts[0]
        return Op(self.line(node), "any", parts)

    def body(self, node: Node | None) -> list[Code]:
        """A block or single statement as a list of statements."""
        if node is None:
            return []
        lowered = self.lower(node)
        return list(lowered.body) if isinstance(lowered, Block) else [lowered]

    def block(self, node: Node) -> Code:
        """A sequence of statements."""
        return Block(self.line(node), self.each(node.named_children))

    def field(self, node: Node, name: str) -> Code:
        """One named part, lowered."""
        return self.lower(node.child_by_field_name(name))

    def left_spine(self, node: Node, kind: str, operator: Callable[[Node], str]) -> Code:
        """A chain of binary operators, flattened without recursion into its left side."""
        stack: list[tuple[Node, str, Node]] = []
        current = node
        while current.type == kind:
            left, right = current.child_by_field_name("left"), current.child_by_field_name("right")
            if left is None or right is None:
                break
            stack.append((current, operator(current), right))
            current = left
            while current.type == "parenthesized_expression" and current.named_child_count == 1:
                current = current.named_children[0]
        result = self.lower(current) if stack else self.anything(current)
        for whole, sign, right in reversed(stack):
            if isinstance(result, Op) and result.op == sign and isinstance(result.items, list):
                result.items.append(self.lower(right))
            else:
                result = Op(self.line(whole), sign, [result, self.lower(right)])
        return result

    def function(self, node: Node, function: Function) -> Code:
        """Keep a function; where it stands it is a name."""
        self.program.functions.append(function)
        return Name(self.line(node), function.name)

    def finish(self, root: Node) -> Program:
        """Lower the whole tree, then what was too deep, each from its own start."""
        self.program.statements.extend(self.body(root))
        done = 0
        while done < len(self.later) and done < 200:
            node = self.later[done]
            done += 1
            self.depth = 0
            self.program.statements.append(self.lower(node))
        return self.program
