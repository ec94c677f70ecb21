"""Parsers: bytes in, records and notices out. One file a format."""

from afterpatch.parsers.fields import Derived, derive
from afterpatch.parsers.formats import Format, Schema, formats, kinds
from afterpatch.parsers.lineparser import LineParser
from afterpatch.parsers.lines import Line, physical_lines
from afterpatch.parsers.outcome import BAD_REASONS, BadLine, Counts, Header
from afterpatch.parsers.textlog import read_log

__all__ = [
    "BAD_REASONS",
    "BadLine",
    "Counts",
    "Derived",
    "Format",
    "Header",
    "Line",
    "LineParser",
    "Schema",
    "derive",
    "formats",
    "kinds",
    "physical_lines",
    "read_log",
]
