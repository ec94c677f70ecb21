"""Place and name of files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from afterpatch.detect.files.driver import analyse_file
from afterpatch.detect.files.item import Facts, FileContext, FileItem
from afterpatch.detect.files.names import distance, imitated, looks_random, path_tricks, published_name, shapes
from afterpatch.detect.files.paths import place_of
from afterpatch.knowledge.baseline import baseline

from .conftest import ASPNET_CLIENT, EXCHANGE, OWA_AUTH, make_item

Fired = Callable[[FileItem], dict[str, str]]
PAGE = b"<html>hello</html>"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (ASPNET_CLIENT + "system_web\\4_0_30319\\x.aspx", "aspnet-client"),
        (OWA_AUTH + "x.aspx", "owa-auth"),
        (OWA_AUTH + "Current\\themes\\resources\\x.aspx", "owa-current"),
        (OWA_AUTH + "15.1.2176\\x.aspx", "owa-version"),
        (OWA_AUTH + "sub\\x.aspx", "owa-auth-sub"),
        (EXCHANGE + "FrontEnd\\HttpProxy\\OAB\\log.aspx", "oab"),
        ("C/inetpub/wwwroot/x.aspx", "wwwroot-root"),
        ("C:\\inetpub\\wwwroot\\shop\\x.aspx", "wwwroot"),
        ("C:\\ProgramData\\COM1\\x.aspx", "programdata"),
        ("C:\\root\\a.exe", "root-folder"),
        ("/home/root/a.exe", "elsewhere"),
        (
            "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\Temporary ASP.NET Files\\root\\a\\b\\App_Web_x.dll",
            "temp-aspnet",
        ),
    ],
)
def test_place(path: str, place: str) -> None:
    assert place_of(path, Facts()).id == place


@pytest.mark.parametrize(
    ("path", "detection", "severity"),
    [
        (ASPNET_CLIENT + "a1.ashx", "page-out-of-place", "critical"),
        (OWA_AUTH + "Current\\scripts\\x.aspx", "page-out-of-place", "critical"),
        (OWA_AUTH + "15.2.792\\themes\\x.aspx", "page-out-of-place", "critical"),
        (EXCHANGE + "FrontEnd\\HttpProxy\\OAB\\log.aspx", "page-out-of-place", "critical"),
        ("C:\\inetpub\\wwwroot\\iisstart.aspx", "page-out-of-place", "critical"),
        (OWA_AUTH + "OutlookEN.aspx", "page-not-shipped", "high"),
        (OWA_AUTH + "OutlookEN.aspx", "page-published-name", "high"),
        (EXCHANGE + "FrontEnd\\HttpProxy\\ecp\\auth\\logon.aspx", "page-not-shipped", "high"),
        (OWA_AUTH + "pxh4HG1v.ashx", "page-odd-name", "high"),
        (OWA_AUTH + "1og0n.aspx", "page-odd-name", "high"),
        (ASPNET_CLIENT + "resources.jpg.aspx", "page-odd-name", "high"),
        ("C:\\ProgramData\\COM1\\q.aspx", "page-in-staging", "critical"),
        ("C:\\ProgramData\\COM1\\q.aspx", "path-trick", "high"),
        ("C:\\ProgramData\\Vendor\\q.aspx", "page-in-staging", "high"),
        (OWA_AUTH + "logon.aspx:x.aspx", "path-trick", "high"),
        (OWA_AUTH + "google.log", "published-artefact", "high"),
        (OWA_AUTH + "it.zip", "loot-in-web-folder", "high"),
        ("C:\\inetpub\\wwwroot\\a.ps1", "program-in-web-folder", "high"),
        ("C:\\ProgramData\\it2.7z", "loot-in-staging", "low"),
        ("C:\\PerfLogs\\tool.exe", "program-in-staging", "medium"),
        ("C:\\Windows\\Temp\\lsass_20210303.dmp", "lsass-dump", "critical"),
        ("C:\\Users\\Public\\Opera\\opera_browser.png", "known-tool-path", "high"),
        ("C:\\Windows\\Temp\\creds.db", "iis-raid-artefact", "high"),
        ("C:\\Windows\\System32\\inetsrv\\cachport.dll", "known-iis-module-file", "high"),
        (EXCHANGE + "FrontEnd\\HttpProxy\\owa\\App_Code\\a.cs", "app-code-in-web-folder", "high"),
        ("C:\\inetpub\\wwwroot\\shop\\cart.aspx", "page-of-other-application", "low"),
    ],
)
def test_fires(path: str, detection: str, severity: str, fired: Fired) -> None:
    assert fired(make_item(path, PAGE)).get(detection) == severity


@pytest.mark.parametrize(
    "path",
    [
        OWA_AUTH + "logon.aspx",
        OWA_AUTH + "RedirSuiteServiceProxy.aspx",
        OWA_AUTH + "Current\\themes\\resources\\logon.css",
        EXCHANGE + "FrontEnd\\HttpProxy\\ecp\\auth\\TimeoutLogoff.aspx",
        EXCHANGE + "FrontEnd\\HttpProxy\\OAB\\global.asax",
        EXCHANGE + "FrontEnd\\HttpProxy\\bin\\Microsoft.Exchange.FrontEndHttpProxy.dll",
        EXCHANGE + "ClientAccess\\PopImap\\Microsoft.Exchange.Pop3Service.exe",
        EXCHANGE + "ClientAccess\\Owa\\bin\\DocumentViewing\\x.exe",
        ASPNET_CLIENT + "system_web\\2_0_50727\\SmartNav.js",
        "C:\\inetpub\\wwwroot\\iisstart.htm",
        "C:\\ProgramData\\Microsoft\\Windows Defender\\x.zip",
        "C:\\Windows\\Temp\\setup.exe.log",
        "C:\\inetpub\\logs\\LogFiles\\W3SVC1\\u_ex210303.log",
        OWA_AUTH + "logon.css:Zone.Identifier",
    ],
)
def test_quiet(path: str, fired: Fired) -> None:
    assert fired(make_item(path, PAGE)) == {}


def test_baseline_decides_what_is_shipped() -> None:
    context = FileContext(facts=Facts(build="15.2.792.10"), baseline=baseline())

    def run(path: str) -> dict[str, str]:
        return {found.detection: found.severity for found in analyse_file(make_item(path, PAGE), context)}

    assert "page-not-shipped" not in run(OWA_AUTH + "SvmFeedback.aspx")
    assert "page-not-shipped" not in run(EXCHANGE + "FrontEnd\\HttpProxy\\ecp\\auth\\TimeoutLogoff.aspx")
    assert "page-not-shipped" not in run(EXCHANGE + "ClientAccess\\owa\\auth\\error.aspx")
    assert run(EXCHANGE + "FrontEnd\\HttpProxy\\ews\\zzz.aspx")["page-not-shipped"] == "high"
    assert run(EXCHANGE + "ClientAccess\\owa\\forms\\zzz.aspx")["page-not-shipped"] == "medium"
    context.facts = Facts(build="15.2.1544.4")
    assert run(EXCHANGE + "ClientAccess\\owa\\forms\\zzz.aspx")["page-not-shipped"] == "low"
    assert run(OWA_AUTH + "zzz.aspx")["page-not-shipped"] == "high"


def test_added_web_root_comes_from_the_configuration() -> None:
    context = FileContext(facts=Facts(web_roots={"/aspnet_client_x": "C:\\Users\\All Users\\ZOO1", "/shop": "D:\\shop"}))
    found = {one.detection: one.severity for one in analyse_file(make_item("C:\\Users\\All Users\\ZOO1\\q.aspx", PAGE), context)}
    assert found["page-in-added-root"] == "critical"
    other = {one.detection: one.severity for one in analyse_file(make_item("D:\\shop\\cart.aspx", PAGE), context)}
    assert other == {"page-in-added-root": "low"}


def test_disguised_files_are_known_by_their_head(fired: Fired) -> None:
    assert fired(make_item(OWA_AUTH + "Current\\x.gif", b"MDMP" + bytes(64)))["disguised-file"] == "high"
    assert fired(make_item("C:\\PerfLogs\\a.txt", b"MZ" + bytes(100) + b"PE\0\0"))["disguised-file"] == "high"
    assert "disguised-file" not in fired(make_item(OWA_AUTH + "Current\\x.gif", b"GIF89a"))


@pytest.mark.parametrize("name", ["errorEE.aspx", "ChackLogsPL.aspx", "8Lw7tAhF9i1pJnRo.aspx", "spinstall0.aspx"])
def test_published_names(name: str) -> None:
    assert published_name(name) is not None


@pytest.mark.parametrize("name", ["logon.aspx", "errorFE.aspx", "calendar.aspx", "default.aspx"])
def test_names_that_are_not_published(name: str) -> None:
    assert published_name(name) is None


@pytest.mark.parametrize(
    "stem",
    [
        "ogu7zFil",
        "McYhCzdb",
        "UwSPMsFi",
        "0QWYSEXe",
        "2XJHwN19",
        "pxh4HG1v",
        "d62ffcd688",
        "VOLWMFQWPP",
        "8Lw7tAhF9i1pJnRo",
    ],
)
def test_random_names(stem: str) -> None:
    assert looks_random(stem)


@pytest.mark.parametrize(
    "stem",
    [
        "calendar",
        "HttpProxy",
        "OutlookCN",
        "TimeoutLogoff",
        "RedirSuiteServiceProxy",
        "expiredpassword",
        "SvmFeedback",
        "x",
    ],
)
def test_chosen_names(stem: str) -> None:
    assert not looks_random(stem)


def test_imitations() -> None:
    assert imitated("loqon.aspx") == "logon"
    assert imitated("RedirSuiteServerProxy.aspx") == "redirsuiteserviceproxy"
    assert imitated("err0rFE.aspx") == "errorfe"
    assert imitated("logon.aspx") == ""
    assert imitated("calendar.aspx") == ""
    assert shapes("C:\\x\\123456.aspx") == ("digits",)


def test_distance_agrees_with_the_plain_definition() -> None:
    assert distance("logon", "logon") == 0
    assert distance("logon", "lgoon") == 1
    assert distance("abc", "xyz") == 3
    assert distance("a", "abcdef") == 3


def test_path_tricks() -> None:
    assert path_tricks("C:\\ProgramData\\aux\\x.aspx") == ("reserved-name",)
    assert path_tricks("C:\\inetpub\\wwwroot\\x.aspx.") == ("trailing-dot-or-space",)
    assert path_tricks("C:\\inetpub\\console\\x.aspx") == ()
