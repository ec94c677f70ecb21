"""Text on a terminal: how wide it is, where it may break, and what colours there are."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from afterpatch.report.text import shown

_CODES = {"bold": "1", "dim": "2", "red": "31;1", "yellow": "33;1", "cyan": "36;1", "magenta": "35;1"}
_NO_BREAK_BEFORE = frozenset("，。、；：？！）」』】》”’…,.;:)]}%")
_NO_BREAK_AFTER = frozenset("（“‘「『《【([{")
_MIN_WIDTH = 40
_MIN_ROOM = 20  # columns; where a head leaves less, the text goes below it
_ASCII = {
    "\u202f": " ",
    "…": "...", "·": "-", "•": "*", "–": "-", "—": "-", "→": "->", "─": "-", "●": "*", "○": "o", "└": "`",
    "“": '"', "”": '"', "’": "'", "▸": ">", "█": "#", "░": ".",
}  # fmt: skip


def char_width(char: str) -> int:
    """Columns a character takes: 0 for a combining one, 2 for a wide one, else 1."""
    if char < "\u0300":
        return 1
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def text_width(text: str) -> int:
    """Columns a text takes."""
    return len(text) if text.isascii() else sum(char_width(char) for char in text)


def _may_break(before: str, after: str) -> bool:
    if before == " ":
        return True
    if after in _NO_BREAK_BEFORE or before in _NO_BREAK_AFTER:
        return False
    return char_width(after) == 2 or char_width(before) == 2


def _pieces(text: str) -> Iterator[str]:
    """The text cut where a line may break: after a space, and around every wide character."""
    piece = ""
    for char in text:
        if piece and _may_break(piece[-1], char):
            yield piece
            piece = ""
        piece += char
    if piece:
        yield piece


def _cut(piece: str, room: int) -> Iterator[str]:
    """A piece too wide for a line, in parts that fit."""
    part, used = "", 0
    for char in piece:
        wide = char_width(char)
        if part and used + wide > room:
            yield part
            part, used = "", 0
        part, used = part + char, used + wide
    yield part


def wrap(text: str, room: int) -> list[str]:
    """The text in lines of at most `room` columns (at least one line)."""
    lines, line, used = [], "", 0
    for piece in _pieces(text):
        wide = text_width(piece.rstrip(" "))
        if line and used + wide > room:
            lines.append(line.rstrip(" "))
            line, used = "", 0
        *whole, last = _cut(piece, room) if wide > room else [piece]
        lines.extend(whole)
        line, used = line + last, used + text_width(last)
    return [*lines, line.rstrip(" ")]


@dataclass(slots=True)
class Page:
    """Lines for a terminal. Every text passes `shown` here: nothing reaches the screen but through `put`."""

    width: int
    colour: bool
    unicode: bool
    lines: list[str]

    @classmethod
    def blank(cls, width: int, colour: bool, unicode: bool) -> Page:
        """An empty page of at least 40 columns."""
        return cls(max(width, _MIN_WIDTH), colour, unicode, [])

    def safe(self, text: str) -> str:
        """The text with nothing in it that a terminal obeys, in characters the terminal has."""
        text = shown(text)
        if self.unicode:
            return text
        return "".join(_ASCII.get(char, char) for char in text)

    def paint(self, text: str, *styles: str) -> str:
        """The (safe) text in colour, where colour is on."""
        codes = ";".join(_CODES[style] for style in styles if style)
        return f"\x1b[{codes}m{text}\x1b[0m" if self.colour and codes and text else text

    def put(self, text: str, first: str = "", rest: str = "", style: str = "", mark: str = "") -> None:
        """A paragraph: `first` before its first line, `rest` before the others; `mark` styles `first`."""
        first, rest = self.safe(first), self.safe(rest)
        room = self.width - max(text_width(first), text_width(rest))
        if room < _MIN_ROOM:
            self.lines.append(self.paint(first.rstrip(" "), mark))
            first = rest = "    "
            room = self.width - len(rest)
        for index, line in enumerate(wrap(self.safe(text), room)):
            head = self.paint(first, mark) if index == 0 else rest
            self.lines.append((head + self.paint(line, style)).rstrip(" "))

    def item(self, text: str, bullet: str = "•", indent: int = 2, style: str = "") -> None:
        """A list item, its further lines under its text."""
        head = " " * indent + bullet + " "
        self.put(text, head, " " * text_width(self.safe(head)), style)

    def heading(self, text: str) -> None:
        """A section's title, with an empty line before it."""
        self.gap()
        self.put(text, style="bold")

    def gap(self) -> None:
        """An empty line, never two."""
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def rule(self) -> None:
        """A line across the page."""
        self.lines.append(self.paint(("─" if self.unicode else "-") * self.width, "dim"))


def pad(text: str, width: int) -> str:
    """The text with spaces up to a width in columns."""
    return text + " " * max(0, width - text_width(text))
