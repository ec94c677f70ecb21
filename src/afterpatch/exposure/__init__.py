"""Which holes were open on a server, from when until when, and what stood in their way.

Pure functions over parsed values: build history (`history`), windows of exposure (`windows`), mitigations
(`mitigations`). Imports the model, the knowledge and the parsers' dataclasses only.
"""

from afterpatch.exposure.figures import Figures
from afterpatch.exposure.history import BuildHistory, Contradiction, Period, build_history
from afterpatch.exposure.mitigations import (
    ConfigurationView,
    EemsEvent,
    IisFile,
    MitigationState,
    Protection,
    WebFile,
    dated,
    mitigation_history,
    mitigation_states,
    protections,
)
from afterpatch.exposure.readings import Reading, installed_at
from afterpatch.exposure.windows import CveExposure, Window, exposure_of, exposures

__all__ = [
    "BuildHistory",
    "ConfigurationView",
    "Contradiction",
    "CveExposure",
    "EemsEvent",
    "Figures",
    "IisFile",
    "MitigationState",
    "Period",
    "Protection",
    "Reading",
    "WebFile",
    "Window",
    "build_history",
    "dated",
    "exposure_of",
    "exposures",
    "installed_at",
    "mitigation_history",
    "mitigation_states",
    "protections",
]
