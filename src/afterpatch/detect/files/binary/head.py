"""Telling programs by their first bytes."""

from __future__ import annotations


def looks_like_program(data: bytes) -> bool:
    """Whether the bytes begin like a program of Windows."""
    if not data.startswith(b"MZ") or len(data) < 64:
        return False
    offset = int.from_bytes(data[60:64], "little")
    return data[offset : offset + 4] == b"PE\0\0"
