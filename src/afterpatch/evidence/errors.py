"""Why bytes of the evidence cannot be had: one sentence each, with the key of its notice."""

from __future__ import annotations

from afterpatch.model import EvidenceError


class DamagedError(EvidenceError):
    """The container contradicts itself: wrong checksum, wrong size, bad data."""

    reason = "notice.damaged"


class TruncatedError(DamagedError):
    """The data ends before it should. What came before it has been delivered."""

    reason = "notice.truncated"


class EncryptedError(EvidenceError):
    """The member needs a password or a key."""

    reason = "notice.encrypted"


class UnsupportedError(EvidenceError):
    """A compression or a container this version does not read."""

    reason = "notice.unsupported-compression"


class BombError(EvidenceError):
    """Expanding this would exceed the bounds of `limits`."""

    reason = "notice.expansion-bound"


class VanishedError(EvidenceError):
    """The file is gone, or is no longer a plain file, or may not be read."""

    reason = "notice.unreadable"


def reason_of(error: EvidenceError) -> str:
    """The notice key of an error of this family, `notice.unreadable` for others."""
    return str(getattr(error, "reason", "notice.unreadable"))


WHY_UNUSABLE = {
    "notice.encrypted-collection": "an encrypted collection of Velociraptor: decrypt it first (velociraptor unzip)",
    "notice.encrypted": "encrypted: decrypt it first",
    "notice.container-not-supported": "a container that is not read:",
    "notice.unsupported-compression": "a compression that is not read: unpack it and hand in the folder",
    "notice.damaged": "damaged:",
    "notice.truncated": "cut off:",
    "notice.unreadable": "not readable:",
    "notice.expansion-bound": "expands beyond all bounds:",
    "notice.link-not-followed": "a link, and links are not followed: name the place it points to",
    "notice.empty-archive": "an empty archive",
}


def why_unusable(reason: str) -> str:
    """A notice's reason in words, for the one error that ends a run without any usable evidence."""
    key, _, detail = reason.partition(": ")
    words = WHY_UNUSABLE.get(key, key.removeprefix("notice."))
    return f"{words.rstrip(':')}: {detail}" if detail and words.endswith(":") else words.rstrip(":")
