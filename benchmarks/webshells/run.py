"""Measure the judgement of server pages: recall on a folder of web shells, false alarms on a folder of benign pages.

    python benchmarks/webshells/run.py --shells DIR --benign DIR [--no-signatures] [--list]
    python benchmarks/webshells/run.py --benign DIR --beside-yara RULES [--yara-python PYTHON]
    python benchmarks/webshells/run.py --hostile

A file of the shell set counts where its extension is one that a server executes and where it holds server code at all:
files without any (a picture, a readme, plain HTML under a script's name, an empty file) are listed apart, by that rule
alone. Everything is read as dead text. Both options take several folders.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import beside_yara
import hostile

from afterpatch.detect.files.item import FileContext, FileItem
from afterpatch.detect.files.signatures import SignatureAnalyser
from afterpatch.detect.pages.page import analyse_page, extension_of
from afterpatch.detect.pages.verdict import SEVERITY_ORDER, at_least
from afterpatch.detect.yara.compile import compile_rules
from afterpatch.model import Artifact, Locator
from afterpatch.report.catalogue import Catalogue

ASPNET = (".aspx", ".ashx", ".asmx", ".ascx", ".asax", ".master", ".cshtml", ".vbhtml", ".svc", ".soap")
CLASSIC = (".asp", ".asa", ".cer", ".cdx")
PHP = (".php", ".php3", ".php4", ".php5", ".phtml")
JSP = (".jsp", ".jspx")
GROUPS = (("ASP.NET", ASPNET), ("classic ASP", CLASSIC), ("PHP", PHP), ("JSP", JSP))
EXTENSIONS = frozenset(one for _name, group in GROUPS for one in group)


@dataclass(frozen=True, slots=True)
class Row:
    """One judged file."""

    path: Path
    extension: str
    severity: str
    server_code: bool
    seconds: float
    why: str


def pages(folders: Sequence[Path]) -> Iterator[Path]:
    """Every file with a server page's extension, sorted."""
    for folder in folders:
        yield from sorted(one for one in folder.rglob("*") if one.is_file() and extension_of(one.name) in EXTENSIONS)


@cache
def english() -> Catalogue:
    """The words of the verdicts."""
    return Catalogue.load("en")


@cache
def file_context() -> FileContext:
    """The file checks' context with our own signatures and nothing else."""
    return FileContext(rules=compile_rules()[0])


def signature_severity(path: Path, data: bytes) -> str:
    """The worst signature that matches, `info` where none does."""
    shown = "C:\\inetpub\\wwwroot\\" + path.name
    artifact = Artifact(0, shown, shown, Locator(shown), "web-file", "r", len(data))
    item = FileItem(artifact, data[: 4 << 20], len(data) > 4 << 20, hashlib.sha256(data).hexdigest(), len(data))
    found = [one.severity for one in SignatureAnalyser().analyse(item, file_context())]
    return max(found, key=SEVERITY_ORDER.index, default="info")


def judge(path: Path, signatures: bool) -> Row:
    """The verdict on one file."""
    data = path.read_bytes()
    started = time.process_time()
    verdict = analyse_page(path.name, data)
    severity = verdict.severity
    if signatures:
        severity = max(severity, signature_severity(path, data), key=SEVERITY_ORDER.index)
    seconds = time.process_time() - started
    first = verdict.flows[0] if verdict.flows else None
    why = f"{first.sink} {first.call} line {first.sink_line} <- {first.source or 'constants'}" if first else "no sink"
    parts = [why, *english().every([*verdict.reasons, *verdict.problems])]
    return Row(path, extension_of(path.name), severity, verdict.server_code, seconds, "; ".join(parts)[:300])


def show_shells(rows: Sequence[Row], listed: bool) -> None:
    """Recall by group and extension, misses, and what held no server code."""
    counted = [row for row in rows if row.server_code]
    print(f"shells: {len(rows)} files, {len(counted)} with server code")
    for name, group in GROUPS:
        mine = [row for row in counted if row.extension in group]
        if mine:
            found = sum(at_least(row.severity, "high") for row in mine)
            print(f"  {name:12} {found:5} of {len(mine):5}  {100 * found / len(mine):6.2f} %")
        for extension in group:
            part = [row for row in mine if row.extension == extension]
            if part:
                found = sum(at_least(row.severity, "high") for row in part)
                print(f"    {extension:10} {found:5} of {len(part):5}  {100 * found / len(part):6.2f} %")
    if listed:
        for row in counted:
            if not at_least(row.severity, "high"):
                print(f"  MISS {row.severity:6} {row.path}  [{row.why}]")
        for row in rows:
            if not row.server_code:
                print(f"  NO SERVER CODE {row.severity:6} {row.path}")


def show_benign(rows: Sequence[Row], listed: bool) -> None:
    """False alarms by severity."""
    print(f"benign: {len(rows)} pages")
    for severity, count in sorted(Counter(row.severity for row in rows).items(), key=lambda x: SEVERITY_ORDER.index(x[0])):
        print(f"  {severity:9} {count:6}  {100 * count / max(len(rows), 1):7.3f} %")
    if listed:
        for row in rows:
            if at_least(row.severity, "medium"):
                print(f"  ALARM {row.severity:8} {row.path}  [{row.why}]")


def show_cost(rows: Sequence[Row]) -> None:
    """How long it took, and the slowest files."""
    total = sum(row.seconds for row in rows)
    print(f"  {len(rows) / total if total else 0:.0f} pages a second of processor time")
    for row in sorted(rows, key=lambda one: -one.seconds)[:3]:
        print(f"    {row.seconds:.2f} s  {row.path}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--shells", action="append", default=[], type=Path)
    parser.add_argument("--benign", action="append", default=[], type=Path)
    parser.add_argument("--no-signatures", action="store_true", help="flow analysis alone")
    parser.add_argument("--list", action="store_true", help="name every miss and every alarm")
    parser.add_argument("--beside-yara", type=Path, metavar="RULES", help="measure speed beside YARA with these rules")
    parser.add_argument("--yara-python", default=sys.executable, help="an interpreter that has yara-python")
    parser.add_argument("--hostile", action="store_true", help="what pages cost that were made to cost (every file check)")
    options = parser.parse_args(arguments)
    if options.hostile:
        beside_yara.show_hostile(hostile.cases())
        return 0
    if not options.shells and not options.benign:
        parser.error("name at least one folder: --shells DIR or --benign DIR")
    if options.beside_yara:
        beside_yara.show(options.beside_yara, list(pages(options.benign or options.shells)), options.yara_python)
        return 0
    for folders, show in ((options.shells, show_shells), (options.benign, show_benign)):
        if folders:
            rows = [judge(path, not options.no_signatures) for path in pages(folders)]
            show(rows, options.list)
            show_cost(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
