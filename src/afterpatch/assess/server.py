"""Which artifacts belong to which server, and what each server is: name, install path, sites, web roots."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from afterpatch.assess.heap import Heap, short_name
from afterpatch.detect.plane.tally import LogScan
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.model import Artifact, Notice

# Logs whose rows name the server that wrote them. Message tracking and SMTP name other servers too.
NAMING_KINDS = frozenset(
    ("httpproxy", "ews", "ecp-server", "ecp-activity", "owa-server", "cmdlet", "admin-audit", "mapi-http", "rps-http")
)
_INSTALL = re.compile(
    r"(?P<install>.*?)\\?(?:FrontEnd\\HttpProxy|ClientAccess|Logging\\(?:HttpProxy|ECP|Ews|OABGeneratorLog)|TransportRoles)\\",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Server:
    """One server of the evidence. `key` is its place in the sorted list of servers."""

    name: str
    artifacts: list[Artifact] = field(default_factory=list)
    roots: set[str] = field(default_factory=set)
    hints: set[str] = field(default_factory=set)
    unclear: int = 0  # files that might be another server's

    def of_kind(self, *kinds: str) -> list[Artifact]:
        """The server's artifacts of these kinds."""
        return [artifact for artifact in self.artifacts if artifact.kind in kinds]


def artifact_names(artifacts: Iterable[Artifact], scans: Mapping[int, LogScan]) -> dict[int, str]:
    """artifact index -> the server that wrote it, where its rows say so."""
    names = {}
    for artifact in artifacts:
        scan = scans.get(artifact.index)
        if artifact.kind in NAMING_KINDS and scan is not None and scan.names:
            found = Counter[str]()
            for name, times in scan.names.items():
                if short_name(name):
                    found[short_name(name)] += times
            if found:
                names[artifact.index] = min(found, key=lambda name: (-found[name], name))
    return names


def split_servers(
    artifacts: Sequence[Artifact], scans: Mapping[int, LogScan], hints: Mapping[str, str]
) -> tuple[list[Server], list[Notice]]:
    """The servers of the evidence. `hints`: root -> host name that the layout tells.

    A root is one server unless its logs were written by several; roots of one name are one server; a root without a
    name belongs to the only server there is, or is a server of its own."""
    names = artifact_names(artifacts, scans)
    by_root: dict[str, list[Artifact]] = {}
    for artifact in artifacts:
        by_root.setdefault(artifact.root, []).append(artifact)
    servers: dict[str, Server] = {}
    nameless: list[tuple[str, list[Artifact]]] = []
    notices: list[Notice] = []
    for root, members in sorted(by_root.items()):
        found = sorted({names[artifact.index] for artifact in members if artifact.index in names})
        hint = short_name(hints.get(root, "")) or (_event_name(members, scans) if not found else "")
        if len(found) > 1:
            notices += _split_root(servers, root, members, names, found, scans)
        elif found or hint:
            _join(servers, found[0] if found else hint, root, members)
        else:
            nameless.append((root, members))
    for root, members in nameless:
        if len(servers) == 1:
            _join(servers, next(iter(servers)), root, members)
        else:
            _join(servers, f"\0{root}", root, members)
    ordered = [servers[name] for name in sorted(servers)]
    for server in ordered:
        server.artifacts.sort(key=lambda artifact: artifact.index)
    return ordered, notices


def _join(servers: dict[str, Server], name: str, root: str, members: Iterable[Artifact]) -> None:
    server = servers.setdefault(name, Server("" if name.startswith("\0") else name))
    server.roots.add(root)
    server.artifacts.extend(members)


def _split_root(
    servers: dict[str, Server],
    root: str,
    members: Sequence[Artifact],
    names: Mapping[int, str],
    found: Sequence[str],
    scans: Mapping[int, LogScan],
) -> list[Notice]:
    """Several servers in one heap. What nothing tells apart goes to the first server, and each such file is named."""
    named = {artifact.index: names[artifact.index] for artifact in members if artifact.index in names}
    heap = Heap(members, found, named, scans)
    heap.solve()
    notices = []
    for artifact in members:
        name = heap.owners.get(artifact.index)
        if name is None:
            name = found[0]
            notices.append(Notice(artifact.shown, "", f"notice.server-unclear: {name}"))
        _join(servers, name, root, [artifact])
    if notices:
        servers[found[0]].unclear += len(notices)
    return notices


def _event_name(members: Iterable[Artifact], scans: Mapping[int, LogScan]) -> str:
    """The computer most events of a root come from. Never splits a root: computers are renamed, events forwarded."""
    found = Counter[str]()
    for artifact in members:
        if artifact.kind == EVENT_LOG and artifact.index in scans:
            for name, times in scans[artifact.index].names.items():
                found[short_name(name)] += times
    return min(found, key=lambda name: (-found[name], name)) if found else ""


def install_path(artifacts: Iterable[Artifact], config_paths: Iterable[str]) -> str:
    """The Exchange folder with a backslash at the end, "" where nothing tells.

    `config_paths`: physical paths of virtual directories and what setup wrote, believed over the places of files."""
    found = Counter[str]()
    for path in config_paths:
        match = _INSTALL.match(path.rstrip("\\") + "\\")
        if match and match["install"]:
            found[match["install"].rstrip("\\") + "\\"] += 1000
    for artifact in artifacts:
        match = _INSTALL.match(artifact.path)
        if match and match["install"]:
            found[match["install"].rstrip("\\") + "\\"] += 1
    return min(found, key=lambda path: (-found[path], path)) if found else ""
