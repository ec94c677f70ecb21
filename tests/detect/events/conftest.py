"""Events written as flat fields, brought into the JSON text of the EVTX reader, and judged in every way there is.

Tests get this module as the fixture `kit`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

import afterpatch.detect as detect
from afterpatch.detect.events import EventJob, EventPlan, make_event_plan, scan_event_log
from afterpatch.detect.events.scan import _Worker
from afterpatch.detect.plane.tally import LogScan
from afterpatch.detect.sigma import RuleSet, compile_rules, load_rules
from afterpatch.model import Locator
from afterpatch.parsers.events.evtx import Batch
from afterpatch.parsers.events.positional import named_providers

RULES = Path(detect.__file__).parent / "rules"
WHEN = "2021-03-03T06:59:10.817000Z"
_SYSTEM = ("Provider_Name", "EventID", "Level", "Channel", "Computer")


@cache
def rule_set() -> RuleSet:
    """The shipped rules."""
    return load_rules(sorted(path for path in RULES.iterdir() if path.is_dir() and path.name != "lists"))


@cache
def plan(fallback: bool = False) -> EventPlan:
    """All shipped rules that apply to event logs."""
    return make_event_plan(compile_rules(rule_set(), applicable_only=True), force_fallback=fallback)


def plan_of(*texts: str) -> EventPlan:
    """A plan of rules given as YAML."""
    from afterpatch.detect.sigma.load import load_content

    loaded = load_content([(f"rule{number}.yml", text.encode()) for number, text in enumerate(texts)])
    assert not loaded.errors, loaded.errors
    return make_event_plan(compile_rules(loaded))


def event(fields: Mapping[str, str], number: int = 1, when: str = WHEN) -> dict[str, Any]:
    """The object of an event. `Data` is the positional values, one a line; `UserData_x` is the `x` of UserData."""
    system: dict[str, Any] = {
        "Provider": {"#attributes": {"Name": fields.get("Provider_Name", "Example")}},
        "EventID": int(fields.get("EventID", "0")),
        "Version": 0,
        "Level": int(fields.get("Level", "4")),
        "Task": 0,
        "Keywords": "0x8000000000000000",
        "TimeCreated": {"#attributes": {"SystemTime": when}},
        "EventRecordID": number,
        "Execution": {"#attributes": {"ProcessID": 4, "ThreadID": 8}},
        "Channel": fields.get("Channel", "Application"),
        "Computer": fields.get("Computer", "exch01.example.local"),
        "Security": None,
    }
    data: dict[str, Any] = {
        name: value for name, value in fields.items() if name not in (*_SYSTEM, "Data") and not name.startswith("UserData_")
    }
    user = {name.removeprefix("UserData_"): value for name, value in fields.items() if name.startswith("UserData_")}
    if "Data" in fields:
        data["Data"] = {"#text": fields["Data"].split("\n")}
    parts: dict[str, Any] = {"#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"}, "System": system}
    if user:
        parts["UserData"] = {"Wrapper": {**data, **user}}
    else:
        parts["EventData"] = data
    return {"Event": parts}


def text(fields: Mapping[str, str], number: int = 1, when: str = WHEN) -> str:
    """The JSON text of an event as the EVTX reader gives it."""
    return orjson.dumps(event(fields, number, when)).decode()


def judged(texts: Iterable[str], by: EventPlan, *, slow: bool = False) -> LogScan:
    """Texts judged as records of an EVTX file."""
    scan = LogScan(0)
    worker = _Worker(EventJob(0, Locator(""), 0), by, scan, slow)
    for number, one in enumerate(texts, 1):
        worker._one(Batch(0, []), number, one)
    worker.finish()
    return scan


def scanned(path: Path, by: EventPlan, *, slow: bool = False) -> LogScan:
    """A file scanned."""
    return scan_event_log(EventJob(0, Locator(str(path)), path.stat().st_size), by, slow=slow)


def fired(scan: LogScan) -> set[str]:
    """Names of the rules that fired."""
    names = {rule.rule.id: rule.rule.name for rule in plan().rules}
    return {names.get(detection, detection) for detection, _subject in scan.groups}


def needs_parsing(fields: Mapping[str, str]) -> bool:
    """Whether an event's values get names from a table."""
    return fields.get("Provider_Name", "").lower() in named_providers()


@pytest.fixture(scope="session")
def kit() -> ModuleType:
    return sys.modules[__name__]


@pytest.fixture(autouse=True)
def _bugs_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFTERPATCH_RAISE", "1")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    metafunc.parametrize(
        "case",
        [
            pytest.param((rule.name, dict(example.fields), wanted), id=f"{rule.name}-{word}-{index}")
            for rule in rule_set().rules
            for wanted, word, examples in ((True, "fire", rule.keys.fire), (False, "quiet", rule.keys.quiet))
            for index, example in enumerate(examples)
            if example.kind == "event-log"
        ],
    )
