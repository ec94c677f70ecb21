"""Translation from PCRE, the danger of patterns, and the automaton against Python's own search."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.detect.sigma.automaton import Automaton, NotRegularError
from afterpatch.detect.sigma.model import Regex
from afterpatch.detect.sigma.regex import MAX_VALUE, RegexError, regex_searcher, translate
from afterpatch.detect.sigma.regex_danger import danger_of

ATOMS = [
    "a",
    "b",
    "A",
    ".",
    "[ab]",
    "[^a]",
    r"\d",
    r"\w",
    r"\s",
    r"\W",
    "^",
    "$",
    r"\b",
    r"\B",
    r"\A",
    r"\Z",
    "\n",
    "[a-c1]",
    " ",
]


@st.composite
def patterns(draw: st.DrawFn, depth: int = 3) -> str:
    kind = draw(st.sampled_from(["atom", "atom", "join", "join", "or", "group", "repeat"] if depth else ["atom"]))
    if kind == "atom":
        return draw(st.sampled_from(ATOMS))
    if kind == "join":
        return draw(patterns(depth - 1)) + draw(patterns(depth - 1))
    inner = draw(patterns(depth - 1))
    if kind == "or":
        return f"(?:{inner}|{draw(patterns(depth - 1))})"
    if kind == "group":
        return draw(st.sampled_from(["({})", "(?i:{})", "(?s:{})", "(?:{})"])).format(inner)
    return f"(?:{inner})" + draw(st.sampled_from(["*", "+", "?", "*?", "+?", "{2}", "{1,3}", "{0,2}?"]))


texts = st.text(alphabet="abcAB1 \n_\u00e9", max_size=10)


@settings(max_examples=700, deadline=None)
@given(patterns(), st.lists(texts, min_size=1, max_size=5), st.sampled_from(["", "i", "m", "s", "ims"]))
def test_automaton_equals_python(pattern: str, values: list[str], flags: str) -> None:
    bits = re.ASCII
    for flag in flags:
        bits |= {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}[flag]
    automaton = Automaton(pattern, flags)
    for value in values:
        if value == "" and r"\B" in pattern:
            continue  # Python before 3.14: \B is not in an empty text
        assert automaton.search(value) is (re.search(pattern, value, bits) is not None), (pattern, value, flags)


def test_automaton_forgets_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afterpatch.detect.sigma.automaton.MAX_STEPS", 3)
    automaton = Automaton("a(b|c)+d", "")
    assert automaton.search("xyzabcbcbd") is True
    assert automaton.search("xyzabcbcb") is False
    assert len(automaton.states) <= 5


@pytest.mark.parametrize("pattern", ["(?=a)b", "(a)\\1", "(?<!a)b", "(?>a+)b", "a++b"])
def test_what_is_not_regular(pattern: str) -> None:
    with pytest.raises(NotRegularError):
        Automaton(pattern, "")


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "^(a|a)*$", "(a|ab)*c", "(a*)*b", "(.+a?)+x", "(a|a){40}b", "a?" * 30 + "a" * 30 + "b"]
)
def test_exponential_patterns_are_seen_and_judged_in_no_time(pattern: str) -> None:
    assert danger_of(pattern).exponential
    started = time.process_time()
    search = regex_searcher(Regex(pattern))
    assert search("a" * 30_000 + "!") is False
    assert time.process_time() - started < 5


@pytest.mark.parametrize("pattern", [".*a.*b.*c", r"(\w+)\s+(\w+)=", "a*a*a*a*b", r"\s+$"])
def test_polynomial_patterns_are_judged_in_no_time(pattern: str) -> None:
    danger = danger_of(pattern)
    assert danger.degree > 1
    assert not danger.exponential
    started = time.process_time()
    regex_searcher(Regex(pattern))("a " * (MAX_VALUE // 2))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("pattern", ["(?=.*a).*b.*c", r"(a)\1.*b.*c"])
def test_without_automaton_the_value_is_cut(pattern: str) -> None:
    started = time.process_time()
    assert regex_searcher(Regex(pattern))("a" * MAX_VALUE) is None
    assert time.process_time() - started < 10


@pytest.mark.parametrize("pattern", ["abc", "a[bc]{2}d", r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", "(a|b|cd)e?"])
def test_harmless_patterns(pattern: str) -> None:
    danger = danger_of(pattern)
    assert (danger.degree, danger.exponential) == (1, False)


@pytest.mark.parametrize(
    ("pattern", "tail", "expected"),
    [
        ("b", "b", None),
        ("^a", "b", True),
        ("a+$", "b", None),
        ("a+$", "\nb", None),
        ("(a+)+b", "b", None),
        ("a+b", "b", None),
        ("(a+)+b", "", False),
        ("a+$", "", True),
    ],
)
def test_values_longer_than_the_bound_are_unknown_unless_found(pattern: str, tail: str, expected: bool | None) -> None:
    assert regex_searcher(Regex(pattern))("a" * MAX_VALUE + tail) is expected


@pytest.mark.parametrize(
    ("pattern", "translated"),
    [
        ("a(?i)b|c", "a(?i:b|c)"),
        ("(?i)abc", "(?i:abc)"),
        ("(x(?i)y)z", "(x(?i:y))z"),
        ("(?<n>a)(?=b)(?<!c)(?<=d)", "(?P<n>a)(?=b)(?<!c)(?<=d)"),
        (r"a\z", r"a\Z"),
        (r"\h+", r"[ \t]+"),
        ("[[:alpha:]_]", "[a-zA-Z_]"),
        ("[]a]", r"[\]a]"),
        ("[^]a]", r"[^\]a]"),
        ("[[a]", r"[\[a]"),
        (r"\Qa.b\E+", r"a\.b+"),
        (r"\x{2014}", "\u2014"),
        (r"\_\-", r"\_\-"),
        (r"\j", "j"),
        ("(?)a", "a"),
    ],
)
def test_translation(pattern: str, translated: str) -> None:
    assert translate(pattern) == translated


@pytest.mark.parametrize(
    "pattern",
    [
        "(?R)",
        "(?1)",
        r"\K",
        r"\p{L}",
        "a(",
        "a)",
        "[a",
        "*a",
        "(?(1)a)",
        r"\x{zz}",
        "a\\",
        "[[:^alpha:]]",
        "(?-i)a",
        "a" * 9000,
        "a{2,1}",
        r"(?=(a+)+b)(\w+\s?)*$",
    ],
)
def test_refused_patterns(pattern: str) -> None:
    with pytest.raises(RegexError):
        translate(pattern)
