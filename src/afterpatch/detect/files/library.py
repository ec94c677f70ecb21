"""The door to the analysis of libraries: finds programs; what judges them is loaded where there is one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from afterpatch.detect.files.binary.head import looks_like_program
from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import load_data, load_table
from afterpatch.detect.files.paths import extensions, file_name, normal, place_of, segment_pattern, stem_and_extension

_KINDS = frozenset(("web-file", "suspicious-place", "compiled-assembly", "server-library", "other"))


@cache
def _server_places() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((segment_pattern(row["pattern"]), row["place"]) for row in load_data("library")["server_places"])


def server_place(path: str) -> str:
    """gac | transport-agents | iis | exchange-bin, or "" for a path outside these."""
    text = normal(path)
    return next((place for pattern, place in _server_places() if pattern.fullmatch(text)), "")


class LibraryAnalyser:
    """Judges programs in web folders, among compiled pages, in module and agent folders, and in staging places."""

    name = "library"
    artifacts = ("compiled-assembly", "web-file", "server-library", "suspicious-place")
    detections = tuple(load_table("library"))

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """Findings of one library; nothing for other files and for what Microsoft's key proves."""
        if item.artifact.kind not in _KINDS:
            return
        place = place_of(item.path, context.facts)
        server = server_place(item.path)
        if not looks_like_program(item.content):
            if (place.bin or server) and stem_and_extension(file_name(item.path))[1] in extensions("library") and item.size:
                context.notice(item, "", "notice.program-unreadable: no program behind the name")
            return
        from afterpatch.detect.files.librarycode import judge_library

        yield from judge_library(item, context, place, server)
