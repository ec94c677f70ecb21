"""What was planted: the ground truth that lies beside the evidence, never in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from afterpatch.model import to_iso


@dataclass(frozen=True, slots=True)
class TrueChain:
    """A chain that was played: `stage` is its furthest (probed < attempted < succeeded < wrote < used)."""

    id: str
    stage: str
    server: str
    sources: tuple[str, ...]
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class TrueDoor:
    """A back door: the server's own path, and its state as far as the evidence tells it: present | deleted | unknown
    (a service, of which events tell and no registry)."""

    path: str
    kind: str
    state: str
    server: str
    used_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrueActor:
    """One intruder: all addresses and user agents it used."""

    name: str
    addresses: tuple[str, ...]
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Planted:
    """The planted lines of one file, as written (without line ends), in the order of the file."""

    server: str
    path: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of written evidence. Paths are the servers' own; `verdicts` are (server, state) in server order."""

    scenario: str
    seed: int
    layout: str
    evidence: tuple[str, ...]
    servers: tuple[str, ...]
    verdicts: tuple[tuple[str, str], ...]
    start: datetime
    end: datetime
    chains: tuple[TrueChain, ...] = ()
    doors: tuple[TrueDoor, ...] = ()
    actors: tuple[TrueActor, ...] = ()
    scanners: tuple[str, ...] = ()
    mailboxes: tuple[str, ...] = ()
    planted: tuple[Planted, ...] = ()
    files: int = 0
    bytes: int = 0

    @property
    def verdict(self) -> str:
        """The verdict of the first server."""
        return self.verdicts[0][1]

    @property
    def planted_counts(self) -> dict[str, int]:
        """Planted lines by `server:path`."""
        return {f"{item.server}:{item.path}": len(item.lines) for item in self.planted}

    @property
    def stages(self) -> dict[str, str]:
        """Furthest stage by chain id, over all servers."""
        order = ("probed", "attempted", "succeeded", "wrote", "used")
        furthest: dict[str, str] = {}
        for chain in self.chains:
            furthest[chain.id] = max(furthest.get(chain.id, "probed"), chain.stage, key=order.index)
        return furthest

    def write(self, path: Path) -> None:
        """Write the document as JSON."""
        path.write_text(json.dumps(_plain(asdict(self)), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_iso(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
