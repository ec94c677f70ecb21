"""Which format a file has, by its content, and its way into the table of hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from gzip import BadGzipFile
from pathlib import Path

from afterpatch.census.documents import read_headers, read_json_lines, read_nmap
from afterpatch.census.options import CensusOptions
from afterpatch.census.rows import Row, Tally, head
from afterpatch.census.store import Store
from afterpatch.census.tables import load_table, recognise_table, store_rows
from afterpatch.model import Notice, UsageError

Reader = Callable[[Path, Tally], Iterator[Row]]
READERS: dict[str, Reader] = {"json-lines": read_json_lines, "headers": read_headers, "nmap": read_nmap}
FORMATS = (*READERS, "table", "compromised")


def recognise(start: bytes) -> str:
    """A name out of FORMATS, or "" where the content is of none of them."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<"):
        return "nmap" if b"<nmaprun" in text[:8192] else ""
    if text.startswith((b"{", b"[")):
        return "json-lines"
    if b"\nHTTP/" in b"\n" + text and b":" in text:
        return "headers"
    table = recognise_table(start)
    return "" if table is None else "compromised" if table.shells else "table"


def load(store: Store, path: Path, options: CensusOptions) -> tuple[str, Tally]:
    """Reads one file into the table `hosts`. Raises UsageError where it cannot be read or is of no known format."""
    try:
        start = head(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): name an inventory or scan file.") from None
    kind = recognise(start)
    tally = Tally()
    if kind in READERS:
        store_rows(store, READERS[kind](path, tally), tally)
    elif kind:
        table = recognise_table(start)
        assert table is not None
        try:
            load_table(store, path, table, tally, slow=options.slow)
        except BadGzipFile as error:
            raise UsageError(f"{path} is damaged ({error}): fetch it again.") from None
    else:
        raise UsageError(
            f"{path} is no build, inventory or scan data: expected a CSV file with a heading such as ip,version, JSON lines of "
            "Shodan, Censys or zgrab2, a dump of HTTP headers, or nmap XML."
        )
    return kind, tally


def notices(path: Path, tally: Tally) -> list[Notice]:
    """What a file held that was not used."""
    return [Notice(str(path), "", reason, count) for reason, count in sorted(tally.reasons.items())]
