"""Rules written for one log meet the other, and the forms that rules for Exchange's own log take."""

from __future__ import annotations

from types import ModuleType

import pytest

from afterpatch.detect.events.spelling import Alias, spellings

SYSMON = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": "1"}
PROCESS = {
    **SYSMON, "Image": r"C:\W\cmd.exe", "ParentImage": r"C:\W\w3wp.exe", "User": r"EXAMPLE\adm-in", "IntegrityLevel": "High",
    "Hashes": "MD5=0A1B,SHA256=0C0D,IMPHASH=AABB",
}  # fmt: skip
AUDIT = {
    "Channel": "Security", "EventID": "4688", "NewProcessName": r"C:\W\cmd.exe", "ParentProcessName": r"C:\W\w3wp.exe",
    "SubjectUserName": "adm-in", "SubjectDomainName": "EXAMPLE", "MandatoryLabel": "S-1-16-12288",
}  # fmt: skip


def rule(selection: str, source: str = "category: process_creation") -> str:
    return f"title: T\nlogsource: {{product: windows, {source}}}\ndetection:\n  s: {{{selection}}}\n  condition: s\n"


def count(kit: ModuleType, text: str, *events: dict[str, str]) -> int:
    """How many events a rule fires on, fast and slow alike."""
    texts = [kit.text(event, number) for number, event in enumerate(events, 1)]
    scans = [kit.judged(texts, kit.plan_of(text), slow=slow) for slow in (False, True)]
    counts = [sum(group.counts["event-log"] for group in scan.groups.values()) for scan in scans]
    assert counts[0] == counts[1]
    return counts[0]


@pytest.mark.parametrize(
    ("selection", "sysmon", "audit"),
    [
        (r"Image|endswith: '\cmd.exe', ParentImage|endswith: '\w3wp.exe'", 1, 1),
        (r"NewProcessName|endswith: '\cmd.exe', ParentProcessName|endswith: '\w3wp.exe'", 1, 1),
        ("SubjectUserName: adm-in, SubjectDomainName: EXAMPLE", 1, 1),
        (r"User: 'EXAMPLE\adm-in'", 1, 1),
        ("IntegrityLevel: [High, S-1-16-12288]", 1, 1),
        ("Imphash: aabb", 1, 0),
        ("sha256: 0c0d", 1, 0),
        ("md5|startswith: 0a", 1, 0),
        ("Hashes|contains: 'IMPHASH=AABB'", 1, 0),
        ("Imphash: bb", 0, 0),
        ("SubjectUserName: EXAMPLE", 0, 0),
    ],
)
def test_process_creation_in_both_spellings(kit: ModuleType, selection: str, sysmon: int, audit: int) -> None:
    assert (count(kit, rule(selection), PROCESS), count(kit, rule(selection), AUDIT)) == (sysmon, audit)


def test_what_an_event_has_itself_is_taken(kit: ModuleType) -> None:
    assert count(kit, rule("SubjectUserName: other"), {**PROCESS, "SubjectUserName": "other"}) == 1
    assert count(kit, rule("Imphash: aabb", "category: driver_load"), {**SYSMON, "EventID": "6", "Hashes": "IMPHASH=AABB"}) == 1
    assert count(kit, rule("NewProcessName|contains: cmd", "service: sysmon"), {**SYSMON, "EventID": "7", "Image": "cmd"}) == 0


@pytest.mark.parametrize(
    ("alias", "text", "wanted"),
    [
        (Alias("a"), "x", "x"),
        (Alias("a", after="\\"), "D\\u", "u"),
        (Alias("a", after="\\"), "u", "u"),
        (Alias("a", before="\\"), "D\\u", "D"),
        (Alias("a", before="\\"), "u", ""),
        (Alias("a", key="MD5"), "SHA1=1, md5=2", "2"),
        (Alias("a", key="MD5"), "SHA1=1", None),
        (Alias("a", key="MD5"), "", None),
    ],
)
def test_parts(alias: Alias, text: str, wanted: str | None) -> None:
    assert alias.value(text) == wanted


def test_every_spelling_names_a_field_it_needs() -> None:
    for spelling in spellings():
        assert spelling.aliases
        assert all(sum((bool(a.before), bool(a.after), bool(a.key))) <= 1 for a in spelling.aliases.values())


def cmdlet(values: str, event_id: str = "1") -> dict[str, str]:
    return {"Channel": "MSExchange Management", "Provider_Name": "MSExchange CmdletLogs", "EventID": event_id, "Data": values}


@pytest.mark.parametrize(
    ("detection", "event", "wanted"),
    [
        ("s: {'|all': [New-Example, ' -Mailbox ']}\n  t: ['-FilePath \"\\\\', '.aspx']\n  condition: s and t",
         cmdlet('New-Example\n-Mailbox "a" -FilePath "\\\\localhost\\c$\\x"'), 1),
        ("s: {'|all': [New-Example, ' -Mailbox ']}\n  condition: s", cmdlet('New-Example\n-Identity "a"'), 0),
        ("s: ['Remove-Example ', ' -Confirm \"False\"']\n  condition: s", cmdlet('Other\n-Identity "a" -Confirm "False"'), 1),
        ("s: {EventID: [1, 6], Data|contains: Install-Example}\n  condition: s", cmdlet('Install-Example\n-Name "x"', "6"), 1),
        ("s: {EventID: 6, Data|contains|all: [Install-Example, '-Name']}\n  condition: s", cmdlet("Install-Example\n-Name x"), 0),
        ("s: {'|all': [Set-Example, ExternalUrl, script]}\n  condition: s",
         cmdlet("Set-Example\n-ExternalUrl \"http://f/<script>\""), 1),
    ],
)  # fmt: skip
def test_forms_of_rules_for_exchanges_log(kit: ModuleType, detection: str, event: dict[str, str], wanted: int) -> None:
    text = f"title: T\nlogsource: {{product: windows, service: msexchange-management}}\ndetection:\n  {detection}\n"
    assert count(kit, text, event) == wanted
