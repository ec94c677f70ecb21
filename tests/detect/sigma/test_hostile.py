"""Whatever is in a rule file, an expression or a record: an error that says so, or an answer, in bounded time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpatch.detect.sigma.cache import load_rules_cached
from afterpatch.detect.sigma.compile import compile_rule
from afterpatch.detect.sigma.condition import Builder, ConditionError, parse
from afterpatch.detect.sigma.load import load_content
from afterpatch.detect.sigma.model import Regex
from afterpatch.detect.sigma.regex import RegexError, regex_searcher, translate
from afterpatch.detect.sigma.view import DictView
from afterpatch.model import RuleError

from .test_load import GOOD
from .test_oracle import rule_of

FULL = (
    GOOD
    + "afterpatch:\n  stage: used\n  examples:\n    fire: [{kind: iis, line: x}]\n---\ntitle: c\ncorrelation:\n"
    + "  type: event_count\n  rules: [good]\n  timespan: 5m\n  group-by: [a]\n  condition: {gte: 3}\n---\ntitle: f\n"
    + "logsource: {category: webserver}\nfilter:\n  rules: any\n  s: {G|re: 'a+'}\n  condition: s\n"
)
LINES = FULL.splitlines()
SCRAPS = [
    "[",
    "{",
    "null",
    "- ",
    "&a",
    "*a",
    "!!x",
    "|",
    ">",
    "'",
    '"',
    "\t",
    "5",
    "1e999",
    "9" * 5000,
    "{}",
    "[]",
    ": ",
    "---",
    "%x",
    "? a",
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutilated_files_give_errors_not_exceptions(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        what = data.draw(st.sampled_from(["drop", "scrap", "twice", "value", "indent"]))
        scrap = data.draw(st.sampled_from(SCRAPS))
        if what == "drop" and len(lines) > 1:
            del lines[at]
        elif what == "scrap":
            lines.insert(at, scrap)
        elif what == "twice":
            lines.insert(at, lines[at])
        elif what == "value":
            lines[at] = lines[at].partition(":")[0] + ": " + scrap
        else:
            lines[at] = "  " + lines[at]
    loaded = load_content([("x.yml", "\n".join(lines).encode())])
    assert all(isinstance(error, RuleError) and error.path == "x.yml" for error in loaded.errors)
    for rule in loaded.rules:
        compile_rule(rule).match(DictView({"F": "a"}))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    loaded = load_content([("x.yml", data)])
    assert loaded.errors or loaded.rules


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="ab()[]{}|*+?\\^$.:-,<>=!&#PQEdwxzi01 ", max_size=14), st.text(alphabet="ab\\-01 ", max_size=20))
def test_any_regular_expression(pattern: str, text: str) -> None:
    try:
        translated = translate(pattern)
    except RegexError:
        return
    assert regex_searcher(Regex(translated))(text) in (True, False)


def refusal(text: str) -> str:
    """Why a condition over a and b is refused, "" where it is not."""
    build: Builder[bool] = Builder(lambda _: True, all, lambda nodes, count: sum(nodes) >= count, lambda node: not node)
    try:
        parse(text, ("a", "b"), build)
    except ConditionError as error:
        return str(error) or "an error without words"
    return ""


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "not", "and", "or", "(", ")", "of", "1", "all", "them", "a*", "|", "_"]), max_size=12))
def test_any_condition(words: list[str]) -> None:
    assert refusal(" ".join(words)) != "an error without words"


@pytest.mark.parametrize("text", ["(" * 5_000, "not " * 5_000 + "a", "a and " * 5_000 + "a", "(" * 50 + "a" + ")" * 50])
def test_long_conditions(text: str) -> None:
    assert refusal(text) != "an error without words"


@pytest.mark.parametrize(
    "detection",
    [
        "s: {F: '*a*a*a*a*a*a*a*a*b'}\ncondition: s",
        "s: {F: '*?a?*?a?*?a?*b'}\ncondition: s",
        "s: {F|re: '(a+)+$'}\ncondition: s",
        "s: {F|re: 'a.*a.*a.*a.*b'}\ncondition: s",
        "s: {F|contains: [" + ", ".join("a" * size + "b" for size in range(1, 60)) + "]}\ncondition: s",
        "s: {F|cidr: 192.0.2.0/24}\ncondition: s",
        "s: {F|gt: 5}\ncondition: s",
        "s: {F|hour: 5}\ncondition: s",
    ],
)
def test_long_values_take_no_time(detection: str) -> None:
    rule = compile_rule(rule_of(detection))
    started = time.process_time()
    for value in ("a" * 60_000, "1" * 60_000, "a " * 30_000, "\u00e9" * 60_000):
        rule.match(DictView({"F": value}))
    assert time.process_time() - started < 10


def test_a_value_cut_short_is_counted() -> None:
    rule = compile_rule(rule_of("s: {F|re: 'zzz'}\ncondition: s"))
    assert rule.judge(DictView({"F": "a" * 70_000})) is None
    assert rule.limits.truncated == 1


def test_file_names_that_are_no_text(tmp_path: Path) -> None:
    try:
        (tmp_path / "a\udcff.yml").write_text(GOOD)
    except OSError:
        pytest.skip("this file system wants Unicode names")
    loaded = load_rules_cached([tmp_path], folder=tmp_path / "cache")
    assert len(loaded.rules) == 1
