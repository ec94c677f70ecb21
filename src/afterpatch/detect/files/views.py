"""The readings of a file's bytes: as they are, as UTF-16 text, and out of a PST's byte substitution."""

from __future__ import annotations

import codecs
from functools import cache

# MS-PST 5.1, NDB_CRYPT_PERMUTE: the table that decodes. ProxyShell's mailbox item holds the page encoded with its
# inverse, so that the exported PST shows it in clear.
_DECODE = bytes.fromhex(
    "47f1b4e60b6a7248854e9eebe2f89453e0bba002e85a09abdbe3bac67cc310dd39059630f53760828cc9134a6b1df3fb8f2697ca911701c4322d6e3195ffd923"
    "d1005e79dc443b1a28c5615720903d83b943be67d2464276c06d5b7eb20f16293ca903540dda5ddff6b7c762cd8d06d3695c86d614f7a56675acb1e94521700c"
    "879f74a4224c6fbf1f56aa2eb3783350b0a392bccf191ca763cb1e4d3e4b1b9b4fe7f0eead3ab55904ea40552551e57a893868527bfc27aed7bdfa07f4cc8e5f"
    "ef359c842b15d5773449b6120a7f7188fd9d18417d93d8582ccefe24afdeb836c8a180a69998a82f0e816573e4c2a28ad4e111d0088b2af2ed9a643fc16cf9ec"
)
_SAMPLE = 65536


def permute_table() -> bytes:
    """The 256-byte decode table (source: MS-PST section 5.1)."""
    return _DECODE


@cache
def encode_table() -> bytes:
    """The inverse of the decode table."""
    return bytes(_DECODE.index(value) for value in range(256))


def unpermute(content: bytes) -> bytes:
    """Decode a PST's compressible encryption."""
    return content.translate(_DECODE)


def utf16_kind(content: bytes) -> str:
    """`utf-16-le`, `utf-16-be` or "": by mark, else by the share of zero bytes at one parity of the first 64 KiB."""
    if content.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if content.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    head = content[:_SAMPLE]
    pairs = len(head) // 2
    if pairs < 8 or b"\0" not in head:
        return ""
    if head[1 : 2 * pairs : 2].count(0) > 0.4 * pairs:
        return "utf-16-le"
    if head[0 : 2 * pairs : 2].count(0) > 0.4 * pairs:
        return "utf-16-be"
    return ""


def text_of(content: bytes) -> str:
    """The file as text: UTF-16 where it is that, else Latin-1, which keeps every byte's offset."""
    kind = utf16_kind(content)
    if kind:
        return content.decode(kind, "replace").lstrip("\ufeff")
    return content.removeprefix(codecs.BOM_UTF8).decode("latin-1")


def narrow(content: bytes) -> bytes:
    """UTF-16 text re-written as bytes so that byte signatures see it; b"" where the file is not UTF-16."""
    kind = utf16_kind(content)
    return content.decode(kind, "replace").encode("utf-8", "replace") if kind else b""


def line_at(text: str, position: int) -> int:
    """Line number, from 1, of a position in a text."""
    return text.count("\n", 0, position) + 1
