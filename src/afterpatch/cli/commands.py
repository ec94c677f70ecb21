"""The registry of commands: each adds its parser; its work is imported only when it runs, so that `--help` is quick."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

SEVERITIES = ("info", "low", "medium", "high", "critical")
LANGUAGES = ("en", "zh-CN")
Commands = Any  # argparse's own type of the sub-parsers is private


def _examine_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--case", metavar="DIR", help="where the case is kept (default: ./afterpatch-case-<server>)")
    parser.add_argument("--json", metavar="FILE", help="the examination document; - writes it to stdout, and nothing else")
    parser.add_argument("--report", metavar="FILE", help="self-contained HTML report")
    parser.add_argument("--rules", metavar="DIR", action="append", default=[], help="more Sigma rules (may be repeated)")
    parser.add_argument("--yara", metavar="DIR", action="append", default=[], help="more YARA rules (may be repeated)")
    parser.add_argument("--intel", metavar="FILE", action="append", default=[], help="more indicators: CSV, STIX 2.1, MISP")
    parser.add_argument(
        "--baseline", metavar="FILE", action="append", default=[], help="your own baseline of web files (see: baseline make)"
    )
    parser.add_argument("--since", metavar="TIME", help="begin of the time asked about, UTC (2021-01-03 or 2021-01-03T10:00Z)")
    parser.add_argument("--until", metavar="TIME", help="end of the time asked about, UTC")
    parser.add_argument("--jobs", metavar="N", type=int, default=0, help="processes (default: one for each core)")
    _common(parser)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fail-on", choices=SEVERITIES, default="medium", help="exit 1 from this severity on (default: medium)")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of what people read (default: en)")


def _add_examine(commands: Commands) -> None:
    parser = commands.add_parser("examine", help="examine evidence: drives, folders, triage archives, loose logs")
    parser.add_argument("evidence", nargs="+", metavar="EVIDENCE", help="a drive, a folder in any layout, an archive, a log")
    _examine_options(parser)

    def run(options: argparse.Namespace) -> int:
        from afterpatch.cli.examine import run_examine

        return run_examine(options)

    parser.set_defaults(run=run)


def _add_demo(commands: Commands) -> None:
    parser = commands.add_parser("demo", help="write the evidence of a breached example server and examine it")
    parser.add_argument(
        "folder",
        nargs="?",
        default="afterpatch-demo",
        metavar="DIR",
        help="where to write (default: ./afterpatch-demo)",
    )
    parser.add_argument(
        "--scenario", default="intrusion", metavar="NAME", help="what happened; 'list' names all (default: intrusion)"
    )
    parser.add_argument("--layout", default="drive", metavar="NAME", help="drive, kape-zip, velociraptor-zip, cylr-zip or loose")
    parser.add_argument("--size", metavar="SIZE", help="how much evidence, such as 500MB or 4GB")
    parser.add_argument("--seed", type=int, default=1, help="other names and times (default: 1)")
    parser.add_argument("--write-only", action="store_true", help="write the evidence and do not examine it")
    _common(parser)

    def run(options: argparse.Namespace) -> int:
        from afterpatch.cli.demo import run_demo

        return run_demo(options)

    parser.set_defaults(run=run)


def _add_scan(commands: Commands) -> None:
    parser = commands.add_parser("scan", help="look for back doors in any files or folders, without a server around them")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files, folders or archives")
    parser.add_argument("--json", metavar="FILE", help="findings as a document; - for stdout; .jsonl: one finding a line")
    parser.add_argument("--no-signatures", action="store_true", help="without YARA rules and published hashes and names")
    parser.add_argument("--yara", metavar="DIR", action="append", default=[], help="more YARA rules (may be repeated)")
    parser.add_argument("--intel", metavar="FILE", action="append", default=[], help="more indicators: CSV, STIX 2.1, MISP")
    parser.add_argument(
        "--baseline", metavar="FILE", action="append", default=[], help="your own baseline of web files (see: baseline make)"
    )
    parser.add_argument("--jobs", metavar="N", type=int, default=0, help="processes (default: one for each core)")
    _common(parser)

    def run(options: argparse.Namespace) -> int:
        from afterpatch.cli.scan import run_scan

        return run_scan(options)

    parser.set_defaults(run=run)


def _add_baseline(commands: Commands) -> None:
    parser = commands.add_parser("baseline", help="your own list of right web files: make it, or hold evidence against it")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    make = actions.add_parser("make", help="from install media (unpacked), a healthy server's drive or its web folders")
    make.add_argument("paths", nargs="+", metavar="PATH", help="folders or archives that hold the right files")
    make.add_argument("-o", "--output", metavar="FILE", required=True, help="the baseline file to write")
    make.add_argument("--build", metavar="BUILD", default="", help="which Exchange it is (default: told by the files)")
    check = actions.add_parser("check", help="changed web files, and pages where none belongs")
    check.add_argument("paths", nargs="+", metavar="EVIDENCE", help="a drive, a folder, an archive")
    check.add_argument("--baseline", metavar="FILE", action="append", default=[], help="your baseline (default: the shipped one)")
    check.add_argument("--json", metavar="FILE", help="findings as a document; - for stdout; .jsonl: one finding a line")
    for action, name in ((make, "make"), (check, "check")):
        action.add_argument("--jobs", metavar="N", type=int, default=0, help="processes (default: one for each core)")
        _common(action)
        action.set_defaults(run=_run_baseline, action=name)


def _run_baseline(options: argparse.Namespace) -> int:
    from afterpatch.cli.baseline import run_baseline

    return run_baseline(options)


def _add_rules(commands: Commands) -> None:
    parser = commands.add_parser("rules", help="every detection: what it looks for, why, and what innocent thing looks the same")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, text in (
        ("list", "one line a detection"),
        ("show", "everything about one detection"),
        ("test", "prove rules by their examples and check their form"),
    ):
        action = actions.add_parser(name, help=text)
        if name == "show":
            action.add_argument("name", metavar="NAME", help="id or name of a detection")
        action.add_argument("--rules", metavar="DIR", action="append", default=[], help="more Sigma rules (may be repeated)")
        action.add_argument("--lang", choices=LANGUAGES, default="en")
        action.set_defaults(run=_run_rules, action=name)


def _run_rules(options: argparse.Namespace) -> int:
    from afterpatch.cli.rules import run_rules

    return run_rules(options)


def _add_report(commands: Commands) -> None:
    parser = commands.add_parser("report", help="show a case again, or write its report in another language")
    parser.add_argument("case", metavar="CASE", help="a case directory or an examination document")
    parser.add_argument("--report", metavar="FILE", help="write the HTML report here")
    parser.add_argument("--json", metavar="FILE", help="write the examination document here; - for stdout")
    _common(parser)

    def run(options: argparse.Namespace) -> int:
        from afterpatch.cli.report import run_report

        return run_report(options)

    parser.set_defaults(run=run)


def _add_hunt(commands: Commands) -> None:
    parser = commands.add_parser("hunt", help="run Sigma rules over event logs and text logs alone, with a timeline")
    parser.add_argument("paths", nargs="+", metavar="LOGS", help="event logs (.evtx, exports), text logs, folders, archives")
    parser.add_argument("--rules", metavar="DIR", action="append", default=[], help="Sigma rules (default: the shipped ones)")
    parser.add_argument("--shipped", action="store_true", help="the shipped rules too, beside those of --rules")
    parser.add_argument("--min-level", choices=SEVERITIES, default="", help="only rules from this severity on (default: all)")
    parser.add_argument("--json", metavar="FILE", help="the findings as a document; .jsonl: one a line; - for stdout")
    parser.add_argument("--csv", metavar="FILE", help="the findings as a table; - for stdout")
    parser.add_argument("--timeline", metavar="FILE", help="every hit in the order of time: CSV, or .jsonl; - for stdout")
    parser.add_argument("--since", metavar="TIME", help="begin of the time asked about, UTC")
    parser.add_argument("--until", metavar="TIME", help="end of the time asked about, UTC")
    parser.add_argument("--jobs", metavar="N", type=int, default=0, help="processes (default: one for each core)")
    _common(parser)

    def run(options: argparse.Namespace) -> int:
        from afterpatch.cli.hunt import run_hunt

        return run_hunt(options)

    parser.set_defaults(run=run)


def _add_exposure(commands: Commands) -> None:
    parser = commands.add_parser("exposure", help="which holes are open on one build, or on the hosts of inventories and scans")
    parser.add_argument(
        "inputs", nargs="+", metavar="BUILD|FILE|explain", help="a build, files of inventories or scans, or: explain CVE|BUILD"
    )
    for name, value, text in (
        ("json", "FILE", "the counts as a document; - for stdout"),
        ("csv", "FILE", "all counts by CVE, country, network and sector"),
        ("parquet", "FILE", "the run, one row a host: what a later run is compared with"),
        ("owners", "FILE", "one row for each owner to notify (CSV)"),
        ("report", "FILE", "a self-contained HTML page"),
    ):
        parser.add_argument(f"--{name}", metavar=value, help=text)
    parser.add_argument("--compare", metavar="PREVIOUS", default="", help="the --parquet file of an earlier run")
    parser.add_argument("--country-db", metavar="MMDB", default="", help="offline table for hosts without a country")
    parser.add_argument("--asn-db", metavar="MMDB", default="", help="offline table for hosts without a network")
    parser.add_argument("--as-of", metavar="DAY", default="", help="ask only about holes that were public on this day")
    parser.add_argument("--memory", metavar="SIZE", default="1GB", help="how much memory the database may use (default: 1GB)")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of what people read (default: en)")

    def run(options: argparse.Namespace) -> int:
        from afterpatch.census.command import run_census

        return run_census(options)

    parser.set_defaults(run=run)


COMMANDS: tuple[Callable[[Commands], None], ...] = (
    _add_examine,
    _add_demo,
    _add_scan,
    _add_hunt,
    _add_exposure,
    _add_baseline,
    _add_rules,
    _add_report,
)
