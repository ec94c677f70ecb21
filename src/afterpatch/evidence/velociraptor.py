"""Velociraptor's offline collector: `uploads/<accessor>/<escaped path>`, `uploads.json`, `client_info.json`.

`uploads.json` holds one object a line: `vfs_path`, `_Components`, `file_size`, `uploaded_size`, `Type`. Paths come from
`_Components` where a row fits the member, else from percent-decoding each component. Times of the files themselves
stand in the metadata results (`SourceFile`, `Created`, `Modified`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from afterpatch.evidence.entry import Entry, NoticeBook, split_name
from afterpatch.evidence.kape import Original, server_path
from afterpatch.evidence.serverpath import drive_of
from afterpatch.evidence.sidefiles import json_rows, moment

SIDE_FILES = ("uploads.json", "client_info.json", "collection_context.json")
ACCESSORS = ("auto", "ntfs", "lazy_ntfs", "ntfs_vss", "ntfs_vss_auto", "mft", "file", "raw_file", "reg")


@dataclass(slots=True)
class Upload:
    """One row of uploads.json: the server path ("" unknown) and whether the upload is complete."""

    path: str
    partial: bool
    index: bool


@dataclass(slots=True)
class Uploads:
    """What the side files of one collection say. `rows` by the member's parts below the collection, lower case."""

    rows: dict[tuple[str, ...], Upload] = field(default_factory=dict)
    originals: dict[str, Original] = field(default_factory=dict)
    host: str = ""


def read_uploads(entry: Entry, into: Uploads, book: NoticeBook) -> None:
    """Takes over uploads.json."""
    for row in json_rows(entry, book):
        stored = row.get("_Components")
        components = [part for part in stored if isinstance(part, str)] if isinstance(stored, list) else []
        tail = _below_uploads(components)
        sizes = row.get("file_size"), row.get("uploaded_size")
        partial = isinstance(sizes[0], int) and isinstance(sizes[1], int) and sizes[1] < sizes[0]
        upload = Upload(path_of(tail), partial, str(row.get("Type", "")) == "idx")
        if tail:
            into.rows[("uploads", *(part.lower() for part in tail))] = upload
        vfs = row.get("vfs_path")
        if isinstance(vfs, str):
            into.rows.setdefault(tuple(part.lower() for part in split_name(vfs)), upload)


def _below_uploads(components: list[str]) -> list[str]:
    """The components behind `uploads`; all where the row starts at the drive."""
    lower = [part.lower() for part in components]
    return components[lower.index("uploads") + 1 :] if "uploads" in lower else components


def path_of(components: list[str] | tuple[str, ...]) -> str:
    """`C:\\dir\\file` from [accessor, volume, dir, file], "" where no volume is named."""
    for at, part in enumerate(components[:3]):
        drive = drive_of(part)
        if drive and drive.sure:
            return "\\".join((drive.prefix, *components[at + 1 :]))
    return ""


def lookup(uploads: Uploads, parts: tuple[str, ...]) -> Upload | None:
    """The row of a member, by its name as stored or as percent-decoded."""
    stored = tuple(part.lower() for part in parts)
    return uploads.rows.get(stored) or uploads.rows.get(tuple(unquote(part).lower() for part in parts))


def read_client_info(entry: Entry, into: Uploads, book: NoticeBook) -> None:
    """The host name of the collected machine."""
    for row in json_rows(entry, book):
        host = row.get("Hostname") or row.get("hostname") or row.get("Fqdn")
        if isinstance(host, str) and host.strip():
            into.host = host.strip()[:255]
            return


def read_metadata(entry: Entry, into: Uploads, book: NoticeBook) -> None:
    """Original times out of a result file (`... Metadata.json`, `.../Uploads.json`)."""
    for row in json_rows(entry, book):
        source = row.get("SourceFile")
        if isinstance(source, str) and source:
            path = server_path(source)
            modified, created = _time(row, "Modified", "Mtime"), _time(row, "Created", "Btime")
            if modified or created:
                into.originals[path.lower()] = Original(path, modified, created)


def _time(row: dict[str, Any], *names: str) -> Any:
    return next((found for name in names if (found := moment(row.get(name)))), None)
