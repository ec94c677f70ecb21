"""The file analysis alone: any files, no server around them, paths as they were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from afterpatch.assess.files import FILE_KINDS, FileResults, copies_of, scan_artifacts
from afterpatch.assess.options import Options
from afterpatch.assess.progress import Progress
from afterpatch.detect.files.item import Facts, FileContext, Inventory
from afterpatch.detect.files.registry import detections
from afterpatch.detect.files.times import folder_times
from afterpatch.detect.plane.pool import cores
from afterpatch.detect.yara.compile import compile_rules
from afterpatch.evidence import Collection, collect
from afterpatch.knowledge import own_baseline
from afterpatch.knowledge.baseline import baseline
from afterpatch.knowledge.indicators import Matcher, carried, load_user
from afterpatch.model import SEVERITIES, DetectionState, EvidenceSource, Examination, Finding, Notice

# what stands behind these notices was not judged, or not to its end: nothing found is then no answer
LOST = frozenset(
    f"notice.{key}"
    for key in (
        "unreadable", "damaged", "truncated", "encrypted", "encrypted-collection", "expansion-bound", "container-not-supported",
        "unsupported-compression", "nested-too-deep", "too-deep", "too-many-files", "too-many-members", "overlapping-member",
        "odd-name", "partial-upload", "worker-died", "check-failed",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ScanResult:
    """`unread`: files that could not be read, or not to their end."""

    examination: Examination
    unread: int
    interrupted: bool


def context_of(
    collection: Collection, options: Options, *, signatures: bool, build: str = ""
) -> tuple[FileContext, list[Notice]]:
    """What the checks of loose files may know, and what could not be used of it."""
    notices: list[Notice] = list(collection.notices)
    rules, refused = compile_rules([Path(folder) for folder in options.yara]) if signatures else (None, ())
    notices += refused
    indicators = list(carried()) if signatures else []
    for path in options.intel:
        read, dropped = load_user(path)
        indicators += read
        notices += dropped
    context = FileContext(
        facts=Facts(build=build),
        baseline=baseline(),
        indicators=Matcher(indicators) if indicators else None,
        inventory=Inventory.of(artifact.path for artifact in collection.artifacts),
        rules=rules,
        own=own_baseline.joined([own_baseline.load(path) for path in options.baselines]),
        copies=copies_of(collection.artifacts),
        folder_times=folder_times(collection.artifacts, baseline()),
    )
    return context, notices


def scan(paths: Sequence[str], options: Options, progress: Progress, *, signatures: bool = True) -> ScanResult:
    """Judges every file below the paths. `signatures` off: no YARA rules, no published hashes and names."""
    collection = collect(paths)
    context, notices = context_of(collection, options, signatures=signatures)
    artifacts = [
        artifact if artifact.kind in FILE_KINDS else replace(artifact, kind="web-file") for artifact in collection.artifacts
    ]
    results = scan_artifacts([artifacts], [context], jobs=options.jobs or cores(), progress=progress)
    return examination_of(collection, results, notices)


def examination_of(collection: Collection, results: FileResults, notices: Sequence[Notice]) -> ScanResult:
    """The results as an examination without servers."""
    found = sorted({each.finding.id: each.finding for each in results.found}.values(), key=_order)
    everything = {*notices, *results.notices}
    unread = sum(notice.count for notice in everything if notice.reason.partition(":")[0] in LOST)
    examination = Examination(
        evidence=tuple(EvidenceSource(each.path, each.layout, each.files, each.bytes) for each in collection.sources),
        servers=(),
        detections=_states(found, results.failed),
        notices=tuple(sorted(everything)),
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
