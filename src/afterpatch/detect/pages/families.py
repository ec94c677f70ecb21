"""Naming the family of a page from what its code does; `data/families.yml` is the table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from afterpatch.detect.pages.catalogue import load_data
from afterpatch.detect.pages.verdict import Flow, at_least

MAX_TEXT = 300_000


@cache
def _table() -> tuple[tuple[dict[str, Any], tuple[re.Pattern[str], ...], tuple[re.Pattern[str], ...]], ...]:
    rows = []
    for row in load_data("families")["families"]:
        needs = tuple(re.compile(one) for one in row.get("needs", ()))
        absent = tuple(re.compile(one) for one in row.get("absent", ()))
        rows.append((row, needs, absent))
    return tuple(rows)


def family_of(text: str, size: int, flows: Sequence[Flow], reasons: Sequence[str]) -> str:
    """The family's name, "" where none fits. `text`: the decoded page, `size`: its bytes."""
    head = text[:MAX_TEXT]
    for row, needs, absent in _table():
        least = row.get("least", "high")
        reached = {flow.sink for flow in flows if at_least(flow.severity, least)}
        if not set(row.get("sinks", ())) <= reached or size > row.get("bytes", size):
            continue
        wanted = row.get("reasons")
        if wanted and not any(wanted in reason for reason in reasons):
            continue
        if all(one.search(head) for one in needs) and not any(one.search(head) for one in absent):
            return str(row["name"])
    return ""
