"""Windows event logs: EVTX files, and exports of them as JSON or XML, in one normal form."""

from afterpatch.parsers.events.reading import format_of, looks_like_events, read_events
from afterpatch.parsers.events.record import BAD_REASONS, BadEvent, EventRecord
from afterpatch.parsers.events.told import tell_events

__all__ = ["BAD_REASONS", "BadEvent", "EventRecord", "format_of", "looks_like_events", "read_events", "tell_events"]
