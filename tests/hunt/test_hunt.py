"""The hunt over a small folder of event logs and text logs: findings, counts, timeline, and every format."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from afterpatch.detect.sigma.load import load_content
from afterpatch.hunt import FORMATS, HuntOptions, HuntResult, hunt, render, summarise
from afterpatch.hunt.levels import from_level
from afterpatch.hunt.render import cell
from afterpatch.model import EvidenceError
from afterpatch.report.run import RunInfo

RULES = r"""
title: Command program
id: 11111111-2222-4333-8444-000000000001
name: command
logsource: {product: windows, service: security}
detection: {s: {EventID: 4688, CommandLine|contains: whoami}, condition: s}
level: high
tags: [attack.t1033]
---
title: Page asked for
id: 11111111-2222-4333-8444-000000000002
logsource: {category: webserver}
detection: {s: {cs-uri-stem|contains: example.aspx}, condition: s}
level: medium
---
title: Three commands
id: 11111111-2222-4333-8444-000000000003
correlation: {type: event_count, rules: [command], group-by: [SubjectUserName], timespan: 1h, condition: {gte: 3}, generate: true}
level: critical
---
title: Nothing here
id: 11111111-2222-4333-8444-000000000004
logsource: {product: linux, service: auth}
detection: {s: [x], condition: s}
level: low
"""
BROKEN = "title: x\nid: 11111111-2222-4333-8444-000000000009\nlogsource: {product: windows}\ndetection: {condition: s}\n"
IIS = (
    "#Software: Microsoft Internet Information Services 10.0\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port "
    "cs-username c-ip cs(User-Agent) sc-status sc-substatus sc-win32-status time-taken\n"
    "2021-03-05 03:06:27 192.0.2.10 GET /owa/auth/example.aspx - 443 - 198.51.100.36 Mozilla/5.0 200 0 0 133\n"
)


def event(command: str, when: str, host: str = "exch01.example.local", number: int = 1) -> bytes:
    return orjson.dumps({
        "EventTime": when, "Hostname": host, "EventID": 4688, "SourceName": "Microsoft-Windows-Security-Auditing",
        "Channel": "Security", "RecordNumber": number, "CommandLine": command, "SubjectUserName": "=admin1",
        "NewProcessName": "C:\\Windows\\System32\\cmd.exe",
    })  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("hunt")
    logs, rules = base / "logs", base / "rules"
    logs.mkdir()
    rules.mkdir()
    events = [
        event("cmd /c whoami", "2021-03-03 06:59:10", number=1),
        event("cmd /c whoami /all", "2021-03-03 07:10:10", number=2),
        event("=cmd|' /c whoami'", "2021-03-03 07:20:10", number=3),
        event("notepad", "2021-03-03 07:21:10", number=4),
        event("whoami", "2021-03-04 01:00:00", "exch02.example.local", 5),
        b"{broken",
    ]
    (logs / "security.jsonl").write_bytes(b"\n".join(events) + b"\n")
    (logs / "notes.json").write_bytes(b'{"a": 1}\n')
    (logs / "u_ex210305.log").write_text(IIS)
    (rules / "rules.yml").write_text(RULES)
    (rules / "broken.yml").write_text(BROKEN)
    return logs, rules


@pytest.fixture(scope="module")
def result(folders: tuple[Path, Path]) -> HuntResult:
    return hunt([str(folders[0])], [str(folders[1])], HuntOptions(jobs=1))


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_findings(result: HuntResult) -> None:
    found = {
        (one.title, one.subject.host or dict(one.subject.extra).get("host.name", "")): one for one in result.examination.findings
    }
    titles = [one.title for one in result.examination.findings]
    assert titles[0] == "Three commands"
    assert sorted(titles) == ["Command program", "Command program", "Page asked for", "Three commands"]
    first = next(one for key, one in found.items() if one.title == "Command program" and one.count == 3)
    assert (first.severity, first.techniques) == ("high", ("T1033",))
    assert first.time == datetime(2021, 3, 3, 6, 59, 10, tzinfo=UTC)
    assert [(proof.record, proof.line) for proof in first.evidence] == [(1, None), (2, None), (3, None)]
    assert all(proof.path.endswith("security.jsonl") and len(proof.sha256) == 64 for proof in first.evidence)
    page = next(one for one in result.examination.findings if one.title == "Page asked for")
    assert (page.subject.ip, page.evidence[0].line, page.evidence[0].record) == ("198.51.100.36", 3, None)


def test_counts(result: HuntResult) -> None:
    counts = summarise(result.hits)
    assert [(one.title, one.count, one.hosts) for one in counts.rules] == [("Command program", 4, 2), ("Page asked for", 1, 1)]
    assert counts.levels == (("high", 4), ("medium", 1))
    assert dict(counts.days) == {"2021-03-03": 3, "2021-03-04": 1, "2021-03-05": 1}
    assert dict(counts.hosts)["exch02.example.local"] == 1
    assert (result.records, result.unread, result.refused) == (6, 1, 1)
    assert result.first == datetime(2021, 3, 3, 6, 59, 10, tzinfo=UTC)


def test_every_rule_has_a_state(result: HuntResult) -> None:
    states = {state.title: state.state for state in result.examination.detections}
    assert states == {
        "Command program": "fired", "Page asked for": "fired", "Three commands": "fired", "Nothing here": "not-applicable",
    }  # fmt: skip


def test_notices(result: HuntResult) -> None:
    reasons = {notice.reason.partition(":")[0] for notice in result.examination.notices}
    assert {"notice.rule-refused", "notice.event-json"} <= reasons


def test_document(result: HuntResult) -> None:
    run = RunInfo("1", result.version, None, None, "hunt")
    doc: dict[str, Any] = orjson.loads(render(result, "json", run))
    assert doc["schema"] == "afterpatch.examination/1"
    assert len(doc["findings"]) == 4
    assert doc["servers"] == []
    assert doc["summary"]["hits"] == 5
    assert doc["summary"]["levels"] == {"high": 4, "medium": 1}
    assert doc["run"]["rules_version"] == result.version
    lines = render(result, "jsonl").splitlines()
    assert [orjson.loads(line)["title"] for line in lines] == [one["title"] for one in doc["findings"]]


def test_the_same_input_gives_the_same_bytes(folders: tuple[Path, Path], result: HuntResult) -> None:
    again = hunt([str(folders[0])], [str(folders[1])], HuntOptions(jobs=2))
    for name in FORMATS:
        assert render(again, name) == render(result, name)


def test_timeline_is_in_order(result: HuntResult) -> None:
    table = rows(render(result, "timeline-csv"))
    assert [row["time"] for row in table] == sorted(row["time"] for row in table)
    assert [row["record"] for row in table] == ["1", "2", "3", "5", "3"]
    assert table[0]["user"] == "'=admin1"
    assert table[2]["detail"].startswith("Security 4688: =cmd|")
    lines = [orjson.loads(line) for line in render(result, "timeline-jsonl").splitlines()]
    assert [line["title"] for line in lines] == [row["title"] for row in table]


def test_csv_holds_no_formula(result: HuntResult) -> None:
    for name in ("csv", "timeline-csv"):
        for row in rows(render(result, name)):
            assert not any(value.lstrip()[:1] in tuple("=+-@|%") for value in row.values() if value)


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\r=1", "|x", "%x"])
def test_cells(value: str) -> None:
    assert cell(value)[:1] == "'" or cell(value).strip()[:1] not in tuple("=+-@|%")
    assert cell("plain") == "plain"


def test_text_escapes_what_evidence_says(folders: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(event("whoami", "2021-03-03 06:59:10", host="\x1b[31mred\u202e") + b"\n")
    shown = render(hunt([str(path)], [str(folders[1])], HuntOptions(jobs=1)), "text").decode()
    assert "Command program" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_since_and_until(folders: tuple[Path, Path]) -> None:
    options = HuntOptions(since=datetime(2021, 3, 4, tzinfo=UTC), until=datetime(2021, 3, 4, 23, tzinfo=UTC), jobs=1)
    found = hunt([str(folders[0])], [str(folders[1])], options)
    assert [hit.record for hit in found.hits] == [5]
    assert [one.title for one in found.examination.findings] == ["Command program"]


def test_rules_from_a_level_on(folders: tuple[Path, Path]) -> None:
    found = hunt([str(folders[0])], [str(folders[1])], HuntOptions(jobs=1, level="high"))
    assert {one.severity for one in found.examination.findings} <= {"high", "critical"}
    every = hunt([str(folders[0])], [str(folders[1])], HuntOptions(jobs=1, level="info"))
    assert every.hits == hunt([str(folders[0])], [str(folders[1])], HuntOptions(jobs=1)).hits
    assert len(found.hits) < len(every.hits)


LEVELLED = """
title: Base
name: base
logsource: {product: windows, service: security}
detection: {s: {EventID: 4688}, condition: s}
level: high
---
title: Low
correlation: {type: event_count, rules: [base], group-by: [host.name], timespan: 1h, condition: {gte: 2}}
level: low
---
title: Alone
logsource: {product: windows, service: security}
detection: {s: {EventID: 4688}, condition: s}
---
title: Other
name: other
logsource: {product: windows, service: security}
detection: {s: {EventID: 4624}, condition: s}
level: low
---
title: High
correlation: {type: event_count, rules: [other], group-by: [host.name], timespan: 1h, condition: {gte: 2}}
level: critical
"""


def test_a_level_keeps_what_correlations_look_at() -> None:
    """A base rule is nothing for itself, whatever its level, and stays where a correlation that stays needs it."""
    rules = load_content([("r.yml", LEVELLED.encode())])
    kept = from_level(rules, "medium")
    titles = [one.title for one in kept.rules] + [one.title for one in kept.correlations]
    assert sorted(titles) == ["Alone", "High", "Other"]
    assert from_level(rules, "") is rules


def test_our_own_rules_are_taken_where_none_are_given(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        orjson.dumps(
            {
                "EventTime": "2021-03-03 06:59:10",
                "Hostname": "exch01.example.local",
                "EventID": 7045,
                "Channel": "System",
                "SourceName": "Service Control Manager",
                "ServiceName": "msupdate",
                "ImagePath": "C:\\example.exe",
            }
        )
        + b"\n"
    )
    found = hunt([str(path)], [], HuntOptions(jobs=1))
    assert "Service with the name of the DearCry ransom program" in {one.title for one in found.examination.findings}


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError):
        hunt([str(tmp_path / "gone")], [])
