"""Event logs in an examination, end to end: EVTX files and exports of the same intrusion."""

from __future__ import annotations

import gzip
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Examine = Callable[..., Any]
FORMS = ("nxlog", "beats")


def told(server: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What findings say, without the words that only some forms of an event hold."""
    return sorted(
        (each["detection"], each["severity"], each["stage"], each["time"], each["count"], each["subject"]["host"])
        for each in server["findings"]
    )


@pytest.fixture(scope="module")
def evtx(events: ModuleType, examine: Examine, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("evtx")
    events.write_evtx(events.intrusion(), folder / "C" / "Windows" / "System32" / "winevt" / "Logs")
    return examine(folder, tmp_path_factory.mktemp("case") / "c")


def rules_of(server: dict[str, Any]) -> set[str]:
    return {tag.removeprefix("rule:") for each in server["findings"] for tag in each["tags"] if tag.startswith("rule:")}


@pytest.mark.parametrize("shape", FORMS)
@pytest.mark.parametrize("place", ["events.json", "exports/winlog.ndjson", "old.txt", "log"])
def test_the_same_intrusion_as_an_export(
    events: ModuleType, examine: Examine, evtx: Any, tmp_path: Path, shape: str, place: str
) -> None:
    events.write_json(events.intrusion(), tmp_path / "in" / place, shape)
    ran = examine(tmp_path / "in", tmp_path / "case")
    assert told(ran.server) == told(evtx.server)
    assert ran.code == evtx.code == 1


def test_exports_in_archives(events: ModuleType, examine: Examine, evtx: Any, tmp_path: Path) -> None:
    plain = tmp_path / "events.json"
    events.write_json(events.intrusion(), plain, "beats")
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "export.zip", "w") as archive:
        archive.write(plain, "some/where/events.json")
    assert told(examine(tmp_path / "in", tmp_path / "zip").server) == told(evtx.server)
    (tmp_path / "gz").mkdir()
    (tmp_path / "gz" / "events.json.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert told(examine(tmp_path / "gz", tmp_path / "gzcase").server) == told(evtx.server)


def test_a_page_of_the_web_folder_is_no_event_log(events: ModuleType, examine: Examine, tmp_path: Path) -> None:
    path = tmp_path / "C" / "inetpub" / "wwwroot" / "aspnet_client" / "x.json"
    events.write_json(events.intrusion(), path, "nxlog")
    ran = examine(tmp_path / "C", tmp_path / "case")
    assert "event-log" not in {each["artifact"] for each in ran.server["coverage"]}


def doors(server: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["path"]: (each["kind"], each["state"]) for each in server["backdoors"]}


TASK, SERVICE = "C:\\Windows\\System32\\Tasks\\Winnet", "HKLM\\SYSTEM\\CurrentControlSet\\Services\\WinUpd"
PAGE, ACCOUNT = "C:\\inetpub\\wwwroot\\aspnet_client\\system_web\\Kx7Qm2Za.aspx", "EXAMPLE\\support2"


def test_events_name_back_doors(evtx: Any) -> None:
    assert doors(evtx.server) == {
        TASK: ("task", "unknown"), SERVICE: ("service", "unknown"), ACCOUNT: ("account", "unknown"),
        PAGE: ("web-shell", "unknown"),
    }  # fmt: skip


def test_files_tell_whether_they_are_still_there(events: ModuleType, examine: Examine, tmp_path: Path) -> None:
    windows = tmp_path / "C" / "Windows" / "System32"
    events.write_evtx(events.intrusion(), windows / "winevt" / "Logs")
    (windows / "Tasks").mkdir()
    (windows / "Tasks" / "Winnet").write_text("<Task/>")
    (tmp_path / "C" / "inetpub" / "wwwroot" / "aspnet_client" / "system_web").mkdir(parents=True)
    (tmp_path / "C" / "inetpub" / "wwwroot" / "aspnet_client" / "system_web" / "x.js").write_text("1")
    found = doors(examine(tmp_path / "C", tmp_path / "case").server)
    assert found[TASK] == ("task", "present")
    assert found[PAGE] == ("web-shell", "deleted")
    (windows / "Tasks" / "Winnet").rename(windows / "Tasks" / "Other")
    assert doors(examine(tmp_path / "C", tmp_path / "case2").server)[TASK] == ("task", "deleted")


def test_removals_are_told_by_events(events: ModuleType, examine: Examine, tmp_path: Path) -> None:
    gone = [
        events.security("03-06 10:00:00", 4699, TaskName="\\Winnet", TaskContent=""),
        events.security("03-06 10:01:00", 4726, TargetUserName="support2", TargetDomainName="EXAMPLE"),
        events.security("03-04 10:00:00", 4726, TargetUserName="other", TargetDomainName="EXAMPLE"),
        events.sysmon("03-05 02:00:00", 23, Image="C:\\x.exe", TargetFilename=PAGE, User="SYSTEM"),  # before it was written
    ]
    events.write_evtx([*events.intrusion(), *gone], tmp_path / "in")
    found = doors(examine(tmp_path / "in", tmp_path / "case").server)
    assert (found[TASK][1], found[ACCOUNT][1], found[PAGE][1]) == ("deleted", "deleted", "unknown")
    assert "EXAMPLE\\other" not in found


def test_daily_work_makes_no_back_door(events: ModuleType, examine: Examine, tmp_path: Path) -> None:
    """Accounts, tasks, modules and groups without a break-in, and on another machine after one."""
    subject = {"SubjectUserName": "admin1"}
    daily = [
        events.security(
            "03-05 03:30:00", 4720, "dc01.example.local", TargetUserName="newstaff", TargetDomainName="EXAMPLE", **subject
        ),
        events.security("03-09 03:30:00", 4720, TargetUserName="late", TargetDomainName="EXAMPLE", **subject),
    ]
    events.write_evtx([*events.intrusion(), *daily], tmp_path / "in")
    assert not {"EXAMPLE\\newstaff", "EXAMPLE\\late"} & set(doors(examine(tmp_path / "in", tmp_path / "case").server))
    quiet = [record for record in events.intrusion() if record.event_id in (4720, 4732)]
    events.write_evtx([*quiet, *daily], tmp_path / "quiet")
    server = examine(tmp_path / "quiet", tmp_path / "case2").server
    assert (server["backdoors"], server["chains"]) == ([], [])
    assert server["verdict"]["state"] == "inconclusive"


def test_reach_and_secrets(evtx: Any) -> None:
    impact = evtx.server["impact"]
    assert [(each["what"], each["value"]) for each in impact["hosts"]] == [("host", "FILE01")]
    assert ("lsass-dump", "known") in {(each["what"], each["certainty"]) for each in impact["credentials"]}


def test_one_chain_of_events_and_text_logs(
    events: ModuleType, scenario: Callable[..., tuple[Path, Any]], examine: Examine, tmp_path: Path
) -> None:
    folder, truth = scenario("intrusion")
    here = tmp_path / "ev"
    shutil.copytree(folder, here)
    events.write_json(events.intrusion(), tmp_path / "flat" / "events.json", "nxlog")
    flat = examine([here, tmp_path / "flat"], tmp_path / "case-flat").server
    events.write_evtx(events.intrusion(), here / "C" / "Windows" / "System32" / "winevt" / "Logs")
    binary = examine(here, tmp_path / "case-evtx").server
    for server in (flat, binary):
        chain = next(each for each in server["chains"] if each["id"] == "proxylogon")
        assert {each["id"]: each["stage"] for each in server["chains"]} == {"proxylogon": "used", "web-shell": "probed"}
        assert set(next(each for each in truth.chains).sources) <= set(chain["sources"])
        named = {tag for each in server["findings"] if each["id"] in chain["findings"] for tag in each["tags"]}
        assert {
            "rule:proxylogon-vdir-script", "rule:oab-object-script", "rule:worker-child-exchange", "rule:lsass-dump",
            "rule:service-odd", "rule:task-known-name", "rule:page-written", "rule:logon-elsewhere-odd", "rule:account-made",
        } <= named  # fmt: skip
        assert doors(server)[PAGE] == ("web-shell", "present")
        assert [(each["what"], each["value"]) for each in server["impact"]["hosts"]] == [("host", "FILE01")]
        steps = {each["what"]: each for each in chain["steps"] if each.get("proofs")}
        started = steps["Exchange's web worker started a command program"]
        proofs = [started["evidence"], *started["proofs"]]
        assert [proof["record"] for proof in proofs if "record" in proof]
        assert any("antSword" in proof["raw"] and "Kx7Qm2Za.aspx" in proof["raw"] for proof in proofs)
        script = next(each for each in steps.values() if "ECPServer" in str(each))
        assert {"record" in proof for proof in (script["evidence"], *script["proofs"])} == {True, False}
        assert len(script["findings"]) == 3  # panel, management log, directory: one act


def test_coverage_by_channel(events: ModuleType, examine: Examine, tmp_path: Path) -> None:
    """First, last and missing numbers of each channel; what is not there is named."""
    many = [events.security(f"03-05 0{number // 60}:{number % 60:02d}:00", 4634, TargetUserName="x") for number in range(120)]
    whole = [*range(1000, 1050), *range(1057, 1127)]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "Security.evtx").write_bytes(events.evtx_bytes(many, numbers=whole))
    ran = examine(tmp_path / "in", tmp_path / "case", "--report", str(tmp_path / "r.html"))
    (row,) = [each for each in ran.server["coverage"] if each["artifact"] == "event-log"]
    (channel,) = row["channels"]
    assert (channel["channel"], channel["records"], channel["missing"]) == ("Security", 120, 7)
    assert (channel["first"], channel["last"]) == ("2021-03-05T00:00:00Z", "2021-03-05T01:59:00Z")
    (found,) = [each for each in ran.server["findings"] if each["detection"] == "missing-event-records"]
    assert (found["count"], found["severity"], found["confidence"]) == (7, "medium", "low")
    reach = next(each for each in ran.server["answerable"] if "take" in each["question"])
    lacking = " ".join(reach["missing"])
    assert "the System event log" in lacking
    assert "the MSExchange Management event log" in lacking
    assert "the Security event log" not in lacking
    assert "7 records missing" in ran.out
    assert "7 records missing" in (tmp_path / "r.html").read_text()


def test_a_selection_of_events_lacks_no_records(events: ModuleType, examine: Examine, tmp_path: Path) -> None:
    some = [events.security(f"03-05 00:{number:02d}:00", 4634, TargetUserName="x") for number in range(60)]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.evtx").write_bytes(events.evtx_bytes(some, numbers=[number * 3 + 1 for number in range(60)]))
    ran = examine(tmp_path / "in", tmp_path / "case")
    (row,) = [each for each in ran.server["coverage"] if each["artifact"] == "event-log"]
    assert [each["missing"] for each in row["channels"]] == [None]


def test_published_indicators_in_events(events: ModuleType, examine: Examine, tmp_path: Path) -> None:
    intel = tmp_path / "intel.csv"
    digest = "0123456789abcdef" * 4
    intel.write_text(
        "type,value,source,group,published\n"
        f"ip,203.0.113.99,Example,EXAMPLE-GROUP,2021-03-02\nsha256,{digest},Example,EXAMPLE-GROUP,2021-03-02\n"
        "domain,c2.example.org,Example,EXAMPLE-GROUP,2021-03-02\npath,C:\\Windows\\Temp\\example-tool.exe,Example,EXAMPLE-GROUP,2021-03-02\n"
    )
    records = [
        events.security("03-05 03:00:00", 4624, TargetUserName="admin1", LogonType="3", IpAddress="203.0.113.99", IpPort="1"),
        events.security("03-05 03:00:01", 4624, TargetUserName="admin1", LogonType="3", IpAddress="203.0.113.98", IpPort="1"),
        events.sysmon(
            "03-05 03:01:00", 1, Image="C:\\Windows\\Temp\\example-tool.exe", Hashes=f"SHA1=00,SHA256={digest.upper()}"
        ),
        events.sysmon("03-05 03:02:00", 22, QueryName="x.c2.example.org", Image="C:\\Windows\\a.exe"),
    ]
    events.write_evtx(records, tmp_path / "evtx")
    events.write_json(records, tmp_path / "flat" / "e.json", "nxlog")
    found = []
    for name in ("evtx", "flat"):
        server = examine(tmp_path / name, tmp_path / f"case-{name}", "--intel", str(intel)).server
        overlaps = [each for each in server["findings"] if each["detection"] == "published-indicator"]
        found.append(sorted(dict(each["subject"]["extra"])["indicator"].lower() for each in overlaps))
        assert all("EXAMPLE-GROUP" in each["explanation"] and each["evidence"] for each in overlaps)
    assert found[0] == found[1] == sorted(["203.0.113.99", digest, "x.c2.example.org", "c:\\windows\\temp\\example-tool.exe"])
