"""What events tell of an intruder's reach: machines touched from the server, where somebody signed in from, secrets taken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from afterpatch.assess.findings import Hit
from afterpatch.assess.heap import short_name
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.model import ImpactItem

_HOST = r"([A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[?[0-9A-Fa-f:.]{3,45}\]?)"
# How commands name the machine they act on.
_TARGETS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\\\\{_HOST}\\(?:ADMIN\$|IPC\$|[A-Z]\$)",
        rf"\bps(?:exec|exec64|service|kill)?(?:\.exe)?\s(?:[-/]\w{{1,12}}\s{{1,3}}){{0,8}}\\\\{_HOST}",
        rf"\bsc(?:\.exe)?\"?\s{{1,3}}\\\\{_HOST}\s",
        rf"\bnet1?(?:\.exe)?\"?\s{{1,3}}use\s.{{0,40}}?\\\\{_HOST}\\",
        rf"/node:\s{{0,2}}[\"']?{_HOST}",
        rf"-(?:ComputerName|cn)\s{{1,3}}[\"']?{_HOST}",
        rf"\bschtasks(?:\.exe)?\"?\s.{{0,200}}?/s\s{{1,3}}\"?{_HOST}",
        rf"\bwinrs(?:\.exe)?\"?\s.{{0,60}}?-r(?:emote)?:{_HOST}",
        rf"\bmstsc(?:\.exe)?\"?\s.{{0,60}}?/v:{_HOST}",
    )
)
_NOWHERE = frozenset(("localhost", "127.0.0.1", "::1", "0.0.0.0", "-", "", "."))  # noqa: S104 - compared, not bound
MAX_TEXT, MAX_VALUE = 4_000, 300
_SECRETS = {
    "rule:lsass-dump": "lsass-dump", "rule:lsass-access": "lsass-dump", "rule:directory-copy-command": "ntds",
    "rule:directory-database-attached": "ntds", "rule:replication-by-account": "ntds", "rule:hive-saved": "registry-secrets",
    "rule:server-config-read": "machine-keys",
}  # fmt: skip
# Rules on the directory: where the event was logged says nothing about that machine.
_ELSEWHERE = frozenset(("5136", "4662", "4720", "4724", "4726", "4728", "4732", "4756"))


def touched(hits: Sequence[Hit], name: str) -> Iterable[ImpactItem]:
    """One item a machine and way: `host` reached from the server, `logon-source` from where somebody signed in."""
    found: dict[tuple[str, str], list[str]] = {}
    own = short_name(name)
    for hit in hits:
        if hit.role != "intrusion" or not hit.finding.chain or EVENT_LOG not in hit.group.counts:
            continue
        for what, values in (("host", _reached(hit)), ("logon-source", _sources(hit))):
            for value in values:
                host = value.strip("[]").rstrip(".")
                if host.lower() not in _NOWHERE and short_name(host) != own:
                    found.setdefault((what, host), []).append(hit.finding.id)
    for (what, value), findings in sorted(found.items(), key=lambda pair: (pair[0][0], pair[0][1].lower())):
        yield ImpactItem(what, value, "known", tuple(dict.fromkeys(findings)))


def secrets_of(hits: Sequence[Hit]) -> Iterable[ImpactItem]:
    """Secrets that commands or audit records show being taken."""
    for hit in hits:
        what = next((_SECRETS[tag] for tag in hit.finding.tags if tag in _SECRETS), "")
        if what and hit.role == "intrusion":
            value = min(_seen(hit, "process.command") or _seen(hit, "file.path") or {hit.finding.subject.user})
            yield ImpactItem(what, value[:MAX_VALUE], "known", (hit.finding.id,))


def _seen(hit: Hit, name: str) -> set[str]:
    return hit.group.seen[name].values if name in hit.group.seen else set()


def _reached(hit: Hit) -> set[str]:
    """Machines that the events name as targets, and other machines whose own logs hold the intruder's work."""
    hosts = set(_seen(hit, "target.host"))
    for text in _seen(hit, "process.command"):
        for pattern in _TARGETS:
            hosts |= set(pattern.findall(text[:MAX_TEXT]))
    if not _seen(hit, "event.id") & _ELSEWHERE:
        hosts |= _seen(hit, "host.name")
    return hosts


def _sources(hit: Hit) -> set[str]:
    """Where a sign-in or an access over the network came from."""
    return set(_seen(hit, "source.host")) | _seen(hit, "source.ip") if not _seen(hit, "url.page") else set()
