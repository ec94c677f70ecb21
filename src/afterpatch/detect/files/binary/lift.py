"""Instructions of a .NET method as the nodes that pages are read with, so that the same flow analysis judges both.

The evaluation stack becomes expressions. A block of code behind a branch becomes the body of a test nobody knows, so
that what it assigns is joined with what was there; where code jumps back, all of it is taken twice. The `line` of a
node is the row of its method: code without a source has no lines.

Fields of the assembly's own types are taken as one variable a field, whichever object holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dncil.cil.instruction import Instruction

from afterpatch.detect.files.binary.clr import Assembly, MemberName, Method
from afterpatch.detect.pages import ir

MAX_STACK = 64
MAX_NODES = 30  # calls inside calls; deeper ones are put into a variable first
_BINARY = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "rem": "%",
    "and": "&",
    "or": "|",
    "xor": "^",
    "shl": "<<",
    "shr": ">>",
}
_COMPARE = {"ceq": "==", "cgt": ">", "clt": "<"}
_CASTS = {"u1": "byte", "i1": "sbyte", "u2": "char", "i2": "short", "i4": "int", "u4": "uint", "i8": "long", "u8": "long",
    "r4": "float", "r8": "double"}  # fmt: skip
# types of ASP.NET whose `Request`, `Session` ... are the real ones
_WEB_OWNERS = frozenset(
    ("page", "control", "usercontrol", "httpcontext", "httpcontextbase", "httpcontextwrapper", "httpapplication", "webservice",
     "templatecontrol", "masterpage", "controller", "controllercontext", "requestcontext", "viewcontext", "webpagebase",
     "webpage", "webpagerenderingbase", "apicontroller", "httplistenercontext", "operationcontext", "webviewpage", "viewpage")
)  # fmt: skip
_AMBIGUOUS = frozenset(("request", "session", "application", "cache", "viewstate", "items", "appdomaindata"))
Namer = Callable[[MemberName], str]


class Lifter:
    """Lowers one method."""

    def __init__(self, assembly: Assembly, namer: Namer) -> None:
        self._assembly, self._namer = assembly, namer

    def function(self, method: Method, name: str, marks: frozenset[str] = frozenset()) -> ir.Function:
        """The method as a function of the nodes; an empty body where its code is damaged."""
        body = self._assembly.body(method.offset)
        names = ["a_" + each for each in self._assembly.parameters(method.row, len(method.signature.arguments))]
        own = ["this"] if method.signature.instance else []
        lowered = _Lowering(self._assembly, self._namer, method.row, [*own, *names]).body(body.instructions)
        return ir.Function(method.row, name, names, lowered, method.signature.arguments, "", marks, method.signature.result)


class _Lowering:
    def __init__(self, assembly: Assembly, namer: Namer, row: int, arguments: list[str]) -> None:
        self._assembly, self._namer, self._row, self._arguments = assembly, namer, row, arguments
        self._stack: list[tuple[ir.Node, int]] = []
        self._out: list[ir.Node] = []
        self._temporaries = 0

    # --- blocks -------------------------------------------------------------------------------------------------

    def body(self, instructions: Sequence[Instruction]) -> list[ir.Node]:
        leaders, back = _leaders(instructions)
        blocks: list[list[ir.Node]] = []
        self._out = []
        for instruction in instructions:
            if instruction.offset in leaders:
                self._spill()
                blocks.append(self._out)
                self._out = []
                self._unspill()
            self._one(instruction)
        blocks.append(self._out)
        return self._joined(blocks, back)

    def _joined(self, blocks: list[list[ir.Node]], back: bool) -> list[ir.Node]:
        first, rest = blocks[0], [block for block in blocks[1:] if block]
        weak: list[ir.Node] = [ir.If(self._row, self._unknown(), block) for block in rest]
        if not weak:
            return first
        return [*first, ir.Loop(self._row, None, weak)] if back else [*first, *weak]

    def _unknown(self) -> ir.Node:
        return ir.Op(self._row, "undefined", [])

    def _spill(self) -> None:
        """What stands on the stack at the end of a block goes into variables that the next one finds."""
        for position, (node, _depth) in enumerate(self._stack):
            name = ir.Name(self._row, f"stack{position}")
            if not (isinstance(node, ir.Name) and node.id == name.id):
                self._out.append(ir.Assign(self._row, name, node))

    def _unspill(self) -> None:
        self._stack = [(ir.Name(self._row, f"stack{position}"), 0) for position in range(len(self._stack))]

    # --- the stack ----------------------------------------------------------------------------------------------

    def _push(self, node: ir.Node, depth: int = 0) -> None:
        if depth > MAX_NODES:
            node, depth = self._kept(node), 0
        if len(self._stack) < MAX_STACK:
            self._stack.append((node, depth))

    def _kept(self, node: ir.Node) -> ir.Node:
        """The node's value in a variable of its own."""
        self._temporaries += 1
        name = f"temp{self._temporaries}"
        self._out.append(ir.Assign(self._row, ir.Name(self._row, name), node))
        return ir.Name(self._row, name)

    def _pop(self) -> tuple[ir.Node, int]:
        return self._stack.pop() if self._stack else (self._unknown(), 0)

    def _pops(self, count: int) -> tuple[list[ir.Node], int]:
        taken = [self._pop() for _ in range(count)][::-1]
        return [node for node, _ in taken], max((depth for _, depth in taken), default=0) + 1

    # --- instructions -------------------------------------------------------------------------------------------

    def _one(self, instruction: Instruction) -> None:
        name = str(instruction.opcode.name).lower()
        head, _, tail = name.partition(".")
        step = getattr(self, "op_" + head, None)
        if head in _BINARY:
            items, depth = self._pops(2)
            self._push(ir.Op(self._row, _BINARY[head], items), depth)
        elif head in _COMPARE:
            items, depth = self._pops(2)
            self._push(ir.Op(self._row, _COMPARE[head], items), depth)
        elif head in ("br", "leave"):
            self._stack = [] if head == "leave" else self._stack
        elif head.startswith(("br", "beq", "bge", "bgt", "ble", "blt", "bne")) and head != "break":
            self._drop(1 if head in ("brtrue", "brfalse", "brinst", "brnull", "brzero") else 2)
        elif step is not None:
            step(instruction, tail)

    def _drop(self, count: int) -> None:
        """Take values off whose calls still happen."""
        for node in self._pops(count)[0]:
            if not isinstance(node, ir.Name | ir.Lit):
                self._out.append(node)

    def op_switch(self, _instruction: Instruction, _tail: str) -> None:
        self._drop(1)

    op_pop = op_switch

    def op_dup(self, _instruction: Instruction, _tail: str) -> None:
        node, _depth = self._pop()
        if not isinstance(node, ir.Name | ir.Lit):
            node = self._kept(node)
        self._push(node)
        self._push(node)

    def op_ldstr(self, instruction: Instruction, _tail: str) -> None:
        self._push(ir.Lit(self._row, self._assembly.string(instruction.operand.value)))

    def op_ldnull(self, _instruction: Instruction, _tail: str) -> None:
        self._push(ir.Lit(self._row, None))

    def op_ldc(self, instruction: Instruction, _tail: str) -> None:
        self._push(ir.Lit(self._row, instruction.get_ldc()))

    def _argument(self, instruction: Instruction, tail: str) -> ir.Node:
        number = int(tail) if tail.isdigit() else int(getattr(instruction.operand, "index", 0))
        return ir.Name(self._row, self._arguments[number] if number < len(self._arguments) else "arg")

    def op_ldarg(self, instruction: Instruction, tail: str) -> None:
        self._push(self._argument(instruction, tail))

    op_ldarga = op_ldarg

    def op_starg(self, instruction: Instruction, tail: str) -> None:
        self._out.append(ir.Assign(self._row, self._argument(instruction, tail), self._pop()[0]))

    def _local(self, instruction: Instruction, tail: str) -> ir.Node:
        number = int(tail) if tail.isdigit() else int(getattr(instruction.operand, "index", 0))
        return ir.Name(self._row, f"v_{number}")

    def op_ldloc(self, instruction: Instruction, tail: str) -> None:
        self._push(self._local(instruction, tail))

    op_ldloca = op_ldloc

    def op_stloc(self, instruction: Instruction, tail: str) -> None:
        node, _depth = self._pop()
        target = self._local(instruction, tail)
        self._hold(target)
        self._out.append(ir.Assign(self._row, target, node))

    def _hold(self, target: ir.Node) -> None:
        """Values on the stack that name a variable about to change keep its old content."""
        for position, (node, depth) in enumerate(self._stack):
            if isinstance(node, ir.Name) and isinstance(target, ir.Name) and node.id == target.id:
                self._stack[position] = (self._kept(node), depth)

    def _field(self, instruction: Instruction, holder: ir.Node | None) -> ir.Node:
        member = self._assembly.member(instruction.operand.value)
        if member is None:
            return self._unknown()
        if member.token:
            return ir.Member(self._row, ir.Name(self._row, "this"), f"f_{member.name}_{member.token & 0xFFFFFF:x}")
        owner: ir.Node = ir.Name(self._row, member.short_owner) if holder is None else holder
        return ir.Member(self._row, owner, _plain(member))

    def op_ldfld(self, instruction: Instruction, _tail: str) -> None:
        holder, depth = self._pop()
        self._push(self._field(instruction, holder), depth + 1)

    op_ldflda = op_ldfld

    def op_stfld(self, instruction: Instruction, _tail: str) -> None:
        (holder, value), _depth = self._pops(2)
        self._out.append(ir.Assign(self._row, self._field(instruction, holder), value))

    def op_ldsfld(self, instruction: Instruction, _tail: str) -> None:
        self._push(self._field(instruction, None), 1)

    op_ldsflda = op_ldsfld

    def op_stsfld(self, instruction: Instruction, _tail: str) -> None:
        self._out.append(ir.Assign(self._row, self._field(instruction, None), self._pop()[0]))

    def op_newarr(self, instruction: Instruction, _tail: str) -> None:
        size, depth = self._pop()
        kind = self._assembly.short_type(instruction.operand.value)
        self._push(ir.New(self._row, f"{kind}[]", [size]), depth + 1)

    def op_ldelem(self, _instruction: Instruction, _tail: str) -> None:
        (holder, key), depth = self._pops(2)
        self._push(ir.Index(self._row, holder, [key]), depth)

    op_ldelema = op_ldelem

    def op_stelem(self, _instruction: Instruction, _tail: str) -> None:
        (holder, key, value), _depth = self._pops(3)
        self._out.append(ir.Assign(self._row, ir.Index(self._row, holder, [key]), value))

    def op_ldlen(self, _instruction: Instruction, _tail: str) -> None:
        holder, depth = self._pop()
        self._push(ir.Member(self._row, holder, "Length"), depth + 1)

    def op_conv(self, _instruction: Instruction, tail: str) -> None:
        node, depth = self._pop()
        kind = next((name for mark, name in _CASTS.items() if mark in tail.split(".")), "")
        self._push(ir.Op(self._row, "cast:" + kind, [node]) if kind else node, depth + 1)

    def op_castclass(self, instruction: Instruction, _tail: str) -> None:
        node, depth = self._pop()
        self._push(ir.Op(self._row, "cast:" + self._assembly.short_type(instruction.operand.value), [node]), depth + 1)

    op_isinst = op_castclass

    def op_unbox(self, _instruction: Instruction, _tail: str) -> None:
        """The value stays what it is."""

    def op_ldftn(self, instruction: Instruction, _tail: str) -> None:
        member = self._assembly.member(instruction.operand.value)
        named = self._namer(member) if member is not None and member.token else ""
        self._push(ir.Name(self._row, named) if named else self._unknown())

    def op_ldvirtftn(self, instruction: Instruction, tail: str) -> None:
        self._pop()
        self.op_ldftn(instruction, tail)

    def op_ldtoken(self, instruction: Instruction, _tail: str) -> None:
        name = self._assembly.type_name(instruction.operand.value)
        self._push(ir.Op(self._row, f"typeof:{name}", []))

    def op_stobj(self, _instruction: Instruction, _tail: str) -> None:
        (target, value), _depth = self._pops(2)
        if isinstance(target, ir.Name | ir.Member | ir.Index):
            self._out.append(ir.Assign(self._row, target, value))

    op_stind = op_stobj

    def op_ret(self, _instruction: Instruction, _tail: str) -> None:
        value = self._pop()[0] if self._stack else None
        self._out.append(ir.Return(self._row, value))

    def op_throw(self, _instruction: Instruction, _tail: str) -> None:
        self._drop(1)

    def op_neg(self, _instruction: Instruction, _tail: str) -> None:
        node, depth = self._pop()
        self._push(ir.Op(self._row, "u-", [node]), depth + 1)

    def op_not(self, _instruction: Instruction, _tail: str) -> None:
        node, depth = self._pop()
        self._push(ir.Op(self._row, "u~", [node]), depth + 1)

    def op_sizeof(self, _instruction: Instruction, _tail: str) -> None:
        self._push(ir.Lit(self._row, 8))

    # --- calls --------------------------------------------------------------------------------------------------

    def op_newobj(self, instruction: Instruction, _tail: str) -> None:
        member = self._assembly.member(instruction.operand.value)
        if member is None:
            self._push(self._unknown())
            return
        arguments, depth = self._pops(len(member.signature.arguments))
        named = self._namer(member) if member.token else ""
        if named:
            self._out.append(ir.Call(self._row, ir.Name(self._row, named), arguments))
            arguments = []
        self._push(ir.New(self._row, member.short_owner, arguments), depth)

    def op_call(self, instruction: Instruction, _tail: str) -> None:
        member = self._assembly.member(instruction.operand.value)
        if member is None:
            return
        arguments, depth = self._pops(len(member.signature.arguments))
        holder: ir.Node | None = None
        if member.signature.instance:
            holder, below = self._pop()
            depth = max(depth, below + 1)
        node = self._meaning(member, holder, arguments)
        if member.signature.result == "void":
            self._out.append(node)
        else:
            self._push(node, depth)

    op_callvirt = op_call

    def _meaning(self, member: MemberName, holder: ir.Node | None, arguments: list[ir.Node]) -> ir.Node:
        """A call as source code would say it: properties as members, indexers as elements, operators as operators."""
        named = self._namer(member) if member.token else ""
        if named:
            return ir.Call(self._row, ir.Name(self._row, named), arguments)
        if member.name == ".ctor":  # of the base class
            return ir.Block(self._row, arguments)
        if holder is None:
            target: ir.Node = ir.Name(self._row, member.short_owner)
            special = self._static(member, arguments)
            if special is not None:
                return special
        else:
            target = _typed(holder, member.short_owner)
        return self._property(member, target, arguments)

    def _static(self, member: MemberName, arguments: list[ir.Node]) -> ir.Node | None:
        if member.key == "string.concat" and len(arguments) > 1:
            return ir.Op(self._row, "+", arguments)
        if member.name == "op_Equality":
            return ir.Op(self._row, "==", arguments)
        if member.name == "op_Inequality":
            return ir.Op(self._row, "!=", arguments)
        if member.name in ("op_Implicit", "op_Explicit") and arguments:
            return arguments[0]
        if member.key == "type.gettypefromhandle" and arguments:
            return arguments[0]
        return None

    def _property(self, member: MemberName, target: ir.Node, arguments: list[ir.Node]) -> ir.Node:
        name, row = member.name, self._row
        if name.startswith("get_"):
            if not arguments:
                return ir.Member(row, target, _plain(member, name[4:]))
            if len(arguments) == 1 and name in ("get_Item", "get_Chars"):
                return ir.Index(row, target, arguments)
        if name.startswith("set_") and arguments:
            if len(arguments) == 1:
                return ir.Assign(row, ir.Member(row, target, name[4:]), arguments[0])
            if name == "set_Item":
                return ir.Assign(row, ir.Index(row, target, arguments[:1]), arguments[-1])
        return ir.Call(row, ir.Member(row, target, name), arguments)


def _typed(holder: ir.Node, owner: str) -> ir.Node:
    """The object with the type that the call says it has."""
    if isinstance(holder, ir.Name) and holder.id == "this":
        return holder
    return ir.Op(holder.line, "cast:" + owner, [holder])


def _plain(member: MemberName, name: str = "") -> str:
    """The member's name; one that only sounds like ASP.NET's request, session or cache gets a mark."""
    name = name or member.name
    if name.lower() in _AMBIGUOUS and member.short_owner not in _WEB_OWNERS:
        return name + "_"
    return name


def _targets(instruction: Instruction) -> Iterable[int]:
    operand: Any = instruction.operand
    kind = instruction.opcode.operand_type.name
    if kind.endswith("BrTarget"):
        yield int(operand)
    elif kind == "InlineSwitch":
        yield from (int(each) for each in operand or ())


def _leaders(instructions: Sequence[Instruction]) -> tuple[set[int], bool]:
    """Offsets where a block begins, and whether code jumps back."""
    leaders: set[int] = set()
    back = after = False
    for instruction in instructions:
        if after:
            leaders.add(instruction.offset)
        targets = list(_targets(instruction))
        leaders.update(targets)
        back = back or any(target <= instruction.offset for target in targets)
        after = bool(targets) or instruction.opcode.name in ("ret", "throw", "rethrow")
    return leaders, back
