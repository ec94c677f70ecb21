"""`afterpatch baseline`: make a list of right web files, and hold evidence against it."""

from __future__ import annotations

import argparse
import shlex
import sys
from datetime import UTC, datetime

from afterpatch import __version__
from afterpatch.assess.baselines import Checked, Made, check, make
from afterpatch.assess.progress import Progress
from afterpatch.cli.examine import options_of
from afterpatch.cli.main import FOUND, INCOMPLETE, INTERRUPTED, OK
from afterpatch.cli.output import reaches, refuse_inside, show, write
from afterpatch.cli.progress import ProgressLine
from afterpatch.knowledge import own_baseline
from afterpatch.report import RunInfo, document, findings_jsonl, to_bytes, wording

MAX_NAMED = 20


def run_baseline(arguments: argparse.Namespace) -> int:
    """`make`: 0, or 1 where files were left out because they look like back doors. `check`: 0, 1 or 3 like `scan`."""
    options = options_of(arguments)
    catalogue = wording(arguments.lang)
    line = ProgressLine(catalogue.text)
    try:
        if arguments.action == "make":
            refuse_inside([arguments.output], arguments.paths)
            made = make(arguments.paths, options, Progress(line.start, line.step), arguments.build)
            line.close()
            return _made(made, arguments)
        refuse_inside([arguments.json] if arguments.json else [], arguments.paths)
        started = datetime.now(UTC)
        checked = check(arguments.paths, options, Progress(line.start, line.step))
        line.close()
        return _checked(checked, arguments, started)
    finally:
        line.close()


def _made(made: Made, arguments: argparse.Namespace) -> int:
    write(arguments.output, own_baseline.to_bytes(made.baseline))
    out = wording(arguments.lang)
    say = sys.stderr if arguments.output == "-" else sys.stdout
    build = made.baseline.build or out.text("ui.baseline-build-unknown")
    say.write(out.text("ui.baseline-made", files=made.files, path=arguments.output, build=build) + "\n")
    for finding in made.left_out[:MAX_NAMED]:
        say.write(out.text("ui.baseline-left-out", path=finding.subject.path, title=finding.title) + "\n")
    if made.notices:
        say.write(out.text("ui.baseline-notices", count=len(made.notices)) + "\n")
    return FOUND if made.left_out else OK


def _checked(checked: Checked, arguments: argparse.Namespace, started: datetime) -> int:
    examination = checked.result.examination
    if arguments.json:
        run = RunInfo(__version__, "", started, datetime.now(UTC), shlex.join(sys.argv[1:]))
        lines = arguments.json.endswith(".jsonl")
        write(arguments.json, b"".join(findings_jsonl(examination)) if lines else to_bytes(document(examination, run)))
    if arguments.json != "-":
        out = wording(arguments.lang)
        show(examination, arguments.lang, [("json", arguments.json)] if arguments.json else [])
        build = checked.build or out.text("ui.baseline-build-unknown")
        sys.stdout.write(out.text("ui.baseline-checked", same=checked.same, compared=checked.compared, build=build) + "\n")
        for path in checked.missing[:MAX_NAMED]:
            sys.stdout.write(out.text("ui.baseline-missing", path=path) + "\n")
        if len(checked.missing) > MAX_NAMED:
            sys.stdout.write(out.text("ui.baseline-missing-more", count=len(checked.missing) - MAX_NAMED) + "\n")
    if checked.result.interrupted:
        return INTERRUPTED
    if reaches(examination.findings, arguments.fail_on):
        return FOUND
    return INCOMPLETE if checked.result.unread or not checked.compared else OK
