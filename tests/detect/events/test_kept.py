"""Programs kept between runs judge as those that are made anew."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from afterpatch.detect import kept
from afterpatch.detect.events import make_event_plan
from afterpatch.detect.events.kept import load_kept
from afterpatch.detect.events.plan import EventPlan
from afterpatch.detect.sigma import compile_rules
from afterpatch.detect.sigma.load import load_content

RULES = """
title: A
id: 00000000-0000-4000-8000-000000000001
logsource: {product: windows, service: security}
detection: {s: {CommandLine|contains: whoami}, t: {CommandLine|contains: "\u0441md"}, condition: s or t}
"""
KEYS = (("Security", 4688),)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def plan(version: str = "1", text: str = RULES) -> EventPlan:
    return make_event_plan(compile_rules(load_content([("r.yml", text.encode())])), version=version)


def fired(kit: ModuleType, by: EventPlan) -> int:
    events = [{"Channel": "Security", "EventID": "4688", "CommandLine": value} for value in ("x WhoAmI", "\u0441md", "c")]
    return sum(group.counts["event-log"] for group in kit.judged(map(kit.text, events), by).groups.values())


def test_kept_programs_judge_alike(kit: ModuleType) -> None:
    first = plan()
    first.prepare(KEYS, worth=False)
    assert not load_kept(first)  # not worth the time
    first.prepare(KEYS, worth=True)
    assert set(load_kept(plan())) == {("security", 4688)}
    again = plan()
    again.prepare(KEYS, worth=False)
    assert fired(kit, first) == fired(kit, again) == 2


def test_other_rules_and_damage_are_not_taken(kit: ModuleType, tmp_path: Path) -> None:
    first = plan()
    first.prepare(KEYS, worth=True)
    assert not load_kept(plan("2"))
    assert not load_kept(plan(""))
    for path in (tmp_path / "afterpatch").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert not load_kept(plan())
    again = plan()
    again.prepare(KEYS, worth=True)
    assert fired(kit, again) == 2


def test_what_is_no_program_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (b"", b"[]", b"{", b'[{"channel":"Security","id":4688}]\n', b"[1]\n"):
        monkeypatch.setattr(kept, "load", lambda _name, _key, data=data: data)
        assert not load_kept(plan())
