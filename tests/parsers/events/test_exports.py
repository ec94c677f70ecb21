"""Exports of event logs as JSON and XML: the same event in every shape, and text that is no event."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.parsers.events import BadEvent, EventRecord, format_of, looks_like_events, read_events
from afterpatch.parsers.events.jsontext import JsonObject, json_objects

WHEN = datetime(2021, 3, 3, 6, 59, 10, 817000, tzinfo=UTC)
DATA = {
    "NewProcessName": r"C:\Windows\System32\cmd.exe",
    "CommandLine": 'cmd.exe /c "whoami"',
    "SubjectUserName": "EXCH01$",
}
RENDERED: dict[str, Any] = {
    "Event": {
        "#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"},
        "System": {
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-Security-Auditing"}},
            "EventID": {"#attributes": {"Qualifiers": 0}, "#text": 4688},
            "Level": 0,
            "TimeCreated": {"#attributes": {"SystemTime": "2021-03-03T06:59:10.817000Z"}},
            "EventRecordID": 4711,
            "Channel": "Security",
            "Computer": "exch01.example.local",
        },
        "EventData": DATA,
    }
}
BEATS = {
    "@timestamp": "2021-03-03T06:59:10.817Z",
    "event": {"code": "4688", "provider": "Microsoft-Windows-Security-Auditing"},
    "log": {"level": "information"},
    "winlog": {
        "channel": "Security",
        "event_id": 4688,
        "provider_name": "Microsoft-Windows-Security-Auditing",
        "computer_name": "exch01.example.local",
        "record_id": 4711,
        "event_data": DATA,
    },
}
OLD_BEATS = {
    "@timestamp": "2021-03-03T06:59:10.817Z",
    "event_id": 4688,
    "log_name": "Security",
    "source_name": "Microsoft-Windows-Security-Auditing",
    "computer_name": "exch01.example.local",
    "record_number": "4711",
    "level": "Information",
    "event_data": DATA,
}
NXLOG = {
    "EventTime": "2021-03-03 06:59:10.817",
    "Hostname": "exch01.example.local",
    "EventID": 4688,
    "SourceName": "Microsoft-Windows-Security-Auditing",
    "Channel": "Security",
    "RecordNumber": 4711,
    "Severity": "INFO",
    "EventType": "AUDIT_SUCCESS",
    **DATA,
}
SPLUNK = {
    "preview": False,
    "result": {
        "_time": "2021-03-03T06:59:10.817+00:00",
        "EventCode": "4688",
        "LogName": "Security",
        "SourceName": "Microsoft-Windows-Security-Auditing",
        "ComputerName": "exch01.example.local",
        "RecordNumber": "4711",
        **DATA,
    },
}
XML = (
    '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System>'
    '<Provider Name="Microsoft-Windows-Security-Auditing"/><EventID Qualifiers="0">4688</EventID><Level>0</Level>'
    '<TimeCreated SystemTime="2021-03-03T06:59:10.817000Z"/><EventRecordID>4711</EventRecordID>'
    "<Channel>Security</Channel><Computer>exch01.example.local</Computer></System><EventData>"
    r'<Data Name="NewProcessName">C:\Windows\System32\cmd.exe</Data>'
    '<Data Name="CommandLine">cmd.exe /c &quot;whoami&quot;</Data><Data Name="SubjectUserName">EXCH01$</Data>'
    "</EventData></Event>"
)
SPLUNK_XML = {"result": {"_raw": XML, "_time": "1614754750"}}
VELOCIRAPTOR = {
    "System": {
        "Provider": {"Name": "Microsoft-Windows-Security-Auditing"},
        "EventID": {"Value": 4688},
        "TimeCreated": {"SystemTime": 1614754750.817},
        "EventRecordID": 4711,
        "Channel": "Security",
        "Computer": "exch01.example.local",
    },
    "EventData": DATA,
    "Message": "A new process has been created.",
}
SPLUNK_JSON = {"result": {"_raw": orjson.dumps(NXLOG).decode(), "sourcetype": "nxlog", "_time": "1614754750"}}
DOTTED = {
    "@timestamp": "2021-03-03T06:59:10.817Z", "winlog.channel": ["Security"], "winlog.event_id": ["4688"],
    "winlog.provider_name": ["Microsoft-Windows-Security-Auditing"], "winlog.computer_name": ["exch01.example.local"],
    "winlog.record_id": ["4711"], **{f"winlog.event_data.{name}": [value] for name, value in DATA.items()},
}  # fmt: skip
FLUENT = {
    "ProviderName": "Microsoft-Windows-Security-Auditing", "EventID": 4688, "Channel": "Security", "RecordNumber": 4711,
    "Computer": "exch01.example.local", "TimeCreated": "2021-03-03 06:59:10.817 +0000",
    "EventData": dict(DATA),
}  # fmt: skip
EVTXECMD = {
    "EventId": 4688, "Provider": "Microsoft-Windows-Security-Auditing", "Channel": "Security", "EventRecordId": "4711",
    "RecordNumber": 7, "Computer": "exch01.example.local", "TimeCreated": "2021-03-03T06:59:10.8170000+00:00",
    "Level": "LogAlways",
    "Payload": orjson.dumps({"EventData": {"Data": [{"@Name": name, "#text": value} for name, value in DATA.items()]}}).decode(),
    "MapDescription": "A new process has been created", "PayloadData1": "x",
}  # fmt: skip
ATTRIBUTES = {
    "Event": {
        "System": {
            "Provider": {"@Name": "Microsoft-Windows-Security-Auditing"}, "EventID": {"@Qualifiers": "0", "#text": "4688"},
            "TimeCreated": {"@SystemTime": "2021-03-03T06:59:10.817000000Z"}, "EventRecordID": "4711", "Channel": "Security",
            "Computer": "exch01.example.local",
        },
        "EventData": {"Data": [{"@Name": name, "#text": value} for name, value in DATA.items()]},
    }
}  # fmt: skip
ELASTIC = {"hits": {"hits": [{"_index": "x", "_source": BEATS}]}}
SHAPES = {
    "evtx_dump": RENDERED, "beats": BEATS, "old-beats": OLD_BEATS, "nxlog": NXLOG, "splunk": SPLUNK, "splunk-xml": SPLUNK_XML,
    "velociraptor": VELOCIRAPTOR, "elastic": ELASTIC, "splunk-json": SPLUNK_JSON, "dotted": DOTTED,
    "fields": {"_index": "x", "fields": DOTTED}, "fluent": FLUENT, "evtxecmd": EVTXECMD, "attributes": ATTRIBUTES,
}  # fmt: skip


_VALUES = ["S-1-5-18", DATA["SubjectUserName"], "EXAMPLE", 999, 4242, DATA["NewProcessName"], "%%1936", 4, DATA["CommandLine"]]
WINEVENT = {
    "Id": 4688, "ProviderName": "Microsoft-Windows-Security-Auditing", "LogName": "Security", "RecordId": 4711, "Level": 0,
    "MachineName": "exch01.example.local", "TimeCreated": "/Date(1614754750817)/", "Message": "A new process",
    "Properties": [{"Value": value} for value in _VALUES],
}  # fmt: skip


def only(data: bytes) -> EventRecord:
    found = list(read_events(data))
    assert len(found) == 1, found
    assert isinstance(found[0], EventRecord), found
    return found[0]


def same(record: EventRecord) -> None:
    assert (record.provider, record.channel, record.event_id) == ("Microsoft-Windows-Security-Auditing", "Security", 4688)
    assert (record.computer, record.record_id) == ("exch01.example.local", 4711)
    assert record.time is not None
    assert abs((record.time - WHEN).total_seconds()) < 0.001
    assert {name: record.fields[name] for name in DATA} == DATA
    assert (record.fields["EventID"], record.fields["Channel"]) == ("4688", "Security")


@pytest.mark.parametrize("shape", sorted(SHAPES))
@pytest.mark.parametrize("form", ["line", "pretty", "array"])
def test_the_same_event_in_every_shape(shape: str, form: str) -> None:
    value = [SHAPES[shape]] if form == "array" else SHAPES[shape]
    data = orjson.dumps(value, option=orjson.OPT_INDENT_2 if form == "pretty" else 0) + b"\n"
    assert format_of(data) == "json"
    assert looks_like_events(data)
    same(only(data))


@pytest.mark.parametrize("shape", ["nxlog", "get-winevent"])
def test_powershell_writes_utf16(shape: str) -> None:
    data = orjson.dumps([SHAPES.get(shape, WINEVENT)], option=orjson.OPT_INDENT_2).decode().encode("utf-16")
    assert looks_like_events(data)
    same(only(data))


def rows(value: dict[str, object], delimiter: str = ",") -> str:
    given = {name: orjson.dumps(each).decode() if isinstance(each, dict) else str(each) for name, each in value.items()}
    written = io.StringIO()
    table = csv.DictWriter(written, list(given), delimiter=delimiter, quoting=csv.QUOTE_ALL)
    table.writeheader()
    table.writerow(given)
    return written.getvalue()


UNDOTTED = {name: each[0] if isinstance(each, list) else each for name, each in DOTTED.items()}
TABLES = {
    "evtxecmd": EVTXECMD,
    "nxlog": NXLOG,
    "splunk": SPLUNK["result"],
    "splunk-xml": {"sourcetype": "x", "_raw": XML},
    "kibana": UNDOTTED,
}


@pytest.mark.parametrize("before", ["", "sep=,\n", "\ufeff", "#TYPE System.Object\r\n"])
@pytest.mark.parametrize("table", sorted(TABLES))
def test_csv(table: str, before: str) -> None:
    data = (before + rows(TABLES[table])).encode()  # type: ignore[arg-type]
    assert format_of(data) == "csv"
    assert looks_like_events(data)
    same(only(data))


def test_csv_with_semicolons_and_bad_rows() -> None:
    text = rows(EVTXECMD, ";")  # type: ignore[arg-type]
    found = list(read_events((text + "only;two\r\n" + text.splitlines()[1]).encode("utf-16")))
    assert [one.reason if isinstance(one, BadEvent) else one.event_id for one in found] == [4688, "event-shape", 4688]


@pytest.mark.parametrize(
    "text", ["a,b,c\n1,2,3\n", "EventID,Name,Text\n1,2,3\n", "date,time,cs-uri-stem\n", '\x00,\x01,"\n', "<EventTrigger/>"]
)
def test_other_tables_are_none(text: str) -> None:
    assert not looks_like_events(text.encode())


def test_values_by_position_get_their_templates_names() -> None:
    same(only(orjson.dumps([WINEVENT])))
    positions = {**WINEVENT, "Properties": [{"Value": "x"}] * 4}
    assert only(orjson.dumps(positions)).fields["Data"] == "x\nx\nx\nx"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("around", ["{}", "<Events>{}</Events>", '<?xml version="1.0"?>\r\n{}\r\n', "Record 7\n{}\n"])
def test_xml(encoding: str, around: str) -> None:
    data = around.format(XML).encode(encoding)
    assert format_of(data) == "xml"
    same(only(data))


def test_get_winevent() -> None:
    value = {
        "Id": 4688, "ProviderName": "Microsoft-Windows-Security-Auditing", "LogName": "Security", "RecordId": 4711, "Level": 0,
        "MachineName": "exch01.example.local", "TimeCreated": "/Date(1614754750817)/", "Message": "m",
        "Properties": [{"Value": "S-1-5-18"}, {"Value": "EXCH01$"}],
    }  # fmt: skip
    record = only(orjson.dumps([value]))
    assert record.time is not None
    assert record.time.replace(microsecond=0) == WHEN.replace(microsecond=0)
    assert (record.record_id, record.fields["Data"], record.fields["Message"]) == (4711, "S-1-5-18\nEXCH01$", "m")


def test_a_bad_event_spoils_no_other() -> None:
    lines = [orjson.dumps(RENDERED), b'{"Event": {"System": {', orjson.dumps({"a": 1}), orjson.dumps(NXLOG), b"", b"x"]
    found = list(read_events(b"\n".join(lines)))
    assert [one.reason if isinstance(one, BadEvent) else one.event_id for one in found] == [
        4688, "event-json", "event-shape", 4688, "event-json",
    ]  # fmt: skip
    broken = XML.replace("</System>", "")
    found = list(read_events((broken + XML + XML[:200]).encode()))
    assert [one.reason if isinstance(one, BadEvent) else one.event_id for one in found][-2:] == [4688, "event-cut"]


def test_pretty_objects_after_a_broken_one() -> None:
    pretty = orjson.dumps(RENDERED, option=orjson.OPT_INDENT_2)
    data = b"Record 1\n" + pretty + b"\nRecord 2\n" + pretty[: len(pretty) // 2] + b"\nRecord 3\n" + pretty + b"\n"
    found = list(read_events(data))
    assert [isinstance(one, EventRecord) for one in found] == [True, False, True]


def test_entities_are_not_expanded() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + XML.replace("EXCH01$", "&a;&a;")
    records = [one for one in read_events(bomb.encode()) if isinstance(one, EventRecord)]
    assert all("aaaa" not in one.fields.get("SubjectUserName", "") for one in records)


@pytest.mark.parametrize("data", [b"", b"{", b"[", b"[[[[", b"{}", b"nothing", b'{"a":' * 5000, b"<Event", b"<Event>" * 1000])
def test_other_text_gives_no_record(data: bytes) -> None:
    assert not [one for one in read_events(data) if isinstance(one, EventRecord)]
    assert not looks_like_events(data) or data.startswith(b"<Event")


def test_positions_get_names() -> None:
    values = [
        "New-MailboxExportRequest",
        "{Mailbox=user1, FilePath=\\\\localhost\\C$\\example.aspx}",
        "example.local/Users/admin1",
    ]
    event = orjson.loads(orjson.dumps(RENDERED))
    event["Event"]["System"]["Provider"]["#attributes"]["Name"] = "MSExchange CmdletLogs"
    event["Event"]["System"]["EventID"] = 1
    event["Event"]["EventData"] = {"Data": {"#text": values}}
    record = only(orjson.dumps(event))
    assert record.fields["cmdlet.parameters"] == ' -Mailbox "user1" -FilePath "\\\\localhost\\C$\\example.aspx"'
    assert record.fields["cmdlet.caller"] == "example.local/Users/admin1"
    assert record.fields["Data"] == "\n".join(values)


def test_crash_reports_are_taken_apart() -> None:
    event = orjson.loads(orjson.dumps(RENDERED))
    event["Event"]["System"]["Provider"]["#attributes"]["Name"] = "MSExchange Common"
    event["Event"]["System"]["EventID"] = 4999
    event["Event"]["EventData"] = {
        "Data": {
            "#text": [
                "7436",
                "E12IIS, c-RTL-AMD64, 15.01.1979.003, w3wp#MSExchangeServicesAppPool, M.E.A, Load, System.IO.IOException, 1a",
            ]
        }
    }
    fields = only(orjson.dumps(event)).fields
    assert (fields["AppPool"], fields["Build"]) == ("MSExchangeServicesAppPool", "15.01.1979.003")
    assert (fields["CrashProcess"], fields["ExceptionType"]) == ("w3wp", "System.IO.IOException")


def test_web_events_name_page_and_client() -> None:
    values = ["3005", "An unhandled exception has occurred.", *["x"] * 15, "System.Exception", "m",
              "https://mail.example.com/owa/auth/example.aspx", "/owa/auth/example.aspx", "203.0.113.36", ""]  # fmt: skip
    event = orjson.loads(orjson.dumps(RENDERED))
    event["Event"]["System"]["Provider"]["#attributes"]["Name"] = "ASP.NET 4.0.30319.0"
    event["Event"]["System"]["EventID"] = 1309
    event["Event"]["EventData"] = {"Data": {"#text": values}}
    fields = only(orjson.dumps(event)).fields
    assert (fields["RequestPath"], fields["UserHostAddress"]) == ("/owa/auth/example.aspx", "203.0.113.36")
    assert (fields["EventCode"], fields["ExceptionType"]) == ("3005", "System.Exception")


def test_user_data_keeps_the_systems_channel() -> None:
    event = orjson.loads(orjson.dumps(RENDERED))
    del event["Event"]["EventData"]
    event["Event"]["UserData"] = {"LogFileCleared": {"SubjectUserName": "admin1", "Channel": "Application", "BackupPath": None}}
    record = only(orjson.dumps(event))
    assert (record.channel, record.fields["UserData_Channel"]) == ("Security", "Application")
    assert (record.fields["SubjectUserName"], record.fields["BackupPath"]) == ("admin1", "")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=12), min_size=1, max_size=4), max_size=6), st.booleans())
def test_every_object_is_given_once(objects: list[dict[str, str]], pretty: bool) -> None:
    option = orjson.OPT_INDENT_2 if pretty else 0
    data = b"\n".join(orjson.dumps(one, option=option) for one in objects)
    found = [one.value for one in json_objects(io.BytesIO(data)) if isinstance(one, JsonObject)]
    assert found == objects


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_end(data: bytes) -> None:
    for head in (b"", b"{", b"[", b"<Event>", b"ElfFile\0"):
        for one in read_events(head + data):
            assert isinstance(one, EventRecord | BadEvent)


def told(provider: str, number: int, message: str, **more: object) -> dict[str, str]:
    """The fields of an event whose exporter gives its sentence and nothing else."""
    flat = {**NXLOG, "SourceName": provider, "EventID": number, "Message": message, **more}
    for name in DATA:
        del flat[name]
    return dict(only(orjson.dumps(flat)).fields)


def test_cmdlets_are_read_out_of_the_sentence() -> None:
    given = '-Mailbox "user1" -FilePath "\\\\localhost\\C$\\example.aspx"'
    text = f"Cmdlet suceeded. Cmdlet New-MailboxExportRequest, parameters {given}."
    fields = told("MSExchange CmdletLogs", 1, text)
    assert (fields["cmdlet.name"], fields["cmdlet.result"]) == ("New-MailboxExportRequest", "success")
    assert fields["cmdlet.parameters"] == f" {given}"
    failed = told("MSExchange CmdletLogs", 8, "Task Get-App throwing unhandled exception: System.InvalidCastException: x")
    assert (failed["cmdlet.name"], failed["ExceptionType"]) == ("Get-App", "System.InvalidCastException")


def test_values_that_follow_a_missing_description() -> None:
    text = (
        "The description for Event ID 1 from source MSExchange CmdletLogs cannot be found.\r\n\r\nThe following "
        "information was included with the event: \r\n\r\nGet-Mailbox\r\n{Identity=user1}\r\nexample.local/Users/admin1\r\n\r\n"
        "The message resource is x"
    )
    fields = told("MSExchange CmdletLogs", 1, text)
    assert (fields["cmdlet.name"], fields["cmdlet.parameters"]) == ("Get-Mailbox", ' -Identity "user1"')
    assert fields["cmdlet.caller"] == "example.local/Users/admin1"


def test_cmdlet_values_joined_by_commas() -> None:
    joined = (
        'New-MailboxExportRequest, -Mailbox "a, b" -Name "x", example.local/Users/admin1, S-1-5-21-1-2-3-500, '
        "S-1-5-21-1-2-3-500, ServerRemoteHost-EMC, 2084 w3wp, , 38, 00:00:02"
    )
    payload = orjson.dumps({"EventData": {"Data": joined, "Binary": ""}}).decode()
    record = only(orjson.dumps({**EVTXECMD, "Provider": "MSExchange CmdletLogs", "EventId": 1, "Payload": payload}))
    assert (record.fields["cmdlet.name"], record.fields["cmdlet.caller"]) == (
        "New-MailboxExportRequest",
        "example.local/Users/admin1",
    )
    assert record.fields["cmdlet.parameters"] == ' -Mailbox "a, b" -Name "x"'


SENTENCES = yaml.safe_load(Path(__file__).with_name("sentences.yml").read_text("utf-8"))


@pytest.mark.parametrize("case", SENTENCES, ids=lambda case: f"{case['provider']}-{case['event_id']}")
def test_sentences_tell_the_values(case: dict[str, Any]) -> None:
    fields = told(case["provider"], case["event_id"], case["text"])
    assert {name: fields.get(name) for name in case["wanted"]} == case["wanted"]


def test_values_of_the_record_win_over_its_sentence() -> None:
    text = "Process Create:\nImage: C:\\other.exe\nCommandLine: y"
    assert told("Microsoft-Windows-Sysmon", 1, text, Image="C:\\real.exe")["Image"] == "C:\\real.exe"


def test_winlogbeat_positions_are_no_names() -> None:
    values = [
        "New-MailboxExportRequest",
        '-Mailbox "user1"',
        "example.local/Users/admin1",
        "S-1-5-18",
        "S-1-5-18",
        "ECP",
        "1",
        "",
        "3",
    ]
    data = {f"param{place}": value for place, value in enumerate(values, 1) if value}
    log = {**BEATS["winlog"], "provider_name": "MSExchange CmdletLogs", "event_id": 1, "event_data": data}  # type: ignore[dict-item]
    record = only(orjson.dumps({**BEATS, "winlog": log}))
    assert record.fields["Data"].split("\n") == values
    assert record.fields["cmdlet.caller"] == "example.local/Users/admin1"
    assert not [name for name in record.fields if name.startswith("param")]
