"""A finding: what a detection saw, where, and what it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

SEVERITIES = ("info", "low", "medium", "high", "critical")
CONFIDENCES = ("low", "moderate", "high")
STAGES = ("probed", "attempted", "succeeded", "wrote", "used")


def severity_at_least(severity: str, level: str) -> bool:
    """Whether a severity reaches a level, both out of SEVERITIES."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(level)


def stage_rank(stage: str) -> int:
    """Position of a stage, -1 for none."""
    return STAGES.index(stage) if stage in STAGES else -1


@dataclass(frozen=True, slots=True)
class EvidenceRef:
    """The proof: artifact path (server's own), the place in it, and the raw text (bounded)."""

    path: str
    raw: str
    line: int | None = None
    record: int | None = None
    offset: int | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom or what a finding is about; empty where unknown. Values are an attacker's text."""

    ip: str = ""
    user: str = ""
    path: str = ""
    url: str = ""
    host: str = ""
    agent: str = ""
    mailbox: str = ""
    status: str = ""
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One fired detection for one subject. `title`, `explanation`, ... hold English text, or a message key that starts
    with `msg:` which reports look up in the catalogue. `chain` and `stage` are "" where the finding is of no chain.
    `origin`: rule | check | yara | indicator."""

    id: str
    detection: str
    title: str
    severity: str
    confidence: str
    stage: str = ""
    chain: str = ""
    techniques: tuple[str, ...] = ()
    time: datetime | None = None
    end_time: datetime | None = None
    count: int = 1
    subject: Subject = field(default_factory=Subject)
    explanation: str = ""
    benign_causes: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    evidence: tuple[EvidenceRef, ...] = ()
    origin: str = "rule"
    root: str = ""
    tags: tuple[str, ...] = ()
