"""Correlations against brute force, and the meaning of each kind."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.detect.sigma import correlate as module
from afterpatch.detect.sigma.correlate import CorrelationEvent, CorrelationHit, Correlator, correlate, standalone
from afterpatch.detect.sigma.load import load_content
from afterpatch.detect.sigma.model import RuleSet

START = datetime(2021, 3, 3, 6, 0, tzinfo=UTC)
BASE = "".join(
    f"""
title: Rule {name}
name: {name}
id: 00000000-0000-4000-8000-00000000000{index}
logsource: {{product: windows}}
detection: {{s: {{F: x}}, condition: s}}
---"""
    for index, name in enumerate("abc")
)


def load(*sections: str) -> RuleSet:
    """Rules a, b, c and correlations c0, c1 ... of the sections."""
    text = BASE
    for index, section in enumerate(sections):
        text += f"\ntitle: Correlation {index}\nname: c{index}\ncorrelation:\n{section}\n---"
    return load_content([("c.yml", text.removesuffix("---").encode())])


def rules(*sections: str) -> RuleSet:
    loaded = load(*sections)
    assert not loaded.errors, loaded.errors
    return loaded


def event(second: float, rule: str, ref: int = 0, **fields: str) -> CorrelationEvent:
    ids = {name: f"00000000-0000-4000-8000-00000000000{index}" for index, name in enumerate("abc")}
    return CorrelationEvent(ids[rule], START + timedelta(seconds=second), fields, ref)


def shape(hits: Sequence[CorrelationHit]) -> list[tuple[float, float, int]]:
    return [((hit.first - START).total_seconds(), (hit.last - START).total_seconds(), hit.count) for hit in hits]


def section(kind: str, of: str = "a", **keys: str) -> str:
    lines = {"type": kind, "rules": f"[{of}]", "timespan": "10s", "group-by": "[ip]"} | keys
    return "\n".join(f"  {key}: {value}" for key, value in lines.items())


def test_event_count_is_one_episode_while_it_holds() -> None:
    loaded = rules(section("event_count", condition="{gte: 3}"))
    seconds = [0, 1, 2, 3, 50, 51, 70, 71, 72]
    hits = correlate(loaded, [event(second, "a", index, ip="x") for index, second in enumerate(seconds)])
    assert shape(hits) == [(0, 3, 4), (70, 72, 3)]
    assert hits[0].refs == (0, 1, 2, 3)
    assert hits[0].group == (("ip", "x"),)


def test_groups_are_apart_and_letter_case_is_not() -> None:
    loaded = rules(section("event_count", condition="{gte: 2}"))
    events = [event(0, "a", ip="x"), event(1, "a", ip="y"), event(2, "a", ip="X")]
    assert shape(correlate(loaded, events)) == [(0, 2, 2)]


def test_events_without_the_field_are_counted_not_grouped() -> None:
    correlator = Correlator(rules(section("event_count", condition="{gte: 1}")).correlations)
    correlator.feed(event(0, "a"))
    assert correlator.finish() == []
    assert correlator.losses.ungrouped == 1


def test_late_events_are_counted_and_kept() -> None:
    correlator = Correlator(rules(section("event_count", condition="{gte: 2}")).correlations)
    correlator.feed(event(5, "a", ip="x"))
    correlator.feed(event(1, "a", ip="x"))
    assert shape(correlator.finish()) == [(5, 5, 2)]
    assert correlator.losses.late == 1


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("{lt: 3}", [(20, 21, 2)]),
        ("{eq: 3}", [(0, 2, 3)]),
        ("{neq: 3}", [(20, 21, 2)]),
        ("{gt: 1, lte: 2}", [(20, 21, 2)]),
        ("{lte: 3}", [(0, 2, 3), (20, 21, 2)]),
    ],
)
def test_other_operators_judge_the_whole_span(condition: str, expected: list[tuple[float, float, int]]) -> None:
    loaded = rules(section("event_count", condition=condition))
    assert shape(correlate(loaded, [event(second, "a", ip="x") for second in (0, 1, 2, 20, 21)])) == expected


def test_value_count_counts_distinct_values() -> None:
    loaded = rules(section("value_count", condition="{field: user, gte: 3}"))
    users = ["u1", "u1", "u2", "u1", "u3", "u3"]
    hits = correlate(loaded, [event(index, "a", index, ip="x", user=user) for index, user in enumerate(users)])
    assert shape(hits) == [(2, 5, 4)]


def test_value_count_over_two_fields() -> None:
    loaded = rules(section("value_count", condition="{field: [user, host], gte: 2}"))
    same = [event(0, "a", ip="x", user="u", host="h"), event(1, "a", ip="x", user="u", host="h")]
    assert correlate(loaded, same) == []
    assert len(correlate(loaded, [*same, event(2, "a", ip="x", user="u", host="i")])) == 1


def test_sum_average_and_percentile() -> None:
    loaded = rules(
        section("value_sum", condition="{field: n, gt: 10}"),
        section("value_avg", condition="{field: n, gte: 4}"),
        section("value_percentile", condition="{field: n, percentile: 50, gte: 5}"),
        section("value_percentile", condition="{field: name, lte: 34}"),
    )
    rows = [("1", "p"), ("5", "p"), ("6", "q"), ("no number", "p")]
    events = [event(index, "a", ip="x", n=number, name=name) for index, (number, name) in enumerate(rows)]
    values = {hit.rule_id: hit.value for hit in correlate(loaded, events)}
    assert values == {"c0": "12", "c1": "4", "c2": "5", "c3": "q"}


def test_temporal_in_any_order() -> None:
    loaded = rules(section("temporal", of="a, b"))
    assert shape(correlate(loaded, [event(3, "b", ip="x"), event(9, "a", ip="x")])) == [(3, 9, 2)]
    assert correlate(loaded, [event(3, "b", ip="x"), event(14, "a", ip="x")]) == []


def test_temporal_with_a_count_of_rules() -> None:
    loaded = rules(section("temporal", of="a, b, c", condition="{gte: 2}"))
    assert len(correlate(loaded, [event(0, "a", ip="x"), event(1, "c", ip="x")])) == 1


def test_temporal_ordered_takes_the_latest_start() -> None:
    loaded = rules(section("temporal_ordered", of="a, b, c"))
    assert correlate(loaded, [event(0, "b", ip="x"), event(1, "a", ip="x"), event(2, "c", ip="x")]) == []
    late = [event(0, "a", 1, ip="x"), event(8, "a", 2, ip="x"), event(9, "b", 3, ip="x"), event(12, "c", 4, ip="x")]
    assert [hit.refs for hit in correlate(loaded, late)] == [(2, 3, 4)]


def test_extended_condition() -> None:
    loaded = rules(
        section("temporal", of="a, b, c", condition="a and (b or c)"),
        section("temporal", of="a, b", condition="a and not b"),
    )
    hits = correlate(loaded, [event(0, "a", ip="x"), event(1, "c", ip="x"), event(0 + 20, "a", ip="x"), event(21, "b", ip="x")])
    assert [(hit.rule_id, *shape([hit])[0]) for hit in hits] == [("c0", 0, 1, 2), ("c1", 0, 0, 1), ("c0", 20, 21, 2)]


def test_aliases_join_fields_of_other_names() -> None:
    loaded = rules(
        section("temporal", of="a, b", **{"group-by": "[who]", "aliases": "{who: {a: source, b: target}}"}),
        section("event_count", of="c0", **{"group-by": "[who]", "condition": "{gte: 1}"}),
    )
    events = [
        event(0, "a", source="h1", target="h9"),
        event(1, "b", source="h9", target="H1"),
        event(2, "b", target="h2"),
    ]
    assert [(hit.rule_id, hit.group) for hit in correlate(loaded, events)] == [
        ("c0", (("who", "h1"),)),
        ("c1", (("who", "H1"),)),
    ]


def test_correlation_of_correlations() -> None:
    loaded = rules(
        section("temporal_ordered", of="c1, b", timespan="1m"),
        section("event_count", condition="{gte: 3}"),
    )
    events = [event(second, "a", ip="x") for second in (0, 1, 2, 3)] + [event(30, "b", ip="x")]
    hits = correlate(loaded, events)
    assert [(hit.rule_id, *shape([hit])[0]) for hit in hits] == [("c1", 0, 3, 4), ("c0", 2, 30, 2)]


def test_spans_that_end_between_events_feed_others_in_order() -> None:
    loaded = rules(
        section("event_count", condition="{eq: 1}"),
        section("temporal_ordered", of="c0, b", timespan="20s"),
    )
    hits = correlate(loaded, [event(0, "a", ip="x"), event(15, "b", ip="x")])
    assert [hit.rule_id for hit in hits] == ["c0", "c1"]


def test_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GROUPS", 5)
    correlator = Correlator(rules(section("event_count", condition="{gte: 2}")).correlations)
    for index in range(20):
        correlator.feed(event(index, "a", ip=f"h{index}"))
    assert max(len(runner.groups) for runner in correlator.runners) == 5
    assert correlator.losses.forgotten == 15


def test_standalone_and_generate() -> None:
    loaded = rules(section("temporal", of="a, b"), section("event_count", of="b", condition="{gte: 2}", generate="true"))
    names = {rule.id: rule.name for rule in (*loaded.rules, *loaded.correlations)}
    assert {names[one] for one in standalone(loaded)} == {"b", "c", "c0", "c1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (section("event_count"), "needs a condition"),
        (section("counting", condition="{gte: 1}"), "must be one of"),
        (section("event_count", condition="{gte: 1}", timespan="10"), "'timespan' must be"),
        (section("event_count", condition="{gte: 1}", timespan="0s"), "'timespan' must be"),
        (section("event_count", condition="{gte: x}"), "needs a number"),
        (section("event_count", condition="{ge: 1}"), "no key 'ge'"),
        (section("event_count", condition="{field: a}"), "needs one of"),
        (section("value_count", condition="{gte: 1}"), "needs a 'field'"),
        (section("value_sum", condition="{gte: 1, field: [a, b]}"), "takes one field"),
        (section("event_count", condition="{gte: 1, percentile: 5}"), "of no use"),
        (section("temporal", of="a, nobody"), "not loaded"),
        (section("temporal", of="c0, a"), "in a circle"),
        (section("temporal", of="a, b", condition="a and c"), "not in 'rules'"),
        (section("temporal", of="a, b", condition="a and"), "missing"),
        (section("temporal_ordered", of="a, b", condition="a and b"), "takes no expression"),
        (section("temporal_ordered", of="a, b", condition="{lt: 2}"), "takes only"),
        (section("temporal", of="a, b", groupby="[x]"), "no key 'groupby'"),
        (section("temporal", of="a, b", aliases="{x: y}"), "must be a mapping"),
    ],
)
def test_refused(text: str, message: str) -> None:
    loaded = load(text)
    assert len(loaded.errors) == 1
    assert message in loaded.errors[0].message
    assert loaded.errors[0].line >= 20
    assert loaded.correlations == ()


def test_what_leans_on_a_refused_correlation_is_refused_too() -> None:
    loaded = load(section("temporal", of="a, nobody"), section("event_count", of="c0", condition="{gte: 1}"))
    assert len(loaded.errors) == 2
    assert loaded.correlations == ()


steps = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from("abc"), st.sampled_from(["x", "y"]), st.sampled_from(["1", "2", "7"])),
    max_size=25,
)


def _brute(kind: str, seen: Sequence[CorrelationEvent], names: Mapping[str, str]) -> bool:
    """Whether a sliding condition holds at the last event, by trying everything in the span."""
    now = seen[-1].time
    recent = [one for one in seen if (now - one.time).total_seconds() <= 10]
    if kind == "event_count":
        return len(recent) >= 3
    if kind == "value_count":
        return len({one.fields["n"] for one in recent}) >= 3
    if kind == "value_sum":
        return sum(int(one.fields["n"]) for one in recent) > 12
    kinds = [names[one.rule_id] for one in recent]
    if kind == "temporal":
        return set(kinds) == {"a", "b", "c"}
    return kinds[-1] == "c" and any(
        (kinds[i], kinds[j]) == ("a", "b") for i, j in itertools.combinations(range(len(kinds) - 1), 2)
    )


@settings(max_examples=300, deadline=None)
@given(steps, st.sampled_from(["event_count", "value_count", "value_sum", "temporal", "temporal_ordered"]))
def test_sliding_kinds_equal_brute_force(rows: list[tuple[int, str, str, str]], kind: str) -> None:
    conditions = {"event_count": "{gte: 3}", "value_count": "{field: n, gte: 3}", "value_sum": "{field: n, gt: 12}"}
    keys = {"condition": conditions[kind]} if kind in conditions else {}
    loaded = rules(section(kind, of="a, b, c", **keys))
    names = {rule.id: rule.name for rule in loaded.rules}
    clock, events = 0, []
    for index, (wait, rule, ip, number) in enumerate(rows):
        clock += wait
        events.append(event(clock, rule, index, ip=ip, n=number))
    expected = []
    for ip in ("x", "y"):
        mine = [one for one in events if one.fields["ip"] == ip]
        truths = [_brute(kind, mine[: index + 1], names) for index in range(len(mine))]
        starts = [index for index, truth in enumerate(truths) if truth and not (index and truths[index - 1])]
        for start in starts:
            end = next((index for index in range(start, len(truths)) if not truths[index]), len(truths)) - 1
            expected.append((ip, mine[end].time))
    found = [(dict(hit.group)["ip"], hit.last) for hit in correlate(loaded, events)]
    assert sorted(found) == sorted(expected)
