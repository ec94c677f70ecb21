"""Versions as texts of a scan, sorted into few classes: all builds of a class have the same state for every CVE.

A listed build is a class. A build that is in no table is of one class with those between the same two listed builds of
its branch, so a scan full of invented builds makes no more classes than the table has rows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from afterpatch.census.scope import Scope
from afterpatch.census.store import Store
from afterpatch.knowledge import builds, vulnerabilities
from afterpatch.knowledge.builds import Build, BuildError

ONLINE, NOTHING = -2, -1
_LONGEST = 64
STATE_CODES = {"open": "open", "closed": "fixed", "not-affected": "not-affected"}


@dataclass(frozen=True, slots=True)
class VersionClass:
    """A class: its number, a build of it, how precise readings of it are, and a label."""

    number: int
    build: Build
    precision: str
    label: str


@dataclass(slots=True)
class Classes:
    """All classes seen so far, by what makes them equal."""

    known: dict[tuple[object, ...], VersionClass] = field(default_factory=dict)

    def of(self, text: str, coarse: bool) -> tuple[int, int] | None:
        """(class number, key to compare builds by) of a version text; ONLINE for Exchange Online; None for no build."""
        try:
            reading = builds.read(text)
        except BuildError:
            return None
        build = reading.build
        key = (build.major << 40) | (build.minor << 33) | (build.build << 16) | build.revision
        if build.product == builds.ONLINE:
            return ONLINE, key
        precision = "cu" if coarse and reading.precision == "exact" else reading.precision
        return self._class(build, precision).number, key

    def _class(self, build: Build, precision: str) -> VersionClass:
        identity = _identity(build, precision)
        found = self.known.get(identity)
        if found is None:
            found = VersionClass(len(self.known), build, precision, _label(build, precision))
            self.known[identity] = found
        return found


def _identity(build: Build, precision: str) -> tuple[object, ...]:
    branch = builds.branch(build)
    if precision == "product":
        return ("product", build.product)
    if branch is None:
        below, newest = builds.branch_below(build)
        return ("outside", build.product, below.key if below else (), newest, precision)
    if precision == "cu":
        return ("cu", branch.key)
    if builds.lookup(build) is not None:
        return ("listed", build)
    return ("between", branch.key, bisect_right([row.build for row in branch.rows], build))


def _label(build: Build, precision: str) -> str:
    if precision == "product" or (precision == "cu" and build.major < 15):
        return f"{build.major}.{build.minor}"
    if precision == "cu":
        return f"{build.major}.{build.minor}.{build.build}"
    if builds.lookup(build) is not None:
        return str(build)
    if builds.branch(build) is None:
        return f"{build.major}.{build.minor}.*" if build.major >= 15 else f"{build.major}.*"
    return f"{build.major}.{build.minor}.{build.build}.*"


def make_classes(store: Store, scope: Scope) -> Classes:
    """Tables `versions` (text, coarse, class, key) and `states` (class, cve, state, conditional, exploited) out of the
    versions in `kinds`. Texts that cannot be builds are left out, without looking at them one by one."""
    classes = Classes()
    found = store.rows(
        "SELECT version, coarse FROM (SELECT version, coarse FROM kinds GROUP BY ALL) "
        "WHERE length(version) <= ? AND version SIMILAR TO '[^0-9]{0,16}[0-9].*'",
        _LONGEST,
    )
    store.fill("versions", "version VARCHAR, coarse BOOLEAN, class INTEGER, key BIGINT", _versions(classes, found))
    store.fill(
        "states", "class INTEGER, cve VARCHAR, state VARCHAR, conditional BOOLEAN, exploited BOOLEAN", _states(classes, scope)
    )
    return classes


def _versions(classes: Classes, found: Iterator[tuple[str, bool]]) -> Iterator[tuple[object, ...]]:
    for version, coarse in found:
        sorted_in = classes.of(version, coarse)
        if sorted_in is not None:
            yield version, coarse, *sorted_in


def _states(classes: Classes, scope: Scope) -> Iterator[tuple[object, ...]]:
    """For each class and CVE. Number NOTHING stands for hosts without a build: everything is unknown."""
    for known in scope.every:
        used = known.cve in scope.used
        yield NOTHING, known.cve, "unknown", False, used
        for one in classes.known.values():
            state = vulnerabilities.state(known.cve, one.build, one.precision).state
            yield one.number, known.cve, STATE_CODES.get(state, "unknown"), state == "configuration", used
