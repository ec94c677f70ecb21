"""Several checks that say one thing about a file: one finding says it, and carries what the others saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from afterpatch.detect.files.item import FileFinding
from afterpatch.model import SEVERITIES, severity_at_least

# What is carried -> what may carry it, the first that is there. A dump's script is the page's code; a disguise is told by
# whatever else was found in the file.
_CARRIERS: Mapping[str, tuple[str, ...]] = {
    "page-runs-request": ("oab-dump-script",),
    "page-back-door": ("oab-dump-script",),
    "page-suspicious": ("oab-dump-script",),
    "page-disguised": ("oab-dump-script", "page-runs-request", "page-back-door", "page-suspicious", "*"),
}


def join_findings(found: Sequence[FileFinding]) -> list[FileFinding]:
    """The findings of one file, in their order, without those that another one carries. The carrier gets their facts
    and family, and their severity where that is higher."""
    kept = list(found)
    for carried in found:
        carrier = _carrier(carried, kept)
        if carrier is not None and carried in kept:
            kept.remove(carried)
            kept[kept.index(carrier)] = _with(carrier, carried)
    return kept


def _carrier(carried: FileFinding, kept: Sequence[FileFinding]) -> FileFinding | None:
    for name in _CARRIERS.get(carried.detection, ()):
        for one in kept:
            other = one.detection not in _CARRIERS and severity_at_least(one.severity, carried.severity)
            if one is not carried and (one.detection == name or (name == "*" and other)):
                return one
    return None


def _with(carrier: FileFinding, carried: FileFinding) -> FileFinding:
    facts = (*carrier.facts, *(fact for fact in carried.facts if fact not in carrier.facts))
    worse = SEVERITIES.index(carried.severity) > SEVERITIES.index(carrier.severity)
    return replace(
        carrier,
        facts=facts,
        severity=carried.severity if worse else carrier.severity,
        family=carrier.family or carried.family,
        kind=carrier.kind or carried.kind,
        line=carrier.line if carrier.line is not None else carried.line,
    )
