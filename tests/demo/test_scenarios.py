"""Every scenario writes evidence in the servers' own formats, and its truth says what is there."""

from __future__ import annotations

import csv
import hashlib
import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from evtx import PyEvtxParser

from afterpatch.demo import BY_NAME, SCENARIOS, Scenario, Truth, write_scenario
from afterpatch.demo.streams import columns

NAMES = [scenario.name for scenario in SCENARIOS]
DAY = timedelta(days=1)
_ADDRESS = r"(?<![\w./])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w./]|\.\d)"
ALLOWED = [
    ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "10.0.0.0/24", "127.0.0.0/8")
]


def bounds(scenario: Scenario) -> dict[str, object]:
    """A few days around what is planted: enough for every check, quick to write."""
    if scenario.needs is None:
        return {"start": scenario.start, "end": scenario.start + 3 * DAY}
    return {"start": scenario.needs[0] - DAY, "end": scenario.needs[1] + DAY}


Written = Callable[[str], tuple[Path, Truth]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Scenarios, each written once for all tests of this module."""
    base = tmp_path_factory.mktemp("scenarios")

    @cache
    def write(name: str) -> tuple[Path, Truth]:
        return base / name, write_scenario(name, base / name, **bounds(BY_NAME[name]))  # type: ignore[arg-type]

    return write


def on_disk(folder: Path, truth: Truth, server: str, path: str) -> Path:
    """Where the drive layout puts a server path."""
    root = folder / server if len(truth.servers) > 1 else folder
    return root.joinpath(*path.replace(":", "", 1).split("\\"))


def logs(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix.lower() == ".log" and path.name != "ExchangeSetup.log":
            yield path


def rows(path: Path) -> Iterator[tuple[list[str], list[str]]]:
    """(columns in force, values) of every data row; asserts the shape of the header on the way."""
    data = path.read_bytes()
    assert data.endswith(b"\r\n")
    fields: list[str] | None = None
    for line in data.decode("utf-8-sig").split("\r\n")[:-1]:
        if line.startswith("#"):
            if line.startswith("#Fields: "):
                text = line.removeprefix("#Fields: ")
                fields = text.split(" " if "cs-uri" in text else ",")
            continue
        if fields is None:
            assert line.startswith("DateTime,"), "only the plain header row may stand before the # lines"
            continue
        yield fields, line.split(" ") if "s-ip" in fields else next(csv.reader([line]))


@pytest.mark.parametrize("name", NAMES)
def test_rows_have_the_columns_their_header_names(written: Written, name: str) -> None:
    folder, _ = written(name)
    seen = 0
    for path in logs(folder):
        previous = ""
        for fields, values in rows(path):
            assert len(values) == len(fields), (path, values)
            time = f"{values[0]} {values[1]}" if "s-ip" in fields else values[0]
            assert time >= previous, (path, "rows stand in the order of time")
            previous = time
            seen += 1
    assert seen > 300


@pytest.mark.parametrize("name", NAMES)
def test_planted_lines_are_where_the_truth_says(written: Written, name: str) -> None:
    folder, truth = written(name)
    for item in truth.planted:
        lines = on_disk(folder, truth, item.server, item.path).read_text("utf-8-sig").splitlines()
        positions = [lines.index(line) for line in item.lines]
        assert positions == sorted(positions)
    planned = BY_NAME[name].needs is not None and name not in ("quiet-quarter", "admin-oab-changes")
    assert bool(truth.planted) is planned
    assert truth.verdict == ("attempted" if name in ("probes-only", "viewstate") else truth.verdict)


@pytest.mark.parametrize("name", NAMES)
def test_chains_and_actors_leave_rows_in_their_time(written: Written, name: str) -> None:
    folder, truth = written(name)
    text = "\n".join(line for item in truth.planted for line in item.lines)
    for chain in truth.chains:
        assert truth.start <= chain.first <= chain.last < truth.end
        assert all(source in text for source in chain.sources)
    for actor in truth.actors:
        assert all(address in text for address in actor.addresses)
    for mailbox in truth.mailboxes:
        assert mailbox in text or mailbox.replace("@", "%40") in text
    assert (truth.verdict == "compromised") is any(stage not in ("probed", "attempted") for stage in truth.stages.values())
    assert folder.is_dir()


@pytest.mark.parametrize("name", NAMES)
def test_back_doors_are_in_the_state_the_truth_says(written: Written, name: str) -> None:
    folder, truth = written(name)
    compiled = [path.name for path in folder.rglob("*.compiled")]
    for door in truth.doors:
        if door.kind == "service":  # events tell of it, no registry does
            assert door.state == "unknown"
            continue
        file = on_disk(folder, truth, door.server, door.path)
        assert file.exists() is (door.state == "present")
        page = door.path.rpartition("\\")[2].lower()
        assert any(trace.startswith(f"{page}.") for trace in compiled)
        if door.state == "present":
            assert b"[removed]" in file.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_only_documentation_addresses_and_names(written: Written, name: str) -> None:
    folder, _ = written(name)
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        text = path.read_text("utf-8", errors="replace")
        for found in set(re.findall(_ADDRESS, text)) if path.suffix.lower() == ".log" else ():
            if not found.startswith(("14.", "15.", "16.", "88.")):  # versions of products
                assert any(ipaddress.ip_address(found) in network for network in ALLOWED), (path, found)
        for domain in set(re.findall(r"@([a-z0-9-]+\.[a-z.]+)", text)):
            assert domain.split(":")[0].endswith(("example.com", "example.net", "example.local")), (path, domain)


@pytest.mark.parametrize("name", NAMES)
def test_the_request_logs_have_rows_in_every_hour(written: Written, name: str) -> None:
    folder, truth = written(name)
    for server in truth.servers:
        root = folder / server if len(truth.servers) > 1 else folder
        for site in ("W3SVC1", "W3SVC2") if name != "exchange-2010" else ("W3SVC1",):
            hours: set[str] = set()
            for path in root.rglob(f"{site}/*.log"):
                hours |= {f"{values[0]} {values[1][:2]}" for _, values in rows(path)}
            assert len(hours) == (truth.end - truth.start) // timedelta(hours=1)


def test_front_end_and_proxy_rows_join_by_id(written: Written) -> None:
    folder, _ = written("intrusion")
    front = "\n".join(path.read_text() for path in folder.rglob("W3SVC1/*.log"))
    ids = set(re.findall(r"cafeReqId=([0-9a-f-]{36})", front))
    place = columns("httpproxy").index("RequestId")
    proxied = {values[place] for path in folder.rglob("HttpProxy_*.LOG") for _, values in rows(path)}
    assert len(proxied) > 200
    assert proxied <= ids


def test_the_update_shows_in_the_builds_of_the_rows(written: Written) -> None:
    folder, _ = written("intrusion")
    place = columns("httpproxy").index("RevisionVersion")
    by_day: dict[str, set[str]] = {}
    for path in folder.rglob("HttpProxy_*.LOG"):
        for _, values in rows(path):
            by_day.setdefault(values[0][:10], set()).add(values[place])
    assert by_day["2021-03-05"] == {"2"}
    assert by_day["2021-03-06"] == {"2", "13"}
    assert by_day["2021-03-07"] == {"13"}


def test_the_two_servers_share_the_work_of_one_intrusion(written: Written) -> None:
    _, truth = written("dag-two-servers")
    kinds = {(item.server, item.path.split("\\")[-2]) for item in truth.planted}
    assert ("EXCH01", "Ecp") in kinds
    assert ("EXCH02", "Server") in kinds
    assert ("EXCH01", "Server") not in kinds
    assert ("EXCH02", "Ecp") not in kinds


def test_commands_of_one_session_share_its_id(written: Written) -> None:
    _, truth = written("intrusion")
    lines = [line for item in truth.planted if "\\ECP\\Server\\" in item.path for line in item.lines]
    groups = {re.findall(r"S:SID=([0-9a-f-]{36})", line)[0] for line in lines}
    assert len(lines) > 10
    assert len(groups) == 2


def test_exchange_2010_writes_neither_proxy_nor_ecp_logs(written: Written) -> None:
    folder, _ = written("exchange-2010")
    names = {path.parent.name for path in logs(folder)}
    assert names == {"W3SVC1", "RPC Client Access", "HTTPERR"}
    fields, _ = next(rows(next(folder.rglob("W3SVC1/*.log"))))
    assert len(fields) == 14


def test_the_incident_holds_the_published_lines(written: Written) -> None:
    _, truth = written("incident")
    lines = [line for item in truth.planted for line in item.lines]
    assert sum("/ecp/y.js" in line and "ServerInfo~a]@" in line for line in lines) == 11
    assert sum(",ECP.Request," in line for line in lines) == 17
    assert sum("/owa/auth/RedirSuiteServerProxy.aspx" in line and ",200," in line for line in lines) == 5
    assert any("ADNoSuchObjectException" in line and "exist.\\r\\n\\r\\nThe" in line for line in lines)


def test_theft_grows_in_the_rows_and_names_the_mailbox_behind(written: Written) -> None:
    _, truth = written("ssrf-theft")
    size = columns("httpproxy").index("ResponseBytes")
    proxied = [next(csv.reader([line])) for item in truth.planted if "\\HttpProxy\\" in item.path for line in item.lines]
    sizes = [int(values[size]) for values in proxied if values[0] < "2021-01-07"]
    assert sizes == sorted(sizes)
    assert len(sizes) == 8
    assert truth.mailboxes == ("user02@example.com", "user09@example.com")


def test_an_exported_page_begins_like_a_mailbox_file(written: Written) -> None:
    folder, truth = written("proxyshell-export")
    (door,) = truth.doors
    assert on_disk(folder, truth, door.server, door.path).read_bytes().startswith(b"!BDN")


def test_the_same_arguments_give_the_same_bytes(written: Written, tmp_path: Path) -> None:
    digests = []
    for number in (1, 2):
        folder = tmp_path / str(number) / "evidence"
        write_scenario("intrusion", folder, seed=7, **bounds(BY_NAME["intrusion"]))  # type: ignore[arg-type]
        digests.append(digest(folder))
    assert digests[0] == digests[1]
    assert digests[0] != digest(written("intrusion")[0])


def digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            whole.update(f"{path.relative_to(folder)}\0{int(path.stat().st_mtime)}\0".encode() + path.read_bytes())
    return whole.hexdigest()


def test_the_truth_lies_beside_the_evidence(written: Written) -> None:
    folder, truth = written("two-actors")
    document = json.loads(folder.with_name("two-actors.truth.json").read_text("utf-8"))
    assert document["scenario"] == "two-actors"
    assert [actor["name"] for actor in document["actors"]] == ["first", "second"]
    assert not list(folder.rglob("*truth*"))
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert (len(files), sum(path.stat().st_size for path in files)) == (truth.files, truth.bytes)


def test_event_logs_tell_what_the_truth_tells(written: Written) -> None:
    folder, truth = written("intrusion")
    logs = {path.stem: path for path in folder.rglob("*.evtx")}
    assert sorted(logs) == ["Application", "MSExchange Management", "Security", "System"]
    events = {
        name: [json.loads(each["data"])["Event"] for each in PyEvtxParser(str(path)).records_json()]
        for name, path in logs.items()
    }
    commands = [each["EventData"]["Data"] for each in events["MSExchange Management"]]
    assert any("Set-OabVirtualDirectory" in str(each) and "<script" in str(each) for each in commands)
    started = [each for each in events["Security"] if each["System"]["EventID"] == "4688"]
    assert len(started) == 4, "the first command of each stay at a page"
    (cleared,) = [each for each in events["System"] if each["System"]["EventID"] == "104"]
    left = min(each["System"]["TimeCreated"]["#attributes"]["SystemTime"] for each in events["Application"])
    assert left >= cleared["System"]["TimeCreated"]["#attributes"]["SystemTime"]
    assert [door.path.rpartition("\\")[2] for door in truth.doors if door.kind == "service"] == ["HealthHelper"]
