"""`afterpatch report`: reads a case, never the evidence."""

from __future__ import annotations

import argparse
from pathlib import Path

from afterpatch.case import open_case
from afterpatch.cli.main import OK
from afterpatch.cli.output import show, write
from afterpatch.report import document, examination_from, render_html, run_from, to_bytes, wording


def run_report(arguments: argparse.Namespace) -> int:
    """Shows a case, or writes its report or document again."""
    case = open_case(Path(arguments.case))
    examination, run = examination_from(case.document), run_from(case.document)
    files = []
    if arguments.report:
        write(arguments.report, render_html(examination, run, wording(arguments.lang)).encode("utf-8", "backslashreplace"))
        files.append(("report", arguments.report))
    if arguments.json:
        write(arguments.json, to_bytes(document(examination, run)))
    if arguments.json != "-":
        show(examination, arguments.lang, files)
    return OK
