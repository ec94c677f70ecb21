"""The shapes evidence arrives in: a drive, a loose folder, and the archives of three collectors."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from afterpatch.demo.server import Server
from afterpatch.model import to_iso


class Sink(Protocol):
    """Takes the files of one server, one after the other."""

    def put(self, path: str, chunks: Iterable[bytes], modified: datetime, created: datetime) -> int:
        """Store a file by the server's own path; returns its size in bytes."""
        ...

    def close(self) -> Path:
        """Finish; returns what was written (a folder or an archive)."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class _Closing:
    """A sink that needs no tidying after an error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None


def drive_parts(path: str) -> list[str]:
    """`C:\\inetpub\\x` as [`C`, `inetpub`, `x`]."""
    return path.replace(":", "", 1).split("\\")


class DriveSink(_Closing):
    """Drive-letter folders with the files' own times."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, path: str, chunks: Iterable[bytes], modified: datetime, created: datetime) -> int:  # noqa: ARG002
        """Store a file below its drive letter."""
        return _store(self._folder.joinpath(*drive_parts(path)), chunks, modified)

    def close(self) -> Path:
        """The folder."""
        return self._folder


class LooseSink(_Closing):
    """One flat folder, as people copy logs by hand: the folder that tells logs apart goes into the name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()

    def put(self, path: str, chunks: Iterable[bytes], modified: datetime, created: datetime) -> int:  # noqa: ARG002
        """Store a file by a name of its own."""
        return _store(self._folder / self._name(path), chunks, modified)

    def _name(self, path: str) -> str:
        *_, parent, name = path.split("\\")
        if parent.startswith("W3SVC") or ("\\HttpProxy\\" in path and name.endswith(".LOG")):
            name = f"{parent}_{name}"
        while name.lower() in self._taken:
            name = f"{parent}_{name}"
        self._taken.add(name.lower())
        return name

    def close(self) -> Path:
        """The folder."""
        return self._folder


def _store(target: Path, chunks: Iterable[bytes], modified: datetime) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with target.open("xb") as stream:
        for chunk in chunks:
            size += stream.write(chunk)
    os.utime(target, (modified.timestamp(), modified.timestamp()))
    return size


@dataclass(frozen=True, slots=True)
class _Taken:
    """A file as the collector's bookkeeping shows it."""

    path: str
    member: str
    size: int
    sha1: str
    modified: datetime
    created: datetime


class ZipSink(_Closing):
    """An archive with the collector's bookkeeping at its end. Member times are those of the collection."""

    def __init__(self, file: Path, collected: datetime, server: Server) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file, self.collected, self.server = file, collected, server
        self.taken: list[_Taken] = []
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)

    def member(self, path: str) -> str:
        """The member's name for a server path."""
        return "/".join(drive_parts(path))

    def put(self, path: str, chunks: Iterable[bytes], modified: datetime, created: datetime) -> int:
        """Store a file as a member."""
        name, size, digest = self.member(path), 0, hashlib.sha1(usedforsecurity=False)
        with self._zip.open(self._info(name), "w", force_zip64=True) as stream:
            for chunk in chunks:
                size += stream.write(chunk)
                digest.update(chunk)
        self.taken.append(_Taken(path, name, size, digest.hexdigest(), modified, created))
        return size

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, self.collected.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        return info

    def note(self, name: str, text: str) -> None:
        """Store a bookkeeping file."""
        self._zip.writestr(self._info(name), text.encode(), compresslevel=1)

    def finish(self) -> None:
        """Write the bookkeeping: none by default (CyLR has none)."""

    def close(self) -> Path:
        """Write the bookkeeping and end the archive."""
        self.finish()
        self._zip.close()
        return self.file


class KapeSink(ZipSink):
    """A KAPE target run, zipped: original times and SHA-1 stand in the copy log only."""

    def finish(self) -> None:
        """Copy log and skip log."""
        stamp = f"{self.collected:%Y-%m-%dT%H%M%S}"
        self.note(f"{stamp}_CopyLog.csv", "\ufeff" + _csv_text(_COPY_LOG, map(self._copied, self.taken)))
        first = self.taken[0]
        shadow = first.path.replace("C:", "\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy1", 1)
        skipped = [(shadow, first.sha1, "Deduped")]
        self.note(f"{stamp}_SkipLog.csv", "\ufeff" + _csv_text(("SourceFile", "SourceFileSha1", "Reason"), skipped))

    def _copied(self, item: _Taken) -> tuple[str, ...]:
        target = "E:\\triage\\" + "\\".join(drive_parts(item.path))
        return (
            _ticks(self.collected), item.path, target, str(item.size), item.sha1, "False", _ticks(item.created),
            _ticks(item.modified), _ticks(item.modified), "00:00:00.0010000",
        )  # fmt: skip


_COPY_LOG = (
    "CopiedTimestamp", "SourceFile", "DestinationFile", "FileSize", "SourceFileSha1", "DeferredCopy", "CreatedOnUtc",
    "ModifiedOnUtc", "LastAccessedOnUtc", "CopyDuration",
)  # fmt: skip


def _ticks(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond * 10:07d}"


def _csv_text(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


class VelociraptorSink(ZipSink):
    """An offline collector's archive: escaped paths, one JSON line an upload."""

    def member(self, path: str) -> str:
        """`uploads/auto/C%3A/inetpub/...`."""
        return "/".join(("uploads", "auto", *map(_escaped, path.split("\\"))))

    def finish(self) -> None:
        """Uploads, client, context, log and the results of the collecting artifact."""
        self.note("uploads.json", _json_lines(map(self._upload, self.taken)))
        client = {"Hostname": self.server.name, "HostID": "7f1d2c3b-4a59-4e68-8d70-e1f2a3b4c5d6", "OS": "windows"}
        self.note("client_info.json", json.dumps(client, indent=1) + "\n")
        context = {"request": {"artifacts": ["Windows.KapeFiles.Targets"]}, "total_uploaded_files": len(self.taken)}
        self.note("collection_context.json", json.dumps(context, indent=1) + "\n")
        line = {"_ts": int(self.collected.timestamp()), "level": "INFO", "message": "Collection finished"}
        self.note("log.json", _json_lines([line]))
        results = _json_lines(map(self._result, self.taken))
        self.note("results/Windows.KapeFiles.Targets%2FAll File Metadata.json", results)

    def _upload(self, item: _Taken) -> dict[str, object]:
        return {
            "Timestamp": to_iso(self.collected), "started": f"{self.collected:%Y-%m-%d %H:%M:%S} +0000 UTC",
            "vfs_path": item.member, "_Components": ["uploads", "auto", *item.path.split("\\")], "file_size": item.size,
            "uploaded_size": item.size, "Type": "",
        }  # fmt: skip

    @staticmethod
    def _result(item: _Taken) -> dict[str, object]:
        modified = to_iso(item.modified)
        times = {"Created": to_iso(item.created), "Modified": modified, "LastAccessed": modified}
        return {**times, "SourceFile": item.path, "Size": item.size}


def _escaped(part: str) -> str:
    return "".join(f"%{ord(char):02X}" if char in '%:"*<>?|' else char for char in part)


def _json_lines(rows: Iterable[dict[str, object]]) -> str:
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)


Opener = Callable[[Path, datetime, Server, bool], Sink]


def _folder(target: Path, server: Server, several: bool) -> Path:
    return target / server.name if several else target


LAYOUTS: dict[str, Opener] = {
    "drive": lambda target, _, server, several: DriveSink(_folder(target, server, several)),
    "loose": lambda target, _, server, several: LooseSink(_folder(target, server, several)),
    "kape-zip": lambda target, when, server, _: KapeSink(target / f"{when:%Y-%m-%dT%H%M%S}_{server.name}.zip", when, server),
    "velociraptor-zip": lambda target, when, server, _: VelociraptorSink(
        target / f"Collection-{server.name}-{when:%Y-%m-%dT%H_%M_%SZ}.zip", when, server
    ),
    "cylr-zip": lambda target, when, server, _: ZipSink(target / f"{server.name}.zip", when, server),
}
"""How to open a sink for one server: target folder, time of collection, server, whether there are several servers."""
