"""A case directory: the document, the manifest of evidence and the log of what was done.

Every file is written beside its place and moved into it, so a run that is killed leaves the old file or the new one,
never half of one; running it again is always safe. Nothing is ever written into the evidence.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from afterpatch.model import Artifact, UsageError, to_iso

DOCUMENT, MANIFEST, LOG, REPORT = "examination.json", "manifest.csv", "actions.jsonl", "report.html"
SCHEMA = "afterpatch.case/1"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Case:
    """A case that was written: its folder and the stored document."""

    folder: Path
    document: Mapping[str, Any]


def write_case(
    folder: Path,
    document: bytes,
    artifacts: Sequence[Artifact],
    hashes: Mapping[int, str],
    *,
    moment: datetime,
    command: str,
    extra: Mapping[str, bytes] | None = None,
) -> None:
    """Writes or renews a case. `extra`: more files by name (the report). Raises UsageError where it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in {MANIFEST: manifest(artifacts, hashes), **(extra or {}), DOCUMENT: document}.items():
            put(folder / name, data)
        entry = {"schema": SCHEMA, "time": to_iso(moment), "command": command}
        entry |= {"document_sha256": hashlib.sha256(document).hexdigest()}
        _append(folder / LOG, entry)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"The case cannot be written to {folder} ({reason}): name another folder with --case.") from None


def put(path: Path, data: bytes) -> None:
    """Writes a file so that it is whole or not there."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    finally:
        with suppress(OSError):
            beside.unlink()


def _append(path: Path, entry: dict[str, Any]) -> None:
    """One more line of the action log; each line holds the hash of the one before, so that a change shows."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    entry["previous_sha256"] = hashlib.sha256(lines[-1]).hexdigest() if lines else ""
    put(path, b"".join(line + b"\n" for line in [*lines, orjson.dumps(entry)]))


def manifest(artifacts: Iterable[Artifact], hashes: Mapping[int, str]) -> bytes:
    """path, where it lies in the evidence, kind, size, sha256 (of what was read), original times; quoted."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(("path", "found_at", "kind", "size", "sha256", "modified", "created"))
    for artifact in artifacts:
        row = (artifact.path, artifact.shown, artifact.kind, str(artifact.size), hashes.get(artifact.index, ""))
        times = (to_iso(artifact.modified) or "", to_iso(artifact.created) or "")
        writer.writerow([plain_cell(value) for value in (*row, *times)])
    return out.getvalue().encode("utf-8", "backslashreplace")


def plain_cell(value: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return "'" + value if value.startswith(_FORMULA) else value


def open_case(folder: Path) -> Case:
    """A case that an earlier run wrote. Raises UsageError where there is none."""
    path = folder / DOCUMENT if folder.is_dir() else folder
    try:
        data = path.read_bytes()
    except OSError:
        raise UsageError(f"{folder} is no case: name the folder that `afterpatch examine --case` wrote.") from None
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise UsageError(f"{path} is damaged: run the examination again.") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path} is no examination document: run the examination again.")
    return Case(folder, document)
