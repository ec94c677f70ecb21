"""Which artifacts belong to which server, and what each server is: name, install path, sites, web roots."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from afterpatch.detect.plane.tally import LogScan
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.model import Artifact, Notice

# Logs whose rows name the server that wrote them. Message tracking and SMTP name other servers too.
NAMING_KINDS = frozenset(
    ("httpproxy", "ews", "ecp-server", "ecp-activity", "owa-server", "cmdlet", "admin-audit", "mapi-http", "rps-http")
)
LOOPBACK = ("127.0.0.1", "::1", "-")
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

    def of_kind(self, *kinds: str) -> list[Artifact]:
        """The server's artifacts of these kinds."""
        return [artifact for artifact in self.artifacts if artifact.kind in kinds]


def short_name(name: str) -> str:
    """`EXCH01.example.local` -> `EXCH01`: logs of one server write both."""
    return name.strip().partition(".")[0].upper()[:63]


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
    """Several servers in one heap: what its own rows do not name goes with its folder, with logs that share request
    ids or the server's own address, or, where none of these tells, to the first server, with a notice."""
    folders = _folder_owners(members, names)
    joins: dict[str, set[str]] = {name: set() for name in found}
    for artifact in members:
        if artifact.index in names and artifact.index in scans:
            joins[names[artifact.index]] |= scans[artifact.index].joins
    by_rows = dict(names)
    for artifact in members:
        if artifact.index not in by_rows and artifact.index in scans:
            shared = [each for each in found if joins[each] & scans[artifact.index].joins]
            if len(shared) == 1:
                by_rows[artifact.index] = shared[0]
    addresses = _address_owners(members, by_rows, scans)
    unclear = 0
    for artifact in members:
        name = names.get(artifact.index) or _owner(artifact.shown, folders) or by_rows.get(artifact.index)
        if name is None and artifact.index in scans:
            votes = Counter[str]()
            for address, times in scans[artifact.index].addresses.items():
                for owner, files in addresses.get(address, {}).items():
                    votes[owner] += times * files
            best = votes.most_common(1)
            name = best[0][0] if best and best[0][1] * 3 > votes.total() * 2 else None
        if name is None:
            name = next((each for each in found if each in artifact.shown.upper()), None)
        if name is None:
            unclear += 1
            name = found[0]
        _join(servers, name, root, [artifact])
    return [Notice(root, "", f"notice.server-unclear: {found[0]}", unclear)] if unclear else []


def _event_name(members: Iterable[Artifact], scans: Mapping[int, LogScan]) -> str:
    """The computer most events of a root come from. Never splits a root: computers are renamed, events forwarded."""
    found = Counter[str]()
    for artifact in members:
        if artifact.kind == EVENT_LOG and artifact.index in scans:
            for name, times in scans[artifact.index].names.items():
                found[short_name(name)] += times
    return min(found, key=lambda name: (-found[name], name)) if found else ""


def _address_owners(
    members: Iterable[Artifact], known: Mapping[int, str], scans: Mapping[int, LogScan]
) -> dict[str, Counter[str]]:
    """The server's own address in IIS rows (`s-ip`) -> how many logs of whom have it."""
    owners: dict[str, Counter[str]] = {}
    for artifact in members:
        if artifact.index in known and artifact.index in scans:
            for address in scans[artifact.index].addresses:
                if address not in LOOPBACK:
                    owners.setdefault(address, Counter())[known[artifact.index]] += 1
    return owners


def _folder_owners(members: Iterable[Artifact], names: Mapping[int, str]) -> dict[str, set[str]]:
    owners: dict[str, set[str]] = {}
    for artifact in members:
        if artifact.index in names:
            for folder in _folders(artifact.shown):
                owners.setdefault(folder, set()).add(names[artifact.index])
    return owners


def _folders(shown: str) -> list[str]:
    parts = re.split(r"[\\/!]", shown)[:-1]
    return ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _owner(shown: str, owners: Mapping[str, set[str]]) -> str | None:
    """The one server all named logs of the nearest folder belong to."""
    for folder in _folders(shown):
        if folder in owners:
            return next(iter(owners[folder])) if len(owners[folder]) == 1 else None
    return None


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
