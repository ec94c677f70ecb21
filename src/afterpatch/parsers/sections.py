"""The sections that applicationHost.config and web.config share, read alike from both.

Values stay as written: environment variables are not expanded (see `expand`), defaults are not filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from afterpatch.parsers.xmltree import find_all, line_of, local_name, location_of

_CHANGES = ("add", "remove", "clear")
_VARIABLE = re.compile(r"%([^%]{1,64})%")


@dataclass(frozen=True, slots=True)
class Entry:
    """One element of a section: `action` is set (the section's own attributes), add, remove or clear; `location` the
    path of the `<location>` it stands in."""

    section: str
    action: str
    location: str
    attributes: Mapping[str, str]
    line: int

    @property
    def name(self) -> str:
        return self.attributes.get("name", "")

    def get(self, attribute: str, default: str = "") -> str:
        """The attribute as written, or the default where it is not there."""
        return self.attributes.get(attribute, default)


@dataclass(frozen=True, slots=True)
class RewriteRule:
    """A URL Rewrite rule. `kind`: inbound, outbound or global. `match`, `action` and each of `conditions` are the
    attributes as written (defaults left out by IIS are not filled in). `enabled`, `stop_processing` and `any_condition`
    (one condition is enough: `logicalGrouping` of the conditions) have the schema's defaults."""

    kind: str
    name: str
    enabled: bool
    stop_processing: bool
    match: Mapping[str, str]
    conditions: tuple[Mapping[str, str], ...]
    action: Mapping[str, str]
    precondition: str
    location: str
    line: int
    any_condition: bool = False


@dataclass(frozen=True, slots=True)
class PreCondition:
    """A named precondition of outbound rules. `any_condition`: one of its conditions is enough."""

    name: str
    conditions: tuple[Mapping[str, str], ...]
    location: str
    line: int
    any_condition: bool = False


@dataclass(frozen=True, slots=True)
class Sections:
    """All entries of the sections an examiner asks for, in document order; an empty tuple where there are none."""

    modules: tuple[Entry, ...]  # system.webServer/modules and system.web/httpModules
    handlers: tuple[Entry, ...]  # handlers and httpHandlers
    isapi_filters: tuple[Entry, ...]
    http_logging: tuple[Entry, ...]
    ssl: tuple[Entry, ...]  # security/access
    windows_authentication: tuple[Entry, ...]
    extended_protection: tuple[Entry, ...]
    ip_security: tuple[Entry, ...]
    request_filtering: tuple[Entry, ...]
    rewrite_rules: tuple[RewriteRule, ...]
    rewrite_changes: tuple[Entry, ...]  # remove and clear inside rule lists
    preconditions: tuple[PreCondition, ...]
    machine_keys: tuple[Entry, ...]
    http_runtime: tuple[Entry, ...]
    compilation: tuple[Entry, ...]
    globalization: tuple[Entry, ...]
    pages: tuple[Entry, ...]  # system.web/pages: enableViewStateMac, viewStateEncryptionMode, pageParserFilterType ...
    custom_headers: tuple[Entry, ...]


def read_sections(root: etree._Element) -> Sections:
    """The sections of a configuration tree, wherever in it they stand: every system.webServer and system.web block
    counts."""
    return Sections(
        modules=(*_entries(root, "system.webServer/modules"), *_entries(root, "system.web/httpModules")),
        handlers=(*_entries(root, "system.webServer/handlers"), *_entries(root, "system.web/httpHandlers")),
        isapi_filters=tuple(entries(root, "isapiFilters", "filter")),
        http_logging=_entries(root, "httpLogging"),
        ssl=_entries(root, "security/access"),
        windows_authentication=_entries(root, "authentication/windowsAuthentication"),
        extended_protection=_entries(root, "windowsAuthentication/extendedProtection"),
        ip_security=_entries(root, "security/ipSecurity"),
        request_filtering=_entries(root, "security/requestFiltering"),
        rewrite_rules=tuple(_rules(root)),
        rewrite_changes=tuple(_rewrite_changes(root)),
        preconditions=tuple(_preconditions(root)),
        machine_keys=_entries(root, "system.web/machineKey"),
        http_runtime=_entries(root, "system.web/httpRuntime"),
        compilation=_entries(root, "system.web/compilation"),
        globalization=_entries(root, "system.web/globalization"),
        pages=_entries(root, "system.web/pages"),
        custom_headers=_entries(root, "httpProtocol/customHeaders"),
    )


def _entries(root: etree._Element, path: str) -> tuple[Entry, ...]:
    return tuple(entries(root, path))


def entries(root: etree._Element, path: str, item: str = "") -> Iterator[Entry]:
    """Every section element at `path`: its own attributes, then its add, remove and clear elements (and those named
    `item`, as add), then those one level deeper (`requestFiltering/fileExtensions`)."""
    for element in find_all(root, path):
        name = local_name(element)
        location = location_of(element)
        if element.attrib:
            yield _entry(name, "set", location, element)
        for child in element:
            kind = local_name(child)
            if kind in _CHANGES or (item and kind == item):
                yield _entry(name, kind if kind in _CHANGES else "add", location, child)
            elif kind:
                yield from _deeper(f"{name}/{kind}", location, child)


def _deeper(section: str, location: str, element: etree._Element) -> Iterator[Entry]:
    if element.attrib:
        yield _entry(section, "set", location, element)
    for child in element:
        kind = local_name(child)
        if kind in _CHANGES:
            yield _entry(section, kind, location, child)


def _entry(section: str, action: str, location: str, element: etree._Element) -> Entry:
    return Entry(section, action, location, attributes_of(element), line_of(element))


def attributes_of(element: etree._Element | None) -> Mapping[str, str]:
    """The attributes as written; empty for None."""
    return {} if element is None else {str(name): str(value) for name, value in element.attrib.items()}


_RULE_LISTS = {"rules": "inbound", "outboundRules": "outbound", "globalRules": "global"}


def _rules(root: etree._Element) -> Iterator[RewriteRule]:
    for element in find_all(root, "rule"):
        parent = element.getparent()
        kind = _RULE_LISTS.get(local_name(parent), "") if parent is not None else ""
        if kind:
            yield _rule(kind, element)


def _rule(kind: str, element: etree._Element) -> RewriteRule:
    return RewriteRule(
        kind=kind,
        name=element.get("name", ""),
        enabled=is_true(element.get("enabled"), default=True),
        stop_processing=is_true(element.get("stopProcessing"), default=False),
        match=attributes_of(child_of(element, "match")),
        conditions=_conditions(child_of(element, "conditions")),
        action=attributes_of(child_of(element, "action")),
        precondition=element.get("preCondition", ""),
        location=location_of(element),
        line=line_of(element),
        any_condition=_matches_any(child_of(element, "conditions")),
    )


def _matches_any(element: etree._Element | None) -> bool:
    """`logicalGrouping="MatchAny"`; the schema's default is MatchAll."""
    return element is not None and element.get("logicalGrouping", "").strip().lower() == "matchany"


def _conditions(element: etree._Element | None) -> tuple[Mapping[str, str], ...]:
    if element is None:
        return ()
    return tuple(attributes_of(child) for child in element if local_name(child) == "add")


def _rewrite_changes(root: etree._Element) -> Iterator[Entry]:
    for name in _RULE_LISTS:
        for element in find_all(root, f"rewrite/{name}"):
            for child in element:
                if local_name(child) in ("remove", "clear"):
                    yield _entry(name, local_name(child), location_of(element), child)


def _preconditions(root: etree._Element) -> Iterator[PreCondition]:
    for element in find_all(root, "preConditions/preCondition"):
        name = element.get("name", "")
        yield PreCondition(name, _conditions(element), location_of(element), line_of(element), _matches_any(element))


def child_of(element: etree._Element, name: str) -> etree._Element | None:
    """The first child of this name."""
    return next((child for child in element if local_name(child) == name), None)


def is_true(value: str | None, *, default: bool) -> bool:
    """A boolean attribute; the schema's default where it is missing."""
    return default if value is None else value.strip().lower() in ("true", "1")


def expand(text: str, environment: Mapping[str, str]) -> str:
    """The text with `%Name%` replaced (names compared without case); unknown variables stay as written."""
    known = {name.lower(): value for name, value in environment.items()}
    return _VARIABLE.sub(lambda found: known.get(found[1].lower(), found[0]), text)


def server_environment(system_drive: str = "C:", exchange: str = "") -> dict[str, str]:
    """What the variables of IIS configuration mean on a server: its Windows drive, and Exchange's install path (""
    unknown, then `%ExchangeInstallPath%` stays as written)."""
    windows = system_drive + "\\Windows"
    known = {
        "SystemDrive": system_drive,
        "SystemRoot": windows,
        "windir": windows,
        "ProgramFiles": system_drive + "\\Program Files",
        "ProgramData": system_drive + "\\ProgramData",
        "IIS_SITES_HOME": "%IIS_SITES_HOME%",
        "IIS_USER_HOME": "%IIS_USER_HOME%",
    }
    if exchange:
        known["ExchangeInstallPath"] = exchange if exchange.endswith("\\") else exchange + "\\"
    return known
