"""Runs the analysers over a file, and keeps a bug in one of them from costing the examination."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable

from afterpatch.detect.files.item import CheckFailure, FileContext, FileFinding, FileItem
from afterpatch.detect.files.registry import ANALYSERS
from afterpatch.model import EvidenceRef, Finding, Subject

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
                break
    except Exception as error:  # the one boundary of this part, see house.md "Errors, three kinds"
        if os.environ.get(RAISE) == "1":
            raise
        context.failures.append(CheckFailure(name, path, f"{type(error).__name__}: {error}"[:200]))
    return found


def analyse_file(item: FileItem, context: FileContext) -> list[FileFinding]:
    """All findings about one file, in the order of the analysers. Never raises for what a file holds."""
    return [
        finding
        for analyser in ANALYSERS
        for finding in guarded(analyser.name, item.path, context, lambda one=analyser: one.analyse(item, context))  # type: ignore[misc]
    ]


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
