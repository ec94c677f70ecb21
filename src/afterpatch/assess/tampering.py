"""Traces that are missing where the rest says they should be: gaps, files of a series, days."""

from __future__ import annotations

from collections.abc import Mapping

from afterpatch.assess.coverage import Period, covered
from afterpatch.assess.findings import Findings
from afterpatch.model import ChannelCoverage, Coverage, Finding, Gap, Subject, message, to_iso

GAP, INSTANCE, RECORDS = "log-gap", "missing-log-file", "missing-event-records"
MAX_FINDINGS = 50
_WATCHED = ("iis", "httpproxy", "ecp-server", "iis-back")


def tampering_findings(coverage: Mapping[str, Coverage], maker: Findings) -> list[Finding]:
    """One finding for each gap of a log that another front-end log shows the server worked through, and for each file
    that is missing out of a numbered series."""
    found: list[Finding] = []
    for kind in _WATCHED:
        if kind not in coverage:
            continue
        others = covered(coverage[other] for other in ("iis", "httpproxy") if other != kind and other in coverage)
        found += [_gap(kind, gap, others, maker) for gap in coverage[kind].gaps[:MAX_FINDINGS]]
        found += [_instance(kind, path, maker) for path in coverage[kind].missing_instances[:MAX_FINDINGS]]
    channels = [channel for each in coverage.values() for channel in each.channels if channel.missing]
    return [*found, *(_records(channel, maker) for channel in channels[:MAX_FINDINGS])]


def _records(channel: ChannelCoverage, maker: Findings) -> Finding:
    values = {"channel": channel.channel, "count": channel.missing}
    return Finding(
        id=maker.identity(RECORDS, (("channel", channel.channel),)),
        detection=RECORDS,
        title=message("check.missing-event-records.title", **values),
        severity="medium" if channel.channel.lower() == "security" else "low",
        confidence="low",
        chain="tampering",
        techniques=("T1070.001",),
        time=channel.first,
        end_time=channel.last,
        count=channel.missing or 0,
        subject=Subject(extra=(("channel", channel.channel),)),
        explanation=message("check.missing-event-records.explain", **values),
        benign_causes=tuple(message(f"check.missing-event-records.benign.{cause}") for cause in ("damage", "export")),
        next_steps=(message("check.missing-event-records.next.collector"), message("check.log-gap.next.backup")),
        origin="check",
    )


def _worked(gap: Gap, others: list[Period]) -> bool:
    return any(period.start <= gap.start and period.end >= gap.end for period in others)


def _gap(kind: str, gap: Gap, others: list[Period], maker: Findings) -> Finding:
    worked = _worked(gap, others)
    values = {"artifact": kind, "first": to_iso(gap.start), "last": to_iso(gap.end)}
    return Finding(
        id=maker.identity(GAP, (("kind", kind), ("start", str(gap.start)))),
        detection=GAP,
        title=message("check.log-gap.title", **values),
        severity="medium" if worked else "low",
        confidence="moderate" if worked else "low",
        chain="tampering",
        techniques=("T1070.004",) if worked else (),
        time=gap.start,
        end_time=gap.end,
        subject=Subject(extra=(("artifact", kind),)),
        explanation=message("check.log-gap.explain-worked" if worked else "check.log-gap.explain-silent", **values),
        benign_causes=(message("check.log-gap.benign.stopped"), message("check.log-gap.benign.collection")),
        next_steps=(message("check.log-gap.next.events"), message("check.log-gap.next.backup")),
        origin="check",
    )


def _instance(kind: str, path: str, maker: Findings) -> Finding:
    return Finding(
        id=maker.identity(INSTANCE, (("path", path),)),
        detection=INSTANCE,
        title=message("check.missing-log-file.title", path=path),
        severity="low",
        confidence="low",
        chain="tampering",
        subject=Subject(path=path, extra=(("artifact", kind),)),
        explanation=message("check.missing-log-file.explain", path=path),
        benign_causes=(message("check.log-gap.benign.collection"), message("check.missing-log-file.benign.rotation")),
        next_steps=(message("check.log-gap.next.backup"),),
        origin="check",
    )
