"""Exchange builds: every spelling read, compared as four integers, named from a shipped table.

Sources of the table: see the head of `data/builds.csv`. Spellings: `15.1.2176.9`, `15.01.2176.009` (heads of logs),
`Version 15.1 (Build 32176.9)` (AdminDisplayVersion, which adds 30000), three parts (paths), and the back-end version
integer of HttpProxy logs (`BEVersion-1942063431`).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from typing import NamedTuple

from afterpatch.knowledge.data_files import table

ONLINE = "Exchange Online"
# 15.2 stands for two products: Exchange SE starts at this third part, and is 2019 under a new name.
SE_FIRST = 2562
_PRODUCTS = {
    (6, 5): "Exchange 2003",
    (8, 0): "Exchange 2007",
    (8, 1): "Exchange 2007",
    (8, 2): "Exchange 2007",
    (8, 3): "Exchange 2007",
    (14, 0): "Exchange 2010",
    (14, 1): "Exchange 2010",
    (14, 2): "Exchange 2010",
    (14, 3): "Exchange 2010",
    (15, 0): "Exchange 2013",
    (15, 1): "Exchange 2016",
    (15, 2): "Exchange 2019",
    (15, 20): ONLINE,
}
_DOTTED = re.compile(r"(?:[Vv]ersion )?(\d{1,5}(?:\.\d{1,5}){1,3})\Z", re.ASCII)
_ADMIN = re.compile(r"[Vv]ersion (\d{1,3})\.(\d{1,3}) ?\([Bb]uild (\d{1,5})(?:\.(\d{1,5}))?\)\Z", re.ASCII)
_INTEGER = re.compile(r"(?:BEVersion-)?(\d{10})\Z", re.ASCII)
_LONGEST = 64
_ADMIN_OFFSET = 30000


class BuildError(ValueError):
    """The text is no Exchange build. `reason` is a short sentence without the text."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True, order=True)
class Build:
    """Four integers, compared as integers. `parts` is how many of them the reading gave (2, 3 or 4): `15.1.2176` is
    not the same reading as `15.1.2176.0`."""

    major: int
    minor: int
    build: int = 0
    revision: int = 0
    parts: int = 4

    @property
    def precision(self) -> str:
        """exact | cu | product: what the number of parts allows to say (fingerprint classes)."""
        return {4: "exact", 3: "cu"}.get(self.parts, "product")

    @property
    def product(self) -> str:
        """The product's name by major and minor version; two-part 15.2 is `Exchange 2019`."""
        if (self.major, self.minor) == (15, 2) and self.build >= SE_FIRST:
            return "Exchange SE"
        return _PRODUCTS.get((self.major, self.minor), "")

    def __str__(self) -> str:
        return ".".join(str(part) for part in (self.major, self.minor, self.build, self.revision)[: self.parts])

    @classmethod
    def parse(cls, text: str) -> Build:
        """Any spelling. Raises BuildError where it is none."""
        return read(text).build

    @classmethod
    def try_parse(cls, text: str) -> Build | None:
        """Any spelling, or None."""
        try:
            return read(text).build
        except BuildError:
            return None


class Reading(NamedTuple):
    """A build and how far its spelling can be trusted: AdminDisplayVersion and the back-end version integer stay at
    the cumulative update, so their precision is `cu` also where four parts are written."""

    build: Build
    precision: str
    spelling: str  # dotted | admin-display | integer


@lru_cache(maxsize=4096)
def read(text: str) -> Reading:
    """Reads any spelling. Raises BuildError."""
    text = text.strip()
    if not text:
        raise BuildError("empty")
    if len(text) > _LONGEST:
        raise BuildError("too long for a build")
    reading = _read_dotted(text) or _read_admin(text) or _read_integer(text)
    if reading is None:
        raise BuildError("not written like a build")
    if not reading.build.product:
        raise BuildError("not a version of Exchange")
    if reading.build.parts > 2 and reading.build.build == 0:  # `Version 15.0 (Build 0.0)` stands in logs for "any"
        raise BuildError("no build number in it")
    return reading


def _read_dotted(text: str) -> Reading | None:
    match = _DOTTED.match(text)
    if match is None:
        return None
    numbers = [int(part) for part in match.group(1).split(".")]
    major, minor, third, fourth = [*numbers, 0, 0][:4]
    build = Build(major, minor, third, fourth, parts=len(numbers))
    return Reading(build, build.precision, "dotted")


def _read_admin(text: str) -> Reading | None:
    match = _ADMIN.match(text)
    if match is None:
        return None
    number, revision = int(match.group(3)), match.group(4)
    offset = number >= _ADMIN_OFFSET
    build = Build(
        int(match.group(1)),
        int(match.group(2)),
        number - _ADMIN_OFFSET if offset else number,
        int(revision or 0),
        parts=3 if revision is None else 4,
    )
    return Reading(build, "cu" if offset else build.precision, "admin-display")


def _read_integer(text: str) -> Reading | None:
    """major<<22 | minor<<16 | build in the low 15 bits, under a fixed high mark (checked against real log lines)."""
    match = _INTEGER.match(text)
    if match is None:
        return None
    value = int(match.group(1))
    if value >> 28 != 7:
        raise BuildError("not a back-end version integer")
    return Reading(Build((value >> 22) & 63, (value >> 16) & 63, value & 0x7FFF, parts=3), "cu", "integer")


@dataclass(frozen=True, slots=True)
class BuildRow:
    """One published update. `su` is "" for the cumulative update itself; `released` may be inferred (`date_basis`)."""

    build: Build
    product: str
    cu: str
    su: str
    type: str
    released: date
    date_basis: str
    kb: str
    origin: str
    note: str

    @property
    def disputed(self) -> bool:
        """Whether the origins give this update different builds."""
        return self.note.startswith("disputed")


@dataclass(frozen=True, slots=True)
class Branch:
    """A cumulative update with its security updates. `key` is three integers (15.x) or two (14.x: a service pack)."""

    key: tuple[int, ...]
    product: str
    cu: str
    rows: tuple[BuildRow, ...]

    @property
    def first(self) -> Build:
        """The build of the cumulative update itself."""
        return self.rows[0].build

    @property
    def last(self) -> Build:
        """The highest build known when the table was made."""
        return self.rows[-1].build


class Description(NamedTuple):
    """Names of a build. `precision`: exact | unlisted (four parts, not in the table) | cu | product."""

    product: str
    cu: str
    su: str
    precision: str


@cache
def rows() -> tuple[BuildRow, ...]:
    """All rows, sorted by build."""
    return tuple(_row(row) for row in table("builds.csv"))


def _row(row: Mapping[str, str]) -> BuildRow:
    build = Build(*(int(part) for part in row["build"].split(".")))
    released = date.fromisoformat(row["released"])
    text = {name: row[name] for name in ("product", "cu", "su", "type", "date_basis", "kb", "origin", "note")}
    return BuildRow(build=build, released=released, **text)


@cache
def _by_build() -> dict[Build, BuildRow]:
    return {row.build: row for row in rows()}


def branch_key(build: Build) -> tuple[int, ...]:
    """What builds of one branch share: 14.x is branched by service pack, 15.x by cumulative update."""
    numbers = (build.major, build.minor, build.build)
    return numbers[:2] if build.major < 15 else numbers


@cache
def branches() -> dict[tuple[int, ...], Branch]:
    """All branches by key, in the order of their builds."""
    grouped: dict[tuple[int, ...], list[BuildRow]] = {}
    for row in rows():
        grouped.setdefault(branch_key(row.build), []).append(row)
    return {key: _branch(key, group) for key, group in grouped.items()}


def _branch(key: tuple[int, ...], group: list[BuildRow]) -> Branch:
    """A preview can share its first parts with the release: the branch is then the release. Rows of Exchange 2010 name
    the update rollup with the service pack: the branch is the service pack."""
    kept = tuple(row for row in group if row.cu != "Preview") or tuple(group)
    cu = kept[0].cu.split(" ")[0] if key[0] < 15 else kept[0].cu
    return Branch(key, kept[0].product, cu, kept)


def lookup(build: Build) -> BuildRow | None:
    """The row of exactly this build, or None. A three-part reading has no row."""
    return _by_build().get(build) if build.parts == 4 else None


def branch(build: Build) -> Branch | None:
    """The branch a build belongs to by its first parts, or None where the table has no such branch."""
    return branches().get(branch_key(build)) if build.parts >= 3 else None


def range_of_branch(build: Build) -> tuple[Build, Build] | None:
    """The lowest and highest known build of the branch, or None."""
    found = branch(build)
    return (found.first, found.last) if found else None


def neighbours(build: Build) -> tuple[BuildRow | None, BuildRow | None]:
    """The rows of the same branch just below and above a build that has no row of its own."""
    found = branch(build)
    if found is None:
        return None, None
    below = [row for row in found.rows if row.build < build]
    above = [row for row in found.rows if row.build > build]
    return (below[-1] if below else None), (above[0] if above else None)


def describe(build: Build) -> Description:
    """Names of a build. Nothing is rounded: without a row of its own a build has no `su`."""
    found, row = branch(build), lookup(build)
    if row is not None and found is not None:
        return Description(row.product, row.cu, row.su, "exact")
    precision = {"exact": "unlisted"}.get(build.precision, build.precision)
    return Description(build.product, found.cu if found else "", "", precision)


def build_for_kb(kb: str, near: Build) -> BuildRow | None:
    """The row a security update's KB number means inside the branch of `near` (an Uninstall entry plus a CU-level
    reading give an exact build). None where the branch has no such KB or two builds claim it."""
    found = branch(near)
    wanted = "KB" + re.sub(r"\D", "", kb)
    matches = [row for row in found.rows if row.kb == wanted] if found else []
    return matches[0] if len(matches) == 1 else None


def branch_named(product: str, cu: str) -> Branch | None:
    """The branch of a product by its cumulative update (`Exchange 2016`, `CU19`), or None."""
    wanted = (product.lower(), cu.lower())
    return next((one for one in branches().values() if (one.product.lower(), one.cu.lower()) == wanted), None)


def last_update(product: str) -> date | None:
    """When the newest known update of a product came out, or None for a product that is not in the table."""
    dates = [row.released for row in rows() if row.product == product]
    return max(dates) if dates else None


@cache
def _keys_of(major: int, minor: int) -> tuple[tuple[int, ...], ...]:
    return tuple(key for key in branches() if key[:2] == (major, minor))


def branch_below(build: Build) -> tuple[Branch | None, bool]:
    """The highest known branch of the product below a build outside all branches, and whether it is the newest one
    (the build is then of a cumulative update that came out after the table was made)."""
    keys = _keys_of(build.major, build.minor)
    position = bisect_left(keys, branch_key(build))
    return (branches()[keys[position - 1]] if position else None), bool(keys) and position == len(keys)
