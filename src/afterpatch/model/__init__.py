"""The words all other parts speak. This package imports nothing of ours."""

from afterpatch.model.artifact import Artifact, Locator, Source, Step
from afterpatch.model.coverage import ChannelCoverage, Coverage, Gap
from afterpatch.model.errors import AfterpatchError, EvidenceError, RuleError, UsageError
from afterpatch.model.examination import (
    Actor,
    Answerable,
    BackDoor,
    Chain,
    DetectionState,
    EvidenceSource,
    Examination,
    Impact,
    ImpactItem,
    ServerExamination,
    TimelineEntry,
    Verdict,
)
from afterpatch.model.exposure import (
    BuildContradiction,
    BuildHistory,
    BuildReading,
    Exposure,
    ExposureFigures,
    ExposureWindow,
    Mitigation,
    MitigationSpan,
    Protection,
)
from afterpatch.model.finding import (
    CONFIDENCES,
    SEVERITIES,
    STAGES,
    EvidenceRef,
    Finding,
    Subject,
    severity_at_least,
    stage_rank,
)
from afterpatch.model.messages import message
from afterpatch.model.notice import Notice
from afterpatch.model.record import Record
from afterpatch.model.times import EPOCH, parse_iso, to_iso

__all__ = [
    "CONFIDENCES",
    "EPOCH",
    "SEVERITIES",
    "STAGES",
    "Actor",
    "AfterpatchError",
    "Answerable",
    "Artifact",
    "BackDoor",
    "BuildContradiction",
    "BuildHistory",
    "BuildReading",
    "Chain",
    "ChannelCoverage",
    "Coverage",
    "DetectionState",
    "EvidenceError",
    "EvidenceRef",
    "EvidenceSource",
    "Examination",
    "Exposure",
    "ExposureFigures",
    "ExposureWindow",
    "Finding",
    "Gap",
    "Impact",
    "ImpactItem",
    "Locator",
    "Mitigation",
    "MitigationSpan",
    "Notice",
    "Protection",
    "Record",
    "RuleError",
    "ServerExamination",
    "Source",
    "Step",
    "Subject",
    "TimelineEntry",
    "UsageError",
    "Verdict",
    "message",
    "parse_iso",
    "severity_at_least",
    "stage_rank",
    "to_iso",
]
