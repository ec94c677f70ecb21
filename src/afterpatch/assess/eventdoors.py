"""Back doors that logs of events and of commands name: services, scheduled tasks, IIS modules, transport agents, accounts,
WMI subscriptions, pages written. What is done every day (an account, a module) counts only in the hours after a break-in,
on the server itself or by its own account."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from afterpatch.assess.chains import JOIN
from afterpatch.assess.findings import Hit
from afterpatch.assess.heap import short_name
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.model import EPOCH, severity_at_least, stage_rank

REMOVAL = "afterpatch.removal"  # the tag of rules on events that tell of a removal
AFTERWARDS = timedelta(hours=24)
_LIBRARY = re.compile(r"""[A-Za-z%][^"'<>|*?\n]{1,240}?\.dll\b""")
_ASSEMBLY = re.compile(r'-AssemblyPath\s{1,4}"([^"]{1,300})"', re.IGNORECASE)
_AGENT = re.compile(r'-(?:Name|Identity)\s{1,4}"([^"]{1,200})"', re.IGNORECASE)
_CONSUMER = re.compile(r'\bName\s?=\s?"([^"]{1,200})"')
_DRIVE = re.compile(r"[A-Za-z]:\\|%|\\\\")


@dataclass(frozen=True, slots=True)
class Seed:
    """What one finding says of one back door. `removed`: it tells of the removal."""

    path: str
    kind: str
    hit: Hit
    removed: bool = False


def event_doors(hits: Sequence[Hit], name: str) -> list[Seed]:
    """The back doors that the hits of a server name. `name`: the server's own."""
    named = [(hit, _place(hit)) for hit in hits if hit.backdoor in _PLACES]
    after = break_ins(hits)
    kept = [Seed(place, hit.backdoor, hit) for hit, place in named if place and not _removal(hit) and _counts(hit, after, name)]
    known = {seed.path.lower(): seed for seed in kept}
    removals = [(hit, known.get(place.lower())) for hit, place in named if place and _removal(hit)]
    gone = [
        Seed(seed.path, seed.kind, hit, removed=True)
        for hit, seed in removals
        if seed is not None and (hit.group.last or EPOCH) >= (seed.hit.group.last or EPOCH)
    ]
    return [*kept, *gone]


def break_ins(hits: Iterable[Hit]) -> list[datetime]:
    """When intruders were seen inside: rows of an attack that got through, sorted."""
    return sorted(
        sample.time
        for hit in hits
        if hit.role == "intrusion" and hit.finding.chain and stage_rank(hit.finding.stage) >= stage_rank("succeeded")
        for sample in hit.group.samples.kept
    )


def is_own(hit: Hit, name: str) -> bool:
    """Whether what was done was done on the server itself, or elsewhere by its own account."""
    seen = hit.group.seen
    hosts = {short_name(value) for value in _values(hit, "host.name")}
    users = {value.rpartition("\\")[2].rstrip("$").upper() for value in _values(hit, "user.name") if value.endswith("$")}
    return not name or not hosts or short_name(name) in hosts | users or "host.name" not in seen


def soon_after(moments: Iterable[datetime | None], break_in: Sequence[datetime]) -> bool:
    """Whether one of the moments lies in the hours after a break-in."""
    return any(moment is not None and -JOIN <= moment - time <= AFTERWARDS for moment in moments for time in break_in)


def _counts(hit: Hit, break_in: Sequence[datetime], name: str) -> bool:
    strong = hit.role == "intrusion" and hit.finding.confidence != "low" and severity_at_least(hit.finding.severity, "high")
    return strong or (is_own(hit, name) and soon_after((sample.time for sample in hit.group.samples.kept), break_in))


def _removal(hit: Hit) -> bool:
    return REMOVAL in hit.finding.tags


def _place(hit: Hit) -> str:
    return _PLACES[hit.backdoor](hit) if EVENT_LOG in hit.group.counts or hit.backdoor == "transport-agent" else ""


def _values(hit: Hit, *names: str) -> list[str]:
    """The values of a finding's subject, else those that were seen, of the first field that has any."""
    subject = dict(hit.group.subject)
    for name in names:
        if subject.get(name):
            return [subject[name]]
        if name in hit.group.seen and hit.group.seen[name].values:
            return sorted(hit.group.seen[name].values)
    return []


def _first(hit: Hit, *names: str) -> str:
    return next(iter(_values(hit, *names)), "")


def _service(hit: Hit) -> str:
    name = _first(hit, "ServiceName", "service.name")
    return f"HKLM\\SYSTEM\\CurrentControlSet\\Services\\{name}" if name else ""


def _task(hit: Hit) -> str:
    name = _first(hit, "TaskName", "service.name").lstrip("\\")
    return f"C:\\Windows\\System32\\Tasks\\{name}" if name else ""


def _module(hit: Hit) -> str:
    for text in _values(hit, "NewValue", "ModuleDll", "process.command", "file.path"):
        found = _LIBRARY.search(text)
        if found:
            return found[0]
    return _first(hit, "NewValue")


def _agent(hit: Hit) -> str:
    for text in _values(hit, "cmdlet.parameters"):
        found = _ASSEMBLY.search(text) or _AGENT.search(text)
        if found:
            return found[1]
    return ""


def _account(hit: Hit) -> str:
    name, domain = _first(hit, "TargetUserName", "target.user"), _first(hit, "TargetDomainName")
    return f"{domain}\\{name}" if name and domain else name


def _subscription(hit: Hit) -> str:
    text = _first(hit, "CONSUMER", "Consumer", "Name")
    found = _CONSUMER.search(text)
    name = (found[1] if found else text).strip(' "')
    return f"root\\subscription:{name[:200]}" if name else ""


def _page(hit: Hit) -> str:
    path = _first(hit, "file.path")
    return path if _DRIVE.match(path) else ""


_PLACES: Mapping[str, Callable[[Hit], str]] = MappingProxyType({
    "service": _service,
    "task": _task,
    "iis-module": _module,
    "transport-agent": _agent,
    "account": _account,
    "wmi-subscription": _subscription,
    "web-shell": _page,
})  # fmt: skip
