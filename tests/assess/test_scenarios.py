"""Every scenario of the demo is examined as its ground truth says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from afterpatch.demo import SCENARIOS, Truth
from afterpatch.model import parse_iso, severity_at_least, stage_rank

NAMES = [each.name for each in SCENARIOS]
QUIET = ("quiet-quarter", "late-logs", "exchange-2010", "admin-oab-changes")
CODES = {"compromised": 1, "attempted": 1, "no-evidence": 0, "inconclusive": 3}
# Ways in that name no hole: they stand beside the chain of the truth and say less than it.
GENERIC = ("web-shell", "mail-theft", "iis-persistence", "tampering")

Examined = Callable[..., tuple[Any, Truth]]
each_scenario = pytest.mark.parametrize("name", NAMES)


def moment(text: str) -> datetime:
    parsed = parse_iso(text)
    assert parsed is not None
    return parsed


def by_name(servers: list[dict[str, Any]], truth: Truth) -> dict[str, dict[str, Any]]:
    """The examined servers by name; a single one whose evidence names it nowhere takes the name of the truth."""
    if len(servers) == len(truth.servers) == 1 and not servers[0]["name"]:
        return {truth.servers[0]: servers[0]}
    return {each["name"]: each for each in servers}


@each_scenario
def test_servers_verdicts_and_exit_code(examined: Examined, name: str) -> None:
    ran, truth = examined(name)
    servers = by_name(ran.servers, truth)
    assert {server: each["verdict"]["state"] for server, each in servers.items()} == dict(truth.verdicts)
    assert ran.code == max((CODES[state] for _, state in truth.verdicts), key=lambda code: (code == 1, code == 3))
    assert ran.err == ""


@each_scenario
def test_chains_and_their_stages(examined: Examined, name: str) -> None:
    ran, truth = examined(name)
    servers = by_name(ran.servers, truth)
    for server, each in servers.items():
        wanted = {chain.id: chain.stage for chain in truth.chains if chain.server == server}
        found = {chain["id"]: chain["stage"] for chain in each["chains"]}
        assert {key: found[key] for key in found if key in wanted or key not in GENERIC} == wanted
        assert all(found[key] == "probed" for key in found if key not in wanted)


@each_scenario
def test_chains_begin_and_end_with_what_was_played(examined: Examined, name: str) -> None:
    ran, truth = examined(name)
    servers = by_name(ran.servers, truth)
    for chain in truth.chains:
        (found,) = [each for each in servers[chain.server]["chains"] if each["id"] == chain.id]
        first, last = moment(found["first_seen"]), moment(found["last_seen"])
        # IIS writes whole seconds; a first look before the attack proper may count, a back end may end a little earlier
        assert chain.first - timedelta(minutes=1) <= first <= chain.first + timedelta(seconds=10)
        assert last >= chain.last - timedelta(seconds=2)
        assert set(found["sources"]) <= {*chain.sources, *truth.scanners}
        assert set(found["sources"]) & set(chain.sources)


@each_scenario
def test_back_doors_with_state_and_users(examined: Examined, name: str) -> None:
    ran, truth = examined(name)
    servers = by_name(ran.servers, truth)
    wanted = {(door.server, door.path.lower(), door.kind, door.state, tuple(sorted(door.used_by))) for door in truth.doors}
    found = {
        (server, door["path"].lower(), door["kind"], door["state"], tuple(sorted(door["used_by"])))
        for server, each in servers.items()
        for door in each["backdoors"]
    }
    assert found == wanted


@each_scenario
def test_every_back_door_was_used_after_it_was_first_seen(examined: Examined, name: str) -> None:
    ran, _truth = examined(name)
    doors = [door for server in ran.servers for door in server["backdoors"]]
    known = {finding["id"] for server in ran.servers for finding in server["findings"]}
    for door in doors:
        assert door["last_used"] is None or moment(door["first_seen"]) <= moment(door["last_used"])
        assert (door["kind"] == "web-shell") == bool(door["used_by"])
        assert door["findings"]
        assert set(door["findings"]) <= known
    assert bool(doors) == bool(_truth.doors)


@each_scenario
def test_mailboxes_that_were_taken(examined: Examined, name: str) -> None:
    ran, truth = examined(name)
    named = {item["value"] for server in ran.servers for item in server["impact"]["mailboxes"] if item["certainty"] == "known"}
    assert named == set(truth.mailboxes)


@each_scenario
def test_intruders_are_kept_apart(examined: Examined, name: str) -> None:
    ran, truth = examined(name)
    actors = [actor for server in ran.servers for chain in server["chains"] for actor in chain["actors"]]
    true = [set(actor.addresses) for actor in truth.actors]
    for actor in actors:
        assert sum(bool(set(actor["sources"]) & each) for each in true) <= 1, "two intruders as one"
        if set(actor["sources"]) & set(truth.scanners):
            assert len(actor["sources"]) == 1, "a scanner joined with an intruder"
            assert actor["stage"] == "probed"
    if true and len(truth.servers) == 1:
        joined = [set(actor["sources"]) for actor in actors if stage_rank(actor["stage"]) > 0]
        assert sorted(map(sorted, joined)) == sorted(map(sorted, true))


@pytest.mark.parametrize("name", QUIET)
def test_nothing_at_medium_or_above_where_nothing_happened(examined: Examined, name: str) -> None:
    ran, _truth = examined(name)
    loud = [each for server in ran.servers for each in server["findings"] if severity_at_least(each["severity"], "medium")]
    assert [(each["severity"], each["title"]) for each in loud] == []
    assert [server["chains"] for server in ran.servers] == [[]]


def test_the_rare_page_check_knows_shipped_pages_below_a_mailbox(examined: Examined) -> None:
    """`/ecp/user@example.com/RulesEditor/InboxRules.svc` is a page of every build."""
    ran, _truth = examined("proxytoken")
    assert [each["subject"]["path"] for each in ran.server["findings"] if each["detection"] == "rare-page"] == []


@pytest.mark.parametrize("name", ["quiet-quarter", "admin-oab-changes"])
def test_a_quiet_covered_time_says_no_evidence(examined: Examined, name: str) -> None:
    ran, _truth = examined(name)
    verdict = ran.server["verdict"]
    assert verdict["state"] == "no-evidence"
    assert "clean" not in f"{verdict}".lower()
    assert (verdict["confidence"], verdict["limits"]) == ("high", [])


def test_logs_that_begin_late_are_inconclusive(examined: Examined) -> None:
    ran, _truth = examined("late-logs")
    (limit,) = [each for each in ran.server["verdict"]["limits"] if "begin on" in each]
    assert "2021-04-20" in limit
    assert "2021-01-03" in limit
    (entry,) = [each for each in ran.server["answerable"] if "proxylogon" in each["question"].lower()]
    assert entry["state"] != "yes"
    assert entry["missing"]


def test_exchange_2010_says_which_logs_do_not_exist_there(examined: Examined) -> None:
    ran, _truth = examined("exchange-2010")
    assert ran.server["product"] == "Exchange 2010"
    (limit,) = [each for each in ran.server["verdict"]["limits"] if "Exchange 2010" in each]
    assert "HttpProxy" in limit
    assert "ECP Server" in limit


def test_two_servers_tell_where_the_attack_came_through(examined: Examined) -> None:
    ran, _truth = examined("dag-two-servers")
    first, second = ran.servers
    assert (first["name"], second["name"]) == ("EXCH01", "EXCH02")
    assert [item["value"].lower() for item in first["impact"]["hosts"]] == ["exch02.example.local"]
    assert first["backdoors"] == []
    relayed = [each for each in second["findings"] if ["relayed by", "10.0.0.5"] in each["subject"].get("extra", [])]
    assert relayed
    assert all(each["subject"]["ip"] == "" for each in relayed), "the front end is no source of an attack"


def on_disk(folder: Path, several: bool, server: str, path: str) -> Path:
    """Where the drive layout puts a server's own path."""
    return (folder / server if several else folder).joinpath(*path.replace(":", "", 1).split("\\"))


@each_scenario
def test_every_proof_leads_back_to_its_line(examined: Examined, scenario: Callable[..., Any], name: str) -> None:
    """Path, line and hash of every raw line are those of the file in the evidence."""
    ran, truth = examined(name)
    folder, _ = scenario(name)
    seen = 0

    @cache
    def content(path: Path) -> bytes:
        return path.read_bytes()

    for server in ran.servers:
        for finding in server["findings"]:
            for proof in finding["evidence"]:
                data = content(on_disk(folder, len(truth.servers) > 1, server["name"], proof["path"]))
                if proof["sha256"]:
                    assert proof["sha256"] == hashlib.sha256(data).hexdigest()
                if "line" in proof:
                    rest = data.split(b"\n", proof["line"] - 1)[proof["line"] - 1]
                    if proof["path"].lower().endswith(".log"):
                        assert proof["raw"].encode() in rest.partition(b"\n")[0]
                    else:  # the checks of files quote from the line on, runs of spaces as one
                        assert " ".join(proof["raw"].split()).encode() in b" ".join(rest[:2000].split())
                    seen += 1
    assert seen or not truth.chains
    assert all(finding["evidence"] for server in ran.servers for finding in server["findings"] if finding["stage"])


@each_scenario
def test_every_line_of_every_log_is_accounted_for(examined: Examined, scenario: Callable[..., Any], name: str) -> None:
    ran, _truth = examined(name)
    folder, _ = scenario(name)
    for server in ran.servers:
        for entry in server["coverage"]:
            assert entry["records"] + entry["bad"] + entry["header_lines"] == entry["lines"], entry["artifact"]
    wanted = sum(
        path.read_bytes().count(b"\n")
        for path in folder.rglob("*")
        if path.suffix.lower() == ".log" and path.name != "ExchangeSetup.log"
    )
    entries = [entry for server in ran.servers for entry in server["coverage"] if entry["artifact"] != "event-log"]
    assert sum(entry["lines"] for entry in entries) == wanted
    assert ran.document["notices"] == []


@each_scenario
def test_grave_findings_name_nobody_but_intruders(examined: Examined, name: str) -> None:
    ran, truth = examined(name)
    guilty = {address for actor in truth.actors for address in actor.addresses} | set(truth.scanners)
    named = {
        finding["subject"]["ip"]
        for server in ran.servers
        for finding in server["findings"]
        if severity_at_least(finding["severity"], "high")
    } - {""}
    assert named <= guilty
    assert bool(named) == (truth.verdict == "compromised" or name == "viewstate")


@pytest.mark.slow
def test_a_whole_quiet_quarter(tmp_path: Path, examine: Callable[..., Any]) -> None:
    from afterpatch.demo import write_scenario

    write_scenario("quiet-quarter", tmp_path / "e")
    ran = examine(tmp_path / "e", tmp_path / "case", "--jobs", "2")
    assert (ran.code, ran.server["verdict"]["state"]) == (0, "no-evidence")
    assert not [each for each in ran.server["findings"] if severity_at_least(each["severity"], "medium")]
