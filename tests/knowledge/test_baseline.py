"""Stock web files, and the URL paths they are served under."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest

from afterpatch.knowledge import builds, web_paths
from afterpatch.knowledge.baseline import (
    BaselineIndex,
    baseline,
    extra_pages,
    is_shipped_page,
    shipped_pages,
    stock_url,
)
from afterpatch.knowledge.builds import Build
from afterpatch.knowledge.data_files import data_path

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "baseline" / "web_files.tsv.gz"
EXCHANGE = "C:\\Program Files\\Microsoft\\Exchange Server\\V15"
LOGON = EXCHANGE + "\\FrontEnd\\HttpProxy\\owa\\auth\\logon.aspx"
LAST = Build(15, 2, 858, 5)


def test_status_of_a_file() -> None:
    index = baseline()
    known = index.lookup(LOGON)
    assert known is not None
    assert known.path == "\\frontend\\httpproxy\\owa\\auth\\logon.aspx"
    sha256, of = next((sha256, of) for sha256, of in known.versions.items() if LAST not in of)
    assert index.status(LOGON, sha256.upper()) == "stock"
    assert index.status(LOGON, sha256, of[0]) == "stock"
    assert index.status(LOGON, sha256, LAST) == "stock-other-build"
    assert index.status(LOGON, "0" * 64) == "changed"
    assert index.status(EXCHANGE + "\\FrontEnd\\HttpProxy\\owa\\auth\\shell.aspx", sha256) == "unknown-path"


def test_a_changed_hash_is_proof_only_inside_the_baseline() -> None:
    index = baseline()
    later = Build(15, 2, 986, 5)
    assert index.covers(LAST)
    assert not index.covers(later)
    assert index.proves_change(LOGON, LAST)
    assert not index.proves_change(LOGON, later)
    assert not index.proves_change(LOGON, None)
    assert not index.proves_change(EXCHANGE + "\\ClientAccess\\owa\\web.config", LAST)
    assert not index.proves_change("C:\\inetpub\\wwwroot\\x.aspx", LAST)


def test_the_install_folder_and_the_drive_do_not_matter() -> None:
    for path in (
        "F:\\Exchange\\frontend\\httpproxy\\OWA\\auth\\LOGON.aspx",
        "\\FrontEnd\\HttpProxy\\owa\\auth\\logon.aspx",
    ):
        assert baseline().knows_path(path)
    assert not baseline().knows_path("C:\\inetpub\\wwwroot\\aspnet_client\\logon.aspx")


def test_the_baseline_itself() -> None:
    index = baseline()
    listed = {row.build for row in builds.rows()}
    assert len(index.paths()) == len(set(index.paths())) == 1176
    assert list(index.paths()) == sorted(index.paths())
    assert list(index.builds()) == sorted(index.builds())
    assert index.builds()[-1] == LAST
    # Builds of single files that carry another revision than the update they came with: no update has these builds.
    unlisted = {str(build) for build in index.builds() if build not in listed}
    assert unlisted == {
        *("15.0.1104.8", "15.0.1130.10", "15.0.1347.0", "15.0.1347.4", "15.0.1395.6", "15.0.1497.0"),
        *("15.1.845.39", "15.1.1531.4", "15.1.1531.7", "15.1.1591.8", "15.1.1779.3"),
    }


def test_it_loads_fast_enough() -> None:
    data = data_path("web_files.dat").read_bytes()
    best = min(_seconds(data) for _ in range(5))
    assert best < 0.05


def _seconds(data: bytes) -> float:
    started = time.perf_counter()
    BaselineIndex(data)
    return time.perf_counter() - started


@pytest.mark.skipif(not SHARED.is_file(), reason="the shared source of the baseline is not here")
def test_the_compact_form_says_what_the_source_says() -> None:
    """Slow oracle: every row of the source. Some of its builds write paths relative to ClientAccess or the install."""
    index, rows = baseline(), 0
    with gzip.open(SHARED, "rt", encoding="utf-8") as stream:
        for line in stream:
            sha256, path, of = line.rstrip("\n").split("\t")
            if not path.startswith("\\"):
                whole = path.startswith(("clientaccess\\", "frontend\\"))
                path = ("\\" if whole else "\\clientaccess\\") + path
            known = index.lookup(path)
            assert known is not None, path
            assert set(map(Build.parse, of.split(","))) <= set(known.versions[sha256]), path
            rows += 1
    assert rows == 5497


@pytest.mark.parametrize(
    ("path", "url", "side"),
    [
        (LOGON, "/owa/auth/logon.aspx", "front"),
        ("\\ClientAccess\\ecp\\DDI\\DDIService.svc", "/ecp/ddi/ddiservice.svc", "back"),
        ("\\clientaccess\\exchweb\\ews\\exchange.asmx", "/ews/exchange.asmx", "back"),
        ("\\FrontEnd\\HttpProxy\\sync\\x.aspx", "/microsoft-server-activesync/x.aspx", "front"),
        ("\\FrontEnd\\HttpProxy\\Rest\\x.aspx", "/api/x.aspx", "front"),
        ("\\ClientAccess\\mapi\\emsmdb\\x.svc", "/mapi/emsmdb/x.svc", "back"),
        ("C:\\inetpub\\wwwroot\\aspnet_client\\x.aspx", "/aspnet_client/x.aspx", "front"),
    ],
)
def test_url_of(path: str, url: str, side: str) -> None:
    assert web_paths.url_of(path) == (url, side)


@pytest.mark.parametrize(
    "path",
    ["C:\\Windows\\x.aspx", "\\frontend\\httpproxy\\owa\\", "\\frontend\\callrouter\\x", "", "\\clientaccess\\x.aspx"],
)
def test_files_no_stock_folder_serves(path: str) -> None:
    assert web_paths.url_of(path) is None


def test_shipped_pages() -> None:
    pages = shipped_pages()
    assert {"/owa", "/ecp", "/ews", "/autodiscover", "/mapi", "/rpc", "/powershell"} <= pages.keys()
    assert {"/owa/auth/logon.aspx", "/owa/auth/errorfe.aspx", "/owa/service.svc"} <= pages["/owa"]
    assert {"/ecp/auth/timeoutlogout.aspx", "/ecp/auth/timeoutlogoff.aspx"} <= pages["/ecp"]
    assert "/owa/auth/error2.aspx" in shipped_pages("back")["/owa"]
    assert "/owa/auth/error2.aspx" not in shipped_pages("front")["/owa"]
    front = {page for listed in shipped_pages("front").values() for page in listed}
    assert front < {page for listed in pages.values() for page in listed}


@pytest.mark.parametrize(
    ("url", "stock"),
    [
        ("/OWA/auth/Logon.aspx?x=1", True),
        ("/ecp/15.1.2176.9/default.aspx", True),
        ("/exchange/default.aspx", True),
        ("/owa/integrated/default.aspx", True),
        ("/owa/userspecificresourceinjector.ashx", True),
        ("/owa/auth/RedirSuiteServerProxy.aspx", False),
        ("/owa/auth/Current/themes/resources/logon.aspx", False),
        ("/owa/auth/15.1.2176/logon.aspx", False),
        ("/aspnet_client/shell.aspx", False),
        ("/", False),
        ("", False),
    ],
)
def test_is_shipped_page(url: str, stock: bool) -> None:
    assert is_shipped_page(url) is stock


def test_stock_url_takes_aliases_and_build_folders_away() -> None:
    assert stock_url("/Public/15.2.858.5/x/Y.aspx?q") == "/owa/x/y.aspx"
    assert stock_url("/ews/bin/x.asmx") == "/ews/bin/x.asmx"


def test_extra_pages_are_pages_of_their_own() -> None:
    own = set(baseline().paths())
    for page in extra_pages():
        assert page.side in {"front", "back"}
        assert page.kind in {"handler", "page"}
        assert page.origin in {"css-config", "elastic", "recalled"}
        folder = "\\frontend\\httpproxy" if page.side == "front" else "\\clientaccess"
        assert folder + page.path.replace("/", "\\") not in own, page


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("\\\\?\\C:\\inetpub\\wwwroot\\a.aspx", "\\inetpub\\wwwroot\\a.aspx"),
        ("\\\\host\\C$\\x\\ClientAccess\\a", "\\clientaccess\\a"),
        ("c:/windows/temp//x.dmp", "\\windows\\temp\\x.dmp"),
        ("C:\\Users\\All Users\\x", "\\programdata\\x"),
        ("C:\\Users\\All Users2\\x", "\\users\\all users2\\x"),
    ],
)
def test_path_key(path: str, key: str) -> None:
    assert web_paths.path_key(path) == key
