"""What was open on one server: its build history, its configuration over time, and the windows that follow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from afterpatch.assess.chains import stage_of
from afterpatch.assess.configuration import MAX_CONFIG
from afterpatch.assess.doubles import in_shadow
from afterpatch.assess.findings import Hit
from afterpatch.assess.machine import Machine
from afterpatch.assess.readings import events_of, own_setup, server_history
from afterpatch.assess.server import Server
from afterpatch.detect.plane.tally import LogScan
from afterpatch.evidence import open_locator, read_bounded
from afterpatch.exposure import (
    BuildHistory,
    ConfigurationView,
    CveExposure,
    EemsEvent,
    IisFile,
    MitigationState,
    Reading,
    WebFile,
    dated,
    exposure_of,
    exposures,
    mitigation_history,
    protections,
)
from afterpatch.exposure.windows import Window
from afterpatch.knowledge import vulnerabilities
from afterpatch.knowledge.builds import Build
from afterpatch.knowledge.mitigations import supports_protection
from afterpatch.model import (
    Artifact,
    BuildContradiction,
    BuildReading,
    EvidenceError,
    Notice,
    Protection,
    parse_iso,
    stage_rank,
)
from afterpatch.model import BuildHistory as HistoryEntry
from afterpatch.parsers.iisconfig import IisConfig, parse_iis_config
from afterpatch.parsers.lines import physical_lines
from afterpatch.parsers.setuplog import SetupRun
from afterpatch.parsers.webconfig import parse_web_config

MAX_COPIES = 200
MAX_WEB = 500
MAX_EEMS_LINES = 200_000
CURRENT = 10**13  # comes after every numbered copy
_NUMBER = re.compile(r"cfghistory_(\d{1,12})", re.IGNORECASE)
_COPY = re.compile(r"\\(?:cfghistory_\d{1,12}|inetsrv\\backup\\[^\\]+)\\applicationhost\.config\Z", re.IGNORECASE)
_TIME = re.compile(r'"?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,7})?Z?)')
_TRACES = ("eomtsummary.txt", "eomtv2summary.txt", "eomt.log", "msert.log")
_CONFIGURED = "microsoft-windows-iis-configuration"
_EEMS = "msexchange mitigation service"


@dataclass(slots=True)
class ServerExposure:
    """What is known of one server before and beside its attacks."""

    history: BuildHistory
    mitigations: tuple[MitigationState, ...] = ()
    protections: tuple[Protection, ...] = ()
    end: datetime | None = None
    product_hint: str = ""  # `15.1` of a setup that did not finish, where nothing else names a build
    notices: list[Notice] = field(default_factory=list)

    def windows(self, cve: str) -> Sequence[Window]:
        """The windows of one hole; none where the product never had it."""
        known = vulnerabilities.get(cve)
        found = exposure_of(known, self.history, self.mitigations, (), self.end) if known is not None else None
        return found.windows if found is not None else ()

    def exposures(self, attempts: Mapping[str, Sequence[datetime]]) -> tuple[CveExposure, ...]:
        """Every hole a report names. `attempts`: chain -> times of attacks on this server."""
        return exposures(self.history, self.mitigations, attempts, self.end)


OLDEST = datetime(2009, 1, 1, tzinfo=UTC)  # Exchange 2010 came out later; archives write 1970 or 1980 where they keep no time


@dataclass(frozen=True, slots=True)
class _Clock:
    """Tells which file times are the server's own: those that a collector kept, and those from before the last row of
    the logs, since copying came after it."""

    last_row: datetime | None

    def time_of(self, artifact: Artifact) -> datetime | None:
        """When a file was last changed on the server, None where its time may be that of copying."""
        if artifact.modified is None or artifact.modified < OLDEST:
            return None
        kept = artifact.times_original or (self.last_row is not None and artifact.modified <= self.last_row)
        return artifact.modified if kept else None


def _proved(latest: Reading | None) -> Build | None:
    """The build as far as it is proved: of a coarser reading the cumulative update."""
    if latest is None or latest.precision == "exact":
        return latest.build if latest is not None else None
    build = latest.build
    if latest.precision == "least" and supports_protection(build):
        return build
    return Build(build.major, build.minor, build.build, parts=3)


def server_exposure(
    server: Server,
    scans: Mapping[int, LogScan],
    of_logs: Iterable[Reading],
    setup: Mapping[int, Sequence[SetupRun]],
    machine: Machine,
    hashes: Mapping[int, str],
    end: datetime | None,
) -> ServerExposure:
    """Everything about builds and configuration. `of_logs`: the builds that its logs name; `setup`: artifact index -> runs;
    `end`: the last row of any log."""
    clock = _Clock(end)
    end = end or max((each.modified for each in server.artifacts if each.modified is not None), default=None)
    notices: list[Notice] = []
    runs, others = own_setup(server, [(each.path, run) for each in server.artifacts for run in setup.get(each.index, ())])
    notices += [Notice(server.name, "", f"notice.setup-other-server: {name}") for name in others]
    copies = list(_iis_copies(server, clock, notices))
    dated_copies = [(one.path, one.config, one.modified or end) for one, _order in copies]
    history = server_history(server, scans, of_logs, runs, machine, dated_copies, hashes, end)
    views = _views(server, scans, machine, copies, clock, end, notices)
    build = _proved(history.latest)
    changes = [
        EemsEvent(event.time, "\n".join(event.values), path)
        for path, event in events_of(server.artifacts, scans)
        if event.provider.lower() == _CONFIGURED
    ]
    left = [each for each in server.artifacts if each.path.rpartition("\\")[2].lower() in _TRACES]
    traces = [(each.path, time) for each in left if (time := clock.time_of(each)) is not None]
    states = dated(mitigation_history(views, build), changes, traces)
    shown = tuple(
        Protection(one.location, one.found[:40], one.expected, one.grade, one.set_at[:200], one.ssl_lacking, one.allow_list)
        for one in (protections(views[-1]) if views else ())
    )
    hint = next((".".join(run.version.split(".")[:2]) for _path, run in reversed(runs) if run.version and run.changes_build), "")
    return ServerExposure(history, states, shown, end, hint, notices)


def _iis_copies(server: Server, clock: _Clock, notices: list[Notice]) -> Iterator[tuple[IisFile, int]]:
    """Copies of applicationHost.config with their order; of several present ones the first that names sites."""
    present: IisFile | None = None
    past: list[tuple[IisFile, int]] = []
    kinds = server.of_kind("iis-config", "iis-config-history")
    for artifact in [each for each in kinds if each.kind == "iis-config" or _COPY.search(each.path)][: MAX_COPIES + 20]:
        config = _iis(artifact, notices)
        if config is None:
            continue
        one = IisFile(artifact.path, config, clock.time_of(artifact))
        if artifact.kind == "iis-config-history":
            match = _NUMBER.search(artifact.path)
            past.append((one, int(match[1]) if match else 0))
        elif not in_shadow(artifact) and (present is None or (config.sites and not present.config.sites)):
            present = one
    yield from sorted(past, key=lambda pair: pair[1])[-MAX_COPIES:]
    if present is not None:
        yield present, CURRENT


def _iis(artifact: Artifact, notices: list[Notice]) -> IisConfig | None:
    data = _content(artifact, notices)
    return parse_iis_config(data, artifact.shown) if data is not None else None


def _content(artifact: Artifact, notices: list[Notice]) -> bytes | None:
    try:
        return read_bounded(artifact.locator, MAX_CONFIG)[0]
    except (EvidenceError, OSError) as error:
        notices.append(Notice(artifact.shown, "", f"notice.unreadable: {error}"))
        return None


def _views(
    server: Server,
    scans: Mapping[int, LogScan],
    machine: Machine,
    copies: Sequence[tuple[IisFile, int]],
    clock: _Clock,
    end: datetime | None,
    notices: list[Notice],
) -> list[ConfigurationView]:
    """The configuration at the time of each copy, the present one last."""
    past = [ConfigurationView(one.modified, one, order=order) for one, order in copies if order != CURRENT]
    now = next((one for one, order in copies if order == CURRENT), None)
    hives = [machine.hives[each.index] for each in server.artifacts if each.index in machine.hives]
    newest = sorted(hives, key=lambda hive: hive.written.timestamp() if hive.written else 0.0)
    services = next((hive for hive in reversed(newest) if hive.services is not None), None)
    software = next((hive for hive in reversed(newest) if hive.diagnostics is not None), None)
    present = ConfigurationView(
        time=end,
        iis=now,
        web=tuple(_web_files(server, clock, notices)),
        services=services.services if services is not None else None,
        services_path=services.path if services is not None else "",
        services_since=services.services_since if services is not None else {},
        eems=_eems(server, scans, notices),
        diagnostics=software.diagnostics if software is not None else None,
        registry_path=software.path if software is not None else "",
        order=CURRENT,
    )
    return [*past, present]


def _web_files(server: Server, clock: _Clock, notices: list[Notice]) -> Iterator[WebFile]:
    files = [each for each in server.of_kind("web-config") if not each.path.lower().endswith("sharedwebconfig.config")]
    for artifact in [each for each in files if not in_shadow(each)][:MAX_WEB]:
        data = _content(artifact, notices)
        if data is not None:
            config = parse_web_config(data, artifact.shown)
            notices += config.notices
            yield WebFile(artifact.path, config, clock.time_of(artifact))


def _eems(server: Server, scans: Mapping[int, LogScan], notices: list[Notice]) -> tuple[EemsEvent, ...] | None:
    """Lines of the Emergency Mitigation service's log and its events; None where the evidence holds neither."""
    logs = server.of_kind("mitigation-service")
    found = [line for artifact in logs for line in _log_lines(artifact, notices)]
    events = [each for each in events_of(server.artifacts, scans) if each[1].provider.lower() == _EEMS]
    found += [EemsEvent(event.time, "\n".join(event.values), path, 0) for path, event in events]
    return tuple(found) if logs or events else None


def _log_lines(artifact: Artifact, notices: list[Notice]) -> list[EemsEvent]:
    found: list[EemsEvent] = []
    try:
        with open_locator(artifact.locator) as stream:
            for line in physical_lines(stream):
                if line.number > MAX_EEMS_LINES:
                    break
                text = line.data.decode("utf-8", "replace")
                match = _TIME.match(text)
                time = parse_iso(match[1]) if match is not None else None
                if time is not None:
                    found.append(EemsEvent(time, text, artifact.path, line.number))
    except (EvidenceError, OSError) as error:
        notices.append(Notice(artifact.shown, "", f"notice.unreadable: {error}"))
    return found


def attempts_of(hits: Sequence[Hit]) -> dict[str, list[datetime]]:
    """Chain -> times of attacks on this server, refused ones too; scanners and administrators made none."""
    found: dict[str, list[datetime]] = {}
    for hit in hits:
        if hit.finding.chain and hit.role == "intrusion" and stage_rank(stage_of(hit)) >= 0:
            times = [sample.time for sample in hit.group.samples.kept]
            found.setdefault(hit.finding.chain, []).extend(times or [time for time in (hit.finding.time,) if time is not None])
    return found


def history_entry(history: BuildHistory) -> HistoryEntry:
    """The history as the examination document holds it."""
    return HistoryEntry(
        history.installed,
        tuple(_reading(one) for one in history.readings),
        tuple(
            BuildContradiction(one.kind, one.text, _reading(one.earlier), _reading(one.later), one.aside, one.cves)
            for one in history.contradictions
        ),
    )


def _reading(one: Reading) -> BuildReading:
    return BuildReading(one.time, str(one.build), one.precision, one.basis, one.path)
