"""Pages behind the byte table of a mail store, and names that only look like shipped ones."""

from __future__ import annotations

import pytest

from afterpatch.detect.files.driver import analyse_file
from afterpatch.detect.files.item import FileContext
from afterpatch.detect.files.names import folded, imitated, shapes
from afterpatch.detect.files.views import encode_table, unpermute

from .conftest import make_item, unb64

# a page of one line that evaluates a form field, in base64
PAGE = unb64("PCVAIFBhZ2UgTGFuZ3VhZ2U9IkpTY3JpcHQiJT48JWV2YWwoUmVxdWVzdC5Gb3JtWyJ0Il0sInVuc2FmZSIpOyU+")
HEAD = b"!BDN" + bytes(60)


@pytest.mark.parametrize("how", ["decoded", "encoded"])
def test_page_behind_the_table(how: str, context: FileContext) -> None:
    hidden = (PAGE + b"\r\n" * 20).translate(encode_table()) if how == "decoded" else unpermute(PAGE + b"\r\n" * 20)
    item = make_item("C:\\ProgramData\\mail\\x.pst", HEAD + hidden, "suspicious-place")
    found = {each.detection: each for each in analyse_file(item, context)}["mail-store-with-page"]
    assert found.severity == "critical"
    assert dict(found.facts)["table"] == how
    assert found.offset == len(HEAD)


def test_an_ordinary_store_is_silent(context: FileContext) -> None:
    item = make_item(
        "C:\\ProgramData\\mail\\x.pst", HEAD + b"Dear colleague, the page is ready.".translate(encode_table()), "suspicious-place"
    )
    assert "mail-store-with-page" not in {each.detection for each in analyse_file(item, context)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("l\u043egon.aspx", "logon"),
        ("\uff4c\uff4f\uff47\uff4f\uff4e.aspx", "logon"),
        ("log\u200bon.aspx", "logon"),
        ("logon.aspx", ""),
        ("\u767b\u5f55.aspx", ""),
    ],
)
def test_names_in_other_letters(name: str, expected: str) -> None:
    assert imitated(name) == expected
    assert ("disguised-letters" in shapes(name)) == bool(expected and name != "logon.aspx")


def test_folding_keeps_real_words_of_other_scripts() -> None:
    assert folded("\u767b\u5f55") == "\u767b\u5f55"
    assert "disguised-letters" not in shapes("C:\\x\\\u043f\u043e\u0447\u0442\u0430.aspx")
