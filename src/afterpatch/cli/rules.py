"""`afterpatch rules list|show|test`: every detection, what it looks for, and proof that it does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from afterpatch.assess.detections import rule_folders
from afterpatch.assess.states import OWN_CHECKS
from afterpatch.cli.main import FOUND, OK
from afterpatch.detect.files.registry import detections as file_detections
from afterpatch.detect.proof import view_of
from afterpatch.detect.sigma.cache import load_rules_cached
from afterpatch.detect.sigma.compile import compile_rules
from afterpatch.detect.sigma.examples import run_examples
from afterpatch.detect.sigma.lint import lint
from afterpatch.detect.sigma.model import Correlation, Rule, RuleSet
from afterpatch.model import UsageError
from afterpatch.report import Catalogue, wording


@dataclass(frozen=True, slots=True)
class Listed:
    """A detection as it is listed."""

    id: str
    name: str
    kind: str  # rule | correlation | check
    level: str
    chain: str
    stage: str
    title: str
    explain: str
    benign: Sequence[str]
    next_steps: Sequence[str]
    techniques: Sequence[str] = ()
    path: str = ""


def run_rules(arguments: argparse.Namespace) -> int:
    """Lists, shows or tests the detections."""
    rules = load_rules_cached(rule_folders([Path(folder) for folder in arguments.rules]))
    catalogue = wording(arguments.lang)
    if arguments.action == "test":
        return _test(rules)
    listed = sorted(_listed(rules, catalogue), key=lambda each: (each.chain or "~", each.name or each.id))
    if arguments.action == "list":
        for each in listed:
            sys.stdout.write(
                f"{each.level:<13} {each.chain or '-':<16} {each.stage or '-':<10} {each.name or each.id}  {each.title}\n"
            )
        sys.stdout.write(f"{len(listed)} detections\n")
        return OK
    wanted = [each for each in listed if arguments.name in (each.id, each.name)]
    if not wanted:
        raise UsageError(f"there is no detection {arguments.name!r}; 'afterpatch rules list' names them")
    for each in wanted:
        sys.stdout.write(_shown(each, catalogue))
    return OK


def _listed(rules: RuleSet, catalogue: Catalogue) -> Iterable[Listed]:
    for rule in rules.rules:
        yield _of_rule(rule, catalogue)
    for correlation in rules.correlations:
        yield _of_rule(correlation, catalogue)
    for meta in file_detections():
        texts = catalogue.rules.get(meta.id, {})
        yield Listed(
            meta.id, meta.id, "check", meta.level, meta.chain, meta.stage,
            texts.get("title", meta.title), texts.get("explain", meta.explain),
            texts.get("benign", meta.benign), texts.get("next_steps", meta.next_steps), meta.techniques,
        )  # fmt: skip
    for name, (title, _kinds) in OWN_CHECKS.items():
        yield Listed(name, name, "check", "-", "", "", catalogue.words(title), "", (), ())


def _of_rule(rule: Rule | Correlation, catalogue: Catalogue) -> Listed:
    texts = catalogue.rules.get(rule.name, {})
    keys, header = rule.keys, rule.header
    tags = tuple(tag.partition(".")[2].upper() for tag in header.tags if tag.startswith("attack.t"))
    return Listed(
        rule.id, rule.name, "correlation" if isinstance(rule, Correlation) else "rule", header.level, keys.chain, keys.stage,
        texts.get("title", header.title), texts.get("explain", keys.explain or header.description),
        texts.get("benign", keys.benign or header.falsepositives), texts.get("next_steps", keys.next_steps), tags, header.path,
    )  # fmt: skip


def _shown(each: Listed, catalogue: Catalogue) -> str:
    lines = [each.title, f"  {each.id}" + (f" ({each.name})" if each.name != each.id else "")]
    stage = f", {catalogue.name('stage', each.stage)}" if each.stage else ""
    lines.append(f"  {each.kind}, {each.level}{', ' + each.chain if each.chain else ''}{stage}")
    if each.techniques:
        lines.append(f"  {', '.join(each.techniques)}")
    for text in (each.explain,):
        lines += ["", f"  {text}"] if text else []
    for label, texts in (("ui.finding.benign", each.benign), ("ui.finding.next", each.next_steps)):
        if texts:
            lines += ["", f"  {catalogue.text(label)}", *(f"  - {text}" for text in texts)]
    if each.path:
        lines += ["", f"  {each.path}"]
    return "\n".join(lines) + "\n\n"


def _test(rules: RuleSet) -> int:
    """Loads, lints and runs the examples of every rule; each problem with file and line. Advice does not fail a rule."""
    problems = [str(error) for error in rules.errors]
    advice: list[str] = []
    for found in lint(rules):
        text = f"{found.path}:{found.line}: {found.message} ({found.check})"
        (problems if found.severity == "error" else advice).append(text)
    served = [rule for rule in compile_rules(rules) if rule.kinds]
    for failure in run_examples(served, view_of):
        problems.append(f"{failure.path}:{failure.line}: example {failure.which} {failure.number} {failure.reason}")
    for text in (*advice, *problems):
        sys.stdout.write(f"{text}\n")
    counts = f"{len(rules.rules)} rules, {len(rules.correlations)} correlations"
    sys.stdout.write(f"{counts}: {len(problems)} problems, {len(advice)} pieces of advice\n")
    return FOUND if problems else OK
