"""Indicators prepared for searching: literals for the byte scan, and exact answers for the values found by it."""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from afterpatch.knowledge.indicators.model import HASHES, Indicator
from afterpatch.knowledge.indicators.values import RefusedError, normalise
from afterpatch.knowledge.web_paths import path_key, url_of

_SHORTEST = 4
_SHORT_STEM = 6
# Parts of client strings that most browsers send: useless as a literal.
_COMMON_AGENT = frozenset(
    re.findall(
        r"\S+",
        "mozilla/5.0 applewebkit/537.36 like gecko) gecko windows nt 10.0 win64 win64; x64) khtml (khtml compatible (compatible;",
    )
)
# Page names that every server logs all day: searched together with their folder.
_COMMON_NAMES = frozenset(
    re.findall(r"\S+", "default.aspx logon.aspx logoff.aspx error.aspx errorfe.aspx signout.aspx service.svc exchange.asmx")
)
_RUN = re.compile(r"[A-Za-z0-9_./:;()!@-]+", re.ASCII)
_NAME_RUN = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_HTTP_TYPES = ("url-path", "path", "file-name")


class Matcher:
    """Answers which indicators a value overlaps with. Built once, then only read."""

    __slots__ = ("_by_type", "_folders", "_indicators", "_networks", "_urls")

    def __init__(self, indicators: Iterable[Indicator]) -> None:
        self._indicators = tuple(indicators)
        self._by_type: dict[str, dict[str, list[Indicator]]] = defaultdict(lambda: defaultdict(list))
        self._urls: dict[str, list[Indicator]] = defaultdict(list)
        self._folders: dict[str, list[Indicator]] = defaultdict(list)
        self._networks: dict[tuple[int, int], dict[int, list[Indicator]]] = defaultdict(lambda: defaultdict(list))
        for indicator in self._indicators:
            self._add(indicator)
        self._by_type.default_factory = None
        self._networks.default_factory = None

    def _add(self, indicator: Indicator) -> None:
        value = indicator.value
        if indicator.type == "ip" and "/" in value:
            network = ipaddress.ip_network(value)
            key = (network.version, network.prefixlen)
            self._networks[key][int(network.network_address)].append(indicator)
            return
        if indicator.type == "folder":
            self._folders[path_key(value)].append(indicator)
            return
        if indicator.type in ("path", "url-path"):
            self._add_page(indicator)
        key_of_value = path_key(value) if indicator.type == "path" else value
        self._by_type[indicator.type][key_of_value].append(indicator)

    def _add_page(self, indicator: Indicator) -> None:
        """A file below a stock web folder is also the URL path it is served under."""
        served = url_of(indicator.value) if indicator.type == "path" else (indicator.value, "")
        if served is not None:
            self._urls[served[0]].append(indicator)

    def __len__(self) -> int:
        return len(self._indicators)

    @property
    def types(self) -> frozenset[str]:
        """The types there is anything to look for."""
        return frozenset(indicator.type for indicator in self._indicators)

    def literals(self) -> list[bytes]:
        """Lower-case ASCII literals for a case-insensitive byte scan of raw log lines: a line that carries one of the
        indicators for logs (address, domain, URL, agent, URL path, web file) in plain form holds one of the literals.
        Networks that end inside an octet give their whole octets. Hashes have none: they are asked by value."""
        found = {literal for indicator in self._indicators for literal in _literals(indicator)}
        return sorted(found)

    def match_value(self, kind: str, value: str) -> list[Indicator]:
        """The indicators a value overlaps with. `kind` is a type, or `hash` for any of the three, or `host` for an
        address or a domain. A domain also matches its sub-domains, a folder all paths below it, a path the file name
        and (asked as `url-path`) the URL path it is served under. A value that is none of its type matches nothing."""
        if kind == "hash":
            return [hit for name in HASHES for hit in self.match_value(name, value)]
        if kind == "host":
            return self.match_value("ip", value) or self.match_value("domain", value)
        try:
            key = normalise(kind, value)
        except RefusedError:
            return []
        if kind == "ip":
            return self._addresses(key)
        if kind == "domain":
            return list(self._domains(key))
        if kind == "url-path":
            return list(self._urls.get(key, ()))
        if kind in ("path", "folder"):
            return list(self._paths(path_key(key)))
        return self._exact(kind, key)

    def _exact(self, kind: str, key: str) -> list[Indicator]:
        return list(self._by_type.get(kind, {}).get(key, ()))

    def _addresses(self, key: str) -> list[Indicator]:
        hits = self._exact("ip", key)
        if "/" in key or not self._networks:
            return hits
        address = ipaddress.ip_address(key)
        for (version, length), networks in self._networks.items():
            if version == address.version:
                shift = address.max_prefixlen - length
                hits += networks.get(int(address) >> shift << shift, [])
        return hits

    def _domains(self, key: str) -> Iterator[Indicator]:
        known = self._by_type.get("domain", {})
        labels = key.split(".")
        for start in range(len(labels) - 1):
            yield from known.get(".".join(labels[start:]), ())

    def _paths(self, key: str) -> Iterator[Indicator]:
        yield from self._by_type.get("path", {}).get(key, ())
        yield from self._by_type.get("file-name", {}).get(key.rsplit("\\", 1)[-1], ())
        position = key.find("\\", 1)
        while position > 0 and self._folders:
            yield from self._folders.get(key[: position + 1], ())
            position = key.find("\\", position + 1)


def _literals(indicator: Indicator) -> Iterator[bytes]:
    for text in _literal_texts(indicator):
        if len(text) >= _SHORTEST and text.isascii():
            yield text.lower().encode("ascii")


def _literal_texts(indicator: Indicator) -> tuple[str, ...]:
    kind, value = indicator.type, indicator.value
    if kind == "ip":
        return (_network_text(value) if "/" in value else value,)
    if kind == "domain":
        return (value,)
    if kind == "url":
        return (value.split("://", 1)[1].split("/", 1)[0],)
    if kind == "user-agent":
        runs = [run for run in _RUN.findall(value) if run not in _COMMON_AGENT]
        return (max(runs, key=len, default=""),)
    return _page_texts(value) if kind in _HTTP_TYPES else ()


def _network_text(value: str) -> str:
    network = ipaddress.ip_network(value)
    if network.version == 6:
        return str(network.network_address).split("::")[0]
    octets = str(network.network_address).split(".")[: network.prefixlen // 8]
    return ".".join(octets) + "."


def _page_texts(value: str) -> tuple[str, ...]:
    """The name; a short or common one with what stands before it, so that it stays rare."""
    parts = re.split(r"[\\/]", value)
    name = parts[-1]
    before = parts[-2] if len(parts) > 1 and name in _COMMON_NAMES else ""
    if before or len(name.split(".")[0]) < _SHORT_STEM:
        return f"{before}/{name}", f"{before}\\{name}"
    return (max(_NAME_RUN.findall(name), key=len, default=""),)
