"""Every example of every rule on event logs: fast and slow, as EVTX and as an export, with both search engines."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import orjson
import yaml

Case = tuple[str, dict[str, str], bool]


def test_example(kit: ModuleType, case: Case) -> None:
    name, fields, wanted = case
    fast = kit.fired(kit.judged([kit.text(fields)], kit.plan()))
    assert (name in fast) is wanted
    assert fast == kit.fired(kit.judged([kit.text(fields)], kit.plan(), slow=True))
    assert fast == kit.fired(kit.judged([kit.text(fields)], kit.plan(True)))


def test_example_exported(kit: ModuleType, case: Case, tmp_path: Path) -> None:
    name, fields, wanted = case
    flat = {
        "EventTime": "2021-03-03 06:59:10",
        "Hostname": fields["Computer"],
        "SourceName": fields["Provider_Name"],
        "SeverityValue": 2,
        "Severity": {"1": "CRITICAL", "2": "ERROR", "3": "WARNING"}.get(fields["Level"], "INFO"),
        "RecordNumber": 7,
        **{key: value for key, value in fields.items() if key not in ("Computer", "Provider_Name", "Level")},
    }
    path = tmp_path / "export.json"
    path.write_bytes(orjson.dumps(flat) + b"\n")
    if "Data" in fields or any(key.startswith("UserData_") for key in fields):
        path.write_bytes(kit.text(fields).encode() + b"\n")  # a flat export has no positions
    scan = kit.scanned(path, kit.plan())
    assert scan.records == 1
    assert (name in kit.fired(scan)) is wanted


def test_every_rule_on_events_has_both_kinds_of_examples(kit: ModuleType) -> None:
    for rule in kit.rule_set().rules:
        if Path(rule.header.path).parent.name == "events":
            assert rule.keys.fire, rule.name
            assert len(rule.keys.quiet) >= 2, rule.name
            assert all(example.kind == "event-log" for example in (*rule.keys.fire, *rule.keys.quiet))


def test_every_rule_on_events_applies(kit: ModuleType) -> None:
    mine = {rule.rule.name for rule in kit.plan().rules}
    folder = {rule.name for rule in kit.rule_set().rules if Path(rule.header.path).parent.name == "events"}
    assert len(folder) > 50
    assert folder <= mine


def test_chinese_says_as_much(kit: ModuleType) -> None:
    chinese = yaml.safe_load((kit.RULES / "events-zh-CN.yml").read_text("utf-8"))
    rules = {rule.name: rule for rule in kit.rule_set().rules if Path(rule.header.path).parent.name == "events"}
    assert set(chinese) == set(rules)
    for name, texts in chinese.items():
        keys = rules[name].keys
        assert set(texts) == {"title", "explain", "benign", "next_steps"}
        assert (len(texts["benign"]), len(texts["next_steps"])) == (len(keys.benign), len(keys.next_steps))
