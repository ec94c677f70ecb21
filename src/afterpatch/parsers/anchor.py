"""Routing values of HttpProxy logs: AnchorMailbox, BackEndCookie, and the build numbers written into both.

Sources: HelseCERT's incident data of March 2021 for the shape of forged values; the integer's bit fields were checked
against real lines (1942063431 is 15.1.2375)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_CACHED = 512  # longer values are not kept in the cache
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,15}://")
_HOST_END = re.compile(r"[/?#\\]")
_BE_VERSION = re.compile(r"BEVersion-(\d{1,10})", re.IGNORECASE)


class Target(NamedTuple):
    """A value that names a back end: what stands before `~` (source), the rest (value), and for values with a `/` the
    host (without the junk before `@` or `]`), the port, the path and the query of the forged URL."""

    source: str = ""
    value: str = ""
    host: str = ""
    port: str = ""
    path: str = ""
    query: str = ""
    version: str = ""  # BackEndCookie: the version integer as written


def parse_anchor(text: str) -> Target:
    """AnchorMailbox: `Source~value` (`SMTP:` also with a colon). Host and path only for `ServerInfo` with a `/`."""
    return _cached_anchor(text) if len(text) <= _CACHED else _anchor(text)


def _anchor(text: str) -> Target:
    source, tilde, value = text.partition("~")
    if not tilde:
        source, colon, value = text.partition(":")
        if not colon:
            return Target(value=text)
    if source.lower() != "serverinfo" or "/" not in value:
        return Target(source, value)
    return _with_url(source, value)


_cached_anchor = lru_cache(maxsize=4096)(_anchor)


def parse_cookie(text: str) -> Target:
    """BackEndCookie: `Database~guid~~expiry...` or `Server~fqdn~version~expiry`; a `/` in the server part is forged."""
    source, _, rest = text.partition("~")
    if source.lower() != "server":
        return Target(source, rest)
    server, version, _ = [*rest.rsplit("~", 2), "", ""][:3]
    if "/" in server:
        return _with_url(source, server, version)
    return Target(source, server, host=server, version=version)


def _with_url(source: str, value: str, version: str = "") -> Target:
    rest = _SCHEME.sub("", value, count=1)
    cut = _HOST_END.search(rest)
    at = cut.start() if cut is not None else len(rest)
    host, port = _host_port(rest[:at])
    slash = rest.find("/")
    url = rest[slash:].partition("#")[0] if slash >= 0 else ""
    path, _, query = url.partition("?")
    return Target(source, value, host, port, path, query, version)


def _host_port(authority: str) -> tuple[str, str]:
    authority = authority.rpartition("@")[2]
    if authority.startswith("["):
        host, _, rest = authority[1:].partition("]")
        return host, rest.lstrip(":")
    authority = authority.rpartition("]")[2]
    host, colon, port = authority.rpartition(":")
    return (host, port) if colon and port.isdigit() else (authority, "")


def decode_version(number: int) -> str:
    """The build in a back-end version integer: 1942063431 -> `15.1.2375`."""
    return f"{number >> 22 & 63}.{number >> 16 & 63}.{number & 0x7FFF}"


def build_in(text: str) -> str:
    """The build that `FEAuth=BEVersion-<integer>` in GenericInfo names; "" where there is none."""
    found = _BE_VERSION.search(text)
    return decode_version(int(found[1])) if found is not None else ""


def plain_build(text: str) -> str:
    """`15.01.2375.007` -> `15.1.2375.7`; text that is no build comes back as "" (any number of parts from two)."""
    parts = text.strip().split(".")
    if not 2 <= len(parts) <= 4 or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        return ""
    return ".".join(str(int(part)) for part in parts)
