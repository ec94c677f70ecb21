"""The examination on a terminal."""

import re
import unicodedata
from dataclasses import replace

import pytest
from example import RUN, at, example, one_server
from hostile import VALUES, cycle, hostile

from afterpatch.model import Examination
from afterpatch.report import LANGUAGES, Catalogue, document, examination_from, render_terminal
from afterpatch.report.layout import text_width, wrap

EN = Catalogue.load("en")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [20, 60, 80, 133])
def test_no_line_is_wider_than_the_terminal(language: str, width: int) -> None:
    text = render_terminal(example(), Catalogue.load(language), width=width, colour=False, unicode=True)
    assert max(text_width(line) for line in text.splitlines()) <= max(width, 40)


def test_the_order_is_the_reader_s() -> None:
    text = render_terminal(one_server(), EN, files=(("report", "report.html"),))
    titles = [
        "MAIL01", "COMPROMISED", "What to do now", "What happened", "Back doors", "What was taken",
        "What could not be seen", "Coverage", "Notices", "report.html",
    ]  # fmt: skip
    places = [text.index(title) for title in titles]
    assert places == sorted(places)
    assert text.endswith("\n")
    assert "\n\n\n" not in text


def test_actions_are_few_and_the_rest_is_counted() -> None:
    text = render_terminal(one_server(), EN)
    assert "  7. " in text
    assert "  8. " not in text
    assert "1 further step" in text


def test_several_servers_begin_with_a_line_each() -> None:
    head = render_terminal(example(), EN).split("──")[0]
    assert [word in head for word in ("Compromised", "Attacked", "No evidence found", "Inconclusive")] == [True] * 4


def test_colour_only_where_asked_and_never_alone() -> None:
    plain = render_terminal(example(), EN, colour=False)
    coloured = render_terminal(example(), EN, colour=True)
    assert "\x1b" not in plain
    assert COLOUR.search(coloured)
    assert COLOUR.sub("", coloured) == plain


def test_ascii_terminals_get_ascii() -> None:
    assert render_terminal(example(), EN, unicode=False).isascii()


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_values_do_not_reach_the_terminal(language: str) -> None:
    examination = hostile(example(), cycle(VALUES))
    text = render_terminal(examination, Catalogue.load(language), width=90, files=(("case", "\x1b[2J"),))
    bad = {char for char in text if char != "\n" and unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}}
    assert bad == set()
    assert "\\x1b" in text
    assert "http://" not in text


def test_a_stored_examination_reads_the_same_in_chinese() -> None:
    chinese = Catalogue.load("zh-CN")
    stored = examination_from(document(example(), RUN))
    assert render_terminal(stored, chinese) == render_terminal(example(), chinese)
    assert "已被入侵" in render_terminal(stored, chinese)


def test_findings_of_no_server_and_nothing_at_all() -> None:
    loose = render_terminal(Examination((), (), (), (), one_server().servers[0].findings), EN)
    assert "[critical] Requests to a web shell (14)" in loose
    assert "No Exchange server" in render_terminal(Examination((), (), (), ()), EN)


def test_steps_of_one_title_are_told_once() -> None:
    server = one_server().servers[0]
    steps = tuple(replace(server.chains[0].steps[0], time=at(3, hour)) for hour in (9, 7, 8))
    chains = (replace(server.chains[0], steps=steps),)
    text = render_terminal(Examination((), (replace(server, chains=chains),), (), ()), EN, width=120)
    assert "2021-03-03 07:00:00Z  Back-end address forged in an anchor mailbox (3 times, until 2021-03-03 09:00:00Z)" in text


def test_severe_findings_of_no_chain_are_told() -> None:
    text = render_terminal(one_server(), EN)
    assert text.index("What happened") < text.index("[high] Memory of the log-on process dumped") < text.index("Back doors")
    assert "Requests by a known vulnerability scanner" not in text


def test_bytes_are_read_with_their_unit() -> None:
    assert "bytes in answers to the attacker: 18\u202f220\u202f113 (18.2 MB) [estimated]" in render_terminal(one_server(), EN)


def test_wrap_breaks_long_words_and_wide_characters() -> None:
    assert wrap("aaaa bbbb", 5) == ["aaaa", "bbbb"]
    assert wrap("aaaaaaaaaa", 4) == ["aaaa", "aaaa", "aa"]
    assert wrap("邮箱被导出", 4) == ["邮箱", "被导", "出"]
    assert wrap("", 10) == [""]
