"""The same file twice is one: collected by two tools, kept in a shadow copy, zipped beside the original."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from afterpatch.assess.server import Server
from afterpatch.detect.plane.tally import LogScan
from afterpatch.evidence import open_locator
from afterpatch.model import Artifact, EvidenceError, Locator, Notice

BLOCK = 1 << 20
_SHADOW = re.compile(r"VSS\d{1,6}\\", re.IGNORECASE)


@dataclass(slots=True)
class Doubles:
    """What was left out because it was there already. `hashes`: artifact index -> sha256, for the manifest."""

    notices: list[Notice] = field(default_factory=list)
    hashes: dict[int, str] = field(default_factory=dict)


def live_path(path: str) -> str:
    """The path without the name of the shadow copy it was read from."""
    return _SHADOW.sub("", path, count=1) if _SHADOW.match(path) else path


def in_shadow(artifact: Artifact) -> bool:
    """Whether a file comes from a shadow copy: it may be gone from the drive since."""
    return _SHADOW.match(artifact.path) is not None


def drop_doubles(servers: Sequence[Server], scans: dict[int, LogScan]) -> Doubles:
    """Takes files that are there twice out of the servers and of `scans`.

    Logs of one server with the same content are one log, under whatever name. A log in a shadow copy is the beginning
    of the log it became. Other files are one where both path and content are the same. A file that was given away for
    its twin is named in a notice.
    """
    result = Doubles()
    for server in servers:
        dropped = {artifact.index for artifact, _twin in _logs(server, scans, result)}
        server.artifacts = [artifact for artifact in server.artifacts if artifact.index not in dropped]
        dropped |= {artifact.index for artifact, _twin in _files(server, scans, result)}
        server.artifacts = [artifact for artifact in server.artifacts if artifact.index not in dropped]
        for index in dropped & scans.keys():
            del scans[index]
    return result


def _preferred(artifact: Artifact) -> tuple[bool, int, int]:
    """Which of two is kept: what lies on the drive, then in the fewest containers, then the first."""
    return in_shadow(artifact), len(artifact.locator.steps), artifact.index


def _logs(server: Server, scans: dict[int, LogScan], into: Doubles) -> Iterable[tuple[Artifact, Artifact]]:
    first: dict[str, Artifact] = {}
    by_path: dict[str, Artifact] = {}
    for artifact in sorted(server.artifacts, key=_preferred):
        scan = scans.get(artifact.index)
        if scan is None or not scan.sha256 or not (scan.records or scan.bad):
            continue
        twin = first.setdefault(scan.sha256, artifact)
        if twin is artifact and in_shadow(artifact):
            grown = by_path.get(live_path(artifact.path).lower())
            twin = grown if grown is not None and _begins_with(grown, scan) else artifact
        if twin is not artifact:
            yield _drop(artifact, twin, scan.sha256, into)
        else:
            by_path.setdefault(live_path(artifact.path).lower(), artifact)


def _files(server: Server, scans: dict[int, LogScan], into: Doubles) -> Iterable[tuple[Artifact, Artifact]]:
    by_path: dict[str, list[Artifact]] = {}
    for artifact in sorted(server.artifacts, key=_preferred):
        if artifact.index not in scans:
            by_path.setdefault(live_path(artifact.path).lower(), []).append(artifact)
    for members in by_path.values():
        kept: dict[str, Artifact] = {}
        for artifact in members if len(members) > 1 else ():
            digest = _digest(artifact.locator)
            if not digest:
                continue
            twin = kept.setdefault(digest, artifact)
            if twin is not artifact:
                yield _drop(artifact, twin, digest, into)


def _drop(artifact: Artifact, twin: Artifact, digest: str, into: Doubles) -> tuple[Artifact, Artifact]:
    into.notices.append(Notice(artifact.shown, "", f"notice.same-file: {twin.shown}"))
    into.hashes[artifact.index] = digest
    return artifact, twin


def _begins_with(artifact: Artifact, earlier: LogScan) -> bool:
    """Whether a log begins with all bytes of what it was when the shadow copy was made."""
    return bool(earlier.bytes) and _digest(artifact.locator, earlier.bytes) == earlier.sha256


def _digest(locator: Locator, size: int | None = None) -> str:
    """sha256 of a file or of its first bytes; "" where it cannot be read."""
    digest, left = hashlib.sha256(), size
    try:
        with open_locator(locator) as stream:
            while left is None or left > 0:
                block = stream.read(BLOCK if left is None else min(BLOCK, left))
                if not block:
                    break
                digest.update(block)
                left = None if left is None else left - len(block)
    except (EvidenceError, OSError):
        return ""
    return digest.hexdigest()
