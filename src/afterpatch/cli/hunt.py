"""`afterpatch hunt`: Sigma alone, over event logs and text logs."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from afterpatch import __version__
from afterpatch.cli.examine import options_of
from afterpatch.cli.main import FOUND, INCOMPLETE, INTERRUPTED, OK
from afterpatch.cli.output import reaches, refuse_inside, write
from afterpatch.cli.progress import ProgressLine
from afterpatch.hunt import HuntOptions, hunt, render
from afterpatch.report import RunInfo, wording


def run_hunt(arguments: argparse.Namespace) -> int:
    """0: no hit at or above the level. 1: hits. 3: none, but records could not be read."""
    options = options_of(arguments)
    outputs = list(_outputs(arguments))
    refuse_inside([path for path, _format in outputs], arguments.paths)
    started = datetime.now(UTC)
    line = ProgressLine(wording(arguments.lang).text)
    asked = HuntOptions(options.since, options.until, options.jobs, arguments.shipped, arguments.min_level)
    try:
        result = hunt(arguments.paths, options.rules, asked, line.step)
    finally:
        line.close()
    run = RunInfo(__version__, result.version, started, datetime.now(UTC), shlex.join(sys.argv[1:]))
    for path, format_ in outputs:
        write(path, render(result, format_, run))
    if all(path != "-" for path, _format in outputs):
        sys.stdout.write(render(result, "text").decode("utf-8", "replace"))
    if result.interrupted:
        return INTERRUPTED
    if reaches(result.examination.findings, arguments.fail_on):
        return FOUND
    return INCOMPLETE if result.unread or not result.records else OK


def _outputs(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """(file, format) of what is asked for."""
    for path, table, lines in (
        (arguments.json, "json", "jsonl"),
        (arguments.csv, "csv", "csv"),
        (arguments.timeline, "timeline-csv", "timeline-jsonl"),
    ):
        if path:
            yield path, lines if path.endswith(".jsonl") else table
