"""The configuration of a server at one time, as far as the evidence holds it, and what a mitigation looked like in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from afterpatch.model import Mitigation, MitigationSpan
from afterpatch.parsers.iisconfig import IisConfig
from afterpatch.parsers.sections import expand, server_environment
from afterpatch.parsers.webconfig import WebConfig

FRONT, BACK = "Default Web Site", "Exchange Back End"
STATES = ("in-place", "partial", "weak", "absent", "not-visible")
_FRONT_FOLDER = re.compile(r"\\frontend\\httpproxy\\([^\\]{1,60})\Z", re.IGNORECASE)
_BACK_FOLDER = re.compile(r"\\clientaccess(?:\\([^\\]{1,60}))?\Z", re.IGNORECASE)
_COLLECTED = re.compile(r"(DefaultWebSite|ExchangeBackEnd)(?:-([A-Za-z]{2,20}))?_web\d?\.config\Z", re.IGNORECASE)
_SHORT = {"autod": "Autodiscover", "eas": "Microsoft-Server-ActiveSync", "rest": "API", "push": "PushNotifications",
          "mapiemsmdb": "MAPI/emsmdb", "mapinspi": "MAPI/nspi"}  # fmt: skip
_FRONT_NAMES = {"sync": "Microsoft-Server-ActiveSync", "rest": "API"}
_BACK_NAMES = {"sync": "Microsoft-Server-ActiveSync", "rest": "API", "exchweb": "EWS", "powershell-proxy": "PowerShell"}


@dataclass(frozen=True, slots=True)
class IisFile:
    """An applicationHost.config: the server's own path, what it says, when it was last changed (None: unknown)."""

    path: str
    config: IisConfig
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebFile:
    """A web.config, likewise."""

    path: str
    config: WebConfig
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class EemsEvent:
    """One line of the Emergency Mitigation service's log."""

    time: datetime
    text: str
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class ConfigurationView:
    """What was configured at `time` (of a history copy, or of the collection). `order` comes before the time: copies
    are numbered, and their time is not always known. `services`: service name -> start type, None where no registry
    hive tells. `eems`: None where the service's logs are not in the evidence. `diagnostics`: number values of the
    registry key that switches the signing of serialized data on 2013, None where no hive tells."""

    time: datetime | None = None
    iis: IisFile | None = None
    web: tuple[WebFile, ...] = ()
    services: Mapping[str, int] | None = None
    services_path: str = ""
    services_since: Mapping[str, datetime] = field(default_factory=dict)
    eems: tuple[EemsEvent, ...] | None = None
    diagnostics: Mapping[str, int] | None = None
    registry_path: str = ""
    order: int = 0


@dataclass(frozen=True, slots=True)
class MitigationState:
    """One mitigation: `state` out of STATES, why (`msg:`), where it stands, and since when.

    `since` is the earliest time at which the evidence shows it so: an upper bound, for a file's time tells its last
    change only. `not_before`: the latest time at which it was seen otherwise. `guards`: in place, it keeps `cves` from
    being used; else it is a step that a code fix needs, or hardening."""

    id: str
    state: str
    cves: tuple[str, ...]
    reasons: tuple[str, ...]
    path: str = ""
    line: int = 0
    since: datetime | None = None
    not_before: datetime | None = None
    guards: bool = False
    spans: tuple[tuple[datetime, datetime | None], ...] = ()

    def to_model(self) -> Mitigation:
        """The entry of the examination document."""
        spans = tuple(MitigationSpan(*span) for span in self.spans)
        return Mitigation(
            self.id, self.state, self.cves, self.guards, self.since, self.not_before, self.path, self.line, self.reasons, spans
        )


def inside(location: str, outer: str) -> bool:
    """Whether a location is `outer` or below it, without regard to case."""
    here, above = location.strip("/").lower(), outer.strip("/").lower()
    return not above or here == above or here.startswith(above + "/")


def joined(first: str, second: str) -> str:
    """Two parts of a location."""
    return "/".join(part for part in (first.strip("/"), second.strip("/")) if part)


def web_location(view: ConfigurationView, path: str) -> str:
    """The IIS location a web.config rules (`Default Web Site/owa`), "" where it is of no known folder. Virtual
    directories of the IIS configuration decide; else the folders that setup makes; for a copy without its folder the
    name that collections give it (`DefaultWebSite-OWA_web.config`)."""
    copy = _COLLECTED.search(path)
    if copy is not None:
        name = copy[2] or ""
        return joined(FRONT if copy[1].lower() == "defaultwebsite" else BACK, _SHORT.get(name.lower(), name))
    folder = path.rpartition("\\")[0].rstrip("\\").lower()
    if view.iis is not None:
        found = _mapped(view.iis, folder)
        if found:
            return found
    if folder.endswith("\\inetpub\\wwwroot"):
        return FRONT
    front = _FRONT_FOLDER.search(folder)
    if front is not None:
        return joined(FRONT, _FRONT_NAMES.get(front[1].lower(), front[1]))
    back = _BACK_FOLDER.search(folder)
    if back is not None:
        name = back[1] or ""
        return joined(BACK, _BACK_NAMES.get(name.lower(), name))
    return ""


def _mapped(iis: IisFile, folder: str) -> str:
    environment = server_environment(iis.path[:2] if iis.path[1:2] == ":" else "C:")
    found = ""
    for mapping in iis.config.mappings():
        if expand(mapping.physical_path, environment).rstrip("\\").lower() == folder:
            name = FRONT if mapping.site == "1" else mapping.site_name
            here = joined(name, mapping.url)
            found = here if not found or len(here) < len(found) else found
    return found


def site_location(view: ConfigurationView, location: str) -> str:
    """A location of applicationHost.config with the first site under its usual name, however it is called here."""
    if view.iis is not None:
        for site in view.iis.config.sites:
            if site.identifier == "1" and site.name and inside(location, site.name):
                return joined(FRONT, location.strip("/")[len(site.name) :])
    return location


def located_web(view: ConfigurationView, location: str) -> Iterator[WebFile]:
    """The web.config files that rule exactly this location."""
    for file in view.web:
        if web_location(view, file.path).lower() == location.lower():
            yield file
