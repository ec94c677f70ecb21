"""Names while code runs: frames, globals, and what a sink event is."""

from __future__ import annotations

from dataclasses import dataclass, field

from afterpatch.detect.pages.ir import Function
from afterpatch.detect.pages.value import ANCHORED, UNKNOWN, Trace, Value, join_traces


@dataclass(frozen=True, slots=True)
class Event:
    """One sink that was reached: `roles` are the joined values of its arguments by role."""

    kind: str
    call: str
    line: int
    roles: dict[str, Value]
    function: str = ""

    def traces(self, *roles: str) -> tuple[Trace, ...]:
        """Traces of some roles (all where none are named)."""
        found: tuple[Trace, ...] = ()
        for role, value in self.roles.items():
            if not roles or role in roles:
                found = join_traces(found, value.all_traces())
        return found


@dataclass(slots=True)
class Frame:
    """One running function. `weak` > 0: in a branch that may not be taken; `concrete`: every argument was constant."""

    locals: dict[str, Value] = field(default_factory=dict)
    function: Function | None = None
    weak: int = 0
    concrete: bool = False
    declared_global: set[str] = field(default_factory=set)
    returned: list[Value] = field(default_factory=list)


def gathered_role(old: Value, new: Value) -> Value:
    """Several arguments in one role: what any of them carries, the first one's constant."""
    traces = join_traces(old.all_traces(), new.all_traces())
    return Value(old.const, traces, old.type or new.type, old.path, old.fields, old.marks | new.marks, old.head, old.tail)


def joined(old: Value | None, new: Value) -> Value:
    """A value that is one or the other: the newer constant, all traces."""
    if old is None or old is new:
        return new
    if old.const is UNKNOWN and not old.traces and not old.fields and not old.type:
        return new
    head, tail, marks = _shape(old, new)
    return Value(
        const=new.const if new.known else UNKNOWN,
        traces=join_traces(new.traces, old.traces),
        type=new.type or old.type,
        path=new.path or old.path,
        fields=new.fields if new.fields is not None else old.fields,
        marks=marks,
        head=head,
        tail=tail,
        function=new.function or old.function,
    )


def _shape(old: Value, new: Value) -> tuple[str, str, frozenset[str]]:
    """Head, tail and marks of a value that is one or the other: those of the one that carries something; where both
    do, what they share."""
    if not old.traces:
        return new.head, new.tail, new.marks
    if not new.traces:
        return old.head, old.tail, old.marks
    marks = new.marks & old.marks
    head = new.head if new.head == old.head else "?" if ANCHORED in marks else ""
    return head, new.tail if new.tail == old.tail else "", marks
