"""MISP events and attribute lists as JSON. Fields: outputs of MISP's own export (`Event`, `response`, `Attribute`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from afterpatch.knowledge.indicators.intake import Context, Intake

# Attribute type -> our types of its parts, which MISP joins with `|`; "" for a part that is not an indicator.
_TYPES: dict[str, tuple[str, ...]] = {
    "ip-src": ("ip",),
    "ip-dst": ("ip",),
    "ip-src|port": ("ip", ""),
    "ip-dst|port": ("ip", ""),
    "domain": ("domain",),
    "hostname": ("domain",),
    "hostname|port": ("domain", ""),
    "domain|ip": ("domain", "ip"),
    "url": ("url",),
    "user-agent": ("user-agent",),
    "http-user-agent": ("user-agent",),
    "md5": ("md5",),
    "sha1": ("sha1",),
    "sha256": ("sha256",),
    "filename": ("file-name",),
    "filename|md5": ("", "md5"),
    "filename|sha1": ("", "sha1"),
    "filename|sha256": ("", "sha256"),
    "malware-sample": ("", "md5"),
    "windows-service-name": ("service",),
}
_GALAXY = re.compile(r'misp-galaxy:(?:threat-actor|microsoft-activity-group|mitre-intrusion-set)="([^"]{1,200})"')
_TLP = re.compile(r"tlp:([a-z+-]+)", re.IGNORECASE)


def is_misp(document: Any) -> bool:
    """Whether a JSON document is an event, an answer of the API, or a list of attributes."""
    if isinstance(document, list):
        return any(isinstance(item, dict) and ("Event" in item or ("type" in item and "value" in item)) for item in document)
    return isinstance(document, dict) and any(key in document for key in ("Event", "response", "Attribute"))


def take(document: Any, intake: Intake) -> None:
    """Puts the attributes meant for detection into the intake."""
    for event in _events(document):
        _take_event(event, intake)


def _events(document: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, list):
        loose = [item for item in document if isinstance(item, dict) and "Event" not in item]
        for item in document:
            if isinstance(item, dict) and "Event" in item:
                yield from _events(item)
        if loose:
            yield {"Attribute": loose}
    elif isinstance(document, dict):
        inner = document.get("Event") or document.get("response")
        if isinstance(inner, (list, dict)) and inner is not document:
            yield from [inner] if isinstance(inner, dict) and "Event" in document else _events(inner)
        elif isinstance(document.get("Attribute"), list):
            yield document


def _take_event(event: Mapping[str, Any], intake: Intake) -> None:
    context = _context(event)
    attributes = list(_dicts(event.get("Attribute")))
    for item in _dicts(event.get("Object")):
        attributes.extend(_dicts(item.get("Attribute")))
    for number, attribute in enumerate(attributes, 1):
        _take_attribute(attribute, f"attribute {number}", context, intake)


def _dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _context(event: Mapping[str, Any]) -> Context:
    names = [str(tag.get("name", "")) for tag in _dicts(event.get("Tag"))]
    group = next((match.group(1) for name in names if (match := _GALAXY.match(name))), "")
    tlp = next((match.group(1).upper() for name in names if (match := _TLP.fullmatch(name))), "")
    maker = event.get("Orgc") or event.get("Org")
    source = str(maker.get("name", "")) if isinstance(maker, dict) else ""
    info = str(event.get("info", ""))
    return Context(group, info, source or "MISP", str(event.get("date", "")), tlp=tlp)


def _take_attribute(attribute: Mapping[str, Any], where: str, context: Context, intake: Intake) -> None:
    if attribute.get("deleted") in (True, "1", 1):
        intake.refuse("indicator-deleted", where)
        return
    if attribute.get("to_ids") in (False, "0", 0, "false"):
        intake.refuse("indicator-not-for-detection", where)
        return
    kind, value = str(attribute.get("type", "")), attribute.get("value")
    parts = _TYPES.get(kind)
    if parts is None or not isinstance(value, str):
        intake.refuse("indicator-unknown-type", where, kind[:40] if parts is None else "")
        return
    for part, text in zip(parts, value.split("|", len(parts) - 1), strict=False):
        if part:
            intake.add(text, part, context, where)
