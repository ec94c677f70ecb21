"""Mitigations by stopped pools and services, the Emergency Mitigation service, AMSI, and switches of IIS modules."""

from __future__ import annotations

import re
from collections.abc import Iterator

from afterpatch.exposure.view import BACK, FRONT, ConfigurationView, EemsEvent, MitigationState, located_web
from afterpatch.knowledge.builds import Build
from afterpatch.knowledge.mitigations import PoolState, has_emergency_service, pool_states, service_states, signing_level
from afterpatch.model import message, to_iso
from afterpatch.parsers.iisconfig import Pool
from afterpatch.parsers.sections import Entry

DISABLED, AUTOMATIC = 4, 2
_AMSI_MODULE = "httprequestfilteringmodule"
_LAST_WITHOUT_AMSI = {(15, 1): 2242, (15, 2): 858}  # 2016 CU20, 2019 CU9
_TOKEN_CVES = ("CVE-2023-21709",)
_EEMS_ID = re.compile(r"(?<![A-Za-z0-9.])(PING1|M\d{1,3}(?:\.\d{1,3}){0,3})(?![A-Za-z0-9])")
_MOST_IDS = 20


def _why(key: str, **values: object) -> str:
    return message(f"exposure.mitigation.{key}", **values)


def setting_mitigations(view: ConfigurationView, build: Build | None = None) -> Iterator[MitigationState]:
    """All of them, each with a state."""
    yield _pools(view)
    yield _unified_messaging(view)
    yield _health(view)
    yield _emergency_service(view, build)
    yield _amsi(view, build)
    yield _token_cache(view)
    yield _data_signing(view, build)


def _stopped(known: PoolState, pool: Pool | None) -> str:
    """in-place | partial | absent for one pool."""
    if pool is None:
        return "absent"
    start = pool.attributes.get("autoStart", "true").strip().lower() == "false"
    mode = pool.attributes.get("startMode", "").strip().lower() == known.start_mode.lower()
    return "in-place" if start and mode else "partial" if start else "absent"


def _pools(view: ConfigurationView) -> MitigationState:
    """The control panel's and the address book's pools, stopped: both are needed, each is a way to write a file."""
    known = pool_states()
    cves = tuple(dict.fromkeys(cve for one in known for cve in one.cves))
    if view.iis is None:
        why = (_why("configuration-missing", site="applicationHost.config"),)
        return MitigationState("exm-pools", "not-visible", cves, why, guards=True)
    pools = {pool.name.lower(): pool for pool in view.iis.config.pools}
    states = {one.name: _stopped(one, pools.get(one.name.lower())) for one in known}
    reasons = tuple(_why(f"pool-{state}", name=name) for name, state in states.items())
    grades = set(states.values())
    state = grades.pop() if len(grades) == 1 else "partial"
    lines = [pools[one.name.lower()].line for one in known if one.name.lower() in pools]
    return MitigationState(
        "exm-pools", state, cves, reasons, view.iis.path, min(lines, default=0), view.iis.modified, guards=True
    )


def _start(view: ConfigurationView, name: str) -> int | None:
    found = {key.lower(): value for key, value in (view.services or {}).items()}
    return found.get(name.lower())


def _unified_messaging(view: ConfigurationView) -> MitigationState:
    names = [one for one in service_states() if one.cves]
    cves = tuple(dict.fromkeys(cve for one in names for cve in one.cves))
    if view.services is None:
        return MitigationState("exm-services", "not-visible", cves, (_why("registry-missing"),), guards=True)
    starts = {one.name: _start(view, one.name) for one in names}
    there = {name: start for name, start in starts.items() if start is not None}
    if not there:  # 2019 has no Unified Messaging
        return MitigationState("exm-services", "absent", cves, (_why("service-none"),), view.services_path, guards=True)
    off = [name for name, start in there.items() if start == DISABLED]
    state = "in-place" if len(off) == len(there) else "partial" if off else "absent"
    reasons = tuple(_why("service-start", name=name, start=start) for name, start in there.items())
    changed = [time for name, time in view.services_since.items() if name.lower() in {one.lower() for one in off}]
    since = max(changed, default=view.time)
    return MitigationState("exm-services", state, cves, reasons, view.services_path, since=since, guards=True)


def _health(view: ConfigurationView) -> MitigationState:
    """The health manager: disabled together with a stopped pool it is part of the mitigation, alone it is not."""
    known = [one for one in service_states() if one.explained_by]
    if view.services is None:
        return MitigationState("exm-health", "not-visible", (), (_why("registry-missing"),))
    off = [one for one in known if _start(view, one.name) == DISABLED]
    if not off:
        return MitigationState("exm-health", "absent", (), (_why("health-running"),), view.services_path)
    pools = {pool.name.lower(): pool for pool in view.iis.config.pools} if view.iis is not None else {}
    forms = {one.name: one for one in pool_states()}
    explained = any(_stopped(forms[name], pools.get(name.lower())) != "absent" for one in off for name in one.explained_by)
    reason = _why("health-explained" if explained else "health-unexplained", names=", ".join(one.name for one in off))
    return MitigationState("exm-health", "in-place" if explained else "partial", (), (reason,), view.services_path)


def _emergency_service(view: ConfigurationView, build: Build | None) -> MitigationState:
    if build is not None and not has_emergency_service(build):
        return MitigationState("eems", "absent", (), (_why("build-too-old", build=build),))
    start = _start(view, "MSExchangeMitigation")
    events = sorted(view.eems or (), key=lambda one: one.time)
    if start is None and not events:
        key = "eems-not-visible" if view.eems is None else "eems-log-empty"
        return MitigationState("eems", "not-visible", (), (_why(key),))
    reasons = list(_eems_reasons(events))
    if start is not None and start != AUTOMATIC:
        reasons.insert(0, _why("service-start", name="MSExchangeMitigation", start=start))
        return MitigationState("eems", "absent" if start == DISABLED else "partial", (), tuple(reasons), view.services_path)
    first = events[0] if events else None
    return MitigationState(
        "eems",
        "in-place",
        (),
        tuple(reasons),
        first.path if first else view.services_path,
        first.line if first else 0,
        first.time if first else None,
    )


def _eems_reasons(events: list[EemsEvent]) -> Iterator[str]:
    """Which mitigations the service's log names, first seen when, and when the log ends."""
    seen: dict[str, EemsEvent] = {}
    for event in events:
        for name in _EEMS_ID.findall(event.text[:20_000]):
            if len(seen) < _MOST_IDS:
                seen.setdefault(name, event)
    for name, event in seen.items():
        yield _why("eems-names", name=name, time=to_iso(event.time))
    if events:
        yield _why("eems-last", time=to_iso(events[-1].time))


def _amsi(view: ConfigurationView, build: Build | None) -> MitigationState:
    if build is not None and not _has_amsi(build):
        return MitigationState("amsi", "absent", (), (_why("build-too-old", build=build),))
    found: dict[str, tuple[bool, str, int]] = {}
    for location in (f"{FRONT}/ecp", f"{BACK}/ecp"):
        for file in located_web(view, location):
            entry = _last(file.config.sections.modules)
            found[location] = (entry is not None and entry.action == "add", file.path, entry.line if entry else 0)
    if not found:
        return MitigationState("amsi", "not-visible", (), (_why("configuration-missing", site="ecp web.config"),))
    reasons = [_why("amsi-module" if there else "amsi-no-module", path=path) for there, path, _line in found.values()]
    there = [one for one in found.values() if one[0]]
    state = "absent" if not there else "in-place" if len(there) == 2 else "partial"
    if len(found) == 1 and there:
        reasons.append(_why("amsi-one-side"))
    reasons.append(_why("amsi-override"))
    _there, path, line = (there or list(found.values()))[0]
    return MitigationState("amsi", state, (), tuple(reasons), path, line)


def _data_signing(view: ConfigurationView, build: Build | None) -> MitigationState:
    """Signing of serialized data: shipped switched off with the update of January 2023, on by default from that of
    November 2023; Exchange 2013 has a registry value for it, the others a setting override (source: HealthChecker)."""
    if build is None:
        return MitigationState("data-signing", "not-visible", (), (_why("setting-override"),))
    there = signing_level(build)
    if there == "no":
        return MitigationState("data-signing", "absent", (), (_why("build-too-old", build=build),))
    if (build.major, build.minor) == (15, 0):
        return _signing_value(view)
    reasons = [_why("setting-override")]
    if view.diagnostics and view.diagnostics.get("DisableBaseTypeCheckForDeserialization") == 1:
        return MitigationState("data-signing", "partial", (), (_why("signing-weakened"), *reasons), view.registry_path)
    if there == "default":
        return MitigationState("data-signing", "in-place", (), (_why("signing-default"), *reasons))
    return MitigationState("data-signing", "not-visible", (), tuple(reasons))


def _signing_value(view: ConfigurationView) -> MitigationState:
    if view.diagnostics is None:
        return MitigationState("data-signing", "not-visible", (), (_why("registry-missing"),))
    values = {name.lower(): number for name, number in view.diagnostics.items()}
    on = values.get("enableserializationdatasigning") == 1
    weakened = values.get("disablebasetypecheckfordeserialization") == 1
    state = "absent" if not on else "partial" if weakened else "in-place"
    reasons = (_why("signing-value" if on else "signing-no-value"), *((_why("signing-weakened"),) if weakened else ()))
    return MitigationState("data-signing", state, (), reasons, view.registry_path)


def _has_amsi(build: Build) -> bool:
    last = _LAST_WITHOUT_AMSI.get((build.major, build.minor))
    return last is not None and build.build > last


def _last(modules: tuple[Entry, ...]) -> Entry | None:
    """The last entry that adds or removes the module in a list."""
    found = [one for one in modules if one.name.lower() == _AMSI_MODULE]
    return found[-1] if found else None


def _token_cache(view: ConfigurationView) -> MitigationState:
    """The token cache module removed: one of the two ways to close CVE-2023-21709; the other is a Windows update."""
    if view.iis is None:
        why = (_why("configuration-missing", site="applicationHost.config"),)
        return MitigationState("token-cache", "not-visible", _TOKEN_CVES, why)
    config, path = view.iis.config, view.iis.path
    if not config.global_modules:
        return MitigationState("token-cache", "not-visible", _TOKEN_CVES, (_why("no-module-list"),), path)
    for one in config.global_modules:
        if one.action == "add" and one.name.lower() == "tokencachemodule":
            return MitigationState("token-cache", "absent", _TOKEN_CVES, (_why("token-cache-there"),), path, one.line)
    why = (_why("token-cache-gone"),)
    return MitigationState("token-cache", "in-place", _TOKEN_CVES, why, path, 0, view.iis.modified)
