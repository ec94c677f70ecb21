"""`afterpatch exposure`: what it does. It reads files and never sends a packet."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from afterpatch.model import UsageError

OK, FOUND, INCOMPLETE = 0, 1, 3


def run_census(arguments: argparse.Namespace) -> int:
    """0: nothing open that is used in attacks. 1: something is. 3: nothing seen open, but builds are missing or too coarse.
    Raises UsageError."""
    inputs: list[str] = arguments.inputs
    if inputs[0] == "explain":
        return _explain(inputs[1:], arguments)
    files = [path for path in inputs if Path(path).exists()]
    if not files:
        if len(inputs) > 1:
            raise UsageError(f"{inputs[0]} does not exist: name one build, or files of inventories or scans.")
        return _explain_build(inputs[0], arguments)
    if len(files) < len(inputs):
        missing = next(path for path in inputs if path not in files)
        raise UsageError(f"{missing} does not exist: name one build, or files of inventories or scans.")
    return _census(files, arguments)


def _explain(texts: list[str], arguments: argparse.Namespace) -> int:
    from afterpatch.census.explain import explain, render_explanation

    if not texts:
        raise UsageError("explain what? Name a CVE such as CVE-2021-26855, or a build such as 15.1.2176.9.")
    sys.stdout.write("\n".join(render_explanation(explain(text), arguments.lang) for text in texts))
    return OK


def _explain_build(text: str, arguments: argparse.Namespace) -> int:
    """A build on the command line: what is open on it, by text or as a document."""
    from afterpatch.census.explain import explain, render_explanation
    from afterpatch.knowledge import vulnerabilities

    if not Path(text).suffix.lstrip(".").isdecimal() and "/" in text:
        raise UsageError(f"{text} does not exist: name a build, or files of inventories or scans.")
    found = explain(text)
    _deliver(arguments.json, _build_document(found) if arguments.json else b"")
    if arguments.json != "-":
        sys.stdout.write(render_explanation(found, arguments.lang))
    if found.kind == "cve":
        return OK
    used = {one.cve for one in vulnerabilities.exploited()}
    if any(one.cve in used for one in found.of("open")):
        return FOUND
    return INCOMPLETE if any(one.cve in used for one in found.of("unknown")) else OK


def _build_document(found: object) -> bytes:
    import orjson

    from afterpatch.census.explain import Explanation

    assert isinstance(found, Explanation)
    states = [
        {
            "cve": one.cve,
            "state": one.state,
            "basis": list(one.basis),
            "fixed_build": str(one.fixed_build) if one.fixed_build else None,
        }
        for one in found.states
    ]
    document = {"schema": "afterpatch.build/1", "build": str(found.build or ""), "precision": found.precision, "cves": states}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def _census(files: list[str], arguments: argparse.Namespace) -> int:
    from afterpatch.census import (
        CensusOptions,
        census,
        render_html,
        render_terminal,
        write_csv,
        write_json,
        write_owners,
        write_parquet,
    )

    options = CensusOptions(
        moment=datetime.now(UTC), compare=arguments.compare, country_db=arguments.country_db, asn_db=arguments.asn_db,
        memory=arguments.memory, as_of=_day(arguments.as_of),
    )  # fmt: skip
    with census(files, options) as result:
        _deliver(arguments.json, write_json(result) if arguments.json else b"")
        for path, write in ((arguments.csv, write_csv), (arguments.owners, write_owners), (arguments.parquet, write_parquet)):
            if path:
                write(result, path)
        if arguments.report:
            _deliver(arguments.report, render_html(result, arguments.lang).encode("utf-8", "backslashreplace"))
        if arguments.json != "-":
            sys.stdout.write(render_terminal(result, arguments.lang))
        if result.exposed or result.compromised:
            return FOUND
        unknown = any(one.unknown for one in result.cves if one.exploited)
        return INCOMPLETE if unknown or result.bad_rows or not result.hosts else OK


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--as-of {text}: not a day; write 2021-03-22.") from None


def _deliver(path: str | None, data: bytes) -> None:
    if not path:
        return
    if path == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name another file.") from None
