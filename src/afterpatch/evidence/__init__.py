"""Where evidence comes from: drives, folders, archives, the layouts of collectors; the server's own paths and kinds."""

from afterpatch.evidence.assemble import Collection, Root
from afterpatch.evidence.collect import collect
from afterpatch.evidence.errors import (
    BombError,
    DamagedError,
    EncryptedError,
    TruncatedError,
    UnsupportedError,
    VanishedError,
)
from afterpatch.evidence.opening import local_path, open_locator, read_bounded
from afterpatch.evidence.reclassify import reclassify

__all__ = [
    "BombError",
    "Collection",
    "DamagedError",
    "EncryptedError",
    "Root",
    "TruncatedError",
    "UnsupportedError",
    "VanishedError",
    "collect",
    "local_path",
    "open_locator",
    "read_bounded",
    "reclassify",
]
