"""What was changed in a shipped file: the lines, against the text that belongs there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from afterpatch.detect.files.item import FileContext, FileItem
from afterpatch.detect.files.views import text_of
from afterpatch.evidence import read_bounded
from afterpatch.knowledge import web_paths
from afterpatch.model import Artifact, EvidenceError

MAX_LINES, MAX_SHOWN, MAX_CHARACTERS = 6000, 12, 300
MAX_READ = 512 * 1024
MAX_COPIES = 6


@dataclass(frozen=True, slots=True)
class Reference:
    """The text that belongs at a path, and where it is from."""

    text: str
    origin: str


@dataclass(frozen=True, slots=True)
class Change:
    """Lines that were added and removed, each (line number from 1, text); `more` counts those not shown."""

    added: tuple[tuple[int, str], ...]
    removed: tuple[tuple[int, str], ...]
    more: int

    def facts(self) -> tuple[tuple[str, str], ...]:
        """The change as facts of a finding."""
        found = [("added line " + str(line), text) for line, text in self.added]
        found += [("removed line " + str(line), text) for line, text in self.removed]
        return (*found, ("more changed lines", str(self.more))) if self.more else tuple(found)


def reference_of(item: FileItem, context: FileContext) -> Reference | None:
    """The text that belongs where a file lies: from the user's baseline, else from another copy in the evidence whose
    hash Microsoft shipped; None where neither has it."""
    own = context.own.lookup(item.path) if context.own is not None else ()
    for each in own:
        if each.text:
            return Reference(each.text, f"baseline {context.own.source if context.own else ''}".strip())
    for artifact in context.copies.get(web_paths.path_key(item.path), ())[:MAX_COPIES]:
        held = _shipped_copy(artifact, item, context)
        if held is not None:
            return Reference(text_of(held), artifact.shown)
    return None


def _shipped_copy(artifact: Artifact, item: FileItem, context: FileContext) -> bytes | None:
    """The content of a copy, where it is one that Microsoft shipped."""
    if artifact.shown == item.artifact.shown or context.baseline is None or artifact.size > MAX_READ:
        return None
    try:
        content, cut = read_bounded(artifact.locator, MAX_READ)
    except (EvidenceError, OSError):
        return None
    known = context.baseline.lookup(item.path)
    shipped = known is not None and not cut and context.digest(content) in known.versions
    return content if shipped else None


def difference(old: str, new: str) -> Change | None:
    """The changed lines; None where the texts are too long to compare, or differ in white space at line ends only."""
    before, after = _lines(old), _lines(new)
    if before is None or after is None or before == after:
        return None
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    inner_before, inner_after = before[start : len(before) - end], after[start : len(after) - end]
    added, removed = [], []
    for kind, first, last, begin, stop in _blocks(inner_before, inner_after):
        if kind in ("replace", "delete"):
            removed += [(start + place + 1, inner_before[place][:MAX_CHARACTERS]) for place in range(first, last)]
        if kind in ("replace", "insert"):
            added += [(start + place + 1, inner_after[place][:MAX_CHARACTERS]) for place in range(begin, stop)]
    added = [pair for pair in added if pair[1].strip()]
    removed = [pair for pair in removed if pair[1].strip()]
    more = max(len(added) - MAX_SHOWN, 0) + max(len(removed) - MAX_SHOWN, 0)
    return Change(tuple(added[:MAX_SHOWN]), tuple(removed[:MAX_SHOWN]), more)


def _blocks(before: list[str], after: list[str]) -> Iterable[tuple[str, int, int, int, int]]:
    """Changed blocks. What is very long and different all over is one block: nobody reads more of it."""
    if len(before) * len(after) > 4_000_000:
        return [("replace", 0, len(before), 0, len(after))]
    return difflib.SequenceMatcher(None, before, after, autojunk=True).get_opcodes()


def _lines(text: str) -> list[str] | None:
    lines = [line.rstrip() for line in text[: MAX_READ * 2].splitlines()]
    return lines if len(lines) <= MAX_LINES else None
