"""Which files are containers, by name and by their first bytes."""

from __future__ import annotations

from afterpatch.evidence.tardir import is_tar

SUFFIXES = {
    ".tar.gz": ("gzip", "tar"), ".tgz": ("gzip", "tar"), ".tar.bz2": ("bzip2", "tar"), ".tbz2": ("bzip2", "tar"),
    ".tbz": ("bzip2", "tar"), ".tar.xz": ("xz", "tar"), ".txz": ("xz", "tar"), ".tar": ("tar",), ".zip": ("zip",),
    ".gz": ("gzip",), ".bz2": ("bzip2",), ".xz": ("xz",),
}  # fmt: skip
LAST_SUFFIXES = frozenset(suffix[suffix.rfind(".") :] for suffix in SUFFIXES)
COMPRESSED = ("gzip", "bzip2", "xz")
MAGICS = (
    (0, b"PK\x03\x04", "zip"), (0, b"PK\x05\x06", "zip"), (0, b"PK\x07\x08PK\x03\x04", "zip"),
    (0, b"\x1f\x8b\x08", "gzip"), (0, b"BZh", "bzip2"), (0, b"\xfd7zXZ\x00", "xz"),
)  # fmt: skip
REFUSED = (
    (0, b"7z\xbc\xaf\x27\x1c", "7z"), (0, b"Rar!\x1a\x07", "rar"), (0, b"MSCF", "cab"), (0, b"EVF\x09", "e01"),
    (0, b"EVF2", "ex01"), (0, b"vhdxfile", "vhdx"), (0, b"conectix", "vhd"), (0, b"KDMV", "vmdk"),
    (0, b"ADSEGMENTEDFILE", "ad1"), (0, b"\x28\xb5\x2f\xfd", "zstd"), (0, b"MSWIM", "wim"),
    (3, b"NTFS    ", "raw disk image"),
)  # fmt: skip
REFUSED_SUFFIXES = (".7z", ".rar", ".e01", ".ex01", ".vhdx", ".vhd", ".vmdk", ".ad1", ".aff4", ".wim")
HINTS = {"7z": "unpack it and hand in the folder", "rar": "unpack it and hand in the folder",
         "cab": "unpack it and hand in the folder", "zstd": "decompress it first"}  # fmt: skip
IMAGE_HINT = "mount it read-only and hand in the mounted folder"


def suffix_kind(name: str) -> tuple[str, tuple[str, ...]]:
    """(suffix, layers) of a container's name; ("", ()) where it is none."""
    if name[name.rfind(".") :].lower() not in LAST_SUFFIXES:
        return "", ()
    lower = name.lower()
    for suffix, layers in SUFFIXES.items():
        if lower.endswith(suffix) and len(lower) > len(suffix):
            return suffix, layers
    return "", ()


def magic_kind(head: bytes) -> str:
    """zip | tar | gzip | bzip2 | xz by the first 512 bytes, "" where it is none of them."""
    for at, magic, kind in MAGICS:
        if head[at : at + len(magic)] == magic:
            return kind
    return "tar" if is_tar(head) else ""


def refused_kind(head: bytes) -> str:
    """A container that is known but not read, "" where it is none."""
    return next((kind for at, magic, kind in REFUSED if head[at : at + len(magic)] == magic), "")


def refusal_hint(kind: str) -> str:
    """What the user can do instead."""
    return HINTS.get(kind, IMAGE_HINT)
