"""`afterpatch examine`: the main job."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from afterpatch import __version__
from afterpatch.assess.options import Options
from afterpatch.cli.main import INTERRUPTED
from afterpatch.cli.output import refuse_inside, write
from afterpatch.cli.progress import ProgressLine
from afterpatch.knowledge import own_baseline
from afterpatch.model import EvidenceError, UsageError, parse_iso

if TYPE_CHECKING:
    from afterpatch.assess.examine import Result
    from afterpatch.assess.gather import Gathered
    from afterpatch.report import RunInfo

_SAFE_NAME = re.compile(r"[^A-Za-z0-9._-]+")
MAX_NAME = 60


def options_of(arguments: argparse.Namespace) -> Options:
    """The options as a plain value. Raises UsageError for what cannot be."""
    for name in ("rules", "yara"):
        for folder in getattr(arguments, name, ()):
            if not Path(folder).exists():
                raise UsageError(f"--{name} {folder}: there is no such file or folder.")
    for path in getattr(arguments, "baseline", ()):
        own_baseline.load(path)  # a bad one stops the run before the work begins
    since, until = (_time(getattr(arguments, name, None), name) for name in ("since", "until"))
    if since and until and since >= until:
        raise UsageError("--since must lie before --until.")
    if arguments.jobs < 0:
        raise UsageError("--jobs must be 1 or more.")
    return Options(
        rules=tuple(getattr(arguments, "rules", ())),
        yara=tuple(getattr(arguments, "yara", ())),
        intel=tuple(getattr(arguments, "intel", ())),
        baselines=tuple(getattr(arguments, "baseline", ())),
        since=since,
        until=until,
        jobs=arguments.jobs,
    )


def _time(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    moment = parse_iso(text)
    if moment is None:
        raise UsageError(f"--{name} {text}: not a time; write 2021-01-03 or 2021-01-03T10:00Z.")
    return moment


def run_examine(arguments: argparse.Namespace) -> int:
    """Examines evidence, writes the case, shows the result."""
    from afterpatch.assess.gather import gather
    from afterpatch.assess.progress import Progress

    options = options_of(arguments)
    started = datetime.now(UTC)
    targets = [each for each in (arguments.case, arguments.json, arguments.report) if each]
    refuse_inside([*targets, *([] if arguments.case else [Path.cwd() / "afterpatch-case-"])], arguments.evidence)
    line = ProgressLine(lambda stage: _label(arguments.lang, stage))
    try:
        gathered = gather(arguments.evidence, options, Progress(line.start, line.step, _while_waiting))
    finally:
        line.close()
    return _finish(arguments, gathered, options, started)


def _label(language: str, stage: str) -> str:
    from afterpatch.report import wording

    return wording(language).text(stage)


def _while_waiting() -> None:
    """Imports what is needed once the logs are read: other processes read them meanwhile."""
    import afterpatch.assess.examine
    import afterpatch.assess.files
    import afterpatch.detect.pages.page  # noqa: F401 - imported for those who come later
    from afterpatch.report.html import load_templates

    load_templates()


def _finish(arguments: argparse.Namespace, gathered: Gathered, options: Options, started: datetime) -> int:
    """Concludes, writes and shows."""
    from afterpatch.assess.examine import conclude
    from afterpatch.cli.output import exit_code, show
    from afterpatch.report import RunInfo

    result = conclude(gathered, options)
    run = RunInfo(__version__, result.rules_version, started, datetime.now(UTC), shlex.join(sys.argv[1:]))
    files = deliver(arguments, result, run)
    if arguments.json != "-":
        show(result.examination, arguments.lang, files)
    return INTERRUPTED if result.interrupted else exit_code(result.examination, arguments.fail_on)


def deliver(arguments: argparse.Namespace, result: Result, run: RunInfo) -> list[tuple[str, str]]:
    """Writes case, report and document; what was written, by label."""
    from afterpatch.case import write_case
    from afterpatch.report import document, findings_jsonl, render_html, to_bytes, wording

    data = to_bytes(document(result.examination, run))
    html = render_html(result.examination, run, wording(arguments.lang)).encode("utf-8", "backslashreplace")
    folder = Path(arguments.case or f"afterpatch-case-{case_name(result)}")
    refuse_inside([folder], arguments.evidence)
    write_case(
        folder, data, result.artifacts, result.hashes, moment=run.finished or run.started or datetime.now(UTC),
        command=run.command, extra={"report.html": html},
    )  # fmt: skip
    files = [("case", str(folder)), ("report", arguments.report or str(folder / "report.html"))]
    if arguments.report:
        write(arguments.report, html)
    if arguments.json:
        lines = arguments.json.endswith(".jsonl")
        write(arguments.json, b"".join(findings_jsonl(result.examination)) if lines else data)
        files.append(("json", arguments.json))
    return files


def case_name(result: Result) -> str:
    """A folder name out of the servers' names, which are an attacker's text."""
    names = [server.name for server in result.examination.servers if server.name]
    if len(result.examination.servers) > 1:
        return f"{len(result.examination.servers)}-servers"
    safe = _SAFE_NAME.sub("-", names[0]).strip("-.")[:MAX_NAME] if names else ""
    return safe or "server"


__all__ = ["EvidenceError", "case_name", "options_of", "run_examine"]
