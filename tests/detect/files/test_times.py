"""Times that contradict first use, neighbours and installation; and what must stay silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from afterpatch.assess.files import compiled_at
from afterpatch.detect.files.driver import analyse_file
from afterpatch.detect.files.item import FileContext, FileItem
from afterpatch.detect.files.times import folder_times
from afterpatch.knowledge.baseline import baseline
from afterpatch.model import Artifact, Locator

from .conftest import ASPNET_CLIENT, OWA_AUTH, make_item

INSTALLED = datetime(2020, 9, 1, 10, 0, 0, 123456, tzinfo=UTC)
BUILT = datetime(2020, 8, 20, 3, 4, 5, 678901, tzinfo=UTC)
DROPPED = datetime(2021, 3, 3, 6, 7, 8, 111111, tzinfo=UTC)
SHIPPED = ("logon.aspx", "logoff.aspx", "errorFE.aspx", "signout.aspx")


def _artifact(path: str, created: datetime, modified: datetime, original: bool = True) -> Artifact:
    return Artifact(0, path, path, Locator(path), "web-file", "r", 9, modified, created, times_original=original)


def _page(name: str, created: datetime, modified: datetime, original: bool = True) -> FileItem:
    item = make_item(OWA_AUTH + name, b"<html></html>")
    return replace(item, artifact=_artifact(OWA_AUTH + name, created, modified, original))


def _context(page: FileItem) -> FileContext:
    shipped = [_artifact(OWA_AUTH + name, INSTALLED, BUILT) for name in SHIPPED]
    return FileContext(baseline=baseline(), folder_times=folder_times([*shipped, page.artifact], baseline()))


def _times(page: FileItem, context: FileContext) -> set[str]:
    found = {each.detection for each in analyse_file(page, context)}
    return {name for name in found if name.startswith(("page-with-", "page-older", "page-younger"))}


@pytest.mark.parametrize(
    ("created", "modified", "expected"),
    [
        (DROPPED, DROPPED, set()),
        (DROPPED, BUILT, {"page-with-a-neighbours-time"}),
        (INSTALLED - timedelta(days=400), DROPPED, {"page-older-than-its-folder"}),
        (DROPPED.replace(microsecond=0), DROPPED.replace(microsecond=0), {"page-with-whole-seconds"}),
        (INSTALLED, BUILT, set()),
    ],
)
def test_neighbours(created: datetime, modified: datetime, expected: set[str]) -> None:
    page = _page("help2.aspx", created, modified)
    assert _times(page, _context(page)) == expected


def test_copied_times_are_not_judged() -> None:
    page = _page("help2.aspx", INSTALLED - timedelta(days=400), BUILT, original=False)
    assert _times(page, _context(page)) == set()


def test_shipped_pages_are_not_judged() -> None:
    page = _page("logon.aspx", INSTALLED - timedelta(days=400), BUILT)
    assert _times(page, _context(page)) == set()


@pytest.mark.parametrize(
    ("later", "expected"), [(timedelta(days=3), {"page-younger-than-its-use"}), (timedelta(seconds=30), set())]
)
def test_first_use(later: timedelta, expected: set[str]) -> None:
    page = _page("help2.aspx", DROPPED + later, DROPPED + later)
    context = replace(_context(page), first_uses={"/owa/auth/help2.aspx": DROPPED})
    assert _times(page, context) == expected


def test_compiled_records_are_first_uses() -> None:
    path = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\Temporary ASP.NET Files\\owa\\a\\b\\help2.aspx.f5dba9b9.compiled"
    record = replace(_artifact(path, DROPPED, DROPPED), kind="compiled")
    assert compiled_at(record) == ("/owa/auth/help2.aspx", DROPPED)
    assert compiled_at(replace(record, times_original=False)) == ("", None)
    assert compiled_at(_artifact(ASPNET_CLIENT + "x.aspx", DROPPED, DROPPED)) == ("", None)
