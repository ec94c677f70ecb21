"""A second look at kinds, once configuration files told where web roots and logs really are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from afterpatch.evidence.assemble import Collection
from afterpatch.evidence.table import OTHER
from afterpatch.model import Artifact, Notice

SYSTEM_DRIVE = re.compile(r"%systemdrive%", re.IGNORECASE)
WINDOWS = re.compile(r"%(?:windir|systemroot)%", re.IGNORECASE)
DRIVE = re.compile(r"(?:vss\d+\\)?[a-z]:\\?")


def reclassify(
    collection: Collection, web_roots: Mapping[str, Sequence[str]], log_folders: Mapping[str, Sequence[str]]
) -> Collection:
    """The collection with files below learnt web roots as `web-file`, `.log` files below learnt log folders as `iis`.

    Both map a root key to server paths as configuration writes them; `%SystemDrive%` and `%windir%` are understood.
    Only what was `other` or `suspicious-place` changes. A web root that is a whole drive is reported, not followed.
    """
    webs = {key: _folders(paths) for key, paths in web_roots.items()}
    logs = {key: _folders(paths) for key, paths in log_folders.items()}
    notices = [
        Notice(path, "", "notice.web-root-too-wide")
        for key in sorted(webs)
        for path in web_roots[key]
        if _folder(path) == "" or DRIVE.fullmatch(_folder(path))
    ]
    artifacts = tuple(
        _looked_at(artifact, webs.get(artifact.root, ()), logs.get(artifact.root, ())) for artifact in collection.artifacts
    )
    return replace(collection, artifacts=artifacts, notices=tuple(sorted({*collection.notices, *notices})))


def _folders(paths: Sequence[str]) -> tuple[str, ...]:
    found = (_folder(path) for path in paths)
    return tuple(sorted({path for path in found if path and not DRIVE.fullmatch(path)}))


def _folder(path: str) -> str:
    """A configured path in lower case, no trailing backslash; the system drive without its letter."""
    text = WINDOWS.sub(r"%systemdrive%\\windows", path.strip().strip('"').replace("/", "\\"))
    return SYSTEM_DRIVE.sub("", text).rstrip("\\").lower()


def _looked_at(artifact: Artifact, webs: tuple[str, ...], logs: tuple[str, ...]) -> Artifact:
    if artifact.kind not in (OTHER, "suspicious-place", "log-excerpt"):
        return artifact
    path = artifact.path.lower()
    if any(_below(path, folder) for folder in webs) and artifact.kind != "log-excerpt":
        return replace(artifact, kind="web-config" if path.endswith("\\web.config") else "web-file")
    if path.endswith(".log") and any(_below(path, folder) for folder in logs):
        return replace(artifact, kind="iis")
    return artifact


def _below(path: str, folder: str) -> bool:
    """Whether a path lies below a folder; where one of them has no drive letter, the letter is left out of account."""
    if path.startswith(folder + "\\"):
        return True
    bare_path, bare_folder = DRIVE.sub("", path, count=1), DRIVE.sub("", folder, count=1).lstrip("\\")
    known = bool(DRIVE.match(path)) and bool(DRIVE.match(folder))
    shadow = path.startswith("vss") and path.partition("\\")[2].startswith(folder + "\\")
    return shadow or (not known and bare_path.startswith(bare_folder + "\\"))
