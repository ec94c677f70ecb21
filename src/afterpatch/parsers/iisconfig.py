"""applicationHost.config: sites, pools, modules and what else the examination asks of IIS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from afterpatch.model import Notice
from afterpatch.parsers.sections import (
    Entry,
    Sections,
    attributes_of,
    child_of,
    entries,
    expand,
    is_true,
    read_sections,
)
from afterpatch.parsers.xmltree import find_all, line_of, local_name, parse_xml

DEFAULT_LOG_DIRECTORY = "%SystemDrive%\\inetpub\\logs\\LogFiles"  # IIS schema default


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding; address, port and host are cut from `information` for http and https (`*:443:mail.example.com`)."""

    protocol: str
    information: str
    address: str
    port: str
    host: str
    ssl_flags: str
    line: int


@dataclass(frozen=True, slots=True)
class VirtualDirectory:
    """A virtual directory of an application; `physical_path` and `user` as written."""

    path: str
    physical_path: str
    user: str
    line: int


@dataclass(frozen=True, slots=True)
class Application:
    """An application; `pool` is "" where the default pool is used."""

    path: str
    pool: str
    protocols: str
    directories: tuple[VirtualDirectory, ...]
    line: int


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom log field: its column name, and where its value comes from (RequestHeader, ResponseHeader,
    ServerVariable)."""

    column: str
    source: str
    source_type: str


@dataclass(frozen=True, slots=True)
class SiteLog:
    """Log settings as written; "" and None where not stated. `flags` are the logExtFileFlags (`Date`, `UriStem`
    ...)."""

    directory: str = ""
    format: str = ""
    flags: tuple[str, ...] = ()
    enabled: bool | None = None
    period: str = ""
    local_time_rollover: bool | None = None
    targets: str = ""  # logTargetW3C: File, ETW or both
    custom: tuple[CustomField, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Site:
    """A web site; `identifier` is the number in its log folder's name (W3SVC<id>)."""

    identifier: str
    name: str
    bindings: tuple[Binding, ...]
    applications: tuple[Application, ...]
    log: SiteLog
    line: int


@dataclass(frozen=True, slots=True)
class Pool:
    """An application pool. `attributes` and `process` as written, `environment` its environment variables."""

    name: str
    attributes: Mapping[str, str]
    process: Mapping[str, str]
    environment: Mapping[str, str]
    line: int


@dataclass(frozen=True, slots=True)
class UrlMapping:
    """A URL path of a site and the folder behind it, as written."""

    site: str
    site_name: str
    url: str
    physical_path: str
    pool: str
    line: int


@dataclass(frozen=True, slots=True)
class IisConfig:
    """What an applicationHost.config says. `log_mode`: Site (a folder per site), CentralBinary or CentralW3C;
    `central_log` that log's settings. `locations`: every location path and its line."""

    sites: tuple[Site, ...]
    site_log: SiteLog  # siteDefaults/logFile
    log_mode: str
    central_log: SiteLog
    pools: tuple[Pool, ...]
    global_modules: tuple[Entry, ...]
    isapi_restrictions: tuple[Entry, ...]
    auto_start_providers: tuple[Entry, ...]
    sections: Sections
    locations: tuple[tuple[str, int], ...]
    notices: tuple[Notice, ...]

    def log_of(self, site: Site) -> SiteLog:
        """The settings that hold for this site: its own, else the defaults, else those of IIS."""
        own, general = site.log, self.site_log
        enabled = own.enabled if own.enabled is not None else general.enabled
        local = own.local_time_rollover if own.local_time_rollover is not None else general.local_time_rollover
        return SiteLog(
            directory=own.directory or general.directory or DEFAULT_LOG_DIRECTORY,
            format=own.format or general.format or "W3C",
            flags=own.flags or general.flags,
            enabled=True if enabled is None else enabled,
            period=own.period or general.period or "Daily",
            local_time_rollover=bool(local),
            targets=own.targets or general.targets or "File",
            custom=own.custom or general.custom,
            line=own.line,
        )

    def log_folder(self, site: Site, environment: Mapping[str, str]) -> str:
        """The folder of this site's log files, variables expanded."""
        base = expand(self.log_of(site).directory, environment).rstrip("\\/")
        return f"{base}\\W3SVC{site.identifier}"

    def mappings(self) -> Iterator[UrlMapping]:
        """Every URL path with a folder behind it, in document order."""
        for site in self.sites:
            for application in site.applications:
                for directory in application.directories:
                    yield UrlMapping(
                        site.identifier,
                        site.name,
                        _join(application.path, directory.path),
                        directory.physical_path,
                        application.pool,
                        directory.line,
                    )


def parse_iis_config(data: bytes, path: str) -> IisConfig:
    """An applicationHost.config, as much of it as can be read. Never raises for what is in `data`; `path` goes into the
    notices (those of xmltree.parse_xml, and notice.iis-config-no-sites)."""
    tree = parse_xml(data, path)
    root = tree.root if tree.root is not None else etree.Element("configuration")
    sites = tuple(_sites(root))
    notices = tree.notices if sites else (*tree.notices, Notice(path, "", "notice.iis-config-no-sites"))
    mode, central = _central_log(root)
    return IisConfig(
        sites=sites,
        site_log=_site_log(next(find_all(root, "siteDefaults/logFile"), None)),
        log_mode=mode,
        central_log=central,
        pools=tuple(_pools(root)),
        global_modules=tuple(entries(root, "globalModules")),
        isapi_restrictions=tuple(entries(root, "isapiCgiRestriction")),
        auto_start_providers=tuple(entries(root, "serviceAutoStartProviders")),
        sections=read_sections(root),
        locations=tuple((one.get("path", ""), line_of(one)) for one in find_all(root, "location")),
        notices=notices,
    )


def _join(application: str, directory: str) -> str:
    joined = "/".join(part for part in (application.strip("/"), directory.strip("/")) if part)
    return "/" + joined


def _sites(root: etree._Element) -> Iterator[Site]:
    for element in find_all(root, "sites/site"):
        bindings = child_of(element, "bindings")
        yield Site(
            identifier=element.get("id", ""),
            name=element.get("name", ""),
            bindings=tuple(_bindings(bindings)) if bindings is not None else (),
            applications=tuple(_applications(element)),
            log=_site_log(child_of(element, "logFile")),
            line=line_of(element),
        )


def _bindings(element: etree._Element) -> Iterator[Binding]:
    for child in element:
        if local_name(child) != "binding":
            continue
        protocol, information = child.get("protocol", ""), child.get("bindingInformation", "")
        address = port = host = ""
        if protocol in ("http", "https"):
            start, _, host = information.rpartition(":")
            address, _, port = start.rpartition(":")
        yield Binding(protocol, information, address, port, host, child.get("sslFlags", ""), line_of(child))


def _applications(site: etree._Element) -> Iterator[Application]:
    for element in site:
        if local_name(element) != "application":
            continue
        directories = tuple(
            VirtualDirectory(child.get("path", ""), child.get("physicalPath", ""), child.get("userName", ""), line_of(child))
            for child in element
            if local_name(child) == "virtualDirectory"
        )
        yield Application(
            element.get("path", ""),
            element.get("applicationPool", ""),
            element.get("enabledProtocols", ""),
            directories,
            line_of(element),
        )


def _site_log(element: etree._Element | None) -> SiteLog:
    if element is None:
        return SiteLog()
    custom = child_of(element, "customFields")
    fields = [child for child in custom if local_name(child) == "add"] if custom is not None else []
    return SiteLog(
        directory=element.get("directory", ""),
        format=element.get("logFormat", ""),
        flags=tuple(flag.strip() for flag in element.get("logExtFileFlags", "").split(",") if flag.strip()),
        enabled=_maybe(element.get("enabled")),
        period=element.get("period", ""),
        local_time_rollover=_maybe(element.get("localTimeRollover")),
        targets=element.get("logTargetW3C", ""),
        custom=tuple(
            CustomField(one.get("logFieldName", ""), one.get("sourceName", ""), one.get("sourceType", "")) for one in fields
        ),
        line=line_of(element),
    )


def _maybe(value: str | None) -> bool | None:
    return None if value is None else is_true(value, default=False)


def _central_log(root: etree._Element) -> tuple[str, SiteLog]:
    """Logging per server instead of per site: `<log centralLogFileMode>` and the log it then writes to."""
    element = next(find_all(root, "system.applicationHost/log"), None)
    if element is None:
        return "Site", SiteLog()
    mode = element.get("centralLogFileMode", "Site")
    name = "centralBinaryLogFile" if mode == "CentralBinary" else "centralW3CLogFile"
    return mode, _site_log(child_of(element, name))


def _pools(root: etree._Element) -> Iterator[Pool]:
    for element in find_all(root, "applicationPools/add"):
        variables = child_of(element, "environmentVariables")
        found = [child for child in variables if local_name(child) == "add"] if variables is not None else []
        yield Pool(
            name=element.get("name", ""),
            attributes=attributes_of(element),
            process=attributes_of(child_of(element, "processModel")),
            environment={one.get("name", ""): one.get("value", "") for one in found},
            line=line_of(element),
        )
