"""Sigma strings: wildcards, escapes, case folding, and the matching of one text against one value.

Escapes (specification 2.1.0, Escape Character): `\\` stands before `*`, `?` or `\\` only; before anything else it is
a plain backslash. So `\\*` is a star, `\\\\*` a backslash and a wildcard, three or four backslashes are two.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator

from afterpatch.detect.sigma.model import ANY, ONE, Part, Text, Wild

_KEEP = frozenset("\u212a\u0130")  # the Kelvin sign and the dotted I turn into ASCII letters when lowered: they stay
MAX_EXPANSION = 1_000


def fold(text: str) -> str:
    """The text as it is compared where case does not count. One character stays one character, ASCII lowers to ASCII
    only: so a literal found in the folded value is found, bytes lowered, in the raw line too."""
    if text.isascii():
        return text.lower()
    return "".join(char if char in _KEEP or len(char.lower()) != 1 else char.lower() for char in text)


def parse_text(raw: str) -> Text:
    """A Sigma string as written, wildcards and escapes read."""
    parts: list[Part] = []
    plain: list[str] = []
    index = 0
    while index < len(raw):
        char = raw[index]
        if char == "\\" and raw[index + 1 : index + 2] in ("*", "?", "\\"):
            plain.append(raw[index + 1])
            index += 2
            continue
        if char in "*?":
            if plain:
                parts.append("".join(plain))
                plain = []
            parts.append(ANY if char == "*" else ONE)
        else:
            plain.append(char)
        index += 1
    if plain:
        parts.append("".join(plain))
    return Text(tidy(parts))


def tidy(parts: list[Part] | tuple[Part, ...]) -> tuple[Part, ...]:
    """Neighbouring strings joined, `**` made `*`, empty strings dropped."""
    result: list[Part] = []
    for part in parts:
        if part == "" or (part == ANY and result and result[-1] == ANY):
            continue
        if isinstance(part, str) and result and isinstance(result[-1], str):
            result[-1] += part
        else:
            result.append(part)
    return tuple(result)


def literal(text: str, *, cased: bool = False) -> Text:
    """A text without wildcards."""
    return Text((text,) if text else (), cased)


def surround(text: Text, *, before: bool, after: bool) -> Text:
    """The text with `*` before and/or after it."""
    parts = ((ANY,) if before else ()) + text.parts + ((ANY,) if after else ())
    return Text(tidy(parts), text.cased, text.encoded)


def has_wildcards(text: Text) -> bool:
    """Whether `*` or `?` is in the text (a choice of characters is not counted)."""
    return any(isinstance(part, Wild) and not part.chars for part in text.parts)


def expand(text: Text) -> list[Text]:
    """The choices of characters written out. Raises ValueError above MAX_EXPANSION variants."""
    choices = [part.chars if isinstance(part, Wild) and part.chars else (part,) for part in text.parts]
    total = 1
    for choice in choices:
        total *= len(choice)
    if total > MAX_EXPANSION:
        raise ValueError(f"stands for more than {MAX_EXPANSION} values")
    return [Text(tidy(variant), text.cased, text.encoded) for variant in itertools.product(*choices)]


def segments(text: Text) -> Iterator[tuple[Part, ...]]:
    """The pieces between the `*`; the first and last are anchored, and empty where the text starts or ends with `*`."""
    current: list[Part] = []
    for part in text.parts:
        if part == ANY:
            yield tuple(current)
            current = []
        else:
            current.append(part)
    yield tuple(current)


Finder = Callable[[str, int], int]
"""Where a piece is found at or after a position: the end of it, -1 where it is not."""


def _piece_regex(piece: tuple[Part, ...]) -> str:
    chars: list[str] = []
    for part in piece:
        if isinstance(part, str):
            chars.append(re.escape(part))
        else:
            chars.append(f"[{re.escape(part.chars)}]" if part.chars else ".")
    return "".join(chars)


def _finder(piece: tuple[Part, ...]) -> Finder:
    if len(piece) == 1 and isinstance(piece[0], str):
        wanted = piece[0]

        def find_plain(value: str, start: int) -> int:
            at = value.find(wanted, start)
            return at + len(wanted) if at >= 0 else -1

        return find_plain
    search = re.compile(_piece_regex(piece), re.DOTALL).search

    def find_piece(value: str, start: int) -> int:
        found = search(value, start)
        return found.end() if found else -1

    return find_piece


def _length(piece: tuple[Part, ...]) -> int:
    return sum(len(part) if isinstance(part, str) else 1 for part in piece)


def _anchored(piece: tuple[Part, ...]) -> Callable[[str], bool]:
    """Whether a value as long as the piece is the piece."""
    if not piece:
        return lambda value: not value
    if len(piece) == 1 and isinstance(piece[0], str):
        wanted = piece[0]
        return lambda value: value == wanted
    match = re.compile(_piece_regex(piece), re.DOTALL).fullmatch
    return lambda value: match(value) is not None


def matcher(text: Text) -> Callable[[str], bool]:
    """Whether a value (already folded, unless the text is cased) is matched as a whole.

    The pieces between `*` have a fixed length, so the leftmost place of each is always right: no backtracking, the
    time is linear in the value for each piece, whatever the value holds.
    """
    if not text.cased:
        text = Text(tuple(fold(part) if isinstance(part, str) else part for part in text.parts))
    pieces = list(segments(text))
    if len(pieces) == 1:
        return _anchored(pieces[0])
    head, tail = pieces[0], pieces[-1]
    head_length, tail_length = _length(head), _length(tail)
    is_head, is_tail = _anchored(head), _anchored(tail)
    finders = [_finder(piece) for piece in pieces[1:-1]]

    def matches(value: str) -> bool:
        end = len(value) - tail_length
        if end < head_length or not is_head(value[:head_length]) or not is_tail(value[end:]):
            return False
        position = head_length
        for find in finders:
            position = find(value, position)
            if position < 0 or position > end:
                return False
        return True

    return matches
