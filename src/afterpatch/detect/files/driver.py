"""Runs the analysers over a file, and keeps a bug in one of them from costing the examination."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from afterpatch.detect.files.generations import generation_of, repeated
from afterpatch.detect.files.history import Copy, compare, is_copy, read_copy
from afterpatch.detect.files.item import CheckFailure, FileContext, FileFinding, FileItem
from afterpatch.detect.files.joining import join_findings
from afterpatch.detect.files.registry import ANALYSERS
from afterpatch.model import EvidenceRef, Finding, Notice, Subject

RAISE = "AFTERPATCH_RAISE"
MAX_FINDINGS = 200


def guarded(name: str, path: str, context: FileContext, work: Callable[[], Iterable[FileFinding]]) -> list[FileFinding]:
    """The findings of one analyser on one file. An exception is a bug of ours: recorded in `context.failures`, raised
    where the environment asks for it (tests)."""
    found: list[FileFinding] = []
    try:
        for finding in work():
            found.append(finding)
            if len(found) >= MAX_FINDINGS:
                context.notices.append(Notice(path, "", f"notice.findings-capped: {name} {MAX_FINDINGS}"))
                break
    except Exception as error:  # the one boundary of this part, see house.md "Errors, three kinds"
        if os.environ.get(RAISE) == "1":
            raise
        context.failures.append(CheckFailure(name, path, f"{type(error).__name__}: {error}"[:200]))
    return found


def analyse_file(item: FileItem, context: FileContext) -> list[FileFinding]:
    """All findings about one file, in the order of the analysers; what several say of one thing is one finding. Never
    raises for what a file holds."""
    return join_findings(
        [
            finding
            for analyser in ANALYSERS
            for finding in guarded(analyser.name, item.path, context, partial(analyser.analyse, item, context))
        ]
    )


def analyse_server(items: Iterable[FileItem], context: FileContext) -> list[FileFinding]:
    """Findings that need several files of one server: copies of applicationHost.config over time, and pages compiled
    more than once. Other files are passed over, so the driver may give all of them; each is read once and let go."""
    copies: list[Copy] = []
    generations: list[tuple[str, str]] = []

    def read(item: FileItem) -> Iterator[FileFinding]:
        if is_copy(item):
            copies.append(read_copy(item, context))
        generation = generation_of(item, context)
        if generation:
            generations.append(generation)
        yield from ()

    for item in items:
        guarded("server", item.path, context, partial(read, item))
    found = guarded("server", "", context, partial(compare, copies))
    return found + guarded("server", "", context, partial(repeated, generations))


def as_finding(found: FileFinding, item: FileItem) -> Finding:
    """The finding as the examination holds it. Its id depends on detection, path, place and content alone."""
    where = f"{found.line}/{found.offset}/{found.raw}/{found.facts}"
    key = "\0".join((found.detection, item.artifact.root, found.path, where, item.sha256))
    moments = [moment for _, moment in found.times]
    return Finding(
        id=hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        detection=found.detection,
        title=found.title,
        severity=found.severity,
        confidence=found.confidence,
        stage=found.stage,
        chain=found.chain,
        techniques=found.techniques,
        time=moments[0] if moments else None,
        subject=Subject(path=found.path, extra=found.facts),
        explanation=found.explanation,
        benign_causes=found.benign,
        next_steps=found.next_steps,
        evidence=(EvidenceRef(item.path, found.raw, line=found.line, offset=found.offset, sha256=item.sha256),),
        origin=found.origin,
        root=item.artifact.root,
    )
