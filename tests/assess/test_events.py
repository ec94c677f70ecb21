"""Event logs in an examination, end to end: EVTX files and exports of the same intrusion."""

from __future__ import annotations

import gzip
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
