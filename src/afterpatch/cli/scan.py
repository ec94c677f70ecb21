"""`afterpatch scan`: the file analysis alone, on any folder or file."""

from __future__ import annotations

import argparse
import shlex
import sys
from datetime import UTC, datetime

from afterpatch import __version__
from afterpatch.assess.options import Options
from afterpatch.assess.progress import Progress
from afterpatch.assess.scan import scan
from afterpatch.cli.examine import options_of
from afterpatch.cli.main import FOUND, INCOMPLETE, INTERRUPTED, OK
from afterpatch.cli.output import reaches, refuse_inside, show, write
from afterpatch.cli.progress import ProgressLine
from afterpatch.report import RunInfo, document, findings_jsonl, to_bytes, wording


def run_scan(arguments: argparse.Namespace) -> int:
    """Scans paths; findings at the top level of the document."""
    options: Options = options_of(arguments)
    started = datetime.now(UTC)
    refuse_inside([arguments.json] if arguments.json else [], arguments.paths)
    catalogue = wording(arguments.lang)
    line = ProgressLine(catalogue.text)
    try:
        result = scan(arguments.paths, options, Progress(line.start, line.step), signatures=not arguments.no_signatures)
    finally:
        line.close()
    run = RunInfo(__version__, "", started, datetime.now(UTC), shlex.join(sys.argv[1:]))
    if arguments.json:
        lines = arguments.json.endswith(".jsonl")
        data = b"".join(findings_jsonl(result.examination)) if lines else to_bytes(document(result.examination, run))
        write(arguments.json, data)
    if arguments.json != "-":
        show(result.examination, arguments.lang, [("json", arguments.json)] if arguments.json else [])
    if result.interrupted:
        return INTERRUPTED
    if reaches(result.examination.findings, arguments.fail_on):
        return FOUND
    return INCOMPLETE if result.unread else OK
