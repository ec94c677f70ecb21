"""Shipped pages with other content than Microsoft's."""

from __future__ import annotations

from collections.abc import Iterable

from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import fire, load_table
from afterpatch.detect.files.paths import file_name, place_of, stem_and_extension


class StockAnalyser:
    """Compares with the baseline of shipped web files."""

    name = "stock"
    artifacts = ("web-file",)
    detections = tuple(load_table("stock"))

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """A finding where a shipped path holds content that no build ships. Proof only where the baseline holds the
        server's build; a later build changes pages too, so there only logon pages are named and the others
        counted (`context.unjudged`)."""
        baseline = context.baseline
        if baseline is None or item.size == 0 or stem_and_extension(file_name(item.path))[1] == ".config":
            return
        known = baseline.lookup(item.path)
        if known is None or item.sha256.lower() in known.versions:
            return
        build = context.build()
        facts = (("build", context.facts.build), ("known contents", str(len(known.versions))))
        if baseline.proves_change(item.path, build):
            yield fire("stock-page-changed", item.path, facts=facts)
            return
        context.unjudged += 1
        if place_of(item.path, context.facts).login:
            if build is None or baseline.covers(build):
                yield fire("stock-page-changed", item.path, severity="medium", confidence="low", facts=facts)
            else:
                yield fire("stock-page-unknown-content", item.path, facts=facts)
