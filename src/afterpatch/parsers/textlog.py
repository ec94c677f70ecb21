"""The exact reader of text logs: slow, complete, and the oracle of the scanning plane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from afterpatch.model import Record
from afterpatch.parsers.excerpt import ExcerptParser
from afterpatch.parsers.lineparser import LineParser
from afterpatch.parsers.lines import physical_lines
from afterpatch.parsers.outcome import BadLine, Counts, Header


def read_log(kind: str, stream: BinaryIO, counts: Counts | None = None) -> Iterator[Record | BadLine | Header]:
    """Every physical line of a text log, in order, as exactly one of the three.

    `kind` is a key of formats.yml or `log-excerpt` (KeyError else). `stream` delivers uncompressed bytes; only `read`
    is used. Nothing in the bytes can make this raise. `counts`, where given, is filled while the lines are taken."""
    parser = ExcerptParser(counts) if kind == "log-excerpt" else LineParser(kind, counts)
    return (parser.feed(line) for line in physical_lines(stream))
