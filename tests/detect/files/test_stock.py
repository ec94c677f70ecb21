"""Shipped pages, and published hashes and paths."""

from __future__ import annotations

import pytest

from afterpatch.detect.files.driver import analyse_file
from afterpatch.detect.files.item import Facts, FileContext
from afterpatch.detect.yara.compile import compile_rules
from afterpatch.knowledge.baseline import baseline
from afterpatch.knowledge.indicators import Indicator, Matcher, carried

from .conftest import ASPNET_CLIENT, EXCHANGE, OWA_AUTH, make_item

LOGON = OWA_AUTH + "logon.aspx"
LATER_BUILD = "15.2.1544.4"
RULES = compile_rules(use_cache=False)[0]


def run(path: str, sha256: str = "", build: str = "", content: bytes = b"<html>") -> dict[str, str]:
    context = FileContext(facts=Facts(install_path=EXCHANGE, build=build), baseline=baseline(), rules=RULES)
    found = analyse_file(make_item(path, content, sha256=sha256), context)
    return {one.detection: one.severity for one in found}


def stock(path: str) -> tuple[str, str]:
    """(sha256, a build that ships it)"""
    known = baseline().lookup(path)
    assert known is not None
    digest, builds = next(iter(known.versions.items()))
    return digest, str(builds[-1])


def test_a_stock_page_is_silent() -> None:
    digest, build = stock(LOGON)
    assert run(LOGON, digest, build) == {}
    assert run(LOGON, digest) == {}


def test_every_stock_path_is_silent() -> None:
    loud = {}
    for path in baseline().paths():
        known = baseline().lookup(path)
        assert known is not None
        digest = next(iter(known.versions))
        found = run(EXCHANGE.rstrip("\\") + path, digest)
        if found:
            loud[path] = found
    assert loud == {}


def test_changed_content_is_proof_only_where_the_baseline_holds_the_build() -> None:
    _, build = stock(LOGON)
    assert run(LOGON, "0" * 64, build)["stock-page-changed"] == "high"
    assert run(LOGON, "0" * 64, "")["stock-page-changed"] == "medium"
    assert run(LOGON, "0" * 64, LATER_BUILD) == {"stock-page-unknown-content": "info"}


def test_later_pages_are_counted_not_listed() -> None:
    context = FileContext(facts=Facts(build=LATER_BUILD), baseline=baseline())
    path = EXCHANGE + "ClientAccess\\owa\\auth\\error.aspx"
    assert analyse_file(make_item(path, b"<html>"), context) == []
    assert context.unjudged == 1


def test_published_paths_spare_every_shipped_page() -> None:
    context = FileContext(facts=Facts(build=LATER_BUILD), baseline=baseline(), indicators=Matcher(carried()))
    found = [
        (one.detection, one.path)
        for path in baseline().paths()
        for one in analyse_file(make_item(EXCHANGE.rstrip("\\") + path, b"<html>"), context)
        if one.severity not in ("info", "low")
    ]
    assert found == []


def test_configuration_files_differ_on_every_server() -> None:
    path = EXCHANGE + "FrontEnd\\HttpProxy\\owa\\web.config"
    _, build = stock(path)
    assert run(path, "0" * 64, build, b"<configuration/>") == {}


@pytest.fixture
def matcher() -> Matcher:
    return Matcher(
        [
            Indicator("sha256", "ab" * 32, group="Example", note="web shell", source="example", confidence="high"),
            Indicator("path", "c:\\inetpub\\wwwroot\\aspnet_client\\zzz.txt", source="example", confidence="moderate"),
            Indicator("path", LOGON.lower(), source="example", caution="stock-name"),
        ]
    )


@pytest.mark.parametrize(
    ("path", "sha256", "expected"),
    [
        ("D:\\x\\y.bin", "ab" * 32, {"published-file-hash": "critical"}),
        (ASPNET_CLIENT + "zzz.txt", "", {"published-path": "medium"}),
        (LOGON, "", {}),
        ("D:\\x\\y.bin", "", {}),
    ],
)
def test_published_values(matcher: Matcher, path: str, sha256: str, expected: dict[str, str]) -> None:
    context = FileContext(indicators=matcher)
    found = analyse_file(make_item(path, b"x", sha256=sha256), context)
    assert {one.detection: one.severity for one in found} == expected
