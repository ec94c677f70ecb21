r"""The stock web files: which file, with which content, belongs to which build.

The baseline ends in March 2021 (2013 CU23, 2016 CU20, 2019 CU9). For a later build a path it knows is still a stock
path, but a hash it does not know proves nothing: the file may just be newer. It also proves nothing for `.config`
files, which setup and administrators write into. `proves_change` says when `changed` may be said aloud.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from afterpatch.knowledge import web_paths
from afterpatch.knowledge.builds import Build
from afterpatch.knowledge.data_files import data_path, table

STATES = ("stock", "stock-other-build", "changed", "unknown-path")
_HASH = 32


@dataclass(frozen=True, slots=True)
class Known:
    r"""A stock file: path below the install folder (`\frontend\...`), and sha256 (hex) -> builds that ship it so."""

    path: str
    versions: Mapping[str, tuple[Build, ...]]

    def builds(self) -> tuple[Build, ...]:
        """All builds that ship a file of this path, sorted."""
        return tuple(sorted({build for group in self.versions.values() for build in group}))


class BaselineIndex:
    """Answers by path, unpacking only what is asked for. One instance is enough: `baseline()`."""

    __slots__ = ("_builds", "_hashes", "_places", "_sets")

    def __init__(self, data: bytes) -> None:
        head, _, body = data.partition(b"data\n")
        size = int(head.rsplit(b"block ", 1)[1])
        lines = zlib.decompress(body[:size]).decode("ascii").split("\n")
        self._hashes = body[size:]
        self._builds = tuple(Build.parse(text) for text in lines[0].split(" "))
        self._sets = lines[1].split(" ")
        self._places: dict[str, tuple[int, str]] = {}
        position = 0
        for line in lines[2:]:
            path, _, sets = line.partition("\t")
            self._places[path] = (position, sets)
            position += sets.count(",") + 1

    def lookup(self, path: str) -> Known | None:
        """The stock file of a path, given below the install folder or as the server's whole path; None if unknown."""
        key = web_paths.path_key(path)
        place = self._places.get(key)
        if place is None:
            return None
        first, sets = place
        versions = {
            self._hashes[(first + step) * _HASH : (first + step + 1) * _HASH].hex(): self._members(int(number))
            for step, number in enumerate(sets.split(","))
        }
        return Known(key, versions)

    def _members(self, number: int) -> tuple[Build, ...]:
        mask = int(self._sets[number], 16)
        return tuple(build for place, build in enumerate(self._builds) if mask >> place & 1)

    def knows_path(self, path: str) -> bool:
        """Whether any build of the baseline ships a file of this path."""
        return web_paths.path_key(path) in self._places

    def paths(self) -> tuple[str, ...]:
        """All stock paths, sorted."""
        return tuple(self._places)

    def builds(self) -> tuple[Build, ...]:
        """The builds the baseline holds, sorted. Some are not in the table of published builds."""
        return self._builds

    def covers(self, build: Build) -> bool:
        """Whether the baseline holds the files of exactly this build."""
        return build in self._builds

    def status(self, path: str, sha256: str, build: Build | None = None) -> str:
        """One of STATES. stock: this content belongs to the build (to any, where no build is given). stock-other-build:
        Microsoft shipped this content, but not with this build (usual for builds the baseline does not hold). changed:
        a stock path with unknown content (see `proves_change`)."""
        known = self.lookup(path)
        if known is None:
            return "unknown-path"
        builds = known.versions.get(sha256.lower())
        if builds is None:
            return "changed"
        return "stock" if build is None or build in builds else "stock-other-build"

    def proves_change(self, path: str, build: Build | None) -> bool:
        """Whether unknown content under this path means that somebody changed the file: the build is in the baseline
        with this path, and the file is none that setup or administrators write into."""
        if build is None or path.lower().endswith(".config"):
            return False
        known = self.lookup(path)
        return known is not None and build in known.builds()


@cache
def baseline() -> BaselineIndex:
    """The shipped baseline, read on first use."""
    return BaselineIndex(data_path("web_files.dat").read_bytes())


@dataclass(frozen=True, slots=True)
class ExtraPage:
    """A page a stock server answers for without a file in the baseline. `kind`: handler | page."""

    path: str
    side: str
    kind: str
    origin: str


@cache
def extra_pages() -> tuple[ExtraPage, ...]:
    """Handlers without a file, and pages named by other sources (`data/later_pages.csv`)."""
    return tuple(ExtraPage(**row) for row in table("later_pages.csv"))


@cache
def shipped_pages(side: str = "") -> Mapping[str, frozenset[str]]:
    """Virtual directory (`/owa`, lower case) -> URL paths (lower case) of the server-executable pages that any known
    build ships there. `side` (front | back) narrows it to one site: a shell can bear the name of a page that is stock
    on the other one. `global.asax`, `.ascx` and `.master` files are listed too, though nobody requests them."""
    found: dict[str, set[str]] = {}
    for path in baseline().paths():
        served = web_paths.url_of(path) if web_paths.is_page(path) else None
        if served is not None and side in ("", served[1]):
            found.setdefault(_directory(served[0]), set()).add(served[0])
    for page in extra_pages():
        if side in ("", page.side):
            found.setdefault(_directory(page.path), set()).add(page.path)
    return {directory: frozenset(pages) for directory, pages in sorted(found.items())}


@cache
def _directories() -> tuple[tuple[str, str], ...]:
    """(URL prefix, the directory its pages are listed under), longest prefix first. Aliases serve another's folder."""
    served = [item for item in web_paths.virtual_directories() if item.pages != "no" and item.path != "/"]
    own = {item.folder.lower(): item.path.lower() for item in served if item.pages == "yes"}
    pairs = {path: path for path in own.values()}
    for item in served:
        if item.folder.lower() in own:
            pairs.setdefault(item.path.lower(), own[item.folder.lower()])
    return tuple(sorted(pairs.items(), key=lambda pair: -len(pair[0])))


def _directory(url: str) -> str:
    return next((path for path, to in _directories() if path == to and url.startswith(path + "/")), "/")


def stock_url(url: str) -> str:
    """The URL path a stock page is listed under: aliases (`/owa/calendar/...`, `/exchange/...`) and folders named
    after a build (`/ecp/15.1.2176.9/...`) or a mailbox (`/ecp/a@example.com/...`, explicit sign-on) are taken away.
    Lower case; no query."""
    path = url.split("?")[0].lower()
    for prefix, target in _directories():
        if path.startswith(prefix + "/"):
            first, _, below = path[len(prefix) + 1 :].partition("/")
            passed_over = below and ("@" in first or Build.try_parse(first) is not None)
            return f"{target}/{below}" if passed_over else f"{target}/{path[len(prefix) + 1 :]}"
    return path


@cache
def _all_pages(side: str) -> frozenset[str]:
    return frozenset(page for pages in shipped_pages(side).values() for page in pages)


def is_shipped_page(url: str, side: str = "") -> bool:
    """Whether a page (`url.page`: the path up to and including the script, without path info) is one that any known
    build ships as a file or answers for by a handler."""
    return stock_url(url) in _all_pages(side)
