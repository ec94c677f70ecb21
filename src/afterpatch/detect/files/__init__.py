"""Findings about single files: web roots, staging places, compiled traces, IIS and transport configuration.

`analyse_file` runs every analyser of `registry.ANALYSERS` over one file;
`analyse_server` judges what needs several files of a server at once (configuration history, repeated compiles).
"""

from afterpatch.detect.files.driver import analyse_file, analyse_server, as_finding
from afterpatch.detect.files.item import (
    CheckFailure,
    Facts,
    FileAnalyser,
    FileContext,
    FileFinding,
    FileItem,
    Inventory,
    ServerFacts,
)
from afterpatch.detect.files.registry import ANALYSERS, broken_detections, detections

__all__ = [
    "ANALYSERS",
    "CheckFailure",
    "Facts",
    "FileAnalyser",
    "FileContext",
    "FileFinding",
    "FileItem",
    "Inventory",
    "ServerFacts",
    "analyse_file",
    "analyse_server",
    "as_finding",
    "broken_detections",
    "detections",
]
