"""Shipped pages with other content than Microsoft's, or than the user's baseline says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from afterpatch.detect.files.difference import difference, reference_of
from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import excerpt, fire, load_table
from afterpatch.detect.files.paths import file_name, place_of, stem_and_extension
from afterpatch.detect.files.views import text_of
from afterpatch.knowledge.baseline import Known

_WRITTEN_BY_SETUP = frozenset((".config",))


class StockAnalyser:
    """Compares with the baseline of shipped web files and with the user's own."""

    name = "stock"
    artifacts = ("web-file", "server-library")
    detections = tuple(load_table("stock"))

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """A finding where a shipped path holds content that no build ships, with the lines that differ where the right text
        is at hand. Proof only where a baseline holds the server's build; a later build changes pages too, so there only
        logon pages are named and the others counted (`context.unjudged`)."""
        if item.size == 0 or stem_and_extension(file_name(item.path))[1] in _WRITTEN_BY_SETUP or context.is_stock(item):
            return
        if context.own is not None and context.own.lookup(item.path) and context.own.judges(context.build()):
            yield self._changed(item, context, _own_facts(item, context), "high", "high")
            return
        known = context.baseline.lookup(item.path) if context.baseline is not None else None
        if known is not None:
            yield from self._shipped(item, context, known)

    def _shipped(self, item: FileItem, context: FileContext, known: Known) -> Iterator[FileFinding]:
        assert context.baseline is not None
        build = context.build()
        facts = (("build", context.facts.build), ("known contents", str(len(known.versions))), *_expected(known, context))
        if context.baseline.proves_change(item.path, build):
            yield self._changed(item, context, facts, "high", "moderate")
            return
        context.unjudged += 1
        if place_of(item.path, context.facts).login:
            if build is None or context.baseline.covers(build):
                yield self._changed(item, context, facts, "medium", "low")
            else:
                yield fire("stock-page-unknown-content", item.path, facts=facts)

    def _changed(
        self, item: FileItem, context: FileContext, facts: tuple[tuple[str, str], ...], severity: str, confidence: str
    ) -> FileFinding:
        """The finding, with the difference to the text that belongs there."""
        reference = reference_of(item, context) if not item.truncated else None
        change = difference(reference.text, text_of(item.content)) if reference is not None else None
        line = None
        if reference is not None and change is not None:
            told = ((name, excerpt(text)) for name, text in change.facts())
            facts = (*facts, ("compared with", excerpt(reference.origin)), *told)
            line = change.added[0][0] if change.added else None
        raw = change.added[0][1] if change is not None and change.added else ""
        return fire("stock-page-changed", item.path, severity=severity, confidence=confidence, facts=facts, line=line, raw=raw)


def _own_facts(item: FileItem, context: FileContext) -> tuple[tuple[str, str], ...]:
    assert context.own is not None
    held = context.own.lookup(item.path)
    digests = ", ".join(each.sha256 for each in held[:3])
    return (("sha256 in your baseline", digests), ("sha256 here", item.sha256), ("baseline", excerpt(context.own.source)))


def _expected(known: Known, context: FileContext) -> Iterable[tuple[str, str]]:
    """The digest that belongs to the server's build, else the one of the latest build before it that has the file."""
    build = context.build()
    if build is None:
        return
    earlier = [(held, digest) for digest, builds in known.versions.items() for held in builds if held <= build]
    if earlier:
        held, digest = max(earlier)
        yield (f"sha256 of build {held}", digest)
