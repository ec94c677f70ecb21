"""Pages of nobody's that were compiled more than once: they were changed between their uses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from afterpatch.detect.files.compiled import temp_application, trace_of
from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import fire
from afterpatch.detect.files.paths import file_name
from afterpatch.knowledge.baseline import is_shipped_page


def generation_of(item: FileItem, context: FileContext) -> tuple[str, str] | None:
    """(URL, path) of a compiled page that no build ships; None for everything else."""
    application = temp_application(item.path, context)
    if application is None or not file_name(item.path).lower().endswith(".compiled"):
        return None
    trace = trace_of(item, application, FileContext(facts=context.facts))  # its notices are the analyser's
    if trace is None or not trace.url or is_shipped_page(trace.url) or trace.page.lower() == "global.asax":
        return None
    return trace.url.lower(), item.path


def repeated(found: Sequence[tuple[str, str]]) -> Iterable[FileFinding]:
    """One finding for each URL with several compiled records."""
    by_url: dict[str, list[str]] = defaultdict(list)
    for url, path in found:
        by_url[url].append(path)
    for url, paths in sorted(by_url.items()):
        if len(set(paths)) > 1:
            facts = (("url", url), ("records", str(len(set(paths)))))
            yield fire("compiled-twice", min(paths), facts=facts, raw=" ".join(sorted(paths)[:4]), state="unknown")
