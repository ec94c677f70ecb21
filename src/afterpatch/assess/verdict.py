"""The verdict on one server, with its reasons and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from afterpatch.assess.coverage import Period
from afterpatch.assess.questions import FRONT, Asked
from afterpatch.model import (
    BackDoor,
    Chain,
    Coverage,
    Finding,
    Impact,
    Verdict,
    message,
    severity_at_least,
    stage_rank,
    to_iso,
)

MAX_REASONS = 12
_SUCCEEDED = stage_rank("succeeded")


def judge(
    chains: Sequence[Chain],
    doors: Sequence[BackDoor],
    findings: Sequence[Finding],
    impact: Impact,
    asked: Sequence[Asked],
    coverage: Mapping[str, Coverage],
    product: str,
    *,
    incomplete: Sequence[str] = (),
    aside: Sequence[str] = (),
) -> Verdict:
    """compromised: an attack got through, or a back door is or was there; attempted: attacks, none seen to succeed;
    no-evidence: nothing, and the evidence covers the question; inconclusive: it does not.

    `incomplete`: limits from broken parsers and detections. `aside`: further limits, which leave the question
    answerable."""
    limits = [*_limits(asked, coverage, product), *incomplete, *aside]
    through = [chain for chain in chains if stage_rank(chain.stage) >= _SUCCEEDED]
    if through or doors:
        return _compromised(chains, through, doors, findings, impact, limits)
    if chains:
        return _attempted(chains, limits, whole=not _gaps(asked, coverage, product))
    whole = not incomplete and not _gaps(asked, coverage, product)
    return _nothing(asked, coverage, findings, limits, whole=whole)


def _compromised(
    chains: Sequence[Chain],
    through: Sequence[Chain],
    doors: Sequence[BackDoor],
    findings: Sequence[Finding],
    impact: Impact,
    limits: Sequence[str],
) -> Verdict:
    named = [chain for chain in through if chain.cves] or list(through)
    first = min((chain.first_seen for chain in through if chain.first_seen), default=None)
    last = max((chain.last_seen for chain in through if chain.last_seen), default=None)
    values = {"chain": ", ".join(_name(chain) for chain in named), "first": to_iso(first), "last": to_iso(last)}
    summary = message("verdict.summary.compromised", **_given({**values, "count": len(doors) or None}))
    reasons = [_chain_reason(chain) for chain in through]
    reasons += [message(f"verdict.reason.backdoor-{door.state}", path=door.path) for door in doors]
    if impact.mailboxes:
        known = sum(item.certainty == "known" for item in impact.mailboxes)
        reasons.append(message("verdict.reason.mail-theft", **_given({"count": known or None})))
    reasons = [*reasons[:MAX_REASONS], *(_chain_reason(chain) for chain in chains if chain not in through)]
    return Verdict("compromised", _confidence(through, doors, findings), summary, tuple(reasons[:MAX_REASONS]), tuple(limits))


def _confidence(through: Sequence[Chain], doors: Sequence[BackDoor], findings: Sequence[Finding]) -> str:
    """High where a finding of high confidence carries it or two kinds of proof agree; low where only weak ones do."""
    carrying = {identity for chain in through for identity in chain.findings}
    carrying |= {identity for door in doors for identity in door.findings}
    weights = [
        finding.confidence
        for finding in findings
        if finding.id in carrying and (stage_rank(finding.stage) >= _SUCCEEDED or severity_at_least(finding.severity, "high"))
    ]
    if "high" in weights or (through and doors):
        return "high"
    return "moderate" if "moderate" in weights else "low"


def _attempted(chains: Sequence[Chain], limits: Sequence[str], *, whole: bool) -> Verdict:
    first = min((chain.first_seen for chain in chains if chain.first_seen), default=None)
    names = ", ".join(_name(chain) for chain in chains)
    summary = message("verdict.summary.attempted", **_given({"chain": names, "first": to_iso(first)}))
    confidence = "low" if not whole else "high" if not limits else "moderate"
    reasons = tuple(_chain_reason(chain) for chain in chains)[:MAX_REASONS]
    return Verdict("attempted", confidence, summary, reasons, tuple(limits))


def _nothing(
    asked: Sequence[Asked],
    coverage: Mapping[str, Coverage],
    findings: Sequence[Finding],
    limits: Sequence[str],
    *,
    whole: bool,
) -> Verdict:
    front = [coverage[kind] for kind in FRONT if kind in coverage and coverage[kind].first is not None]
    first = min((each.first for each in front if each.first), default=None)
    last = max((each.last for each in front if each.last), default=None)
    worth = [finding for finding in findings if severity_at_least(finding.severity, "high")]
    reasons = [message("verdict.reason.findings", count=len(worth))] if worth else [message("verdict.reason.nothing-found")]
    if not whole:
        periods = [period for each in asked if each.way.verdict for period in each.periods]
        values = _given({"first": _start(periods), "last": _end(periods)})
        summary = message("verdict.summary.inconclusive", **values)
        return Verdict("inconclusive", "low", summary, tuple(reasons), tuple(limits))
    summary = message("verdict.summary.no-evidence", **_given({"first": to_iso(first), "last": to_iso(last)}))
    confidence = "moderate" if any(each.lacking for each in asked if each.way.verdict and each.periods) else "high"
    return Verdict("no-evidence", confidence, summary, tuple(reasons), tuple(limits))


def _gaps(asked: Sequence[Asked], coverage: Mapping[str, Coverage], product: str) -> bool:
    """Whether the evidence does not cover the question: front-end requests over the time, web roots, configuration.
    Exchange 2010 never writes the logs that would answer it."""
    if product.startswith("14."):
        return True
    if any(each.missing for each in asked if each.way.verdict):
        return True
    if not any(kind in coverage and coverage[kind].records for kind in FRONT):
        return True
    return any(kind not in coverage or not coverage[kind].files for kind in ("web-file", "iis-config"))


def _limits(asked: Sequence[Asked], coverage: Mapping[str, Coverage], product: str) -> list[str]:
    limits = [*_front_limits(asked, coverage)]
    absent = [kind for kind in _ABSENT if kind not in coverage or not coverage[kind].files]
    if product.startswith("14."):
        limits.append(message("verdict.limit.exchange-2010"))
        absent = [kind for kind in absent if kind not in ("httpproxy", "ecp-server", "oab-generator")]
    limits += [message(f"verdict.limit.{_ABSENT[kind]}") for kind in absent]
    if "event-log" in coverage and coverage["event-log"].files and not coverage["event-log"].records:
        limits.append(message("verdict.limit.event-logs-not-read"))
    if not product:
        limits.append(message("verdict.limit.build-unknown"))
    bad = sum(each.bad for each in coverage.values())
    if bad:
        limits.append(message("verdict.limit.bad-lines", count=bad))
    unreadable = sum(each.unreadable for each in coverage.values())
    if unreadable:
        limits.append(message("verdict.limit.unreadable-files", count=unreadable))
    return limits


_ABSENT = {
    "web-file": "no-web-roots",
    "iis-config": "no-iis-config",
    "httpproxy": "no-httpproxy",
    "ecp-server": "no-ecp-server",
    "oab-generator": "no-oab-generator",
    "iis-back": "no-back-end-iis",
    "event-log": "no-event-logs",
}


def _front_limits(everything: Sequence[Asked], coverage: Mapping[str, Coverage]) -> list[str]:
    asked = [each for each in everything if set(each.way.needs) & set(FRONT)]
    front = [coverage[kind] for kind in FRONT if kind in coverage and coverage[kind].first is not None]
    if not front:
        return [message("verdict.limit.no-front-end-logs")]
    first = min(each.first for each in front if each.first)
    last = max(each.last for each in front if each.last)
    limits: list[str] = []
    late = min((gap.start for each in asked if each.periods for gap in each.missing if gap.end <= first), default=None)
    if late is not None:
        limits.append(message("verdict.limit.logs-begin-late", first=to_iso(first), needed=to_iso(late)))
    early = max((gap.end for each in asked if each.periods for gap in each.missing if gap.start >= last), default=None)
    if early is not None:
        limits.append(message("verdict.limit.logs-end-early", last=to_iso(last), needed=to_iso(early)))
    inside = {(gap.start, gap.end) for each in asked for gap in each.missing if gap.start >= first and gap.end <= last}
    for start, end in sorted(inside)[:5]:
        text = message("verdict.limit.log-gap", artifact="front-end logs", first=to_iso(start), last=to_iso(end))
        limits.append(text)
    return limits


def _chain_reason(chain: Chain) -> str:
    values = {"chain": _name(chain), "first": to_iso(chain.first_seen), "sources": ", ".join(_intruders(chain)[:5]) or None}
    return message(f"verdict.reason.chain-{chain.stage}", **_given(values))


def _intruders(chain: Chain) -> Sequence[str]:
    """The addresses the attack came from; who only looked is left out where somebody did more."""
    if chain.stage == "probed":
        return chain.sources
    return sorted({source for actor in chain.actors if actor.stage != "probed" for source in actor.sources}) or chain.sources


def _name(chain: Chain) -> str:
    return chain.id


def _given(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _start(periods: Sequence[Period]) -> str | None:
    return to_iso(min((period.start for period in periods), default=None))


def _end(periods: Sequence[Period]) -> str | None:
    return to_iso(max((period.end for period in periods), default=None))
