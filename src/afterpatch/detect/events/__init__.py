"""Windows event logs on the rule engine: found fast, judged exactly, in the shapes of the text logs' plane."""

from afterpatch.detect.events.plan import EventPlan, make_event_plan
from afterpatch.detect.events.run import scan_events
from afterpatch.detect.events.scan import EventJob, scan_event_log

__all__ = ["EventJob", "EventPlan", "make_event_plan", "scan_event_log", "scan_events"]
