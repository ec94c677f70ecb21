"""All rules over the shared sample logs: the synthetic breach is told step by step, the benign logs stay quiet."""

from __future__ import annotations

import gzip
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from afterpatch.model import Record
from afterpatch.parsers.fields import derive
from afterpatch.parsers.textlog import read_log


def _sibling(name: str) -> ModuleType:
    found = sys.modules.get(f"afterpatch_test_{name}")
    if found is not None:
        return found
    spec = importlib.util.spec_from_file_location(f"afterpatch_test_{name}", Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


rulekit = _sibling("rulekit")
SHARED = Path(__file__).parents[4] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared samples are not beside the repository")


def fired(path: Path, kind: str, side: str = "") -> set[str]:
    """Names of the rules that fire on a log."""
    found = set()
    with path.open("rb") as stream:
        for record in read_log(kind, stream):
            if isinstance(record, Record):
                found |= fired_on(record, side)
    return found


def fired_on(record: Record, side: str = "") -> set[str]:
    view = derive(record.kind, record.fields, side)
    rules = [one for one in rulekit.compiled().values() if record.kind in one.kinds]
    return {one.rule.name for one in rules if one.match(rulekit.MappedView(view, one.mapping, record.kind))}


@needs_shared
@pytest.mark.parametrize(
    ("name", "kind", "wanted"),
    [
        (
            "HttpProxy_Ecp_2021030306-1.LOG",
            "httpproxy",
            {
                "proxylogon-anchor-reached", "proxylogon-session", "proxylogon-ddi-read", "proxylogon-ddi-write",
                "proxylogon-vdir-reset", "proxylogon-script-agent", "proxylogon-forged-version",
            },
        ),
        (
            "HttpProxy_Ecp_2021010602-1.LOG",
            "httpproxy",
            {"proxylogon-mail-read", "proxylogon-script-agent", "proxylogon-forged-version"},
        ),
        ("HttpProxy_Owa_E2013_2021030715-1.LOG", "httpproxy", {"proxylogon-anchor-scan", "proxylogon-forged-version"}),
        (
            "ECPServer20210303-1.LOG",
            "ecp-server",
            {"proxylogon-vdir-script", "vdir-reset-in-panel", "vdir-address-emptied", "vdir-url-changed"},
        ),
        ("oabgen20210303-1.LOG", "oab-generator", {"oab-foreign-path"}),
        (
            "W3SVC1_u_ex210303.log",
            "iis",
            {
                "proxylogon-static-post", "proxylogon-script-agent", "proxylogon-static-241", "page-in-owa-auth",
                "known-shell-page", "shell-name-shape", "page-in-aspnet-client", "antsword-used", "archive-fetched",
            },
        ),
        ("W3SVC2_u_ex210303.log", "iis", {"proxylogon-back-read", "proxylogon-back-write", "proxylogon-back-reset"}),
    ],
)  # fmt: skip
def test_synthetic_breach(name: str, kind: str, wanted: set[str]) -> None:
    assert fired(SHARED / "samples" / "synthetic" / name, kind) == wanted


@needs_shared
def test_benign_logs_stay_quiet() -> None:
    kinds = {
        "HttpProxy": "httpproxy", "Ews": "ews", "ECPServer": "ecp-server", "ECPActivity": "ecp-activity",
        "Rps_Cmdlet": "cmdlet", "audit": "admin-audit", "AgentLog": "agent-log", "MSGTRKMS": "message-tracking", "RECV": "smtp",
    }  # fmt: skip
    found = set()
    for path in sorted((SHARED / "samples" / "benign").glob("*.LOG")):
        kind = next(kind for start, kind in kinds.items() if path.name.startswith(start))
        found |= fired(path, kind)
    # The samples hold one request of the scanner zgrab and one refused SMTP sign-in.
    assert found == {"scanner-agent", "smtp-sign-in-denied"}


@needs_shared
def test_pages_that_exchange_ships_stay_quiet() -> None:
    """Every page of Microsoft's own file lists, answered on the front end, is no web shell."""
    with gzip.open(SHARED / "data" / "baseline" / "web_files.tsv.gz", "rt") as stream:
        paths = {row.split("\t")[1] for row in stream if "\t" in row}
    pages = sorted(path for path in paths if path.startswith("\\") and path.endswith((".aspx", ".ashx", ".asmx", ".svc")))
    assert len(pages) > 500
    loud = {}
    for path in pages:
        for start in ("\\frontend\\httpproxy", "\\clientaccess\\exchweb", "\\clientaccess"):
            path = path.removeprefix(start)
        url = path.replace("\\", "/")
        fields = {
            "cs-method": "GET", "cs-uri-stem": url, "cs-uri-query": "-", "s-port": "443", "cs-username": "-",
            "c-ip": "198.51.100.9", "cs(User-Agent)": "Mozilla/5.0", "sc-status": "200",
        }  # fmt: skip
        if found := fired_on(Record("iis", 1, 0, None, fields, "")):
            loud[url] = found
    assert loud == {}
