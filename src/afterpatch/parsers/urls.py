"""Decoding and cutting of request URLs."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from urllib.parse import unquote_to_bytes

from afterpatch.parsers.formats import formats

_ROUNDS = 2  # decoding is done at most this often
_CACHED = 512  # longer texts are not kept in a cache
_WIDE = re.compile(r"%u([0-9A-Fa-f]{4})")
_ESCAPE = re.compile(r"%(?:[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})")
_SLASHES = re.compile(r"/{2,}")


def decode_once(text: str) -> str:
    """Percent-decoded one time (`%XX` as UTF-8, `%uXXXX` as IIS reads it); undecodable bytes become U+FFFD."""
    if _ESCAPE.search(text) is None:
        return text
    if "%u" in text:
        text = _WIDE.sub(lambda found: chr(int(found[1], 16)), text)
    return unquote_to_bytes(text.encode("utf-8", "replace")).decode("utf-8", "replace")


def decodings(text: str) -> tuple[str, ...]:
    """The text, decoded once, decoded twice: only the different ones, in this order."""
    if "%" not in text:
        return (text,)
    found = [text]
    for _ in range(_ROUNDS):
        decoded = decode_once(found[-1])
        if decoded == found[-1]:
            break
        found.append(decoded)
    return tuple(found)


def clean_path(stem: str) -> str:
    """The path decoded (twice at most), with `/` for every backslash and for every run of slashes; case is kept."""
    return _cached_path(stem) if len(stem) <= _CACHED else _path(stem)


def _path(stem: str) -> str:
    path = decodings(stem)[-1].replace("\\", "/")
    return _SLASHES.sub("/", path) if "//" in path else path


@cache
def _page_pattern() -> re.Pattern[str]:
    names = "|".join(sorted(formats().executable, key=lambda name: (-len(name), name)))
    return re.compile(rf"\.(?:{names})(?=[/?;:]|\Z)", re.IGNORECASE)


_cached_path = lru_cache(maxsize=8192)(_path)


def page_of(path: str) -> str:
    """The path up to and including its first segment with a server-executable extension; "" where there is none."""
    return _cached_page(path) if len(path) <= _CACHED else _page(path)


def _page(path: str) -> str:
    found = _page_pattern().search(path)
    return path[: found.end()] if found is not None else ""


_cached_page = lru_cache(maxsize=8192)(_page)


def extension_of(path: str) -> str:
    """The extension of the last segment, lower case and with its dot; "" where there is none."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[dot:].lower() if dot >= 0 and len(name) - dot <= 33 else ""
