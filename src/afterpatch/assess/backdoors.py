"""Back doors: what files, compiled traces, configuration and requests say of one thing left behind, joined."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from afterpatch.assess.doorplaces import Places, is_relay
from afterpatch.assess.doubles import in_shadow, live_path
from afterpatch.assess.eventdoors import Seed
from afterpatch.assess.files import Found
from afterpatch.assess.findings import Findings, Hit
from afterpatch.detect.files.item import FileFinding
from afterpatch.detect.plane.tally import PageUse, Sample
from afterpatch.knowledge import web_paths
from afterpatch.knowledge.web_paths import BACK, FRONT
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
RARE_PAGE, DOOR_USED = "rare-page", "backdoor-used"
CONFIDENCES = ("low", "moderate", "high")
_ROOTED = re.compile(r"[A-Za-z]:\\|\\\\|%")
MAX_USERS = 50


@dataclass(slots=True)
class Door:
    """A back door in the making. `key` is the lower-case server path, or the URL where no folder is known for it."""

    path: str
    url: str = ""
    side: str = FRONT
    kind: str = "web-shell"
    states: set[str] = field(default_factory=set)
    sha256: str = ""
    families: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    used_by: set[str] = field(default_factory=set)
    first_used: datetime | None = None
    last_used: datetime | None = None
    uses: int = 0
    samples: list[Sample] = field(default_factory=list)  # rows of its use


class Doors:
    """Joins what is known of the back doors of one server."""

    def __init__(
        self, places: Places, artifacts: Mapping[int, Artifact], hashes: Mapping[int, str], own: frozenset[str] = frozenset()
    ):
        """`own`: addresses of the servers of the evidence, which relay requests to back ends."""
        self._places, self._artifacts, self._hashes, self._own = places, artifacts, hashes, own
        self._inventory = places.inventory
        self._doors: dict[str, Door] = {}
        self._aside: dict[str, list[Finding]] = {}  # what else was found about a file, by its path

    def _door(self, path: str, url: str, kind: str, side: str = FRONT) -> Door:
        key = (path or url).lower()
        if key not in self._doors:
            self._doors[key] = Door(path or url, url, side, kind)
        door = self._doors[key]
        door.url = door.url or url
        return door

    def _door_at(self, path: str, kind: str) -> Door:
        url, side = self._places.site_of(path)
        return self._door(path, url, kind, side)

    def _asked(self, url: str, kind: str, hit: Hit) -> Door:
        """The door behind an address that was asked for, on the back-end site where it was asked directly."""
        sides = hit.group.seen.get("server.side")
        direct = sides is not None and sides.values == {BACK} and not is_relay(hit.finding.subject.ip, self._own)
        path = self._places.path_of(url, BACK) if direct else self._places.file_of(url)
        return self._door(path, url, kind, BACK if direct else self._places.site_of(path)[1])

    def add_file(self, found: Found) -> None:
        """A check on a file, a compiled trace or configuration that names a back door."""
        check = found.check
        if not check.kind or not severity_at_least(check.severity, "high"):
            if check.path:
                self._aside.setdefault(live_path(check.path).lower(), []).append(found.finding)
            return
        artifact = self._artifacts.get(found.artifact)
        path, kind = self._what(check)
        path = live_path(path)
        door = self._door_at(path, kind)
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
            return self._places.file_of(url), "web-shell"
        if check.kind == "virtual-directory" and web_paths.is_page(check.path):
            return check.path, "web-shell"  # a page in a folder that somebody added
        return check.path, check.kind

    def add_hit(self, hit: Hit) -> None:
        """Requests that a rule takes for the use of a back door."""
        url = hit.finding.subject.path
        if not hit.backdoor or not url or stage_rank(hit.finding.stage) < stage_rank("used"):
            return
        if hit.finding.confidence == "low":
            return
        self._asked(url, hit.backdoor, hit).findings.append(hit.finding)

    def add_seed(self, seed: Seed) -> None:
        """What an event says of a back door. Whether it is still there, only the file or a removal tells."""
        door = self._door_at(seed.path, seed.kind) if seed.kind == "web-shell" else self._door(seed.path, "", seed.kind)
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
            whole = self._door(self._places.path_of(url), url, door.kind)
            whole.states |= door.states
            whole.sha256 = whole.sha256 or door.sha256
            whole.families += door.families
            whole.findings += door.findings
            whole.times += door.times

    def add_uses(self, uses: Iterable[PageUse]) -> None:
        """Who asked for the doors, and when last with an answer."""
        by_page = {(use.side or FRONT, use.page.lower()): use for use in uses}
        for door in self._doors.values():
            for use in self._uses_of(door, by_page):
                if use.answered:
                    self._take_use(door, use)

    def _uses_of(self, door: Door, by_page: Mapping[tuple[str, str], PageUse]) -> list[PageUse]:
        """The requests for a door: those to its site; of a back-end file also those the front end handed on."""
        if not door.url:
            return []
        sides = [door.side]
        if door.side == BACK and self._places.is_handed_on(door.url) and self._places.file_of(door.url) == door.path:
            sides.append(FRONT)
        found = (by_page.get((side, door.url.lower())) for side in sides)
        return [use for use in found if use is not None]

    def _take_use(self, door: Door, use: PageUse) -> None:
        clients = set(use.answered_clients) - {""}
        if use.side == BACK:
            clients = {client for client in clients if not is_relay(client, self._own)}
        door.used_by |= clients
        door.last_used = max(filter(None, (door.last_used, use.last_answered)), default=None)
        door.uses = max(door.uses, use.answered)  # a request that was handed on stands in the logs of both sites
        door.samples += use.samples.kept
        if use.first_answered is not None:
            door.times.append(use.first_answered)
            door.first_used = min(filter(None, (door.first_used, use.first_answered)))

    def silent_uses(self, maker: Findings) -> list[Finding]:
        """Findings for the use of back doors that only their files gave away: no rule knows their address."""
        found = []
        for door in self._doors.values():
            told = any(stage_rank(each.stage) >= stage_rank("used") for each in door.findings)
            if door.uses and door.kind == "web-shell" and not told:
                finding = self._used(door, maker)
                door.findings.append(finding)
                found.append(finding)
        return found

    def _used(self, door: Door, maker: Findings) -> Finding:
        return Finding(
            id=maker.identity(DOOR_USED, (("path", door.path.lower()),)),
            detection=DOOR_USED,
            title=message("check.backdoor-used.title", page=door.url),
            severity="critical",
            confidence=max((each.confidence for each in door.findings), key=CONFIDENCES.index),
            stage="used",
            chain="web-shell",
            techniques=("T1505.003",),
            time=door.first_used,
            end_time=door.last_used,
            count=door.uses,
            subject=Subject(ip=next(iter(door.used_by)) if len(door.used_by) == 1 else "", path=door.url),
            explanation=message(
                "check.backdoor-used.explain", page=door.url, path=door.path, count=door.uses, clients=len(door.used_by)
            ),
            benign_causes=(message("check.rare-page.benign.own"),),
            next_steps=(message("check.backdoor-used.next.clients"), message("check.rare-page.next.compiled")),
            evidence=maker.proofs(door.samples),
            origin="check",
        )

    def rare_pages(self, uses: Iterable[PageUse], maker: Findings) -> list[Finding]:
        """Pages that no build ships, answered to few clients: shells of names and places that no rule knows."""
        known = {door.url.lower() for door in self._doors.values() if door.url}
        return [
            self._rare(use, maker)
            for use in sorted(uses, key=lambda use: use.page)
            if use.side != BACK and use.page.lower() not in known and _is_rare(use)
        ]

    def _rare(self, use: PageUse, maker: Findings) -> Finding:
        path = self._places.file_of(use.page)
        there = self._places.holds(use.page)
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
        for key, door in self._doors.items():
            door.findings += self._aside.get(key, ())
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
