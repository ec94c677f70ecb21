"""The documents of all scenarios keep the contract: every field, every value set, every time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from afterpatch.demo import SCENARIOS

Examined = Callable[..., tuple[Any, Any]]
NAMES = [each.name for each in SCENARIOS]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z\Z")
STAGES = {"probed", "attempted", "succeeded", "wrote", "used"}
CONFIDENCES = {"low", "moderate", "high"}
CERTAINTIES = {"known", "estimated", "not-determinable"}
LAYOUTS = {"drive", "folder", "kape", "velociraptor", "cylr", "archive", "image"}
DOOR_KINDS = {
    "web-shell", "compiled-page", "iis-module", "handler", "virtual-directory", "transport-agent", "modified-file", "task",
    "service",
}  # fmt: skip
MEMBERS = {
    "": {"schema", "run", "evidence", "servers", "detections", "notices"},
    "run": {"version", "rules_version", "started", "finished", "command"},
    "evidence[]": {"source", "layout", "files", "bytes"},
    "servers[]": {
        "name", "product", "cumulative_update", "security_update", "build", "install_path", "build_basis", "verdict",
        "chains", "findings", "backdoors", "exposure", "impact", "coverage", "answerable", "timeline",
    },
    "servers[].verdict": {"state", "confidence", "summary", "reasons", "limits"},
    "servers[].chains[]": {"id", "name", "cves", "stage", "first_seen", "last_seen", "sources", "findings"},
    "servers[].findings[]": {
        "id", "detection", "title", "severity", "confidence", "stage", "techniques", "time", "end_time", "count", "subject",
        "explanation", "benign_causes", "next_steps", "evidence",
    },
    "servers[].findings[].subject": {"ip", "user", "path", "url", "host"},
    "servers[].findings[].evidence[]": {"path", "raw", "sha256"},
    "servers[].backdoors[]": {
        "path", "kind", "state", "sha256", "family", "first_seen", "last_used", "used_by", "findings",
    },
    "servers[].exposure[]": {"cve", "alias", "open_from", "open_until", "state", "basis"},
    "servers[].impact": {"mailboxes", "credentials", "hosts", "bytes_out"},
    "servers[].coverage[]": {"artifact", "files", "records", "bytes", "first", "last", "gaps", "unreadable"},
    "servers[].answerable[]": {"question", "state", "missing"},
    "servers[].timeline[]": {"time", "what", "subject", "findings", "evidence"},
    "detections[]": {"id", "state"},
    "notices[]": {"path", "where", "reason", "count"},
}  # fmt: skip
VALUES = {
    "evidence[].layout": LAYOUTS,
    "servers[].verdict.state": {"compromised", "attempted", "no-evidence", "inconclusive"},
    "servers[].verdict.confidence": CONFIDENCES,
    "servers[].chains[].stage": STAGES,
    "servers[].chains[].actors[].stage": STAGES,
    "servers[].findings[].severity": {"info", "low", "medium", "high", "critical"},
    "servers[].findings[].confidence": CONFIDENCES,
    "servers[].findings[].stage": STAGES | {""},
    "servers[].backdoors[].kind": DOOR_KINDS,
    "servers[].backdoors[].state": {"present", "deleted", "unknown"},
    "servers[].exposure[].state": {"open", "closed", "mitigated", "unknown"},
    "servers[].impact.mailboxes[].certainty": CERTAINTIES,
    "servers[].impact.credentials[].certainty": CERTAINTIES,
    "servers[].impact.hosts[].certainty": CERTAINTIES,
    "servers[].impact.bytes_out.certainty": CERTAINTIES,
    "servers[].answerable[].state": {"yes", "partly", "no"},
    "detections[].state": {"fired", "quiet", "not-applicable", "evidence-missing", "failed"},
}
TIMES = {
    "run.started", "run.finished", "servers[].chains[].first_seen", "servers[].chains[].last_seen",
    "servers[].findings[].time", "servers[].findings[].end_time", "servers[].backdoors[].first_seen",
    "servers[].backdoors[].last_used", "servers[].exposure[].open_from", "servers[].exposure[].open_until",
    "servers[].coverage[].first", "servers[].coverage[].last", "servers[].coverage[].gaps[].start",
    "servers[].coverage[].gaps[].end", "servers[].timeline[].time",
}  # fmt: skip


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for name, member in value.items():
            yield from walk(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for member in value:
            yield from walk(member, f"{path}[]")


@pytest.mark.parametrize("name", NAMES)
def test_members_values_and_times(examined: Examined, name: str) -> None:
    document = examined(name)[0].document
    assert document["schema"] == "afterpatch.examination/1"
    reached = set()
    for path, value in walk(document):
        reached.add(path)
        if path in MEMBERS and isinstance(value, dict):
            assert MEMBERS[path] <= set(value), path
        if path in VALUES:
            assert value in VALUES[path], path
        if path in TIMES and value is not None:
            assert TIME.match(value), path
    assert {"servers[].coverage[].gaps", "servers[].timeline[]", "servers[].exposure[]", "detections[]"} <= reached


@pytest.mark.parametrize("name", NAMES)
def test_findings_are_told_apart_and_explained(examined: Examined, name: str) -> None:
    document = examined(name)[0].document
    states = {each["id"]: each["state"] for each in document["detections"]}
    for server in document["servers"]:
        identities = [each["id"] for each in server["findings"]]
        assert len(set(identities)) == len(identities)
        for each in server["findings"]:
            assert each["explanation"]
            assert each["benign_causes"]
            assert each["next_steps"]
            assert each["count"] >= 1
            if each["origin"] in ("rule", "indicator"):
                assert each["evidence"]
                assert all(("line" in proof or "record" in proof) and "offset" in proof for proof in each["evidence"])
            assert all(proof["path"] for proof in each["evidence"])
            if each["origin"] in ("rule", "check") and each["detection"] in states:
                assert states[each["detection"]] == "fired", each["detection"]
        for chain in server["chains"]:
            assert set(chain["findings"]) <= set(identities)
            assert chain["first_seen"] <= chain["last_seen"]
            assert chain["sources"] == sorted(set(chain["sources"]))
        for entry in server["timeline"]:
            assert set(entry["findings"]) <= set(identities)
        times = [entry["time"] for entry in server["timeline"]]
        assert times == sorted(times, key=lambda text: text.replace("Z", ".000Z") if "." not in text else text)


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_a_key_nobody_looked_up_and_nothing_is_called_clean(examined: Examined, name: str) -> None:
    ran = examined(name)[0]
    texts = [str(value) for path, value in walk(ran.document) if isinstance(value, str) and "_key" not in path]
    assert not [text for text in texts if text.startswith(("msg:", "notice.", "basis.", "action."))]
    assert "msg:" not in ran.out
    assert not re.search(r"\b(is|was|looks|seems) clean\b", ran.out, re.IGNORECASE)
    assert "clean" not in json.dumps([server["verdict"] for server in ran.servers]).lower()


@pytest.mark.parametrize("name", NAMES)
def test_exactly_one_answer_for_each_question(examined: Examined, name: str) -> None:
    for server in examined(name)[0].servers:
        questions = [each["question"] for each in server["answerable"]]
        assert len(set(questions)) == len(questions)
        assert len(questions) >= 4
        for each in server["answerable"]:
            assert each["state"] == "yes" or each["missing"], "what is not answered says what was lacking"
