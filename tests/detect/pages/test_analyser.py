"""The door to the file checks, its texts, the tables, and the parts that undo disguises."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
import yaml

from afterpatch.detect import pages as pages_package
from afterpatch.detect.files.driver import as_finding
from afterpatch.detect.files.item import FileContext, FileItem
from afterpatch.detect.pages.analyser import PageAnalyser, page_meta
from afterpatch.detect.pages.catalogue import catalogue
from afterpatch.detect.pages.grade import GRADES
from afterpatch.detect.pages.prefilter import may_reach_sink
from afterpatch.detect.pages.scriptenc import decode_script
from afterpatch.detect.pages.together import RULES
from afterpatch.model import Artifact, Finding, Locator
from afterpatch.report.catalogue import Catalogue
from afterpatch.report.codec import build, plain, worded
from afterpatch.report.pages import subject_pairs

PAGES = yaml.safe_load((Path(__file__).parent / "data" / "pages.yml").read_text(encoding="utf-8"))["cases"]
BY_ID = {case["id"]: base64.b64decode(case["page"]) for case in PAGES}
FOLDER = "C:\\inetpub\\wwwroot\\aspnet_client\\"


def item(name: str, content: bytes, truncated: bool = False) -> FileItem:
    path = FOLDER + name
    return FileItem(
        Artifact(0, path, path, Locator(path), "web-file", "r", len(content)), content, truncated, "0" * 64, len(content)
    )


def test_critical_page_is_one_finding_with_its_flow() -> None:
    (finding,) = PageAnalyser().analyse(item("a.aspx", BY_ID["vb-shell"]), FileContext())
    assert (finding.detection, finding.severity, finding.kind) == ("page-runs-request", "critical", "web-shell")
    assert finding.line == 7
    assert any(key == "process-start critical" and "|at=7" in text for key, text in finding.facts)
    assert finding.next_steps
    assert finding.benign


@pytest.mark.parametrize("name", ["upload-guid", "sql-parameter", "databinder-eval", "vb-redirect", "razor-plain", "asp-plain"])
def test_ordinary_page_is_silent(name: str) -> None:
    file_name = next(case["name"] for case in PAGES if case["id"] == name)
    assert list(PageAnalyser().analyse(item(file_name, BY_ID[name]), FileContext())) == []


def test_page_under_another_name_is_read() -> None:
    found = [one.detection for one in PageAnalyser().analyse(item("logo.jpg", BY_ID["jscript-eval"]), FileContext())]
    assert "page-runs-request" in found


def test_script_library_and_log_are_not_pages() -> None:
    assert list(PageAnalyser().analyse(item("site.js", b"eval(request)"), FileContext())) == []


def test_disguise_and_end_of_file_are_findings() -> None:
    found = [one.detection for one in PageAnalyser().analyse(item("a.aspx", b"GIF89a" + BY_ID["jscript-eval"]), FileContext())]
    assert found == ["page-runs-request", "page-disguised"]  # joined where the findings of a file are collected
    cut = [one.detection for one in PageAnalyser().analyse(item("a.aspx", BY_ID["razor-plain"], truncated=True), FileContext())]
    assert cut == ["page-not-fully-read"]


def test_every_detection_has_both_languages() -> None:
    for identifier, meta in page_meta().items():
        assert meta.title_zh, identifier
        assert meta.explain_zh, identifier
        assert len(meta.benign) == len(meta.benign_zh), identifier
        assert len(meta.next_steps) == len(meta.next_steps_zh), identifier
    assert set(PageAnalyser.detections) == set(page_meta())


@pytest.mark.parametrize("name", ["dotnet", "classic", "php", "java"])
def test_every_sink_kind_is_graded_and_explained(name: str) -> None:
    tables = catalogue(name)
    kinds = {sink.kind for sinks in (*tables.sinks.values(), *tables.assigned.values()) for sink in sinks}
    assert kinds <= set(GRADES)
    for language in ("en", "zh-CN"):
        assert all(Catalogue.load(language).has(f"page.does.{kind}") for kind in kinds)


def test_prefilter_never_stops_a_page_that_must_fire() -> None:
    for case in PAGES:
        if case.get("least") and b'C#"' in BY_ID[case["id"]] and "escaped" not in case["id"]:
            assert may_reach_sink(BY_ID[case["id"]].decode()), case["id"]
    assert not may_reach_sink('ViewBag.Title = "x"; Html.ActionLink("a", "b");')


def test_script_encoder_blocks_are_decoded() -> None:
    text, count = decode_script("<%#@~^HgAAAA==]\x7f/2Kxk+RqDbO+,Ju+^VGS,hWMsNeJAAAAAA==^#~@%>")
    assert count == 1
    assert text == '<%Response.Write "Hello, world!"%>'


def test_chinese_text_inside_an_encoded_block_does_not_lose_the_place() -> None:
    block = "#@~^AAAAAA==" + "\u4e2d\u6587" + "AAAAAA==^#~@"
    assert "\u4e2d\u6587" in decode_script(block)[0]


def test_every_text_of_a_verdict_is_in_both_catalogues() -> None:
    """Keys as the code spells them: whatever `message("page....")` names has words in English and in Chinese."""
    folder = Path(pages_package.__file__).parent
    code = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    keys = set(re.findall(r'message\(\s*"(page\.[a-z0-9.-]+)"', code))
    keys |= {f"page.reason.{name}" for name in RULES}
    assert len(keys) > 25
    for language in ("en", "zh-CN"):
        catalogue_of = Catalogue.load(language)
        assert sorted(key for key in keys if not catalogue_of.has(key)) == []


def test_facts_of_a_page_are_told_in_the_reader_s_language_and_kept_in_the_document() -> None:
    page = item("a.aspx", b"GIF89a" + BY_ID["jscript-eval"])
    finding = as_finding(next(iter(PageAnalyser().analyse(page, FileContext()))), page)
    chinese = dict(subject_pairs(finding, Catalogue.load("zh-CN")))
    assert "GIF 图片" in chinese["note"]
    stored = plain(finding, Catalogue.load("en"))
    assert any(value == "The page stands inside what begins like a GIF image." for _name, value in stored["subject"]["extra"])
    assert build(Finding, stored, "finding") == finding


def test_evidence_cannot_speak_as_a_text_of_ours() -> None:
    english = Catalogue.load("en")
    assert worded("server", "msg:page.reason.tunnel", english) == "msg:page.reason.tunnel"
    assert worded("note", "plain", english) == "plain"
