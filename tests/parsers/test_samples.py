"""The shared sample files, where they are at hand: everything in them is read."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest

from afterpatch.model import Record
from afterpatch.parsers import BadLine, Counts, derive, read_log
from afterpatch.parsers.iisconfig import parse_iis_config
from afterpatch.parsers.setuplog import parse_setup_log
from afterpatch.parsers.webconfig import parse_web_config

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
CONFIGS = SAMPLES / "iis_config" / "exchange2019"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the shared samples are not beside this checkout")

KINDS = {
    "AgentLog": "agent-log",
    "ECPActivity": "ecp-activity",
    "ECPServer": "ecp-server",
    "Ews": "ews",
    "HttpProxy": "httpproxy",
    "MSGTRK": "message-tracking",
    "RECV": "smtp",
    "Rps_Cmdlet": "cmdlet",
    "audit": "admin-audit",
    "W3SVC": "iis",
    "oabgen": "oab-generator",
}


def sample_logs() -> list[Path]:
    files = [*SAMPLES.glob("benign/*"), *SAMPLES.glob("synthetic/*")]
    return sorted(path for path in files if path.suffix.lower() == ".log")


@pytest.mark.parametrize("path", sample_logs(), ids=lambda path: path.name)
def test_every_line_of_every_sample_is_read(path: Path) -> None:
    kind = next(kind for prefix, kind in KINDS.items() if path.name.startswith(prefix))
    counts = Counts()
    with path.open("rb") as stream:
        records = [outcome for outcome in read_log(kind, stream, counts) if isinstance(outcome, Record)]
    assert counts.bad == {}
    assert counts.records > 0
    assert counts.guessed == counts.extra == counts.undecodable == 0
    assert all(record.time is not None for record in records)


@pytest.mark.parametrize("path", sample_logs(), ids=lambda path: path.name)
def test_samples_cut_anywhere_lose_only_the_cut_line(path: Path) -> None:
    kind = next(kind for prefix, kind in KINDS.items() if path.name.startswith(prefix))
    data = path.read_bytes()
    whole = list(read_log(kind, io.BytesIO(data)))
    for size in range(1, len(data), max(1, len(data) // 40)):
        cut = list(read_log(kind, io.BytesIO(data[:size])))
        kept = cut[:-1]
        assert kept == whole[: len(kept)]
        assert not cut or not isinstance(cut[-1], BadLine) or cut[-1].reason in ("cut", "no-schema", "too-few-columns")


def test_forged_anchors_of_the_chain() -> None:
    with (SAMPLES / "synthetic" / "HttpProxy_Ecp_2021030306-1.LOG").open("rb") as stream:
        records = [outcome for outcome in read_log("httpproxy", stream) if isinstance(outcome, Record)]
    views = [derive(record.kind, record.fields) for record in records]
    paths = [view.get("anchor.path") for view in views]
    assert ("/ecp/proxyLogon.ecp",) in paths
    assert ("241",) in [view.get("http.status") for view in views]
    assert {view.get("anchor.host") for view in views if view.get("anchor.path") != ("",)} == {("exch01.example.local",)}


def test_incident_report_yields_its_log_lines() -> None:
    (path,) = SAMPLES.glob("incident/*.md")
    counts = Counts()
    with path.open("rb") as stream:
        records = [outcome for outcome in read_log("log-excerpt", stream, counts) if isinstance(outcome, Record)]
    assert counts.bad == {}
    views = [(record, derive(record.kind, record.fields)) for record in records]
    found = Counter(record.kind for record in records)
    assert (found["httpproxy"], found["ecp-server"], found["iis"]) == (85, 17, 8)
    anchors = [view.get("anchor.path") for _, view in views if view.get("anchor.path") is not None]
    assert len(anchors) == 11
    assert anchors.count(("/ecp/DDI/DDIService.svc/SetObject",)) == 3
    names = Counter(name for _, view in views for name in view.get("cmdlet.name") or ())
    assert names["Set-OabVirtualDirectory"] == 4
    assert names["Remove-OABVirtualDirectory"] == names["New-OABVirtualDirectory"] == 1
    shell = [view.get("http.status") for _, view in views if "RedirSuite" in (view.get("url.page") or ("",))[0]]
    assert Counter(shell) == {("200",): 10, ("302",): 6}
    assert all(view.get("source.ip") for record, view in views if record.kind == "iis")


@pytest.mark.parametrize("name", ["applicationHost", "applicationHost1", "applicationHost2", "BadApplicationHost"])
def test_application_host_samples(name: str) -> None:
    config = parse_iis_config((CONFIGS / f"{name}.config").read_bytes(), name)
    assert [(site.identifier, site.name) for site in config.sites] == [
        ("1", "Default Web Site"),
        ("2", "Exchange Back End"),
    ]
    assert len(list(config.mappings())) == 34
    assert len(config.global_modules) == 33
    assert len(config.pools) == 20
    assert {binding.port for binding in config.sites[1].bindings} == {"81", "444", ""}
    assert len(config.sections.isapi_filters) == 7
    assert bool(config.notices) == (name == "BadApplicationHost")
    lines = (CONFIGS / f"{name}.config").read_text("utf-8").split("\n")
    assert all(f'name="{module.name}"' in lines[module.line - 1] for module in config.global_modules)


def test_extended_protection_by_location() -> None:
    config = parse_iis_config((CONFIGS / "applicationHost1.config").read_bytes(), "a")
    found = {entry.location: entry.get("tokenChecking") for entry in config.sections.extended_protection}
    assert found["Default Web Site/EWS"] == "Allow"
    assert found["Exchange Back End/EWS"] == "Require"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*eb*.config")), ids=lambda path: path.name)
def test_web_config_samples(path: Path) -> None:
    config = parse_web_config(path.read_bytes(), path.name)
    assert config.root_name == "configuration"
    assert bool(config.notices) == (path.name == "DefaultWebSite_web1.config")
    assert config.trailing == ""
    if "Shared" not in path.name:
        assert config.sections.modules


def test_mitigation_rules_in_a_file_that_is_not_well_formed() -> None:
    config = parse_web_config((CONFIGS / "DefaultWebSite_web1.config").read_bytes(), "a")
    assert [rule.name for rule in config.sections.rewrite_rules] == [
        "EEMS M1.1 PowerShell - inbound",
        "RequestBlockingRule1",
        "PowerShell - inbound",
    ]
    assert {rule.conditions[0]["pattern"] for rule in config.sections.rewrite_rules} == {"(?=.*autodiscover)(?=.*powershell)"}
    assert config.sections.machine_keys[0].get("validationKey") == "AutoGenerate,IsolateApps"


@pytest.mark.parametrize(
    ("name", "version", "path", "failed", "changes"),
    [
        ("ExchangeSetup_E16_install_15.1.2507.6", "15.1.2507.6", "D:\\Exchange", True, True),
        ("ExchangeSetup_E16_prepareschema_15.1.2106.2", "15.1.2106.2", "", True, False),
        ("ExchangeSetup_MSI_3", "15.0.1497.2", "D:\\Program Files\\Microsoft\\Exchange Server\\V15", True, True),
        (
            "ExchangeSetup_Arbitration_UPN",
            "15.0.1497.2",
            "C:\\Program Files\\Microsoft\\Exchange Server\\V15",
            True,
            False,
        ),
    ],
)
def test_setup_log_samples(name: str, version: str, path: str, failed: bool, changes: bool) -> None:
    with (SAMPLES / "setup" / f"{name}.log").open("rb") as stream:
        log = parse_setup_log(stream, name)
    (run,) = log.runs
    assert (run.version, run.install_path, run.failed, run.changes_build) == (version, path, failed, changes)
    assert run.started is not None
    assert run.time_zone.startswith("(UTC-")
    assert log.bad == 0
