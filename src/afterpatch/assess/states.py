"""How every detection ended: fired, quiet, not-applicable, evidence-missing or failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from afterpatch.assess.backdoors import DOOR_USED, RARE_PAGE
from afterpatch.assess.gather import Gathered
from afterpatch.assess.tampering import GAP, INSTANCE, RECORDS
from afterpatch.detect.files.registry import detections as file_detections
from afterpatch.detect.plane.judge import INDICATOR
from afterpatch.model import DetectionState, ServerExamination, message

OWN_CHECKS = {
    RARE_PAGE: ("msg:check.rare-page.name", ("iis", "httpproxy")),
    DOOR_USED: ("msg:check.backdoor-used.name", ("iis", "httpproxy")),
    GAP: ("msg:check.log-gap.name", ("iis", "httpproxy", "ecp-server")),
    INSTANCE: ("msg:check.missing-log-file.name", ("httpproxy", "ecp-server")),
    RECORDS: ("msg:check.missing-event-records.name", ("event-log",)),
    INDICATOR: ("msg:indicator.name", ("iis", "httpproxy")),
}


def detection_states(servers: Sequence[ServerExamination], gathered: Gathered) -> tuple[DetectionState, ...]:
    """One entry a detection, sorted by id."""
    fired = Counter(finding.detection for server in servers for finding in server.findings)
    failed = Counter(gathered.files.failed)
    for scan in gathered.scans.values():
        failed.update(scan.failed)
    present = {artifact.kind for artifact in gathered.collection.artifacts}
    present |= {kind for scan in gathered.scans.values() for kind in scan.kinds}
    states = [*_rules(gathered, fired, failed, present), *_files(fired, failed, present)]
    states += [_one(name, title, set(kinds), fired, failed, present) for name, (title, kinds) in OWN_CHECKS.items()]
    return tuple(sorted({state.id: state for state in states}.values(), key=lambda state: state.id))


def _one(
    name: str, title: str, kinds: Iterable[str], fired: Counter[str], failed: Counter[str], present: set[str]
) -> DetectionState:
    if failed[name]:
        return DetectionState(name, "failed", title, message("state.detail.failed", count=failed[name]))
    if fired[name]:
        return DetectionState(name, "fired", title, message("state.detail.fired", count=fired[name]))
    if not present.intersection(kinds):
        return DetectionState(name, "evidence-missing", title, ", ".join(sorted(kinds)))
    return DetectionState(name, "quiet", title)


def _rules(gathered: Gathered, fired: Counter[str], failed: Counter[str], present: set[str]) -> Iterable[DetectionState]:
    compiled = {rule.rule.id: rule for rule in gathered.loaded.compiled}
    for rule in gathered.loaded.rules.rules:
        if rule.id in compiled:
            yield _one(rule.id, rule.title, compiled[rule.id].kinds, fired, failed, present)
        else:
            yield DetectionState(rule.id, "not-applicable", rule.title)
    kinds = {rule: each.kinds for rule, each in compiled.items()}
    for correlation in gathered.loaded.rules.correlations:
        needed = {kind for rule in correlation.rules for kind in kinds.get(rule, ())}
        if needed:
            yield _one(correlation.id, correlation.title, needed, fired, failed, present)
        else:
            yield DetectionState(correlation.id, "not-applicable", correlation.title)


def _files(fired: Counter[str], failed: Counter[str], present: set[str]) -> Iterable[DetectionState]:
    for meta in file_detections():
        kinds = meta.artifacts or ("web-file", "suspicious-place")
        yield _one(meta.id, meta.title, kinds, fired, failed, present)
