"""The page: nothing of the evidence is markup, nothing is loaded, everything has its place."""

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from example import RUN, at, example, finding, one_server
from hostile import VALUES, cycle, hostile
from lxml import html

from afterpatch.model import Coverage, Examination, Gap, Notice, TimelineEntry
from afterpatch.report import LANGUAGES, Catalogue, render_html
from afterpatch.report.pages import Raw
from afterpatch.report.text import shown

EN = Catalogue.load("en")
CSS = Path(__file__).parents[2] / "src" / "afterpatch" / "report" / "assets" / "report.css"


def page(examination: Examination, language: str = "en") -> html.HtmlElement:
    """The parsed report."""
    return html.fromstring(render_html(examination, RUN, Catalogue.load(language)).encode())


def skeleton(root: html.HtmlElement) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """Every element with its attributes and their values, in order, without any text."""
    return [(str(one.tag), tuple(sorted(one.attrib.items()))) for one in root.iter()]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_no_element_and_no_attribute_comes_from_evidence(language: str, value: str) -> None:
    harmless = hostile(example(), cycle(("h" * len(value),)))
    wicked = hostile(example(), cycle((value,)))
    assert skeleton(page(wicked, language)) == skeleton(page(harmless, language))


def test_hostile_values_are_shown_as_text() -> None:
    source = render_html(hostile(example(), cycle(VALUES)), RUN, EN)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in source
    assert "{{ 7*7 }}" in source
    assert "\\x1b[2J" in source
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ufeff\ud800-\udfff]", source)
    assert source.count("<script>") == 1
    source.encode()


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_loaded_and_nothing_but_our_own_script_runs(language: str) -> None:
    root = page(example(), language)
    assert not root.xpath("//link | //img | //iframe | //object | //embed | //form | //base | //script[@src] | //*[@style]")
    assert not [name for one in root.iter() for name in one.attrib if name.startswith("on") or name == "srcset"]
    links = {value for one in root.iter() for name, value in one.attrib.items() if name in ("href", "src", "xlink:href")}
    assert all(link.startswith("#") for link in links)
    assert "url(" not in re.sub(r"url\(#[a-z]+\)", "", CSS.read_text(encoding="utf-8"))


def test_the_policy_names_the_style_and_the_script_by_their_hashes() -> None:
    root = page(example())
    policy = root.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    for element, directive in (("style", "style-src"), ("script", "script-src")):
        (one,) = root.xpath(f"//{element}")
        digest = base64.b64encode(hashlib.sha256(one.text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_every_anchor_is_there_once_and_every_link_leads_somewhere() -> None:
    for examination in (example(), one_server(), Examination((), (), (), ()), Examination((), (), (), (), _many(3))):
        root = page(examination)
        ids = Counter(root.xpath("//@id"))
        assert [one for one, count in ids.items() if count > 1] == []
        assert {link[1:] for link in root.xpath("//@href")} <= set(ids)
        for name in ("aria-labelledby",):
            assert set(root.xpath(f"//@{name}")) <= set(ids)


def test_the_order_of_a_server_s_sections() -> None:
    root = page(one_server())
    order = [one for one in root.xpath("//@id") if one.startswith("s1-") and not re.search(r"-f\d", one)]
    wanted = "now happened timeline backdoors impact coverage unseen findings exposure"
    assert [one for one in order if one[3:] in wanted.split()] == [f"s1-{one}" for one in wanted.split()]


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_title_and_headings(language: str) -> None:
    root = page(example(), language)
    assert root.get("lang") == language
    assert len(root.xpath("//h1")) == 1
    levels = [int(one.tag[1]) for one in root.xpath("//h1|//h2|//h3|//h4")]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert root.xpath("//main")
    assert root.xpath("//nav[@aria-label]")
    assert all(one.get("scope") for one in root.xpath("//th"))
    assert all(one.get("aria-label") for one in root.xpath("//svg[@role='img']"))


def test_several_servers_begin_with_a_summary() -> None:
    rows = page(example()).xpath("//table[@class='summary']/tbody/tr")
    assert [row.xpath("string(th)").strip() for row in rows] == [
        "MAIL01",
        "MAIL02",
        "MAIL03",
        "(server without a name)",
    ]
    assert not page(one_server()).xpath("//table[@class='summary']")


def test_a_finding_leads_down_to_its_raw_line() -> None:
    one = page(one_server()).xpath("//details[@id='s1-f0']")[0]
    text = one.text_content()
    for part in ("u_ex210303.log", "line 1201", "b75f163ca9b9", "2021-03-03 05:12:33 10.0.0.5 POST /ecp/y.js"):
        assert part in text


def test_findings_with_titles_of_their_own_make_one_group() -> None:
    (group,) = page(one_server()).xpath("//details[contains(@class,'group')][contains(., '/owa/auth/page1.aspx')]")
    assert group.xpath("string(summary/span[@class='title'])") == EN.text("check.rare-page.name")
    own = group.xpath(".//span[@class='own']/text()")
    assert own == [EN.text("check.rare-page.title", page=f"/owa/auth/page{index}.aspx") for index in range(2)]
    reasons = [one for one in group.xpath(".//p/text()") if one.startswith("The server answered requests for")]
    assert len(reasons) == 2
    (advice,) = group.xpath(".//ul[li='Keep the log file.']")
    assert not advice.xpath("ancestor::details[contains(@class,'finding')]")


def test_urls_are_defanged_but_raw_lines_are_as_they_were() -> None:
    one = finding(1, "Title", "high", at(1))
    evidence = (replace(one.evidence[0], raw="GET http://evil.example/ \x1b"),)
    one = replace(one, evidence=evidence, subject=replace(one.subject, url="http://evil.example/"))
    root = page(Examination((), (), (), (), (one,)))
    assert root.xpath("string(//pre)") == "GET http://evil.example/ \\x1b"
    assert "hxxp://evil[.]example/" in root.xpath("string(//details[contains(@class,'finding')]/summary)")
    assert shown(str(Raw("http://a.b"))) == "hxxp://a[.]b"


def _many(count: int) -> tuple:  # type: ignore[type-arg]
    return tuple(
        finding(index, f"Detection {index % 60}", "high", at(1) + timedelta(minutes=index), detection=f"d{index % 60}")
        for index in range(count)
    )


def _large() -> Examination:
    findings = tuple(
        replace(one, evidence=tuple(replace(one.evidence[0], raw="<&\"'" * 2000) for _ in range(8))) for one in _many(5000)
    )
    entries = tuple(TimelineEntry(at(1) + timedelta(seconds=index), "What") for index in range(100_000))
    gaps = tuple(Gap(at(1) + timedelta(minutes=2 * i), at(1) + timedelta(minutes=2 * i + 1)) for i in range(5000))
    coverage = (Coverage("iis", 1, 1, 1, at(1), at(20), gaps),)
    server = replace(one_server().servers[0], findings=findings, timeline=entries, coverage=coverage)
    notices = tuple(Notice(f"file {index}", "", f"reason {index}") for index in range(3000))
    return Examination((), (server,), (), notices)


def test_a_large_examination_stays_small_and_says_what_is_left_out() -> None:
    source = render_html(_large(), RUN, EN)
    assert len(source.encode()) < 12_000_000
    root = html.fromstring(source)
    assert "1200 of 100\u202f000 entries" in root.text_content()
    shown_findings = len(root.xpath("//details[contains(@class,'finding')]"))
    hidden = sum(
        int(number.replace("\u202f", ""))
        for number in re.findall(r"([\d\u202f]+) further findings? of this detection", root.text_content())
    )
    assert shown_findings + hidden == 5000
    assert "2600 further notices" in root.text_content()
    assert "4996" in root.xpath("string(//section[@id='s1-coverage'])")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_enough_contrast(scheme: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text on every ground it stands on."""
    css = CSS.read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", css.split("@media (prefers-color-scheme:dark)")[0]))
    if scheme == "dark":
        colours |= dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", css.split("(prefers-color-scheme:dark)")[1][:900]))
    pairs = [(text, ground) for text in ("ink", "muted", "link") for ground in ("ground", "card", "soft", "code")]
    pairs += [(tone, ground) for tone in ("red", "amber", "blue", "violet", "green") for ground in ("card", "ground")]
    pairs += [("ink", f"{tone}-soft") for tone in ("red", "amber", "blue", "violet")]
    pairs += [(tone, f"{tone}-soft") for tone in ("red", "amber", "blue", "violet")]
    weak = {pair: _contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
    assert {pair: value for pair, value in weak.items() if value < 4.5} == {}


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
