"""The file version of a Windows program or library: VS_FIXEDFILEINFO of its version resource (source: Microsoft's
documentation of the structure). The resource is found by its key and signature, wherever in the file it stands."""

from __future__ import annotations

import struct

_KEY = "VS_VERSION_INFO".encode("utf-16-le")
_SIGNATURE = struct.pack("<I", 0xFEEF04BD)
_NEAR = 16  # bytes of padding between the key and the fixed part


def file_version(data: bytes) -> str:
    """`15.1.2176.9`; "" where the bytes are no program or bear no version."""
    if data[:2] != b"MZ":
        return ""
    at = data.find(_KEY)
    while at >= 0:
        end = at + len(_KEY)
        fixed = data.find(_SIGNATURE, end, end + _NEAR)
        if fixed >= 0 and fixed + 16 <= len(data):
            high, low = struct.unpack_from("<II", data, fixed + 8)
            return f"{high >> 16}.{high & 0xFFFF}.{low >> 16}.{low & 0xFFFF}"
        at = data.find(_KEY, end)
    return ""
