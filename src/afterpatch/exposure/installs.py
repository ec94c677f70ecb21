"""Readings out of events: Windows Installer, Windows Update, crash reports of Exchange.

Forms (as Windows writes them): MsiInstaller 1022 `Product: ... - Update '...' installed successfully.`; 1033 installed,
1034 removed: product, version, language, status, maker; 1036 update installed, 1037 update removed: product, version,
language, update, status, maker. Windows Update 19: the title of what was installed. MSExchange Common 4999 names the build
of what crashed, `15.01.2176.009`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from afterpatch.detect.plane.tally import Install
from afterpatch.exposure.readings import Reading, reading
from afterpatch.knowledge import builds
from afterpatch.knowledge.builds import Branch, Build

UPDATED, INSTALLED, REMOVED, SUCCEEDED = (1022, 1036), 1033, 1037, 19
_KB = re.compile(r"\bKB ?(\d{6,7})\b", re.IGNORECASE | re.ASCII)
_BUILD = re.compile(r"(?<![\d.])(1[45]\.\d{1,2}\.\d{3,5}\.\d{1,3})(?![\d.])", re.ASCII)
_PRODUCT = re.compile(r"Exchange Server (2010|2013|2016|2019|SE\b|Subscription Edition)(.{0,80})", re.IGNORECASE)
_LEVEL = re.compile(r"(?:Cumulative Update|CU) ?(\d{1,2})\b|(?:Service Pack|SP) ?(\d)\b|\b(RTM)\b", re.IGNORECASE)
_STATUS = re.compile(r"status: ?(\d+)", re.IGNORECASE)
_LONGEST = 4_000


def named_branch(title: str) -> Branch | None:
    """The cumulative update that an update's title names (`... Exchange Server 2016 Cumulative Update 19 (KB...)`)."""
    product = _PRODUCT.search(title, 0, _LONGEST)
    if product is None:
        return None
    name = product[1].upper().replace("SUBSCRIPTION EDITION", "SE")
    level = _LEVEL.search(product[2])
    cu = "RTM" if level is None or level[3] else f"CU{int(level[1])}" if level[1] else f"SP{level[2]}"
    return builds.branch_named(f"Exchange {name}", cu)


def from_title(title: str, near: Build | None) -> Build | None:
    """The build an update's title stands for: its own number, else its KB inside the cumulative update that the title
    names, else inside that of `near`."""
    stated = _BUILD.search(title, 0, _LONGEST)
    if stated is not None and (build := Build.try_parse(stated[1])) is not None and builds.lookup(build) is not None:
        return build
    kb, branch = _KB.search(title, 0, _LONGEST), named_branch(title)
    place = branch.first if branch is not None else near
    row = builds.build_for_kb(kb[1], place) if kb is not None and place is not None else None
    return row.build if row is not None else None


def from_installs(events: Iterable[tuple[str, Install]], near: Build | None = None) -> Iterator[Reading]:
    """Readings of events, given with the path of their log. `near`: a reading of the server's cumulative update, for
    titles that do not name it."""
    for path, event in events:
        provider = event.provider.lower()
        if provider == "msiinstaller":
            yield from _installer(path, event, near)
        elif provider == "msexchange common":
            yield from _crash(path, event)
        elif event.event_id == SUCCEEDED and "update" in provider:
            title = next((value for value in event.values if "exchange server" in value.lower()), "")
            build = from_title(title, near) if title else None
            if build is not None:
                yield Reading(event.time, build, "exact", "update", path)


def _installer(path: str, event: Install, near: Build | None) -> Iterator[Reading]:
    values = event.values
    if not any("exchange server" in value.lower() for value in values) or not _succeeded(event):
        return
    base = next((build for value in values[:4] if (build := _plain(value)) is not None), None)
    title = next((value for value in values if _KB.search(value, 0, _LONGEST)), "")
    if event.event_id in UPDATED and title:
        build = from_title(title, base or near)
        if build is not None:
            yield Reading(event.time, build, "exact", "update", path)
            return
    elif event.event_id == REMOVED and base is not None and title:
        yield Reading(event.time, base, "exact", "update", path)  # an update taken off leaves what it was put on
        return
    if base is not None and event.event_id in (INSTALLED, *UPDATED) and values[0].strip().lower() == "microsoft exchange server":
        yield Reading(event.time, base, "cu", "installer", path)


def _plain(value: str) -> Build | None:
    build = Build.try_parse(value) if _BUILD.fullmatch(value.strip()) else None
    return build if build is not None and build.parts == 4 else None


def _succeeded(event: Install) -> bool:
    """Whether the status among the values is 0; 1022 is written for success only."""
    if event.event_id == 1022:
        return True
    told = _STATUS.search(event.values[-1], 0, _LONGEST)
    if told is not None:
        return told[1] == "0"
    numbers: Sequence[str] = [value.strip() for value in event.values[3:6] if value.strip().isdigit()]
    return bool(numbers) and numbers[0] == "0"


def _crash(path: str, event: Install) -> Iterator[Reading]:
    found = _BUILD.search(" ".join(event.values)[:_LONGEST])
    one = reading(found[1], event.time, "crash-report", path) if found is not None else None
    if one is not None:
        yield one


__all__ = ["from_installs", "from_title", "named_branch"]
