"""Baselines of the user's own: made from install media or a healthy server, and evidence held against them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from afterpatch.assess.files import FileResults, scan_artifacts
from afterpatch.assess.options import Options
from afterpatch.assess.progress import Progress
from afterpatch.assess.scan import ScanResult, context_of, examination_of
from afterpatch.detect.files.item import FileContext, Inventory
from afterpatch.detect.files.metadata import load_table
from afterpatch.detect.files.paths import extensions, file_name, stem_and_extension
from afterpatch.detect.files.views import text_of
from afterpatch.detect.plane.pool import cores
from afterpatch.evidence import Collection, collect, read_bounded
from afterpatch.knowledge import web_paths
from afterpatch.knowledge.baseline import BaselineIndex, baseline
from afterpatch.knowledge.builds import Build
from afterpatch.knowledge.own_baseline import MAX_TEXT, OwnBaseline, OwnFile
from afterpatch.model import Artifact, EvidenceError, Finding, Notice, UsageError, severity_at_least

_ANCHORS = ("\\frontend\\httpproxy\\", "\\clientaccess\\", "\\inetpub\\wwwroot\\")
_KEPT_TEXT = (".js", ".htm", ".html", ".css", ".xml", ".config", ".browser")
LEAST_KNOWN = 20
# what is said about place, name and comparison does not make a file unfit to be a model: its content does
_ABOUT_PLACE = ("places", "stock")


@dataclass(frozen=True, slots=True)
class Made:
    """A new baseline. `left_out`: findings about files that were not taken, because they look like back doors."""

    baseline: OwnBaseline
    left_out: tuple[Finding, ...]
    notices: tuple[Notice, ...]
    files: int


def web_artifacts(collection: Collection) -> list[Artifact]:
    """The files of web folders, by their place below the Exchange folder or the site's root."""
    return [each for each in collection.artifacts if web_paths.path_key(each.path).startswith(_ANCHORS) and each.size]


def make(paths: Sequence[str], options: Options, progress: Progress, build: str = "") -> Made:
    """A baseline of the web files below some paths. Raises UsageError where there are none, or the build is no build."""
    if build and Build.try_parse(build) is None:
        raise UsageError(f"--build {build}: not a build number; write 15.2.1118.40.")
    collection = collect(paths)
    artifacts = [replace(each, kind="web-file") for each in web_artifacts(collection)]
    if not artifacts:
        raise UsageError("no web files of Exchange below these paths (FrontEnd\\HttpProxy, ClientAccess, inetpub\\wwwroot).")
    context = context_of(collection, options, signatures=True)[0]
    results = scan_artifacts([artifacts], [context], jobs=options.jobs or cores(), progress=progress)
    bad = _unfit(results)
    refused = {each.artifact for each in results.found if each.finding.id in {finding.id for finding in bad}}
    taken = [each for each in artifacts if each.index in results.hashes and each.index not in refused]
    files = [_file(each, results.hashes[each.index]) for each in taken]
    known = build or _text(guess_build(((each.path, each.sha256) for each in files), baseline()))
    source = ", ".join(PurePath(path).name or path for path in paths)
    notices = (*collection.notices, *results.notices)
    return Made(OwnBaseline.of(files, known, source), tuple(bad), notices, len(files))


def _text(build: Build | None) -> str:
    return "" if build is None else str(build)


def _unfit(results: FileResults) -> list[Finding]:
    about_place = {name for table in _ABOUT_PLACE for name in load_table(table)}
    found = [each.finding for each in results.found if each.finding.detection not in about_place]
    return [each for each in found if severity_at_least(each.severity, "high")]


def _file(artifact: Artifact, digest: str) -> OwnFile:
    extension = stem_and_extension(file_name(artifact.path))[1]
    text = ""
    if (extension in extensions("server") or extension in _KEPT_TEXT) and artifact.size <= MAX_TEXT:
        try:
            text = text_of(read_bounded(artifact.locator, MAX_TEXT)[0])
        except (EvidenceError, OSError):
            text = ""
    return OwnFile(web_paths.path_key(artifact.path), digest, artifact.size, text)


def guess_build(files: Iterable[tuple[str, str]], shipped: BaselineIndex) -> Build | None:
    """The build that most of some (path, sha256) belong to; None where two fit equally, or too few are known."""
    fits: Counter[Build] = Counter()
    known = 0
    for path, digest in files:
        held = shipped.lookup(path)
        builds = held.versions.get(digest) if held is not None else None
        if builds:
            known += 1
            fits.update(builds)
    best = fits.most_common(2)
    if known < LEAST_KNOWN or not best or best[0][1] * 2 < known:
        return None
    return best[0][0] if len(best) == 1 or best[0][1] > best[1][1] else None


@dataclass(frozen=True, slots=True)
class Checked:
    """What the comparison gave. `same`: files with the content that belongs there; `compared`: files of known paths."""

    result: ScanResult
    same: int
    compared: int
    missing: tuple[str, ...]
    build: str


def check(paths: Sequence[str], options: Options, progress: Progress) -> Checked:
    """Holds evidence against the user's baselines and the shipped one: changed files, and pages where none belongs."""
    collection = collect(paths)
    context, notices = context_of(collection, options, signatures=False)
    artifacts = web_artifacts(collection)
    results = scan_artifacts([artifacts], [context], jobs=options.jobs or cores(), progress=progress)
    digests = {each.path: results.hashes[each.index] for each in artifacts if each.index in results.hashes}
    build = _text(guess_build(digests.items(), baseline()))
    if build:  # once more, now that it is known which build the files are of
        again, _same = context_of(collection, options, signatures=False, build=build)
        results = scan_artifacts([artifacts], [again], jobs=options.jobs or cores(), progress=progress)
    wanted = {name for table in _ABOUT_PLACE for name in load_table(table)}
    results.found = [each for each in results.found if each.finding.detection in wanted]
    same, compared = _counted(digests, context)
    result = examination_of(collection, results, notices)
    return Checked(result, same, compared, _missing(context, collection), build)


def _counted(digests: Mapping[str, str], context: FileContext) -> tuple[int, int]:
    same = compared = 0
    for path, digest in digests.items():
        own = context.own.lookup(path) if context.own is not None else ()
        shipped = context.baseline.lookup(path) if context.baseline is not None else None
        if own or shipped is not None:
            compared += 1
            same += any(each.sha256 == digest for each in own) or (shipped is not None and digest in shipped.versions)
    return same, compared


def _missing(context: FileContext, collection: Collection) -> tuple[str, ...]:
    """Files of the user's baseline whose folder was collected and which are not in it."""
    if context.own is None:
        return ()
    inventory = Inventory.of(each.path for each in collection.artifacts)
    return tuple(path for path in sorted(context.own.files) if inventory.holds(path) is False)
