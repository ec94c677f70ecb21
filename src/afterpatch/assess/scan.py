"""The file analysis alone: any files, no server around them, paths as they were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from afterpatch.assess.files import FILE_KINDS, scan_artifacts
from afterpatch.assess.gather import Progress
from afterpatch.assess.options import Options
from afterpatch.detect.files.item import Facts, FileContext, Inventory
from afterpatch.detect.files.registry import detections
from afterpatch.detect.plane.run import cores
from afterpatch.detect.yara.compile import compile_rules
from afterpatch.evidence import collect
from afterpatch.knowledge.baseline import baseline
from afterpatch.knowledge.indicators import Matcher, carried, load_user
from afterpatch.model import SEVERITIES, DetectionState, EvidenceSource, Examination, Finding


@dataclass(frozen=True, slots=True)
class ScanResult:
    """`unread`: files that could not be read."""

    examination: Examination
    unread: int
    interrupted: bool


def scan(paths: Sequence[str], options: Options, progress: Progress, *, signatures: bool = True) -> ScanResult:
    """Judges every file below the paths. `signatures` off: no YARA rules, no published hashes and names."""
    collection = collect(paths)
    notices = list(collection.notices)
    rules, refused = compile_rules([Path(folder) for folder in options.yara]) if signatures else (None, ())
    indicators = list(carried()) if signatures else []
    for path in options.intel:
        read, dropped = load_user(path)
        indicators += read
        notices += dropped
    context = FileContext(
        facts=Facts(),
        baseline=baseline(),
        indicators=Matcher(indicators) if indicators else None,
        inventory=Inventory.of(artifact.path for artifact in collection.artifacts),
        rules=rules,
    )
    artifacts = [
        artifact if artifact.kind in FILE_KINDS else replace(artifact, kind="web-file") for artifact in collection.artifacts
    ]
    jobs = options.jobs or cores()
    results = scan_artifacts([artifacts], [context], jobs=jobs, progress=progress)
    notices += [*refused, *results.notices]
    found = sorted({each.finding.id: each.finding for each in results.found}.values(), key=_order)
    unread = sum(notice.count for notice in results.notices if notice.reason.startswith("notice.unreadable"))
    examination = Examination(
        evidence=tuple(EvidenceSource(each.path, each.layout, each.files, each.bytes) for each in collection.sources),
        servers=(),
        detections=_states(found, results.failed),
        notices=tuple(sorted(set(notices))),
        findings=tuple(found),
    )
    return ScanResult(examination, unread, results.interrupted)


def _order(finding: Finding) -> tuple[int, str, str, str]:
    return -SEVERITIES.index(finding.severity), finding.subject.path, finding.detection, finding.id


def _states(found: Sequence[Finding], failed: dict[str, int]) -> tuple[DetectionState, ...]:
    fired = {finding.detection for finding in found}
    states = []
    for meta in detections():
        state = "failed" if meta.id in failed else "fired" if meta.id in fired else "quiet"
        states.append(DetectionState(meta.id, state, meta.title))
    return tuple(sorted(states, key=lambda each: each.id))
