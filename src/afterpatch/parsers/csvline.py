"""One line of comma-separated values (RFC 4180), without the size limit and the global settings of the csv module."""

from __future__ import annotations

from collections.abc import Sequence


def split_csv(text: str, separator: str = ",") -> tuple[str, ...] | None:
    """The values of a line, or None where a quoted value is not closed.

    A value in quotes ends at the next single quote mark; two of them stand for one. What follows the closing quote up
    to the separator is kept as it is. A quote mark inside an unquoted value is an ordinary character."""
    if '"' not in text:
        return tuple(text.split(separator))
    values: list[str] = []
    position, end = 0, len(text)
    while True:
        if text.startswith('"', position):
            value, position = _quoted(text, position + 1)
            if position < 0:
                return None
        else:
            value = ""
        stop = text.find(separator, position)
        if stop < 0:
            values.append(value + text[position:])
            return tuple(values)
        values.append(value + text[position:stop])
        position = stop + 1
        if position > end:
            return tuple(values)


def _quoted(text: str, position: int) -> tuple[str, int]:
    """The value that begins behind its opening quote, and the position behind the closing one (-1: there is none)."""
    parts: list[str] = []
    while True:
        close = text.find('"', position)
        if close < 0:
            return "", -1
        parts.append(text[position:close])
        if not text.startswith('"', close + 1):
            return "".join(parts), close + 1
        parts.append('"')
        position = close + 2


def join_csv(values: Sequence[str], separator: str = ",") -> str:
    """The line of these values, quoted only where needed: as Exchange writes it. Values must not hold line ends."""
    return separator.join(_quote(value, separator) for value in values)


def _quote(value: str, separator: str) -> str:
    return '"' + value.replace('"', '""') + '"' if separator in value or '"' in value else value
