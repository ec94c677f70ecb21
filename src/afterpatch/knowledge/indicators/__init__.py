"""Indicators: published values (addresses, hashes, names ...) and what they were published for.

An overlap says that a value was published for something; it is never attribution. Shipped lists: `carried()`. A user's
own lists: `load_user()`. Searching: `Matcher`.
"""

from afterpatch.knowledge.indicators.carried import carried
from afterpatch.knowledge.indicators.match import Matcher
from afterpatch.knowledge.indicators.model import HASHES, TYPES, Indicator
from afterpatch.knowledge.indicators.user import load_user
from afterpatch.knowledge.indicators.values import RefusedError, guess, normalise, refang

__all__ = [
    "HASHES",
    "TYPES",
    "Indicator",
    "Matcher",
    "RefusedError",
    "carried",
    "guess",
    "load_user",
    "normalise",
    "refang",
]
