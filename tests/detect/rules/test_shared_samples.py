"""All rules over the shared sample logs: the synthetic breach is told step by step, the benign logs stay quiet."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import ModuleType

import pytest

from afterpatch.model import Record
from afterpatch.parsers.textlog import read_log

SHARED = Path(__file__).parents[4] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared samples are not beside the repository")


def fired(kit: ModuleType, path: Path, kind: str) -> set[str]:
    """Names of the rules that fire on a log."""
    found = set()
    with path.open("rb") as stream:
        for record in read_log(kind, stream):
            if isinstance(record, Record):
                found |= kit.fired_on(record)
    return found


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
def test_synthetic_breach(kit: ModuleType, name: str, kind: str, wanted: set[str]) -> None:
    assert fired(kit, SHARED / "samples" / "synthetic" / name, kind) == wanted


@needs_shared
def test_benign_logs_stay_quiet(kit: ModuleType) -> None:
    kinds = {
        "HttpProxy": "httpproxy", "Ews": "ews", "ECPServer": "ecp-server", "ECPActivity": "ecp-activity",
        "Rps_Cmdlet": "cmdlet", "audit": "admin-audit",
        "AgentLog": "agent-log", "MSGTRKMS": "message-tracking", "RECV": "smtp",
    }  # fmt: skip
    found = set()
    for path in sorted((SHARED / "samples" / "benign").glob("*.LOG")):
        kind = next(kind for start, kind in kinds.items() if path.name.startswith(start))
        found |= fired(kit, path, kind)
    # The samples hold one request of the scanner zgrab and one refused SMTP sign-in.
    assert found == {"scanner-agent", "smtp-sign-in-denied"}


@needs_shared
def test_pages_that_exchange_ships_stay_quiet(kit: ModuleType) -> None:
    """Every page of Microsoft's own file lists, answered on the front end, is no web shell."""
    with gzip.open(SHARED / "data" / "baseline" / "web_files.tsv.gz", "rt") as stream:
        paths = {row.split("\t")[1] for row in stream if "\t" in row}
    ends = (".aspx", ".ashx", ".asmx", ".svc")
    pages = sorted(path for path in paths if path.startswith("\\") and path.endswith(ends))
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
        if found := kit.fired_on(Record("iis", 1, 0, None, fields, "")):
            loud[url] = found
    assert loud == {}
