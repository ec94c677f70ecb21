"""What to do now: the ordered checklist of the knowledge, cut to what was found."""

from __future__ import annotations

from collections.abc import Sequence

from afterpatch.knowledge import actions
from afterpatch.model import BackDoor, Chain, Exposure, Finding, Impact, Verdict, message, stage_rank

_DOOR_TAGS = {
    "web-shell": ("web-shell",),
    "compiled-page": ("web-shell",),
    "modified-file": ("web-shell",),
    "iis-module": ("iis-persistence",),
    "handler": ("iis-persistence",),
    "virtual-directory": ("iis-persistence",),
    "transport-agent": ("transport-agent", "persistence"),
    "task": ("persistence",),
    "service": ("persistence",),
}


def actions_for(
    verdict: Verdict,
    chains: Sequence[Chain],
    doors: Sequence[BackDoor],
    findings: Sequence[Finding],
    impact: Impact,
    exposure: Sequence[Exposure] = (),
) -> tuple[str, ...]:
    """Messages `action.<id>`, in the order of the checklist."""
    tags = _tags(verdict, chains, doors, findings, impact)
    if any(hole.state in ("open", "unknown") for hole in exposure):
        tags.add("exposed")
    return tuple(message(f"action.{action.id}") for action in actions.for_tags(tags))


def _tags(
    verdict: Verdict,
    chains: Sequence[Chain],
    doors: Sequence[BackDoor],
    findings: Sequence[Finding],
    impact: Impact,
) -> set[str]:
    tags = {"always"}
    if verdict.state == "compromised":
        tags.add("any-compromise")
    if chains:
        tags |= {"attempted", "exposed"}
    for door in doors:
        tags |= set(_DOOR_TAGS.get(door.kind, ("persistence",)))
    stages = {chain.id: stage_rank(chain.stage) for chain in chains}
    if stages.get("proxylogon", -1) >= stage_rank("wrote"):
        tags |= {"web-shell", "oab-shell"}
    if stages.get("viewstate", -1) >= stage_rank("attempted"):
        tags.add("viewstate")
    if max(stages.values(), default=-1) >= stage_rank("wrote") or any(door.kind == "web-shell" for door in doors):
        tags |= {"viewstate", "credential-theft"}
    if impact.mailboxes:
        tags.add("mail-theft")
    if any(item.certainty == "known" for item in impact.credentials):
        tags |= {"credential-theft", "domain-reach"}
    if any(finding.chain == "tampering" for finding in findings):
        tags.add("tampering")
    return tags & set(actions.TAGS)
