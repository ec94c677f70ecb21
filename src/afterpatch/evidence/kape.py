"""KAPE: `<ts>_CopyLog.csv` knows the original path, times and SHA-1 of each copy, `<ts>_SkipLog.csv` what was left out.

Columns (BOM first): CopiedTimestamp, SourceFile, DestinationFile, FileSize, SourceFileSha1, DeferredCopy, CreatedOnUtc,
ModifiedOnUtc, LastAccessedOnUtc, CopyDuration; SourceFile, SourceFileSha1, Reason. A file skipped as "Deduped" has the
content of another copy: it was there, under its own path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from afterpatch.evidence.entry import Entry, NoticeBook
from afterpatch.evidence.serverpath import SHADOW
from afterpatch.evidence.sidefiles import csv_rows, moment, text_of

SHA1 = re.compile(r"[0-9a-fA-F]{40}")
MACHINE = re.compile(r"Machine name:\s*([A-Za-z0-9][A-Za-z0-9-]{0,62})")
DEVICE = re.compile(r"^\\\\[.?]\\(?=[A-Za-z]:)")


@dataclass(frozen=True, slots=True)
class Original:
    """What a side file knows of a file on the server."""

    path: str
    modified: datetime | None = None
    created: datetime | None = None
    sha1: str = ""


@dataclass(slots=True)
class Originals:
    """The side files of one collection. Keys are lower-case server paths; `twins` are deduplicated files."""

    copied: dict[str, Original] = field(default_factory=dict)
    twins: list[Original] = field(default_factory=list)
    host: str = ""


def server_path(text: str) -> str:
    """The path as this package writes it: device prefixes cut, shadow copies as `VSSn\\C:\\...`."""
    shadow = SHADOW.search(text)
    if shadow:
        rest = text[shadow.end() :].lstrip("\\")
        return f"VSS{int(shadow[1])}\\C:\\{rest}"
    return DEVICE.sub("", text.strip())


def read_copy_log(entry: Entry, into: Originals, book: NoticeBook) -> None:
    """Takes over the rows of a CopyLog."""
    for row in csv_rows(entry, book):
        path = server_path(row.get("sourcefile", ""))
        if path:
            into.copied[path.lower()] = Original(
                path, moment(row.get("modifiedonutc")), moment(row.get("createdonutc")), _sha1(row)
            )


def read_skip_log(entry: Entry, into: Originals, book: NoticeBook) -> None:
    """Deduplicated files are twins of a copy; every other skip is a notice."""
    for row in csv_rows(entry, book):
        path, reason = server_path(row.get("sourcefile", "")), row.get("reason", "").strip()
        if not path:
            continue
        if "dedup" in reason.lower():
            into.twins.append(Original(path, None, None, _sha1(row)))
        else:
            book.add(path, "", f"notice.collector-skipped: {reason[:200]}", group=entry.shown)


def read_console_log(entry: Entry, into: Originals, book: NoticeBook) -> None:
    """The line `System info: Machine name: ...` names the host."""
    if found := MACHINE.search(text_of(entry, book)):
        into.host = found[1]


def _sha1(row: dict[str, str]) -> str:
    value = row.get("sourcefilesha1", "").strip()
    return value.lower() if SHA1.fullmatch(value) else ""
