"""What the file checks are given, and what they give back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import yara_x

from afterpatch.knowledge.baseline import BaselineIndex
from afterpatch.knowledge.builds import Build
from afterpatch.knowledge.indicators import Matcher
from afterpatch.knowledge.own_baseline import OwnBaseline
from afterpatch.knowledge.web_paths import path_key
from afterpatch.model import Artifact, Notice

if TYPE_CHECKING:
    from afterpatch.detect.files.times import FolderTimes

MAX_RAW = 400


@dataclass(frozen=True, slots=True)
class FileItem:
    """One file: its artifact, its first bytes (at most 4 MiB; `truncated` where there are more), and the sha256 (lower
    case hex) and size in bytes of the whole file."""

    artifact: Artifact
    content: bytes
    truncated: bool
    sha256: str
    size: int

    @property
    def path(self) -> str:
        """The server's own path, as the evidence tells it."""
        return self.artifact.path


class ServerFacts(Protocol):
    """What is known of the server a file comes from; empty where unknown."""

    @property
    def install_path(self) -> str:
        """Exchange folder, `C:\\Program Files\\Microsoft\\Exchange Server\\V15\\`."""

    @property
    def web_roots(self) -> Mapping[str, str]:
        """URL prefix (`/owa`) -> folder on disk."""

    @property
    def build(self) -> str:
        """Exchange build, `15.2.792.10`."""

    @property
    def temp_folders(self) -> Sequence[str]:
        """Folders where ASP.NET keeps compiled pages, where the configuration moves them."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A plain ServerFacts."""

    install_path: str = ""
    web_roots: Mapping[str, str] = field(default_factory=dict)
    build: str = ""
    temp_folders: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """Which files the evidence of one server holds, by the part of their path that servers share
    (`web_paths.path_key`: no drive, no install folder, lower case)."""

    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()

    @classmethod
    def of(cls, paths: Iterable[str]) -> Inventory:
        """The files, and every folder above one of them."""
        files = frozenset(path_key(path) for path in paths)
        folders: set[str] = set()
        for path in files:
            folder = path
            while (cut := folder.rfind("\\")) > 0:
                folder = folder[:cut]
                if folder in folders:
                    break
                folders.add(folder)
        return cls(files, frozenset(folders))

    def holds(self, path: str) -> bool | None:
        """Whether a file is there; None where neither its folder nor the one above was collected, so nobody knows."""
        wanted = path_key(path)
        if wanted in self.files:
            return True
        folder = wanted.rpartition("\\")[0]
        above = folder.rpartition("\\")[0]
        return False if folder in self.folders or (above.count("\\") > 1 and above in self.folders) else None


@dataclass(frozen=True, slots=True)
class FileFinding:
    """What one check says about one file. Texts are English; other languages are looked up by `detection`.

    `kind` is a back-door kind of the contract or "", `state` present | deleted | unknown. `times` are moments the
    content itself tells (`WhenChangedUTC`); `facts` are the values that made the check fire, an attacker's text.
    """

    detection: str
    title: str
    severity: str
    confidence: str
    path: str
    kind: str = ""
    family: str = ""
    chain: str = ""
    stage: str = ""
    explanation: str = ""
    benign: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    line: int | None = None
    offset: int | None = None
    raw: str = ""
    times: tuple[tuple[str, datetime], ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    state: str = "present"
    origin: str = "check"


@dataclass(frozen=True, slots=True)
class CheckFailure:
    """A check that broke on a file: a bug of ours, recorded so that the detection counts as failed."""

    detection: str
    path: str
    reason: str


@dataclass(slots=True)
class FileContext:
    """What all checks of one server share.

    `own`: the user's baseline. `copies`: path that servers share -> the artifacts of the whole evidence that lie there,
    where there are several. `first_uses`: URL in lower case -> when it was first answered, or compiled. `folder_times`: what
    else lies in a folder, for times that contradict it. `failures`, `notices` and `unjudged` (shipped pages whose content the
    baseline cannot judge, because it does not hold the server's build) are filled on the way.
    """

    facts: ServerFacts = field(default_factory=Facts)
    baseline: BaselineIndex | None = None
    indicators: Matcher | None = None
    inventory: Inventory | None = None
    rules: yara_x.Rules | None = None  # None: no content signatures
    own: OwnBaseline | None = None
    copies: Mapping[str, Sequence[Artifact]] = field(default_factory=dict)
    first_uses: Mapping[str, datetime] = field(default_factory=dict)
    folder_times: Mapping[str, FolderTimes] = field(default_factory=dict)
    failures: list[CheckFailure] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    unjudged: int = 0

    def build(self) -> Build | None:
        """The server's build, None where unknown."""
        return Build.try_parse(self.facts.build) if self.facts.build else None

    def is_stock(self, item: FileItem) -> bool:
        """Whether exactly this file belongs at this path: Microsoft ships it with some build, or the user's baseline has it."""
        if self.own is not None and self.own.knows(item.path, item.sha256):
            return True
        return self.baseline is not None and self.baseline.status(item.path, item.sha256) == "stock"

    @staticmethod
    def digest(content: bytes) -> str:
        """The sha256 of some bytes, lower case hex."""
        return hashlib.sha256(content).hexdigest()

    def notice(self, item: FileItem, where: str, reason: str, count: int = 1) -> None:
        """Record something that could not be used."""
        self.notices.append(Notice(item.artifact.shown, where, reason, count))


class FileAnalyser(Protocol):
    """One way of looking at a file. The door for deeper analysis: implement this and add it to registry.ANALYSERS."""

    @property
    def name(self) -> str:
        """Short name: the prefix of its detections' ids in messages."""

    @property
    def detections(self) -> tuple[str, ...]:
        """Ids of the detections it can give."""

    @property
    def artifacts(self) -> tuple[str, ...]:
        """Artifact kinds it judges: where the evidence holds none of them, its detections are evidence-missing."""

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """Findings of one file; nothing where the file is none of its business."""
