"""Small evidence written by hand from the log reference, each with what a responder must conclude of it."""

from __future__ import annotations

import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from byhand import (
    AT,
    BROWSER,
    MINUTE,
    PROXY_FIELDS,
    SINCE,
    Examine,
    S,
    Server,
    address_set,
    as_drive,
    doors,
    knock,
    lived,
    loud,
    parties,
    plant,
    relayed,
    stages,
    stamp,
    use,
    utc,
)

from afterpatch.demo.inert import inert

DOOR = "E:\\Exchange\\FrontEnd\\HttpProxy\\owa\\auth\\qwer.aspx"


def breached() -> Server:
    server = lived()
    knock(server, AT, back=True)
    plant(server, AT + 8 * S, back=True)
    address_set(server, AT + 11 * S)
    server.file("{ex}/FrontEnd/HttpProxy/owa/auth/qwer.aspx", inert("oab_page"))
    use(server, AT + 50 * MINUTE)
    return server


# One evidence in many wrappings


def as_tar(server: Server, folder: Path) -> Path:
    path = folder / "all.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(as_drive(server, folder), arcname=".")
    return path


def as_nested_zip(server: Server, folder: Path) -> Path:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in server.rendered():
            archive.writestr(path, content)
    with zipfile.ZipFile(folder / "outer.zip", "w") as archive:
        archive.writestr("collected/MX7.zip", inner.getvalue())
    return folder / "outer.zip"


def as_velociraptor(server: Server, folder: Path) -> Path:
    rows = []
    with zipfile.ZipFile(folder / "Collection-MX7.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in server.rendered():
            drive, _, rest = path.partition("/")
            name = f"uploads/auto/{quote(drive + ':', safe='')}/" + "/".join(
                quote(part, safe=" ()-_.,'") for part in rest.split("/")
            )
            archive.writestr(name, content)
            row = {"vfs_path": name, "_Components": ["uploads", "auto", f"{drive}:", *rest.split("/")], "Type": ""}
            rows.append(json.dumps({**row, "file_size": len(content), "uploaded_size": len(content)}))
        archive.writestr("uploads.json", "\n".join(rows))
        archive.writestr("client_info.json", json.dumps({"Hostname": "MX7", "HostID": "x"}))
    return folder / "Collection-MX7.zip"


@pytest.mark.parametrize("wrap", [as_drive, as_tar, as_nested_zip, as_velociraptor])
def test_all_stages_on_another_drive_in_any_wrapping(wrap: Callable[..., Path], examine: Examine, tmp_path: Path) -> None:
    ran = examine(wrap(breached(), tmp_path), tmp_path / "case", *SINCE)
    assert (ran.code, ran.server["verdict"]["state"], ran.server["verdict"]["confidence"]) == (1, "compromised", "high")
    assert stages(ran) == {"proxylogon": "used"}
    assert parties(ran) == {("203.0.113.90", "203.0.113.91")}
    assert doors(ran) == {DOOR: ("present", ["203.0.113.91"], 6)}
    assert (ran.server["name"], ran.server["install_path"]) == ("MX7", "E:\\Exchange\\")
    assert ran.document["notices"] == []


def test_loose_files_with_a_collectors_mark(examine: Examine, tmp_path: Path) -> None:
    folder = tmp_path / "loose"
    folder.mkdir()
    for number, (path, content) in enumerate(breached().rendered()):
        (folder / f"{number}_{path.rpartition('/')[2]}").write_bytes(content)
    ran = examine(folder, tmp_path / "case", *SINCE)
    assert stages(ran) == {"proxylogon": "used"}
    assert doors(ran) == {DOOR: ("present", ["203.0.113.91"], 6)}, "the loose page is the one that was asked for"


def test_where_evidence_lies_and_in_what_it_is_wrapped_changes_nothing(examine: Examine, tmp_path: Path) -> None:
    """Folder name, times of the copies, processes, container: the document is the same but for the name of the source."""
    server = breached()
    there = server.write(tmp_path / "elsewhere" / "MX7-copy")
    for path in there.rglob("*"):
        os.utime(path, (0, 0))
    first = examine(as_drive(server, tmp_path), tmp_path / "one", *SINCE, "--jobs", "1").document
    second = examine(there, tmp_path / "two", *SINCE, "--jobs", "2").document
    third = examine(as_tar(server, tmp_path), tmp_path / "three", *SINCE).document
    assert [{**each, "source": ""} for each in first["evidence"]] == [{**each, "source": ""} for each in second["evidence"]]
    for member in ("servers", "detections", "notices"):
        assert first[member] == second[member]
    assert [each["id"] for each in first["servers"][0]["findings"]] == [each["id"] for each in third["servers"][0]["findings"]]
    assert first["servers"][0]["verdict"] == third["servers"][0]["verdict"]


# Each log alone


def test_front_end_iis_alone_shows_the_session(examine: Examine, tmp_path: Path) -> None:
    server = lived(proxy=False)
    knock(server, AT, proxy=False)
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    assert (ran.server["verdict"]["state"], stages(ran)) == ("compromised", {"proxylogon": "succeeded"})
    assert any("HttpProxy" in limit for limit in ran.server["verdict"]["limits"])


def test_httpproxy_alone_shows_the_write(examine: Examine, tmp_path: Path) -> None:
    server = lived(iis=False)
    knock(server, AT, iis=False)
    plant(server, AT + 8 * S, iis=False)
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    assert (ran.server["verdict"]["state"], stages(ran)) == ("compromised", {"proxylogon": "wrote"})


def test_the_ecp_server_log_alone_shows_the_write(examine: Examine, tmp_path: Path) -> None:
    server = Server()
    address_set(server, AT)
    ran = examine(as_drive(server, tmp_path), tmp_path / "case")
    assert (ran.code, ran.server["verdict"]["state"], stages(ran)) == (1, "compromised", {"proxylogon": "wrote"})
    assert ran.server["name"] == "MX7"


def test_the_oab_log_alone_tells_foreign_folders_from_a_moved_installation(examine: Examine, tmp_path: Path) -> None:
    server = Server()
    for day in range(1, 4):
        text = "Download failed and temporary file 'F:\\Mail\\Ex\\ClientAccess\\OAB\\Temp\\3d6e\\oab.xml' needs to be removed"
        server.oab(utc(f"2021-03-0{day} 03:00"), text)
    ran = examine(as_drive(server, tmp_path), tmp_path / "quiet")
    assert (ran.code, ran.server["verdict"]["state"], loud(ran)) == (3, "inconclusive", [])
    foreign = "Download failed and temporary file 'C:\\inetpub\\wwwroot\\aspnet_client\\qq.aspx' needs to be removed"
    server.oab(utc("2021-03-03 07:01"), foreign)
    ran = examine(as_drive(server, tmp_path), tmp_path / "case")
    assert (ran.code, ran.server["verdict"]["state"]) == (1, "compromised")


def test_httperr_alone_shows_refused_attempts_and_nothing_else(examine: Examine, tmp_path: Path) -> None:
    server = Server()
    server.httperr(AT, "203.0.113.90", "POST", "/ecp/y.js", 503, "AppOffline")
    query = "?@foo.example/powershell/?X-Rps-CAT=x"
    server.httperr(AT + MINUTE, "203.0.113.90", "GET", f"/autodiscover/autodiscover.json{query}", 400, "URL")
    server.httperr(AT + MINUTE, "198.51.100.3", "-", "-", "-", "Timer_ConnectionIdle")
    ran = examine(as_drive(server, tmp_path), tmp_path / "case")
    assert ran.server["verdict"]["state"] == "attempted"
    assert stages(ran) == {"proxylogon": "probed", "proxyshell": "probed"}
    assert parties(ran) == {("203.0.113.90",)}


def test_the_powershell_log_alone_tells_a_stranger_from_an_administrator(examine: Examine, tmp_path: Path) -> None:
    server, at = Server(build="15.1.2507.12"), utc("2022-12-03 02:00")
    server.rps_http(at, ClientInfo="Microsoft WinRM Client", ClientIpAddress="192.168.40.7", AuthenticatedUser="CORP\\admin")
    assert examine(as_drive(server, tmp_path), tmp_path / "quiet").code == 3
    agent = BROWSER.replace(",", " ")
    server.rps_http(at + MINUTE, ClientInfo=agent, ClientIpAddress="203.0.113.95", AuthenticatedUser="CORP\\user03")
    ran = examine(as_drive(server, tmp_path), tmp_path / "case")
    assert (ran.server["verdict"]["state"], stages(ran)) == ("compromised", {"owassrf": "succeeded"})


# How far it got


@pytest.mark.parametrize(
    ("target", "status", "stage", "verdict"),
    [
        ("/autodiscover/autodiscover.xml?", 500, "probed", "attempted"),
        ("/autodiscover/autodiscover.xml?", 200, "attempted", "attempted"),
        ("/mapi/emsmdb/?", 200, "attempted", "attempted"),
        ("/ecp/proxyLogon.ecp?", 241, "succeeded", "compromised"),
        ("/ews/exchange.asmx?", 200, "succeeded", "compromised"),
        ("/ecp/DDI/DDIService.svc/SetObject?msExchEcpCanary=R.&schema=ResetOABVirtualDirectory&a=", 200, "wrote", "compromised"),
    ],
)
def test_the_furthest_stage(target: str, status: int, stage: str, verdict: str, examine: Examine, tmp_path: Path) -> None:
    server = lived()
    relayed(server, AT, target, status=status, agent="Mozilla/5.0")
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    assert (ran.server["verdict"]["state"], stages(ran)) == (verdict, {"proxylogon": stage})


def test_a_rule_set_by_proxytoken_is_no_proxylogon(examine: Examine, tmp_path: Path) -> None:
    server, at = lived("15.1.2176.9", "2021-09-01"), utc("2021-09-02 02:00")
    for status in (500, 200):
        server.iis(
            at, "POST", "/ecp/ceo@corp.example/RulesEditor/InboxRules.svc/NewObject", "msExchEcpCanary=R&SecurityToken=x",
            ip="203.0.113.97", status=status, agent="python-requests/2.26.0",
        )  # fmt: skip
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", "--since", "2021-09-01")
    assert stages(ran) == {"proxytoken": "succeeded"}
    assert [item["value"] for item in ran.server["impact"]["mailboxes"]] == ["ceo@corp.example"]


def test_two_intruders_days_apart(examine: Examine, tmp_path: Path) -> None:
    server = lived(day="2021-03-01", days=6)
    first, second = utc("2021-03-02 04:10"), utc("2021-03-05 14:10")
    knock(server, first)
    plant(server, first + 8 * S)
    use(server, first + 110 * MINUTE, "/owa/auth/aaa1.aspx")
    other = {"ip": "192.0.2.44", "page": "/owa/auth/w.js", "agent": "Go-http-client/1.1"}
    knock(server, second, **other)
    plant(server, second + 8 * S, **other)
    use(server, second + 10 * MINUTE, "/aspnet_client/bbb2.aspx", "192.0.2.45")
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", "--since", "2021-03-01")
    assert parties(ran) == {("203.0.113.90", "203.0.113.91"), ("192.0.2.44", "192.0.2.45")}
    assert sorted(state for state, _by, _uses in doors(ran).values()) == ["deleted", "deleted"]


def test_a_page_that_is_gone_and_whose_name_says_nothing(examine: Examine, tmp_path: Path) -> None:
    server = lived("15.1.2176.9")
    use(server, AT, "/owa/auth/lmkj.aspx", "203.0.113.98")
    server.iis(AT + 600 * MINUTE, "GET", "/owa/auth/lmkj.aspx", ip="203.0.113.98", status=404)
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    assert ran.server["verdict"]["state"] == "compromised"
    assert doors(ran) == {"E:\\Exchange\\FrontEnd\\HttpProxy\\owa\\auth\\lmkj.aspx": ("deleted", ["203.0.113.98"], 6)}


def test_the_client_behind_a_load_balancer(examine: Examine, tmp_path: Path) -> None:
    server = lived(iis=False)
    knock(server, AT, iis=False, ip="203.0.113.90 192.168.40.2")
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    assert parties(ran) == {("203.0.113.90",)}


# What is no attack


def test_an_administrator_who_resets_the_address_book(examine: Examine, tmp_path: Path) -> None:
    server, url = lived("15.1.2176.9"), "/ecp/DDI/DDIService.svc/SetObject"
    query = "msExchEcpCanary=R.&schema=ResetOABVirtualDirectory"
    vdir = "MX7\\OAB (Default Web Site)"
    server.ecp(AT, f"Remove-OABVirtualDirectory.Force=$true.Identity='{vdir}'", f"{url}?{query}")
    server.ecp(AT + 3 * S, "New-OABVirtualDirectory.WebSiteName='Default Web Site'.Server='MX7'", f"{url}?{query}")
    for back, ip in ((False, "192.168.40.77"), (True, server.address)):
        server.iis(AT, "POST", url, query, ip=ip, user="CORP\\admin", back=back)
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    assert (ran.code, ran.server["verdict"]["state"], loud(ran)) == (0, "no-evidence", [])
    causes = [cause for each in ran.server["findings"] for cause in each["benign_causes"]]
    assert any("CORP\\admin" in cause for cause in causes)


def test_monitoring_phones_and_service_accounts(examine: Examine, tmp_path: Path) -> None:
    server = lived("15.1.2176.9")
    rows = (
        ("GET", "/rpc/", "", 401, "", "Zabbix", "192.168.40.9"),
        ("GET", "/owa/auth/logon.aspx", "", 200, "", "curl/7.58.0", "192.168.40.9"),
        ("POST", "/EWS/Exchange.asmx", "", 200, "CORP\\svc-crm", "python-requests/2.25.1", "192.168.40.8"),
        ("POST", "/powershell", "clientApplication=Shell", 200, "CORP\\admin", "Microsoft WinRM Client", "192.168.40.77"),
        ("GET", "/autodiscover/autodiscover.json", "Email=a%40b.example&Protocol=X", 200, "", "Outlook-iOS/2.0", "198.51.100.77"),
        ("GET", "/OAB/11111111-2222-3333-4444-555555555555/oab.xml", "", 200, "CORP\\u1", "Microsoft BITS/7.8", "198.51.100.33"),
        ("GET", "/owa/calendar/a@corp.example/Calendar/calendar.html", "", 200, "", BROWSER, "198.51.100.60"),
        ("GET", "/owa/admin.cfg", "", 302, "", "zgrab/0.x", "198.51.100.99"),
    )  # fmt: skip
    for hour in range(0, 48, 3):
        for method, stem, query, status, user, agent, ip in rows:
            moment = utc("2021-03-02 00:07") + hour * 60 * MINUTE
            server.iis(moment, method, stem, query, ip=ip, status=status, user=user, agent=agent)
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    assert (ran.code, ran.server["verdict"]["state"], loud(ran)) == (0, "no-evidence", [])


def test_the_published_scanner_is_no_intruder(examine: Examine, tmp_path: Path) -> None:
    server, guid = lived(), "1a51fb75-2f6f-4a40-8129-ff80098494a0"
    server.iis(AT, "GET", "/owa/auth/x.js", ip="198.51.100.9", status=500, guid=guid)
    server.proxy(
        AT, "Owa", "/owa/auth/x.js", ClientIpAddress="198.51.100.9", HttpStatus=500, BackEndStatus=500, RequestId=guid,
        AnchorMailbox="ServerInfo~localhost/ecp/default.flt?", TargetServer="localhost", TargetServerVersion="0.00.0003.000",
        RoutingHint="X-AnonResource-Backend-Cookie", GenericInfo=f"BeginRequest={stamp(AT)};FEAuth=BEVersion-3;",
    )  # fmt: skip
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    assert (ran.server["verdict"]["state"], stages(ran)) == ("attempted", {"proxylogon": "probed"})


# What the evidence does not cover


def test_deleted_days_leave_the_question_open(examine: Examine, tmp_path: Path) -> None:
    server = lived("15.1.2176.9", "2021-03-01", 8)
    for path in [each for each in server.rows if any(mark in each for mark in ("ex210304", "20210304", "ex210305", "20210305"))]:
        del server.rows[path]
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", "--since", "2021-03-01")
    assert (ran.code, ran.server["verdict"]["state"]) == (3, "inconclusive")
    assert any("2021-03-03 23:50" in limit and "gap" in limit for limit in ran.server["verdict"]["limits"])


def test_weekly_rows_of_an_audit_log_are_no_gaps(examine: Examine, tmp_path: Path) -> None:
    server = lived()
    fields = "Timestamp,Server,TenantId,RecordType,Data,UserKey,RecordId,Operation,Workload,ResultStatus,Version,Scope"
    for week in range(4):
        moment = utc("2021-02-09 09:29") + timedelta(days=7 * week)
        head = (
            f"\ufeff#Software: Microsoft Exchange Server\r\n#Version: 15.0.0.0\r\n#Log-type: audit\r\n"
            f"#Date: {stamp(moment)}\r\n#Fields: {fields}\r\n"
        )
        path = f"{server.logging}/LocalQueue/Exchange/audit{moment:%Y%m%d}-1.LOG"
        server.add(path, moment, f"{stamp(moment)},MX7,,ExchangeAdmin,{{}},u,r,Get-Mailbox,Exchange,True,1,", head)
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    (entry,) = [each for each in ran.server["coverage"] if each["artifact"] == "admin-audit"]
    assert (entry["records"], entry["gaps"]) == (4, [])


def test_the_document_says_which_time_was_asked_about(examine: Examine, tmp_path: Path) -> None:
    ran = examine(as_drive(lived("15.1.2176.9"), tmp_path), tmp_path / "case", *SINCE)
    assert ran.server["asked_from"] == "2021-03-02T00:00:00Z"
    assert ran.server["asked_until"] <= "2021-03-04T00:00:00Z"
    assert {each["question"]: each["state"] for each in ran.server["answerable"]}["Is it gone now?"] == "partly"
    assert not [each for each in ran.server["answerable"] if each["state"] == "yes" and each["missing"]]


def test_columns_are_those_of_the_published_schema() -> None:
    assert len(PROXY_FIELDS.split(",")) == 74


@pytest.mark.parametrize(("days", "code"), [(2, 0), (1, 3)])
def test_a_harmless_scan_does_not_close_the_question(days: int, code: int, examine: Examine, tmp_path: Path) -> None:
    """Nothing at `--fail-on`: 0 where the logs cover the time, 3 where a day of it is missing."""
    server = lived("15.1.2242.4", "2021-08-10", days)
    query = "@test.com/owa/?&Email=autodiscover/autodiscover.json%3F@test.com"
    server.iis(
        utc("2021-08-10 01:00"), "GET", "/autodiscover/autodiscover.json", query, ip="198.51.100.9", status=302, agent="Nessus"
    )
    window = ("--since", "2021-08-10", "--until", "2021-08-14")
    if days == 1:
        server.oab(
            utc("2021-08-13 23:00"),
            "Download failed and temporary file 'E:\\Exchange\\ClientAccess\\OAB\\Temp\\a' needs to be removed",
        )
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *window)
    assert (ran.code, ran.server["verdict"]["state"], loud(ran)) == (code, "attempted", [])


def test_exchange_2010_with_event_logs_stays_open(examine: Examine, tmp_path: Path) -> None:
    """The logs that would show most ways in are never written there, whatever else is in the evidence."""
    server = lived("14.3.509.0", proxy=False)
    server.install = "E/Exchange Server/V14"
    server.config()
    server.file("{ex}/ClientAccess/owa/14.3.509.0/x.css", "a{}")
    end = "2021-03-04"
    event = (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='MSExchange ADAccess'/>"
        "<EventID>2080</EventID><Level>4</Level><TimeCreated SystemTime='{}T00:00:00.000Z'/><EventRecordID>{}</EventRecordID>"
        "<Channel>Application</Channel><Computer>mx7.corp.example</Computer></System><EventData/></Event>"
    )
    rows = "".join(event.format(day, number) for number, day in enumerate(("2021-03-02", "2021-03-03", end), 1))
    server.file("C/Windows/System32/winevt/Logs/Application.xml", f"<Events>{rows}</Events>")
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    assert (ran.code, ran.server["verdict"]["state"]) == (3, "inconclusive")
    assert ran.server["product"] == "Exchange 2010"
