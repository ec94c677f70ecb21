"""What was changed in a shipped page: against the user's baseline, or a shipped copy in the evidence."""

from __future__ import annotations

import time
from pathlib import Path

from afterpatch.detect.files.difference import difference
from afterpatch.detect.files.driver import analyse_file
from afterpatch.detect.files.item import Facts, FileContext
from afterpatch.knowledge.baseline import BaselineIndex, Known, baseline
from afterpatch.knowledge.builds import Build
from afterpatch.knowledge.own_baseline import OwnBaseline, OwnFile
from afterpatch.knowledge.web_paths import path_key
from afterpatch.model import Artifact, Locator

from .conftest import EXCHANGE, OWA_AUTH, make_item

LOGON = OWA_AUTH + "logon.aspx"
RIGHT = "one\ntwo\nthree\nfour\n"
CHANGED = "one\ntwo\nthree and a half\nfour\nfive\n"


def test_changed_lines() -> None:
    change = difference(RIGHT, CHANGED)
    assert change is not None
    assert change.added == ((3, "three and a half"), (5, "five"))
    assert change.removed == ((3, "three"),)
    assert difference(RIGHT, RIGHT.replace("\n", "\r\n")) is None


def test_many_changes_are_counted_and_cheap() -> None:
    old = "\n".join(f"a{number}" for number in range(5000))
    new = "\n".join(f"b{number}" for number in range(5000))
    started = time.process_time()
    change = difference(old, new)
    assert change is not None
    assert change.more == 2 * (5000 - 12)
    assert time.process_time() - started < 3
    assert difference("x\n" * 10_000, "y\n" * 10_000) is None


def test_own_baseline_shows_the_lines() -> None:
    own = OwnBaseline.of([OwnFile(path_key(LOGON), FileContext.digest(RIGHT.encode()), len(RIGHT), RIGHT)], "", "media")
    context = FileContext(baseline=baseline(), own=own)
    assert analyse_file(make_item(LOGON, RIGHT.encode()), context) == []
    found = [each for each in analyse_file(make_item(LOGON, CHANGED.encode()), context) if each.detection == "stock-page-changed"]
    assert (found[0].severity, found[0].line, found[0].raw) == ("high", 3, "three and a half")
    assert ("removed line 3", "three") in found[0].facts


def test_own_baseline_of_another_build_proves_nothing() -> None:
    own = OwnBaseline.of([OwnFile(path_key(LOGON), "0" * 64, 1, RIGHT)], "15.2.1258.12", "media")
    context = FileContext(facts=Facts(build="15.2.1544.4"), baseline=baseline(), own=own)
    assert "stock-page-changed" not in {each.detection for each in analyse_file(make_item(LOGON, CHANGED.encode()), context)}


def test_a_page_in_a_covered_folder_that_the_baseline_lacks() -> None:
    own = OwnBaseline.of([OwnFile(path_key(EXCHANGE + "FrontEnd\\HttpProxy\\ecp\\default.aspx"), "0" * 64, 1)], "", "media")
    context = FileContext(own=own)
    path = EXCHANGE + "FrontEnd\\HttpProxy\\ecp\\added.aspx"
    assert {each.detection: each.severity for each in analyse_file(make_item(path, b"<html>"), context)}[
        "page-not-shipped"
    ] == "high"


class _OneBuild(BaselineIndex):
    """A baseline of one page."""

    def __init__(self, digest: str) -> None:
        self.digest, self.build = digest, Build.parse("15.2.792.3")

    def lookup(self, path: str) -> Known | None:
        same = path_key(path) == path_key(LOGON)
        return Known(path_key(path), {self.digest: (self.build,)}) if same else None

    def knows_path(self, path: str) -> bool:
        return self.lookup(path) is not None

    def covers(self, build: Build) -> bool:
        return build == self.build


def test_a_shipped_copy_in_the_evidence_shows_the_lines(tmp_path: Path) -> None:
    held = tmp_path / "logon.aspx"
    held.write_bytes(RIGHT.encode())
    copy = Artifact(7, "D:\\Exchange" + path_key(LOGON), "other/logon.aspx", Locator(str(held)), "web-file", "r2", len(RIGHT))
    context = FileContext(
        facts=Facts(build="15.2.792.3"), baseline=_OneBuild(FileContext.digest(RIGHT.encode())), copies={path_key(LOGON): (copy,)}
    )
    found = [each for each in analyse_file(make_item(LOGON, CHANGED.encode()), context) if each.detection == "stock-page-changed"]
    facts = dict(found[0].facts)
    assert facts["compared with"] == "other/logon.aspx"
    assert facts["added line 5"] == "five"
    assert facts["sha256 of build 15.2.792.3"] == FileContext.digest(RIGHT.encode())
