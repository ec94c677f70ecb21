"""Which artifacts are exports of event logs: no name tells it, the content does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from afterpatch.evidence import read_bounded
from afterpatch.model import Artifact, EvidenceError
from afterpatch.parsers.events.reading import HEAD, looks_like_events

KIND = "event-log"
# Kinds that say nothing about what a file is. Files of the web folders stay what they are, whatever they hold.
UNTOLD = frozenset(("other", "log-excerpt", "suspicious-place", "other-log"))
EXPORTS = (".json", ".jsonl", ".ndjson", ".xml", ".csv", ".log", ".txt", ".evtx")
_FIRST = (b"{", b"[", b"<", b"Record ", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"ElfFile", b"ElfChnk")
_LOOK = 512


def tell_events(artifacts: Iterable[Artifact]) -> list[Artifact]:
    """The artifacts, with those that hold events by their content as `event-log`. Reads heads only."""
    return [replace(each, kind=KIND) if _is_export(each) else each for each in artifacts]


def _is_export(artifact: Artifact) -> bool:
    name = artifact.path.rpartition("\\")[2].lower()
    if artifact.kind not in UNTOLD or not artifact.size or not (name.endswith(EXPORTS) or "." not in name):
        return False
    try:
        start, _more = read_bounded(artifact.locator, _LOOK)
        if not start.lstrip().startswith(_FIRST) and not _may_be_table(start):
            return False
        head, _more = read_bounded(artifact.locator, HEAD)
    except EvidenceError:
        return False
    return looks_like_events(head)


def _may_be_table(start: bytes) -> bool:
    """Whether the first bytes may be a header row."""
    line = start.lstrip().partition(b"\n")[0]
    return line.startswith((b"#TYPE", b"sep=")) or sum(map(line.count, (b",", b";", b"\t"))) > 2
