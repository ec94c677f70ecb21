"""Every format with its own input and golden output: `tests/parsers/<kind>/input.log` and `golden.json`.

Refresh the goldens with `AFTERPATCH_REFRESH=1 pytest tests/parsers/test_goldens.py`, then read the diff.
"""

from __future__ import annotations

import io
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from afterpatch.model import Record, to_iso
from afterpatch.parsers import BadLine, Counts, derive, kinds, read_log
from afterpatch.parsers.agentsconfig import parse_agents_config
from afterpatch.parsers.compiled import parse_compiled
from afterpatch.parsers.fields import DERIVED_NAMES
from afterpatch.parsers.iisconfig import parse_iis_config
from afterpatch.parsers.setuplog import parse_setup_log
from afterpatch.parsers.webconfig import parse_web_config

HERE = Path(__file__).parent
LOGS = sorted(path for path in HERE.glob("*/input.log") if path.parent.name != "setup-log")
FILES = {
    "iis-config": lambda data: parse_iis_config(data, "input"),
    "web-config": lambda data: parse_web_config(data, "input"),
    "setup-log": lambda data: parse_setup_log(io.BytesIO(data), "input"),
    "compiled": lambda data: parse_compiled(data, "input"),
    "agents-config": lambda data: parse_agents_config(data, "input"),
}


def kind_of(folder: str) -> str:
    return folder if folder in kinds() else folder.rpartition("-")[0]


def described(outcome: object) -> dict[str, Any]:
    if not isinstance(outcome, Record):
        what = "bad" if isinstance(outcome, BadLine) else "header"
        plain = {key: value for key, value in asdict(outcome).items() if value not in ("", ())}  # type: ignore[call-overload]
        return {"is": what, **plain}
    view = derive(outcome.kind, outcome.fields)
    derived = {name: values for name in DERIVED_NAMES if (values := view.get(name)) not in (None, ("",))}
    fields = {name: value for name, value in outcome.fields.items() if value}
    return {
        "is": outcome.kind,
        "line": outcome.line,
        "offset": outcome.offset,
        "time": to_iso(outcome.time),
        "columns": len(outcome.fields),
        "fields": fields,
        "derived": derived,
    }


def check(golden: Path, found: object) -> None:
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    text = orjson.dumps(found, option=options)
    if os.environ.get("AFTERPATCH_REFRESH"):
        golden.write_bytes(text)
    assert orjson.loads(text) == orjson.loads(golden.read_bytes())


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.parent.name)
def test_log_golden(path: Path) -> None:
    counts = Counts()
    with path.open("rb") as stream:
        outcomes = [described(outcome) for outcome in read_log(kind_of(path.parent.name), stream, counts)]
    check(path.with_name("golden.json"), {"counts": asdict(counts), "lines": outcomes})


@pytest.mark.parametrize("kind", FILES)
def test_file_golden(kind: str) -> None:
    path = next((HERE / kind).glob("input.*"))
    check(path.with_name("golden.json"), FILES[kind](path.read_bytes()))


def test_every_kind_has_a_golden() -> None:
    covered = {kind_of(path.parent.name) for path in LOGS}
    # These have the shape of others: EventData logs (ecp-server), request logs (httpproxy), plain CSV (exchange-log).
    alike = {"ews", "owa-server", "autodiscover", "rca", "agent-log", "mitigation-service"}
    assert set(kinds()) - covered - alike == set()
