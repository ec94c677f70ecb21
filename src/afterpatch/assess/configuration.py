"""What configuration and setup files of a root say before its logs are read: sites, web roots, log folders, installs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from afterpatch.evidence import open_locator, read_bounded
from afterpatch.model import Artifact, EvidenceError, Notice
from afterpatch.parsers.iisconfig import IisConfig, Site, parse_iis_config
from afterpatch.parsers.sections import expand, server_environment
from afterpatch.parsers.setuplog import SetupRun, parse_setup_log

MAX_CONFIG = 8 << 20
BACK_END_NAMES = ("exchange back end",)
BACK_END_PORTS = frozenset(("444", "81"))


@dataclass(slots=True)
class RootConfiguration:
    """What the configuration of one root says. `sides`: site id -> front | back. `folders`: URL prefix -> folder, of
    the front-end site first."""

    iis: IisConfig | None = None
    iis_path: str = ""
    setup: list[tuple[str, SetupRun]] = field(default_factory=list)
    setup_runs: dict[int, tuple[SetupRun, ...]] = field(default_factory=dict)  # by artifact
    sides: dict[str, str] = field(default_factory=dict)
    web_roots: list[str] = field(default_factory=list)
    folders: dict[str, str] = field(default_factory=dict)
    log_folders: list[str] = field(default_factory=list)
    log_sides: dict[str, str] = field(default_factory=dict)  # lower-case log folder -> front | back
    temp_folders: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def read_configuration(artifacts: Iterable[Artifact]) -> dict[str, RootConfiguration]:
    """Root key -> configuration, from the artifacts that hold it."""
    found: dict[str, RootConfiguration] = {}
    for artifact in artifacts:
        if artifact.kind == "iis-config":
            _read_iis(artifact, found.setdefault(artifact.root, RootConfiguration()))
        elif artifact.kind == "setup-log":
            _read_setup(artifact, found.setdefault(artifact.root, RootConfiguration()))
    return found


def _read_iis(artifact: Artifact, into: RootConfiguration) -> None:
    try:
        data, truncated = read_bounded(artifact.locator, MAX_CONFIG)
    except (EvidenceError, OSError) as error:
        into.notices.append(Notice(artifact.shown, "", f"notice.unreadable: {error}"))
        return
    if truncated:
        into.notices.append(Notice(artifact.shown, "", "notice.config-cut"))
    config = parse_iis_config(data, artifact.shown)
    into.notices += config.notices
    if into.iis is not None and (into.iis.sites or not config.sites):
        return  # a second copy in the same root: the first with sites counts
    into.iis, into.iis_path = config, artifact.path
    drive = artifact.path[:2] if artifact.path[1:2] == ":" else "C:"
    environment = server_environment(drive)
    for site in sorted(config.sites, key=lambda site: (_side(site) == "back", site.identifier)):
        _take_site(config, site, environment, into)


def _side(site: Site) -> str:
    ports = {binding.port for binding in site.bindings}
    if site.name.lower() in BACK_END_NAMES or (ports and ports <= BACK_END_PORTS):
        return "back"
    return "front"


def _take_site(config: IisConfig, site: Site, environment: dict[str, str], into: RootConfiguration) -> None:
    side = _side(site)
    into.sides[site.identifier] = side
    folder = config.log_folder(site, environment)
    into.log_folders.append(folder)
    into.log_sides[folder.lower()] = side
    for mapping in config.mappings():
        if mapping.site == site.identifier and mapping.physical_path:
            path = expand(mapping.physical_path, environment)
            into.web_roots.append(path)
            into.folders.setdefault(mapping.url if side == "front" else f"back:{mapping.url}", path)


def _read_setup(artifact: Artifact, into: RootConfiguration) -> None:
    try:
        with open_locator(artifact.locator) as stream:
            log = parse_setup_log(stream, artifact.shown)
    except (EvidenceError, OSError) as error:
        into.notices.append(Notice(artifact.shown, "", f"notice.unreadable: {error}"))
        return
    into.notices += log.notices
    into.setup_runs[artifact.index] = log.runs
    into.setup += [(artifact.path, run) for run in log.runs]


def install_hints(configuration: RootConfiguration) -> Iterator[str]:
    """Paths that setup and IIS name, for the install path."""
    for _path, run in configuration.setup:
        if run.install_path:
            yield run.install_path.rstrip("\\") + "\\ClientAccess"
    yield from configuration.folders.values()


def log_side(artifact: Artifact, configuration: RootConfiguration | None) -> str:
    """front | back | "": which site wrote an IIS log, by its folder."""
    folder = artifact.path.rpartition("\\")[0].lower()
    if configuration is not None:
        if folder in configuration.log_sides:
            return configuration.log_sides[folder]
        name = folder.rpartition("\\")[2]
        if name.startswith("w3svc") and name[5:] in configuration.sides:
            return configuration.sides[name[5:]]
    return ""
