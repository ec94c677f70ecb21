"""Exposure of many servers: builds out of inventories and scan data, counted per CVE, country, network and sector.

It reads files that the user already has and never sends a packet.
"""

from afterpatch.census.census import census
from afterpatch.census.explain import Explanation, explain, render_explanation
from afterpatch.census.html import render_html
from afterpatch.census.options import CensusOptions
from afterpatch.census.result import BuildCount, CensusResult, CveCount, GroupCount, Series, TrendCount
from afterpatch.census.terminal import render_terminal
from afterpatch.census.write import write_csv, write_json, write_owners, write_parquet

__all__ = [
    "BuildCount",
    "CensusOptions",
    "CensusResult",
    "CveCount",
    "Explanation",
    "GroupCount",
    "Series",
    "TrendCount",
    "census",
    "explain",
    "render_explanation",
    "render_html",
    "render_terminal",
    "write_csv",
    "write_json",
    "write_owners",
    "write_parquet",
]
