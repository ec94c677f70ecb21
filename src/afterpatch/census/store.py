"""The files of a census, removed at the end, and a database in bounded memory where a run is compared with an earlier one.

The readings lie in pieces (Parquet) that the database reads in place. It is opened after they are written, so that no
thread of its own runs while workers are started."""

# ruff: noqa: S608 - statements are put together out of our own names; values of the input are always bound
from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from afterpatch.census.columns.encode import PADDING, new_key
from afterpatch.census.columns.pieces import KINDS, Hosts, Piece, column, write
from afterpatch.census.options import CensusOptions

if TYPE_CHECKING:
    import duckdb

_BATCH = 50_000
_EPOCH = date(1970, 1, 1).toordinal()


class Store:
    """The pieces, a connection, its folder, and helpers to get many rows in and out of it in bounded memory."""

    def __init__(self, options: CensusOptions) -> None:
        self.options = options
        self.folder = Path(tempfile.mkdtemp(prefix="afterpatch-census-", dir=options.temporary or None))
        self.pieces_folder = self.folder / "pieces"
        self.pieces_folder.mkdir()
        self.key = new_key()
        self.pieces: list[Piece] = []
        self._files = 0
        self._connection: duckdb.DuckDBPyConnection | None = None

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The database, opened when first asked for."""
        if self._connection is None:
            import duckdb  # most runs need no database

            self._connection = duckdb.connect(str(self.folder / "census.duckdb"))
            for name, value in (
                ("memory_limit", self.options.memory), ("temp_directory", str(self.folder / "spill")),
                ("preserve_insertion_order", False), ("autoinstall_known_extensions", False),
                ("autoload_known_extensions", False), ("enable_progress_bar", False),
            ):  # fmt: skip
                self._connection.execute(f"SET {name} = ?", [value])
            if self.options.threads:
                self._connection.execute("SET threads = ?", [self.options.threads])
        return self._connection

    def complete(self) -> None:
        """An empty piece where there is none, so that there are always columns."""
        if not self.pieces:
            empty = np.empty(0, np.int64)
            hosts = Hosts.cut(np.zeros(PADDING, np.uint8), empty, empty)
            self.pieces.append(write(self.pieces_folder / "empty.parquet", hosts, np.empty(0, np.uint64), {}, {}))

    def show(self, name: str, pieces: Sequence[Piece]) -> None:
        """A view over pieces."""
        files = ", ".join("'" + str(piece.path).replace("'", "''") + "'" for piece in pieces)
        self.run(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM read_parquet([{files}])")

    def as_pieces(self, table: str) -> list[Piece]:
        """The rows of a table with the columns of a piece, as pieces."""
        pieces: list[Piece] = []
        names = ", ".join(KINDS)
        found = self.connection.execute(f"SELECT {names} FROM {table} ORDER BY host")
        while batch := found.fetchmany(_BATCH):
            columns = dict(zip(KINDS, zip(*batch, strict=True), strict=True))
            hosts = Hosts.of([str(host).encode("utf-8", "replace") for host in columns.pop("host")])
            hids = np.array(columns.pop("hid"), np.uint64)
            flags = {name: np.array(columns.pop(name), bool) for name in ("coarse", "shell")}
            coded = {name: column(map(_plain, values)) for name, values in columns.items()}
            path = self.pieces_folder / f"{table}-{len(pieces)}.parquet"
            pieces.append(write(path, hosts, hids, coded, flags))
        return pieces

    def run(self, sql: str, *values: object) -> None:
        """One statement."""
        self.connection.execute(sql, list(values))

    def rows(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, in batches. No other statement may run before the last row is taken."""
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
        path, count = self._spool(rows)
        names = ", ".join(f"'{part.split()[0]}': '{part.split()[1]}'" for part in columns.split(","))
        self.run(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM {_spooled('?', names)}", str(path))
        path.unlink()
        return count

    def _spool(self, rows: Iterable[Sequence[object]]) -> tuple[Path, int]:
        """Python rows as a file. NULL is `\\N`; a text that is `\\N` itself loses its backslash."""
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
        if self._connection is not None:
            self._connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _plain(value: object) -> str | int:
    """A value of the database as a piece has it."""
    if isinstance(value, date):
        return value.toordinal() - _EPOCH
    return value if isinstance(value, (str, int)) else ""


def _spooled(path: str, columns: str) -> str:
    return (
        f"read_csv({path}, columns = {{{columns}}}, auto_detect = false, header = false, delim = ',', quote = '\"', "
        "escape = '\"', new_line = '\\n', nullstr = '\\N', allow_quoted_nulls = true, max_line_size = 16777216)"
    )
