r"""A baseline of the user's own: what the web files of his install media or of a healthy server are.

A gzip file of JSON lines, so that anybody can read it: one line about the whole, then one for each file with its path
below the Exchange folder (`\frontend\httpproxy\...`), sha256, size and, for pages and scripts, the text, which is what
changed lines are shown against.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from afterpatch.knowledge import web_paths
from afterpatch.knowledge.builds import Build
from afterpatch.model import UsageError

FORMAT, VERSION = "afterpatch-baseline", 1
MAX_FILES, MAX_PLAIN, MAX_TEXT = 200_000, 512 << 20, 256 * 1024


@dataclass(frozen=True, slots=True)
class OwnFile:
    """One file. `text` is "" where it was not kept."""

    path: str
    sha256: str
    size: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class OwnBaseline:
    """Files by the part of their path that servers share. `build`: which Exchange it is, "" unknown; `source`: what it
    was made of."""

    build: str = ""
    source: str = ""
    files: Mapping[str, tuple[OwnFile, ...]] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()

    @classmethod
    def of(cls, files: Iterable[OwnFile], build: str = "", source: str = "") -> OwnBaseline:
        """A baseline of these files."""
        found: dict[str, dict[str, OwnFile]] = {}
        for each in files:
            found.setdefault(each.path, {}).setdefault(each.sha256, each)
        folders = frozenset(path.rpartition("\\")[0] for path in found)
        return cls(build, source, {path: tuple(held.values()) for path, held in found.items()}, folders)

    def lookup(self, path: str) -> tuple[OwnFile, ...]:
        """What the baseline holds for a server's path; () where the path is not in it."""
        return self.files.get(web_paths.path_key(path), ())

    def knows(self, path: str, sha256: str) -> bool:
        """Whether exactly this content belongs at this path."""
        return any(each.sha256 == sha256.lower() for each in self.lookup(path))

    def covers(self, path: str) -> bool:
        """Whether the folder of a path is in the baseline, so that an unknown file in it is one that does not belong."""
        return web_paths.path_key(path).rpartition("\\")[0] in self.folders

    def judges(self, build: Build | None) -> bool:
        """Whether it can prove a change on a server: not where both builds are known and differ."""
        own = Build.try_parse(self.build) if self.build else None
        return own is None or build is None or own == build


def joined(baselines: Sequence[OwnBaseline]) -> OwnBaseline | None:
    """Several baselines as one; None where there are none. A build is kept only where all name the same."""
    if not baselines:
        return None
    builds = {each.build for each in baselines}
    files = (one for each in baselines for held in each.files.values() for one in held)
    return OwnBaseline.of(files, builds.pop() if len(builds) == 1 else "", ", ".join(each.source for each in baselines))


def to_bytes(baseline: OwnBaseline) -> bytes:
    """The file's content; the same for the same baseline."""
    head = {"format": FORMAT, "version": VERSION, "build": baseline.build, "source": baseline.source}
    lines = [json.dumps(head, ensure_ascii=True)]
    for path in sorted(baseline.files):
        for each in sorted(baseline.files[path], key=lambda one: one.sha256):
            row: dict[str, Any] = {"path": each.path, "sha256": each.sha256, "size": each.size}
            lines.append(json.dumps(row | ({"text": each.text} if each.text else {}), ensure_ascii=True))
    return gzip.compress(("\n".join(lines) + "\n").encode("ascii"), 6, mtime=0)


@cache
def load(path: str) -> OwnBaseline:
    """A baseline file. Raises UsageError where it is none or cannot be read."""
    try:
        packed = Path(path).read_bytes()
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            plain = stream.read(MAX_PLAIN + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "it is no baseline file"
        raise UsageError(f"{path} cannot be read ({reason}): make one with 'afterpatch baseline make'.") from None
    if len(plain) > MAX_PLAIN:
        raise UsageError(f"{path} is larger than {MAX_PLAIN >> 20} MiB unpacked: that is no baseline of web files.")
    lines = plain.split(b"\n")
    try:
        head = json.loads(lines[0])
        if head["format"] != FORMAT or head["version"] != VERSION:
            raise ValueError("another format")
        files = [_file(json.loads(line)) for line in lines[1 : MAX_FILES + 1] if line]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{path} is no baseline file of this version: make one with 'afterpatch baseline make'.") from None
    return OwnBaseline.of(files, str(head.get("build", ""))[:40], str(head.get("source", ""))[:300])


def _file(row: Mapping[str, Any]) -> OwnFile:
    digest = str(row["sha256"]).lower()
    if len(digest) != 64 or any(sign not in "0123456789abcdef" for sign in digest):
        raise ValueError("no digest")
    return OwnFile(web_paths.path_key(str(row["path"])), digest, int(row["size"]), str(row.get("text", ""))[:MAX_TEXT])
