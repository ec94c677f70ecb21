"""Times of pages against what else is known: their first use, their neighbours, the installation.

Only times that the server itself recorded are judged (a collector's tables); those of copied files say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import fire, load_table
from afterpatch.detect.files.paths import file_name, is_server_page, place_of
from afterpatch.detect.files.placement import belongs
from afterpatch.knowledge import web_paths
from afterpatch.knowledge.baseline import BaselineIndex
from afterpatch.model import Artifact, to_iso

GRACE = timedelta(minutes=2)
DAY = timedelta(days=1)
LEAST_NEIGHBOURS = 3


@dataclass(frozen=True, slots=True)
class FolderTimes:
    """The recorded times of shipped files of one folder. `fractions`: how many of all files have fractions of a second."""

    created: tuple[datetime, ...] = ()
    modified: tuple[tuple[datetime, str], ...] = ()
    fractions: int = 0
    files: int = 0


def folder_times(artifacts: Iterable[Artifact], baseline: BaselineIndex | None) -> dict[str, FolderTimes]:
    """Folder (as servers share it) -> its times, from the files whose times are the server's own."""
    held: dict[str, list[Artifact]] = {}
    for artifact in artifacts:
        if artifact.times_original and artifact.kind == "web-file":
            held.setdefault(web_paths.path_key(artifact.path).rpartition("\\")[0], []).append(artifact)
    return {folder: _times(files, baseline) for folder, files in held.items()}


def _times(files: Sequence[Artifact], baseline: BaselineIndex | None) -> FolderTimes:
    shipped = [each for each in files if baseline is not None and baseline.knows_path(each.path)]
    created = tuple(sorted(each.created for each in shipped if each.created is not None))
    modified = tuple((each.modified, each.path) for each in shipped if each.modified is not None)
    fractions = sum(bool(each.created and each.created.microsecond) for each in files)
    return FolderTimes(created, modified, fractions, len(files))


class TimesAnalyser:
    """Times that contradict the logs, the compiled copy or the neighbours."""

    name = "times"
    artifacts = ("web-file",)
    detections = tuple(load_table("times"))

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """Findings about a page that Exchange does not ship, in a web folder; none where its times are not the server's."""
        artifact = item.artifact
        if not artifact.times_original or not is_server_page(file_name(item.path)):
            return
        place = place_of(item.path, context.facts)
        if not place.web or place.scripts == "foreign" or context.is_stock(item):
            return
        if place.scripts == "shipped" and belongs(item, place, context):
            return
        yield from _use(item, context)
        yield from _neighbours(item, context)


def _use(item: FileItem, context: FileContext) -> Iterator[FileFinding]:
    served = web_paths.url_of(item.path)
    created = item.artifact.created
    first = context.first_uses.get(served[0]) if served is not None else None
    if created is not None and first is not None and created > first + GRACE:
        facts = (("created", to_iso(created)), ("first use", to_iso(first)))
        yield fire("page-younger-than-its-use", item.path, facts=facts, times=(("first use", first),))


def _neighbours(item: FileItem, context: FileContext) -> Iterator[FileFinding]:
    times = context.folder_times.get(web_paths.path_key(item.path).rpartition("\\")[0])
    artifact = item.artifact
    if times is None or artifact.created is None:
        return
    twin = next((path for moment, path in times.modified if moment == artifact.modified), "")
    late = times.created and artifact.created > times.created[-1] + DAY
    if twin and late and artifact.modified is not None:
        copied = (("last change", to_iso(artifact.modified)), ("same as", twin), ("created", to_iso(artifact.created)))
        yield fire("page-with-a-neighbours-time", item.path, facts=copied)
    if times.created and artifact.created < times.created[0] - DAY:
        facts = (("created", to_iso(artifact.created)), ("first shipped file", to_iso(times.created[0])))
        yield fire("page-older-than-its-folder", item.path, facts=facts)
    whole = not artifact.created.microsecond and not (artifact.modified and artifact.modified.microsecond)
    if whole and times.fractions >= max(LEAST_NEIGHBOURS, times.files * 2 // 3):
        yield fire("page-with-whole-seconds", item.path, facts=(("created", to_iso(artifact.created)),))
