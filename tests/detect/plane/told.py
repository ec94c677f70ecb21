"""What two scans of the same bytes must agree on, and a log that lies in memory-backed files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from afterpatch.detect.plane.job import Job
from afterpatch.detect.plane.plan import Plan
from afterpatch.detect.plane.scan import scan_log
from afterpatch.detect.plane.tally import LogScan
from afterpatch.model import Locator


def told(scan: LogScan) -> dict[str, Any]:
    """Everything that reaches the examination, in a comparable form."""
    return {
        "lines": scan.lines,
        "headers": scan.headers,
        "records": scan.records,
        "bytes": scan.bytes,
        "bad": dict(scan.bad),
        "bad_first": scan.bad_first,
        "hours": {number: (hour.count, hour.first, hour.last) for number, hour in sorted(scan.hours.items())},
        "blocks": scan.blocks,
        "kinds": {kind: count for kind, count in scan.kinds.items() if count},
        "names": scan.names,
        "sides": scan.sides,
        "undecodable": scan.undecodable,
        "guessed": scan.guessed,
        "sha256": scan.sha256,
        "error": scan.error,
        "events": sorted((event.detection, event.sample, event.fields) for event in scan.events),
        "groups": {
            key: (group.counts, group.first, group.last, group.samples.kept, group.bytes_out,
                  {name: sorted(seen.values) for name, seen in group.seen.items()})
            for key, group in scan.groups.items()
        },
        "pages": {
            key: (use.count, use.answered, use.posts, use.statuses, use.clients, use.answered_clients, use.first, use.last,
                  use.first_answered, use.last_answered, use.samples.kept, use.with_referer, use.kinds)
            for key, use in scan.pages.items()
        },
    }  # fmt: skip


def job(path: Path, kind: str, side: str = "") -> Job:
    return Job(0, kind, Locator(str(path)), side, path.stat().st_size)


def both(path: Path, kind: str, plan: Plan, side: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """(the fast way, the slow way); holds that every line is accounted for."""
    fast, slow = (scan_log(job(path, kind, side), plan, slow=slow) for slow in (False, True))
    for scan in (fast, slow):
        assert scan.records + sum(scan.bad.values()) + scan.headers == scan.lines
        assert sum(hour.count for hour in scan.hours.values()) <= scan.records
    return told(fast), told(slow)


def apart(one: dict[str, Any], other: dict[str, Any], *besides: str) -> dict[str, Any]:
    """Where two results differ, entry by entry; {} where they agree. `besides`: members not compared."""
    found: dict[str, Any] = {}
    for name in one:
        if name in besides or one[name] == other[name]:
            continue
        mine, theirs = one[name], other[name]
        if isinstance(mine, dict):
            keys = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
            found[name] = {key: (mine.get(key), theirs.get(key)) for key in keys}
        else:
            found[name] = (mine, theirs)
    return found
