"""The shipped correlations over sequences of rows: enough of them fire, too few or too far apart stay quiet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest

from afterpatch.detect.sigma.correlate import CorrelationEvent, correlate
from afterpatch.detect.sigma.model import Example
from afterpatch.parsers.fields import derive

START = datetime(2021, 3, 3, 6, 59, 10, tzinfo=UTC)
ASKED = ("source.ip", "url.page", "AuthenticatedUser", "ActAsUser", "cmdlet.caller")


def fired(kit: ModuleType, rows: Sequence[Example], every: timedelta) -> set[str]:
    """Names of the correlations that fire when the rows come one after the other."""
    names = {one.id: one.name for one in kit.rule_set().correlations}
    events = []
    for number, row in enumerate(rows):
        record = kit.record_of(kit.raw_log(row, whole=True), row.kind)
        view = derive(record.kind, record.fields)
        values = {name: found[0] for name in ASKED if (found := view.get(name)) is not None}
        for name in sorted(kit.fired_on(record)):
            events.append(CorrelationEvent(kit.compiled()[name].rule.id, START + number * every, values, number))
    return {names[hit.rule_id] for hit in correlate(kit.rule_set(), events)}


def iis(rest: str) -> Example:
    return Example("iis", (), f"2021-03-03 06:59:10 192.0.2.10 {rest} 0 0 120")


def anchor(value: str, status: str, ip: str = "203.0.113.21") -> Example:
    fields = {
        "AnchorMailbox": value,
        "HttpStatus": status,
        "ClientIpAddress": ip,
        "Method": "POST",
        "UrlStem": "/ecp/y.js",
    }
    return Example("httpproxy", tuple(fields.items()))


def shell(name: str, ip: str = "203.0.113.77") -> Example:
    return iis(f"GET /owa/auth/{name}.aspx - 443 - {ip} Mozilla/5.0 - 302")


def command(name: str, parameters: str, user: str = "EXAMPLE\\user1") -> Example:
    return Example("cmdlet", (("Cmdlet", name), ("Parameters", parameters), ("AuthenticatedUser", user)))


def read_as(mailbox: int) -> Example:
    fields = {
        "SoapAction": "GetItem",
        "HttpStatus": "200",
        "AuthenticatedUser": "svc1@example.com",
        "ClientIpAddress": "198.51.100.7",
    }
    return Example("ews", (*fields.items(), ("ActAsUser", f"user{mailbox}@example.com")))


SESSION = anchor("ServerInfo~a]@exch01.example.local:444/ecp/proxyLogon.ecp?#", "241")
WRITE = "ServerInfo~a]@exch01.example.local:444/ecp/DDI/DDIService.svc/SetObject?schema=OABVirtualDirectory#"
ROLE = command("New-ManagementRoleAssignment", '-Role "Mailbox Import Export" -User "user1"')
REMOVED = command("Remove-MailboxExportRequest", '-Identity "user1\\x" -Confirm "False"')
NAMES = ("OutlookEN", "ErrorAA", "zntwv", "getpp", "Err0r")
DENIED = Example(
    "iis",
    (),
    "2021-03-03 06:59:10 192.0.2.10 POST /ews/exchange.asmx - 443 - 203.0.113.80 Mozilla/5.0 - 401 1 2148074252 10",
)
PAGE_DENIED = iis("GET /owa/auth/logon.aspx url=https%3a%2f%2fmail.example.com&reason=2 443 - 203.0.113.80 Mozilla/5.0 - 200")
PAGE_ERROR = iis("POST /ecp/default.aspx - 443 EXAMPLE\\user1 203.0.113.59 Mozilla/5.0 - 500")
SMTP_DENIED = Example(
    "smtp",
    (
        ("local-endpoint", "192.0.2.10:587"),
        ("remote-endpoint", "203.0.113.80:5602"),
        ("context", "Inbound AUTH LOGIN failed because of LogonDenied"),
    ),
)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("name", "rows", "every"),
    [
        ("proxylogon-chain", [SESSION, anchor(WRITE, "200")], timedelta(seconds=5)),
        ("export-sequence", [ROLE, REMOVED], 20 * MINUTE),
        ("shell-name-sweep", [shell(name) for name in NAMES], timedelta(seconds=1)),
        ("viewstate-error-run", [PAGE_ERROR] * 5, MINUTE),
        ("ews-many-mailboxes", [read_as(number) for number in range(10)], MINUTE),
        ("sign-in-guessing", [DENIED] * 30, timedelta(seconds=10)),
        ("logon-page-guessing", [PAGE_DENIED] * 15, timedelta(seconds=30)),
        ("smtp-guessing", [SMTP_DENIED] * 20, 2 * MINUTE),
    ],
)
def test_enough_in_time_fires(kit: ModuleType, name: str, rows: list[Example], every: timedelta) -> None:
    assert name in fired(kit, rows, every)


@pytest.mark.parametrize(
    ("name", "rows", "every"),
    [
        ("proxylogon-chain", [SESSION, anchor(WRITE, "200")], 20 * MINUTE),
        ("proxylogon-chain", [SESSION, anchor(WRITE, "200", "203.0.113.99")], timedelta(seconds=5)),
        ("export-sequence", [ROLE, REMOVED], timedelta(hours=3)),
        ("shell-name-sweep", [shell("OutlookEN")] * 6, timedelta(seconds=1)),
        ("shell-name-sweep", [shell(name, f"203.0.113.{n}") for n, name in enumerate(NAMES)], timedelta(seconds=1)),
        ("viewstate-error-run", [PAGE_ERROR] * 4, MINUTE),
        ("ews-many-mailboxes", [read_as(1)] * 30, MINUTE),
        ("sign-in-guessing", [DENIED] * 30, 5 * MINUTE),
        ("logon-page-guessing", [PAGE_DENIED] * 10, timedelta(seconds=30)),
        ("smtp-guessing", [SMTP_DENIED] * 19, 2 * MINUTE),
    ],
)
def test_too_little_stays_quiet(kit: ModuleType, name: str, rows: list[Example], every: timedelta) -> None:
    assert name not in fired(kit, rows, every)


def test_every_correlation_is_tested(kit: ModuleType) -> None:
    assert {one.name for one in kit.rule_set().correlations} == {
        "proxylogon-chain", "export-sequence", "shell-name-sweep", "viewstate-error-run", "ews-many-mailboxes",
        "sign-in-guessing", "logon-page-guessing", "smtp-guessing",
    }  # fmt: skip
