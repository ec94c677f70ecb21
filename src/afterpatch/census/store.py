"""The database of a census: bounded memory, the rest on disk, removed at the end.

Tables are temporary ones: the database does not compress those, which would take longer than reading the rows."""

# ruff: noqa: S608 - statements are put together out of our own names; values of the input are always bound
from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from afterpatch.census.options import CensusOptions

_BATCH = 50_000
_HOSTS = """
CREATE TEMP TABLE hosts (host VARCHAR, hid UBIGINT, version VARCHAR, coarse BOOLEAN, day DATE, country VARCHAR, asn BIGINT,
                    sector VARCHAR, owner VARCHAR, tag VARCHAR, shell BOOLEAN)"""


class Store:
    """A connection, its folder, and helpers to get many rows in and out of it in bounded memory."""

    def __init__(self, options: CensusOptions) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="afterpatch-census-", dir=options.temporary or None))
        self._files = 0
        self.connection = duckdb.connect(str(self.folder / "census.duckdb"))
        self.run("SET memory_limit = ?", options.memory)
        self.run("SET temp_directory = ?", str(self.folder / "spill"))
        self.run("SET preserve_insertion_order = false")
        self.run("SET autoinstall_known_extensions = false")
        self.run("SET autoload_known_extensions = false")
        self.run("SET enable_progress_bar = false")
        if options.threads:
            self.run("SET threads = ?", options.threads)
        self.run(_HOSTS)

    def run(self, sql: str, *values: object) -> None:
        """One statement."""
        self.connection.execute(sql, list(values))

    def rows(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, in batches. No other statement may run before the last row is taken: tables of hosts are
        temporary, which a second connection would not see."""
        found = self.connection.execute(sql, list(values))
        while batch := found.fetchmany(_BATCH):
            yield from batch

    def one(self, sql: str, *values: object) -> tuple[Any, ...]:
        """The only row of a query."""
        found = self.connection.execute(sql, list(values)).fetchone()
        assert found is not None
        return found

    def number(self, sql: str, *values: object) -> int:
        """The only value of a query."""
        return int(self.one(sql, *values)[0] or 0)

    def fill(self, table: str, columns: str, rows: Iterable[Sequence[object]]) -> int:
        """A new table out of Python rows (None is NULL), over a file: much quicker than single inserts. `columns` as in
        CREATE TABLE. Returns how many rows."""
        path, count = self.spool(rows)
        names = ", ".join(f"'{part.split()[0]}': '{part.split()[1]}'" for part in columns.split(","))
        self.run(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM {spooled('?', names)}", str(path))
        path.unlink()
        return count

    def spool(self, rows: Iterable[Sequence[object]]) -> tuple[Path, int]:
        """Python rows as a file for `spooled`. NULL is `\\N`; a text that is `\\N` itself loses its backslash."""
        self._files += 1
        path = self.folder / f"rows{self._files}.csv"
        count = 0
        with path.open("w", encoding="utf-8", errors="replace", newline="") as stream:
            writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
            for row in rows:
                writer.writerow(["\\N" if cell is None else cell if cell != "\\N" else "N" for cell in row])
                count += 1
        return path, count

    def close(self) -> None:
        """Closes the connection and removes the files."""
        self.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def spooled(path: str, columns: str) -> str:
    """The table function that reads a file of `Store.spool`."""
    return (
        f"read_csv({path}, columns = {{{columns}}}, auto_detect = false, header = false, delim = ',', quote = '\"', "
        "escape = '\"', new_line = '\\n', nullstr = '\\N', allow_quoted_nulls = true, max_line_size = 16777216)"
    )
