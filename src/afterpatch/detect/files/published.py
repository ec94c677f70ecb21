"""Files with a published hash or path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import fire, load_table
from afterpatch.knowledge.indicators import Indicator

_LEVELS = {"high": "high", "moderate": "medium", "low": "low"}


def _facts(indicator: Indicator) -> tuple[tuple[str, str], ...]:
    pairs = (("value", indicator.value), ("group", indicator.group), ("source", indicator.source),
             ("published", indicator.published), ("note", indicator.note))  # fmt: skip
    return tuple(pair for pair in pairs if pair[1])


class PublishedAnalyser:
    """Compares hash and path with indicators."""

    name = "published"
    artifacts = ("web-file", "compiled-assembly", "suspicious-place")
    detections = tuple(load_table("published"))

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """One finding for a hash, one for a path; a stock file is none of either."""
        if context.indicators is None or context.is_stock(item):
            return
        by_hash = self._hash(item, context)
        if by_hash is not None:
            yield fire("published-file-hash", item.path, facts=_facts(by_hash), family=by_hash.note[:80])
        hits = context.indicators.match_value("path", item.path)
        stock_path = context.baseline is not None and context.baseline.knows_path(item.path)
        hits = [hit for hit in hits if not (hit.caution and (stock_path or hit.caution == "stock-name"))]
        if hits:
            best = max(hits, key=lambda hit: ("low", "moderate", "high").index(hit.confidence))
            severity = _LEVELS[best.confidence]
            yield fire("published-path", item.path, severity=severity, confidence=best.confidence, facts=_facts(best))

    def _hash(self, item: FileItem, context: FileContext) -> Indicator | None:
        digests = [item.sha256, item.artifact.known_sha1]
        if not item.truncated and item.content:
            digests += [
                hashlib.sha1(item.content, usedforsecurity=False).hexdigest(),
                hashlib.md5(item.content, usedforsecurity=False).hexdigest(),
            ]
        assert context.indicators is not None
        found = [hit for digest in digests if digest for hit in context.indicators.match_value("hash", digest)]
        return found[0] if found else None
