"""Parsed rules kept between runs, as JSON in the user's own cache folder, keyed by content.

What is kept is data, never code: a file that cannot be read, is not ours or does not check out is passed over and the
rules are loaded from their YAML. A cache that cannot be written is no error.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import orjson

from afterpatch.detect.sigma.codec import CodecError, decode_rules, encode_rules
from afterpatch.detect.sigma.load import FORMAT, load_content, read_content, rule_files
from afterpatch.detect.sigma.model import RuleSet

MAX_FILES = 8
MAX_BYTES = 256 << 20
_NAME = "rules-{}.json"


def cache_folder() -> Path | None:
    """The folder for cached rules; None where the system names no place for one."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    else:
        home = os.environ.get("HOME", "")
        base = os.environ.get("XDG_CACHE_HOME", "") or (f"{home}/.cache" if home else "")
    return Path(base) / "afterpatch" if base and Path(base).is_absolute() else None


def key_of(contents: Sequence[tuple[str, bytes]], placeholders: Mapping[str, Sequence[str]]) -> str:
    """What the cached form depends on: the engine, the placeholders, and path and content of every file."""
    digest = hashlib.sha256(FORMAT.encode())
    filled = sorted((name, list(values)) for name, values in placeholders.items())
    digest.update(repr(filled).encode("utf-8", "surrogatepass"))
    for path, data in contents:
        digest.update(f"\0{path}\0{hashlib.sha256(data).hexdigest()}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _is_ours(path: Path) -> bool:
    """A plain file of this user that nobody else may write."""
    status = path.lstat()
    if not path.is_file() or path.is_symlink() or status.st_size > MAX_BYTES:
        return False
    return sys.platform == "win32" or (status.st_uid == os.getuid() and not status.st_mode & 0o022)


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Building very many small objects: the garbage collector would look through them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_cached(folder: Path, key: str) -> RuleSet | None:
    """The rules kept under a key; None where there are none that check out."""
    path = folder / _NAME.format(key)
    try:
        if not _is_ours(path):
            return None
        checksum, _, body = path.read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != checksum:
            return None
        with _without_collector():
            return decode_rules(orjson.loads(body))
    except (OSError, orjson.JSONDecodeError, CodecError):
        return None


def write_cached(folder: Path, key: str, rules: RuleSet) -> bool:
    """Keeps rules under a key, whole or not at all. False where that is not possible."""
    try:
        body = orjson.dumps(encode_rules(rules))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="rules-", suffix=".tmp", dir=folder)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            Path(name).replace(folder / _NAME.format(key))
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        _prune(folder)
    except (OSError, orjson.JSONEncodeError):  # the latter: file names that are not Unicode
        return False
    return True


def _prune(folder: Path) -> None:
    """Only the newest MAX_FILES stay."""
    kept = sorted(folder.glob(_NAME.format("*")), key=lambda path: path.lstat().st_mtime, reverse=True)
    for path in kept[MAX_FILES:]:
        with contextlib.suppress(OSError):
            path.unlink()


def load_rules_cached(
    paths: Sequence[Path],
    placeholders: Mapping[str, Sequence[str]] | None = None,
    folder: Path | None = None,
) -> RuleSet:
    """As `load_rules`, but what was parsed once is not parsed again. `folder` defaults to the user's cache folder."""
    files, missing = rule_files(paths)
    contents, unreadable = read_content(files)
    folder = folder or cache_folder()
    key = key_of(contents, placeholders or {})
    rules = read_cached(folder, key) if folder else None
    if rules is None:
        rules = load_content(contents, placeholders)
        if folder:
            write_cached(folder, key, rules)
    errors = (*missing, *unreadable, *rules.errors)
    return RuleSet(rules.rules, rules.correlations, rules.filters, errors, rules.version, rules.files)
