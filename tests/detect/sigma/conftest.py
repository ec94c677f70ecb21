"""Small rules for the tests, made from a detection section."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence

import pytest

from afterpatch.detect.sigma.compile import compile_rule
from afterpatch.detect.sigma.load import load_content
from afterpatch.detect.sigma.model import Rule, RuleSet
from afterpatch.detect.sigma.view import DictView

HEAD = "title: A test\nid: 00000000-0000-4000-8000-000000000001\nlogsource: {product: windows}\n"

MakeRule = Callable[..., Rule]
LoadText = Callable[..., RuleSet]
Fires = Callable[..., bool | None]


@pytest.fixture
def load_text() -> LoadText:
    """Rules of a YAML text."""

    def load(text: str, placeholders: Mapping[str, Sequence[str]] | None = None) -> RuleSet:
        return load_content([("rules/test.yml", textwrap.dedent(text).encode())], placeholders)

    return load


@pytest.fixture
def make_rule(load_text: LoadText) -> MakeRule:
    """One rule of a detection section; the test fails where it does not load."""

    def make(detection: str, placeholders: Mapping[str, Sequence[str]] | None = None, head: str = HEAD) -> Rule:
        body = textwrap.indent(textwrap.dedent(detection).strip("\n"), "  ")
        rules = load_text(f"{head}detection:\n{body}\n", placeholders)
        assert not rules.errors, rules.errors
        return rules.rules[0]

    return make


@pytest.fixture
def judge(make_rule: MakeRule) -> Fires:
    """What a detection section says of a record given as a dictionary: True, False or None."""

    def judge(detection: str, fields: Mapping[str, str], carried: Sequence[str] = (), raw: str = "") -> bool | None:
        if "condition" not in detection:
            detection = textwrap.dedent(detection).strip("\n") + "\ncondition: selection"
        compiled = compile_rule(make_rule(detection))
        return compiled.judge(DictView(fields, frozenset(carried), raw))

    return judge
