"""Numbers of a hole's exposure: against the public timeline, and against the attacks this server saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from afterpatch.knowledge import builds, vulnerabilities
from afterpatch.knowledge.exploitation import Exploitation, exploitation
from afterpatch.knowledge.vulnerabilities import Vulnerability
from afterpatch.model import ExposureFigures, message, to_iso

Span = tuple[datetime | None, datetime | None]


@dataclass(frozen=True, slots=True)
class Figures:
    """Whole days, a begun day counted; None where a bound is not known.

    `days`: open in all (its windows added); `at_least`: it may have been longer. Of these days: `exploited_days` since
    the first known use anywhere, `before_patch_days` before an update existed, `zero_day_days` both, `mass_days` since
    mass exploitation, `patch_delay_days` since the update came out. `attempt_day`: on which day of being open the first
    attack on this server came (1 = the first day); `attempt_state`: open | mitigated | outside | "" (no attempt)."""

    days: int | None
    at_least: bool
    exploited_since: date | None
    patch_day: date | None
    mass_since: date | None
    exploited_days: int | None
    before_patch_days: int | None
    zero_day_days: int | None
    mass_days: int | None
    patch_delay_days: int | None
    mitigated_days: int | None
    first_attempt: datetime | None
    attempt_day: int | None
    attempt_state: str
    attempts: int

    def to_model(self) -> ExposureFigures:
        """The figures of the examination document."""
        return ExposureFigures(
            days=self.days,
            at_least=self.at_least,
            exploited_since=_iso(self.exploited_since),
            patch_day=_iso(self.patch_day),
            mass_since=_iso(self.mass_since),
            exploited_days=self.exploited_days,
            before_patch_days=self.before_patch_days,
            zero_day_days=self.zero_day_days,
            mass_days=self.mass_days,
            patch_delay_days=self.patch_delay_days,
            mitigated_days=self.mitigated_days,
            first_attempt=self.first_attempt,
            attempt_day=self.attempt_day,
            attempt_state=self.attempt_state,
        )


def _iso(day: date | None) -> str:
    return day.isoformat() if day is not None else ""


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def public_dates(known: Vulnerability) -> tuple[date | None, date | None, date | None]:
    """First known use anywhere, day of the first update, begin of mass exploitation."""
    entries = [entry for entry in exploitation().values() if known.cve in entry.cves]
    used = [entry.first_known for entry in entries if entry.first_known]
    first = min(used) if used else known.kev_date
    mass = [entry.mass for entry in entries if entry.mass]
    return first, _patch_day(known, entries), min(mass, default=None)


def _patch_day(known: Vulnerability, entries: Sequence[Exploitation]) -> date | None:
    """The day the first update with the fix came out: of the builds that are known to have it."""
    days = []
    for product in vulnerabilities.products_of(known.cve):
        for fix in vulnerabilities.fixes(known.cve, product).values():
            row = builds.lookup(fix.build) if fix.build is not None else None
            if row is not None and fix.status == "f":
                days.append(row.released)
    return min([*days, *(entry.fixed for entry in entries)], default=None)


def figures_of(
    known: Vulnerability,
    opened: Sequence[Span],
    guarded: Sequence[Span],
    attempts: Sequence[datetime],
    evidence_end: datetime | None,
    *,
    at_least: bool,
) -> Figures:
    """The figures of open and mitigated spans. Times are aware; `evidence_end` closes a span that is still open."""
    used, patched, mass = public_dates(known)
    spans = [(start, end or evidence_end) for start, end in opened]
    first = min(attempts, default=None)
    return Figures(
        days=_days(spans),
        at_least=at_least,
        exploited_since=used,
        patch_day=patched,
        mass_since=mass,
        exploited_days=_days(_after(spans, used)) if used else None,
        before_patch_days=_days(_before(spans, patched)) if patched else None,
        zero_day_days=_days(_before(_after(spans, used), patched)) if used and patched and used < patched else None,
        mass_days=_days(_after(spans, mass)) if mass else None,
        patch_delay_days=_days(_after(spans, patched)) if patched else None,
        mitigated_days=_days([(start, end or evidence_end) for start, end in guarded]) if guarded else None,
        first_attempt=first,
        attempt_day=_attempt_day(spans, first),
        attempt_state=_attempt_state(opened, guarded, first),
        attempts=len(attempts),
    )


def _days(spans: Sequence[Span]) -> int | None:
    """Days of all spans; None where there is a span without both bounds."""
    total = timedelta()
    for start, end in spans:
        if start is None or end is None:
            return None
        total += max(end - start, timedelta())
    return -(-int(total.total_seconds()) // 86400)


def _after(spans: Sequence[Span], day: date | None) -> list[Span]:
    """The parts of spans from a day on: a span that began before the evidence is bounded by it."""
    if day is None:
        return []
    begin = _start_of(day)
    return [(max(start or begin, begin), end) for start, end in spans if end is None or end > begin]


def _before(spans: Sequence[Span], day: date | None) -> list[Span]:
    if day is None:
        return []
    limit = _start_of(day)
    return [(start, min(end or limit, limit)) for start, end in spans if start is None or start < limit]


def _attempt_day(spans: Sequence[Span], first: datetime | None) -> int | None:
    if first is None or not spans or spans[0][0] is None or first < spans[0][0]:
        return None
    return (first - spans[0][0]).days + 1


def _attempt_state(opened: Sequence[Span], guarded: Sequence[Span], first: datetime | None) -> str:
    if first is None:
        return ""
    for name, spans in (("open", opened), ("mitigated", guarded)):
        if any((start is None or start <= first) and (end is None or first < end) for start, end in spans):
            return name
    return "outside"


def sentences(state: str, figures: Figures) -> tuple[str, ...]:
    """The figures as messages, none where the hole was never seen open."""
    found = []
    if figures.days:
        key = "exposure.open-days-at-least" if figures.at_least else "exposure.open-days"
        found.append(message(key, days=figures.days, **_given(before=figures.before_patch_days)))
    if figures.days and figures.exploited_days and figures.exploited_since:
        day = figures.exploited_since.isoformat()
        found.append(message("exposure.exploited-days", days=figures.exploited_days, since=day))
    if figures.patch_delay_days and figures.patch_day:
        day = figures.patch_day.isoformat()
        found.append(message("exposure.patch-delay", days=figures.patch_delay_days, since=day))
    if figures.first_attempt is not None:
        found.append(_attempt_sentence(figures))
    if state == "mitigated":
        found.append(message("exposure.mitigation-not-past"))
    return tuple(found)


def _attempt_sentence(figures: Figures) -> str:
    moment = to_iso(figures.first_attempt)
    if figures.attempt_state == "open" and figures.attempt_day is not None:
        return message("exposure.first-attempt", day=figures.attempt_day, time=moment)
    return message(f"exposure.first-attempt-{figures.attempt_state}", time=moment)


def _given(**values: int | None) -> dict[str, int]:
    return {name: value for name, value in values.items() if value}
