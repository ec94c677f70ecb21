"""The inert libraries of `data/libraries.yml`, and small native programs made by hand."""

from __future__ import annotations

import base64
import struct
import zlib
from functools import cache
from pathlib import Path

import yaml


@cache
def _table() -> dict[str, str]:
    return dict(yaml.safe_load((Path(__file__).parent / "data" / "libraries.yml").read_text(encoding="ascii")))


def library(name: str) -> bytes:
    """A .NET library by its name in the table."""
    return zlib.decompress(base64.b64decode("".join(line[::-1] for line in _table()[name].split("\n"))))


def native(exports: tuple[str, ...] = (), imports: tuple[tuple[str, str], ...] = (), size: int = 0) -> bytes:
    """A 64-bit library without code: headers and one section that holds the tables."""
    base, raw = 0x1000, 0x400
    body = bytearray(size)

    def put(data: bytes) -> int:
        body.extend(bytes(-len(body) % 8))
        body.extend(data)
        return base + len(body) - len(data)

    export = import_at = (0, 0)
    if exports:
        names = [put(name.encode() + b"\0") for name in sorted(exports)]
        pointers = put(struct.pack(f"<{len(names)}I", *names))
        functions = put(struct.pack(f"<{len(names)}I", *([base] * len(names))))
        ordinals = put(struct.pack(f"<{len(names)}H", *range(len(names))))
        module = put(b"module.dll\0")
        fields = (0, 0, 0, 0, module, 1, len(names), len(names), functions, pointers, ordinals)
        export = (put(struct.pack("<IIHHIIIIIII", *fields)), 40)
    if imports:
        records = b""
        for dll, function in imports:
            hint = put(b"\0\0" + function.encode() + b"\0")
            thunk = put(struct.pack("<QQ", hint, 0))
            name = put(dll.encode() + b"\0")
            records += struct.pack("<IIIII", thunk, 0, 0, name, thunk)
        import_at = (put(records + bytes(20)), len(records) + 20)
    body.extend(bytes(-len(body) % 512))
    directories = [export, import_at, *[(0, 0)] * 14]
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 0, len(body), 0, 0, base)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0x180000000, 0x1000, 0x200, 6, 0, 0, 0, 6, 0, 0, 0x1000 + 0x10000, raw, 0, 2, 0)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
    optional += b"".join(struct.pack("<II", *one) for one in directories)
    header = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, len(optional), 0x2022) + optional
    section = b".data\0\0\0" + struct.pack("<IIIIIIHHI", max(len(body), 1), base, len(body), raw, 0, 0, 0, 0, 0xC0000040)
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    return (dos + header + section).ljust(raw, b"\0") + bytes(body)
