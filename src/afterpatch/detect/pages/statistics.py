"""A second opinion by numbers alone: entropy, longest word, share of odd characters. It never says more than medium.

The thresholds were set between ordinary pages and packed ones on the development sets; each measure is told with its
value, so that a reader can weigh it.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from afterpatch.model import message

MAX_TEXT = 400_000
MAX_WORD_BENIGN = 2500
MIN_ENTROPY = 5.85
_WORD = re.compile(r"[^\s\"'<>]{200,}")
_STRING = re.compile(r"[\"']([A-Za-z0-9+/=\\x]{400,})[\"']")
_CONVERT = re.compile(r"(?i)\bchrw?\s*\(|\bxor\b|fromcharcode|frombase64string|base64_decode|str_rot13|gzinflate|strreverse|\^")
_RUN = re.compile(r"(?i)\b(?:eval|execute|executeglobal|assert|invoke|load|create_function|defineclass|invokemember)\b")


def entropy(text: str) -> float:
    """Bits a character."""
    if not text:
        return 0.0
    total = len(text)
    return -sum(count / total * math.log2(count / total) for count in Counter(text).values())


def opinion(code: str) -> tuple[str, ...]:
    """What the numbers say about a page's code: sentences, none where it looks ordinary."""
    code = code[:MAX_TEXT]
    if len(code) < 300:
        return ()
    found: list[str] = []
    longest = max((len(match.group(0)) for match in _WORD.finditer(code)), default=0)
    if longest > MAX_WORD_BENIGN:
        found.append(message("page.opinion.word", count=longest))
    packed = max((len(match.group(1)) for match in _STRING.finditer(code)), default=0)
    if packed and _RUN.search(code):
        found.append(message("page.opinion.packed", count=packed))
    value = entropy(code)
    if value > MIN_ENTROPY and _CONVERT.search(code):
        found.append(message("page.opinion.entropy", bits=f"{value:.2f}"))
    return tuple(found)


def raises(sentences: tuple[str, ...], code: str) -> bool:
    """Whether the opinion is strong enough to raise a page to medium: two measures, and something that decodes."""
    return len(sentences) >= 2 and _CONVERT.search(code[:MAX_TEXT]) is not None
