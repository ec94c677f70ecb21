"""The event logs of a server: what happens every day, and what an intruder's work leaves in them, in the words of Windows.

Positions of the values of the management log and names of fields are those of the log reference (section 1.13).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from afterpatch.demo.evtxfile import Record, evtx_bytes
from afterpatch.demo.ledger import Ledger
from afterpatch.demo.server import Server

FOLDER = "C:\\Windows\\System32\\winevt\\Logs"
MANAGEMENT, SECURITY, SYSTEM, APPLICATION = "MSExchange Management", "Security", "System", "Application"
AUDIT = "Microsoft-Windows-Security-Auditing"
_PARAMETER = re.compile(r"\.(\w+)=('(?:[^']|'')*'|\$?\w+)")
WORKER = "C:\\Windows\\System32\\inetsrv\\w3wp.exe"
COMMAND = "C:\\Windows\\System32\\cmd.exe"


def cmdlet(server: Server, moment: datetime, name: str, parameters: Iterable[tuple[str, str]], caller: str, host: str) -> Record:
    """A command that succeeded, in the management log. `host`: the program that gave it."""
    text = " ".join(f'-{key} "{value}"' for key, value in parameters)
    sid = "S-1-5-21-11-22-33-500"
    rest = ("4312 w3wp#MSExchangeECPAppPool", "", "24", "00:00:00.32", "View Entire Forest: 'False'", "", "Context", "")
    values = (name, text, caller, sid, sid, host, *rest)
    return Record(moment, "MSExchange CmdletLogs", 1, MANAGEMENT, server.fqdn, values=values)


def panel_command(server: Server, moment: datetime, command: str) -> Record | None:
    """The management log's record of a command of the control panel's log (`Set-X.Name='value'`); None for one that only
    reads, which is not kept there."""
    name, _, rest = command.partition(".")
    if not name.startswith(("Set-", "New-", "Remove-")):
        return None
    found = [(key, value.strip("'").replace("''", "'")) for key, value in _PARAMETER.findall("." + rest)]
    return cmdlet(server, moment, name, found, f"example.local/Computers/{server.name}", "")


def worker_command(server: Server, moment: datetime, command: str) -> Record:
    """The web worker starts a command program (audit of process creation)."""
    data = {
        "SubjectUserSid": "S-1-5-18", "SubjectUserName": f"{server.name}$", "SubjectDomainName": server.netbios,
        "SubjectLogonId": "0x3e7", "NewProcessId": "0x1a2c", "NewProcessName": COMMAND, "TokenElevationType": "%%1936",
        "ProcessId": "0xf14", "CommandLine": command, "TargetUserSid": "S-1-0-0", "ParentProcessName": WORKER,
    }  # fmt: skip
    return Record(moment, AUDIT, 4688, SECURITY, server.fqdn, data, level=0)


def service_made(server: Server, moment: datetime, name: str, program: str) -> Record:
    """A new service."""
    data = {
        "ServiceName": name, "ImagePath": program, "ServiceType": "user mode service", "StartType": "auto start",
        "AccountName": "LocalSystem",
    }  # fmt: skip
    return Record(moment, "Service Control Manager", 7045, SYSTEM, server.fqdn, data)


def log_cleared(server: Server, moment: datetime, channel: str) -> Record:
    """Somebody emptied a log (System 104)."""
    data = {"SubjectUserName": "SYSTEM", "SubjectDomainName": "NT AUTHORITY", "Channel": channel, "BackupPath": ""}
    return Record(moment, "Microsoft-Windows-Eventlog", 104, SYSTEM, server.fqdn, data, user="LogFileCleared")


def daily_events(server: Server, start: datetime, end: datetime) -> Iterable[Record]:
    """What the logs of a working server hold: sign-ins of services, state of services, reports of the directory driver."""
    moment = start + timedelta(minutes=7)
    while moment < end:
        data = {
            "SubjectUserSid": "S-1-5-18", "SubjectUserName": f"{server.name}$", "SubjectDomainName": server.netbios,
            "TargetUserSid": "S-1-5-18", "TargetUserName": "SYSTEM", "TargetDomainName": "NT AUTHORITY", "LogonType": "5",
            "LogonProcessName": "Advapi", "AuthenticationPackageName": "Negotiate", "WorkstationName": "-", "IpAddress": "-",
            "IpPort": "-", "ProcessName": "C:\\Windows\\System32\\services.exe",
        }  # fmt: skip
        yield Record(moment, AUDIT, 4624, SECURITY, server.fqdn, data, level=0)
        state = {"param1": "Background Intelligent Transfer Service", "param2": "running"}
        yield Record(moment, "Service Control Manager", 7036, SYSTEM, server.fqdn, state)
        topology = ("Microsoft.Exchange.Directory.TopologyService.exe", "3012", f"dc01.{server.fqdn.partition('.')[2]}")
        yield Record(moment, "MSExchange ADAccess", 2080, APPLICATION, server.fqdn, values=topology)
        moment += timedelta(hours=6)


def write_events(ledger: Ledger, start: datetime, end: datetime) -> None:
    """Puts the event logs on the server's drive: daily life and what the scenario noted, in the order of time. A log that
    was cleared holds nothing from before."""
    kept: dict[str, list[Record]] = {}
    for record in (*daily_events(ledger.server, start, end), *ledger.events):
        kept.setdefault(record.channel, []).append(record)
    for channel, records in sorted(kept.items()):
        records.sort(key=lambda record: (record.time, record.event_id))
        first = _after_clearing(channel, ledger.events, records)
        ledger.put(f"{FOLDER}\\{channel}.evtx", evtx_bytes(records[first:], first=first + 1), end)


def _after_clearing(channel: str, noted: Sequence[Record], records: Sequence[Record]) -> int:
    """How many records of a log were lost when it was cleared."""
    cleared = [each.time for each in noted if each.event_id == 104 and each.data.get("Channel") == channel]
    return sum(1 for record in records if cleared and record.time < max(cleared))
