"""IP addresses as logs write them: with a port, a zone id, a second address behind, or wrapped as IPv4 in IPv6."""

from __future__ import annotations

import re
from functools import lru_cache

_LONGEST = 200  # characters looked at; more is no address
_PORT4 = re.compile(r"(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5}))?\Z", re.ASCII)
_BRACKETS = re.compile(r"\[([^\[\]]*)\](?::(\d{1,5}))?\Z")
_MAPPED = re.compile(r"::ffff:(\d{1,3}(?:\.\d{1,3}){3})\Z", re.ASCII | re.IGNORECASE)
_INSIDE4 = re.compile(
    r"(?:0|10|127)\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|"
    r"(?:22[4-9]|2[3-5]\d)\."
)
_INSIDE6 = re.compile(r"::1?\Z|f[cd]|fe[89ab]|ff", re.IGNORECASE)


def clean_address(text: str) -> str:
    """The first address in `text` without port, zone id and IPv4-in-IPv6 wrapping; what is no address comes back as its
    first word (logs are anonymised, names stand where addresses should)."""
    return _clean(text[:_LONGEST])


@lru_cache(maxsize=8192)
def _clean(text: str) -> str:
    words = text.replace(",", " ").replace("+", " ").split()
    return _bare(words[0]) if words else ""


def split_endpoint(text: str) -> tuple[str, str]:
    """(address, port) of `192.0.2.1:25` or `[2001:db8::1]:25`; the port is "" where there is none."""
    text = text.strip()[:_LONGEST]
    found = _PORT4.match(text) or _BRACKETS.match(text)
    if found is not None:
        return _bare(found[1]), found[2] or ""
    return _bare(text), ""


def _bare(word: str) -> str:
    found = _PORT4.match(word) or _BRACKETS.match(word)
    address = found[1] if found is not None else word
    address = address.partition("%")[0]
    mapped = _MAPPED.match(address)
    return mapped[1] if mapped is not None else address


def first_public(text: str) -> str:
    """The first address of a forwarded-for list that is not private, local or reserved for a network's inside; "" if
    none. The documentation ranges count as public."""
    return _public(text[: _LONGEST * 4])


@lru_cache(maxsize=8192)
def _public(text: str) -> str:
    for word in text.replace(",", " ").replace("+", " ").split():
        address = _bare(word)
        if _is_public(address):
            return address
    return ""


def _is_public(address: str) -> bool:
    if _PORT4.match(address):
        return all(int(part) < 256 for part in address.split(".")) and not _INSIDE4.match(address)
    inside = ":" not in address or _INSIDE6.match(address) is not None
    return not inside and re.fullmatch(r"[0-9A-Fa-f:.]{3,45}", address) is not None
