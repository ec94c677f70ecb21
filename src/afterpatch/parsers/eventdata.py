"""Typed key/value lists of Exchange logs: ECP EventData, and the tails of GenericInfo and custom-data.

Items `TYPE:KEY=VALUE` are joined by `;`. An item with `'` or `;` in it stands in single quotes, inner ones doubled.
Decoding takes two passes: the CSV value first, then this one."""

from __future__ import annotations

from collections.abc import Iterable

_TYPES = ("S:", "I32:", "I64:", "F:", "Dbl:", "Dt:", "B:")
_MOST = 4096  # items of one list that are read


def split_items(text: str) -> list[str]:
    """The items, unquoted. An item whose quote is not closed reaches to the end of the text."""
    if "'" not in text:
        return text.split(";", _MOST)
    items: list[str] = []
    position, end = 0, len(text)
    while position <= end and len(items) < _MOST:
        if text.startswith("'", position):
            item, position = _quoted(text, position + 1)
        else:
            stop = text.find(";", position)
            stop = end if stop < 0 else stop
            item, position = text[position:stop], stop + 1
        items.append(item)
    return items


def _quoted(text: str, position: int) -> tuple[str, int]:
    """The item behind its opening quote, and the position behind the `;` that ends it."""
    parts: list[str] = []
    while True:
        close = text.find("'", position)
        if close < 0:
            parts.append(text[position:])
            return "".join(parts), len(text) + 1
        parts.append(text[position:close])
        if text.startswith("'", close + 1):
            parts.append("'")
            position = close + 2
            continue
        stop = text.find(";", close + 1)
        stop = len(text) if stop < 0 else stop
        parts.append(text[close + 1 : stop])
        return "".join(parts), stop + 1


def join_items(items: Iterable[str]) -> str:
    """The list of these items as Exchange writes it."""
    return ";".join("'" + item.replace("'", "''") + "'" if "'" in item or ";" in item else item for item in items)


def decode_event(text: str) -> dict[str, tuple[str, ...]]:
    """Key (lower case, without type) -> its values in order. Items without `=` are left out."""
    found: dict[str, tuple[str, ...]] = {}
    for item in split_items(text):
        key, equals, value = item.partition("=")
        if not equals:
            continue
        for prefix in _TYPES:
            if key.startswith(prefix):
                key = key[len(prefix) :]
                break
        key = key.strip().lower()
        found[key] = (*found[key], value) if key in found else (value,)
    return found
