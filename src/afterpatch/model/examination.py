"""The examination document: the parts of the JSON that other programs read (`afterpatch.examination/1`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from afterpatch.model.coverage import Coverage
from afterpatch.model.exposure import BuildHistory, Exposure, Mitigation, Protection
from afterpatch.model.finding import EvidenceRef, Finding, Subject
from afterpatch.model.notice import Notice

SCHEMA = "afterpatch.examination/1"


@dataclass(frozen=True, slots=True)
class EvidenceSource:
    """What was handed in, as the document shows it."""

    source: str
    layout: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """`state`: compromised | attempted | no-evidence | inconclusive. Texts are message keys with values (see Message)."""

    state: str
    confidence: str
    summary: str
    reasons: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Actor:
    """One intruder within a chain, as far as addresses and time tell them apart. `servers`: the other servers of the
    evidence on which the same intruder was seen."""

    sources: tuple[str, ...]
    agents: tuple[str, ...]
    stage: str
    first_seen: datetime | None
    last_seen: datetime | None
    findings: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """One way in, graded by its furthest stage. `sources` are the clients it came from."""

    id: str
    name: str
    cves: tuple[str, ...]
    stage: str
    first_seen: datetime | None
    last_seen: datetime | None
    sources: tuple[str, ...]
    findings: tuple[str, ...]
    actors: tuple[Actor, ...] = ()
    overlaps: tuple[str, ...] = ()
    steps: tuple[TimelineEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class BackDoor:
    """Something left behind. `state`: present | deleted | unknown."""

    path: str
    kind: str
    state: str
    sha256: str = ""
    family: str = ""
    first_seen: datetime | None = None
    last_used: datetime | None = None
    used_by: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    uses: int = 0
    severity: str = "high"


@dataclass(frozen=True, slots=True)
class ImpactItem:
    """`certainty`: known | estimated | not-determinable."""

    what: str
    value: str
    certainty: str
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Impact:
    """What was taken and which machines were touched."""

    mailboxes: tuple[ImpactItem, ...] = ()
    credentials: tuple[ImpactItem, ...] = ()
    hosts: tuple[ImpactItem, ...] = ()
    bytes_out: ImpactItem | None = None


@dataclass(frozen=True, slots=True)
class Answerable:
    """A question, whether this evidence can answer it (`yes` | `partly` | `no`), and what is missing."""

    question: str
    state: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One moment. `what` is a title; `evidence` the raw line behind it, `proofs` what other logs say of the same act."""

    time: datetime
    what: str
    subject: Subject = field(default_factory=Subject)
    findings: tuple[str, ...] = ()
    evidence: EvidenceRef | None = None
    proofs: tuple[EvidenceRef, ...] = ()


@dataclass(frozen=True, slots=True)
class DetectionState:
    """How a detection ended: fired | quiet | not-applicable | evidence-missing | failed."""

    id: str
    state: str
    title: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ServerExamination:
    """All that is known of one server. `build_precision`: exact | least | cu | "", what `build` can be trusted for."""

    name: str
    product: str
    cumulative_update: str
    security_update: str
    build: str
    install_path: str
    build_basis: tuple[str, ...]
    verdict: Verdict
    chains: tuple[Chain, ...] = ()
    findings: tuple[Finding, ...] = ()
    backdoors: tuple[BackDoor, ...] = ()
    exposure: tuple[Exposure, ...] = ()
    impact: Impact = field(default_factory=Impact)
    coverage: tuple[Coverage, ...] = ()
    answerable: tuple[Answerable, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    actions: tuple[str, ...] = ()
    asked_from: datetime | None = None  # the time the verdict is about: all periods of its questions together
    asked_until: datetime | None = None
    build_precision: str = ""
    build_history: BuildHistory = field(default_factory=BuildHistory)
    mitigations: tuple[Mitigation, ...] = ()
    extended_protection: tuple[Protection, ...] = ()


@dataclass(frozen=True, slots=True)
class Examination:
    """One run over evidence: a pure function of evidence, options and version, but for `run`."""

    evidence: tuple[EvidenceSource, ...]
    servers: tuple[ServerExamination, ...]
    detections: tuple[DetectionState, ...]
    notices: tuple[Notice, ...]
    findings: tuple[Finding, ...] = ()  # scan and hunt: findings of no server
