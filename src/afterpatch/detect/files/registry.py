"""The analysers, in the order they run. A new one is a class and a line here."""

from __future__ import annotations

from afterpatch.detect.files.item import FileAnalyser
from afterpatch.detect.files.metadata import CheckMeta, all_meta
from afterpatch.detect.files.oabdump import OabDumpAnalyser
from afterpatch.detect.files.placement import PlacementAnalyser

ANALYSERS: tuple[FileAnalyser, ...] = (OabDumpAnalyser(), PlacementAnalyser())


def detections() -> tuple[CheckMeta, ...]:
    """Every detection about files, checks before content signatures, each with its texts."""
    return tuple(all_meta().values())
