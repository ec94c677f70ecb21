"""The Windows events of the demo's main intrusion, and the same events as EVTX files and as exports."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import orjson

from afterpatch.demo.evtxfile import Record, evtx_bytes
from afterpatch.demo.inert import inert

HOST = "exch01.example.local"
SYSMON, SECURITY, POWERSHELL = "Microsoft-Windows-Sysmon", "Microsoft-Windows-Security-Auditing", "Microsoft-Windows-PowerShell"
OPERATIONAL = "{}/Operational"
WORKER, LOCAL_SYSTEM = "C:\\Windows\\System32\\inetsrv\\w3wp.exe", "NT AUTHORITY\\SYSTEM"
POOL = 'c:\\windows\\system32\\inetsrv\\w3wp.exe -ap "MSExchangeOWAAppPool" -v "v4.0"'
SUBJECT = {"SubjectUserSid": "S-1-5-18", "SubjectUserName": "EXCH01$", "SubjectDomainName": "EXAMPLE", "SubjectLogonId": "0x3e7"}


def at(text: str) -> datetime:
    """`03-03 06:59:10` of 2021."""
    return datetime.fromisoformat(f"2021-{text}").replace(tzinfo=UTC)


def cmdlet(when: str, name: str, parameters: str, number: int = 1) -> Record:
    values = [name, parameters, "example.local/Users/EXCH01", "S-1-5-18", "S-1-5-18", "ECP", "5432 w3wp#MSExchangeECPAppPool", "",
              "38", "00:00:00.29", "View Entire Forest: 'False'", "", "", ""]  # fmt: skip
    return Record(at(when), "MSExchange CmdletLogs", number, "MSExchange Management", HOST, values=values)


def security(when: str, number: int, computer: str = HOST, **data: str) -> Record:
    return Record(at(when), SECURITY, number, "Security", computer, {**SUBJECT, **data}, level=0)


def sysmon(when: str, number: int, **data: str) -> Record:
    return Record(at(when), SYSMON, number, OPERATIONAL.format(SYSMON), HOST, {"RuleName": "-", **data})


def system(when: str, provider: str, number: int, **data: str) -> Record:
    return Record(at(when), provider, number, "System", HOST, data)


def intrusion() -> list[Record]:
    """What Windows logged of the intrusion of the demo (3 to 9 March 2021), and innocent events between."""
    script = inert("external_url").decode()
    page = "C:\\inetpub\\wwwroot\\aspnet_client\\system_web\\Kx7Qm2Za.aspx"
    return [
        cmdlet("02-28 10:00:00", "Get-Mailbox", '-Identity "user01@example.com"'),
        cmdlet("03-03 06:59:17", "Set-OabVirtualDirectory", f'-ExternalUrl "{script}" -Identity "EXCH01\\OAB"'),
        security(
            "03-03 06:59:17", 5136, "dc01.example.local", ObjectDN="CN=OAB (Default Web Site),CN=HTTP,CN=Protocols,CN=EXCH01",
            ObjectClass="msExchOABVirtualDirectory", AttributeLDAPDisplayName="msExchExternalHostName", AttributeValue=script,
            OperationType="%%14674",
        ),
        sysmon("03-05 03:09:12", 11, Image=WORKER, TargetFilename=page, User=LOCAL_SYSTEM),
        sysmon(
            "03-05 03:12:03", 1, Image="C:\\Windows\\System32\\cmd.exe", CommandLine="cmd.exe /c whoami", User=LOCAL_SYSTEM,
            ParentImage=WORKER, ParentCommandLine=POOL, OriginalFileName="Cmd.Exe",
        ),
        security(
            "03-05 03:12:03", 4688, NewProcessName="C:\\Windows\\System32\\cmd.exe", CommandLine="cmd.exe /c whoami",
            ParentProcessName=WORKER, NewProcessId="0x1234", ProcessId="0x4321",
        ),
        security(
            "03-05 03:14:10", 4688, NewProcessName="C:\\Windows\\System32\\rundll32.exe", ProcessId="0x1234",
            CommandLine="rundll32.exe C:\\windows\\System32\\comsvcs.dll MiniDump 712 C:\\windows\\temp\\lsass.dmp full",
            ParentProcessName="C:\\Windows\\System32\\cmd.exe",
        ),
        security(
            "03-05 03:20:00", 4698, TaskName="\\Winnet",
            TaskContent="<Task><Actions><Exec><Command>C:\\ProgramData\\run.bat</Command></Exec></Actions></Task>",
        ),
        security("03-05 03:21:00", 4720, TargetUserName="support2", TargetDomainName="EXAMPLE", TargetSid="S-1-5-21-1-2-3-4444",
                 SamAccountName="support2"),
        security("03-05 03:21:05", 4732, MemberName="-", MemberSid="S-1-5-21-1-2-3-4444", TargetUserName="Administrators",
                 TargetDomainName="Builtin", TargetSid="S-1-5-32-544"),
        system("03-05 03:25:00", "Service Control Manager", 7045, ServiceName="WinUpd", ServiceType="user mode service",
               ImagePath="cmd.exe /c C:\\Windows\\Temp\\xx.bat", StartType="auto start", AccountName="LocalSystem"),
        security(
            "03-05 04:00:00", 4648, TargetUserName="administrator", TargetDomainName="EXAMPLE", TargetServerName="FILE01",
            TargetInfo="cifs/FILE01", ProcessName="C:\\Windows\\Temp\\cw.exe", IpAddress="-", IpPort="-",
        ),
        Record(at("03-07 02:20:00"), "Microsoft-Windows-Eventlog", 1102, "Security", HOST,
               {"SubjectUserName": "support2", "SubjectDomainName": "EXAMPLE"}, user="LogFileCleared"),
    ]  # fmt: skip


def by_channel(records: Iterable[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.channel, []).append(record)
    return found


def write_evtx(records: Iterable[Record], folder: Path) -> None:
    """One file a channel, named as Windows does."""
    folder.mkdir(parents=True, exist_ok=True)
    for channel, members in by_channel(records).items():
        (folder / f"{channel.replace('/', '%4')}.evtx").write_bytes(evtx_bytes(members))


def numbered(records: Iterable[Record]) -> list[tuple[int, Record]]:
    """Record numbers as `write_evtx` gives them."""
    return [(number, record) for members in by_channel(records).values() for number, record in enumerate(members, 1)]


def nxlog(number: int, record: Record) -> dict[str, object]:
    """NXLog's flat form: positional values only stand in the rendered message."""
    return {
        "EventTime": record.time.strftime("%Y-%m-%d %H:%M:%S.%f"), "Hostname": record.computer, "EventID": record.event_id,
        "SourceName": record.provider, "Channel": record.channel, "RecordNumber": number, "Severity": "INFO",
        "EventType": "AUDIT_SUCCESS" if record.channel == "Security" else "INFO", "Message": message(record), **record.data,
    }  # fmt: skip


def message(record: Record) -> str:
    """The sentence Windows shows, where it holds the values."""
    if record.provider == "MSExchange CmdletLogs":
        name, parameters = record.values[:2]
        return f"Cmdlet suceeded. Cmdlet {name}, parameters {parameters}."
    return "An event."


def beats(number: int, record: Record) -> dict[str, object]:
    """Winlogbeat's form."""
    data = {**record.data, **{f"param{place}": value for place, value in enumerate(record.values, 1) if value}}
    return {
        "@timestamp": record.time.isoformat().replace("+00:00", "Z"), "event": {"code": str(record.event_id), "kind": "event"},
        "winlog": {
            "channel": record.channel, "event_id": record.event_id, "provider_name": record.provider, "record_id": number,
            "computer_name": record.computer, "user_data" if record.user else "event_data": data,
        },
    }  # fmt: skip


EXPORTS = {"nxlog": nxlog, "beats": beats}


def write_json(records: Iterable[Record], path: Path, shape: str) -> None:
    """One file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [orjson.dumps(EXPORTS[shape](number, record)) for number, record in numbered(records)]
    path.write_bytes(b"\n".join(lines) + b"\n")


def plain(text: str) -> str:
    """A text without what differs between forms of one event."""
    return re.sub(r"\s+", " ", text)
