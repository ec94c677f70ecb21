"""Each construct of a language that can stand between the request and a sink, and ordinary pages that look alike."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from afterpatch.detect.pages import analyse_page
from afterpatch.detect.pages.verdict import at_least

DATA = Path(__file__).parent / "data"
CASES = [
    one for name in ("ways.yml", "means.yml") for one in yaml.safe_load((DATA / name).read_text(encoding="utf-8"))["cases"]
]


@pytest.mark.parametrize("case", [one for one in CASES if "least" in one], ids=lambda case: case["id"])
def test_way_is_found(case: dict[str, str]) -> None:
    verdict = analyse_page(case["name"], base64.b64decode(case["page"]))
    assert at_least(verdict.severity, case["least"]), (verdict.severity, verdict.flows[:2])


@pytest.mark.parametrize("case", [one for one in CASES if "below" in one], ids=lambda case: case["id"])
def test_ordinary_page_is_quiet(case: dict[str, str]) -> None:
    verdict = analyse_page(case["name"], base64.b64decode(case["page"]))
    assert not at_least(verdict.severity, case["below"]), (verdict.severity, verdict.flows[:2], verdict.reasons)


FAMILIES = {
    "php-ml-mass": "mailer",
    "php-nt-revshell": "reverse shell",
    "php-dr-fixed": "dropper",
    "php-db-console": "database console",
    "php-ob-wpadmin": "account maker",
    "aspx-n65": "page without a file",
    "aspx-n31": "style-sheet page",
    "aspx-n43": "reGeorg tunnel",
    "aspx-n51": "machine-key dumper",
    "aspx-n8": "Behinder",
    "aspx-n9": "Godzilla",
    "aspx-n39": "loader of machine code",
    "aspx-n32": "object gate",
    "jsp-j30": "Godzilla",
    "asp-a1": "China Chopper",
    "asp-a15": "file manager",
}


@pytest.mark.parametrize(("identifier", "family"), FAMILIES.items())
def test_family_is_told_by_what_the_code_does(identifier: str, family: str) -> None:
    case = next(one for one in CASES if one["id"] == identifier)
    assert analyse_page(case["name"], base64.b64decode(case["page"])).family == family
