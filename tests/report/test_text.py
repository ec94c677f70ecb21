"""Messages, defanging, visible characters."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpatch.report.text import (
    Message,
    defang,
    defang_host,
    message,
    parse_message,
    parse_notice,
    readable,
    shorten,
    shown,
    storable,
    visible,
)

ANY_TEXT = st.text(st.characters(), max_size=60)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), ANY_TEXT.map(storable), max_size=4))
def test_a_message_survives_the_way_to_text_and_back(values: dict[str, str]) -> None:
    assert parse_message(message("verdict.reason.x", **values)) == Message("verdict.reason.x", values)


@pytest.mark.parametrize("text", ["plain", "msg:", "msg:a b|x=y", "msg:|x", "MSG:key", "see msg:key"])
def test_what_is_no_message(text: str) -> None:
    assert parse_message(text) is None


def test_a_notice_has_its_detail_behind_the_key() -> None:
    assert parse_notice("notice.damaged: a: b") == Message("notice.damaged", {"detail": "a: b"})
    assert parse_notice("notice.damaged") == Message("notice.damaged", {"detail": ""})
    assert parse_notice("notice: damaged") is None


@given(ANY_TEXT)
def test_nothing_that_a_screen_hides_or_obeys_stays(text: str) -> None:
    bad = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not [char for char in shown(text) if unicodedata.category(char) in bad]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x00b", "a\\x00b"),
        ("\udc80", "\\udc80"),
        ("\U000e0041", "\\U000e0041"),
        ("邮箱 naïve 😀", "邮箱 naïve 😀"),
        ("e" + "\u0301" * 5, "e\u0301\u0301\u0301\\u0301\\u0301"),
        ("\u3164", "\\u3164"),
    ],
)
def test_visible(text: str, expected: str) -> None:
    assert visible(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://evil.example/a.b", "hxxp://evil[.]example/a.b"),
        ("HTTPS://1.2.3.4:443/x", "hxxps://1[.]2[.]3[.]4:443/x"),
        ("see ftp://a.b and http://c.d", "see fxp://a[.]b and hxxp://c[.]d"),
        ("/owa/auth/x.aspx", "/owa/auth/x.aspx"),
        ("203.0.113.7", "203.0.113.7"),
        ("hxxp://evil[.]example", "hxxp://evil[.]example"),
    ],
)
def test_defang(text: str, expected: str) -> None:
    assert defang(text) == expected
    assert defang(expected) == expected


def test_defang_host() -> None:
    assert defang_host("evil.example") == "evil[.]example"
    assert defang_host("evil[.]example") == "evil[.]example"


@given(ANY_TEXT)
def test_storable_text_is_utf8_and_other_text_is_left_alone(text: str) -> None:
    storable(text).encode()
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert storable(text) == text


@given(st.text(max_size=50), st.integers(min_value=3, max_value=60))
def test_shorten_keeps_the_bound_and_both_ends(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short == text or (short[0] == text[0] and short[-1] == text[-1])


def test_readable() -> None:
    assert readable("notice.line-too-long") == "Line too long"
