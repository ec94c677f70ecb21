"""The compiled condition and the slow interpreter say the same of every rule and record."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpatch.detect.sigma.compile import compile_rule
from afterpatch.detect.sigma.condition import Builder, parse
from afterpatch.detect.sigma.load import load_content
from afterpatch.detect.sigma.model import Rule, Text
from afterpatch.detect.sigma.oracle import evaluate, lowered
from afterpatch.detect.sigma.text import fold, matcher, parse_text
from afterpatch.detect.sigma.view import DictView

from .strategies import FIELDS, LETTERS, conditions, detections, records

HEAD = "title: A test\nlogsource: {product: windows}\ndetection:\n"


def rule_of(detection: str) -> Rule:
    rules = load_content([("r.yml", (HEAD + textwrap.indent(detection, "  ")).encode())])
    assert not rules.errors, rules.errors
    return rules.rules[0]


class Many:
    """A record whose fields have several values; those that are not there are unknown."""

    def __init__(self, fields: Mapping[str, tuple[str, ...]]) -> None:
        self.fields = fields

    def get(self, name: str) -> tuple[str, ...] | None:
        return self.fields.get(name)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(detections(), st.lists(records, min_size=1, max_size=6), st.booleans())
def test_compiled_equals_oracle(detection: str, rows: list[dict[str, str]], several: bool) -> None:
    rule = rule_of(detection)
    compiled = compile_rule(rule)
    for row in rows:
        view: DictView | Many = DictView(row, frozenset(FIELDS[:1]))
        if several:
            view = Many({name: (value, value[::-1], "ab") for name, value in row.items()})
        assert compiled.judge(view) is evaluate(rule.condition, view), (detection, row)


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet=LETTERS, max_size=9), st.text(alphabet=LETTERS, max_size=12), st.booleans())
def test_wildcards_equal_a_regular_expression(pattern: str, value: str, cased: bool) -> None:
    text = Text(parse_text(pattern).parts, cased)
    rule = rule_of("s: {F: a}\ncondition: s")
    item = rule.condition
    slow = evaluate(type(item)(field="F", values=((text,),)), DictView({"F": value}))  # type: ignore[call-arg]
    assert matcher(text)(value if cased else fold(value)) is slow


@given(st.text())
def test_folding_keeps_length_and_never_makes_ascii(text: str) -> None:
    assert fold(text) == lowered(text)
    assert len(fold(text)) == len(text)
    assert [char.isascii() for char in fold(text)] == [char.isascii() for char in text]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_conditions_mean_what_python_means(data: st.DataObject) -> None:
    names = ("s1", "s2", "sx")
    text = data.draw(conditions(names, 4))
    truths = {name: data.draw(st.booleans()) for name in names}
    build: Builder[bool] = Builder(
        leaf=truths.__getitem__,
        every=all,
        some=lambda nodes, count: sum(nodes) >= count,
        negate=lambda node: not node,
    )
    plain = text
    for phrase, meaning in {
        "1 of them": "(s1 or s2 or sx)",
        "all of them": "(s1 and s2 and sx)",
        "any of s*": "(s1 or s2 or sx)",
        "1 of s*": "(s1 or s2 or sx)",
        "all of s*": "(s1 and s2 and sx)",
        "2 of them": "(s1 + s2 + sx >= 2)",
    }.items():
        plain = plain.replace(phrase, meaning)
    node, _ = parse(text, names, build)
    assert node == bool(eval(plain, {}, truths))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a or b and not c", "a or (b and (not c))"),
        ("not a and b", "(not a) and b"),
        ("not not a or b", "a or b"),
        ("a and b or c and d", "(a and b) or (c and d)"),
        ("1 of a* or b", "a or b"),
    ],
)
def test_precedence(text: str, meaning: str) -> None:
    names = ("a", "b", "c", "d")
    build: Builder[str] = Builder(
        leaf=lambda name: name,
        every=lambda nodes: "(" + " and ".join(nodes) + ")",
        some=lambda nodes, _: "(" + " or ".join(nodes) + ")",
        negate=lambda node: f"(not {node})",
    )
    node, _ = parse(text, names, build)
    for bits in range(16):
        truths = {name: bool(bits >> index & 1) for index, name in enumerate(names)}
        assert eval(node, {}, truths) == eval(meaning, {}, truths)
