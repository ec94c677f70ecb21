"""The scan of event logs: fast and slow agree, everything is counted, pieces and cores change nothing."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpatch.detect.events import make_event_plan, scan_events
from afterpatch.detect.events.head import origin_of, read_head
from afterpatch.detect.events.literals import necessary_groups, required_ids
from afterpatch.detect.events.plan import ways_of
from afterpatch.detect.sigma import compile_rules
from afterpatch.detect.sigma.load import load_content
from afterpatch.detect.sigma.mapping import default_mappings
from afterpatch.detect.sigma.model import LogSource
from afterpatch.model import Artifact, Locator, Step

RULE = """
title: {title}
id: 11111111-2222-4333-8444-{number:012d}
logsource: {{product: windows, {source}}}
detection:
{detection}
"""
SHARED = Path(__file__).parents[4] / "shared" / "samples" / "evtx" / "MSExchange_Management_wec.evtx"


def rule(detection: str, source: str = "service: security", number: int = 1) -> str:
    body = "\n".join(f"  {line}" for line in detection.strip().splitlines())
    return RULE.format(title="t", number=number, source=source, detection=body)


def security(**fields: str) -> dict[str, str]:
    return {"Channel": "Security", "Provider_Name": "Microsoft-Windows-Security-Auditing", "EventID": "4688", **fields}


def hits(kit: ModuleType, text: str, *events: dict[str, str]) -> int:
    """How many events the rule fires on: the same fast, slow, and with the other search."""
    plan = kit.plan_of(text)
    texts = [kit.text(one, number) for number, one in enumerate(events, 1)]
    fast = kit.judged(texts, plan)
    slow = kit.judged(texts, plan, slow=True)
    other = make_event_plan(compile_rules(load_content([("r.yml", text.encode())])), force_fallback=True)
    counts = [sum(group.counts["event-log"] for group in scan.groups.values()) for scan in (fast, slow, kit.judged(texts, other))]
    assert counts[0] == counts[1] == counts[2]
    assert fast.records == len(events)
    return counts[0]


@pytest.mark.parametrize(
    ("detection", "value", "wanted"),
    [
        (r"s: {CommandLine|endswith: '\cmd.exe'}", r"C:\Windows\cmd.exe", True),
        (r"s: {CommandLine|endswith: '\cmd.exe'}", r"C:\Windows\cmd.exe x", False),
        (r"s: {CommandLine|startswith: 'C:\Win'}", r"c:\windows\cmd.exe", True),
        ("s: {CommandLine: 'a\\b\"c'}", 'A\\B"C', True),
        ("s: {CommandLine|contains: 'é'}", "caféx", True),
        ("s: {CommandLine|contains: 'café au'}", "un café au lait", True),
        ("s: {CommandLine|contains: 'a b'}", "x a\tb y", False),
        ('s: {CommandLine|contains: "a\\tb"}', "x a\tb y", True),
        ("s: {CommandLine|re: 'who\\s+ami'}", "cmd /c who   ami", True),
        ("s: {CommandLine: true}", "true", True),
        ("s: {CommandLine: 4688}", "4688", True),
        ("s: {CommandLine|contains|all: [abc, xyz]}", "xyz abc", True),
        ("s: {CommandLine: null}", "", True),
        ("s: {CommandLine: ''}", "", True),
        ("s: {CommandLine|contains: '*mid*le'}", "the middle", True),
        ("s: ['whoami', 'ipconfig']", "cmd /c IPCONFIG", True),
        ("s: ['exch01.example']", "x", True),
    ],
)
def test_what_stands_in_json_is_found(kit: ModuleType, detection: str, value: str, wanted: bool) -> None:
    text = rule(f"{detection}\ncondition: s")
    assert hits(kit, text, security(CommandLine=value)) == int(wanted)


def test_a_field_the_event_lacks_is_absent(kit: ModuleType) -> None:
    """Older systems leave fields out: an exclusion over one does not hold. `*` wants a value, `null` none."""
    text = rule("s: {EventID: 4688}\nf: {TargetUserName: x}\ncondition: s and not f")
    assert hits(kit, text, security(CommandLine="a"), security(CommandLine="b", TargetUserName="")) == 2
    for written, wanted in (("null", 1), ("'*'", 0), ("''", 0), ("'?*'", 0)):
        assert hits(kit, rule(f"s: {{TargetUserName: {written}}}\ncondition: s"), security(CommandLine="a")) == wanted
    assert hits(kit, rule("s: {TargetUserName|exists: true}\ncondition: s"), security(TargetUserName="")) == 1
    for written, wanted in (("true", 0), ("false", 1)):
        assert hits(kit, rule(f"s: {{TargetUserName|exists: {written}}}\ncondition: s"), security(CommandLine="a")) == wanted


def test_a_field_the_log_never_carries_is_unknown(kit: ModuleType) -> None:
    text = rule("s: {Image|endswith: a.exe}\nf: {OriginalFileName: x}\ncondition: s and not f", "category: process_creation")
    assert hits(kit, text, security(NewProcessName="C:\\a.exe")) == 0
    sysmon = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": "1", "Image": "C:\\a.exe"}
    assert hits(kit, text, sysmon) == 1


def test_the_other_spelling_of_process_creation(kit: ModuleType) -> None:
    text = rule(
        "s: {Image|endswith: '\\cmd.exe', ParentImage|endswith: '\\w3wp.exe', User|contains: 'EXAMPLE\\adm'}\ncondition: s",
        "category: process_creation",
    )
    audit = security(
        NewProcessName=r"C:\W\cmd.exe", ParentProcessName=r"C:\W\w3wp.exe", SubjectUserName="admin1", SubjectDomainName="EXAMPLE"
    )
    sysmon = {
        "Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": "1", "Image": r"C:\W\cmd.exe",
        "ParentImage": r"C:\W\w3wp.exe", "User": "EXAMPLE\\admin1",
    }  # fmt: skip
    assert hits(kit, text, audit, sysmon, {**sysmon, "EventID": "5"}, {**audit, "EventID": "4689"}) == 2


def test_rules_of_other_channels_stay_quiet(kit: ModuleType) -> None:
    text = rule("s: {CommandLine|contains: whoami}\ncondition: s", "service: system")
    assert hits(kit, text, security(CommandLine="whoami")) == 0


def test_registry_categories_look_at_the_event_type(kit: ModuleType) -> None:
    text = rule("s: {TargetObject|contains: Run}\ncondition: s", "category: registry_delete")
    event = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": "12", "TargetObject": r"HKLM\Run\x"}
    assert hits(kit, text, {**event, "EventType": "DeleteValue"}, {**event, "EventType": "CreateKey"}) == 1


def test_cleared_logs_are_named(kit: ModuleType) -> None:
    text = rule("s: {EventID: 104, Channel: Application}\ncondition: s", "service: system")
    event = {"Channel": "System", "EventID": "104", "UserData_Channel": "Application", "SubjectUserName": "admin1"}
    assert hits(kit, text, event) == 1


def test_defender_names_are_met_without_spaces(kit: ModuleType) -> None:
    text = rule("s: {ThreatName|contains: Example, SourceName: Real-Time}\ncondition: s", "service: windefend")
    event = {
        "Channel": "Microsoft-Windows-Windows Defender/Operational", "EventID": "1116", "Threat Name": "Trojan:Example",
        "Source Name": "Real-Time",
    }  # fmt: skip
    assert hits(kit, text, event) == 1


def test_exchanges_own_log_is_rendered(kit: ModuleType) -> None:
    text = rule("s: ['Cmdlet failed. Cmdlet Get-App, ']\ncondition: s", "service: msexchange-management")
    event = {
        "Channel": "MSExchange Management",
        "Provider_Name": "MSExchange CmdletLogs",
        "EventID": "6",
        "Data": 'Get-App\n-Mailbox "u"',
    }
    assert hits(kit, text, event, {**event, "EventID": "1"}) == 1


def test_data_holds_the_rendered_sentence(kit: ModuleType) -> None:
    text = rule(
        "s: {EventID: 8, Data|contains: 'Task Get-App throwing unhandled'}\ncondition: s", "service: msexchange-management"
    )
    event = {
        "Channel": "MSExchange Management",
        "Provider_Name": "MSExchange CmdletLogs",
        "EventID": "8",
        "Data": "4644\n21\nGet-App\nSystem.InvalidCastException: x",
    }
    assert hits(kit, text, event) == 1


def test_required_ids() -> None:
    def ids(detection: str) -> frozenset[int] | None:
        [one] = load_content([("r.yml", rule(detection).encode())]).rules
        return required_ids(one.condition)

    assert ids("s: {EventID: [4688, 1]}\ncondition: s") == {4688, 1}
    assert ids("a: {EventID: 1}\nb: {EventID: 2}\ncondition: a or b") == {1, 2}
    assert ids("a: {EventID: [1, 2]}\nb: {EventID: [2, 3]}\ncondition: a and b") == {2}
    assert ids("a: {EventID: 1}\nb: {X: y}\ncondition: a or b") is None
    assert ids("a: {EventID: 1}\nb: {X: y}\ncondition: b and not a") is None
    assert ids("a: {EventID|startswith: 46}\ncondition: a") is None


def test_literals_keep_what_json_keeps() -> None:
    [one] = load_content(
        [
            (
                "r.yml",
                rule(r"s: {Image|endswith: '\cmd.exe', CommandLine|contains: [' /c ', 'C:\Temp']}" + "\ncondition: s").encode(),
            )
        ]
    ).rules
    mapping = default_mappings().for_logsource(LogSource(product="windows", service="security"))
    [way] = ways_of(mapping, "security", 4688)
    groups = necessary_groups(one.condition, way.table)
    assert frozenset({rb"\\cmd.exe" + b'"'}) in groups
    assert frozenset({b" /c ", rb"c:\\temp"}) in groups


VALUES = st.text(st.sampled_from('aAbB\\"/ \t\né%1'), max_size=8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pattern=st.text(st.sampled_from("aAbB/ é%1"), min_size=1, max_size=4),
    modifier=st.sampled_from(["", "|contains", "|startswith", "|endswith", "|contains|cased"]),
    values=st.lists(VALUES, min_size=1, max_size=4),
)
def test_fast_is_slow(kit: ModuleType, pattern: str, modifier: str, values: list[str]) -> None:
    written = orjson.dumps(pattern).decode()
    text = rule(f"s: {{CommandLine{modifier}: {written}}}\nt: {{X: never}}\ncondition: s or t")
    hits(kit, text, *(security(CommandLine=f"xy{value}", X="z") for value in values))


def test_the_head_is_read_without_parsing(kit: ModuleType) -> None:
    text = kit.text(security(CommandLine='","Channel":"x","Computer":"y","Security":'))
    head = read_head(text)
    assert head is not None
    assert origin_of(head) == ("Microsoft-Windows-Security-Auditing", "4688", "Security", "exch01.example.local")
    assert head.time == kit.WHEN
    assert '"Security":null' in text[head.end : head.end + 20]


def test_a_head_in_another_form_is_parsed(kit: ModuleType) -> None:
    text = kit.text({**security(CommandLine="whoami"), "Computer": 'a"b'})
    head = read_head(text)
    assert head is None or origin_of(head) is None
    scan = kit.judged([text], kit.plan_of(rule("s: {CommandLine|contains: whoami}\ncondition: s")))
    assert (scan.records, scan.names['a"b'], len(scan.groups)) == (1, 1, 1)


def test_hours_names_and_bad_records(kit: ModuleType, tmp_path: Path) -> None:
    times = ["2021-03-03T06:59:10Z", "2021-03-03T06:10:00Z", "2021-03-03T08:00:00Z", "0001-01-01T00:00:00Z"]
    lines = [kit.text(security(CommandLine="x"), number, when) for number, when in enumerate(times, 1)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([*lines, "{", '{"a": 1}']) + "\n")
    scan = kit.scanned(path, kit.plan())
    assert (scan.records, dict(scan.bad), scan.lines) == (4, {"event-json": 1, "event-shape": 1}, 6)
    assert scan.bad_first["event-json"] == sum(len(line) + 1 for line in lines)
    assert [(hour.count, hour.last - hour.first) for _number, hour in sorted(scan.hours.items())] == [(2, 2950), (1, 0)]
    assert scan.lost["event-times"] == 1
    assert scan.names == {"exch01.example.local": 4}
    assert len(scan.sha256) == 64
    assert scan.bytes == path.stat().st_size


def artifact(path: Path, index: int = 0, steps: tuple[Step, ...] = ()) -> Artifact:
    return Artifact(index, str(path), str(path), Locator(str(path), steps), "event-log", "r", path.stat().st_size)


def shapes(scan: Any) -> Any:
    return (
        {key: (group.counts, group.first, group.last, group.samples.kept) for key, group in scan.groups.items()},
        scan.hours,
        scan.records,
        scan.sha256,
    )


def test_cores_change_nothing(kit: ModuleType, tmp_path: Path) -> None:
    for number in range(3):
        lines = [kit.text(security(CommandLine=f"whoami {number}", SubjectUserName="u"), each) for each in range(1, 40)]
        (tmp_path / f"{number}.json").write_text("\n".join(lines))
    artifacts = [artifact(path, index) for index, path in enumerate(sorted(tmp_path.iterdir()))]
    by = kit.plan_of(rule("s: {CommandLine|contains: whoami}\ncondition: s"))
    one = scan_events(artifacts, by, jobs=1, make_plan=lambda: by)
    two = scan_events(artifacts, by, jobs=2, make_plan=lambda: by)
    assert {index: shapes(scan) for index, scan in one.scans.items()} == {
        index: shapes(scan) for index, scan in two.scans.items()
    }
    assert all(len(scan.groups) == 1 and scan.records == 39 for scan in one.scans.values())


def test_inside_a_container(kit: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(kit.text(security(CommandLine="whoami")).encode()))
    by = kit.plan_of(rule("s: {CommandLine|contains: whoami}\ncondition: s"))
    scanned = scan_events([artifact(path, 0, (Step("gzip"),))], by, jobs=1, make_plan=lambda: by)
    assert (scanned.scans[0].records, len(scanned.scans[0].groups)) == (1, 1)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared EVTX sample is not here")
def test_pieces_change_nothing(kit: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = SHARED.read_bytes()
    path = tmp_path / "big.evtx"
    copies = []
    for number in range(1, 10):
        copy = bytearray(data[4096 : 4096 + 65536])
        copy[520:528] = number.to_bytes(8, "little")
        copies.append(bytes(copy))
    path.write_bytes(data[:4096] + b"".join(copies))
    by = kit.plan_of(rule("s: ['Set-Mailbox']\ncondition: s", "service: msexchange-management"))
    whole = scan_events([artifact(path)], by, jobs=1, make_plan=lambda: by)
    monkeypatch.setattr("afterpatch.detect.events.run.PIECE", 2 * 65536)
    pieces = scan_events([artifact(path)], by, jobs=1, make_plan=lambda: by)
    assert shapes(whole.scans[0]) == shapes(pieces.scans[0])
    assert whole.scans[0].records == 9
    [group] = whole.scans[0].groups.values()
    assert [sample.offset for sample in group.samples.kept][:2] == [4096 + 512, 4096 + 65536 + 512]


def test_a_file_that_is_gone_is_an_error(kit: ModuleType, tmp_path: Path) -> None:
    gone = Artifact(0, "x", "x", Locator(str(tmp_path / "gone.evtx")), "event-log", "r", 10)
    by = kit.plan()
    assert scan_events([gone], by, jobs=1, make_plan=lambda: by).scans[0].error


def test_what_is_remembered_is_bounded_and_right(kit: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    text = rule("s: {CommandLine|contains: whoami, SubjectUserName|endswith: '1'}\ncondition: s")
    events = [security(CommandLine="whoami", SubjectUserName=f"u{number % 4}", Other=str(number)) for number in range(40)]
    assert hits(kit, text, *events) == 10
    monkeypatch.setattr("afterpatch.detect.events.memory.MAX_MEMORY", 100)
    assert hits(kit, text, *events) == 10
    by = kit.plan_of(text)
    kit.judged([kit.text(one) for one in events], by)
    assert by.memory.used <= 100
    assert by.memory.generation > 0
