"""docs/rules.md says what the engine does: its examples load, and nothing is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from afterpatch.detect.sigma.header import _KEYS
from afterpatch.detect.sigma.lint import CHECKS, lint
from afterpatch.detect.sigma.load import load_content
from afterpatch.detect.sigma.mapping import default_mappings
from afterpatch.detect.sigma.model import ROLES, LogSource
from afterpatch.detect.sigma.modifiers import MODIFIERS
from afterpatch.detect.sigma.regex import MAX_VALUE
from afterpatch.model import CONFIDENCES, STAGES

TEXT = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"`([^`\n]+)`", TEXT))
WORDS = {word for code in CODE for word in code.split()}


@pytest.mark.parametrize("number", [0, 1])
def test_examples_load_without_a_problem(number: int) -> None:
    block = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[number]
    rules = load_content([("docs/rules.md", block.encode())])
    assert rules.errors == ()
    problems = lint(rules, own=number == 0)
    assert [one for one in problems if one.severity == "error"] == []


@pytest.mark.parametrize(
    "names",
    [MODIFIERS, _KEYS, STAGES, CONFIDENCES, ROLES, [check.__name__ for check in CHECKS]],
    ids=lambda names: min(names),
)
def test_every_name_is_documented(names: list[str]) -> None:
    assert set(names) - WORDS - {code.rstrip(",") for code in CODE} == set()


def test_numbers_and_kinds() -> None:
    assert f"{MAX_VALUE:,}" in TEXT
    kinds = default_mappings().for_logsource(LogSource("cmdlet", "exchange")).kinds - {"event-log"}
    assert all(f"`{kind}`" in TEXT for kind in kinds)
