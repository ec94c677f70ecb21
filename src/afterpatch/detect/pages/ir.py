"""The few kinds of node that code of every language is lowered to. Lines count from 1.

Names are kept as written; the evaluator compares them in lower case. Depth is bounded when nodes are built
(`MAX_DEPTH`); what lies deeper becomes `Opaque`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_DEPTH = 50


@dataclass(slots=True, eq=False)
class Node:
    """Anything with a line."""

    line: int


@dataclass(slots=True, eq=False)
class Lit(Node):
    """A constant: str, int, float, bytes, bool or None."""

    value: str | int | float | bytes | None


@dataclass(slots=True, eq=False)
class Name(Node):
    """A variable, type or namespace; PHP variables keep their `$`."""

    id: str


@dataclass(slots=True, eq=False)
class Member(Node):
    """`target.name`."""

    target: Node
    name: str


@dataclass(slots=True, eq=False)
class Index(Node):
    """`target[args]`."""

    target: Node
    args: Sequence[Node]


@dataclass(slots=True, eq=False)
class Call(Node):
    """`target(args)`. In VB an index looks the same."""

    target: Node
    args: Sequence[Node]


@dataclass(slots=True, eq=False)
class New(Node):
    """`new type(args) {inits}`; `inits` are assignments to members or array items. `type_node`: a computed type."""

    type: str
    args: Sequence[Node]
    inits: Sequence[Node] = ()
    type_node: Node | None = None


@dataclass(slots=True, eq=False)
class Array(Node):
    """A list or map literal; `keys` are parallel to `items` where there are any."""

    items: Sequence[Node]
    keys: Sequence[Node | None] = ()


@dataclass(slots=True, eq=False)
class Op(Node):
    """An operator over its operands, flattened to the left: `+` over ten strings is one node."""

    op: str
    items: Sequence[Node]


@dataclass(slots=True, eq=False)
class Assign(Node):
    """`target op= value`; `op` is "" for a plain one. `type` where it declares."""

    target: Node
    value: Node
    op: str = ""
    type: str = ""


@dataclass(slots=True, eq=False)
class Lambda(Node):
    """A function without a name."""

    params: Sequence[str]
    body: Sequence[Node]
    types: Sequence[str] = ()


@dataclass(slots=True, eq=False)
class Opaque(Node):
    """What could not be read; `text` is searched for sources."""

    text: str


@dataclass(slots=True, eq=False)
class If(Node):
    """Two branches."""

    test: Node
    then: Sequence[Node]
    other: Sequence[Node] = ()


@dataclass(slots=True, eq=False)
class Loop(Node):
    """`while`, `for`, `do`: `step` runs after the body. `test` None: unknown."""

    test: Node | None
    body: Sequence[Node]
    step: Sequence[Node] = ()
    post: bool = False  # the body comes before the first test


@dataclass(slots=True, eq=False)
class ForEach(Node):
    """`foreach (target in items)`."""

    target: Node
    items: Node
    body: Sequence[Node]
    key: Node | None = None


@dataclass(slots=True, eq=False)
class Return(Node):
    """`return value`; `jump` is `return`, `break` or `continue`."""

    value: Node | None
    jump: str = "return"


@dataclass(slots=True, eq=False)
class Block(Node):
    """Statements in order."""

    body: Sequence[Node]


@dataclass(slots=True, eq=False)
class Function(Node):
    """A function or method. `types` are parallel to `params`; `marks` are attributes in lower case, `byref` the
    parameters that give back, `extern` the name of a function outside .NET, `closure` what a nameless one sees."""

    name: str
    params: Sequence[str]
    body: Sequence[Node]
    types: Sequence[str] = ()
    owner: str = ""
    marks: frozenset[str] = frozenset()
    result: str = ""
    byref: frozenset[str] = frozenset()
    extern: str = ""
    extends: bool = False
    closure: dict[str, Any] | None = None


@dataclass(slots=True)
class Program:
    """A piece of code: functions, statements outside them, names of base types, aliases, and what went wrong."""

    functions: list[Function] = field(default_factory=list)
    statements: list[Node] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    bases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    statics: set[str] = field(default_factory=set)  # types whose methods are named without them (`using static`)
