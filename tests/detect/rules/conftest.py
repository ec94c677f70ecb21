"""Turns a rule's example into raw bytes of a log, reads them back, and judges the record as the plane would.

Tests get this module as the fixture `kit`; `case` walks every example of every shipped rule."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import afterpatch.detect as detect
from afterpatch.detect.sigma.compile import CompiledRule, compile_rules
from afterpatch.detect.sigma.literals import holds
from afterpatch.detect.sigma.load import load_rules
from afterpatch.detect.sigma.mapping import EVENT_LOG, MappedView
from afterpatch.detect.sigma.model import Example, RuleSet
from afterpatch.model import Record
from afterpatch.parsers.fields import derive
from afterpatch.parsers.formats import formats
from afterpatch.parsers.textlog import read_log

RULES = Path(detect.__file__).parent / "rules"
WHEN = "2021-03-03T06:59:10.000Z"


@cache
def rule_set() -> RuleSet:
    """The shipped rules."""
    return load_rules(sorted(path for path in RULES.iterdir() if path.is_dir() and path.name != "lists"))


@cache
def compiled() -> Mapping[str, CompiledRule]:
    """Rule name -> compiled rule."""
    return {one.rule.name: one for one in compile_rules(rule_set())}


def raw_log(example: Example, *, whole: bool, when: str = WHEN) -> bytes:
    """A log with one row. `whole`: with all columns of the kind's newest schema, else only those of the example."""
    form = formats().by_kind[example.kind]
    if example.line:
        columns, row = form.schemas[0].columns, example.line
    else:
        fields = dict(example.fields)
        columns = form.schemas[0].columns if whole else ()
        columns = (*columns, *(name for name in fields if name not in columns))
        clock = next((name for name in columns if name.lower() in {t.lower() for t in form.time}), form.time[0])
        columns = columns if clock in columns else (clock, *columns)
        out = io.StringIO()
        csv.writer(out, lineterminator="").writerow([{clock: when, **fields}.get(name, "") for name in columns])
        row = out.getvalue()
    separator = " " if form.separator == " " else ","
    return f"#Fields: {separator.join(columns)}\r\n{row}\r\n".encode()


def record_of(data: bytes, kind: str) -> Record:
    """The one record of a log."""
    records = [one for one in read_log(kind, io.BytesIO(data)) if isinstance(one, Record)]
    assert len(records) == 1, data
    return records[0]


def judge(rule: CompiledRule, record: Record) -> bool:
    """Whether the rule fires on a record, exactly."""
    return rule.match(MappedView(derive(record.kind, record.fields), rule.mapping, record.kind))


def is_candidate(rule: CompiledRule, raw: str) -> bool:
    """Whether the scan over bytes would hand the line to the rule."""
    line = raw.encode()
    return rule.necessary is None or holds(rule.necessary, line)


def fired_on(record: Record, side: str = "") -> set[str]:
    """Names of the rules that fire on a record."""
    view = derive(record.kind, record.fields, side)
    rules = [one for one in compiled().values() if record.kind in one.kinds]
    return {one.rule.name for one in rules if one.match(MappedView(view, one.mapping, record.kind))}


@pytest.fixture(scope="session")
def kit() -> ModuleType:
    return sys.modules[__name__]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    cases = [
        pytest.param((rule.name, example, wanted, whole), id=f"{rule.name}-{word}-{index}-{'whole' if whole else 'own'}")
        for rule in rule_set().rules
        for wanted, word, examples in ((True, "fire", rule.keys.fire), (False, "quiet", rule.keys.quiet))
        for index, example in enumerate(examples)
        if example.kind != EVENT_LOG  # tests/detect/events walks those
        for whole in ((True,) if example.line else (True, False))
    ]
    metafunc.parametrize("case", cases)
