"""Sigma alone, over event logs and text logs: every rule given, no verdict about a server."""

from afterpatch.hunt.hunt import HuntOptions, HuntResult, hunt
from afterpatch.hunt.render import FORMATS, render
from afterpatch.hunt.summary import Summary, summarise

__all__ = ["FORMATS", "HuntOptions", "HuntResult", "Summary", "hunt", "render", "summarise"]
