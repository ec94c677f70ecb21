"""Every example of every shipped rule: it fires where it must, and stays quiet where it must."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from afterpatch.detect.sigma.model import Example


def _sibling(name: str) -> ModuleType:
    found = sys.modules.get(f"afterpatch_test_{name}")
    if found is not None:
        return found
    spec = importlib.util.spec_from_file_location(f"afterpatch_test_{name}", Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


rulekit = _sibling("rulekit")

CASES = [
    pytest.param(rule.name, example, wanted, whole, id=f"{rule.name}-{word}-{index}-{'whole' if whole else 'own'}")
    for rule in rulekit.rule_set().rules
    for wanted, word, examples in ((True, "fire", rule.keys.fire), (False, "quiet", rule.keys.quiet))
    for index, example in enumerate(examples)
    for whole in ((True,) if example.line else (True, False))
]


def test_all_rules_load() -> None:
    assert [str(error) for error in rulekit.rule_set().errors] == []
    assert len(rulekit.rule_set().rules) > 90


@pytest.mark.parametrize(("name", "example", "wanted", "whole"), CASES)
def test_example(name: str, example: Example, wanted: bool, whole: bool) -> None:
    rule = rulekit.compiled()[name]
    assert example.kind in rule.kinds
    record = rulekit.record_of(rulekit.raw_log(example, whole=whole), example.kind)
    assert rulekit.judge(rule, record) is wanted, (record.raw, rule.necessary)
    if wanted:
        assert rulekit.is_candidate(rule, record.raw), (record.raw, rule.necessary)
