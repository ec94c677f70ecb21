"""The Authenticode signature in a program, as far as it can be judged without certificates: whether the file is the one
that was signed, and whom the signature names.

The digest in the signature is compared with the file's; the chain of certificates is not, so a name here is a claim.
Windows' own files are often signed by a catalogue beside them and hold no signature at all.
Source: Windows Authenticode Portable Executable Signature Format (Microsoft, 2008).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

STATES = ("none", "matches", "changed", "unreadable")
_INDIRECT_DATA = bytes.fromhex("2b060104018237020104")
_ALGORITHMS = {
    bytes.fromhex("2b0e03021a"): "sha1",
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
    bytes.fromhex("2a864886f70d0205"): "md5",
}
_COMMON_NAME = bytes.fromhex("0603550403")
MAX_SIGNATURE = 4 << 20
MAX_NAMES = 12


@dataclass(frozen=True, slots=True)
class Authenticode:
    """`state` is one of STATES. `names`: common names in the certificates that came with the signature."""

    state: str
    names: tuple[str, ...] = ()


def check_authenticode(data: bytes, header: int, wide: bool, certificates: tuple[int, int]) -> Authenticode:
    """Compare a program with its signature. `header`: offset of the PE signature; `certificates`: (offset, size) of the
    attribute certificate table."""
    start, size = certificates
    if not start or size < 16:
        return Authenticode("none")
    if size > MAX_SIGNATURE or start + size > len(data):
        return Authenticode("unreadable")
    blob = data[start + 8 : start + size]
    names = tuple(dict.fromkeys(_names(blob)))[:MAX_NAMES]
    try:
        algorithm, wanted = _digest(blob)
    except (ValueError, IndexError, StopIteration):
        return Authenticode("unreadable", names)
    digest = hashlib.new(algorithm, usedforsecurity=False)
    checksum, entry = header + 88, header + (168 if wide else 152)
    for part in (data[:checksum], data[checksum + 4 : entry], data[entry + 8 : start], data[start + size :]):
        digest.update(part)
    padding = -(len(data) - size) % 8 if start + size >= len(data) else 0
    with_padding = digest.copy()
    with_padding.update(bytes(padding))
    same = wanted in (digest.digest(), with_padding.digest())
    return Authenticode("matches" if same else "changed", names)


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """(tag, start, end) of the DER element at an offset. Raises ValueError or IndexError where there is none."""
    tag, length = data[at], data[at + 1]
    start = at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 0 < count <= 4:
            raise ValueError("length")
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise ValueError("cut")
    return tag, start, start + length


def _children(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    while start < end:
        tag, first, last = _element(data, start)
        yield tag, first, last
        start = last


def _digest(blob: bytes) -> tuple[str, bytes]:
    """(algorithm, digest) out of SpcIndirectDataContent: SEQUENCE { data, SEQUENCE { algorithm, digest } }."""
    at = blob.find(_INDIRECT_DATA)
    if at < 0:
        raise ValueError("no indirect data")
    _tag, start, _end = _element(blob, at + len(_INDIRECT_DATA))  # [0] explicit
    _tag, start, end = _element(blob, start)
    parts = list(_children(blob, start, end))
    if len(parts) < 2:
        raise ValueError("no digest")
    info = list(_children(blob, parts[1][1], parts[1][2]))
    identifier = next(_children(blob, info[0][1], info[0][2]))
    algorithm = _ALGORITHMS.get(blob[identifier[1] : identifier[2]])
    if algorithm is None or info[1][0] != 0x04:
        raise ValueError("unknown algorithm")
    return algorithm, blob[info[1][1] : info[1][2]]


def _names(blob: bytes) -> Iterator[str]:
    """Common names, in the order of the certificates."""
    at = blob.find(_COMMON_NAME)
    while at >= 0:
        try:
            tag, start, end = _element(blob, at + len(_COMMON_NAME))
        except (ValueError, IndexError, struct.error):
            return
        if tag in (0x0C, 0x13, 0x14, 0x16, 0x1E) and end - start <= 256:
            yield blob[start:end].decode("utf-16-be" if tag == 0x1E else "utf-8", "replace")
        at = blob.find(_COMMON_NAME, end)
