"""The analysers, in the order they run. A new one is a class and a line here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from afterpatch.detect.files.compiled import CompiledAnalyser
from afterpatch.detect.files.iis import IisAnalyser
from afterpatch.detect.files.item import CheckFailure, FileAnalyser
from afterpatch.detect.files.library import LibraryAnalyser
from afterpatch.detect.files.logon import LogonAnalyser
from afterpatch.detect.files.mailstore import MailStoreAnalyser
from afterpatch.detect.files.metadata import CheckMeta, all_meta
from afterpatch.detect.files.oabdump import OabDumpAnalyser
from afterpatch.detect.files.placement import PlacementAnalyser
from afterpatch.detect.files.published import PublishedAnalyser
from afterpatch.detect.files.signatures import SignatureAnalyser, signature_meta
from afterpatch.detect.files.stock import StockAnalyser
from afterpatch.detect.files.times import TimesAnalyser
from afterpatch.detect.files.transport import TransportAnalyser
from afterpatch.detect.pages.analyser import PageAnalyser, page_meta

ANALYSERS: tuple[FileAnalyser, ...] = (
    OabDumpAnalyser(),
    PlacementAnalyser(),
    StockAnalyser(),
    LogonAnalyser(),
    PublishedAnalyser(),
    CompiledAnalyser(),
    LibraryAnalyser(),
    IisAnalyser(),
    TransportAnalyser(),
    TimesAnalyser(),
    MailStoreAnalyser(),
    PageAnalyser(),
    SignatureAnalyser(),
)


# detections of `driver.analyse_server`, which need several files: the kinds they compare
SERVER_DETECTIONS: Mapping[str, tuple[str, ...]] = {
    "iis-history-appeared": ("iis-config-history",),
    "iis-history-removed": ("iis-config-history",),
    "compiled-twice": ("compiled",),
}


def detections() -> tuple[CheckMeta, ...]:
    """Every detection about files, checks before content signatures, each with its texts and the artifact kinds it
    judges."""
    kinds = {name: one.artifacts for one in ANALYSERS for name in one.detections}
    kinds.update(SERVER_DETECTIONS)
    listed = (*all_meta().values(), *page_meta().values(), *signature_meta().values())
    return tuple(replace(meta, artifacts=kinds.get(meta.id, ())) for meta in listed)


def broken_detections(failures: Iterable[CheckFailure]) -> frozenset[str]:
    """Ids of the detections that count as failed: all of the analyser that broke."""
    names = {one.name: one.detections for one in ANALYSERS}
    names["server"] = tuple(SERVER_DETECTIONS)
    return frozenset(name for failure in failures for name in names.get(failure.detection, (failure.detection,)))
