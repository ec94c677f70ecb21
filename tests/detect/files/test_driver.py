"""The driver: bugs are caught at one boundary, metadata is complete, findings become the document's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from afterpatch.detect.files import ANALYSERS, as_finding, broken_detections, detections
from afterpatch.detect.files import driver as driver_module
from afterpatch.detect.files.driver import MAX_FINDINGS, analyse_file, guarded
from afterpatch.detect.files.item import CheckFailure, FileContext, FileFinding, FileItem, Inventory
from afterpatch.detect.files.metadata import all_meta, fire
from afterpatch.model import CONFIDENCES, SEVERITIES, STAGES

from .conftest import ASPNET_CLIENT, make_item


class Broken:
    name = "broken"
    artifacts = ("web-file",)
    detections = ("broken",)

    def analyse(self, item: FileItem, _context: FileContext) -> Iterable[FileFinding]:
        yield fire("page-out-of-place", item.path)
        raise KeyError("a bug")


def test_a_bug_costs_one_analyser_and_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "ANALYSERS", (Broken(), *ANALYSERS))
    item = make_item(ASPNET_CLIENT + "a.aspx", b"x")
    with pytest.raises(KeyError):
        analyse_file(item, FileContext())
    monkeypatch.delenv("AFTERPATCH_RAISE")
    context = FileContext()
    found = analyse_file(item, context)
    assert [one.detection for one in found].count("page-out-of-place") == 2
    assert [(one.detection, one.path) for one in context.failures] == [("broken", item.path)]


def test_findings_of_one_analyser_are_bounded_and_the_cut_is_named() -> None:
    context = FileContext()
    found = guarded("x", "p", context, lambda: (fire("path-trick", str(number)) for number in range(10_000)))
    assert len(found) == MAX_FINDINGS
    assert [notice.reason for notice in context.notices] == [f"notice.findings-capped: x {MAX_FINDINGS}"]


def test_every_detection_has_texts_in_both_languages() -> None:
    listed = detections()
    assert len({meta.id for meta in listed}) == len(listed)
    for meta in listed:
        assert meta.level in SEVERITIES, meta.id
        assert meta.confidence in CONFIDENCES, meta.id
        assert meta.stage in ("", *STAGES), meta.id
        assert meta.title, meta.id
        assert meta.title_zh, meta.id
        assert meta.explain, meta.id
        assert meta.explain_zh, meta.id
        assert len(meta.benign) == len(meta.benign_zh) > 0, meta.id
        assert len(meta.next_steps) == len(meta.next_steps_zh) > 0, meta.id


def test_analysers_and_tables_name_the_same_detections() -> None:
    named = {name for analyser in ANALYSERS for name in analyser.detections}
    assert named == {meta.id for meta in detections()}
    assert set(all_meta()) <= named
    assert all(meta.artifacts for meta in detections())
    assert broken_detections([CheckFailure("transport", "x", "y")]) == {
        "transport-agent-known-bad",
        "transport-agent-foreign",
    }
    assert "compiled-twice" in broken_detections([CheckFailure("server", "x", "y")])


def test_as_finding_is_stable_and_complete() -> None:
    item = make_item(ASPNET_CLIENT + "a.aspx", b"x")
    moment = datetime(2021, 3, 3, tzinfo=UTC)
    found = fire(
        "oab-dump-script",
        item.path,
        line=3,
        raw="ExternalUrl",
        times=(("WhenChangedUTC", moment),),
        facts=(("Server", "S"),),
    )
    one, two = as_finding(found, item), as_finding(found, item)
    assert one == two
    assert (one.detection, one.time, one.chain, one.stage, one.origin) == (
        "oab-dump-script",
        moment,
        "proxylogon",
        "wrote",
        "check",
    )
    assert one.evidence[0].line == 3
    assert one.evidence[0].sha256 == item.sha256
    assert one.subject.path == item.path


@pytest.mark.parametrize("content", [b"", b"\0", b"<%", b"!BDN", b"MZ", b"\xff\xfe", bytes(range(256)) * 400, b"{" * 300_000])
@pytest.mark.parametrize(
    "name", ["a.aspx", "web.config", "x.aspx.898219ba.compiled", "agents.config", "App_Web_x.dll", "a.", ":", ""]
)
def test_nothing_in_a_file_breaks_an_analyser(content: bytes, name: str) -> None:
    for folder in (ASPNET_CLIENT, "C:\\Windows\\Temporary ASP.NET Files\\root\\1\\2\\", "", "\\\\?\\C:\\"):
        analyse_file(make_item(folder + name, content), FileContext(inventory=Inventory.of([ASPNET_CLIENT + "x"])))


def test_a_weak_finding_claims_no_stage() -> None:
    assert fire("page-not-shipped", "p").stage == "wrote"
    assert fire("page-not-shipped", "p", severity="medium").stage == ""
    assert fire("page-not-shipped", "p", confidence="low").stage == ""
    assert fire("iis-module-unknown", "p").stage == ""
    assert fire("iis-module-unknown", "p", severity="critical", confidence="high").stage == "wrote"


def test_every_check_has_an_example_in_these_tests() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in all_meta() if f'"{name}"' not in texts] == []
