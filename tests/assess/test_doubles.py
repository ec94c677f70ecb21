"""The same file twice is one, and what only a shadow copy holds is gone from the drive."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterpatch.demo.inert import inert
from afterpatch.report import wording

HEAD = (
    "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date: 2021-03-03 00:00:00\r\n"
    "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status\r\n"
)
LOGS = "C/inetpub/logs/LogFiles/W3SVC1"
PAGES = "C/inetpub/wwwroot/aspnet_client"
Examine = Callable[..., Any]


def row(minute: int, page: str = "one") -> str:
    return f"2021-03-03 05:{minute:02d}:00 10.0.0.5 POST /aspnet_client/{page}.aspx - 443 - 203.0.113.91 Mozilla/5.0 200\r\n"


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    folder = tmp_path / "evidence"
    (folder / LOGS).mkdir(parents=True)
    (folder / PAGES).mkdir(parents=True)
    (folder / LOGS / "u_ex210303.log").write_text(HEAD + "".join(map(row, range(10))), newline="")
    (folder / PAGES / "one.aspx").write_bytes(inert("oab_page"))
    return folder


def uses(ran: Any) -> dict[str, tuple[str, int]]:
    return {door["path"]: (door["state"], door["uses"]) for door in ran.server["backdoors"]}


def iis_rows(ran: Any) -> int:
    return sum(each["records"] for each in ran.server["coverage"] if each["artifact"] == "iis")


def test_a_log_and_its_zipped_copy_are_one_log(drive: Path, examine: Examine, tmp_path: Path) -> None:
    log = drive / LOGS / "u_ex210303.log"
    (drive / LOGS / "u_ex210303.log.gz").write_bytes(gzip.compress(log.read_bytes()))
    (drive / "copy").mkdir()
    shutil.copy2(log, drive / "copy" / "renamed.log")
    ran = examine(drive, tmp_path / "case")
    assert iis_rows(ran) == 10
    assert uses(ran) == {"C:\\inetpub\\wwwroot\\aspnet_client\\one.aspx": ("present", 10)}
    same = [each["path"] for each in ran.document["notices"] if each["reason"].startswith("The same file")]
    assert sorted(Path(path).name for path in same) == ["renamed.log", "u_ex210303.log.gz"]
    assert {"The same file as another, which was read"} == {
        wording("en").notice_kind(each) for each in ran_notices(ran) if "same-file" in each.reason
    }


def ran_notices(ran: Any) -> Any:
    from afterpatch.report import examination_from

    return examination_from(ran.document).notices


def test_a_shadow_copy_counts_nothing_twice(drive: Path, examine: Examine, tmp_path: Path) -> None:
    shutil.copytree(drive / "C", drive / "VSS3" / "C")
    earlier = drive / "VSS3" / LOGS / "u_ex210303.log"
    earlier.write_text(HEAD + "".join(map(row, range(4))), newline="")
    (drive / "VSS3" / PAGES / "two.aspx").write_bytes(inert("oab_page") + b"\r\n")
    ran = examine(drive, tmp_path / "case")
    assert iis_rows(ran) == 10, "an earlier state of a log is the beginning of what it became"
    assert uses(ran) == {
        "C:\\inetpub\\wwwroot\\aspnet_client\\one.aspx": ("present", 10),
        "C:\\inetpub\\wwwroot\\aspnet_client\\two.aspx": ("deleted", 0),
    }
    assert len([each for each in ran.document["notices"] if each["reason"].startswith("The same file")]) == 2
    found = [each for each in ran.server["findings"] if each["detection"] == "oab-dump-script"]
    assert len(found) == 2


def test_another_log_of_the_same_name_in_a_shadow_copy_is_read(drive: Path, examine: Examine, tmp_path: Path) -> None:
    other = drive / "VSS3" / LOGS / "u_ex210303.log"
    other.parent.mkdir(parents=True)
    other.write_text(HEAD + row(30, "three"), newline="")
    ran = examine(drive, tmp_path / "case")
    assert iis_rows(ran) == 11
    assert "C:\\inetpub\\wwwroot\\aspnet_client\\three.aspx" in uses(ran)


def test_the_same_server_in_two_archives_is_read_once(drive: Path, examine: Examine, tmp_path: Path) -> None:
    second = tmp_path / "again"
    shutil.copytree(drive, second)
    for folder in (drive, second):  # what names the server, so that both are known to be one
        log = folder / "C/Exchange/Logging/ECP/Server/ECPServer20210303-1.LOG"
        log.parent.mkdir(parents=True)
        log.write_text(
            "#Software: Microsoft Exchange Server\r\n#Version: 15.0.0.0\r\n#Log-type: ECP Server Log\r\n"
            "#Date: 2021-03-03T06:00:00.000Z\r\n#Fields: TimeStamp,ServerName,EventId,EventData\r\n"
            "2021-03-03T06:00:00.000Z,MX7,ECP.Request,S:TIME=1;S:CMD=Get-Mailbox;S:URL=/ecp/\r\n",
            newline="",
        )
    ran = examine([drive, second], tmp_path / "case")
    assert ran.server["name"] == "MX7"
    assert iis_rows(ran) == 10
    assert uses(ran) == {"C:\\inetpub\\wwwroot\\aspnet_client\\one.aspx": ("present", 10)}


def test_the_trace_of_a_page_that_only_a_shadow_copy_holds(drive: Path, examine: Examine, tmp_path: Path) -> None:
    (drive / "VSS3" / PAGES).mkdir(parents=True)
    (drive / "VSS3" / PAGES / "two.aspx").write_bytes(b"<html></html>")
    trace = drive / "C/Windows/Microsoft.NET/Framework64/v4.0.30319/Temporary ASP.NET Files/root/e22c2559/92c7e946"
    trace.mkdir(parents=True)
    (trace / "two.aspx.898219ba.compiled").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\r\n<preserve resultType="3" virtualPath="/aspnet_client/two.aspx" '
        'assembly="App_Web_k2j3h4g5" type="ASP.aspnet_client_two_aspx" />',
        newline="",
    )
    ran = examine(drive, tmp_path / "case")
    assert uses(ran)["C:\\inetpub\\wwwroot\\aspnet_client\\two.aspx"] == ("deleted", 0)
    found = {each["detection"] for each in ran.server["findings"] if "two.aspx" in str(each["subject"])}
    assert "compiled-page-gone" in found
