"""Web shells in use, asked for in vain, and picked up from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from afterpatch.demo.events import worker_command
from afterpatch.demo.ledger import Ledger
from afterpatch.demo.rows import Hit
from afterpatch.demo.scenes.moments import after

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{} Safari/537.36"
OPERATOR_AGENT = CHROME.format("65.0.2345")
SCANNER_AGENT = CHROME.format("88.0.4324.182")


def ask(
    ledger: Ledger,
    moment: datetime,
    client: str,
    page: str,
    agent: str,
    method: str = "GET",
    status: int = 200,
    **more: int,
) -> None:
    """One request for a page of the front end (static answers below aspnet_client never reach the proxy)."""
    lower = page.lower()
    protocol = "Owa" if lower.startswith("/owa/") else "Ecp" if lower.startswith("/ecp/") else ""
    protocol = "" if ledger.server.generation == "V14" else protocol
    win32 = 2 if status == 404 else 0
    hit = Hit(
        moment, client, method, page, status=status, agent=agent, protocol=protocol, taken=more.get("taken", 61),
        bytes_in=more.get("bytes_in", 0), win32=win32, host=ledger.server.mail_host,
    )  # fmt: skip
    ledger.hit(hit)


def use(ledger: Ledger, moment: datetime, client: str, page: str, gaps: Sequence[float], agent: str = OPERATOR_AGENT) -> datetime:
    """Someone at work: the page is opened, then posted to after each gap (seconds). Returns the last moment."""
    ask(ledger, moment, client, page, agent, taken=1330)
    for number, gap in enumerate(gaps):
        moment = after(moment, gap)
        if not number and ledger.server.generation == "V15":
            command = 'cmd.exe /c cd /d "C:\\inetpub\\wwwroot\\aspnet_client"&whoami&echo [S]&cd&echo [E]'
            ledger.note(worker_command(ledger.server, after(moment, 0.4), command))
        ask(ledger, moment, client, page, agent, "POST", taken=90 + 37 * number, bytes_in=300 + 40 * number)
    return moment


def ask_around(ledger: Ledger, moment: datetime, client: str, pages: Sequence[str], present: Sequence[str] = ()) -> None:
    """A scanner that tries known names: 302 below /owa where a page is absent, 404 elsewhere, 200 where it is there."""
    for number, page in enumerate(pages):
        missing = 302 if page.lower().startswith("/owa/") else 404
        status = 200 if page in present else missing
        ask(ledger, after(moment, 0.6 * number), client, page, SCANNER_AGENT, status=status, taken=104)
