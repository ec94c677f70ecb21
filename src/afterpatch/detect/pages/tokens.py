"""A token scanner shared by our own readers (VB, PHP, Java): one regular expression a language, lines counted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_TOKENS = 60_000


@dataclass(slots=True)
class Token:
    """One token. `kind`: name, string, number, op, line (a statement's end) or end; `value` as the reader needs it."""

    kind: str
    text: str
    line: int
    spaced: bool = False  # a blank stands before it

    @property
    def lower(self) -> str:
        """The text in lower case."""
        return self.text.lower()


def scan(code: str, pattern: re.Pattern[str], first_line: int, skip: frozenset[str], names: Mapping[str, str]) -> list[Token]:
    """Tokens of a text by the pattern's named groups; groups in `skip` are dropped, `names` renames groups."""
    found: list[Token] = []
    line, position, last, blank = first_line, 0, 0, False
    for match in pattern.finditer(code):
        kind = match.lastgroup or "op"
        line += code.count("\n", last, match.start())
        last = match.start()
        if kind not in skip:
            found.append(Token(names.get(kind, kind), match.group(0), line, blank))
            if len(found) >= MAX_TOKENS:
                break
        blank = kind in skip
        position = match.end()
    found.append(Token("end", "", line + code.count("\n", last, position)))
    return found
