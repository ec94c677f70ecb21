"""What an examination says of builds, holes and mitigations, on evidence of every kind that names a build."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from afterpatch.assess.examine import examine
from afterpatch.assess.options import Options
from afterpatch.knowledge import vulnerabilities
from afterpatch.model import ServerExamination

LOGON, UM, SHELL, PANEL = "CVE-2021-26855", "CVE-2021-26857", "CVE-2021-34473", "CVE-2020-0688"
CU18, CU19, CU19_MAR, CU19_APR, CU20 = "15.1.2106.2", "15.1.2176.2", "15.1.2176.9", "15.1.2176.12", "15.1.2242.4"
MARCH = "Security Update for Exchange Server 2016 Cumulative Update 19 (KB5000871)"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples" / "iis_config" / "exchange2019"

Kit = ModuleType


@pytest.fixture
def server(kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty drive."""
    monkeypatch.setenv("AFTERPATCH_RAISE", "1")
    return kit.Server(tmp_path / "evidence")


def examined(server: Any) -> ServerExamination:
    """The only server of the evidence."""
    (only,) = examine([str(server.root)], Options(jobs=1)).examination.servers
    return only


def hole(found: ServerExamination, cve: str) -> Any:
    (one,) = [each for each in found.exposure if each.cve == cve]
    return one


def windows(found: ServerExamination, cve: str = LOGON) -> list[tuple[str, str | None, str | None]]:
    """(state, first day, last day)."""
    return [
        (each.state, each.start and f"{each.start:%m-%d}", each.end and f"{each.end:%m-%d}") for each in hole(found, cve).windows
    ]


def mitigation(found: ServerExamination, name: str) -> Any:
    (one,) = [each for each in found.mitigations if each.id == name]
    return one


def kinds(found: ServerExamination) -> list[str]:
    return [each.kind for each in found.build_history.contradictions]


def bases(found: ServerExamination) -> set[str]:
    return {each.basis for each in found.build_history.readings}


# Windows


def attack(moment: datetime) -> str:
    """A row of a request that was routed by a forged cookie, in the form advisories print, and refused."""
    request = f"aaaaaaaa-0000-4000-8000-{int(moment.timestamp()):012x}"
    head = f"{moment:%Y-%m-%dT%H:%M:%S}.000Z,{request},15,1,2176,2,,Ecp,mail.example.com"
    target = "~".join(("ServerInfo", "a]@exch01.example.local:444/ecp/proxyLogon.ecp?#"))
    return f"{head},/ecp/y.js,,,false,,,{target},python-requests/2.25.1,203.0.113.21,EXCH01,500,,,POST"


def test_exposed_58_days_9_before_a_patch_first_attempt_on_day_27(kit: Kit, server: Any) -> None:
    server.setup(kit.run("2021-02-21 09:00", CU19))
    for number in range(0, 60, 3):
        start = kit.at("2021-02-22") + number * DAY
        more = [attack(kit.at("2021-03-20 00:10"))] if number == 27 else []
        server.proxy(start if number != 27 else kit.at("2021-03-20"), CU19 if number < 57 else CU19_MAR, rows=20, more=more)
    found = examined(server)
    one = hole(found, LOGON)
    assert (found.build, found.build_precision, found.security_update) == (CU19_MAR, "exact", "Mar21SU")
    assert windows(found) == [("open", "02-21", "04-20"), ("closed", "04-20", None)]
    assert (one.figures.days, one.figures.before_patch_days, one.figures.attempt_day) == (58, 9, 27)
    assert one.figures.attempt_state == "open"
    assert one.messages[0] == "msg:exposure.open-days|days=58|before=9"
    assert found.build_history.installed == kit.at("2021-02-21 09:40:00.001")


def test_an_upgrade_closes_and_two_in_one_day_leave_no_gap(kit: Kit, server: Any) -> None:
    server.setup(
        kit.run("2020-12-01 09:00", CU18),
        kit.run("2021-03-20 09:00", CU19, mode="BuildToBuildUpgrade", installed=CU18),
        kit.run("2021-03-20 15:00", CU20, mode="BuildToBuildUpgrade", installed=CU19),
    )
    for hour, build in ((6, CU18), (12, CU19), (18, CU20)):
        server.proxy(kit.at("2021-03-20") + hour * HOUR, build, rows=10)
    found = examined(server)
    assert windows(found) == [("open", "12-01", "03-20"), ("closed", "03-20", None)]
    assert hole(found, LOGON).open_until == kit.at("2021-03-20 15:40:00.001")
    assert hole(found, SHELL).state == "open"
    assert kinds(found) == []


def test_a_restored_backup_is_shown_and_opens_again(kit: Kit, server: Any) -> None:
    for number in range(30):
        server.proxy(kit.at("2021-03-05") + number * DAY, CU19 if 10 <= number <= 20 else CU19_MAR, rows=10)
    found = examined(server)
    assert [state for state, _, _ in windows(found)] == ["unknown", "closed", "unknown", "open", "closed"]
    assert windows(found)[3] == ("open", "03-15", "03-26")
    assert kinds(found) == ["went-back"]


def test_a_new_cumulative_update_without_its_security_update_opens_again(kit: Kit, server: Any) -> None:
    server.setup(kit.run("2021-03-12 09:00", CU19, mode="BuildToBuildUpgrade", installed=CU18))
    server.proxy(kit.at("2021-03-08"), "15.1.2106.13", rows=10)
    server.proxy(kit.at("2021-03-14"), CU19, rows=10)
    found = examined(server)
    assert [state for state, _, _ in windows(found)] == ["unknown", "closed", "open"]
    assert hole(found, LOGON).open_from == kit.at("2021-03-12 09:40:00.001")
    assert kinds(found) == ["fixes-lost"]


def test_no_evidence_of_a_build_is_unknown_and_never_closed(kit: Kit, server: Any) -> None:
    server.iis(kit.at("2021-04-01"))
    found = examined(server)
    assert (found.build, found.build_precision, found.product) == ("", "", "")
    assert {each.state for each in found.exposure} == {"unknown"}
    assert len(found.exposure) == len(vulnerabilities.core())
    assert all(each.basis == ("basis.no-reading",) and not each.messages for each in found.exposure)


# Places that name a build


def test_paths_in_iis_logs_are_of_the_cumulative_update_and_refused_ones_count_for_nothing(kit: Kit, server: Any) -> None:
    for number in range(3):
        paths = [("/owa/auth/15.1.2507/x.css", "404"), ("/owa/auth/15.1.2176/themes/x.css", "200")]
        server.iis(kit.at("2021-03-10") + number * DAY, paths=paths)
    found = examined(server)
    assert (found.build, found.build_precision, found.cumulative_update, found.security_update) == ("15.1.2176", "cu", "CU19", "")
    assert bases(found) == {"owa-path"}
    assert hole(found, LOGON).state == "unknown"
    assert not hole(found, LOGON).open_from
    assert hole(found, PANEL).state == "closed"  # part of the cumulative update


def test_a_cumulative_update_proves_open_before_its_first_patch(kit: Kit, server: Any) -> None:
    server.iis(kit.at("2021-02-20"), paths=[("/owa/auth/15.1.2176/themes/x.css", "200")])
    server.iis(kit.at("2021-03-12"), paths=[("/owa/auth/15.1.2176/themes/x.css", "200")])
    found = examined(server)
    assert windows(found) == [("unknown", None, "02-20"), ("open", "02-20", "03-02"), ("unknown", "03-02", None)]
    assert hole(found, SHELL).state == "open"  # its update came out in April, after the evidence ends


def test_a_setup_log_with_a_broken_tail_tells_what_was_there_before(kit: Kit, server: Any) -> None:
    server.setup(kit.run("2021-02-21 09:00", CU18), kit.run("2021-03-12 09:00", CU19, installed=CU18, mode="Upgrade"), cut=90)
    found = examined(server)
    assert (found.build, found.build_precision, found.product) == (CU18, "cu", "Exchange 2016")
    assert windows(found) == [("open", "02-21", "03-02"), ("unknown", "03-02", None)]


def test_a_setup_that_never_ended_names_the_product_only(kit: Kit, server: Any) -> None:
    server.setup(kit.run("2021-03-12 09:00", CU19), cut=90)
    found = examined(server)
    assert (found.build, found.product) == ("", "Exchange 2016")
    assert {each.state for each in found.exposure} == {"unknown"}


def test_a_setup_log_of_another_server_is_left_out_with_a_notice(kit: Kit, server: Any) -> None:
    server.setup(kit.run("2021-03-01 09:00", CU20, name="EXCH09"))
    server.proxy(kit.at("2021-03-10"), CU19, rows=10)
    result = examine([str(server.root)], Options(jobs=1)).examination
    assert [each.build for each in result.servers] == [CU19]
    assert "notice.setup-other-server: EXCH09" in {each.reason for each in result.notices}
    assert "setup" not in bases(result.servers[0])


def test_events_of_the_installer_windows_update_and_crash_reports(kit: Kit, server: Any) -> None:
    product = ["Microsoft Exchange Server", CU19, "1033", "0", "Microsoft Corporation", "(NULL)"]
    crash = ["1234", "E12, c-RTL-AMD64, 15.01.2176.002, w3wp#MSExchangeECPAppPool, M.Exchange.Data"]
    server.evtx(
        "Application",
        [
            kit.Record(kit.at("2021-02-01"), "MsiInstaller", 1033, "Application", "EXCH01", values=product),
            kit.Record(kit.at("2021-02-11"), "MSExchange Common", 4999, "Application", "EXCH01", values=crash),
            server.update_event(kit.at("2021-03-08"), MARCH, CU19, status="1603"),
            server.update_event(kit.at("2021-03-09"), MARCH, CU19),
        ],
    )
    title = {"updateTitle": "Security Update For Exchange Server 2016 CU19 (KB5001779)", "updateGuid": "{x}"}
    server.evtx(
        "System", [kit.Record(kit.at("2021-04-14"), "Microsoft-Windows-WindowsUpdateClient", 19, "System", "EXCH01", title)]
    )
    found = examined(server)
    assert bases(found) == {"installer", "crash-report", "update"}
    assert (found.build, found.security_update) == (CU19_APR, "Apr21SU")
    assert windows(found) == [("unknown", None, "02-01"), ("open", "02-01", "03-09"), ("closed", "03-09", None)]


def test_an_update_that_was_taken_off_opens_again(kit: Kit, server: Any) -> None:
    server.evtx(
        "Application",
        [server.update_event(kit.at("2021-03-09"), MARCH, CU19), server.update_event(kit.at("2021-03-11"), MARCH, CU19, 1037)],
    )
    found = examined(server)
    assert hole(found, LOGON).state == "open"
    assert kinds(found) == ["went-back"]


def test_the_registry_names_the_cumulative_update_and_installed_updates(kit: Kit, server: Any) -> None:
    config = "C/Windows/System32/config"
    server.put(f"{config}/SOFTWARE", kit.hive(kit.software(CU19, [(MARCH, "20210310")]), kit.at("2021-04-01")))
    services = {"MSExchangeUM": 4, "MSExchangeUMCR": 4, "MSExchangeHM": 4}
    server.put(f"{config}/SYSTEM", kit.hive(kit.system(services), kit.at("2021-04-01")))
    server.iis(kit.at("2021-04-01"))
    found = examined(server)
    assert (found.build, found.build_precision) == (CU19_MAR, "exact")
    assert windows(found) == [("unknown", None, "03-10"), ("closed", "03-10", None)]
    assert hole(found, UM).state == "closed"
    assert (mitigation(found, "exm-services").state, mitigation(found, "exm-services").since) == (
        "in-place",
        kit.at("2021-04-01"),
    )
    assert mitigation(found, "exm-health").state == "partial"  # disabled, but no pool is stopped


def test_the_registry_alone_never_proves_a_missing_update(kit: Kit, server: Any) -> None:
    server.put("C/Windows/System32/config/SOFTWARE", kit.hive(kit.software(CU19), kit.at("2021-04-01")))
    server.iis(kit.at("2021-04-01"))
    found = examined(server)
    assert (found.build, found.build_precision, found.security_update) == (CU19, "cu", "")
    assert hole(found, LOGON).state == "unknown"


@pytest.mark.parametrize(
    ("path", "precision", "later"),
    [
        ("bin/ExSetup.exe", "exact", "open"),
        ("ClientAccess/Owa/Bin/Microsoft.Exchange.Clients.Owa2.Server.dll", "least", "unknown"),
    ],
)
def test_file_versions(kit: Kit, server: Any, path: str, precision: str, later: str) -> None:
    server.put(f"{kit.EXCHANGE}/{path}", kit.program(CU19_MAR))
    server.iis(kit.at("2021-08-01"))
    found = examined(server)
    assert (found.build, found.build_precision) == (CU19_MAR, precision)
    assert hole(found, LOGON).state == "closed"
    assert hole(found, SHELL).state == later  # the update of April may be there, where a library alone tells


def test_exsetup_of_installation_media_is_not_the_servers(kit: Kit, server: Any) -> None:
    server.put("D/media/Setup/ServerRoles/Common/ExSetup.exe", kit.program(CU20))
    server.proxy(kit.at("2021-03-10"), CU19, rows=10)
    assert examined(server).build == CU19


def test_folders_in_the_iis_configuration_newest_first(kit: Kit, server: Any) -> None:
    text = kit.apphost(folders=["15.1.2106.2", "15.1.2176.2"])
    server.put("C/Windows/System32/inetsrv/config/applicationHost.config", text, kit.at("2021-03-20"))
    server.iis(kit.at("2021-04-01"))
    found = examined(server)
    assert (found.build, found.build_precision) == (CU19, "cu")
    assert hole(found, LOGON).state == "unknown"


def test_version_columns_find_the_hour_of_the_update_inside_a_log(kit: Kit, server: Any) -> None:
    server.proxy(kit.at("2021-03-10"), CU19, rows=1800, changed=CU19_MAR)
    found = examined(server)
    opened = hole(found, LOGON)
    assert opened.open_from == kit.at("2021-03-10 00:00:00.001")
    assert abs(opened.open_until - kit.at("2021-03-10 00:30:01")) <= timedelta(seconds=2)
    assert kinds(found) == []


def test_control_panel_tracking_and_logged_headers(kit: Kit, server: Any) -> None:
    logs = f"{kit.EXCHANGE}/Logging"
    head = "#Software: Microsoft Exchange Server\r\n#Version: 15.0.0.0\r\n#Log-type: {}\r\n#Date: {}\r\n#Fields: {}\r\n"
    panel = head.format("ECP Server Log", "2021-03-01T00:00:00.000Z", "TimeStamp,ServerName,EventId,EventData")
    address = "'S:URL=/ecp/?a=1;S:BLD=15.2.9.9;b'"  # what a client can ask for
    row = f'2021-03-01T10:00:00.000Z,EXCH01,ECP.Request,"S:TIME=1;{address};S:EX=;S:BLD=15.1.2176.2;S:TNAME="\r\n'
    server.put(f"{logs}/ECP/Server/ECPServer20210301-1.LOG", "\ufeff" + panel + row)
    columns = "date-time,client-ip,source,event-id,message-subject,schema-version"
    tracking = head.format("Message Tracking Log", "2021-03-05T00:00:00.000Z", columns)
    sent = "2021-03-05T10:00:00.000Z,192.0.2.1,SMTP,RECEIVE,hello,15.01.2176.009\r\n"
    server.put(f"{kit.EXCHANGE}/TransportRoles/Logs/MessageTracking/MSGTRK20210305-1.LOG", tracking + sent)
    web = (
        "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date: 2021-04-20 00:00:00\r\n"
        f"#Fields: {kit.IIS_COLUMNS} X-OWA-Version\r\n"
        "2021-04-20 10:00:00 192.0.2.5 GET /owa/ - 443 - 192.0.2.9 M - 200 0 0 15 -\r\n"
        "2021-04-20 10:00:01 192.0.2.5 GET /owa/ - 443 - 192.0.2.9 M - 200 0 0 15 15.1.2176.12\r\n"
    )
    server.put("C/inetpub/logs/LogFiles/W3SVC1/u_ex210420_x.log", web)
    found = examined(server)
    told = [(each.basis, each.build, each.precision) for each in found.build_history.readings]
    assert told == [("ecp-bld", CU19, "exact"), ("schema-version", CU19_MAR, "exact"), ("owa-header", CU19_APR, "exact")]


# Odd evidence


def test_exchange_2010(kit: Kit, server: Any) -> None:
    text = (
        "#Software: Microsoft Exchange Server\r\n#Version: 14.03.0509.000\r\n#Log-type: Message Tracking Log\r\n"
        "#Date: 2021-03-01T00:00:01.000Z\r\n#Fields: date-time,client-ip,source,event-id,message-subject\r\n"
        "2021-03-01T00:00:02.000Z,192.0.2.1,SMTP,RECEIVE,x\r\n"
    )
    server.put("C/Program Files/Microsoft/Exchange Server/V14/TransportRoles/Logs/MessageTracking/MSGTRK20210301-1.LOG", text)
    found = examined(server)
    assert (found.product, found.cumulative_update, found.build) == ("Exchange 2010", "SP3 RU31", "14.3.509.0")
    assert LOGON not in {each.cve for each in found.exposure}  # never had it
    assert hole(found, UM).state == "open"
    assert hole(found, PANEL).state == "closed"


def test_a_build_of_the_future_is_never_rounded(kit: Kit, server: Any) -> None:
    server.proxy(kit.at("2027-03-01"), "15.2.3000.5", rows=10)
    found = examined(server)
    assert (found.product, found.cumulative_update, found.build) == ("Exchange SE", "", "15.2.3000.5")
    assert hole(found, LOGON).state == "closed"
    assert hole(found, "CVE-2026-42897").state == "unknown"


def test_single_files_of_other_servers_decide_nothing(kit: Kit, server: Any) -> None:
    for number in range(48):
        server.proxy(kit.at("2021-04-01") + number * HOUR, CU19_MAR, rows=5)
    server.proxy(kit.at("2021-04-01 12:00"), CU19, rows=5, folder="Ecp")
    server.proxy(kit.at("2021-04-01 13:00"), "15.2.792.3", rows=5, folder="Eas")
    found = examined(server)
    assert (found.product, found.build) == ("Exchange 2016", CU19_MAR)
    assert windows(found) == [("unknown", None, "04-01"), ("closed", "04-01", None)]
    assert sorted(kinds(found)) == ["lone", "other-product"]
    assert all(each.aside for each in found.build_history.contradictions)


def test_a_wrong_clock_decides_nothing(kit: Kit, server: Any) -> None:
    for day in ("2010-01-01", "2020-01-01", "2021-04-01", "2021-04-02"):
        server.proxy(kit.at(day), CU19_MAR, rows=5)
    found = examined(server)
    assert windows(found) == [("unknown", None, "04-01"), ("closed", "04-01", None)]
    assert set(kinds(found)) == {"before-release"}


def test_two_servers_in_one_heap_have_a_history_each(kit: Kit, server: Any) -> None:
    other = kit.Server(server.root, "EXCH02")
    for number in range(3):
        server.proxy(kit.at("2021-04-01") + number * DAY, CU19_MAR, rows=5)
        other.proxy(kit.at("2021-04-01") + number * DAY, CU19, rows=5, folder="Ecp")
    found = {each.name: each for each in examine([str(server.root)], Options(jobs=1)).examination.servers}
    assert {name: each.build for name, each in found.items()} == {"EXCH01": CU19_MAR, "EXCH02": CU19}
    assert {name: hole(each, LOGON).state for name, each in found.items()} == {"EXCH01": "closed", "EXCH02": "open"}
    assert [kinds(each) for each in found.values()] == [[], []]


# Mitigations

CONFIG = "C/Windows/System32/inetsrv/config/applicationHost.config"
HISTORY = "C/inetpub/history/CFGHISTORY_{:010d}/applicationHost.config"


def test_copies_of_the_configuration_bound_a_mitigation(kit: Kit, server: Any) -> None:
    for number in range(0, 40, 2):
        server.proxy(kit.at("2021-02-20") + number * DAY, CU19, rows=5)
    for number, (day, rules) in enumerate((("03-01", ""), ("03-07", kit.COOKIE_RULES), ("03-20", ""))):
        server.put(HISTORY.format(number), kit.apphost(rules=rules), kit.at(f"2021-{day}"))
    server.put(CONFIG, kit.apphost(rules=kit.COOKIE_RULES), kit.at("2021-03-25"))
    found = examined(server)
    guard = mitigation(found, "proxylogon-cookie")
    assert (guard.state, guard.since, guard.not_before) == ("in-place", kit.at("2021-03-25"), kit.at("2021-03-20"))
    assert windows(found) == [
        ("unknown", None, "02-20"), ("open", "02-20", "03-07"), ("mitigated", "03-07", "03-20"), ("open", "03-20", "03-25"),
        ("mitigated", "03-25", None),
    ]  # fmt: skip
    assert hole(found, LOGON).state == "mitigated"
    assert hole(found, LOGON).messages[-1] == "msg:exposure.mitigation-not-past"


def test_an_event_about_the_change_dates_a_rule(kit: Kit, server: Any) -> None:
    server.proxy(kit.at("2021-03-01"), CU19, rows=5)
    server.proxy(kit.at("2021-03-30"), CU19, rows=5)
    server.put(CONFIG, kit.apphost(), kit.at("2021-03-30"))
    server.put("C/inetpub/wwwroot/web.config", kit.web_config(kit.COOKIE_RULES), kit.at("2021-03-28"))
    change = {
        "Configuration": "/system.webServer/rewrite/rules/rule[@name='X-BEResource Abort - inbound']", "EditOperationType": "2",
        "OldValue": "", "NewValue": "X-BEResource Abort - inbound",
    }  # fmt: skip
    server.evtx(
        "Microsoft-IIS-Configuration%4Operational",
        [
            kit.Record(
                kit.at("2021-03-06"),
                "Microsoft-Windows-IIS-Configuration",
                29,
                "Microsoft-IIS-Configuration/Operational",
                "EXCH01",
                change,
            )
        ],
    )
    found = examined(server)
    assert mitigation(found, "proxylogon-cookie").since == kit.at("2021-03-06")
    assert windows(found)[1:] == [("open", "03-01", "03-06"), ("mitigated", "03-06", None)]


def test_the_summary_that_eomt_leaves_dates_its_rules(kit: Kit, server: Any) -> None:
    server.proxy(kit.at("2021-03-01"), CU19, rows=5)
    server.proxy(kit.at("2021-03-30"), CU19, rows=5)
    server.put("C/inetpub/wwwroot/web.config", kit.web_config(kit.COOKIE_RULES), kit.at("2021-03-28"))
    server.put("C/EOMTSummary.txt", "Exchange On-premises Mitigation Tool", kit.at("2021-03-16"))
    assert windows(examined(server))[1:] == [("open", "03-01", "03-16"), ("mitigated", "03-16", None)]


def test_times_of_copying_date_nothing(kit: Kit, server: Any) -> None:
    """Files changed after the last row of the logs bear the time of copying: in place at the end, no earlier."""
    server.proxy(kit.at("2021-03-01"), CU19, rows=5)
    server.proxy(kit.at("2021-03-30"), CU19, rows=5)
    server.put("C/inetpub/wwwroot/web.config", kit.web_config(kit.COOKIE_RULES), kit.at("2021-05-01"))
    server.put("C/EOMTSummary.txt", "Exchange On-premises Mitigation Tool", kit.at("2021-05-01"))
    found = examined(server)
    assert hole(found, LOGON).state == "mitigated"
    assert windows(found)[1] == ("open", "03-01", "03-30")


def test_extended_protection_closes_from_when_it_is_seen(kit: Kit, server: Any) -> None:
    for number in range(0, 15, 2):
        server.proxy(kit.at("2024-03-13") + number * DAY, "15.1.2507.37", rows=5)
    for path, value, day in ((HISTORY.format(1), "None", "2024-03-12"), (CONFIG, "Require", "2024-03-20")):
        places = "".join(
            f'<location path="Default Web Site/{name}"><system.webServer><security><access sslFlags="Ssl, Ssl128" />'
            "<authentication>"
            f'<windowsAuthentication><extendedProtection tokenChecking="{value}" /></windowsAuthentication></authentication>'
            "</security></system.webServer></location>"
            for name in ("owa", "ecp", "EWS")
        )
        server.put(path, kit.apphost(protection=places), kit.at(day))
    found = examined(server)
    guard = mitigation(found, "extended-protection")
    assert (guard.state, guard.since, guard.not_before) == ("in-place", kit.at("2024-03-20"), kit.at("2024-03-12"))
    assert windows(found, "CVE-2024-21410") == [("unknown", None, "03-20"), ("closed", "03-20", None)]


def test_weak_forms_are_named_and_guard_nothing(kit: Kit, server: Any) -> None:
    server.proxy(kit.at("2022-10-10"), "15.1.2507.12", rows=5)
    rule = kit.shell_rule("{REQUEST_URI}", ".*autodiscover\\.json.*\\@.*Powershell.*")
    server.put("C/inetpub/wwwroot/web.config", kit.web_config(rule), kit.at("2022-10-01"))
    server.put(CONFIG, kit.apphost(), kit.at("2022-10-01"))
    found = examined(server)
    weak = mitigation(found, "proxynotshell-rewrite")
    assert weak.state == "weak"
    assert any("weak-form" in reason and "2022-09-30" in reason for reason in weak.reasons)
    assert hole(found, "CVE-2022-41040").state == "open"


def test_extended_protection_decides_what_code_alone_does_not(kit: Kit, server: Any) -> None:
    server.proxy(kit.at("2024-03-20"), "15.1.2507.37", rows=5)
    server.put(CONFIG, kit.apphost(), kit.at("2024-03-01"))
    found = examined(server)
    assert mitigation(found, "extended-protection").state == "absent"
    assert {each.grade for each in found.extended_protection} <= {"lower", "as-expected"}
    assert hole(found, "CVE-2024-21410").state == "open"


def test_signing_by_registry_on_2013_and_by_build_elsewhere(kit: Kit, server: Any) -> None:
    server.put("C/Windows/System32/config/SOFTWARE", kit.hive(kit.software("15.0.1497.2", signing=1), kit.at("2023-05-01")))
    server.proxy(kit.at("2023-05-01"), "15.0.1497.48", rows=5)
    assert mitigation(examined(server), "data-signing").state == "in-place"


@pytest.mark.parametrize(
    ("build", "state"), [("15.1.2507.12", "absent"), ("15.1.2507.21", "not-visible"), ("15.1.2507.35", "in-place")]
)
def test_signing_by_build(kit: Kit, server: Any, build: str, state: str) -> None:
    server.proxy(kit.at("2024-01-10"), build, rows=5)
    assert mitigation(examined(server), "data-signing").state == state


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample configurations are not here")
@pytest.mark.parametrize(
    ("host", "web", "protection", "rewrite", "torn"),
    [
        ("applicationHost.config", "DefaultWebSite_web.config", "absent", "absent", False),
        ("applicationHost1.config", "DefaultWebSite_web1.config", "in-place", "in-place", True),
        ("BadApplicationHost.config", "DefaultWebSite_web2.config", "absent", "absent", True),
    ],
)
def test_sample_configurations(server: Any, host: str, web: str, protection: str, rewrite: str, torn: bool) -> None:
    server.put(CONFIG, (SAMPLES / host).read_bytes())
    server.put("C/inetpub/wwwroot/web.config", (SAMPLES / web).read_bytes())
    result = examine([str(server.root)], Options(jobs=1)).examination
    (found,) = result.servers
    assert mitigation(found, "extended-protection").state == protection
    assert mitigation(found, "proxynotshell-rewrite").state == rewrite
    assert any(each.reason.startswith("notice.xml-malformed") for each in result.notices) is torn
    assert found.product == "Exchange 2019"


Render = Callable[..., str]


def test_everything_reaches_terminal_and_page_in_both_languages(kit: Kit, server: Any) -> None:
    from afterpatch.report.catalogue import Catalogue
    from afterpatch.report.html import render_html
    from afterpatch.report.run import RunInfo
    from afterpatch.report.terminal import render_terminal

    for number in range(30):
        server.proxy(kit.at("2021-02-20") + number * DAY, CU19 if number < 20 else CU19_MAR, rows=5)
    server.proxy(kit.at("2021-03-20"), "15.2.792.3", rows=5, folder="Eas")
    server.put(CONFIG, kit.apphost(rules=kit.COOKIE_RULES), kit.at("2021-03-06"))
    result = examine([str(server.root)], Options(jobs=1)).examination
    run = RunInfo("1", "1", kit.at("2021-04-01"), kit.at("2021-04-01"), "examine")
    for language, words in (
        (
            "en",
            (
                "2021-02-20 00:00",
                "ProxyLogon rules (EOMT, ExchangeMitigations.ps1)",
                "since 2021-03-06",
                "comes from another server",
            ),
        ),
        ("zh-CN", ("2021-02-20 00:00", "ProxyLogon 规则（EOMT、ExchangeMitigations.ps1）", "自 2021-03-06", "来自另一台服务器")),
    ):
        catalogue = Catalogue.load(language)
        terminal, page = render_terminal(result, catalogue, width=400), render_html(result, run, catalogue)
        for word in words:
            assert word in terminal, (language, word)
            assert word in page, (language, word)
        assert "15.1.2176.9" in page
