"""What commands share: where results go, how they are shown, and the exit code."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from afterpatch.case.store import put
from afterpatch.cli.main import FOUND, INCOMPLETE, OK
from afterpatch.model import Examination, Finding, UsageError, Verdict, severity_at_least


def refuse_inside(targets: Iterable[str | Path], evidence: Sequence[str]) -> None:
    """Nothing is written into the evidence. Raises UsageError for a target that lies in it."""
    roots = [Path(each).resolve() for each in evidence]
    for target in targets:
        if str(target) == "-":
            continue
        where = Path(target).resolve()
        for root in roots:
            if where == root or (root.is_dir() and root in where.parents):
                raise UsageError(f"{target} lies in the evidence, which is never written to: name a place outside of it.")


def write(path: str, data: bytes) -> None:
    """A result to a file, or to stdout for `-`. Raises UsageError where it cannot be written."""
    if path == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        put(target, data)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name another file.") from None


def colour() -> bool:
    """Whether stdout takes colours: a terminal, and NO_COLOR is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def show(examination: Examination, language: str, files: Sequence[tuple[str, str]] = ()) -> None:
    """The examination on the terminal."""
    from afterpatch.report import render_terminal, wording

    width = min(max(shutil.get_terminal_size((100, 24)).columns, 40), 120)
    unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith(("utf", "gb"))
    text = render_terminal(examination, wording(language), width=width, colour=colour(), unicode=unicode, files=files)
    sys.stdout.write(text)


def exit_code(examination: Examination, fail_on: str) -> int:
    """1 for findings at or above the level, else 3 where the evidence does not cover the question, else 0."""
    findings = [*examination.findings, *(finding for server in examination.servers for finding in server.findings)]
    if reaches(findings, fail_on):
        return FOUND
    if any(server.verdict.state == "compromised" for server in examination.servers):
        return FOUND
    if any(_is_open(server.verdict) for server in examination.servers):
        return INCOMPLETE
    return OK


def _is_open(verdict: Verdict) -> bool:
    """Whether the evidence leaves the question open. Attacks that were seen do not close it where logs are missing: then
    the verdict's confidence is low."""
    return verdict.state == "inconclusive" or (verdict.state == "attempted" and verdict.confidence == "low")


def reaches(findings: Iterable[Finding], level: str) -> bool:
    """Whether any finding is at or above a level."""
    return any(severity_at_least(finding.severity, level) for finding in findings)
