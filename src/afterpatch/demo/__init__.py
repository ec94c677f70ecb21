"""Example evidence with ground truth: for `afterpatch demo`, for the tests, and for the benchmarks.

It reads nothing of the other parts but `model`, so that it stays independent of what reads it.
"""

from afterpatch.demo.layouts import LAYOUTS
from afterpatch.demo.scenarios import BY_NAME, SCENARIOS, Scenario
from afterpatch.demo.server import Server
from afterpatch.demo.stage import parse_size, write_scenario
from afterpatch.demo.truth import Planted, TrueActor, TrueChain, TrueDoor, Truth

__all__ = [
    "BY_NAME",
    "LAYOUTS",
    "SCENARIOS",
    "Planted",
    "Scenario",
    "Server",
    "TrueActor",
    "TrueChain",
    "TrueDoor",
    "Truth",
    "parse_size",
    "write_scenario",
]
