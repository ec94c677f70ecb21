"""Every example of every shipped rule: it fires where it must, and stays quiet where it must."""

from __future__ import annotations

from types import ModuleType

from afterpatch.detect.sigma.model import Example


def test_all_rules_load(kit: ModuleType) -> None:
    assert [str(error) for error in kit.rule_set().errors] == []
    assert len(kit.rule_set().rules) > 120


def test_every_rule_applies_to_a_log(kit: ModuleType) -> None:
    assert [name for name, rule in kit.compiled().items() if not rule.kinds] == []


def test_example(kit: ModuleType, case: tuple[str, Example, bool, bool]) -> None:
    name, example, wanted, whole = case
    rule = kit.compiled()[name]
    assert example.kind in rule.kinds
    record = kit.record_of(kit.raw_log(example, whole=whole), example.kind)
    assert kit.judge(rule, record) is wanted, (record.raw, rule.necessary)
    if wanted:
        assert kit.is_candidate(rule, record.raw), (record.raw, rule.necessary)
