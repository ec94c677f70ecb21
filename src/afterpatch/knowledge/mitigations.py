"""Published mitigations: data and pure functions over plain values. Reading configuration files is done elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from afterpatch.knowledge import builds
from afterpatch.knowledge.builds import Build
from afterpatch.knowledge.data_files import load_yaml, table

GRADES = ("final", "weak")
_STRENGTH = ("None", "Allow", "Require")


@dataclass(frozen=True, slots=True)
class Mitigation:
    """A published mitigation. It is in place when all rules of `needs_all` are, each in its final form."""

    id: str
    cves: tuple[str, ...]
    covers: str
    needs_all: tuple[str, ...]
    origin: str
    not_covered: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    eems: str = ""


@dataclass(frozen=True, slots=True)
class RuleForm:
    """One published form of a URL Rewrite rule. `grade`: final, or weak with a reason in `why`. For an outbound rule
    `input` is the server variable and `value` what it is rewritten to."""

    id: str
    direction: str
    site: str
    input: str
    pattern: str
    action: str
    grade: str
    since: date
    names: tuple[str, ...]
    origin: str
    why: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service that a mitigation of March 2021 disables. `explained_by`: pools that must be stopped with it."""

    name: str
    start: int
    cves: tuple[str, ...]
    origin: str
    explained_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolState:
    """An application pool that a mitigation of March 2021 stops."""

    name: str
    auto_start: bool
    start_mode: str
    cves: tuple[str, ...]
    origin: str


@cache
def _document() -> Mapping[str, Any]:
    found: Mapping[str, Any] = load_yaml("mitigations.yml")
    return found


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


@cache
def mitigations() -> tuple[Mitigation, ...]:
    """All published mitigations that work by URL Rewrite rules."""
    return tuple(Mitigation(**_fields(row)) for row in _document()["mitigations"])


@cache
def rule_forms() -> tuple[RuleForm, ...]:
    """All published forms of the rules, oldest first for each id."""
    return tuple(RuleForm(**_fields(row)) for row in _document()["rules"])


@cache
def service_states() -> tuple[ServiceState, ...]:
    """Services that mitigations of March 2021 disable."""
    return tuple(ServiceState(**_fields(row)) for row in _document()["services"])


@cache
def pool_states() -> tuple[PoolState, ...]:
    """Pools that mitigations of March 2021 stop."""
    return tuple(PoolState(**_fields(row)) for row in _document()["pools"])


def recognise(input_: str, pattern: str, action: str, direction: str = "inbound") -> RuleForm | None:
    """The published rule form with this condition input (outbound: server variable), pattern and action, or None.

    Patterns are compared as text, without regard to case (URL Rewrite ignores it by default); the input keeps its inner
    blanks, because one of the forms is weak for a blank.
    """
    wanted = (direction, input_.strip().lower(), pattern.strip().lower(), action.strip().lower())
    for form in rule_forms():
        if (form.direction, form.input.lower(), form.pattern.lower(), form.action.lower()) == wanted:
            return form
    return None


def named_rule(name: str) -> tuple[RuleForm, ...]:
    """The forms published under a name: a hint for a rule that `recognise` does not know (edited or newer)."""
    wanted = re.sub(r"\s+", " ", name).strip().lower()
    return tuple(form for form in rule_forms() if wanted in {known.lower() for known in form.names})


@dataclass(frozen=True, slots=True)
class ExpectedProtection:
    """What Extended Protection should be at an IIS location, and the SSL flags that go with it ("" not looked at)."""

    location: str
    expected: str
    ssl: tuple[str, ...]


@cache
def _expected() -> Mapping[str, ExpectedProtection]:
    rows = table("extended_protection.csv")
    return {
        row["location"].lower(): ExpectedProtection(row["location"], row["expected"], tuple(filter(None, row["ssl"].split(";"))))
        for row in rows
    }


def expected_protection(location: str) -> ExpectedProtection | None:
    """The expected value at a location (`Default Web Site/EWS`), or None where nothing is expected there."""
    return _expected().get(location.strip().strip("/").lower())


def protected_locations() -> tuple[ExpectedProtection, ...]:
    """All locations with an expectation, sorted."""
    return tuple(_expected().values())


def grade_protection(location: str, value: str, *, ip_allow_list: bool = False) -> str:
    """as-expected | lower (weaker than recommended) | higher (not supported, may break clients) | not-expected |
    unknown. `value` is `tokenChecking` with inheritance applied; "" or `absent` means None. `ip_allow_list` counts for
    the back end's EWS, where an address list that refuses all others is accepted instead."""
    expected = expected_protection(location)
    if expected is None:
        return "not-expected"
    found = "None" if value.strip().lower() in ("", "absent") else value.strip().capitalize()
    if found not in _STRENGTH:
        return "unknown"
    difference = _STRENGTH.index(found) - _STRENGTH.index(expected.expected)
    if difference < 0 and ip_allow_list and expected.location == "Exchange Back End/EWS":
        return "as-expected"
    return "as-expected" if difference == 0 else "lower" if difference < 0 else "higher"


def supports_protection(build: Build) -> bool | None:
    """Whether a build supports Extended Protection; None where a reading at CU level cannot say."""
    firsts = {builds.branch_key(first): first for first in map(Build.parse, _document()["extended_protection"]["supported"])}
    first = firsts.get(builds.branch_key(build))
    if first is None:
        newest = [key for key in firsts if key[:2] == (build.major, build.minor)]
        return bool(newest) and builds.branch_key(build) > max(newest)
    return None if build.parts < 4 else build >= first


def protection_by_default(build: Build) -> bool:
    """Whether setup of this cumulative update turns Extended Protection on."""
    first = Build.parse(_document()["extended_protection"]["default_from"])
    return (build.major, build.minor) == (first.major, first.minor) and build.build >= first.build


def has_emergency_service(build: Build) -> bool:
    """Whether a cumulative update brings the Emergency Mitigation service."""
    firsts = [Build.parse(text) for text in _document()["emergency_service"]["since"]]
    return any((build.major, build.minor) == (first.major, first.minor) and build.build >= first.build for first in firsts)


def signing_level(build: Build) -> str:
    """Whether a build can sign serialized data: no | switch (off by default) | default | unknown (a reading of the
    cumulative update that cannot say)."""
    dates = _document()["data_signing"]
    branch = builds.branch(build)
    if branch is None:
        newest = [one for key, one in builds.branches().items() if key[:2] == (build.major, build.minor)]
        return "default" if newest and build > newest[-1].last else "unknown"
    shipped, default = dates["shipped"], dates["default"]
    if build.parts < 4:
        first = branch.rows[0].released
        return "default" if first >= default else "unknown" if branch.rows[-1].released >= shipped else "no"
    done = [row for row in branch.rows if row.build <= build]
    newest_row = done[-1] if done else branch.rows[0]
    return "default" if newest_row.released >= default else "switch" if newest_row.released >= shipped else "no"
