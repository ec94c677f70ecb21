"""A hunt's result as bytes: JSON document, JSON lines, CSV, timeline, and the summary for a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from afterpatch.hunt.findings import Hit
from afterpatch.hunt.hunt import HuntResult
from afterpatch.hunt.summary import Summary, summarise
from afterpatch.model import Finding, to_iso
from afterpatch.report.document import document, findings_jsonl, to_bytes
from afterpatch.report.run import RunInfo
from afterpatch.report.text import shorten, shown, storable

HIT_COLUMNS = ("time", "level", "title", "host", "user", "ip", "detail", "path", "record", "detection")
FINDING_COLUMNS = (
    "time", "end_time", "level", "title", "count", "host", "user", "ip", "path", "record", "chain", "stage", "techniques",
    "detection",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
MOST_RULES = 40
NO_RUN = RunInfo("", "", None, None, "")


def render(result: HuntResult, format_: str, run: RunInfo = NO_RUN) -> bytes:
    """The result in one of FORMATS. `run` is only in the JSON document."""
    return FORMATS[format_](result, run)


def _json(result: HuntResult, run: RunInfo) -> bytes:
    """The document of the contract with `findings` at the top, and the counts in `summary`."""
    doc = document(result.examination, run)
    doc["summary"] = summary_object(result)
    doc.setdefault("findings", [])
    return to_bytes(doc)


def summary_object(result: HuntResult) -> dict[str, Any]:
    """The counts as plain values."""
    counts = summarise(result.hits)
    return {
        "records": result.records,
        "judged": result.judged,
        "unreadable": result.unread,
        "bytes": result.bytes,
        "first": to_iso(result.first),
        "last": to_iso(result.last),
        "rules_refused": result.refused,
        "hits": len(result.hits),
        "rules": [
            {
                "detection": one.detection,
                "title": storable(one.title),
                "level": one.level,
                "count": one.count,
                "hosts": one.hosts,
            }
            for one in counts.rules
        ],
        "levels": dict(counts.levels),
        "hosts": {storable(host): count for host, count in counts.hosts},
        "days": dict(counts.days),
    }


def _jsonl(result: HuntResult, _run: RunInfo) -> bytes:
    """One finding a line."""
    return b"".join(findings_jsonl(result.examination))


def _csv(result: HuntResult, _run: RunInfo) -> bytes:
    """One finding a row."""
    return _table(FINDING_COLUMNS, (_finding_row(finding) for finding in result.examination.findings))


def _timeline_csv(result: HuntResult, _run: RunInfo) -> bytes:
    """One hit a row, in the order of time."""
    return _table(HIT_COLUMNS, (_hit_row(hit) for hit in result.hits))


def _timeline_jsonl(result: HuntResult, _run: RunInfo) -> bytes:
    """One hit a line, in the order of time."""
    lines = (
        orjson.dumps(
            {name: storable(value) if isinstance(value, str) else value for name, value in _hit_values(hit).items()},
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for hit in result.hits
    )
    return b"".join(lines)


def _hit_values(hit: Hit) -> dict[str, Any]:
    return {
        "time": to_iso(hit.time),
        "level": hit.level,
        "title": hit.title,
        "host": hit.host,
        "user": hit.user,
        "ip": hit.ip,
        "detail": hit.detail,
        "path": hit.path,
        "record": hit.record,
        "detection": hit.detection,
        "raw": hit.raw,
    }


def _hit_row(hit: Hit) -> list[str]:
    values = _hit_values(hit)
    return ["" if values[name] is None else str(values[name]) for name in HIT_COLUMNS]


def _finding_row(finding: Finding) -> list[str]:
    proof = finding.evidence[0] if finding.evidence else None
    place = (proof.record if proof.record is not None else proof.line) if proof is not None else None
    host = finding.subject.host or dict(finding.subject.extra).get("host.name", "")
    return [
        to_iso(finding.time) or "", to_iso(finding.end_time) or "", finding.severity, finding.title, str(finding.count),
        host, finding.subject.user, finding.subject.ip, proof.path if proof is not None else "",
        "" if place is None else str(place), finding.chain, finding.stage, " ".join(finding.techniques),
        finding.detection,
    ]  # fmt: skip


def cell(value: str) -> str:
    """A value that no spreadsheet takes for a formula."""
    value = storable(value).replace("\r", " ").replace("\n", " ").replace("\0", "")
    return f"'{value}" if value.startswith(FORMULA) or value.lstrip().startswith(FORMULA) else value


def _table(columns: Iterable[str], rows: Iterable[list[str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8")


def _text(result: HuntResult, _run: RunInfo) -> bytes:
    """The summary for a terminal: everything of the evidence is escaped."""
    counts = summarise(result.hits)
    lines = [
        f"{result.records:,} records read, {len(result.hits):,} hits of {len(counts.rules):,} rules",
        f"time covered: {to_iso(result.first) or '-'} to {to_iso(result.last) or '-'}",
    ]
    if result.unread:
        lines.append(f"{result.unread:,} records could not be read")
    if result.refused:
        lines.append(f"{result.refused:,} rules were refused")
    lines += _sections(counts)
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _sections(counts: Summary) -> list[str]:
    lines = ["", "level"]
    lines += [f"  {level:<10} {count:>9,}" for level, count in counts.levels]
    lines += ["", "rule"]
    lines += [f"  {one.level:<9} {one.count:>8,}  {shown(shorten(one.title, 90))}" for one in counts.rules[:MOST_RULES]]
    if len(counts.rules) > MOST_RULES:
        lines.append(f"  and {len(counts.rules) - MOST_RULES:,} more")
    lines += ["", "host"]
    lines += [f"  {count:>9,}  {shown(shorten(host, 80)) or '-'}" for host, count in counts.hosts[:MOST_RULES]]
    lines += ["", "day"]
    lines += [f"  {day} {count:>9,}" for day, count in counts.days]
    return lines


FORMATS: Mapping[str, Callable[[HuntResult, RunInfo], bytes]] = MappingProxyType({
    "json": _json,
    "jsonl": _jsonl,
    "csv": _csv,
    "timeline-csv": _timeline_csv,
    "timeline-jsonl": _timeline_jsonl,
    "text": _text,
})  # fmt: skip
