"""The examination document (`afterpatch.examination/1`): written, read back, and one finding a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from afterpatch.model import EvidenceError, Examination
from afterpatch.model.examination import SCHEMA
from afterpatch.report.catalogue import Catalogue
from afterpatch.report.codec import build, plain
from afterpatch.report.run import RunInfo
from afterpatch.report.text import storable
from afterpatch.report.times import iso
from afterpatch.report.wording import wording


def document(examination: Examination, run: RunInfo, english: Catalogue | None = None) -> dict[str, Any]:
    """The document: the contract's members, and what the model has beside them.

    Texts are in English whatever language the reports have; `english` is a catalogue with more keys than the shipped
    one. `findings` stands at the top only where there are some of no server, or no server at all.
    """
    parts: dict[str, Any] = plain(examination, english or wording("en"))
    if examination.servers and not examination.findings:
        del parts["findings"]
    return {"schema": SCHEMA, "run": _run(run), **parts}


def _run(run: RunInfo) -> dict[str, Any]:
    return {
        "version": storable(run.version),
        "rules_version": storable(run.rules_version),
        "started": iso(run.started),
        "finished": iso(run.finished),
        "command": storable(run.command),
    }


def to_bytes(doc: dict[str, Any]) -> bytes:
    """The document as UTF-8 JSON with a line feed at the end. Members keep the contract's order, lists their own."""
    return orjson.dumps(doc, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def examination_from(doc: Any) -> Examination:
    """The examination a document was made of. Raises EvidenceError, one sentence, for any other document."""
    schema = doc.get("schema") if isinstance(doc, dict) else None
    if schema != SCHEMA:
        raise EvidenceError(f"The document is not an Afterpatch examination of schema {SCHEMA}.")
    return build(Examination, doc, "document")


def run_from(doc: Any) -> RunInfo:
    """The run a document tells of. Raises EvidenceError as `examination_from` does."""
    return build(RunInfo, doc.get("run") if isinstance(doc, dict) else None, "run")


def findings_jsonl(examination: Examination, english: Catalogue | None = None) -> Iterator[bytes]:
    """Every finding as one line of JSON, with the server it belongs to in `server` ("" for none)."""
    catalogue = english or wording("en")
    for server in examination.servers:
        for finding in server.findings:
            yield _line({"server": storable(server.name), **plain(finding, catalogue)})
    for finding in examination.findings:
        yield _line({"server": "", **plain(finding, catalogue)})


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
