"""Which of a fixed set of words and marks a file's bytes hold: one pass with Hyperscan, regular expressions elsewhere.

A word is a name by itself (`\\bword\\b`, case of ASCII letters aside); a mark is a regular expression of the subset that
both engines read alike. Neither looks at more than bytes, so what is not ASCII never hides a word.
"""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Mapping, Sequence
from typing import Any

from afterpatch.detect import kept

hyperscan: Any
try:
    import hyperscan
except ImportError:  # no build for this platform: the slower engine does the same
    hyperscan = None

_NAME = re.compile(rb"[A-Za-z0-9_]+")


class WordSearch:
    """A compiled search. `marks`: name -> (expression, whether the case of letters is told apart)."""

    def __init__(self, words: Sequence[str], marks: Mapping[str, tuple[bytes, bool]], *, force_fallback: bool = False) -> None:
        self.names = (*words, *marks)
        self._words = {word.encode(): word for word in words}
        self._marks = [(name, re.compile(text, 0 if exact else re.IGNORECASE)) for name, (text, exact) in marks.items()]
        self._database: Any = None
        if hyperscan is not None and not force_fallback:
            texts = [rb"\b%s\b" % re.escape(word) for word in self._words] + [text for text, _exact in marks.values()]
            exact = [False] * len(words) + [exact for _text, exact in marks.values()]
            self._compile(texts, exact)

    def _compile(self, texts: list[bytes], exact: list[bool]) -> None:
        engine = f"{getattr(hyperscan, '__version__', '')} {platform.machine()} {exact}".encode()
        key = hashlib.sha256(engine + b"\0".join(texts)).hexdigest()
        data = kept.load("words", key)
        if data is not None:
            try:  # a database is bound to the engine's version and the processor: the engine itself refuses others
                self._database = hyperscan.loadb(data, hyperscan.HS_MODE_BLOCK)
                self._database.scratch = hyperscan.Scratch(self._database)
                return
            except hyperscan.error:
                pass
        once, caseless = hyperscan.HS_FLAG_SINGLEMATCH, hyperscan.HS_FLAG_CASELESS
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = [once | hyperscan.HS_FLAG_DOTALL | (0 if told else caseless) for told in exact]
        self._database.compile(expressions=texts, ids=list(range(len(texts))), flags=flags)
        kept.store("words", key, hyperscan.dumpb(self._database))

    def found(self, data: bytes) -> frozenset[str]:
        """The words and the names of the marks that `data` holds."""
        if self._database is None:
            return self._slowly(data)
        numbers: list[int] = []
        append = numbers.append

        def on_match(number: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            append(number)

        self._database.scan(data, match_event_handler=on_match)
        names = self.names
        return frozenset([names[number] for number in numbers])

    def _slowly(self, data: bytes) -> frozenset[str]:
        words = self._words
        found = [words[name] for name in set(_NAME.findall(data.lower())) if name in words]
        return frozenset((*found, *(name for name, pattern in self._marks if pattern.search(data))))
