"""Extended Protection of each virtual directory, with the inheritance of IIS locations.

Expected values: `knowledge/data/extended_protection.csv`. A location without an own value takes that of the nearest
location above it; without any it is None. SSL flags are inherited alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from afterpatch.exposure.view import ConfigurationView, MitigationState, inside, site_location
from afterpatch.knowledge import vulnerabilities
from afterpatch.knowledge.builds import Build
from afterpatch.knowledge.mitigations import grade_protection, protected_locations, supports_protection
from afterpatch.model import message
from afterpatch.parsers.sections import Entry, is_true

ID = "extended-protection"


@dataclass(frozen=True, slots=True)
class Protection:
    """One virtual directory. `found` is tokenChecking with inheritance ("None" where nothing sets it), `set_at` the
    location that sets it ("" nowhere). `grade`: as-expected | lower | higher | unknown; `ssl_lacking`: expected SSL
    flags that are not set."""

    location: str
    expected: str
    found: str
    set_at: str
    grade: str
    ssl: tuple[str, ...]
    ssl_lacking: tuple[str, ...]
    allow_list: bool
    line: int


def protections(view: ConfigurationView) -> tuple[Protection, ...]:
    """Every location with an expectation that is an application or location of this server; empty without an IIS
    configuration."""
    if view.iis is None:
        return ()
    here = _present(view)
    return tuple(
        _one(view, each.location, each.expected, each.ssl) for each in protected_locations() if _is_in(each.location, here)
    )


def _present(view: ConfigurationView) -> frozenset[str]:
    """All locations of the configuration and all applications, lower case."""
    assert view.iis is not None
    config = view.iis.config
    paths = {site_location(view, path) for path, _line in config.locations}
    paths |= {site_location(view, f"{one.site_name}{one.url}") for one in config.mappings()}
    return frozenset(path.strip("/").lower() for path in paths)


def _is_in(location: str, present: frozenset[str]) -> bool:
    return location.lower() in present


def _nearest(view: ConfigurationView, entries: Iterable[Entry], location: str, attribute: str) -> tuple[str, str, int]:
    """The value that holds at a location, the location that sets it, and its line."""
    found = ("", "", 0, -1)
    for entry in entries:
        where = site_location(view, entry.location)
        if entry.action == "set" and attribute in entry.attributes and inside(location, where) and len(where) >= found[3]:
            found = (entry.get(attribute), where, entry.line, len(where))
    return found[:3]


def _one(view: ConfigurationView, location: str, expected: str, ssl: Sequence[str]) -> Protection:
    assert view.iis is not None
    sections = view.iis.config.sections
    value, set_at, line = _nearest(view, sections.extended_protection, location, "tokenChecking")
    flags, _at, _line = _nearest(view, sections.ssl, location, "sslFlags")
    held = tuple(flag.strip() for flag in flags.split(",") if flag.strip() and flag.strip() != "None")
    wanted = [flag for flag in ssl if flag in ("Ssl", "Ssl128")]
    lacking = tuple(flag for flag in wanted if flag.lower() not in {one.lower() for one in held})
    listed = _allow_list(view, sections.ip_security, location)
    grade = grade_protection(location, value, ip_allow_list=listed)
    return Protection(location, expected, value or "None", set_at, grade, held, lacking, listed, line)


def _allow_list(view: ConfigurationView, entries: Sequence[Entry], location: str) -> bool:
    """Whether a location refuses all addresses but listed ones."""
    own = [entry for entry in entries if site_location(view, entry.location).lower() == location.lower()]
    refuses = any(entry.action == "set" and not is_true(entry.get("allowUnlisted", "true"), default=True) for entry in own)
    return refuses and any(entry.action == "add" and is_true(entry.get("allowed"), default=False) for entry in own)


def needing_cves() -> tuple[str, ...]:
    """The CVEs whose fix needs Extended Protection."""
    return tuple(one.cve for one in vulnerabilities.vulnerabilities().values() if ID in one.needs)


def protection_mitigation(view: ConfigurationView, build: Build | None = None) -> MitigationState:
    """Extended Protection as a whole: in place where no virtual directory has less than expected."""
    cves = needing_cves()
    if view.iis is None:
        return MitigationState(ID, "not-visible", cves, (_why("configuration-missing", site="applicationHost.config"),))
    path, modified = view.iis.path, view.iis.modified
    if build is not None and supports_protection(build) is False:
        return MitigationState(ID, "absent", cves, (_why("build-too-old", build=build),), path)
    found = protections(view)
    if not found:
        return MitigationState(ID, "not-visible", cves, (_why("no-exchange-sites"),), path)
    reasons = tuple(_reasons(found))
    lower = [one for one in found if one.grade == "lower"]
    needed = [one for one in found if one.expected != "None"]
    bad = [one for one in needed if one.grade in ("lower", "unknown") or one.ssl_lacking]
    set_there = [one for one in needed if one.found.lower() != "none"]
    state = "absent" if not set_there else "partial" if bad else "in-place"
    line = (bad or needed or found)[0].line
    if state == "absent":
        reasons = (_why("protection-nowhere", count=len(lower)),)
    return MitigationState(ID, state, cves, reasons, path, line, modified)


def _reasons(found: Iterable[Protection]) -> Iterable[str]:
    for one in found:
        if one.grade in ("lower", "higher", "unknown"):
            yield _why(f"protection-{one.grade}", location=one.location, found=one.found[:40], expected=one.expected)
        if one.ssl_lacking and one.expected != "None":
            yield _why("protection-ssl", location=one.location, flags=", ".join(one.ssl_lacking))
        if one.allow_list:
            yield _why("protection-allow-list", location=one.location)


def _why(key: str, **values: object) -> str:
    return message(f"exposure.mitigation.{key}", **values)
