"""Back doors: what files, compiled traces, configuration and requests say of one thing left behind, joined."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from afterpatch.assess.doubles import in_shadow, live_path
from afterpatch.assess.eventdoors import Seed
from afterpatch.assess.files import Found
from afterpatch.assess.findings import Findings, Hit
from afterpatch.detect.files.item import Facts, FileFinding, Inventory
from afterpatch.detect.plane.tally import PageUse
from afterpatch.knowledge import web_paths
from afterpatch.model import (
    EPOCH,
    SEVERITIES,
    Artifact,
    BackDoor,
    Finding,
    Subject,
    message,
    severity_at_least,
    stage_rank,
)

RARE_CLIENTS = 5
RARE_PAGE = "rare-page"
_ROOTED = re.compile(r"[A-Za-z]:\\|\\\\|%")
MAX_USERS = 50


@dataclass(slots=True)
class Door:
    """A back door in the making. `key` is the lower-case server path, or the URL where no folder is known for it."""

    path: str
    url: str = ""
    kind: str = "web-shell"
    states: set[str] = field(default_factory=set)
    sha256: str = ""
    families: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    use: PageUse | None = None
    used_by: set[str] = field(default_factory=set)
    last_used: datetime | None = None
    uses: int = 0


class Doors:
    """Joins what is known of the back doors of one server."""

    def __init__(self, facts: Facts, inventory: Inventory, artifacts: Mapping[int, Artifact], hashes: Mapping[int, str]):
        self._facts, self._inventory, self._artifacts, self._hashes = facts, inventory, artifacts, hashes
        self._doors: dict[str, Door] = {}

    def path_of(self, url: str) -> str:
        """The file behind a front-end URL, by the server's own configuration, else by the stock layout; "" unknown."""
        lower = url.lower()
        best = max(
            (prefix for prefix in self._facts.web_roots if prefix != "/" and lower.startswith(prefix.lower() + "/")),
            key=len,
            default="",
        )
        if best:
            return self._facts.web_roots[best].rstrip("\\") + url[len(best) :].replace("/", "\\")
        stock = self._stock_path(url)
        if stock:
            return stock
        root = self._facts.web_roots.get("/", "C:\\inetpub\\wwwroot")
        return root.rstrip("\\") + url.replace("/", "\\")

    def _stock_path(self, url: str) -> str:
        install = self._facts.install_path.rstrip("\\") + "\\" if self._facts.install_path else "%ExchangeInstallPath%"
        lower = url.lower()
        side = "back" if install.lower().endswith("\\v14\\") else "front"  # Exchange 2010 has no front-end folders
        for directory in sorted(web_paths.virtual_directories(), key=lambda item: -len(item.path)):
            prefix = directory.path.lower().rstrip("/")
            if directory.side == side and prefix and lower.startswith(prefix + "/") and directory.folder:
                folder = directory.folder.removeprefix("{exchange}").strip("\\")
                return f"{install}{folder}" + url[len(prefix) :].replace("/", "\\")
        return ""

    def url_of(self, path: str) -> str:
        """The front-end URL of a file, "" where none serves it."""
        lower = path.lower()
        for prefix, folder in sorted(self._facts.web_roots.items(), key=lambda pair: -len(pair[1])):
            root = folder.rstrip("\\").lower() + "\\"
            if lower.startswith(root):
                return prefix.rstrip("/") + "/" + path[len(root) :].replace("\\", "/")
        served = web_paths.url_of(path)
        if served is not None:
            return served[0]
        _head, mark, tail = lower.partition("\\inetpub\\wwwroot\\")
        return "/" + path[-len(tail) :].replace("\\", "/") if mark and tail else ""

    def _door(self, path: str, url: str, kind: str) -> Door:
        key = (path or url).lower()
        if key not in self._doors:
            self._doors[key] = Door(path or url, url, kind)
        door = self._doors[key]
        door.url = door.url or url
        return door

    def add_file(self, found: Found) -> None:
        """A check on a file, a compiled trace or configuration that names a back door."""
        check = found.check
        if not check.kind or not severity_at_least(check.severity, "high"):
            return
        artifact = self._artifacts.get(found.artifact)
        path, kind = self._what(check)
        path = live_path(path)
        door = self._door(path, self.url_of(path), kind)
        if artifact is None or not in_shadow(artifact):  # what a shadow copy holds may be gone from the drive
            door.states.add(check.state)
        door.findings.append(found.finding)
        door.times += [moment for _name, moment in check.times]
        if check.family:
            door.families.append(check.family)
        if artifact is not None and live_path(artifact.path).lower() == path.lower():
            door.sha256 = self._hashes.get(found.artifact, "")
            if artifact.times_original and artifact.created is not None:
                door.times.append(artifact.created)

    def _what(self, check: FileFinding) -> tuple[str, str]:
        """(path, kind): a compiled trace stands for its page, which is the back door."""
        url = dict(check.facts).get("url", "")
        if check.kind == "compiled-page" and url:
            return self.path_of(url), "web-shell"
        return check.path, check.kind

    def add_hit(self, hit: Hit) -> None:
        """Requests that a rule takes for the use of a back door."""
        url = hit.finding.subject.path
        if not hit.backdoor or not url or stage_rank(hit.finding.stage) < stage_rank("used"):
            return
        if hit.finding.confidence == "low":
            return
        self._door(self.path_of(url), url, hit.backdoor).findings.append(hit.finding)

    def add_seed(self, seed: Seed) -> None:
        """What an event says of a back door. Whether it is still there, only the file or a removal tells."""
        door = self._door(seed.path, self.url_of(seed.path) if seed.kind == "web-shell" else "", seed.kind)
        door.findings.append(seed.hit.finding)
        if seed.removed:
            door.states.add("deleted")
        elif seed.hit.group.first is not None:
            door.times.append(seed.hit.group.first)

    def join_loose(self, uses: Iterable[PageUse]) -> None:
        """A file that came without its folder is the page of its name, where just one page of that name was answered."""
        pages: dict[str, set[str]] = {}
        known = [use.page for use in uses if use.side != "back" and use.answered]
        for url in (*known, *(door.url for door in self._doors.values() if door.url)):
            pages.setdefault(url.lower().rpartition("/")[2], set()).add(url)
        for key, door in list(self._doors.items()):
            urls = _urls_of(door.path.rpartition("\\")[2].lower(), pages)
            if _ROOTED.match(door.path) or door.url or len({url.lower() for url in urls}) != 1:
                continue
            url = min(urls)
            del self._doors[key]
            whole = self._door(self.path_of(url), url, door.kind)
            whole.states |= door.states
            whole.sha256 = whole.sha256 or door.sha256
            whole.families += door.families
            whole.findings += door.findings
            whole.times += door.times

    def add_uses(self, uses: Iterable[PageUse]) -> None:
        """Who asked for the doors, and when last with an answer."""
        by_page = {use.page.lower(): use for use in uses if use.side != "back"}
        for door in self._doors.values():
            use = by_page.get(door.url.lower()) if door.url else None
            if use is not None and use.answered:
                door.use = use
                door.used_by |= set(use.answered_clients) - {""}
                door.last_used, door.uses = use.last_answered, use.answered
                if use.first_answered is not None:
                    door.times.append(use.first_answered)

    def rare_pages(self, uses: Iterable[PageUse], maker: Findings) -> list[Finding]:
        """Pages that no build ships, answered to few clients: shells of names and places that no rule knows."""
        known = {door.url.lower() for door in self._doors.values() if door.url}
        return [
            self._rare(use, maker)
            for use in sorted(uses, key=lambda use: use.page)
            if use.side != "back" and use.page.lower() not in known and _is_rare(use)
        ]

    def _rare(self, use: PageUse, maker: Findings) -> Finding:
        path = self.path_of(use.page)
        there = self._inventory.holds(path)
        odd = use.posts * 2 >= use.answered or not use.with_referer
        severity = "low" if there else "high" if there is False and odd else "medium"
        finding = Finding(
            id=maker.identity(RARE_PAGE, (("page", use.page),)),
            detection=RARE_PAGE,
            title=message("check.rare-page.title", page=use.page),
            severity=severity,
            confidence="moderate" if there is False else "low",
            stage="used" if there is False else "",
            chain="web-shell",
            techniques=("T1505.003",),
            time=use.first_answered,
            end_time=use.last_answered,
            count=use.answered,
            subject=Subject(ip=_single(use.answered_clients), path=use.page),
            explanation=message(
                f"check.rare-page.explain-{'gone' if there is False else 'there' if there else 'unknown'}",
                page=use.page,
                clients=len(use.answered_clients),
                posts=use.posts,
                path=path,
            ),
            benign_causes=(message("check.rare-page.benign.own"), message("check.rare-page.benign.new")),
            next_steps=(message("check.rare-page.next.file"), message("check.rare-page.next.compiled")),
            evidence=maker.proofs(use.samples.kept),
            origin="check",
        )
        if there is False and odd:
            door = self._door(path, use.page, "web-shell")
            door.findings.append(finding)
            door.states.add("deleted")
        return finding

    def finish(self) -> list[BackDoor]:
        """The back doors, the worst and the latest used first."""
        doors = [self._finished(door) for door in self._doors.values()]
        return sorted(
            doors,
            key=lambda door: (-SEVERITIES.index(door.severity), -(door.last_used or _EARLY).timestamp(), door.path),
        )

    def _finished(self, door: Door) -> BackDoor:
        severity = max((finding.severity for finding in door.findings), key=SEVERITIES.index, default="high")
        return BackDoor(
            path=door.path,
            kind=door.kind,
            state=self._state(door),
            sha256=door.sha256,
            family=next(iter(sorted(set(door.families))), ""),
            first_seen=min(door.times, default=None),
            last_used=door.last_used,
            used_by=tuple(sorted(door.used_by))[:MAX_USERS],
            findings=tuple(dict.fromkeys(finding.id for finding in door.findings)),
            uses=door.uses,
            severity=severity,
        )

    def _state(self, door: Door) -> str:
        if "present" in door.states:
            return "present"
        there = self._inventory.holds(door.path) if "\\" in door.path else None
        if there:
            return "present"
        if door.kind == "task" and web_paths.path_key(door.path).rpartition("\\")[0] not in self._inventory.folders:
            there = None  # other folders of System32 are no sign that the tasks were collected
        return "deleted" if there is False or "deleted" in door.states else "unknown"


def _is_rare(use: PageUse) -> bool:
    return bool(use.answered) and not use.uncounted_clients and len(use.answered_clients) <= RARE_CLIENTS


def _urls_of(name: str, pages: Mapping[str, set[str]]) -> set[str]:
    """The pages of a name; of a collector's mark in front of it (`7_x.aspx`), where nothing has the whole name."""
    while name not in pages and (mark := re.search(r"[_\- ]", name)):
        name = name[mark.end() :]
    return pages.get(name, set())


def _single(clients: Mapping[str, int]) -> str:
    return next(iter(clients)) if len(clients) == 1 else ""


def attach(findings: Sequence[Finding], doors: Sequence[BackDoor]) -> list[Finding]:
    """Findings about files that were used later know it: their end time is the last use."""
    last = {identity: door.last_used for door in doors for identity in door.findings if door.last_used is not None}
    return [
        replace(each, end_time=last[each.id]) if each.id in last and each.origin != "rule" and each.time else each
        for each in findings
    ]


def door_id(door: BackDoor) -> str:
    """A stable name of a door."""
    return hashlib.sha256(door.path.lower().encode("utf-8", "surrogatepass")).hexdigest()[:12]


_EARLY = EPOCH
