"""Which file lies behind an address of a server, and which address serves a file: by the server's own configuration, else
by the stock layout."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from afterpatch.detect.files.item import Facts, Inventory
from afterpatch.detect.plane.judge import FRONT_END_ONLY
from afterpatch.knowledge import web_paths
from afterpatch.knowledge.web_paths import BACK, FRONT

JUNCTION = "\\users\\all users"
LINK_LOCAL = ipaddress.ip_network("fe80::/10")


def is_relay(address: str, own: frozenset[str]) -> bool:
    """Whether a row of a back-end log with this client was sent on by a front end: the servers of the evidence, the
    machine itself, a link-local address."""
    bare = address.partition("%")[0]
    if not bare or bare == "-" or bare in own:
        return True
    try:
        parsed = ipaddress.ip_address(bare)
    except ValueError:
        return False
    return parsed.is_loopback or (parsed.version == LINK_LOCAL.version and parsed in LINK_LOCAL)


def real(path: str) -> str:
    r"""`C:\Users\All Users\x` is `C:\ProgramData\x`: Windows keeps the old name as a junction."""
    rest = path[2:]
    return path[:2] + "\\ProgramData" + rest[len(JUNCTION) :] if rest.lower().startswith(JUNCTION + "\\") else path


@dataclass(frozen=True, slots=True)
class Places:
    """The web folders of one server. `back_roots`: address on the back-end site -> folder."""

    facts: Facts
    inventory: Inventory
    back_roots: Mapping[str, str] = field(default_factory=dict)

    def path_of(self, url: str, side: str = FRONT) -> str:
        """The file behind an address of a site."""
        roots = self.facts.web_roots if side == FRONT else self.back_roots
        lower = url.lower()
        best = max(
            (prefix for prefix in roots if prefix != "/" and lower.startswith(prefix.lower().rstrip("/") + "/")),
            key=len,
            default="",
        )
        if best:
            return real(roots[best].rstrip("\\") + url[len(best.rstrip("/")) :].replace("/", "\\"))
        stock = self._stock_path(url, side)
        if stock:
            return stock
        root = roots.get("/") or ("C:\\inetpub\\wwwroot" if side == FRONT else f"{self._install()}ClientAccess")
        return root.rstrip("\\") + url.replace("/", "\\")

    def file_of(self, url: str) -> str:
        """The file behind a request to the front end. What the front end hands on lies in the back end's folder, where
        the evidence holds it there and not here."""
        here = self.path_of(url)
        if not self.is_handed_on(url) or self.inventory.holds(here):
            return here
        behind = self.path_of(url, BACK)
        return behind if self.inventory.holds(behind) else here

    def holds(self, url: str) -> bool | None:
        """Whether the file behind a request to the front end is there; None where nobody knows: of what is handed on, both
        folders must have been collected."""
        here = self.inventory.holds(self.path_of(url))
        if here or not self.is_handed_on(url):
            return here
        behind = self.inventory.holds(self.path_of(url, BACK))
        return behind if behind is not False else here

    def is_handed_on(self, url: str) -> bool:
        """Whether the front end sends requests for an address on to the back end, except for its sign-in folders."""
        lower = url.lower()
        if lower.startswith(FRONT_END_ONLY) or self._install().lower().endswith("\\v14\\"):
            return False
        stock = (each for each in web_paths.virtual_directories() if each.side == FRONT and each.path != "/")
        return any(lower.startswith(each.path.lower() + "/") for each in stock)

    def site_of(self, path: str) -> tuple[str, str]:
        """(address, side) of a file, ("", front) where none serves it."""
        for roots, side in ((self.facts.web_roots, FRONT), (self.back_roots, BACK)):
            url = _below(path, roots)
            if url:
                return url, side
        served = web_paths.url_of(path)
        if served is not None:
            return served
        _head, mark, tail = path.lower().partition("\\inetpub\\wwwroot\\")
        return ("/" + path[-len(tail) :].replace("\\", "/") if mark and tail else ""), FRONT

    def url_of(self, path: str) -> str:
        """The address of a file, "" where none serves it."""
        return self.site_of(path)[0]

    def _install(self) -> str:
        return self.facts.install_path.rstrip("\\") + "\\" if self.facts.install_path else "%ExchangeInstallPath%"

    def _stock_path(self, url: str, side: str) -> str:
        install, lower = self._install(), url.lower()
        if install.lower().endswith("\\v14\\"):
            side = BACK  # Exchange 2010 has no front-end folders
        for directory in sorted(web_paths.virtual_directories(), key=lambda item: -len(item.path)):
            prefix = directory.path.lower().rstrip("/")
            if directory.side == side and prefix and lower.startswith(prefix + "/") and directory.folder:
                folder = directory.folder.removeprefix("{exchange}").strip("\\")
                start = install if directory.folder.startswith("{exchange}") else ""
                return f"{start}{folder}" + url[len(prefix) :].replace("/", "\\")
        return ""


def _below(path: str, roots: Mapping[str, str]) -> str:
    """The address of a file by the longest folder above it; where several addresses show one folder, the stock one."""
    path = real(path)
    lower = path.lower()
    fitting = [(prefix, real(folder.rstrip("\\") + "\\")) for prefix, folder in roots.items()]
    fitting = [(prefix, folder) for prefix, folder in fitting if lower.startswith(folder.lower())]
    longest = max((len(folder) for _prefix, folder in fitting), default=0)
    urls = sorted(
        prefix.rstrip("/") + "/" + path[longest:].replace("\\", "/") for prefix, folder in fitting if len(folder) == longest
    )
    stock = web_paths.url_of(path)
    return next((url for url in urls if stock is not None and url.lower() == stock[0]), min(urls, key=len, default=""))
