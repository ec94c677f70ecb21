"""Scans the readings of one file under one budget of time.

YARA-X counts wall time in whole seconds, so on a busy machine a small page can run out of it. Where most of the time
was spent waiting, the scan is repeated with more of it; where the processor was really used, the page is a hostile one,
and its two ends are scanned.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yara_x

TIMEOUT = 1  # seconds a scan may take; YARA-X counts whole ones, and the first may have begun before the scan
PATIENT = (1, 1, 1, 10, 60)  # seconds for the repetitions
WORKED = 0.5  # seconds of processor time after which a late scan is the page's fault
BUDGET = 0.7  # seconds of processor time after which no further reading is scanned whole
EDGE = 64 * 1024
MAX_MATCHES = 64


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that matched. `offset` and `raw`: its first pattern in the reading `view` (None where it has none)."""

    rule: str
    namespace: str
    meta: tuple[tuple[str, Any], ...]
    tags: tuple[str, ...]
    view: str
    offset: int | None
    raw: bytes


def _evidence(rule: Any, content: bytes) -> tuple[int | None, bytes]:
    places = [(match.offset, match.length) for pattern in rule.patterns for match in pattern.matches]
    if not places:
        return None, b""
    # the longest of the first matches says most; a tag such as `<%` says little
    offset, length = max(places[:200], key=lambda place: (min(place[1], 200), -place[0]))
    return offset, content[offset : offset + min(max(length, 80), 300)]


@lru_cache(maxsize=2)
def _made(rules: yara_x.Rules) -> Any:
    """A scanner is dear to make and can be used again."""
    scanner = yara_x.Scanner(rules)
    scanner.max_matches_per_pattern(MAX_MATCHES)
    scanner.set_timeout(TIMEOUT)
    return scanner


def _scanner(rules: yara_x.Rules, externals: Mapping[str, str]) -> Any:
    scanner = _made(rules)
    for name, value in externals.items():
        scanner.set_global(name, value)
    return scanner


def _patient(scanner: Any, content: bytes) -> Any:
    """A scan's result, repeated with more time while the machine was busy elsewhere; None where the page itself is dear,
    or the machine never gave the scan its turn."""
    started = time.thread_time() if len(content) > EDGE else None  # a small page never needs a second
    for seconds in (TIMEOUT, *PATIENT):
        if seconds != TIMEOUT:
            scanner.set_timeout(seconds)
        try:
            return scanner.scan(content)
        except yara_x.TimeoutError:
            if started is not None and time.thread_time() - started > WORKED:
                return None
        finally:
            if seconds != TIMEOUT:
                scanner.set_timeout(TIMEOUT)
    return None


def _scan(scanner: Any, view: str, content: bytes) -> list[Match] | None:
    """Matches, or None where the time ran out."""
    result = _patient(scanner, content)
    if result is None:
        return None
    found = []
    for rule in result.matching_rules:
        offset, raw = _evidence(rule, content)
        found.append(Match(rule.identifier, rule.namespace, tuple(rule.metadata), tuple(rule.tags), view, offset, raw))
    return found


def _ends(content: bytes) -> bytes:
    return content if len(content) <= 2 * EDGE else content[:EDGE] + b"\n" + content[-EDGE:]


def scan_views(
    rules: yara_x.Rules, views: Iterable[tuple[str, bytes]], externals: Mapping[str, str]
) -> tuple[list[Match], tuple[str, ...]]:
    """Each rule's first match over the readings (name, bytes) of a file, and the readings that took too long: of those,
    and of all after them, only the two ends are scanned, so that a page does not hide behind its own size. A name with
    `!` is a reading of which not even the ends could be scanned."""
    scanner = _scanner(rules, externals)
    started: float | None = None  # the clock is dear: it is asked for large readings only
    late: list[str] = []
    found: dict[tuple[str, str], Match] = {}
    for view, content in views:
        whole = len(content) <= 2 * EDGE
        if not whole:
            started = time.thread_time() if started is None else started
            whole = time.thread_time() - started < BUDGET
        matches = _scan(scanner, view, content) if whole else None
        if matches is None:
            matches = _scan(scanner, view, _ends(content))
            late.append(view if matches is not None else view + "!")
        matches = matches or []
        for match in matches:
            found.setdefault((match.namespace, match.rule), match)
    return list(found.values()), tuple(late)
