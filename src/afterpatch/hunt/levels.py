"""Rules from a level on."""

from __future__ import annotations

from dataclasses import replace

from afterpatch.assess.findings import LEVELS
from afterpatch.detect.sigma.correlate import standalone
from afterpatch.detect.sigma.model import Correlation, Rule, RuleSet
from afterpatch.model import SEVERITIES


def level_of(rule: Rule | Correlation) -> str:
    """The severity of a rule; medium where it does not say."""
    return LEVELS.get(rule.header.level, "medium")


def from_level(rules: RuleSet, level: str) -> RuleSet:
    """The rules and correlations of at least a severity, and whatever the correlations among them look at."""
    if not level:
        return rules
    least, alone = SEVERITIES.index(level), standalone(rules)
    correlations = {one.id: one for one in rules.correlations}
    waiting = [one.id for one in rules.correlations if one.id in alone and SEVERITIES.index(level_of(one)) >= least]
    wanted: set[str] = set()
    while waiting:
        one = waiting.pop()
        if one not in wanted:
            wanted.add(one)
            waiting += correlations[one].rules if one in correlations else ()
    return replace(
        rules,
        rules=tuple(
            rule for rule in rules.rules if rule.id in wanted or (rule.id in alone and SEVERITIES.index(level_of(rule)) >= least)
        ),
        correlations=tuple(one for one in rules.correlations if one.id in wanted),
    )
