"""The analysers, in the order they run. A new one is a class and a line here."""

from __future__ import annotations

from afterpatch.detect.files.compiled import CompiledAnalyser
from afterpatch.detect.files.iis import IisAnalyser
from afterpatch.detect.files.item import FileAnalyser
from afterpatch.detect.files.metadata import CheckMeta, all_meta
from afterpatch.detect.files.oabdump import OabDumpAnalyser
from afterpatch.detect.files.placement import PlacementAnalyser
from afterpatch.detect.files.published import PublishedAnalyser
from afterpatch.detect.files.signatures import SignatureAnalyser, signature_meta
from afterpatch.detect.files.stock import StockAnalyser
from afterpatch.detect.files.transport import TransportAnalyser

ANALYSERS: tuple[FileAnalyser, ...] = (
    OabDumpAnalyser(),
    PlacementAnalyser(),
    StockAnalyser(),
    PublishedAnalyser(),
    CompiledAnalyser(),
    IisAnalyser(),
    TransportAnalyser(),
    SignatureAnalyser(),
)


def detections() -> tuple[CheckMeta, ...]:
    """Every detection about files, checks before content signatures, each with its texts."""
    return (*all_meta().values(), *signature_meta().values())
