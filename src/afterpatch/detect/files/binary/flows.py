"""From what a client controls to what executes, in the code of an assembly: the flow analysis of pages, over IL.

Only methods that touch a source or a sink, and those on the way between them, are lowered: a library of a hundred
thousand methods costs no more than the few that matter.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from afterpatch.detect.files.binary.clr import METHOD, Assembly, MemberName, Method
from afterpatch.detect.files.binary.lift import Lifter
from afterpatch.detect.pages import ir
from afterpatch.detect.pages.budget import Budget
from afterpatch.detect.pages.catalogue import Catalogue, catalogue
from afterpatch.detect.pages.control import PageFacts
from afterpatch.detect.pages.dotnet import DotNetMachine
from afterpatch.detect.pages.grade import grade
from afterpatch.detect.pages.verdict import Flow

MAX_METHODS = 300
MAX_ROUNDS = 3
STEPS = 250_000
# kinds that many libraries hold for good reasons; they matter only together with a source
_SOURCES = frozenset(("httprequest", "httprequestbase", "httprequestwrapper", "httplistenerrequest", "httppostedfile",
    "httppostedfilebase", "httpfilecollection"))  # fmt: skip
_CALLS = rb"[\x28\x6f\x73\x7b-\x80]|\xfe[\x06\x07]"
# one of these names stands in the text heap of any library that reads requests
_WORDS = (b"HttpRequest", b"get_Request\0", b"HttpListener", b"HttpPostedFile", b"System.Web.UI.WebControls",
    b"WebMethodAttribute", b"OperationContractAttribute", b"ScriptMethodAttribute",
    b"WebInvokeAttribute", b"WebGetAttribute")  # fmt: skip
_SOURCE_NAMES = frozenset(("get_request", "get_requestcontext"))
_CONTROLS = frozenset(("textbox.get_text", "hiddenfield.get_value", "fileupload.get_postedfile", "fileupload.get_filebytes",
    "fileupload.saveas", "htmlinputfile.get_postedfile", "htmlinputtext.get_value", "htmlinputhidden.get_value"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class CodeVerdict:
    """What the code of an assembly does. `methods`: row -> `Type::Method`, which is what a flow's lines name."""

    severity: str = "info"
    flows: tuple[Flow, ...] = ()
    reasons: tuple[str, ...] = ()
    methods: dict[int, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    sinks: tuple[str, ...] = ()
    complete: bool = True

    def place(self, row: int) -> str:
        """The method of a line, "" unknown."""
        return self.methods.get(row, "")


def _is_sink(member: MemberName, tables: Catalogue) -> bool:
    name = member.name.lower()
    if name == ".ctor":
        return f"new {member.short_owner}" in tables.sinks
    bare = name.removeprefix("get_").removeprefix("set_")
    keys = (f"{member.short_owner}.{bare}", f"*.{bare}", f"{member.short_owner}.*")
    if any(key in tables.sinks for key in keys):
        return True
    return name.startswith("set_") and any(key in tables.assigned for key in keys)


def _is_source(member: MemberName) -> bool:
    if member.short_owner in _SOURCES or member.name.lower() in _SOURCE_NAMES:
        return True
    return member.key in _CONTROLS


class CodeReader:
    """Reads what matters of an assembly's code."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly, self._tables = assembly, catalogue("dotnet")
        self._bodies = assembly.bodies
        self._offsets = [offset for offset, _row in self._bodies]
        self._ids: dict[int, str] = {}

    def judge(self, *, everything: bool = False) -> CodeVerdict:
        """The verdict. `everything`: sinks are followed also where no source is seen (a compiled page)."""
        if not everything and not any(word in self._assembly.data for word in _WORDS):
            return CodeVerdict()
        sources, sinks = self._tokens()
        native = [
            row for row, (_library, name) in self._assembly.native_calls.items() if f"*.{name.lower()}" in self._tables.sinks
        ]
        sinks |= {METHOD << 24 | row: self._assembly.native_calls[row][1] for row in native}
        names = tuple(sorted(set(sources.values()))), tuple(sorted(set(sinks.values())))
        if not sinks or not (sources or everything or self._web_methods()):
            return CodeVerdict(sources=names[0], sinks=names[1])
        rows, whole = self._chosen(sources, sinks)
        return self._run(rows, whole, names)

    def _tokens(self) -> tuple[dict[int, str], dict[int, str]]:
        sources: dict[int, str] = {}
        sinks: dict[int, str] = {}
        for token, member in self._assembly.member_references():
            if _is_source(member):
                sources[token] = f"{member.owner}::{member.name}"
            if _is_sink(member, self._tables):
                sinks[token] = f"{member.owner}::{member.name}"
        return sources, sinks

    def _web_methods(self) -> list[int]:
        asked = ("webmethod", "operationcontract", "scriptmethod", "webinvoke", "webget")
        return [row for row, marks in self._assembly.attributes.items() if marks & set(asked)]

    # --- which methods ------------------------------------------------------------------------------------------

    def _users(self, tokens: Iterable[int]) -> set[int]:
        """Methods whose code holds one of the tokens behind an opcode that calls or reads."""
        packed = [token.to_bytes(4, "little") for token in tokens]
        found: set[int] = set()
        for start in range(0, len(packed), 400):
            pattern = b"(?:" + _CALLS + b")(?=" + b"|".join(map(re.escape, packed[start : start + 400])) + b")"
            for match in re.finditer(pattern, self._assembly.data, re.DOTALL):
                position = bisect_right(self._offsets, match.start()) - 1
                if position >= 0:
                    found.add(self._bodies[position][1])
        return found

    def _chosen(self, sources: Iterable[int], sinks: Iterable[int]) -> tuple[list[int], bool]:
        """Rows of the methods to read, and whether these are all that may matter: users of sources and sinks, who calls
        them, and whom users of sources call."""
        start, ends = self._users(sources) | set(self._web_methods()), self._users(sinks)
        chosen = dict.fromkeys(sorted(start & ends))
        chosen |= dict.fromkeys(sorted(ends))
        chosen |= dict.fromkeys(sorted(start))
        frontier = set(chosen)
        for _round in range(MAX_ROUNDS):
            if not frontier or len(chosen) > MAX_METHODS:
                break
            callers = self._users(METHOD << 24 | row for row in frontier)
            callees = {row for one in frontier for row in self._callees(one)}
            frontier = (callers | callees) - set(chosen)
            chosen |= dict.fromkeys(sorted(frontier))
        rows = list(chosen)[:MAX_METHODS]
        makers = [row for row in self._makers(rows) if row not in chosen]  # what they put into fields is known first
        return [*makers, *rows], len(chosen) <= MAX_METHODS

    def _makers(self, rows: Sequence[int]) -> list[int]:
        """Constructors of the types of some methods."""
        wanted = set(rows)
        found: list[int] = []
        for kind in self._assembly.types:
            if wanted.isdisjoint(kind.methods) or len(found) >= MAX_METHODS:
                continue
            for row in kind.methods[:200]:
                method = self._assembly.method(row)
                if method is not None and method.name in (".ctor", ".cctor"):
                    found.append(row)
        return found

    def _callees(self, row: int) -> Iterable[int]:
        method = self._assembly.method(row)
        if method is None or not method.offset:
            return
        for instruction in self._assembly.body(method.offset).instructions:
            value = getattr(instruction.operand, "value", 0)
            if isinstance(value, int) and value >> 24 == METHOD:
                yield value & 0xFFFFFF

    # --- running ------------------------------------------------------------------------------------------------

    def _run(self, rows: Sequence[int], whole: bool, names: tuple[tuple[str, ...], tuple[str, ...]]) -> CodeVerdict:
        methods = [method for method in (self._assembly.method(row) for row in rows) if method is not None and method.offset]
        wanted = {method.row for method in methods}
        lifter = Lifter(self._assembly, lambda member: self._named(member, wanted))
        marks = self._assembly.attributes
        functions = [lifter.function(method, self._id(method), marks.get(method.row, frozenset())) for method in methods]
        program = ir.Program(functions=functions)
        budget = Budget(steps=STEPS)
        machine = DotNetMachine(self._tables, budget, lambda _code, _language: ir.Program())
        machine.run([program])
        severity, flows, reasons = grade(list(machine.events.values()), PageFacts())
        places = {method.row: f"{method.owner}::{method.name}" for method in methods}
        return CodeVerdict(severity, flows, reasons, places, *names, complete=whole and not budget.spent)

    def _named(self, member: MemberName, wanted: set[int]) -> str:
        """The function a call of the assembly's own means, "" where that one is not read."""
        row = member.token & 0xFFFFFF
        if member.token >> 24 != METHOD:
            return ""
        native = self._assembly.native_calls.get(row)
        if native is not None:
            return ""
        method = self._assembly.method(row)
        if method is None or (row not in wanted and not method.virtual):
            return f"other@{row:x}" if method is not None else ""
        return self._id(method)

    def _id(self, method: Method) -> str:
        """A name for a method that no other has; overrides of one virtual method share theirs."""
        if method.row not in self._ids:
            shared = method.virtual and not method.name.startswith("get_")
            self._ids[method.row] = (
                f"{method.name}/{len(method.signature.arguments)}" if shared else f"{method.name}@{method.row:x}"
            )
        return self._ids[method.row]


def judge_code(assembly: Assembly, *, everything: bool = False) -> CodeVerdict:
    """What the code of an assembly does with what a client controls."""
    return CodeReader(assembly).judge(everything=everything)
