"""Back doors by hand: where they lie, who used them, and what only looks like one."""

from __future__ import annotations

from pathlib import Path

import pytest
from byhand import AT, MINUTE, SINCE, Examine, Server, as_drive, doors, knock, lived, loud, relayed, stages, use, utc

from afterpatch.demo.inert import inert

BACK_PAGE = "E:\\Exchange\\ClientAccess\\owa\\auth\\svc.aspx"
ADDED = '<application path="/js"><virtualDirectory path="/" physicalPath="C:\\ProgramData\\COM1\\zing" /></application>'
CONFIG = "C/Windows/System32/inetsrv/config/applicationHost.config"


def test_a_page_of_the_back_end_that_was_asked_for_directly(examine: Examine, tmp_path: Path) -> None:
    server = lived()
    server.file("{ex}/ClientAccess/owa/auth/svc.aspx", inert("jscript_page"))
    for number in range(3):
        server.iis(AT + number * MINUTE, "POST", "/owa/auth/svc.aspx", ip="192.168.40.77", back=True)
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    assert doors(ran) == {BACK_PAGE: ("present", ["192.168.40.77"], 3)}
    (chain,) = ran.server["chains"]
    assert (chain["stage"], chain["sources"]) == ("used", ["192.168.40.77"])


def test_a_page_in_an_added_folder_that_no_rule_knows_by_its_address(examine: Examine, tmp_path: Path) -> None:
    server = lived()
    path = next(name for name in server.files if name.endswith("applicationHost.config"))
    text = bytes(server.files[path]).decode()
    server.files[path] = text.replace("</application>", "</application>" + ADDED, 1).encode()
    server.file("C/ProgramData/COM1/zing/ztk.aspx", inert("jscript_page"))
    use(server, AT, "/js/ztk.aspx", "203.0.113.91", 4)
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    assert doors(ran)["C:\\ProgramData\\COM1\\zing\\ztk.aspx"] == ("present", ["203.0.113.91"], 4)
    assert stages(ran) == {"web-shell": "used", "iis-persistence": "wrote"}
    assert [each["kind"] for each in ran.server["backdoors"]] == ["web-shell", "virtual-directory"]


@pytest.mark.parametrize("page", ["/EWS/mrsproxy.svc", "/EWS/Other.svc"])
def test_a_service_behind_the_front_end_is_no_deleted_page(page: str, examine: Examine, tmp_path: Path) -> None:
    server = lived("15.1.2176.9")
    server.file("{ex}/FrontEnd/HttpProxy/EWS/web.config", "<configuration />")
    for number in range(9):
        server.iis(AT + number * MINUTE, "POST", page, ip="198.51.100.60", user="CORP\\mig", agent="MRS/15.20")
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    assert (ran.server["verdict"]["state"], doors(ran)) == ("no-evidence", {})
    assert loud(ran) == (
        [] if "mrs" in page else ["A page that no build of Exchange ships was answered to few clients: /EWS/Other.svc"]
    )


@pytest.mark.parametrize(("status", "stage", "verdict"), [(302, "attempted", "attempted"), (200, "succeeded", "compromised")])
def test_a_redirection_is_no_way_in(status: int, stage: str, verdict: str, examine: Examine, tmp_path: Path) -> None:
    server = lived("15.1.2308.8", "2021-08-12")
    query = "@foo.example/mapi/nspi/?&Email=autodiscover/autodiscover.json%3F@foo.example"
    server.iis(utc("2021-08-13 01:00"), "GET", "/autodiscover/autodiscover.json", query, ip="203.0.113.35", status=status)
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", "--since", "2021-08-12")
    assert (ran.server["verdict"]["state"], stages(ran)) == (verdict, {"proxyshell": stage})


def test_a_folder_named_by_its_old_name_and_a_dump_belong_to_the_one_way_in(examine: Examine, tmp_path: Path) -> None:
    server = lived()
    knock(server, AT, back=True)
    path = next(name for name in server.files if name.endswith("applicationHost.config"))
    added = ADDED.replace("ProgramData\\COM1\\zing", "Users\\All Users\\_2")
    server.files[path] = bytes(server.files[path]).decode().replace("</application>", "</application>" + added, 1).encode()
    server.file("C/ProgramData/_2/blogin.aspx", inert("jscript_page"))
    server.file("C/Windows/Temp/lsass.dmp", b"MDMP" + bytes(3000))
    use(server, AT + MINUTE, "/js/blogin.aspx", "203.0.113.91", 3)
    ran = examine(as_drive(server, tmp_path), tmp_path / "case", *SINCE)
    assert doors(ran)["C:\\ProgramData\\_2\\blogin.aspx"] == ("present", ["203.0.113.91"], 3)
    assert stages(ran) == {"proxylogon": "used"}


def test_who_came_through_another_server(examine: Examine, tmp_path: Path) -> None:
    front, back = lived(), Server("MX8", address="192.168.40.18")
    back.config()
    back.living(utc("2021-03-02"), utc("2021-03-04"))
    relayed(front, AT, "/ecp/DDI/DDIService.svc/SetObject?schema=ResetOABVirtualDirectory", host="mx8.corp.example")
    query = "schema=ResetOABVirtualDirectory"
    path = "/ecp/DDI/DDIService.svc/SetObject"
    back.iis(AT, "POST", path, query, ip=front.address, user="CORP\\MX7$", back=True)
    back.file("{ex}/FrontEnd/HttpProxy/owa/auth/qwer.aspx", inert("oab_page"))
    use(back, AT + MINUTE, "/owa/auth/qwer.aspx", "203.0.113.92", 2)
    for server in (front, back):
        server.write(tmp_path / "in" / server.name)
    ran = examine(tmp_path / "in", tmp_path / "case", *SINCE)
    actors = {server["name"]: [each["sources"] for each in server["chains"][0]["actors"]] for server in ran.servers}
    assert actors == {"MX7": [["203.0.113.90"]], "MX8": [["203.0.113.90", "203.0.113.92"]]}
    others = {server["name"]: [each["servers"] for each in server["chains"][0]["actors"]] for server in ran.servers}
    assert others == {"MX7": [["MX8"]], "MX8": [["MX7"]]}
