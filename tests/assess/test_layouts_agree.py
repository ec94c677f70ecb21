"""The same evidence in another shape gives the same findings; where it cannot, exactly this is different."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterpatch.assess.gather import Progress, gather
from afterpatch.assess.options import Options
from afterpatch.demo import Truth

NAMES = ("proxyshell-export", "two-actors", "shell-gone", "dag-two-servers")
Examined = Callable[..., tuple[Any, Truth]]
# Detections about a compiled trace: their time is the trace's own, which only these collectors write down.
COMPILED = "compiled-"
KEEP_TIMES = ("kape-zip", "velociraptor-zip")
# Findings about a file's place and content need a place: loose files have none.
LOOSE_ORIGINS = {"rule", "indicator"}


def keys(document: dict[str, Any], *, times: bool = True) -> set[tuple[str, ...]]:
    """What makes two findings the same finding."""
    return {
        (
            server["name"],
            finding["detection"],
            json.dumps(finding["subject"], sort_keys=True),
            f"{finding['time']} {finding['end_time']}" if times or not finding["detection"].startswith(COMPILED) else "",
            finding["stage"],
            finding["chain"],
            finding["severity"],
            str(finding["count"]),
        )
        for server in document["servers"]
        for finding in server["findings"]
    }


def doors(document: dict[str, Any]) -> set[tuple[Any, ...]]:
    return {
        (server["name"], door["path"], door["kind"], door["state"], tuple(door["used_by"]), door["uses"], door["last_used"])
        for server in document["servers"]
        for door in server["backdoors"]
    }


def chains(document: dict[str, Any]) -> set[tuple[Any, ...]]:
    return {
        (server["name"], chain["id"], chain["stage"], tuple(chain["sources"]), chain["last_seen"])
        for server in document["servers"]
        for chain in server["chains"]
    }


def actors(document: dict[str, Any]) -> set[frozenset[str]]:
    return {
        frozenset(actor["sources"]) for server in document["servers"] for chain in server["chains"] for actor in chain["actors"]
    }


@pytest.mark.parametrize("layout", ["kape-zip", "velociraptor-zip", "cylr-zip"])
@pytest.mark.parametrize("name", NAMES)
def test_archives_give_the_findings_of_the_drive(examined: Examined, name: str, layout: str) -> None:
    drive, archive = examined(name)[0].document, examined(name, layout)[0].document
    assert keys(archive, times=False) == keys(drive, times=False)
    assert doors(archive) == doors(drive)
    assert chains(archive) == chains(drive)
    assert actors(archive) == actors(drive)
    assert [each["verdict"]["state"] for each in archive["servers"]] == [each["verdict"]["state"] for each in drive["servers"]]
    assert {each["layout"] for each in archive["evidence"]} == {layout.removesuffix("-zip")}
    assert archive["notices"] == drive["notices"] == []


@pytest.mark.parametrize("layout", KEEP_TIMES)
def test_collectors_that_keep_times_add_those_of_compiled_traces(examined: Examined, layout: str) -> None:
    drive, archive = examined("shell-gone")[0].document, examined("shell-gone", layout)[0].document
    without = [each for each in drive["servers"][0]["findings"] if each["detection"].startswith(COMPILED)]
    with_times = [each for each in archive["servers"][0]["findings"] if each["detection"].startswith(COMPILED)]
    assert [each["time"] for each in without] == [None] * len(without)
    assert len(with_times) == len(without) > 0
    assert all(each["time"].startswith("2021-03-15T22:4") for each in with_times)


def test_an_archive_without_times_is_the_drive_to_the_letter(examined: Examined) -> None:
    assert keys(examined("two-actors", "cylr-zip")[0].document) == keys(examined("two-actors")[0].document)


@pytest.mark.parametrize("name", NAMES)
def test_loose_files_give_every_finding_that_needs_no_place(examined: Examined, name: str) -> None:
    drive, loose = examined(name)[0].document, examined(name, "loose")[0].document
    missing = keys(drive) - keys(loose)
    lost = {key[1] for key in missing}
    about_files = {
        finding["detection"]
        for server in drive["servers"]
        for finding in server["findings"]
        if finding["origin"] not in LOOSE_ORIGINS
    }
    assert lost == about_files
    # a loose page is judged by what it holds: the same checks, under its bare name
    assert {key[1] for key in keys(loose) - keys(drive)} <= about_files
    assert chains(loose) == chains(drive)
    # who made a page and who used it are joined by the time in the page, which has no place here
    assert all(any(some <= whole for whole in actors(drive)) for some in actors(loose))
    assert any("web folders" in limit for limit in loose["servers"][0]["verdict"]["limits"])
    for one, other in zip(sorted(doors(drive)), sorted(doors(loose)), strict=True):
        assert one[:3] + one[4:] == other[:3] + other[4:]
        assert other[3] in ("unknown", one[3]), "only a file that was handed over is known to be there"


@pytest.fixture(scope="module")
def heap(scenario: Callable[..., tuple[Path, Truth]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The logs of both servers of a DAG in one folder."""
    loose, _ = scenario("dag-two-servers", "loose")
    folder = tmp_path_factory.mktemp("heap") / "logs"
    folder.mkdir()
    for number, server in enumerate(sorted(loose.iterdir())):
        for path in (each for each in server.iterdir() if each.suffix != ".aspx"):
            shutil.copy2(path, folder / f"{number}_{path.name}")
    return folder


def test_rows_alone_tell_whose_a_log_is(heap: Path, tmp_path: Path) -> None:
    """Names that say nothing: the rows do, for every log but the OAB generator's, and what they do not tell is named."""
    folder, owner = tmp_path / "logs", {}
    folder.mkdir()
    for number, path in enumerate(sorted(heap.iterdir(), key=lambda each: each.name[::-1])):
        stock = path.name[2:]
        name = f"{stock[stock.find('u_ex') if 'u_ex' in stock else 0 :].rpartition('.')[0]}.{number}{path.suffix}"
        shutil.copy2(path, folder / name)
        owner[name] = f"EXCH0{int(path.name[0]) + 1}"
    gathered = gather([str(folder)], Options(jobs=1), Progress())
    unclear = {Path(each.path).name for each in gathered.notices if each.reason.startswith("notice.server-unclear")}
    told = {
        Path(artifact.shown).name: server.name
        for server in gathered.servers
        for artifact in server.artifacts
        if Path(artifact.shown).name not in unclear
    }
    assert told == {name: owner[name] for name in told}
    silent = ("oabgen", "exchangesetup")
    assert not [each for each in unclear if each.lower().endswith(".log") and not each.lower().startswith(silent)]
    assert {server.unclear for server in gathered.servers} == {len(unclear), 0}


def test_two_servers_in_one_heap_are_told_apart(
    heap: Path, examined: Examined, examine: Callable[..., Any], tmp_path: Path
) -> None:
    apart, one_heap = examined("dag-two-servers", "loose")[0], examine(heap, tmp_path / "case")
    assert [each["name"] for each in one_heap.servers] == ["EXCH01", "EXCH02"]
    assert chains(one_heap.document) == chains(apart.document)
    assert {door[:3] + door[4:] for door in doors(one_heap.document)} == {door[:3] + door[4:] for door in doors(apart.document)}
    for one, other in zip(apart.servers, one_heap.servers, strict=True):
        mine, theirs = ({each["artifact"]: each["records"] for each in server["coverage"]} for server in (one, other))
        told = ("iis", "httpproxy", "ecp-server", "ecp-activity", "ews", "cmdlet", "admin-audit", "rps-http", "owa-server")
        assert {kind: mine[kind] for kind in told} == {kind: theirs[kind] for kind in told}


def test_a_heap_gives_every_log_back_to_its_server(
    heap: Path, examined: Examined, examine: Callable[..., Any], tmp_path: Path
) -> None:
    """Rows that name no server go by request ids, then by the server's own address."""
    apart, one_heap = examined("dag-two-servers", "loose")[0], examine(heap, tmp_path / "case")
    files = {each["detection"] for one in apart.servers for each in one["findings"] if each["origin"] not in LOOSE_ORIGINS}
    assert {key for key in keys(apart.document) - keys(one_heap.document) if key[1] not in files} == set()
