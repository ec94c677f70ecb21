"""Looks at the files of each server: web roots, staging places, compiled traces, configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afterpatch.assess.doubles import in_shadow
from afterpatch.assess.options import Options
from afterpatch.detect.files.compiled import temp_application, trace_of
from afterpatch.detect.files.driver import analyse_file, analyse_server, as_finding
from afterpatch.detect.files.item import CheckFailure, Facts, FileContext, FileFinding, FileItem, Inventory
from afterpatch.detect.files.paths import is_server_page
from afterpatch.detect.files.registry import SERVER_DETECTIONS, broken_detections
from afterpatch.detect.files.times import folder_times
from afterpatch.detect.plane.pool import run_tasks
from afterpatch.detect.yara.compile import compile_rules
from afterpatch.evidence import open_locator
from afterpatch.knowledge import own_baseline
from afterpatch.knowledge.baseline import baseline
from afterpatch.knowledge.indicators import Matcher
from afterpatch.knowledge.web_paths import path_key
from afterpatch.model import Artifact, EvidenceError, Finding, Notice

if TYPE_CHECKING:
    from afterpatch.assess.configuration import RootConfiguration
    from afterpatch.assess.server import Server
    from afterpatch.detect.plane.tally import LogScan

FILE_KINDS = frozenset(
    (
        "web-file",
        "web-config",
        "compiled",
        "compiled-assembly",
        "server-library",
        "suspicious-place",
        "agents-config",
        "iis-config",
        "iis-config-history",
    )
)
SERVER_KINDS = frozenset(kind for kinds in SERVER_DETECTIONS.values() for kind in kinds) | {"iis-config"}
MAX_CONTENT = 4 << 20
MAX_COPY = 512 * 1024
BLOCK = 1 << 20
BATCH_FILES, BATCH_BYTES = 200, 16 << 20
PER_FILE = 16 << 10  # what looking at any file costs, in bytes of content


@dataclass(frozen=True, slots=True)
class Found:
    """A finding about a file, as the check gave it and as the examination holds it."""

    server: int
    artifact: int
    check: FileFinding
    finding: Finding


@dataclass(slots=True)
class FileResults:
    """What the files gave. `failed`: detection -> files on which it broke. `looked_at`: artifacts that were read.
    `unjudged`: server -> shipped pages whose content could not be compared, because the build is not in the baseline."""

    found: list[Found] = field(default_factory=list)
    hashes: dict[int, str] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    failed: dict[str, int] = field(default_factory=dict)
    looked_at: set[int] = field(default_factory=set)
    unjudged: dict[int, int] = field(default_factory=dict)
    interrupted: bool = False


@dataclass(slots=True)
class _State:
    contexts: list[FileContext]


@dataclass(frozen=True, slots=True)
class _Batch:
    server: int
    artifacts: tuple[Artifact, ...]


@dataclass(slots=True)
class _BatchResult:
    found: list[Found] = field(default_factory=list)
    hashes: dict[int, str] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    failed: list[CheckFailure] = field(default_factory=list)
    unjudged: int = 0


def is_looked_at(artifact: Artifact) -> bool:
    """Whether the checks read a file: those of known kinds, and server pages wherever they lie, such as loose copies."""
    if artifact.kind in FILE_KINDS:
        return True
    return artifact.kind == "other" and is_server_page(artifact.path.rpartition("\\")[2])


def copies_of(artifacts: Iterable[Artifact]) -> dict[str, tuple[Artifact, ...]]:
    """Path that servers share -> the pages of the evidence that lie there, where there are several: what a changed one is
    compared with."""
    found: dict[str, list[Artifact]] = {}
    for artifact in artifacts:
        if artifact.kind == "web-file" and 0 < artifact.size <= MAX_COPY:
            found.setdefault(path_key(artifact.path), []).append(artifact)
    return {path: tuple(held) for path, held in found.items() if len(held) > 1}


def compiled_at(artifact: Artifact) -> tuple[str, datetime | None]:
    """(URL in lower case, time) of a compiled page's record, by its name and the server's own time; ("", None) else."""
    if artifact.kind != "compiled" or not artifact.times_original:
        return "", None
    context = FileContext()
    application = temp_application(artifact.path, context)
    trace = trace_of(FileItem(artifact, b"", False, "", 0), application, context) if application is not None else None
    return (trace.url.lower() if trace is not None else ""), artifact.created


def first_uses(server: Server, scans: Mapping[int, LogScan]) -> dict[str, datetime]:
    """URL in lower case -> when a page was first answered, and where ASP.NET compiled it earlier, then that."""
    found: dict[str, datetime] = {}
    for artifact in server.artifacts:
        scan = scans.get(artifact.index)
        for use in scan.pages.values() if scan is not None else ():
            if use.side != "back" and use.answered and use.first_answered is not None:
                page = use.page.lower()
                found[page] = min(found.get(page, use.first_answered), use.first_answered)
        url, moment = compiled_at(artifact)
        if url and moment is not None:
            found[url] = min(found.get(url, moment), moment)
    return found


def facts_of(server: Server, configuration: Mapping[str, RootConfiguration], build: str) -> Facts:
    """What the checks may know of a server. `build`: the last that its logs name."""
    # Files alone (`scan`) need none of these, which load the readers of logs.
    from afterpatch.assess.configuration import install_hints
    from afterpatch.assess.server import install_path

    folders: dict[str, str] = {}
    hints: list[str] = []
    temp: list[str] = []
    for root in sorted(server.roots):
        if root in configuration:
            folders |= configuration[root].folders
            hints += install_hints(configuration[root])
            temp += configuration[root].temp_folders
    return Facts(
        install_path=install_path(server.artifacts, hints),
        web_roots={url: path for url, path in folders.items() if not url.startswith("back:")},
        build=build,
        temp_folders=tuple(temp),
    )


def back_roots(server: Server, configuration: Mapping[str, RootConfiguration]) -> dict[str, str]:
    """Address on the back-end site -> folder, as the configuration of the server's roots says."""
    found: dict[str, str] = {}
    for root in sorted(server.roots):
        if root in configuration:
            found |= {u.removeprefix("back:"): p for u, p in configuration[root].folders.items() if u.startswith("back:")}
    return found


def scan_files(
    servers: Sequence[Server],
    configuration: Mapping[str, RootConfiguration],
    scans: Mapping[int, LogScan],
    builds: Sequence[str],
    options: Options,
    matcher: Matcher,
    *,
    jobs: int,
    progress: Any,
) -> FileResults:
    """Runs the file checks over every server. `builds`: for each, the last that its logs name."""
    results = FileResults()
    rules = None
    if any(is_looked_at(artifact) for server in servers for artifact in server.artifacts):
        rules, refused = compile_rules([Path(folder) for folder in options.yara])
        results.notices += refused
    own = own_baseline.joined([own_baseline.load(path) for path in options.baselines])
    copies = copies_of(artifact for server in servers for artifact in server.artifacts)
    contexts = [
        FileContext(
            facts=facts_of(server, configuration, build),
            baseline=baseline(),
            indicators=matcher,
            inventory=Inventory.of(artifact.path for artifact in server.artifacts if not in_shadow(artifact)),
            rules=rules,
            own=own,
            copies=copies,
            first_uses=first_uses(server, scans),
            folder_times=folder_times(server.artifacts, baseline()),
        )
        for server, build in zip(servers, builds, strict=True)
    ]
    found = scan_artifacts([server.artifacts for server in servers], contexts, jobs=jobs, progress=progress)
    found.notices[:0] = results.notices
    return found


def scan_artifacts(
    groups: Sequence[Sequence[Artifact]], contexts: Sequence[FileContext], *, jobs: int, progress: Any
) -> FileResults:
    """Runs the file checks over groups of artifacts, each with its own context."""
    results = FileResults()
    batches = [batch for number, members in enumerate(groups) for batch in _batches(number, members)]
    weights = [sum(min(artifact.size, MAX_CONTENT) + PER_FILE for artifact in batch.artifacts) for batch in batches]
    progress.start("progress.files", sum(weights))
    state = _State(list(contexts))
    outcome: Any = run_tasks(_work, batches, weights, jobs=jobs, state=state, make_state=lambda: state, progress=progress.step)
    results.interrupted = outcome.interrupted
    for position in sorted(outcome.results):
        _merge(results, batches[position].server, outcome.results[position])
    if not results.interrupted:
        for number, members in enumerate(groups):
            _merge(results, number, _together(number, members, contexts[number]))
    for position in outcome.died:
        results.notices += [Notice(each.shown, "", "notice.worker-died") for each in batches[position].artifacts]
    return results


def _merge(results: FileResults, server: int, batch: _BatchResult) -> None:
    results.found += batch.found
    results.hashes |= batch.hashes
    results.looked_at |= set(batch.hashes)
    results.notices += batch.notices
    results.unjudged[server] = results.unjudged.get(server, 0) + batch.unjudged
    for failure in batch.failed:
        results.notices.append(Notice(failure.path, "", f"notice.check-failed: {failure.detection} {failure.reason}"))
        for name in broken_detections([failure]):
            results.failed[name] = results.failed.get(name, 0) + 1


def _together(number: int, artifacts: Sequence[Artifact], context: FileContext) -> _BatchResult:
    """The checks that compare several files of a server."""
    result = _BatchResult()
    read: dict[str, FileItem] = {}

    def items() -> Iterable[FileItem]:
        for artifact in artifacts:
            if artifact.kind not in SERVER_KINDS:
                continue
            try:
                item = read_item(artifact)
            except (EvidenceError, OSError):
                continue  # noticed when the file was looked at alone
            read.setdefault(item.path, replace(item, content=b""))
            yield item

    for check in analyse_server(items(), context):
        item = read.get(check.path)
        if item is not None:
            result.found.append(Found(number, item.artifact.index, check, as_finding(check, item)))
    _take(result, context, (0, 0, 0))
    return result


def _take(result: _BatchResult, context: FileContext, before: tuple[int, int, int]) -> None:
    """Moves what the checks left in the context since `before` into the result."""
    result.notices += context.notices[before[0] :]
    result.failed += context.failures[before[1] :]
    result.unjudged += context.unjudged - before[2]
    del context.notices[before[0] :], context.failures[before[1] :]
    context.unjudged = before[2]


def _batches(number: int, artifacts: Sequence[Artifact]) -> Iterable[_Batch]:
    members: list[Artifact] = []
    size = 0
    for artifact in artifacts:
        if not is_looked_at(artifact):
            continue
        members.append(artifact)
        size += min(artifact.size, MAX_CONTENT)
        if len(members) >= BATCH_FILES or size >= BATCH_BYTES:
            yield _Batch(number, tuple(members))
            members, size = [], 0
    if members:
        yield _Batch(number, tuple(members))


def _work(state: _State, batch: _Batch) -> _BatchResult:
    context = state.contexts[batch.server]
    result = _BatchResult()
    before = len(context.notices), len(context.failures), context.unjudged
    for artifact in batch.artifacts:
        try:
            item = read_item(artifact)
        except (EvidenceError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            result.notices.append(Notice(artifact.shown, "", f"notice.unreadable: {reason}"))
            continue
        result.hashes[artifact.index] = item.sha256
        for check in analyse_file(item, context):
            result.found.append(Found(batch.server, artifact.index, check, as_finding(check, item)))
    _take(result, context, before)
    return result


def read_item(artifact: Artifact) -> FileItem:
    """The file's head and its hash. Raises EvidenceError or OSError where it cannot be read."""
    digest = hashlib.sha256()
    head, size = bytearray(), 0
    with open_locator(artifact.locator) as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
            size += len(block)
            if len(head) < MAX_CONTENT:
                head += block[: MAX_CONTENT - len(head)]
    return FileItem(artifact, bytes(head), size > len(head), digest.hexdigest(), size)
