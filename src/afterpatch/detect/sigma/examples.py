"""A rule's own examples: those that must fire, and the look-alikes that must not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from afterpatch.detect.sigma.compile import CompiledRule
from afterpatch.detect.sigma.mapping import MappedView
from afterpatch.detect.sigma.model import Example
from afterpatch.detect.sigma.view import FieldView

MakeView = Callable[[Example], FieldView]
"""Turns an example into the record's own view (native columns, derived fields, RAW). Raises ValueError where it
cannot."""


@dataclass(frozen=True, slots=True)
class ExampleFailure:
    """An example that did not go as the rule says. `which`: fire | quiet; `number` counts from 1."""

    rule_id: str
    title: str
    which: str
    number: int
    reason: str
    path: str
    line: int


def _reason(rule: CompiledRule, example: Example, view: MakeView, *, fire: bool) -> str:
    """Why an example fails, "" where it does not."""
    if example.kind not in rule.kinds:
        served = ", ".join(sorted(rule.kinds)) or "none"
        return f"the rule's log source does not serve '{example.kind}' (it serves: {served})"
    try:
        verdict = rule.judge(MappedView(view(example), rule.mapping, example.kind))
    except ValueError as error:
        return f"cannot be read: {error}"
    if fire and verdict is None:
        return "does not fire: a field it needs cannot be carried by this log"
    if fire and not verdict:
        return "does not fire"
    return "fires" if verdict and not fire else ""


def check_examples(rule: CompiledRule, view: MakeView) -> list[ExampleFailure]:
    """All examples of one rule that fail."""
    failures: list[ExampleFailure] = []
    header = rule.rule.header
    for which, examples in (("fire", rule.rule.keys.fire), ("quiet", rule.rule.keys.quiet)):
        for number, example in enumerate(examples, start=1):
            reason = _reason(rule, example, view, fire=which == "fire")
            if reason:
                failures.append(ExampleFailure(rule.rule.id, header.title, which, number, reason, header.path, header.line))
    return failures


def run_examples(rules: Iterable[CompiledRule], view: MakeView) -> list[ExampleFailure]:
    """All examples of all rules that fail."""
    return [failure for rule in rules for failure in check_examples(rule, view)]
