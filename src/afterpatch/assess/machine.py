"""What the registry and the programs of a server say of it: setup, installed updates, services, file versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from afterpatch.evidence import read_bounded
from afterpatch.model import Artifact, EvidenceError, Notice
from afterpatch.parsers.peversion import file_version
from afterpatch.parsers.regf import Hive, Key

MAX_HIVE = 512 << 20
MAX_PROGRAM = 32 << 20
MAX_PROGRAMS = 200
HIVES = ("software", "system")
_WINDOWS = ("Microsoft", "Windows", "CurrentVersion")
_PRODUCTS = (*_WINDOWS, "Installer", "UserData", "S-1-5-18", "Products")
_SETUP_VALUES = ("MsiProductMajor", "MsiProductMinor", "MsiBuildMajor", "MsiBuildMinor")
_LIBRARY = re.compile(r"\\(?:clientaccess|frontend|v1[45]\\bin)\\(?:.*\\)?microsoft\.exchange\.[^\\]*\.dll\Z", re.IGNORECASE)
_PROGRAM = re.compile(r"(?:\A|\\bin\\|\A[a-z]:\\)exsetup\.exe\Z", re.IGNORECASE)
_UPDATE = re.compile(r"exchange server.*\bKB ?\d{6,7}\b", re.IGNORECASE)
_LATE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class HiveFacts:
    """One hive. `setup`: version of Exchange and when setup wrote it; `updates`: title and time of each update that is
    installed; `services`: name -> start type, None in a hive that has none, `services_since`: when each was last changed;
    `diagnostics`: number values of Exchange's
    Diagnostics key, None where the hive is not SOFTWARE."""

    path: str
    written: datetime | None
    setup: tuple[tuple[str, datetime | None], ...] = ()
    install_path: str = ""
    updates: tuple[tuple[str, datetime], ...] = ()
    services: Mapping[str, int] | None = None
    services_since: Mapping[str, datetime] = field(default_factory=dict)
    diagnostics: Mapping[str, int] | None = None


@dataclass(slots=True)
class Machine:
    """What was read, by artifact index. `versions`: file versions of Exchange's programs."""

    hives: dict[int, HiveFacts] = field(default_factory=dict)
    versions: dict[int, str] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)


def read_machine(artifacts: Iterable[Artifact]) -> Machine:
    """Hives and programs of the evidence."""
    found = Machine()
    programs: list[Artifact] = []
    for artifact in artifacts:
        if is_read(artifact):
            _read_hive(artifact, found)
        elif _PROGRAM.search(artifact.path) or _LIBRARY.search(artifact.path):
            programs.append(artifact)
    programs.sort(key=lambda each: (not each.path.lower().endswith("exsetup.exe"), each.index))
    for artifact in programs[:MAX_PROGRAMS]:
        _read_program(artifact, found)
    return found


def is_read(artifact: Artifact) -> bool:
    """Whether a hive is one of those that say something about the server."""
    return artifact.kind == "registry-hive" and artifact.path.rpartition("\\")[2].lower() in HIVES


def _read_program(artifact: Artifact, found: Machine) -> None:
    try:
        data, _cut = read_bounded(artifact.locator, MAX_PROGRAM)
    except (EvidenceError, OSError) as error:
        found.notices.append(Notice(artifact.shown, "", f"notice.unreadable: {error}"))
        return
    version = file_version(data)
    if version:
        found.versions[artifact.index] = version


def _read_hive(artifact: Artifact, found: Machine) -> None:
    if artifact.size > MAX_HIVE:
        found.notices.append(Notice(artifact.shown, "", "notice.hive-too-big"))
        return
    try:
        data, cut = read_bounded(artifact.locator, MAX_HIVE)
    except (EvidenceError, OSError) as error:
        found.notices.append(Notice(artifact.shown, "", f"notice.unreadable: {error}"))
        return
    hive = Hive(data, artifact.shown)
    found.hives[artifact.index] = _facts(hive, artifact.path)
    if cut or hive.exhausted:
        found.notices.append(Notice(artifact.shown, "", "notice.hive-cut"))
    found.notices += hive.notices
    if hive.broken:
        found.notices.append(Notice(artifact.shown, "", "notice.hive-cells", hive.broken))


def _facts(hive: Hive, path: str) -> HiveFacts:
    if hive.key("Select") is not None or hive.key("ControlSet001") is not None:
        services = _services(hive)
        starts = {name: start for name, (start, _since) in services.items()}
        since = {name: moment for name, (_start, moment) in services.items() if moment is not None}
        return HiveFacts(path, hive.written, services=starts, services_since=since)
    setup, folder = [], ""
    for version in ("v15", "v14"):
        key = hive.key("Microsoft", "ExchangeServer", version, "Setup")
        numbers = [found.number if (found := hive.value(key, name)) is not None else None for name in _SETUP_VALUES]
        if key is not None and all(number is not None for number in numbers):
            setup.append((".".join(map(str, numbers)), key.written))
        place = hive.value(key, "MsiInstallPath")
        folder = folder or (place.text if place is not None else "")
    diagnostics = hive.key("Microsoft", "ExchangeServer", "v15", "Diagnostics")
    values = list(hive.values(diagnostics)) if diagnostics is not None else []
    numbers_by_name = {one.name: one.number for one in values if one.number is not None}
    return HiveFacts(path, hive.written, tuple(setup), folder, tuple(_updates(hive)), diagnostics=numbers_by_name)


def _services(hive: Hive) -> dict[str, tuple[int, datetime | None]]:
    """Start types of Exchange's services in the control set in use, and when each key was last written."""
    current = hive.value(hive.key("Select"), "Current")
    number = current.number if current is not None and current.number is not None else 1
    services = hive.key(f"ControlSet{number:03d}", "Services") or hive.key("ControlSet001", "Services")
    found: dict[str, tuple[int, datetime | None]] = {}
    for key in hive.subkeys(services) if services is not None else ():
        if key.name.lower().startswith("msexchange"):
            start = hive.value(key, "Start")
            if start is not None and start.number is not None:
                found[key.name] = start.number, key.written
    return found


def _updates(hive: Hive) -> Iterator[tuple[str, datetime]]:
    """Exchange updates in the uninstall list and among the installer's patches."""
    seen: set[tuple[str, datetime]] = set()
    for key in _update_keys(hive):
        title = hive.value(key, "DisplayName")
        if title is None or not _UPDATE.search(title.text[:1000]):
            continue
        day = hive.value(key, "InstallDate") or hive.value(key, "Installed")
        moment = _moment(day.text if day is not None else "", key.written)
        if moment is not None and (title.text[:300], moment) not in seen:
            seen.add((title.text[:300], moment))
            yield title.text[:300], moment


def _update_keys(hive: Hive) -> Iterator[Key]:
    listed = hive.key(*_WINDOWS, "Uninstall")
    if listed is not None:
        yield from hive.subkeys(listed)
    products = hive.key(*_PRODUCTS)
    for product in hive.subkeys(products) if products is not None else ():
        patches = next((one for one in hive.subkeys(product) if one.name.lower() == "patches"), None)
        if patches is not None:
            yield from hive.subkeys(patches)


def _moment(day: str, written: datetime | None) -> datetime | None:
    """`20210305` is the server's own day: the key's time where it is near, else noon of that day; without a day the
    key's time."""
    try:
        noon = datetime.strptime(day, "%Y%m%d").replace(hour=12, tzinfo=UTC)
    except ValueError:
        return written
    return written if written is not None and abs(written - noon) <= _LATE else noon
