"""STIX 2.1 bundles: the comparisons of indicator patterns that name one value each; the rest is counted.

A pattern that demands several things at once (AND, FOLLOWEDBY, qualifiers) would match too much if its parts were taken
alone: only a file hash stands for itself there. Grammar: OASIS STIX 2.1, part 9.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from afterpatch.knowledge.indicators.intake import Context, Intake
from afterpatch.knowledge.indicators.model import HASHES
from afterpatch.model import parse_iso

_LONGEST_PATTERN = 64 * 1024
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*+')|(?P<path>[A-Za-z][A-Za-z0-9-]*:(?:[\w.*\[\]-]|'[^']*'|\"[^\"]*\")++)"
    r"|(?P<word>[A-Za-z]+)|(?P<mark><=|>=|!=|[=<>()\[\],])|(?P<number>[-+]?\d[\w.:+-]*))",
    re.ASCII,
)
_JOINING = frozenset({"AND", "FOLLOWEDBY", "WITHIN", "REPEATS", "START", "NOT"})
_HASH_PATH = re.compile(r"file:hashes\.(?:'|\")?(MD5|SHA-?1|SHA-?256)(?:'|\")?\Z", re.IGNORECASE)
_PATHS = {
    "ipv4-addr:value": "ip",
    "ipv6-addr:value": "ip",
    "network-traffic:src_ref.value": "ip",
    "network-traffic:dst_ref.value": "ip",
    "domain-name:value": "domain",
    "url:value": "url",
    "file:name": "file-name",
}
_GROUPS = frozenset({"intrusion-set", "threat-actor", "campaign", "malware", "tool"})


def is_stix(document: Any) -> bool:
    """Whether a JSON document is a bundle or a list of STIX objects."""
    if isinstance(document, dict):
        return document.get("type") == "bundle" or (document.get("type") == "indicator" and "pattern" in document)
    return isinstance(document, list) and any(
        isinstance(item, dict) and item.get("type") == "indicator" and "pattern" in item for item in document
    )


def take(document: Any, intake: Intake) -> None:
    """Puts the indicators of a bundle into the intake."""
    listed = document.get("objects", [document]) if isinstance(document, dict) else document
    objects = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    by_id = {str(item["id"]): item for item in objects if "id" in item}
    groups = dict(_groups(objects, by_id))
    for item in objects:
        if item.get("type") == "indicator":
            _take_indicator(item, by_id, groups, intake)


def _groups(objects: list[dict[str, Any]], by_id: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Indicator id -> name of what it indicates; a later relationship never replaces a group by a mere tool."""
    ranked = sorted(objects, key=lambda item: str(item.get("target_ref", "")).startswith(("malware", "tool")), reverse=True)
    for item in ranked:
        if item.get("type") == "relationship" and item.get("relationship_type") == "indicates":
            target = by_id.get(str(item.get("target_ref")), {})
            if target.get("type") in _GROUPS:
                yield str(item.get("source_ref")), str(target.get("name", ""))


def _take_indicator(
    item: Mapping[str, Any], by_id: Mapping[str, dict[str, Any]], groups: Mapping[str, str], intake: Intake
) -> None:
    where = str(item.get("id", ""))[:80]
    if item.get("revoked") is True:
        intake.refuse("indicator-revoked", where)
        return
    if str(item.get("pattern_type", "stix")).lower() != "stix":
        intake.refuse("indicator-other-pattern", where, str(item.get("pattern_type"))[:40])
        return
    context = _context(item, by_id, groups)
    for kind, value in _values(str(item.get("pattern", "")), where, intake):
        intake.add(value, kind, context, where)


def _context(item: Mapping[str, Any], by_id: Mapping[str, dict[str, Any]], groups: Mapping[str, str]) -> Context:
    maker = by_id.get(str(item.get("created_by_ref")), {})
    marks = item.get("object_marking_refs")
    names = [str(by_id.get(str(mark), {}).get("name", "")) for mark in marks] if isinstance(marks, list) else []
    return Context(
        group=groups.get(str(item.get("id")), ""),
        note=str(item.get("name") or item.get("description") or ""),
        source=str(maker.get("name") or "STIX"),
        published=str(item.get("valid_from") or item.get("created") or "")[:10],
        confidence=_confidence(item.get("confidence")),
        valid_until=_day(item.get("valid_until")),
        tlp=next((name[4:].upper() for name in names if name.upper().startswith("TLP:")), ""),
    )


def _day(value: Any) -> date | None:
    moment = parse_iso(value) if isinstance(value, str) else None
    return moment.date() if moment else None


def _confidence(value: Any) -> str:
    """STIX 0..100 by the low/medium/high scale of its appendix A."""
    if not isinstance(value, int) or isinstance(value, bool):
        return "moderate"
    return "low" if value < 30 else "moderate" if value < 70 else "high"


def _values(pattern: str, where: str, intake: Intake) -> Iterator[tuple[str, str]]:
    tokens = _tokens(pattern)
    if tokens is None:
        intake.refuse("indicator-damaged-pattern", where)
        return
    joined = any(kind == "word" and text.upper() in _JOINING for kind, text in tokens)
    found = list(_comparisons(tokens, where, intake))
    if joined:
        found = [entry for entry in found if entry[0] in HASHES]
        if not found:
            intake.refuse("indicator-joined-pattern", where)
    yield from found


def _tokens(pattern: str) -> list[tuple[str, str]] | None:
    """The pattern cut into (kind, text), or None where it is too long or not STIX."""
    if not pattern.strip() or len(pattern) > _LONGEST_PATTERN:
        return None
    tokens, position, end = [], 0, len(pattern.rstrip())
    while position < end:
        match = _TOKEN.match(pattern, position)
        if match is None or match.lastgroup is None:
            return None
        tokens.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return tokens


def _comparisons(tokens: list[tuple[str, str]], where: str, intake: Intake) -> Iterator[tuple[str, str]]:
    for position, (kind, path) in enumerate(tokens):
        if kind != "path":
            continue
        wanted = _type_of(path)
        operator = tokens[position + 1][1].upper() if position + 1 < len(tokens) else ""
        negated = position > 0 and tokens[position - 1][1].upper() == "NOT"
        if not wanted or operator not in ("=", "IN", "ISSUBSET") or negated:
            intake.refuse("indicator-unsupported-comparison", where, path.split(":")[0][:40] if not wanted else operator[:12])
            continue
        for text in _operands(tokens, position + 2, many=operator == "IN"):
            yield wanted, re.sub(r"\\(.)", r"\1", text[1:-1])


def _operands(tokens: list[tuple[str, str]], start: int, *, many: bool) -> Iterator[str]:
    for kind, text in tokens[start:]:
        if kind == "text":
            yield text
            if not many:
                return
        elif not many or text == ")" or kind in ("path", "word"):
            return


def _type_of(path: str) -> str:
    match = _HASH_PATH.match(path)
    if match:
        return match.group(1).lower().replace("-", "")
    if path.startswith("network-traffic:extensions") and "user-agent" in path.lower():
        return "user-agent"
    return _PATHS.get(path, "")
