"""The JSON document: the contract's names, the same bytes every time, and the way back."""

import dataclasses
import json
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from example import RUN, example, one_server
from hostile import VALUES, cycle, hostile
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.knowledge.actions import actions
from afterpatch.model import EvidenceError, Examination, Finding, Notice, ServerExamination, Verdict
from afterpatch.report import document, examination_from, findings_jsonl, run_from, to_bytes
from afterpatch.report.text import message, storable

SERVER = "name product cumulative_update security_update build install_path build_basis verdict chains findings backdoors"
CONTRACT = {
    "run": "version rules_version started finished command",
    "evidence[]": "source layout files bytes",
    "servers[]": SERVER + " backdoors exposure impact coverage answerable timeline",
    "servers[].verdict": "state confidence summary reasons limits",
    "servers[].chains[]": "id name cves stage first_seen last_seen sources findings",
    "servers[].findings[]": "id detection title severity confidence stage techniques time end_time count subject"
    " explanation benign_causes next_steps evidence",
    "servers[].findings[].subject": "ip user path url host",
    "servers[].findings[].evidence[]": "path raw sha256",
    "servers[].backdoors[]": "path kind state sha256 family first_seen last_used used_by findings",
    "servers[].exposure[]": "cve alias open_from open_until state basis",
    "servers[].impact": "mailboxes credentials hosts bytes_out",
    "servers[].coverage[]": "artifact files records bytes first last gaps unreadable",
    "servers[].answerable[]": "question state missing",
    "servers[].timeline[]": "time what subject findings evidence",
    "detections[]": "id state",
    "notices[]": "path where reason count",
}


def reached(value: object, path: str) -> list[dict[str, object]]:
    """All objects at a path like `servers[].chains[]`."""
    values = [value]
    for step in path.split("."):
        name, many = step.removesuffix("[]"), step.endswith("[]")
        values = [one[name] for one in values]  # type: ignore[index]
        values = [part for one in values for part in one] if many else values  # type: ignore[attr-defined]
    return values  # type: ignore[return-value]


@pytest.mark.parametrize("path", CONTRACT)
def test_the_contract_s_members_are_there(path: str) -> None:
    objects = reached(document(example(), RUN), path)
    assert objects
    for one in objects:
        assert set(CONTRACT[path].split()) <= set(one)


def test_the_order_and_the_schema() -> None:
    doc = document(example(), RUN)
    assert list(doc) == ["schema", "run", "evidence", "servers", "detections", "notices"]
    assert doc["schema"] == "afterpatch.examination/1"
    assert doc["run"]["started"] == "2021-03-20T09:00:00Z"
    finding = doc["servers"][0]["findings"][0]
    assert finding["time"] == "2021-03-03T05:12:33Z"
    assert {"line", "offset"} <= set(finding["evidence"][0])
    assert "record" not in finding["evidence"][0]


def test_findings_of_no_server_stand_at_the_top() -> None:
    doc = document(Examination((), (), (), (), one_server().servers[0].findings[:1]), RUN)
    assert [one["id"] for one in doc["findings"]] == ["F0001"]


def test_texts_are_english_and_messages_stay_beside_them() -> None:
    verdict = document(one_server(), RUN)["servers"][0]["verdict"]
    assert verdict["summary"].startswith("Somebody got into this server through ProxyLogon")
    assert verdict["summary_key"].startswith("msg:verdict.summary.compromised|")
    assert len(verdict["reasons_keys"]) == len(verdict["reasons"])
    notices = document(example(), RUN)["notices"]
    assert notices[1]["reason_key"] == "notice.encrypted-member: secret.txt"
    assert "reason_key" not in notices[3]


def test_the_steps_are_sentences() -> None:
    """A reader of the document alone is told what to do, not only the names of steps."""
    steps = actions()
    server = replace(example().servers[0], actions=tuple(message(f"action.{one.id}") for one in steps))
    told = document(replace(example(), servers=(server,)), RUN)["servers"][0]["actions"]
    assert told == [one.text["en"] for one in steps]
    assert all(len(text) > 20 for text in told)


def test_the_same_input_gives_the_same_bytes_but_for_the_run() -> None:
    later = replace(RUN, started=datetime(2030, 1, 1, tzinfo=UTC), command="other")
    one, other = document(example(), RUN), document(example(), later)
    assert to_bytes(one) == to_bytes(document(example(), RUN))
    assert to_bytes(one) != to_bytes(other)
    assert {**one, "run": 0} == {**other, "run": 0}
    assert to_bytes(one).endswith(b"}\n")


def test_the_way_back_gives_the_same_examination() -> None:
    for examination in (example(), one_server(), Examination((), (), (), ())):
        stored = orjson.loads(to_bytes(document(examination, RUN)))
        assert examination_from(stored) == examination
        assert run_from(stored) == RUN


TEXT = st.text(max_size=20) | st.sampled_from([message("verdict.limit.no-ecp-server"), "notice.damaged: x", "missing.iis"])
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
TIMES = st.none() | st.datetimes(min_value=datetime(1, 1, 2), timezones=st.just(UTC)).map(
    lambda one: one.replace(microsecond=one.microsecond // 1000 * 1000)
)
FINDINGS = st.builds(Finding, TEXT, TEXT, TEXT, TEXT, TEXT, time=TIMES, benign_causes=TEXTS, next_steps=TEXTS, tags=TEXTS)
VERDICTS = st.builds(Verdict, TEXT, TEXT, TEXT, TEXTS, TEXTS)
SERVERS = st.builds(
    ServerExamination,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    TEXTS,
    VERDICTS,
    findings=st.lists(FINDINGS, max_size=2).map(tuple),
)
NOTICES = st.builds(Notice, TEXT, TEXT, TEXT, st.integers(0, 2**60))


@settings(max_examples=60, deadline=None)
@given(st.lists(SERVERS, max_size=2).map(tuple), st.lists(NOTICES, max_size=2).map(tuple))
def test_any_examination_comes_back(servers: tuple[ServerExamination, ...], notices: tuple[Notice, ...]) -> None:
    examination = Examination((), servers, (), notices)
    assert examination_from(orjson.loads(to_bytes(document(examination, RUN)))) == examination


def test_hostile_values_are_valid_json_and_come_back() -> None:
    examination = hostile(example(), cycle(VALUES))
    stored = to_bytes(document(examination, RUN))
    json.loads(stored)
    clean = hostile(example(), cycle(tuple(storable(one) for one in VALUES)))
    back = examination_from(orjson.loads(stored))
    assert back.servers[0].findings == clean.servers[0].findings
    assert to_bytes(document(back, RUN)) == stored


def test_every_field_of_the_model_is_in_the_document() -> None:
    doc = document(one_server(), RUN)
    for kind, one in ((ServerExamination, doc["servers"][0]), (Finding, doc["servers"][0]["findings"][0])):
        assert {field.name for field in dataclasses.fields(kind)} <= set(one)


@pytest.mark.parametrize(
    "doc",
    [
        None,
        [],
        {},
        {"schema": "afterpatch.examination/2"},
        {"schema": "afterpatch.examination/1"},
        {"schema": "afterpatch.examination/1", "evidence": 1, "servers": [], "detections": [], "notices": []},
        {"schema": "afterpatch.examination/1", "evidence": [], "servers": [{}], "detections": [], "notices": []},
        {"schema": "afterpatch.examination/1", "evidence": [1], "servers": [], "detections": [], "notices": []},
    ],
)
def test_another_document_is_refused_in_one_sentence(doc: object) -> None:
    with pytest.raises(EvidenceError, match="not an Afterpatch examination"):
        examination_from(doc)


def test_unknown_members_are_passed_over() -> None:
    doc = orjson.loads(to_bytes(document(one_server(), RUN)))
    doc["later"] = doc["servers"][0]["later"] = {"x": 1}
    assert examination_from(doc) == one_server()


def test_one_finding_a_line() -> None:
    lines = [orjson.loads(line) for line in findings_jsonl(example())]
    assert len(lines) == sum(len(server.findings) for server in example().servers)
    assert lines[0]["server"] == "MAIL01"
    assert all(line.count(b"\n") == 1 for line in findings_jsonl(hostile(example(), cycle(VALUES))))
