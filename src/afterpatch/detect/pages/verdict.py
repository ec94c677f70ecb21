"""What is said about one page: the verdict, its flows, and what stood in the way of reading it."""

from __future__ import annotations

from dataclasses import dataclass

SEVERITY_ORDER = ("info", "low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Step:
    """One place a value passed through: what happened to it, and the line (from 1; 0 where unknown)."""

    what: str
    line: int


@dataclass(frozen=True, slots=True)
class Flow:
    """One way from a source to a sink.

    `source` names what the client (or a download, file, database) controls, "" where the sink got constants only;
    `sink` is the sink's kind (`code-execution`, `process-start`, `file-write` ...), `call` the call as the page spells
    it. `severity` is what this flow alone is worth.
    """

    source: str
    source_line: int
    path: tuple[Step, ...]
    sink: str
    call: str
    sink_line: int
    severity: str
    explanation: str


@dataclass(frozen=True, slots=True)
class PageVerdict:
    """What the page does. `severity` info: nothing found. `server_code` False: no code in it that a server would run.

    `notes` tell decodings and disguises that were undone; `problems` what could not be read (keys of the notice
    catalogue, with a detail); `complete` False where a budget ran out. `opinion` is the statistics' second opinion.
    """

    name: str
    severity: str
    confidence: str
    family: str = ""
    flows: tuple[Flow, ...] = ()
    languages: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    opinion: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    server_code: bool = False
    complete: bool = True

    @property
    def line(self) -> int | None:
        """Line of the worst flow's sink."""
        return self.flows[0].sink_line if self.flows else None


def worst(*severities: str) -> str:
    """The highest of some severities; `info` where there is none."""
    return max(severities, key=SEVERITY_ORDER.index, default="info")


def at_least(severity: str, bound: str) -> bool:
    """Whether a severity reaches another."""
    return SEVERITY_ORDER.index(severity) >= SEVERITY_ORDER.index(bound)
