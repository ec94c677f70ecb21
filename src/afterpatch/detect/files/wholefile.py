"""The whole of a file of which the checks were given the beginning."""

from __future__ import annotations

from afterpatch.detect.files.item import FileItem
from afterpatch.evidence import open_locator
from afterpatch.model import EvidenceError

MAX_WHOLE = 48 << 20


def whole_content(item: FileItem) -> bytes | None:
    """All bytes of a file of up to 48 MiB; None for a larger one and for one that cannot be read again."""
    if not item.truncated:
        return item.content
    if item.size > MAX_WHOLE:
        return None
    try:
        with open_locator(item.artifact.locator) as stream:
            data = bytearray()
            while len(data) <= MAX_WHOLE and (block := stream.read(1 << 20)):
                data += block
    except (EvidenceError, OSError):
        return None
    return bytes(data) if len(data) == item.size else None
