"""A user's own lists: CSV, STIX 2.1, MISP JSON or plain text, told apart by their content."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import Any

from afterpatch.knowledge.indicators import misp, stix, tables
from afterpatch.knowledge.indicators.intake import Intake
from afterpatch.knowledge.indicators.model import Indicator
from afterpatch.model import Notice, UsageError

LARGEST = 64 * 1024 * 1024
_DEEPEST = 200
_JSON = re.compile(r'\s*(?:\{|\[\s*[\[{"\]])')  # a bracket may also open an address: [2001:db8::1]:443
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def load_user(path: str) -> tuple[tuple[Indicator, ...], tuple[Notice, ...]]:
    """The indicators of one file and notices for what it holds besides. Raises UsageError where the file cannot be
    read, is larger than LARGEST, or is no list of indicators."""
    data = _read(path)
    intake = Intake(path)
    text = _decode(data, intake)
    if _JSON.match(text):
        _take_json(text, intake)
    else:
        tables.take(text, intake)
    if not intake.found:
        raise UsageError(f"{path}: no indicator found; give a CSV, STIX 2.1, MISP JSON or text list of indicators")
    return intake.indicators(), intake.notices()


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path}: the list of indicators cannot be read ({error.strerror})") from error
    if len(data) > LARGEST:
        raise UsageError(f"{path}: a list of indicators may have {LARGEST >> 20} MiB at most; split it")
    return data


def _decode(data: bytes, intake: Intake) -> str:
    for mark, name in _BOMS:
        if data.startswith(mark):
            return _decode_as(data[len(mark) :], name, intake)
    if b"\x00" in data[:4096]:
        raise UsageError(f"{intake.path}: this is a binary file, not a list of indicators")
    return _decode_as(data, "utf-8", intake)


def _decode_as(data: bytes, name: str, intake: Intake) -> str:
    try:
        return data.decode(name)
    except UnicodeDecodeError as error:
        intake.refuse("indicator-encoding", f"byte {error.start}")
        return data.decode(name, errors="replace")


def _take_json(text: str, intake: Intake) -> None:
    document = _parse(text, intake)
    if stix.is_stix(document):
        stix.take(document, intake)
    elif misp.is_misp(document):
        misp.take(document, intake)
    else:
        raise UsageError(f"{intake.path}: this JSON is neither a STIX 2.1 bundle nor a MISP event")


def _parse(text: str, intake: Intake) -> Any:
    """JSON with its double keys counted (the last one holds) and its depth bounded before the parser recurses."""
    if _depth_over(text, _DEEPEST):
        raise UsageError(f"{intake.path}: the JSON is nested more than {_DEEPEST} levels deep")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            intake.refuse("indicator-double-key")
        return found

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(f"{intake.path}: the JSON is damaged{where}") from error


def _depth_over(text: str, limit: int) -> bool:
    """Whether brackets nest deeper than `limit`, strings left out."""
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', text, re.DOTALL):
        mark = match.group()
        if mark in ("[", "{"):
            depth += 1
            if depth > limit:
                return True
        elif mark in ("]", "}"):
            depth -= 1
    return False
