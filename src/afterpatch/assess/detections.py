"""All detections of a run, loaded: rules compiled, indicators read, content signatures compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from afterpatch.assess.options import Options
from afterpatch.detect.events import EventPlan, make_event_plan
from afterpatch.detect.plane.plan import Plan, make_plan
from afterpatch.detect.sigma.cache import load_rules_cached
from afterpatch.detect.sigma.compile import CompiledRule, compile_rules
from afterpatch.detect.sigma.model import RuleSet
from afterpatch.knowledge.indicators import Indicator, Matcher, carried, load_user
from afterpatch.model import Notice
from afterpatch.model.shipped import shipped_yaml

RULES = Path(str(resources.files("afterpatch.detect"))) / "rules"


@dataclass(frozen=True, slots=True)
class Loaded:
    """`rules`: all of them, applicable or not; `compiled`: those some artifact kind serves."""

    rules: RuleSet
    compiled: tuple[CompiledRule, ...]
    indicators: tuple[Indicator, ...]
    matcher: Matcher
    plan: Plan
    notices: tuple[Notice, ...]

    def event_plan(self) -> EventPlan:
        """The plan of the rules about event logs, made where there are any."""
        plan = make_event_plan(self.compiled, _correlated(self.rules), version=self.rules.version)
        plan.matcher = self.matcher
        return plan


def load_detections(options: Options) -> Loaded:
    """Everything the plane looks for. Rules and lists that cannot be used become notices."""
    rules = load_rules_cached(rule_folders([Path(folder) for folder in options.rules]))
    compiled = compile_rules(rules, applicable_only=True)
    notices = [Notice(error.path, f"line {error.line}", f"notice.rule-refused: {error.message}") for error in rules.errors]
    indicators = list(carried())
    for path in options.intel:
        read, refused = load_user(path)
        indicators += read
        notices += refused
    matcher = Matcher(indicators)
    plan = make_plan(compiled, frequent_pages=frequent_pages(), correlated=_correlated(rules), matcher=matcher)
    return Loaded(rules, compiled, tuple(indicators), matcher, plan, tuple(notices))


def rule_folders(more: Sequence[Path] = ()) -> list[Path]:
    """The folders of our own rules and the user's."""
    return [*sorted(path for path in RULES.iterdir() if path.is_dir() and path.name != "lists"), *more]


@cache
def frequent_pages() -> tuple[str, ...]:
    """Pages the byte scan passes over."""
    text = resources.files("afterpatch.detect.plane").joinpath("frequent_pages.yml").read_text("utf-8")
    return tuple(shipped_yaml(text))


def _correlated(rules: RuleSet) -> Mapping[str, tuple[str, ...]]:
    """rule id -> the fields that correlations over it group by or count."""
    wanted: dict[str, set[str]] = {}
    for correlation in rules.correlations:
        aliases = {(rule, alias): name for alias, rule, name in correlation.aliases}
        counted = correlation.threshold.fields if correlation.threshold else ()
        for rule in correlation.rules:
            names = {aliases.get((rule, name), name) for name in (*correlation.group_by, *counted)}
            wanted.setdefault(rule, set()).update(names)
    return {rule: tuple(sorted(names)) for rule, names in wanted.items()}
