"""Every forged AnchorMailbox gets exactly one grade, whatever host, path, spelling and status it has."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpatch.detect.sigma.model import Example

GRADES = {
    "proxylogon-anchor-scan", "proxylogon-anchor-local", "proxylogon-anchor-refused", "proxylogon-anchor-reached",
    "proxylogon-anchor-other", "proxylogon-session", "proxylogon-ddi-read", "proxylogon-ddi-write",
    "proxylogon-vdir-reset", "proxylogon-mail-read",
}  # fmt: skip
HOSTS = ["localhost", "localhost:444", "127.0.0.1", "a]@exch01.example.local:444", "exch01", "akak]@exch01:444"]
PATHS = [
    "/autodiscover/autodiscover.xml?#", "/mapi/emsmdb/?#", "/ecp/proxyLogon.ecp?#", "/ews/exchange.asmx?#",
    "/ecp/DDI/DDIService.svc/GetObject?msExchEcpCanary=REDACTED.&schema=OABVirtualDirectory#",
    "/ecp/DDI/DDIService.svc/SetObject?schema=OABVirtualDirectory#",
    "/ecp/DDI/DDIService.svc/SetObject?schema=ResetOABVirtualDirectory#", "/ecp/DDI/DDIService.svc/Other",
    "/ecp/default.flt?", "/owa/auth/logon.aspx?", "/", "/powershell",
]  # fmt: skip
STATUSES = ["200", "201", "241", "302", "400", "401", "403", "404", "500", "503", ""]


def grades(kit: ModuleType, anchor: str, status: str) -> set[str]:
    example = Example("httpproxy", (("AnchorMailbox", anchor), ("HttpStatus", status)))
    record = kit.record_of(kit.raw_log(example, whole=True), "httpproxy")
    found: set[str] = kit.fired_on(record) & GRADES
    assert all(kit.is_candidate(kit.compiled()[name], record.raw) for name in found)
    return found


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(host=st.sampled_from(HOSTS), path=st.sampled_from(PATHS), status=st.sampled_from(STATUSES), upper=st.booleans())
def test_exactly_one_grade(kit: ModuleType, host: str, path: str, status: str, upper: bool) -> None:
    anchor = f"ServerInfo~{host}{path.upper() if upper else path}"
    assert len(grades(kit, anchor, status)) == 1, (anchor, status, grades(kit, anchor, status))


@pytest.mark.parametrize("anchor", ["", "ServerInfo~exch01.example.local", "Sid~S-1-5-21-1-2-3-500", "SMTP:a/b@example.com"])
def test_no_grade_for_ordinary_rows(kit: ModuleType, anchor: str) -> None:
    assert all(not grades(kit, anchor, status) for status in STATUSES)


def test_a_mailbox_read_is_never_called_a_probe(kit: ModuleType) -> None:
    for host in HOSTS:
        assert grades(kit, f"ServerInfo~{host}/EWS/Exchange.asmx?#", "200") == {"proxylogon-mail-read"}
