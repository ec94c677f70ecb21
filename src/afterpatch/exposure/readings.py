"""One dated reading of a server's build, from each place that can tell it.

Places and how far each can be trusted: see BASES. Headers of Exchange logs and version columns give the running build
with its security update; ECP server and SMTP logs write a fixed 15.0.0.0, which is no build. Paths, registry values and
setup logs stay at the cumulative update (sources: `docs/exposure.md`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from afterpatch.knowledge import builds
from afterpatch.knowledge.baseline import baseline
from afterpatch.knowledge.builds import Build, BuildError
from afterpatch.parsers.setuplog import SetupRun

# basis -> the best precision it can have. What the number of parts allows may be less.
BASES: Mapping[str, str] = MappingProxyType(
    {
        "setup": "cu",
        "log-header": "exact",
        "log-column": "exact",
        "ecp-bld": "exact",
        "schema-version": "exact",
        "owa-header": "exact",
        "update": "exact",  # an entry of Windows Update, the installer or the uninstall list, by its KB number
        "crash-report": "exact",  # MSExchange Common 4999
        "file-version": "exact",  # ExSetup.exe; other libraries prove a least build
        "file-baseline": "exact",
        "installer": "cu",  # MsiInstaller 1033 and the product version of its other events
        "owa-path": "cu",
        "iis-location": "cu",
        "folder": "cu",  # ClientAccess\\owa\\prem\\15.1.2176.9, FrontEnd\\HttpProxy\\owa\\auth\\15.1.2176
        "registry": "cu",
        "display-version": "cu",
    }
)
PRECISIONS = ("product", "cu", "least", "exact")
_OWA_PATH = re.compile(
    r"/(?:owa|ecp)/(?:auth/|prem/)?(\d{1,2}\.\d{1,2}\.\d{1,5}(?:\.\d{1,5})?)(?=/|\Z)", re.IGNORECASE | re.ASCII
)


@dataclass(frozen=True, slots=True, order=True)
class Reading:
    """A build seen at a time. `precision`: exact | least (this build or a later one of its branch) | cu | product;
    `basis`: a key of BASES; `path`: the artifact."""

    time: datetime
    build: Build
    precision: str
    basis: str
    path: str = ""


def reading(text: str, time: datetime | None, basis: str, path: str = "") -> Reading | None:
    """A reading from any spelling, or None where the text is no build or the time is not known."""
    if time is None:
        return None
    try:
        found = builds.read(text)
    except BuildError:
        return None
    if found.build.parts < 3 or found.build.product == builds.ONLINE:
        return None
    return Reading(time, found.build, least(found.precision, BASES[basis]), basis, path)


def least(first: str, second: str) -> str:
    """The coarser of two precisions."""
    return min(first, second, key=PRECISIONS.index)


def from_columns(fields: Mapping[str, str], time: datetime | None, path: str = "") -> Reading | None:
    """The four version columns of HttpProxy, Rps_Http and EWS rows (MajorVersion ... RevisionVersion)."""
    names = ("MajorVersion", "MinorVersion", "BuildVersion", "RevisionVersion")
    parts = [fields.get(name, "").strip() for name in names]
    return reading(".".join(parts), time, "log-column", path) if all(parts) else None


def from_owa_path(stem: str, time: datetime | None, path: str = "") -> Reading | None:
    """The build folder in a request path (`/owa/auth/15.1.2176/`). It stays at the cumulative update, and any client
    can ask for any path: callers pass answered requests only (status 200 or 304)."""
    found = _OWA_PATH.search(stem[:2000])
    return reading(found[1], time, "owa-path", path) if found else None


def from_locations(locations: Iterable[tuple[str, int]], time: datetime | None, path: str) -> list[Reading]:
    """Build folders among the location paths of applicationHost.config; several can stand side by side."""
    found = []
    for location, _line in locations:
        one = reading(location.rpartition("/")[2], time, "iis-location", path)
        if one is not None:
            found.append(one)
    return sorted(set(found))


def from_setup(runs: Iterable[tuple[str, SetupRun]]) -> Iterator[Reading]:
    """What each finished run of setup left, and what it found before it began."""
    for path, run in runs:
        before = reading(run.installed_version, run.started, "setup", path) if run.installed_version else None
        if before is not None and not _fresh(run):
            yield before
        if run.failed or not run.changes_build:
            continue
        after = reading(run.version, run.ended or run.last or run.started, "setup", path)
        if after is not None:
            yield after


def _fresh(run: SetupRun) -> bool:
    return run.mode.lower() == "install" and run.installed_version == run.version


def from_update(kb: str, near: Build, time: datetime | None, path: str = "") -> Reading | None:
    """A security update by its KB number, inside the branch of `near` (a reading of the cumulative update)."""
    row = builds.build_for_kb(kb, near)
    return Reading(time, row.build, "exact", "update", path) if row is not None and time is not None else None


def from_versions(versions: Iterable[tuple[str, str]], time: datetime | None) -> Reading | None:
    """File versions of Exchange's own programs: (path, version). ExSetup.exe bears the server's build (HealthChecker
    reads it there); a security update replaces some libraries only, so without it the highest version is a least build."""
    read = [(path, builds.Build.try_parse(version)) for path, version in versions]
    known = [(build, path) for path, build in read if build is not None and build.parts == 4]
    if time is None or not known:
        return None
    own = [one for one in known if one[1].lower().endswith("\\exsetup.exe")]
    build, path = max(own or known)
    return Reading(time, build, "exact" if own else "least", "file-version", path)


def from_baseline(candidates: Sequence[Sequence[Build]], time: datetime | None, path: str = "") -> Reading | None:
    """Shipped files whose content is known: `candidates` holds, for each file, the builds that ship that content.

    The builds all files agree on decide: several of one branch give the cumulative update. A single one is a least
    build where the baseline lacks a later update of its branch, which may ship the same files; else it is exact. Files
    that no build explains together (an update copied by hand) give None."""
    if time is None or not candidates:
        return None
    common = set(candidates[0]).intersection(*candidates[1:])
    keys = {builds.branch_key(one) for one in common}
    if len(keys) != 1:
        return None
    lowest = min(common)
    if len(common) > 1:
        return Reading(time, Build(lowest.major, lowest.minor, lowest.build, parts=3), "cu", "file-baseline", path)
    branch = builds.branch(lowest)
    later = [row.build for row in branch.rows if row.build > lowest] if branch is not None else []
    whole = all(baseline().covers(one) for one in later)
    return Reading(time, lowest, "exact" if whole else "least", "file-baseline", path)


def installed_at(runs: Iterable[tuple[str, SetupRun]]) -> datetime | None:
    """When Exchange was first installed, where a setup log tells it."""
    times = [
        run.ended or run.started
        for _path, run in runs
        if run.mode.lower() == "install" and not run.failed and (run.ended or run.started)
    ]
    return min((time for time in times if time is not None), default=None)
