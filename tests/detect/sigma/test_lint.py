"""Each check fires on what it names, and our own rules pass them all."""

from __future__ import annotations

from pathlib import Path

import pytest

import afterpatch.detect as detect
from afterpatch.detect.sigma.compile import compile_rule
from afterpatch.detect.sigma.examples import check_examples
from afterpatch.detect.sigma.lint import CHECKS, lint
from afterpatch.detect.sigma.load import load_content, load_rules
from afterpatch.detect.sigma.model import Example
from afterpatch.detect.sigma.view import DictView, FieldView

OWN = Path(detect.__file__).parent / "rules"
CLEAN = """\
title: A web shell was used
id: 11111111-1111-4111-8111-111111111111
name: shell-used
status: stable
level: high
date: 2021-03-03
tags: [attack.t1505.003]
logsource: {category: webserver}
detection:
  selection: {cs-uri-stem|contains: zntwv}
  condition: selection
afterpatch:
  chain: web-shell
  stage: used
  explain: Why it fired.
  benign: [Nothing]
  next_steps: [Look]
  examples:
    fire: [{kind: iis, fields: {cs-uri-stem: /zntwv.aspx}}]
    quiet: [{kind: iis, fields: {cs-uri-stem: /logon.aspx}}]
"""

BROKEN = [
    ("id_is_uuid", "id: 11111111-1111-4111-8111-111111111111", "id: one"),
    ("id_is_uuid", "id: 11111111-1111-4111-8111-111111111111\n", ""),
    ("has_name", "name: shell-used\n", ""),
    ("has_name", "name: shell-used", "name: Shell used"),
    ("title_is_short", "was used", "was used."),
    ("title_is_short", "was used", "was used" + " again" * 60),
    ("has_level_and_status", "level: high\n", ""),
    ("has_level_and_status", "status: stable\n", ""),
    ("dates_and_tags", "date: 2021-03-03", "date: 3.3.2021"),
    ("dates_and_tags", "attack.t1505.003", "Attack T1505"),
    ("logsource_is_mapped", "category: webserver", "category: proxy"),
    ("keys_are_complete", "  explain: Why it fired.\n", ""),
    ("keys_are_complete", "  benign: [Nothing]\n", ""),
    ("keys_are_complete", "  next_steps: [Look]\n", ""),
    ("keys_are_complete", "  chain: web-shell\n", ""),
    ("has_examples", "    quiet: [{kind: iis, fields: {cs-uri-stem: /logon.aspx}}]\n", ""),
    ("has_examples", "    fire: [{kind: iis, fields: {cs-uri-stem: /zntwv.aspx}}]\n", ""),
    ("fields_are_known", "cs-uri-stem|contains", "cs-uri-stam|contains"),
    ("fields_are_known", "{category: webserver}", "{product: exchange, category: cmdlet}"),
    ("fields_are_known", "  stage: used", "  stage: used\n  subject: [source.ipp]"),
    ("regexes_are_cheap", "cs-uri-stem|contains: zntwv", "cs-uri-stem|re: '(a+)+zntwv'"),
    ("values_make_sense", "cs-uri-stem|contains: zntwv", "cs-uri-stem|contains|all: zntwv"),
    ("values_make_sense", "cs-uri-stem|contains: zntwv", "cs-uri-stem: [zntwv, null]"),
    ("selections_are_used", "  condition: selection", "  spare: {cs-method: GET}\n  condition: selection"),
    ("has_literals", "cs-uri-stem|contains: zntwv", "sc-status|gte: 500"),
]


def names(text: str, *, own: bool = True) -> set[str]:
    loaded = load_content([("r.yml", text.encode())])
    assert not loaded.errors, loaded.errors
    return {problem.check for problem in lint(loaded, own=own)}


def test_a_clean_rule_has_no_problem() -> None:
    assert names(CLEAN) == set()


@pytest.mark.parametrize(("check", "old", "new"), BROKEN)
def test_each_check_fires(check: str, old: str, new: str) -> None:
    assert old in CLEAN
    assert check in names(CLEAN.replace(old, new))


def test_every_check_is_shown_to_fire() -> None:
    assert {check.__name__ for check in CHECKS} == {check for check, _, _ in BROKEN}


def test_names_are_unique() -> None:
    second = CLEAN.replace("id: 1", "id: 2")
    assert "name_is_unique" in {one.check for one in lint(load_content([("a.yml", CLEAN.encode()), ("b.yml", second.encode())]))}


def test_rules_of_others_need_no_keys_of_ours() -> None:
    text = CLEAN.partition("afterpatch:")[0]
    assert names(text, own=False) == set()


def _view(example: Example) -> FieldView:
    if example.line:
        raise ValueError("no lines here")
    return DictView(dict(example.fields))


def test_examples_that_go_wrong_are_told() -> None:
    text = (
        CLEAN.replace("/zntwv.aspx", "/other.aspx")
        .replace("/logon.aspx", "/zntwv.aspx")
        .replace("    quiet: [", "    quiet: [{kind: ews, fields: {a: b}}, {kind: iis, line: x}, ")
    )
    rule = compile_rule(load_content([("r.yml", text.encode())]).rules[0])
    found = [(one.which, one.number, one.reason.split(":")[0]) for one in check_examples(rule, _view)]
    assert found == [
        ("fire", 1, "does not fire"),
        ("quiet", 1, "the rule's log source does not serve 'ews' (it serves"),
        ("quiet", 2, "cannot be read"),
        ("quiet", 3, "fires"),
    ]


def test_example_on_a_field_that_cannot_be_carried() -> None:
    text = CLEAN.replace("{kind: iis, fields: {cs-uri-stem: /zntwv.aspx}}", "{kind: iis, fields: {other: x}}")
    rule = compile_rule(load_content([("r.yml", text.encode())]).rules[0])
    assert "cannot be carried" in check_examples(rule, _view)[0].reason


def test_our_own_rules_load_and_pass() -> None:
    folders = [path for path in sorted(OWN.iterdir()) if path.is_dir() and path.name != "lists"] if OWN.is_dir() else []
    rules = load_rules(folders)
    assert [str(error) for error in rules.errors] == []
    problems = [f"{one.path}: {one.check}: {one.message}" for one in lint(rules, own=True) if one.severity == "error"]
    assert problems == []
    assert len(rules.rules) > 50
