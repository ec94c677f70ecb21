"""What was asked of a server, for which time, and what the evidence lacked to answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from afterpatch.assess.chains import Way, ways
from afterpatch.assess.coverage import Period, covered, uncovered
from afterpatch.assess.eventcoverage import unseen_channels
from afterpatch.assess.options import Options
from afterpatch.exposure.windows import Window
from afterpatch.model import EPOCH, Answerable, Coverage, message, to_iso

FRONT = ("iis", "httpproxy", "proxylogon-export")


@dataclass(frozen=True, slots=True)
class Asked:
    """One way in as it was asked: its periods (none: not asked), what of them no front-end log covers."""

    way: Way
    periods: tuple[Period, ...]
    missing: tuple[Period, ...]
    lacking: tuple[str, ...]  # logs that would add proof

    @property
    def state(self) -> str:
        """yes | partly | no"""
        if not self.periods:
            return "yes"
        if not self.missing:
            return "partly" if self.lacking else "yes"
        whole = sum((period.end - period.start).total_seconds() for period in self.periods)
        lost = sum((period.end - period.start).total_seconds() for period in self.missing)
        return "no" if lost >= whole * 0.999 else "partly"


def end_of_evidence(coverage: Sequence[Coverage]) -> datetime | None:
    """The last row of any log."""
    return max((each.last for each in coverage if each.last is not None), default=None)


def ask(
    coverage: Mapping[str, Coverage],
    windows: Callable[[str], Sequence[Window]],
    product: str,
    options: Options,
) -> list[Asked]:
    """Every way in that can be asked of this server. `windows`: CVE -> when it was open; none where it never was."""
    end = min(filter(None, (end_of_evidence(tuple(coverage.values())), options.until)), default=None)
    if end is None:  # no log at all: every hole is asked about, none is covered
        end = options.until or _midnight(max(way.asked for way in ways().values() if way.asked)) or EPOCH
        end += timedelta(days=1)
    return [
        _ask(way, coverage, windows(way.gate), end, options)
        for way in ways().values()
        if way.gate and (not product or product in way.products)
    ]


def _ask(way: Way, coverage: Mapping[str, Coverage], times: Sequence[Window], end: datetime, options: Options) -> Asked:
    start = options.since or _midnight(way.asked)
    periods = []
    for time in times:
        if time.state == "closed" or start is None:
            continue
        begin = max(start, time.start) if time.start is not None else start
        until = min(end, time.end) if time.end is not None else end
        if begin < until:
            periods.append(Period(begin, until))
    kinds = [kind for kind in way.needs if kind in coverage and coverage[kind].records]
    seen = covered(coverage[kind] for kind in kinds)
    missing = [gap for period in _joined(periods) for gap in uncovered(period, seen)]
    lacking = [kind for kind in way.proof if kind not in coverage or not coverage[kind].records]
    return Asked(way, tuple(_joined(periods)), tuple(missing), tuple(lacking))


def _joined(periods: Sequence[Period]) -> list[Period]:
    merged: list[Period] = []
    for period in sorted(periods, key=lambda each: each.start):
        if merged and period.start <= merged[-1].end:
            merged[-1] = Period(merged[-1].start, max(merged[-1].end, period.end))
        else:
            merged.append(period)
    return merged


def asked_time(asked: Sequence[Asked]) -> tuple[datetime | None, datetime | None]:
    """From when until when the questions that the verdict answers ask."""
    periods = [period for each in asked if each.way.verdict for period in each.periods]
    return min((each.start for each in periods), default=None), max((each.end for each in periods), default=None)


def _midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day is not None else None


def answers(asked: Sequence[Asked], coverage: Mapping[str, Coverage], *, build_known: bool) -> list[Answerable]:
    """One answer for each way in, and one for each of the five questions."""
    found = [_chain_answer(each) for each in asked if each.periods]
    counted = [each for each in asked if each.way.verdict and each.periods]
    lacks = tuple(dict.fromkeys(key for each in counted for key in _lacks(each)))
    entry = "partly" if lacks else "yes"
    if counted and all(each.state == "no" for each in counted):
        entry = "no"
    has = {kind for kind, each in coverage.items() if each.files}
    doors = [key for key, kinds in _DOOR_EVIDENCE if not has & set(kinds)]
    unseen = [key for key, kind in _NOW_EVIDENCE if kind not in has]
    reach = [kind for kind in ("ews", "event-log", "cmdlet") if kind not in has]
    events = coverage.get("event-log")
    channels = unseen_channels(events.channels) if events is not None and events.records else []
    return [
        Answerable(message("question.exposure"), "yes" if build_known else "no", () if build_known else _lack("build")),
        Answerable(message("question.entry"), entry, lacks),
        Answerable(
            message("question.backdoors"),
            "yes" if not doors else "no" if len(doors) == len(_DOOR_EVIDENCE) else "partly",
            tuple(message(f"missing.{key}") for key in doors),
        ),
        Answerable(
            message("question.reach"),
            "partly" if len(reach) < 3 else "no",
            tuple(message(f"missing.{kind}") for kind in (*reach, *channels, "other-hosts")),
        ),
        Answerable(
            message("question.now"),
            "yes" if not unseen else "no" if len(unseen) == len(_NOW_EVIDENCE) else "partly",
            tuple(message(f"missing.{key}") for key in unseen),
        ),
        *found,
    ]


_DOOR_EVIDENCE = (
    ("web-roots", ("web-file",)),
    ("iis-config", ("iis-config",)),
    ("compiled", ("compiled", "compiled-assembly")),
)


# What there is now, as far as files tell: pages, and what IIS and the transport service load.
_NOW_EVIDENCE = (("web-roots", "web-file"), ("iis-config", "iis-config"), ("agents-config", "agents-config"))


def _lack(key: str) -> tuple[str, ...]:
    return (message(f"missing.{key}"),)


def _chain_answer(asked: Asked) -> Answerable:
    question = message("question.chain", name=asked.way.id)
    return Answerable(question, asked.state, _lacks(asked))


def _lacks(asked: Asked) -> tuple[str, ...]:
    times = [message("missing.time", first=to_iso(gap.start), last=to_iso(gap.end)) for gap in asked.missing[:20]]
    return (*times, *(message(f"missing.{kind}") for kind in asked.lacking))
