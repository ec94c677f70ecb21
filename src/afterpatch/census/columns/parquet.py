"""The part of Parquet that is needed to hand columns to the database: uncompressed, one row group a piece, no missing
values, texts as dictionaries. Layout: Apache Parquet format 2.10 (parquet.thrift, Encodings.md), Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MAGIC = b"PAR1"
BOOLEAN, INT32, INT64, BYTE_ARRAY = 0, 1, 2, 6
UTF8, DATE, UINT_64 = 0, 6, 14
PLAIN, RLE, RLE_DICTIONARY = 0, 3, 8
_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
DTYPES = {INT32: "<i4", INT64: "<i8"}

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Kind:
    """A column's physical type and what it means (-1: just the type)."""

    type: int
    meaning: int = -1


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where a column lies in its file: `offset` and `size` in bytes, its values, the length of its dictionary page (0:
    none) with the number of entries, and where the values, or the positions in the dictionary, begin (`body`). `listed`:
    where the entries of the dictionary begin; `sizes`: where their lengths stand (texts only)."""

    offset: int
    size: int
    values: int
    dictionary: int
    entries: int
    body: int
    listed: int = 0
    sizes: int = 0


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _integer(value: int) -> bytes:
    return _varint((value << 1) ^ (value >> 63))


def _text(value: bytes) -> bytes:
    return _varint(len(value)) + value


def _struct(*fields: tuple[int, int, bytes]) -> bytes:
    """Fields (number, type, encoded value) in the order of their numbers."""
    out, last = bytearray(), 0
    for number, kind, value in fields:
        out += bytes([(number - last) << 4 | kind]) + value
        last = number
    return bytes(out) + b"\0"


def _list(kind: int, items: Sequence[bytes]) -> bytes:
    head = bytes([len(items) << 4 | kind]) if len(items) < 15 else bytes([0xF0 | kind]) + _varint(len(items))
    return head + b"".join(items)


def _page(kind: int, size: int, values: int, encoding: int) -> bytes:
    fields = [(1, _I32, _integer(kind)), (2, _I32, _integer(size)), (3, _I32, _integer(size))]
    inner = [(1, _I32, _integer(values)), (2, _I32, _integer(encoding))]
    if kind == _DATA_PAGE:
        inner += [(3, _I32, _integer(RLE)), (4, _I32, _integer(RLE))]
        return _struct(*fields, (5, _STRUCT, _struct(*inner)))
    return _struct(*fields, (7, _STRUCT, _struct(*inner)))


def plain_page(size: int, values: int) -> bytes:
    """What stands before `size` bytes of values without a dictionary."""
    return _page(_DATA_PAGE, size, values, PLAIN)


def dictionary_page(kind: Kind, entries: npt.NDArray[np.int64]) -> tuple[bytes, bytes]:
    """The list of values of a column of numbers: what stands before it, and it."""
    listed = entries.astype(DTYPES[kind.type]).tobytes()
    return _page(_DICTIONARY_PAGE, len(listed), len(entries), PLAIN), listed


def text_page(texts: bytes, entries: int) -> tuple[bytes, bytes]:
    """The list of values of a column of texts, each of them behind its length in four bytes."""
    return _page(_DICTIONARY_PAGE, len(texts), entries, PLAIN), texts


def width_of(entries: int) -> tuple[int, str]:
    """Bits of a position in a list, and how NumPy calls them."""
    return (8, "u1") if entries <= 256 else (16, "<u2") if entries <= 65536 else (32, "<u4")


def coded_page(codes: npt.NDArray[np.integer[Any]], entries: int) -> tuple[bytes, bytes]:
    """Positions in a list as one bit-packed run: what stands before them, and they."""
    width, dtype = width_of(entries)
    groups = -(-len(codes) // 8)
    packed = np.zeros(groups * 8, dtype)
    packed[: len(codes)] = codes
    lead = bytes([width]) + _varint(groups << 1 | 1)
    body = packed.tobytes()
    return _page(_DATA_PAGE, len(lead) + len(body), len(codes), RLE_DICTIONARY) + lead, body


def footer(
    kinds: Mapping[str, Kind], groups: Sequence[tuple[int, Mapping[str, Chunk]]], metadata: Mapping[str, str] | None = None
) -> bytes:
    """The end of a file. `groups`: rows and chunks of each row group."""
    root = _struct((4, _BINARY, _text(b"rows")), (5, _I32, _integer(len(kinds))))
    schema = _list(_STRUCT, [root, *(_element(name, kind) for name, kind in kinds.items())])
    listed = _list(_STRUCT, [_group(kinds, rows, chunks) for rows, chunks in groups])
    fields = [
        (1, _I32, _integer(1)),
        (2, _LIST, schema),
        (3, _I64, _integer(sum(rows for rows, _ in groups))),
        (4, _LIST, listed),
    ]
    if metadata:
        pairs = [
            _struct((1, _BINARY, _text(key.encode())), (2, _BINARY, _text(value.encode()))) for key, value in metadata.items()
        ]
        fields.append((5, _LIST, _list(_STRUCT, pairs)))
    text = _struct(*fields, (6, _BINARY, _text(b"afterpatch")))
    return text + len(text).to_bytes(4, "little") + MAGIC


def _element(name: str, kind: Kind) -> bytes:
    fields = [(1, _I32, _integer(kind.type)), (3, _I32, _integer(0)), (4, _BINARY, _text(name.encode()))]
    if kind.meaning >= 0:
        fields.append((6, _I32, _integer(kind.meaning)))
    return _struct(*fields)


def _group(kinds: Mapping[str, Kind], rows: int, chunks: Mapping[str, Chunk]) -> bytes:
    columns = [_chunk(name, kind, chunks[name]) for name, kind in kinds.items()]
    size = sum(chunks[name].size for name in kinds)
    return _struct((1, _LIST, _list(_STRUCT, columns)), (2, _I64, _integer(size)), (3, _I64, _integer(rows)))


def _chunk(name: str, kind: Kind, chunk: Chunk) -> bytes:
    encodings = [PLAIN, RLE, RLE_DICTIONARY] if chunk.dictionary else [PLAIN, RLE]
    fields = [
        (1, _I32, _integer(kind.type)),
        (2, _LIST, _list(_I32, [_integer(encoding) for encoding in encodings])),
        (3, _LIST, _list(_BINARY, [_text(name.encode())])),
        (4, _I32, _integer(0)),
        (5, _I64, _integer(chunk.values)),
        (6, _I64, _integer(chunk.size)),
        (7, _I64, _integer(chunk.size)),
        (9, _I64, _integer(chunk.offset + chunk.dictionary)),
    ]
    if chunk.dictionary:
        fields.append((11, _I64, _integer(chunk.offset)))
    return _struct((2, _I64, _integer(chunk.offset)), (3, _STRUCT, _struct(*fields)))
