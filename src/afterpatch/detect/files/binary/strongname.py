"""The strong name of a .NET assembly, checked by arithmetic alone: who holds the key made this file, or nobody did.

The token of a publisher is the end of the SHA-1 of his public key, so a signature that holds under the key of a token
proves the publisher of that token. It says nothing of files that are not signed, or only marked for signing.
Sources: ECMA-335 II.6.2.1.3 and II.25.3.3 (where the signature lies); PUBLICKEYBLOB as Microsoft documents it for its
cryptographic functions. Left out of the hash are check sum, certificate entry and the signature itself.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

STATES = ("none", "delayed", "standard", "valid", "broken", "unreadable")
_PREFIXES = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
}
_ALGORITHMS = {0x8004: "sha1", 0x800C: "sha256"}
_BLOB = struct.Struct("<IIIBBHIIII")
MAX_KEY = 4096


@dataclass(frozen=True, slots=True)
class StrongName:
    """`state` is one of STATES: `delayed` room for a signature that was never made, `standard` the key of the standard
    itself, which signs nothing. `token` of the public key, lower case hex, "" where there is none."""

    state: str
    token: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things lie in the file: (offset, size) pairs, 0 where they are not."""

    header: int  # offset of the PE signature
    wide: bool
    sections: tuple[tuple[int, int], ...]
    sections_table: int
    signature: tuple[int, int]


def token_of(public_key: bytes) -> str:
    """The publisher's token."""
    digest = hashlib.sha1(public_key, usedforsecurity=False).digest()
    return digest[-8:][::-1].hex() if public_key else ""


def check_strong_name(data: bytes, public_key: bytes, layout: Layout) -> StrongName:
    """Whether the signature of an assembly holds. `data` is the whole file."""
    token = token_of(public_key)
    if not public_key:
        return StrongName("none", "")
    if len(public_key) == 16:
        return StrongName("standard", token)
    start, size = layout.signature
    signature = data[start : start + size] if start and size else b""
    if not signature.strip(b"\0"):
        return StrongName("delayed", token)
    try:
        exponent, modulus, algorithm = _key(public_key)
    except (struct.error, ValueError):
        return StrongName("unreadable", token)
    if len(signature) != (modulus.bit_length() + 7) // 8:
        return StrongName("broken", token)
    opened = pow(int.from_bytes(signature, "little"), exponent, modulus).to_bytes(len(signature), "big")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for part in _hashed(data, layout):
        digest.update(part)
    tail = b"\0" + _PREFIXES[algorithm] + digest.digest()
    filled = b"\0\x01" + b"\xff" * (len(opened) - 2 - len(tail))
    return StrongName("valid" if opened == filled + tail else "broken", token)


def _key(blob: bytes) -> tuple[int, int, str]:
    """(exponent, modulus, hash) of a public key. Raises ValueError for one of another kind."""
    _sign, hash_id, _size, kind, _version, _reserved, _algorithm, magic, bits, exponent = _BLOB.unpack_from(blob)
    if kind != 6 or magic != 0x31415352 or not 384 <= bits <= 8 * MAX_KEY or hash_id not in _ALGORITHMS:
        raise ValueError("not an RSA key")
    modulus = int.from_bytes(blob[_BLOB.size : _BLOB.size + bits // 8], "little")
    if modulus.bit_length() < 384:
        raise ValueError("not an RSA key")
    return exponent, modulus, _ALGORITHMS[hash_id]


def _hashed(data: bytes, layout: Layout) -> Iterable[bytes]:
    """The bytes that the signature covers: headers with two fields empty, then the sections without the signature."""
    size = 264 if layout.wide else 248
    head = bytearray(data[layout.header : layout.header + size])
    head[88:92] = bytes(4)
    certificates = 168 if layout.wide else 152
    head[certificates : certificates + 8] = bytes(8)
    yield data[: layout.header]
    yield bytes(head)
    yield data[layout.header + size : layout.header + size + layout.sections_table]
    first, length = layout.signature
    for start, extent in layout.sections:
        end = start + extent
        if start <= first < end:
            yield data[start:first]
            yield data[first + length : end]
        else:
            yield data[start:end]
