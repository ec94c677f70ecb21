"""What was taken, and which other machines were touched: known, estimated, or not determinable from this evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from afterpatch.assess.chains import JOIN
from afterpatch.assess.findings import Hit
from afterpatch.assess.touched import secrets_of, touched
from afterpatch.model import Chain, Finding, Impact, ImpactItem, message, severity_at_least, stage_rank

TAKING = frozenset(("new-mailboxexportrequest", "search-mailbox", "new-mailboxsearch"))
MAIL_TAG = "afterpatch.mail-theft"
_MAILBOX = re.compile(r'-(?:Mailbox|Identity|SourceMailbox|TargetMailbox)\s+"([^"]{1,256})"', re.IGNORECASE)
_IN_ADDRESS = re.compile(r"/ecp/([^/?@\s]{1,100}@[^/?\s]{1,150})/RulesEditor/", re.IGNORECASE)
_DUMP = re.compile(r"lsass|\.dmp\b", re.IGNORECASE)
_SECRETS = ("lsass-dump", "ntds-copy", "hive-save")
MAX_ITEMS = 200


def assess_impact(hits: Sequence[Hit], file_findings: Iterable[Finding], chains: Sequence[Chain], name: str) -> Impact:
    """The impact on one server. `name` is the server's own: it is not a machine that was touched."""
    reached = max((stage_rank(chain.stage) for chain in chains), default=-1)
    mail = [hit for hit in hits if _is_theft(hit)]
    mail += [hit for hit in hits if hit not in mail and "ews" in hit.group.counts and _beside(hit, mail)]
    return Impact(
        mailboxes=tuple(_mailboxes(mail))[:MAX_ITEMS],
        credentials=(*secrets_of(hits), *_credentials(file_findings, reached))[:MAX_ITEMS],
        hosts=(*_hosts(hits, name), *touched(hits, name))[:MAX_ITEMS],
        bytes_out=_bytes_out(mail, hits),
    )


def _is_theft(hit: Hit) -> bool:
    cmdlets = hit.group.seen.get("cmdlet.name")
    exported = cmdlets is not None and any(name.lower() in TAKING for name in cmdlets.values)
    named = MAIL_TAG in hit.finding.tags or hit.finding.chain in ("mail-theft", "proxytoken")
    return hit.role == "intrusion" and (named or exported) and severity_at_least(hit.finding.severity, "medium")


def _beside(hit: Hit, mail: Sequence[Hit]) -> bool:
    """Whether back-end mail rows lie within minutes of theft that the front end saw: they name the mailboxes."""
    return any(
        other.group.first is not None
        and other.group.last is not None
        and other.group.first - JOIN <= sample.time <= other.group.last + JOIN
        for sample in hit.group.samples.kept
        for other in mail
    )


def _mailboxes(mail: Sequence[Hit]) -> Iterable[ImpactItem]:
    named: dict[str, list[str]] = {}
    for hit in mail:
        for value in _named_mailboxes(hit):
            named.setdefault(value, []).append(hit.finding.id)
    for value, findings in sorted(named.items()):
        yield ImpactItem("mailbox", value, "known", tuple(dict.fromkeys(findings)))
    if mail and not named:
        everything = tuple(dict.fromkeys(hit.finding.id for hit in mail))
        yield ImpactItem("mailboxes", "", "not-determinable", everything)


def _named_mailboxes(hit: Hit) -> set[str]:
    seen = hit.group.seen
    names = {
        value
        for column in ("ImpersonatedUser", "ActAsUser")
        if column in seen
        for value in seen[column].values
        if value and not value.lower().startswith("healthmailbox")
    }
    for text in seen["url.original"].values if "url.original" in seen else ():
        names |= set(_IN_ADDRESS.findall(text))
    for text in seen["cmdlet.parameters"].values if "cmdlet.parameters" in seen else ():
        names |= set(_MAILBOX.findall(text))
    return names


def _credentials(file_findings: Iterable[Finding], reached: int) -> Iterable[ImpactItem]:
    for finding in file_findings:
        if finding.detection in _SECRETS or _DUMP.search(finding.subject.path):
            yield ImpactItem("lsass-dump", finding.subject.path, "known", (finding.id,))
    if reached >= stage_rank("wrote"):
        yield ImpactItem("accounts", "", "not-determinable")
        yield ImpactItem("machine-keys", "", "not-determinable")


def _hosts(hits: Sequence[Hit], name: str) -> Iterable[ImpactItem]:
    """Machines that requests of an attack were relayed to."""
    own = name.lower()
    found: dict[str, list[str]] = {}
    for hit in hits:
        if hit.role != "intrusion" or not hit.finding.chain:
            continue
        for column in ("anchor.host", "TargetServer"):
            for value in hit.group.seen[column].values if column in hit.group.seen else ():
                host = value.lower().rstrip(".")
                if host and host not in ("localhost", "127.0.0.1", "::1") and host.partition(".")[0] != own:
                    found.setdefault(value, []).append(hit.finding.id)
    for value, findings in sorted(found.items()):
        yield ImpactItem("proxy-target", value, "known", tuple(dict.fromkeys(findings)))


def _bytes_out(mail: Sequence[Hit], hits: Sequence[Hit]) -> ImpactItem | None:
    total = sum(hit.group.bytes_out for hit in mail)
    if total:
        return ImpactItem("bytes-out", str(total), "known", tuple(dict.fromkeys(hit.finding.id for hit in mail)))
    used = [hit for hit in hits if hit.role == "intrusion" and stage_rank(hit.finding.stage) >= stage_rank("succeeded")]
    if mail or used:
        return ImpactItem("bytes-out", message("impact.bytes-unknown"), "not-determinable")
    return None
