"""A file of the evidence, and how to reach its bytes again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Step:
    """One container on the way to the bytes: `kind` is zip, tar, gzip, bzip2 or xz; `name` the member (raw, as stored);
    `index` its position among the members, which tells members of one name apart."""

    kind: str
    name: str = ""
    index: int = 0


@dataclass(frozen=True, slots=True)
class Locator:
    """A file on this machine and the containers inside it that lead to the artifact. Picklable."""

    file: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """One thing that was handed in."""

    path: str
    layout: str  # drive | folder | kape | velociraptor | cylr | archive | image
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of the evidence.

    `path` is the server's own path with backslashes (`C:\\inetpub\\...`) where the evidence tells it, else the path
    below the evidence. `shown` is where the user finds it (`triage.zip!uploads/...`). `root` groups the artifacts that
    were collected from one place (usually one server). `modified`/`created` are the server's own times where known.
    """

    index: int
    path: str
    shown: str
    locator: Locator
    kind: str
    root: str
    size: int
    modified: datetime | None = None
    created: datetime | None = None
    known_sha1: str = ""
    partial: bool = False
    times_original: bool = False
