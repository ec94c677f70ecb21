"""What each channel of an event log holds: records by hour, and which record numbers, so that missing ones show."""

from __future__ import annotations

from afterpatch.detect.plane.tally import ChannelUse, Hour
from afterpatch.parsers.events.normal import event_time

MAX_CHANNELS = 500
MAX_SPANS = 1_000


class ChannelCount:
    """Counts the records of one channel. Times are the texts of the records, which sort as times do."""

    __slots__ = ("_hours", "_last", "spans")

    def __init__(self) -> None:
        self._hours: dict[str, list[str | int]] = {}  # `2021-03-03T06` -> [count, first, last]
        self.spans: list[list[int]] = []  # [first, last] of unbroken runs of record numbers
        self._last = -1

    def add(self, time: str, number: int) -> None:
        """One record."""
        hour = self._hours.get(time[:13])
        if hour is None:
            self._hours[time[:13]] = [1, time, time]
        else:
            hour[0] += 1  # type: ignore[operator]
            if time < hour[1]:  # type: ignore[operator]
                hour[1] = time
            elif time > hour[2]:  # type: ignore[operator]
                hour[2] = time
        if number == self._last + 1 and self.spans:
            self.spans[-1][1] = number
        elif len(self.spans) < MAX_SPANS:
            self.spans.append([number, number])
        self._last = number

    def use(self) -> tuple[ChannelUse, int]:
        """(what the channel holds, records without a time that can be believed)."""
        found, lost = ChannelUse(), 0
        for count, first, last in self._hours.values():
            moments = event_time(str(first)), event_time(str(last))
            if moments[0] is None or moments[1] is None:
                lost += int(count)
                continue
            start, end = int(moments[0].timestamp()), int(moments[1].timestamp())
            found.hour(start // 3600, Hour(int(count), start, end))
        found.spans = [(first, last) for first, last in self.spans]
        found.whole = len(self.spans) < MAX_SPANS
        return found, lost
