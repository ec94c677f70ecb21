"""Versions as texts of a scan, sorted into few classes: all builds of a class have the same state for every CVE.

A listed build is a class. A build that is in no table is of one class with those between the same two listed builds of
its branch, so a scan full of invented builds makes no more classes than the table has rows.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from afterpatch.census.columns.coding import Coding
from afterpatch.census.scope import Scope
from afterpatch.knowledge import builds, vulnerabilities
from afterpatch.knowledge.builds import Build, BuildError, Reading
from afterpatch.knowledge.vulnerabilities import Vulnerability

ONLINE, NOTHING = -2, -1
ONLINE_PLACE, NOTHING_PLACE, FIRST_PLACE = 0, 1, 2  # rows of States
STATES = ("open", "unknown", "fixed", "not-affected")
LEAST = 1 << 60  # in what builds are compared by: exact readings go before the others
_LONGEST, _AT_ONCE = 64, 1 << 18
_LIKELY = re.compile("[^0-9]{0,16}[0-9]")

Flags = npt.NDArray[np.bool_]
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
        """(class number, what builds are compared by) of a version text; ONLINE for Exchange Online; None for no build."""
        try:
            reading = builds.read(text)
        except BuildError:
            return None
        build = reading.build
        key = (build.major << 40) | (build.minor << 33) | (build.build << 16) | build.revision
        if build.product == builds.ONLINE:
            return ONLINE, key
        precision = "cu" if coarse and reading.precision == "exact" else stated_precision(reading)
        return self._class(build, precision).number, key | (LEAST if precision == "least" else 0)

    def _class(self, build: Build, precision: str) -> VersionClass:
        identity = _identity(build, precision)
        found = self.known.get(identity)
        if found is None:
            found = VersionClass(len(self.known), build, precision, _label(build, precision))
            self.known[identity] = found
        return found


def stated_precision(reading: Reading) -> str:
    """How precise a build in an inventory is: AdminDisplayVersion does not follow security updates, so it says that this
    build or a later one of its cumulative update is installed (`least`)."""
    return "least" if reading.spelling == "admin-display" and reading.precision == "exact" else reading.precision


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
        return ("listed", build, precision)
    return ("between", branch.key, bisect_right([row.build for row in branch.rows], build), precision)


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


@dataclass(slots=True)
class Sorted:
    """The distinct versions of a run sorted in: two rows (exact readings, coarse ones) with a column for each version.
    `places`: the class as a row of `States`; `keys`: what builds are compared by, -1 for no build."""

    places: npt.NDArray[np.int64] = field(default_factory=lambda: np.full((2, 0), NOTHING_PLACE))
    keys: npt.NDArray[np.int64] = field(default_factory=lambda: np.full((2, 0), -1))


def sort_versions(classes: Classes, versions: Coding, *, coarse: bool) -> Sorted:
    """Sorts all distinct versions in. Texts that cannot be builds are passed over without a closer look."""
    found = Sorted(np.full((2, versions.count), NOTHING_PLACE), np.full((2, versions.count), -1))
    for first in range(0, versions.count, _AT_ONCE):
        numbers = np.arange(first, min(first + _AT_ONCE, versions.count))
        for number, text in enumerate(versions.values(numbers), first):
            if len(str(text)) > _LONGEST or _LIKELY.match(str(text)) is None:
                continue
            for row in (0, 1)[: 1 + coarse]:
                sorted_in = classes.of(str(text), bool(row))
                if sorted_in is not None:
                    found.places[row, number], found.keys[row, number] = sorted_in[0] + FIRST_PLACE, sorted_in[1]
    return found


@dataclass(frozen=True, slots=True)
class States:
    """What each class is for each CVE (`cves`): positions in STATES, and whether a further step decides it
    (`conditional`). Row 0: Exchange Online, row 1: no build (everything is unknown), then the classes in their order."""

    cves: tuple[str, ...]
    codes: npt.NDArray[np.int8]
    conditional: Flags

    def of(self, cve: str) -> npt.NDArray[np.int8]:
        """The states of all classes for one CVE."""
        return self.codes[:, self.cves.index(cve)]

    def any_of(self, cves: Collection[str], state: str) -> Flags:
        """The classes that are in a state for at least one of the CVEs."""
        chosen = [place for place, cve in enumerate(self.cves) if cve in cves]
        found: Flags = (self.codes[:, chosen] == STATES.index(state)).any(axis=1)
        found[ONLINE_PLACE] = False
        return found

    def counted(self, counts: npt.NDArray[np.int64], cves: Sequence[str]) -> npt.NDArray[np.int64]:
        """Hosts by value x class as hosts by value x CVE x state."""
        chosen = self.codes[:, [self.cves.index(cve) for cve in cves]]
        matrices = [(chosen == place).astype(np.float64) for place in range(len(STATES))]
        weights = counts.astype(np.float64)
        weights[:, ONLINE_PLACE] = 0
        return np.stack([np.rint(weights @ matrix).astype(np.int64) for matrix in matrices], axis=2)


def make_states(classes: Classes, scope: Scope) -> States:
    """Asks for every class and CVE. CVEs that are closed by the same updates are asked for once."""
    listed = list(classes.known.values())
    codes = np.full((len(listed) + FIRST_PLACE, len(scope.every)), STATES.index("unknown"), np.int8)
    codes[ONLINE_PLACE] = STATES.index("not-affected")
    conditional = np.zeros(codes.shape, bool)
    asked: dict[tuple[object, ...], int] = {}
    for column, known in enumerate(scope.every):
        first = asked.setdefault(_profile(known), column)
        if first == column:
            states = [vulnerabilities.state(known.cve, one.build, one.precision).state for one in listed]
            codes[FIRST_PLACE:, column] = [STATES.index(STATE_CODES.get(state, "unknown")) for state in states]
            conditional[FIRST_PLACE:, column] = [state == "configuration" for state in states]
        codes[:, column], conditional[:, column] = codes[:, first], conditional[:, first]
    return States(tuple(known.cve for known in scope.every), codes, conditional)


def _profile(known: Vulnerability) -> tuple[object, ...]:
    """What decides the states of a CVE: two with the same have the same states on every build."""
    listed = [
        (product, tuple(vulnerabilities.fixes(known.cve, product).items())) for product in vulnerabilities.products_of(known.cve)
    ]
    return known.needs, known.disclosed, tuple(listed)
