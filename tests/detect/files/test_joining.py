"""One finding for what several checks say of a file."""

from __future__ import annotations

from afterpatch.detect.files.item import FileFinding
from afterpatch.detect.files.joining import join_findings


def finding(detection: str, severity: str = "critical", **more: object) -> FileFinding:
    return FileFinding(detection, detection, severity, "high", "C:\\inetpub\\a.aspx", **more)  # type: ignore[arg-type]


def test_dump_carries_what_its_page_does() -> None:
    page = finding("page-runs-request", family="China Chopper", facts=(("code-execution critical", "Request -> eval"),), line=3)
    (one,) = join_findings([finding("oab-dump-script", facts=(("server", "E1"),)), page])
    assert (one.detection, one.family, one.line) == ("oab-dump-script", "China Chopper", 3)
    assert one.facts == (("server", "E1"), ("code-execution critical", "Request -> eval"))


def test_disguise_is_told_by_what_was_found_beside_it() -> None:
    note = (("note", "in a PST"),)
    disguise = finding("page-disguised", "medium", facts=note)
    placed = finding("web-file-unexpected", "high")
    (one,) = join_findings([placed, disguise])
    assert (one.detection, one.facts) == ("web-file-unexpected", note)
    assert [one.detection for one in join_findings([finding("other", "low"), disguise])] == ["other", "page-disguised"]
    assert join_findings([disguise]) == [disguise]


def test_carrier_takes_the_higher_severity() -> None:
    (one,) = join_findings([finding("oab-dump-script", "high"), finding("page-runs-request", "critical")])
    assert one.severity == "critical"
    assert [x.detection for x in join_findings([finding("a"), finding("b")])] == ["a", "b"]
