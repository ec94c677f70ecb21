"""Coverage of the event logs channel by channel: times, silences, records that are missing between others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from afterpatch.assess.coverage import at, silent_times
from afterpatch.detect.plane.tally import ChannelUse, LogScan
from afterpatch.model import ChannelCoverage

# Channels without which a question stays open: message key -> channel (lower case).
ASKED = {
    "channel-security": "security",
    "channel-system": "system",
    "channel-application": "application",
    "channel-management": "msexchange management",
}
MAX_GAPS = 50
MOST_HOLES = 20  # a log whose numbers break off more often was selected from, not deleted from
LEAST_RECORDS, LEAST_SHARE = 20, 0.5
MAX_NAME = 200


def channel_coverage(scans: Iterable[LogScan]) -> tuple[ChannelCoverage, ...]:
    """One entry a channel, sorted by name."""
    by_name: dict[str, list[ChannelUse]] = {}
    for scan in scans:
        for name, use in scan.channels.items():
            by_name.setdefault(name, []).append(use)
    return tuple(_one(name, uses) for name, uses in sorted(by_name.items()))


def _one(name: str, uses: Sequence[ChannelUse]) -> ChannelCoverage:
    whole = ChannelUse()
    for use in uses:
        whole.merge(use)
    counts = [count for count in map(missing_records, uses) if count is not None]
    hours = whole.hours.values()
    return ChannelCoverage(
        channel=name[:MAX_NAME],
        records=whole.records,
        first=at(min(hour.first for hour in hours)) if hours else None,
        last=at(max(hour.last for hour in hours)) if hours else None,
        gaps=tuple(silent_times(whole.hours)[:MAX_GAPS]),
        missing=sum(counts) if counts else None,
    )


def missing_records(use: ChannelUse) -> int | None:
    """How many records of one log are missing between others; None where the numbers cannot tell: there are none, or
    the log is a selection."""
    if not use.whole or use.records < LEAST_RECORDS:
        return None
    spans = sorted(span for span in use.spans if span[0] > 0)
    if not spans:
        return None
    holes = [after[0] - before[1] - 1 for before, after in pairwise(spans)]
    if any(hole < 0 for hole in holes):  # numbers that stand twice: several logs in one file
        return None
    missing, reach = sum(holes), spans[-1][1] - spans[0][0] + 1
    if sum(1 for hole in holes if hole) > MOST_HOLES or (reach - missing) < LEAST_SHARE * reach:
        return None
    return missing


def unseen_channels(channels: Sequence[ChannelCoverage]) -> list[str]:
    """Message keys of the channels that are asked for and not there."""
    held = {each.channel.lower() for each in channels if each.records}
    return [key for key, channel in ASKED.items() if channel not in held]
