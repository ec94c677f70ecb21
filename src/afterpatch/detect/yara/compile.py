"""Loads YARA rules: ours (`rules/*.yar`) and the user's folders. What was compiled is kept in the user's cache."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import yara_x

from afterpatch.model import Notice

OURS = "afterpatch"
EXTERNALS = ("filename", "filepath", "extension", "filetype", "owner")
SUFFIXES = (".yar", ".yara", ".rule")
MAX_RULE_FILE = 16 * 1024 * 1024
MAX_RULE_FILES = 20_000
MAX_CACHED = 512 * 1024 * 1024


def own_sources() -> tuple[tuple[str, str], ...]:
    """(file name, text) of our rules, in the order in which they build on each other."""
    folder = resources.files("afterpatch.detect.yara").joinpath("rules")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(SUFFIXES))
    return tuple((name, folder.joinpath(name).read_text(encoding="utf-8")) for name in names)


def _user_files(folders: Iterable[Path]) -> Iterable[Path]:
    for folder in folders:
        if folder.is_file():
            yield folder
            continue
        for root, directories, files in os.walk(folder, followlinks=False):
            directories.sort()
            yield from (Path(root) / name for name in sorted(files) if name.lower().endswith(SUFFIXES))


def _user_sources(folders: Sequence[Path]) -> tuple[list[tuple[str, str]], list[Notice]]:
    sources: list[tuple[str, str]] = []
    notices = [Notice(str(one), "", "notice.yara-unreadable: no such file or folder") for one in folders if not one.exists()]
    for number, path in enumerate(_user_files(one for one in folders if one.exists())):
        if number >= MAX_RULE_FILES:
            notices.append(Notice(str(path.parent), "", f"notice.yara-too-many-files: {MAX_RULE_FILES}"))
            break
        try:
            with path.open("rb") as stream:
                raw = stream.read(MAX_RULE_FILE + 1)
        except OSError as error:
            notices.append(Notice(str(path), "", f"notice.yara-unreadable: {error.strerror or error}"))
            continue
        if len(raw) > MAX_RULE_FILE:
            notices.append(Notice(str(path), "", "notice.yara-unreadable: larger than 16 MiB"))
            continue
        sources.append((str(path), raw.decode("utf-8", "replace")))
    return sources, notices


def _compiler() -> Any:
    compiler = yara_x.Compiler(relaxed_re_syntax=True)
    compiler.enable_includes(False)  # rule files are read by us alone; an include could name any file
    for name in EXTERNALS:
        compiler.define_global(name, "")
    return compiler


def _compile(sources: Sequence[tuple[str, str]]) -> tuple[yara_x.Rules, list[Notice]]:
    compiler = _compiler()
    compiler.new_namespace(OURS)
    for name, text in own_sources():
        compiler.add_source(text, origin=name)  # a fault of ours: raises
    notices: list[Notice] = []
    for path, text in sources:
        compiler.new_namespace(path)
        known = len(compiler.errors())
        try:
            compiler.add_source(text, origin=path)
        except yara_x.CompileError:
            notices += [_as_notice(path, error) for error in compiler.errors()[known:]]
    return compiler.build(), notices


def _as_notice(path: str, error: dict[str, Any]) -> Notice:
    title = " ".join(str(error.get("title", "cannot be compiled")).split())[:200]
    return Notice(path, f"line {error.get('line', 0)}", f"notice.yara-rule-error: {title}")


def cache_folder() -> Path:
    """Where compiled rules are kept: below `$XDG_CACHE_HOME`, `%LOCALAPPDATA%` or `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "afterpatch"


def _key(sources: Sequence[tuple[str, str]]) -> str:
    digest = hashlib.sha256(f"yara-x {metadata.version('yara-x')} {EXTERNALS}".encode())
    for name, text in (*own_sources(), *sources):
        for part in (name, text):
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


def _load(path: Path) -> yara_x.Rules | None:
    """A cached set whose own checksum is right; None where it is absent, unreadable or damaged."""
    try:
        if path.stat().st_size > MAX_CACHED:
            return None
        raw = path.read_bytes()
        if hashlib.sha256(raw[32:]).digest() != raw[:32]:
            return None
        return yara_x.Rules.deserialize_from(io.BytesIO(raw[32:]))
    except (OSError, ValueError):
        return None


def _store(rules: yara_x.Rules, path: Path) -> None:
    """Keep a compiled set; a cache that cannot be written is no cache."""
    buffer = io.BytesIO()
    rules.serialize_into(buffer)
    raw = buffer.getvalue()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as stream:
            stream.write(hashlib.sha256(raw).digest() + raw)
    except OSError:
        return
    try:
        Path(stream.name).replace(path)
    except OSError:
        Path(stream.name).unlink(missing_ok=True)


def compile_rules(extra_dirs: Sequence[Path] = (), use_cache: bool = True) -> tuple[yara_x.Rules, tuple[Notice, ...]]:
    """Our rules and those of the user's files and folders, and a notice for each rule file that cannot be used (path,
    line, reason). A bad file of the user's does not stop the others; each user file is a namespace of its own.
    Sets with faulty files are not cached, so that every run names the faults."""
    sources, notices = _user_sources(extra_dirs)
    try:
        path: Path | None = cache_folder() / f"yara-{_key(sources)[:40]}.bin" if use_cache else None
    except RuntimeError:  # no home directory
        path = None
    rules = _load(path) if path else None
    if rules is not None:
        return rules, tuple(notices)
    rules, faults = _compile(sources)
    if path and not faults:
        _store(rules, path)
    return rules, tuple(notices + faults)


@cache
def rule_meta() -> dict[str, dict[str, Any]]:
    """Our rules' metadata by rule name; private rules are left out."""
    rules, _ = compile_rules()
    return {rule.identifier: dict(rule.metadata) for rule in rules if "title" in dict(rule.metadata)}
