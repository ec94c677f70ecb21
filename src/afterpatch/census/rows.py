"""What every reader of scan data gives: one row a reading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import IO, NamedTuple

LONGEST_LINE = 16 << 20
LONGEST_CELL = 1000
OWA_PATH = re.compile(r"/owa/(?:auth/|prem/)?(\d{1,2}\.\d{1,2}\.\d{1,5}(?:\.\d{1,5})?)/", re.ASCII | re.IGNORECASE)


class Row(NamedTuple):
    """One reading of a host, in the order of the columns of the table `hosts`; "" where something is not known.
    `coarse`: the version stays at the cumulative update (a path). `day`: YYYY-MM-DD."""

    host: str
    version: str = ""
    coarse: bool = False
    day: str = ""
    country: str = ""
    asn: str = ""
    sector: str = ""
    owner: str = ""
    tag: str = ""
    shell: bool = False


@dataclass(slots=True)
class Tally:
    """What a reader could not use, by reason; and how many readings it gave."""

    rows: int = 0
    bad: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def pass_over(self, reason: str, count: int = 1) -> None:
        """Counts what was not used, as bad."""
        self.bad += count
        self.reasons[reason] = self.reasons.get(reason, 0) + count

    def leave_out(self, reason: str, count: int = 1) -> None:
        """Counts what is readable and out of scope."""
        self.reasons[reason] = self.reasons.get(reason, 0) + count


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked where it is gzip."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        if packed:
            with GzipFile(fileobj=stream) as unpacked:
                yield unpacked  # type: ignore[misc]
        else:
            yield stream


def head(path: Path, size: int = 65536) -> bytes:
    """The first bytes of a file, unpacked; short where it is damaged."""
    with opened(path) as stream:
        try:
            return stream.read(size)
        except (EOFError, BadGzipFile, OSError):
            return b""


def lines(stream: IO[bytes], tally: Tally) -> Iterator[bytes]:
    """Physical lines without their end. Longer ones than LONGEST_LINE are passed over and counted; a damaged end of a
    packed file is counted too."""
    try:
        while line := stream.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                tally.pass_over("notice.census-long-line")
                while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                continue
            yield line.rstrip(b"\r\n")
    except (EOFError, BadGzipFile, OSError):
        tally.pass_over("notice.census-damaged-end")


def cell(value: object) -> str:
    """A value of a scan as bounded text."""
    return value.strip()[:LONGEST_CELL] if isinstance(value, str) else str(value) if isinstance(value, int) else ""
