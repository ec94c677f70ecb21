"""Which holes were open on a server, from when until when, by the builds its evidence names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from afterpatch.assess.readings import Reading, hole_times
from afterpatch.knowledge import vulnerabilities
from afterpatch.model import Exposure


def exposure_of(readings: Sequence[Reading], installed: datetime | None) -> tuple[Exposure, ...]:
    """One entry for each of the holes a report names, of which the server's product can have been affected."""
    return tuple(
        found for each in vulnerabilities.core() if (found := _one(each.cve, each.alias, readings, installed)) is not None
    )


def _one(cve: str, alias: str, readings: Sequence[Reading], installed: datetime | None) -> Exposure | None:
    if not readings:
        return Exposure(cve, alias, "unknown", basis=("basis.no-reading",))
    last = readings[-1]
    exact = [reading for reading in readings if reading.precision == "exact"]
    now = vulnerabilities.state(cve, (exact or [last])[-1].build, (exact or [last])[-1].precision)
    times = hole_times(cve, readings, installed)
    opened = [time for time in times if time.state == "open"]
    if now.state == "not-affected" and not opened:
        return None
    state = {"not-affected": "closed", "configuration": "unknown"}.get(now.state, now.state)
    basis = (
        *now.basis,
        *(f"basis.{reading.basis}: {reading.build}, {reading.path}" for reading in (exact or [last])[-1:]),
    )
    return Exposure(
        cve,
        alias,
        state,
        open_from=opened[0].start if opened else None,
        open_until=opened[-1].end if opened and state != "open" else None,
        basis=basis,
    )
