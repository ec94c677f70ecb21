"""Copies of applicationHost.config over time (inetpub\\history): when an entry that is not stock came or went."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from afterpatch.detect.files.iis import HISTORY, is_server_config
from afterpatch.detect.files.iis_code import foreign_type
from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import fire
from afterpatch.detect.files.paths import file_name, normal
from afterpatch.detect.files.setting import Setting, bad_image, in_drop_folder
from afterpatch.knowledge import iis_baseline
from afterpatch.parsers.iisconfig import IisConfig, parse_iis_config

_NUMBER = re.compile(r"cfghistory_(\d{1,12})")
MAX_COPIES = 500


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy: `order` its number (the present file comes last), `time` when it was written where that is known, and
    the entries that are not stock: (what, name, target) -> line."""

    name: str
    order: int
    time: datetime | None
    entries: dict[tuple[str, str, str], int]
    current: bool


def is_copy(item: FileItem) -> bool:
    """Whether a file is applicationHost.config, present or past."""
    if file_name(item.path).lower() != "applicationhost.config" and item.artifact.kind != "iis-config":
        return False
    return is_server_config(item) or HISTORY in normal(item.path) or item.artifact.kind == "iis-config-history"


def read_copy(item: FileItem, context: FileContext) -> Copy:
    """A copy's entries that are not stock; what cannot be read of it becomes a notice."""
    config = parse_iis_config(item.content, item.artifact.shown)
    current = is_server_config(item)
    if not current:
        context.notices.extend(config.notices)
    match = _NUMBER.search(normal(item.path))
    order = 10**13 if current else int(match[1]) if match else 0
    moment = item.artifact.modified if item.artifact.times_original else None
    return Copy(item.path, order, moment, _entries(config, Setting(item, context)), current)


def _entries(config: IisConfig, setting: Setting) -> dict[tuple[str, str, str], int]:
    install = setting.install_path
    found: dict[tuple[str, str, str], int] = {}
    for entry in config.global_modules:
        if entry.action == "add" and not iis_baseline.is_stock_global_module(entry.name, entry.get("image"), install):
            found["module", entry.name, setting.expand(entry.get("image"))] = entry.line
    for entry in config.sections.modules:
        type_text = entry.get("type")
        if entry.action == "add" and type_text and foreign_type(type_text):
            found["managed module", entry.name, type_text] = entry.line
    for entry in config.sections.isapi_filters:
        path = entry.get("path")
        if entry.action == "add" and not iis_baseline.is_stock_isapi_filter(entry.name, path, install):
            found["ISAPI filter", entry.name, setting.expand(path)] = entry.line
    for mapping in config.mappings():
        if not iis_baseline.is_stock_virtual_directory(mapping.site_name, mapping.url, mapping.physical_path, install):
            found["directory", f"{mapping.site_name}{mapping.url}", setting.expand(mapping.physical_path)] = mapping.line
    return found


def compare(copies: Sequence[Copy]) -> Iterable[FileFinding]:
    """Entries that came or went between the oldest and the newest copy."""
    ordered = sorted(copies, key=lambda copy: (copy.order, copy.name))[-MAX_COPIES:]
    if len(ordered) < 2:
        return
    everything = dict.fromkeys(key for copy in ordered for key in copy.entries)
    for key in everything:
        holds = [key in copy.entries for copy in ordered]
        first = holds.index(True)
        last = len(holds) - 1 - holds[::-1].index(True)
        if first > 0:
            yield _change("iis-history-appeared", key, ordered[first - 1], ordered[first], ordered[last].current)
        if last < len(ordered) - 1:
            yield _change("iis-history-removed", key, ordered[last], ordered[last + 1], False)


def _change(detection: str, key: tuple[str, str, str], before: Copy, after: Copy, present: bool) -> FileFinding:
    what, name, target = key
    worst = in_drop_folder(target) or bad_image(target)
    moments = [
        ("not before" if detection.endswith("appeared") else "last seen", before.time),
        ("not after", after.time),
    ]
    kinds = {"directory": "virtual-directory"}
    found: dict[str, Any] = {
        "facts": (("what", what), ("name", name), ("target", target), ("before", before.name), ("after", after.name)),
        "times": tuple((label, moment) for label, moment in moments if moment),
        "kind": kinds.get(what, "iis-module"),
        "state": "present" if present else "deleted",
        "severity": "high" if worst else "medium" if what != "directory" else "low",
        "raw": f"{what} {name} -> {target}",
        "line": after.entries.get(key) or before.entries.get(key),
    }
    return fire(detection, target if "\\" in target else after.name, **found)
