"""Compiled traces: names, records, deleted pages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpatch.detect.files.compiled import CompiledAnalyser
from afterpatch.detect.files.driver import analyse_server
from afterpatch.detect.files.item import Facts, FileContext, Inventory
from afterpatch.detect.files.naminghash import folder_hash, folders_of, split_name, string_hash
from afterpatch.detect.files.urls import files_of_url

from .conftest import ASPNET_CLIENT, EXCHANGE, OWA_AUTH, make_item

TEMP = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\Temporary ASP.NET Files\\"
ROOT = TEMP + "root\\e22c2559\\92c7e946\\"
OWA = TEMP + "owa\\8e05b027\\e164d61b\\"


def record(url: str, *depends: str) -> bytes:
    deps = "".join(f'<filedep name="{name}" />' for name in (url, *depends))
    return (
        f'<?xml version="1.0" encoding="utf-8"?><preserve resultType="3" virtualPath="{url}" hash="1" filehash="2" '
        f'flags="110000" assembly="App_Web_abcdefgh" type="ASP.x"><filedeps>{deps}</filedeps></preserve>'
    ).encode()


def run(path: str, content: bytes = b"", context: FileContext | None = None) -> dict[str, tuple[str, str]]:
    found = CompiledAnalyser().analyse(make_item(path, content, "compiled"), context or FileContext())
    return {one.detection: (one.severity, one.state) for one in found}


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("~", "cdcab7d2"),  # published pair
        ("~/sm/setupaccount", "9475d17f"),  # published pair
        ("~/documents", "e819a670"),  # published file name
        ("~/aspnet_client", "898219ba"),
        ("~/Auth/", "f5dba9b9"),
        ("~/auth/current/themes/resources", "ec688436"),
        ("~/auth/15.1.2176", "b5e36a95"),
    ],
)
def test_folder_hash(folder: str, expected: str) -> None:
    assert folder_hash(folder) == expected
    assert folder.lower().rstrip("/") in folders_of(expected)


def slow_hash(text: str) -> int:
    """The same sum in unsigned arithmetic on lists of words, written from the description."""
    units = [int.from_bytes(text.encode("utf-16-le")[i : i + 2], "little") for i in range(0, 2 * len(text), 2)]
    units += [0] * 4
    words = [units[i] | units[i + 1] << 16 for i in range(0, len(units) - 1, 2)]
    sums = [0x15051505, 0x15051505]
    for step in range((len(text) + 1) // 2):
        old = sums[step % 2]
        shifted = (old >> 27) | (0xFFFFFFE0 if old & 0x80000000 else 0)
        sums[step % 2] = ((old * 33 + shifted) & 0xFFFFFFFF) ^ words[step]
    return (sums[0] + sums[1] * 1566083941) & 0xFFFFFFFF


@given(st.text(st.characters(codec="utf-16-le", max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=40))
def test_hash_agrees_with_a_slow_oracle(text: str) -> None:
    assert string_hash(text) == slow_hash(text)


def test_split_name() -> None:
    assert split_name("x.aspx.898219ba.compiled") == ("x.aspx", "898219ba")
    assert split_name("App_global.asax.compiled") is None


@pytest.mark.parametrize(
    ("path", "content", "detection", "severity"),
    [
        (ROOT + "x.aspx.898219ba.compiled", record("/aspnet_client/x.aspx"), "compiled-page-out-of-place", "critical"),
        (ROOT + "x.aspx.898219ba.compiled", b"", "compiled-page-out-of-place", "critical"),
        (ROOT + "x.aspx.cdcab7d2.compiled", b"<broken", "compiled-page-out-of-place", "critical"),
        (OWA + "x.aspx.1c34a273.compiled", b"", "compiled-page-out-of-place", "critical"),
        (OWA + "x.aspx.f5dba9b9.compiled", b"", "compiled-page-not-shipped", "high"),
        (OWA + "errorff.aspx.f5dba9b9.compiled", b"", "compiled-page-not-shipped", "critical"),
        (
            TEMP + "oab\\1\\2\\log.aspx.cdcab7d2.compiled",
            record("/OAB/log.aspx"),
            "compiled-page-out-of-place",
            "critical",
        ),
        (ROOT + "x.aspx.deadbeef.compiled", b"", "compiled-page-not-shipped", "low"),
        (ROOT + "x.aspx.898219ba.compiled.delete", b"", "compiled-delete-marker", "medium"),
        (ROOT + "App_Web_abcdefgh.dll.delete", b"", "compiled-delete-marker", "info"),
        (OWA + "App_Web_Container_1.dll", b"MZ", "compiled-odd-assembly", "high"),
        (EXCHANGE + "FrontEnd\\HttpProxy\\owa\\bin\\x.aspx.cdcab7d2.compiled", b"", "compiled-in-bin", "high"),
        (OWA + "App_Web_abcdefgh.0.js", b"source", "compiled-source-kept", "medium"),
    ],
)
def test_fires(path: str, content: bytes, detection: str, severity: str) -> None:
    assert run(path, content)[detection][0] == severity


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (OWA + "logon.aspx.f5dba9b9.compiled", record("/owa/auth/logon.aspx")),
        (OWA + "logon.aspx.f5dba9b9.compiled", b""),
        (OWA + "App_Web_5fyq3x1b.dll", b"MZ"),
        (OWA + "App_Web_logon.aspx.f5dba9b9.a1b2c3d4.dll", b"MZ"),
        (OWA + "App_Code.compiled", b""),
        (OWA + "hash\\hash.web", b""),
        (OWA + "assembly\\dl3\\1\\2\\Microsoft.Exchange.Clients.Owa.DLL", b"MZ"),
        (EXCHANGE + "FrontEnd\\HttpProxy\\bin\\Microsoft.Exchange.HttpProxy.dll", b"MZ"),
    ],
)
def test_quiet(path: str, content: bytes) -> None:
    assert run(path, content) == {}


def test_a_deleted_page_is_told_from_one_that_nobody_collected() -> None:
    path, content = ROOT + "x.aspx.898219ba.compiled", record("/aspnet_client/x.aspx", "/aspnet_client/inc.aspx")
    gone = FileContext(inventory=Inventory.of([ASPNET_CLIENT + "system_web\\a.js"]))
    assert run(path, content, gone)["compiled-page-gone"] == ("high", "deleted")
    there = FileContext(inventory=Inventory.of(["D:\\inetpub\\wwwroot\\ASPNET_CLIENT\\X.aspx"]))
    assert "compiled-page-gone" not in run(path, content, there)
    assert run(path, content, there)["compiled-page-out-of-place"][1] == "present"
    unknown = FileContext(inventory=Inventory.of(["C:\\Windows\\Temp\\a.txt"]))
    assert run(path, content, unknown)["compiled-page-out-of-place"][1] == "unknown"


def test_deleted_page_in_owa_auth_is_found_without_install_path() -> None:
    context = FileContext(inventory=Inventory.of([OWA_AUTH + "logon.aspx"]))
    found = run(OWA + "x.aspx.f5dba9b9.compiled", record("/owa/auth/x.aspx"), context)
    assert found["compiled-page-gone"] == ("high", "deleted")


def test_files_of_url_uses_the_servers_own_roots_first() -> None:
    facts = Facts(install_path="E:\\Exch\\", web_roots={"/": "D:\\web", "/x": "C:\\ProgramData\\COM1"})
    assert files_of_url("/x/q.aspx", facts)[0] == "C:\\ProgramData\\COM1\\q.aspx"
    assert files_of_url("/owa/auth/a.aspx", facts)[-2:] == (
        "E:\\Exch\\FrontEnd\\HttpProxy\\owa\\auth\\a.aspx",
        "E:\\Exch\\ClientAccess\\owa\\auth\\a.aspx",
    )


def test_a_page_compiled_twice_was_changed() -> None:
    items = [
        make_item(TEMP + "root\\e22c2559\\92c7e946\\x.aspx.898219ba.compiled", record("/aspnet_client/x.aspx"), "compiled"),
        make_item(TEMP + "root\\e22c2559\\aaaaaaaa\\x.aspx.898219ba.compiled", b"", "compiled"),
        make_item(OWA + "logon.aspx.f5dba9b9.compiled", record("/owa/auth/logon.aspx"), "compiled"),
        make_item(TEMP + "owa\\1\\2\\logon.aspx.f5dba9b9.compiled", record("/owa/auth/logon.aspx"), "compiled"),
        make_item(TEMP + "owa\\1\\2\\y.aspx.f5dba9b9.compiled", record("/owa/auth/y.aspx"), "compiled"),
    ]
    (found,) = analyse_server(items, FileContext())
    assert (found.detection, dict(found.facts)["url"]) == ("compiled-twice", "/aspnet_client/x.aspx")


def test_the_finding_names_the_page_not_its_record() -> None:
    context = FileContext(facts=Facts(install_path="D:\\Exchange\\"), inventory=Inventory.of([OWA_AUTH + "logon.aspx"]))
    item = make_item(OWA + "x1.aspx.f5dba9b9.compiled", record("/owa/auth/X1.aspx"), "compiled")
    found = list(CompiledAnalyser().analyse(item, context))
    assert {(one.path, one.kind) for one in found} == {("D:\\Exchange\\FrontEnd\\HttpProxy\\owa\\auth\\X1.aspx", "web-shell")}
    (unknown,) = CompiledAnalyser().analyse(make_item(ROOT + "x.aspx.deadbeef.compiled", b"", "compiled"), FileContext())
    assert (unknown.path, unknown.kind) == (ROOT + "x.aspx.deadbeef.compiled", "compiled-page")
