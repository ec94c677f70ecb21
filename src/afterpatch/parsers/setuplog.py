"""ExchangeSetup.log: every run of Exchange's setup, cumulative updates included (security updates are not in it).

A line is `[MM/DD/YYYY HH:MM:SS.ffff] [indent] text`; the fraction is the milliseconds, padded to four digits. The times
are UTC; the log names the server's time zone beside them. Lines without that head continue the one above. Source: setup
logs in microsoft/CSS-Exchange's tests."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import BinaryIO

from afterpatch.model import Notice
from afterpatch.parsers.lines import physical_lines

_HEAD = re.compile(r"\[(\d\d)/(\d\d)/(\d{4}) (\d\d):(\d\d):(\d\d)\.(\d{1,4})\]\s?\[\d+\]\s?(.*)\Z", re.DOTALL | re.ASCII)
_MOST_RUNS = 1000
_MOST_ERRORS = 50
_TEXT_LIMIT = 500
_PREPARATIONS = frozenset({"preparead", "prepareschema", "preparedomain", "preparealldomains"})

_FACTS = (
    ("product", re.compile(r"Starting (Microsoft Exchange Server .{0,40}?) Setup\Z")),
    ("time_zone", re.compile(r"Local time zone: (.{1,120}?)\.?\Z")),
    ("windows", re.compile(r"Operating system version: (.{1,120}?)\.?\Z")),
    ("version", re.compile(r"Setup version: ([\d.]{3,30}?)\.?\Z")),
    ("user", re.compile(r"Logged on user: (.{1,200}?)\.?\Z")),
    ("mode", re.compile(r"The installation mode is set to: '([^']{1,60})'")),
    ("source_path", re.compile(r"Setup will use the path '([^']{1,400})' for installing Exchange")),
    ("installed_version", re.compile(r"The locally installed version is ([\d.]{3,30}?)\.?\Z")),
    ("installed_version", re.compile(r"The backup copy of the previously installed version is '([\d.]{3,30})'")),
    ("install_path", re.compile(r"Exchange Installation Directory : '([^']{1,400})'")),
    ("install_path", re.compile(r"The backup copy of the install path is '([^']{1,400})'")),
    ("server", re.compile(r"Server Name=(\S{1,120})")),
)
_PARAMETER = re.compile(r"Command Line Parameter Name='([^']{1,80})', Value='([^']{0,400})'")
_ROLES = re.compile(r"The following roles are installed: ?(.{0,500})\Z")


@dataclass(frozen=True, slots=True)
class SetupRun:
    """One run. Times are UTC (None: not readable); `ended` is the time of `End of Setup`, `last` that of the run's last
    line. Texts are "" where the log does not say. `parameters` are the command line's; `errors` the first 50 error
    lines."""

    line: int
    started: datetime | None
    last: datetime | None
    ended: datetime | None
    failed: bool
    product: str
    version: str
    user: str
    mode: str
    roles: tuple[str, ...]
    source_path: str
    install_path: str
    installed_version: str
    server: str
    time_zone: str
    windows: str
    parameters: tuple[tuple[str, str], ...]
    errors: tuple[str, ...]

    @property
    def changes_build(self) -> bool:
        """Whether this run was meant to install files: not a mere preparation of Active Directory."""
        return not any(name.lower() in _PREPARATIONS for name, _ in self.parameters)


@dataclass(frozen=True, slots=True)
class SetupLog:
    """All runs in order. `lines` is the number of physical lines, `bad` how many were no setup line and no
    continuation."""

    runs: tuple[SetupRun, ...]
    lines: int
    bad: int
    notices: tuple[Notice, ...]


@dataclass(slots=True)
class _Draft:
    line: int
    facts: dict[str, str] = field(default_factory=dict)
    started: datetime | None = None
    last: datetime | None = None
    ended: datetime | None = None
    result: str = ""
    unfinished: bool = False
    roles: tuple[str, ...] = ()
    parameters: list[tuple[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def parse_setup_log(stream: BinaryIO, path: str) -> SetupLog:
    """The setup runs of a log. Never raises for what is in it. Notices: notice.setup-log-lines (count: lines before any
    setup line, too long or of NULs), notice.setup-log-runs (more than 1000 runs: the rest is not read)."""
    drafts: list[_Draft] = []
    lines = bad = 0
    notices: list[Notice] = []
    for line in physical_lines(stream):
        lines = line.number
        text = line.data.decode("utf-8", "replace")
        head = _HEAD.match(text)
        if head is None:
            bad += line.long or (line.nuls > 0 and not text) or (bool(text.strip()) and not drafts)
            continue
        content = head[8].strip()
        if content and not content.strip("*"):
            continue  # a frame of stars, above and below the title and at the end
        if not drafts or _FACTS[0][1].match(content):
            if len(drafts) == _MOST_RUNS:
                notices.append(Notice(path, f"line {line.number}", "notice.setup-log-runs"))
                break
            drafts.append(_Draft(line.number))
        _take(drafts[-1], _moment(head.groups()), content)
    if bad:
        notices.append(Notice(path, "", "notice.setup-log-lines", bad))
    return SetupLog(tuple(_finish(draft) for draft in drafts), lines, bad, tuple(notices))


def _moment(parts: tuple[str, ...]) -> datetime | None:
    month, day, year, hour, minute, second, fraction = (int(part) for part in parts[:7])
    try:
        return datetime(year, month, day, hour, minute, second, min(fraction, 999) * 1000, tzinfo=UTC)
    except ValueError:
        return None


def _take(draft: _Draft, moment: datetime | None, text: str) -> None:
    draft.started = draft.started or moment
    draft.last = moment or draft.last
    if text.startswith("[ERROR]"):
        if len(draft.errors) < _MOST_ERRORS:
            draft.errors.append(text[:_TEXT_LIMIT])
        return
    if text == "End of Setup":
        draft.ended = moment
    elif "setup operation didn't complete" in text:
        draft.unfinished = True
    elif text.startswith("CurrentResult setupbase.maincore"):
        draft.result = text.rpartition(":")[2].strip()
    elif (found := _PARAMETER.match(text)) is not None:
        draft.parameters.append((found[1], found[2]))
    elif (found := _ROLES.match(text)) is not None:
        draft.roles = tuple(found[1].split()) or draft.roles
    else:
        _take_fact(draft, text)


def _take_fact(draft: _Draft, text: str) -> None:
    for name, pattern in _FACTS:
        found = pattern.match(text)
        if found is not None:
            draft.facts.setdefault(name, found[1])
            return


def _finish(draft: _Draft) -> SetupRun:
    facts = draft.facts
    parameters = dict(draft.parameters)
    failed = draft.ended is None or draft.unfinished or bool(draft.errors) or draft.result not in ("", "0")
    return SetupRun(
        line=draft.line,
        started=draft.started,
        last=draft.last,
        ended=draft.ended,
        failed=failed,
        product=facts.get("product", ""),
        version=facts.get("version", ""),
        user=facts.get("user", ""),
        mode=facts.get("mode", "") or parameters.get("mode", ""),
        roles=draft.roles,
        source_path=facts.get("source_path", ""),
        install_path=facts.get("install_path", ""),
        installed_version=facts.get("installed_version", ""),
        server=facts.get("server", ""),
        time_zone=facts.get("time_zone", ""),
        windows=facts.get("windows", ""),
        parameters=tuple(draft.parameters),
        errors=tuple(draft.errors),
    )
