"""*.compiled below Temporary ASP.NET Files: proof that a page once ran, also where the page is gone.

Source: the preservation file as written by System.Web (one `preserve` element; `filedeps/filedep` name what it was made
of).
"""

from __future__ import annotations

from dataclasses import dataclass

from afterpatch.model import Notice
from afterpatch.parsers.xmltree import find_all, local_name, parse_xml

LIMIT = 1 << 20  # bytes; real ones have one or two kilobytes
_MOST = 1024


@dataclass(frozen=True, slots=True)
class Compiled:
    """A preservation file. `result_type`: 3 a compiled page, 8 global.asax. `assembly` is the DLL's name without
    `.dll`. `depends` are virtual paths of the files that went into it."""

    virtual_path: str
    assembly: str
    type_name: str
    result_type: str
    hash: str
    file_hash: str
    flags: str
    depends: tuple[str, ...]


def parse_compiled(data: bytes, path: str) -> tuple[Compiled | None, tuple[Notice, ...]]:
    """The content, or None with a notice (notice.compiled-unreadable, and those of xmltree.parse_xml)."""
    if len(data) > LIMIT:
        return None, (Notice(path, "", "notice.compiled-unreadable: too large"),)
    tree = parse_xml(data, path)
    if tree.root is None or local_name(tree.root) != "preserve":
        return None, (*tree.notices, Notice(path, "", "notice.compiled-unreadable: no preserve element"))
    get = tree.root.get
    depends = tuple(one.get("name", "") for one in find_all(tree.root, "filedeps/filedep"))[:_MOST]
    found = Compiled(
        virtual_path=get("virtualPath", ""),
        assembly=get("assembly", ""),
        type_name=get("type", ""),
        result_type=get("resultType", ""),
        hash=get("hash", ""),
        file_hash=get("filehash", ""),
        flags=get("flags", ""),
        depends=depends,
    )
    return found, tree.notices
