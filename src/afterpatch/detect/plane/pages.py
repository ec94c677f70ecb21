"""Which script pages were asked for: a needle for pages other than the few that make up most of a server's traffic.

A pattern that matches every `.aspx` would hit a large part of all lines. The complement of a small set of frequent
shipped pages is again a regular language: built here as a trie read backwards from the extension.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from afterpatch.detect.plane.needles import Needle

_DOT = r"(?:\.|%(?:25)?2e)"
_END: Any = object()


def _trie(words: Sequence[str]) -> dict[Any, Any]:
    root: dict[Any, Any] = {}
    for word in words:
        node = root
        for character in reversed(word):
            node = node.setdefault(character, {})
        node[_END] = True
    return root


def _walk(node: dict[Any, Any], suffix: str, separators: str, out: list[str]) -> None:
    children = [character for character in node if character is not _END]
    if _END in node:  # a frequent page as a whole: any page that only ends like it has another character before it
        out.append(f"[^{separators}\\n]{suffix}")
        return
    escaped = "".join(re.escape(character) for character in children)
    out.append(f"[^{escaped}\\n]{suffix}")
    for character in children:
        _walk(node[character], re.escape(character) + suffix, separators, out)


_SEPARATORS = re.compile(rb'[ ,"?]')
_ADDRESS = re.compile(rb"https?://[^/]*(?=/)")  # of a referring page


@dataclass(frozen=True, slots=True)
class _OtherPage:
    """Whether a line, in lower case, names a page with one of these extensions that is not, as a whole, a frequent one;
    behind the address of a server too, as referring pages are written."""

    frequent: frozenset[bytes]
    bare: bytes
    extension: re.Pattern[bytes]

    def __call__(self, low: bytes) -> bool:
        end = 0
        while (at := low.find(self.bare, end)) >= 0:
            start = 1 + max(low.rfind(separator, 0, at) for separator in (b" ", b",", b'"', b"?"))
            found = _SEPARATORS.search(low, at)
            end = found.start() if found is not None else len(low)
            word = low[start:end]
            if self._is_other(word) and self.extension.search(word):
                return True
        return False

    def _is_other(self, word: bytes) -> bool:
        address = _ADDRESS.match(word)
        return (word[address.end() :] if address else word) not in self.frequent


def page_needles(frequent: Sequence[str], extensions: Sequence[str]) -> list[Needle]:
    """Needles for a path with a server-executable extension that is not, as a whole, one of `frequent` (lower-case
    paths such as `/owa/auth/logon.aspx`). The path must start after a space, comma, quote or `?` to count as a whole."""
    needles = []
    whole = frozenset(path.encode() for path in frequent)
    for extension in extensions:
        bare = extension.lstrip(".").lower()
        stems = [path[: -len(bare) - 1] for path in frequent if path.endswith(f".{bare}")]
        tail = f"{_DOT}{bare}(?:[^a-z0-9]|$)"
        if not stems:
            needles.append(Needle((bare.encode(),), tail.encode()))
            continue
        proof = _OtherPage(whole, bare.encode(), re.compile(tail.encode()))
        out: list[str] = []
        _walk(_trie(stems), "", ' ,"?', out)
        needles.append(Needle((bare.encode(),), f"(?:{'|'.join(out)}){tail}".encode(), proof))
    return needles
