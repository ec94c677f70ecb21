"""The hash in the name of a compiled page: from a file name alone to the folder the page lay in.

ASP.NET names the record of a compiled page `<page>.<hash>.compiled`, where the hash is that of the page's folder,
relative to the application (`~`, `~/auth`), in lower case (source: System.Web BuildManager in Microsoft's reference
source). With a small dictionary of folders a directory listing is enough to say where a deleted page was.
"""

from __future__ import annotations

import re
import struct
from functools import cache

from afterpatch.detect.files.metadata import load_data
from afterpatch.knowledge import web_paths
from afterpatch.knowledge.baseline import baseline

_NAME = re.compile(r"(?P<page>.{1,200}\.[a-z]{2,8})\.(?P<hash>[0-9a-f]{1,8})\.compiled", re.IGNORECASE | re.DOTALL)
_SEED = 0x15051505


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - 0x100000000 if value & 0x80000000 else value


def string_hash(text: str) -> int:
    """System.Web's GetStringHashCode as an unsigned 32-bit number: two running sums over pairs of UTF-16 characters,
    an odd last one paired with zero; shifts are arithmetic, sums wrap."""
    raw = text.encode("utf-16-le", "surrogatepass") + b"\0\0\0\0"
    first = second = _SEED
    left, position = len(text.encode("utf-16-le", "surrogatepass")) // 2, 0
    while left > 0:
        (pair,) = struct.unpack_from("<i", raw, position)
        first = _signed(((first << 5) + first + (first >> 27)) ^ pair)
        if left <= 2:
            break
        (pair,) = struct.unpack_from("<i", raw, position + 4)
        second = _signed(((second << 5) + second + (second >> 27)) ^ pair)
        position += 8
        left -= 4
    return (first + second * 1566083941) & 0xFFFFFFFF


def folder_hash(folder: str) -> str:
    """The hash of an application-relative folder (`~/auth/`), as it stands in the file name (hex, no leading zeros)."""
    return format(string_hash(folder.lower().rstrip("/") or "~"), "x")


def split_name(name: str) -> tuple[str, str] | None:
    """(page, hash) of a `.compiled` file's name, None where it is of another form (`App_global.asax.compiled`)."""
    match = _NAME.fullmatch(name)
    return (match["page"], match["hash"].lower().lstrip("0")) if match else None


@cache
def _dictionary() -> dict[str, tuple[str, ...]]:
    data = load_data("folders")
    folders = [str(folder) for folder in data["folders"]]
    short = {".".join(str(build).split(".")[:3]) for build in baseline().builds()}
    for version in sorted(short | {str(build) for build in baseline().builds()}):
        folders += [template.replace("<version>", version) for template in data["versioned"]]
    urls = (web_paths.url_of(path) for path in baseline().paths())
    folders += ["~/" + "/".join(url[0].split("/")[2:-1]) for url in urls if url]
    found: dict[str, tuple[str, ...]] = {}
    for folder in dict.fromkeys(one.rstrip("/") for one in folders):
        key = folder_hash(folder)
        found[key] = (*found.get(key, ()), folder)
    return found


def folders_of(hash_text: str) -> tuple[str, ...]:
    """The known folders with this hash; () where the dictionary holds none."""
    return _dictionary().get(hash_text.lower().lstrip("0"), ())
