"""Readings of hosts as columns in a file: one piece for each block of an input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from afterpatch.census.columns import parquet, values
from afterpatch.census.columns.encode import PADDING, Ints, Words, gathered, hashes
from afterpatch.census.columns.parquet import BOOLEAN, BYTE_ARRAY, DATE, INT32, INT64, UINT_64, UTF8, Chunk, Kind

_TEXT = Kind(BYTE_ARRAY, UTF8)
# `hid`: a hash of the host, the same for the same host in one run; 0 for a row without a host, whose `host` is made up.
KINDS: Mapping[str, Kind] = {
    "host": _TEXT, "hid": Kind(INT64, UINT_64), "version": _TEXT, "coarse": Kind(BOOLEAN), "day": Kind(INT32, DATE),
    "country": _TEXT, "asn": Kind(INT64), "sector": _TEXT, "owner": _TEXT, "tag": _TEXT, "shell": Kind(BOOLEAN),
    "place": _TEXT, "net": Kind(INT64),
}  # fmt: skip
MEANINGS: Mapping[str, Callable[[str], str | int]] = {
    "version": values.version, "day": values.day, "country": values.country, "asn": values.network,
    "sector": values.short, "owner": values.short, "tag": values.tags,
}  # fmt: skip
NOT_STORED = {"product": values.other_product}  # what decides whether a row is kept
NAMELESS = "#"


@dataclass(frozen=True, slots=True)
class Column:
    """A column as positions in a list of distinct values. `texts`: the list where it is long."""

    codes: npt.NDArray[np.int32]
    values: Sequence[str | int]
    texts: Hosts | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of columns with its number of rows, where each column lies, and where the lengths of the hosts stand."""

    path: Path
    rows: int
    chunks: Mapping[str, Chunk]
    lengths: int

    def hids(self) -> Words:
        """The hashes of the hosts, in the order of the rows."""
        return np.fromfile(self.path, "<u8", self.rows, offset=self.chunks["hid"].body)

    def codes(self, name: str) -> npt.NDArray[np.unsignedinteger]:
        """A column as positions in its list of values."""
        chunk = self.chunks[name]
        return np.fromfile(self.path, parquet.width_of(chunk.entries)[1], self.rows, offset=chunk.body)

    def entries(self, name: str) -> Hosts | Ints:
        """The list of values of a column."""
        kind, chunk = KINDS[name], self.chunks[name]
        if kind.type != BYTE_ARRAY:
            return np.fromfile(self.path, parquet.DTYPES[kind.type], chunk.entries, offset=chunk.listed).astype(np.int64)
        sizes = np.fromfile(self.path, "<u4", chunk.entries, offset=chunk.sizes).astype(np.int64)
        return self._texts(chunk.listed, chunk.offset + chunk.dictionary - chunk.listed, sizes)

    def flags(self, name: str) -> npt.NDArray[np.bool_] | None:
        """A column of truth values, None where all are false."""
        chunk = self.chunks[name]
        if not chunk.entries:
            return None
        packed = np.fromfile(self.path, np.uint8, -(-self.rows // 8), offset=chunk.body)
        return np.unpackbits(packed, count=self.rows, bitorder="little").view(bool)

    def hosts(self) -> Hosts:
        """The hosts."""
        chunk = self.chunks["host"]
        lengths = np.fromfile(self.path, "<u2", self.rows, offset=self.lengths).astype(np.int64)
        return self._texts(chunk.body, chunk.offset + chunk.size - chunk.body, lengths)

    def _texts(self, offset: int, size: int, lengths: Ints) -> Hosts:
        data = np.zeros(size + PADDING, np.uint8)
        data[:size] = np.fromfile(self.path, np.uint8, size, offset=offset)
        return Hosts(data, np.cumsum(lengths + 4) - lengths, lengths)


@dataclass(slots=True)
class Hosts:
    """Texts (host names, or the values of a column) one behind the other, each behind its length in four bytes."""

    data: npt.NDArray[np.uint8]
    begins: Ints
    lengths: Ints

    def __len__(self) -> int:
        return len(self.lengths)

    @classmethod
    def of(cls, names: Sequence[bytes]) -> Hosts:
        """Hosts out of Python's bytes."""
        lengths = np.fromiter((len(name) for name in names), np.int64, len(names))
        joined = np.frombuffer(b"".join(names) + b"\0" * 16, np.uint8)
        return cls.cut(joined, np.cumsum(lengths) - lengths, lengths)

    @classmethod
    def cut(cls, data: npt.NDArray[np.uint8], starts: Ints, lengths: Ints) -> Hosts:
        """Hosts out of ranges of a block."""
        gathered_bytes, begins = gathered(data, starts, lengths, 4)
        heads = np.ndarray((len(gathered_bytes) - 3,), "<u4", gathered_bytes, strides=(1,))
        heads[begins - 4] = lengths
        return cls(gathered_bytes, begins, lengths)

    @classmethod
    def joined(cls, parts: Sequence[Hosts]) -> Hosts:
        """The hosts of all parts, in their order."""
        ends = np.cumsum([len(part.data) - PADDING for part in parts]).tolist()
        data = [part.data[:-PADDING] for part in parts] + [np.zeros(PADDING, np.uint8)]
        begins = [part.begins + begin for part, begin in zip(parts, [0, *ends[:-1]], strict=True)]
        return cls(np.concatenate(data), np.concatenate(begins), np.concatenate([part.lengths for part in parts]))

    def kept(self, rows: npt.NDArray[np.bool_]) -> Hosts:
        """Some of the hosts."""
        return Hosts.cut(self.data, self.begins[rows], self.lengths[rows])

    def hashes(self, key: tuple[int, int]) -> Words:
        """A hash of each, capitals as small letters; never 0."""
        capitals = (self.data - np.uint8(65)) < 26
        small = self.data | (capitals.view(np.uint8) << np.uint8(5))
        return hashes(small, self.begins, self.lengths, key) | np.uint64(1)

    def named(self, rows: Ints, names: Sequence[bytes]) -> Hosts:
        """The same hosts, with other names for some rows."""
        sizes = np.fromiter((len(name) for name in names), np.int64, len(names))
        starts, lengths = self.begins.copy(), self.lengths.copy()
        starts[rows], lengths[rows] = len(self.data) + np.cumsum(sizes) - sizes, sizes
        data = np.concatenate([self.data, np.frombuffer(b"".join(names) + b"\0" * PADDING, np.uint8)])
        return Hosts.cut(data, starts, lengths)

    def strings(self, rows: Ints) -> list[str]:
        """Some of them as Python's strings."""
        data, begins = self.data.tobytes(), self.begins[rows]
        places = zip(begins.tolist(), (begins + self.lengths[rows]).tolist(), strict=True)
        return [data[begin:end].decode("utf-8", "replace") for begin, end in places]

    def body(self) -> memoryview:
        """All of them as a Parquet page holds them."""
        size = int(self.begins[-1] + self.lengths[-1]) if len(self.begins) else 0
        return self.data[:size].data


def meant(name: str, texts: Sequence[str]) -> Column:
    """A column by what its texts mean; each different text is looked at once."""
    if name == "day":
        texts = [text.lstrip()[: values.DAY_CELL] for text in texts]
    listed: dict[str, int] = {}
    codes = np.array([listed.setdefault(text, len(listed)) for text in texts], np.int32)
    found = column([MEANINGS[name](text) for text in listed])
    return Column(found.codes[codes], found.values) if len(codes) else found


def column(texts: Iterable[str | int]) -> Column:
    """Values row by row as positions in their list."""
    listed: dict[str | int, int] = {}
    codes = [listed.setdefault(text, len(listed)) for text in texts]
    return Column(np.array(codes, np.int32), list(listed))


def same(value: str | int, rows: int) -> Column:
    """A column with one value in all rows."""
    return Column(np.zeros(rows, np.int32), [value])


@dataclass(frozen=True, slots=True)
class Listed:
    """A column whose list of values is already a page. `sizes`: the lengths of texts."""

    codes: npt.NDArray[np.unsignedinteger] | npt.NDArray[np.int32]
    page: tuple[bytes, bytes]
    entries: int
    sizes: Ints | None = None


def write(
    path: Path,
    hosts: Hosts,
    hids: Words,
    columns: Mapping[str, Column | Listed],
    flags: Mapping[str, npt.NDArray[np.bool_] | None],
) -> Piece:
    """Writes a piece. `flags`: the columns of truth values, None where all are false."""
    rows = len(hids)
    chunks: dict[str, Chunk] = {}
    sizes: dict[str, Ints] = {}
    with path.open("wb") as stream:
        stream.write(parquet.MAGIC)
        for name, kind in KINDS.items():
            offset = stream.tell()
            page, entries = (b"", b""), 0
            if kind.type == BOOLEAN:
                given = flags.get(name)
                entries = int(given is not None)
                body: bytes | memoryview = (
                    bytes(-(-rows // 8)) if given is None else np.packbits(given, bitorder="little").tobytes()
                )
                lead = parquet.plain_page(len(body), rows)
            elif name in ("host", "hid"):
                body = hosts.body() if name == "host" else hids.astype("<u8").tobytes()
                lead = parquet.plain_page(len(body), rows)
            else:
                listed = _listed(kind, columns.get(name) or same("" if kind.type == BYTE_ARRAY else 0, rows))
                page, entries = listed.page, listed.entries
                if listed.sizes is not None:
                    sizes[name] = listed.sizes
                lead, body = parquet.coded_page(listed.codes, entries)
            stream.writelines((*page, lead, body))
            listed_at, size = offset + len(page[0]), len(page[0]) + len(page[1])
            chunks[name] = Chunk(offset, stream.tell() - offset, rows, size, entries, offset + size + len(lead), listed_at)
        lengths = stream.tell()
        stream.write(hosts.lengths.astype("<u2").tobytes())
        for name, one in sizes.items():
            chunks[name] = replace(chunks[name], sizes=stream.tell())
            stream.write(one.astype("<u4").tobytes())
        stream.write(parquet.footer(KINDS, [(rows, chunks)]))
    return Piece(path, rows, chunks, lengths)


def _listed(kind: Kind, column: Column | Listed) -> Listed:
    if isinstance(column, Listed):
        return column
    if kind.type != BYTE_ARRAY:
        return Listed(column.codes, parquet.dictionary_page(kind, np.array(column.values, np.int64)), len(column.values))
    texts = column.texts or Hosts.of([str(value).encode("utf-8", "replace") for value in column.values])
    return Listed(column.codes, parquet.text_page(bytes(texts.body()), len(texts)), len(texts), texts.lengths)


def kept(piece: Piece, rows: npt.NDArray[np.bool_]) -> Piece:
    """A new piece with some rows of another, which is removed."""
    columns: dict[str, Column | Listed] = {}
    flags = {}
    for name, kind in KINDS.items():
        chunk = piece.chunks[name]
        if kind.type == BOOLEAN:
            given = piece.flags(name)
            flags[name] = None if given is None else given[rows]
        elif chunk.dictionary:
            head = np.fromfile(piece.path, np.uint8, chunk.dictionary, offset=chunk.offset).tobytes()
            page = head[: chunk.listed - chunk.offset], head[chunk.listed - chunk.offset :]
            entries = piece.entries(name)
            sizes = entries.lengths if isinstance(entries, Hosts) else None
            columns[name] = Listed(piece.codes(name)[rows], page, chunk.entries, sizes)
    new = write(
        piece.path.with_name(f"{piece.path.stem}-kept.parquet"), piece.hosts().kept(rows), piece.hids()[rows], columns, flags
    )
    piece.path.unlink()
    return new


_PRESENT = Kind(BOOLEAN)


def join(present: Sequence[Piece], gone: Sequence[Piece], target: Path, metadata: Mapping[str, str]) -> None:
    """One file out of many pieces, with a column `present` and without `hid`; rows are copied, not looked at."""
    kinds = {name: kind for name, kind in KINDS.items() if name != "hid"}
    groups = []
    with target.open("wb") as out:
        out.write(parquet.MAGIC)
        for piece, there in [*((piece, True) for piece in present), *((piece, False) for piece in gone)]:
            chunks = {}
            with piece.path.open("rb") as stream:
                for name in kinds:
                    chunk = piece.chunks[name]
                    stream.seek(chunk.offset)
                    chunks[name] = replace(chunk, offset=out.tell())
                    out.write(stream.read(chunk.size))
            bits = (b"\xff" if there else b"\0") * -(-piece.rows // 8)
            page = parquet.plain_page(len(bits), piece.rows) + bits
            chunks["present"] = Chunk(out.tell(), len(page), piece.rows, 0, 0, 0)
            out.write(page)
            groups.append((piece.rows, chunks))
        out.write(parquet.footer({**kinds, "present": _PRESENT}, groups, metadata))
