"""What the evaluator knows of a value: its constant, where it came from, its type, its fields, and how it was tamed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

MAX_TRACES = 3
MAX_STEPS_SHOWN = 12
MAX_FIELDS = 4000


class Unknown:
    """The one value `UNKNOWN`: no constant."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()

# Marks. NUMBER: a number or truth value, cannot carry text. ANCHORED: text with a fixed head. BASENAME: no folder part
# can be in it. FIXED_END: text with a fixed tail. BUILT: put together from pieces (a name nobody can read).
NUMBER, ANCHORED, BASENAME, FIXED_END, BUILT = "number", "anchored", "basename", "fixed-end", "built"
MAPPED = "mapped"  # a path below the site's root
QUOTED = "quoted"  # one argument of a command, by escapeshellarg
DECODED = "decoded"  # a constant that came out of a decoder
SPELLED = "spelled"  # a short constant put together from single characters or out of a decoder, as hidden names are
BITS = "bits"  # text that bitwise operators on other text gave: nobody writes a function's name so
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a value came from: `kind` client | upload-name | download | file | database, `steps` (what, line)."""

    kind: str
    source: str
    line: int
    steps: tuple[tuple[str, int], ...] = ()

    def through(self, what: str, line: int) -> Trace:
        """The same, one step further; long ways are cut in the middle."""
        if self.steps and self.steps[-1] == (what, line):
            return self
        if len(self.steps) >= MAX_STEPS_SHOWN:
            return self
        return Trace(self.kind, self.source, self.line, (*self.steps, (what, line)))


@dataclass(slots=True, eq=False)
class Value:
    """One value. `fields` is shared by everything that holds the same object; `path` is the dotted lower-case name of
    what nobody declared (`system.diagnostics.process`), `head` the fixed text in front of an anchored value and `tail`
    the fixed text behind it."""

    const: Any = UNKNOWN
    traces: tuple[Trace, ...] = ()
    type: str = ""
    path: str = ""
    fields: dict[str, Value] | None = None
    marks: frozenset[str] = field(default=_NONE)
    head: str = ""
    tail: str = ""
    function: Any = None

    @property
    def known(self) -> bool:
        """Whether it is a constant."""
        return self.const is not UNKNOWN

    @property
    def text(self) -> str | None:
        """The constant as text, None where it is none."""
        if isinstance(self.const, str):
            return self.const
        if isinstance(self.const, bytes | bytearray):
            return bytes(self.const).decode("latin-1")
        return None

    def all_traces(self, depth: int = 3) -> tuple[Trace, ...]:
        """Its own traces and those of its fields."""
        if NUMBER in self.marks:
            return ()
        found = self.traces
        if self.fields and depth > 0 and len(found) < MAX_TRACES:
            for one in list(self.fields.values())[:200]:
                if one is not self:
                    found = join_traces(found, one.all_traces(depth - 1))
        return found


def join_traces(first: tuple[Trace, ...], second: tuple[Trace, ...]) -> tuple[Trace, ...]:
    """Both, without repeats of a source, at most three; what a client controls before all else."""
    if not second or first is second:
        return first
    if not first:
        return second
    seen: dict[tuple[str, str], Trace] = {}
    for trace in sorted((*first, *second), key=lambda one: one.kind != "client"):
        seen.setdefault((trace.kind, trace.source), trace)
    return tuple(seen.values())[:MAX_TRACES]


def passed(value: Value, what: str, line: int) -> tuple[Trace, ...]:
    """A value's traces, one step further."""
    if not value.traces or NUMBER in value.marks:
        return ()
    return tuple(trace.through(what, line) for trace in value.traces)


def text_value(text: str, traces: tuple[Trace, ...] = ()) -> Value:
    """A constant text."""
    return Value(const=text, traces=traces)


def number() -> Value:
    """A number or truth value nobody knows."""
    return Value(marks=frozenset((NUMBER,)))
