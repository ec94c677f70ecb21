"""An examination with every text replaced by something that wants to break out of the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from afterpatch.report.text import message

VALUES = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "</title></style></svg><svg onload=alert(1)>",
    "\"><a href='javascript:alert(1)'>x</a>",
    "' onmouseover='alert(1)",
    "{{ 7*7 }}{% raw %}{{ config }}{# x #}",
    "${7*7}[[{first}]]{count:one|other}",
    "javascript:alert(1)",
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred",
    "\x9b31mred\x85next",
    "abc\u202efdp.exe\u2066\u200b\ufeff\u00ad",
    "=cmd|' /C calc'!A0",
    "@SUM(1)+1-1",
    "nul\x00byte\r\nforged: line\n\u2028x\u2029",
    "lone\udc80surrogate\ud800",
    "<!-- --><![CDATA[ ]]>&lt;&#x3c;",
    "http://evil.example/a\thttps://user:pw@evil.example/b",
    "msg:verdict.summary.no-evidence",
    "notice.damaged: <b>x</b>",
    "e" + "\u0301" * 40,
    "\U000e0041\U0001f600\ufdd0",
    "A" * 5000,
)
KEPT = frozenset({"state", "stage", "severity", "confidence", "certainty", "origin", "cause"})
TEXTS = frozenset({"summary", "reasons", "limits", "actions", "question", "missing", "what", "reason"})


def hostile(value: Any, next_value: Callable[[], str], name: str = "") -> Any:
    """The value with every string in it replaced, but for the words that the model itself fixes."""
    if isinstance(value, str):
        if name in KEPT or not value:
            return value
        text = next_value()
        return message("verdict.reason.backdoor-present", path=text) if name in TEXTS else text
    if isinstance(value, tuple):
        return tuple(hostile(one, next_value, name) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = {field.name: hostile(getattr(value, field.name), next_value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **given)
    return value


def cycle(values: tuple[str, ...]) -> Callable[[], str]:
    """One value after the other, for ever; a number makes each of them its own."""
    count = -1

    def following() -> str:
        nonlocal count
        count += 1
        return values[count % len(values)]

    return following


__all__ = ["KEPT", "VALUES", "cycle", "hostile"]
