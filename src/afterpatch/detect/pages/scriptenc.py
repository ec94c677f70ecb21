"""Script Encoder blocks (`#@~^AAAAAA==...AAAAAA==^#~@`), which VBScript.Encode and JScript.Encode pages hold.

A substitution with three tables, chosen by the position in the block (source: the Windows Script Encoder's format as
published with the free decoders; checked on encoded text of known content).
"""

from __future__ import annotations

import re
from functools import cache

_BLOCK = re.compile(r"#@~\^[A-Za-z0-9+/]{6}==(.*?)(?:[A-Za-z0-9+/]{6}==)?\^#~@", re.DOTALL)
MAX_BLOCK = 300_000
_WORDS = re.compile(r"\b(?:end if|then|function|sub|response|request|server|var|set|for|next|if)\b", re.IGNORECASE)
_ESCAPES = {"#": "\r", "&": "\n", "!": "<", "*": ">", "$": "@"}
# For each character from 31 (tab) to 126: what it becomes by table 0, 1 and 2.
_TABLES = bytes.fromhex(
    "643769507e2c225a654a4572613a5b5e79665d59755b274c4276456063762362"
    "2a654d435f51337e53424f52205220637a264a21545a467138202b792666326"
    "32a572a586c767f2b477b462530522c314f296c3d6949703f3f3f27787b3f3f"
    "3f675f513f3f3f62297a41247e5a2f3b663947323341736f774d215643755f7"
    "128263942787c466e534a64485c7431486772367d6e4b68707d35495d223f6a"
    "554b503a6a69602e236a7f097128706f3565497d745c242c5d2d77275444593"
    "73f257b6d7c3d7c236c436d3438286d5e314e5b392b6e7f3057366f4c547434"
    "346b72624c254e33563056735e3a687378550957474b7732613b3524442e4d"
    "2f646b594f44453b215c2d37684153366158587a4879222e096050756b2d384"
    "e29553d3f51672f"
)  # fmt: skip
_PICK = (1, 2, 0, 1, 2, 0, 2, 0, 0, 2, 0, 2, 1, 0, 2, 0, 1, 0, 2, 0, 1, 1, 2, 0, 0, 2, 1, 0, 2, 0, 0, 2,
         1, 1, 0, 2, 0, 2, 0, 1, 0, 1, 1, 2, 0, 1, 0, 2, 1, 0, 2, 0, 1, 1, 2, 0, 0, 1, 1, 2, 0, 1, 0, 2)  # fmt: skip


@cache
def _maps() -> tuple[dict[int, str], ...]:
    maps: tuple[dict[int, str], ...] = ({}, {}, {})
    for position in range(len(_TABLES) // 3):
        plain = "\t" if position == 0 else chr(position + 31)
        for table in range(3):
            code = _TABLES[3 * position + table]
            if plain not in "<>@":  # they are written as escapes
                maps[table].setdefault(code, plain)
    return maps


def decode_block(text: str) -> str:
    """One block's text in clear. Characters beyond ASCII are not encoded and not counted; in an East Asian code page
    they take their next byte with them, so both ways are tried and the one that reads like script is taken."""
    text = text[:MAX_BLOCK]
    single = _decoded(text, paired=False)
    if text.isascii():
        return single
    double = _decoded(text, paired=True)
    return max(single, double, key=lambda one: len(_WORDS.findall(one)))


def _decoded(text: str, paired: bool) -> str:
    maps, found, count, position = _maps(), [], 0, 0
    while position < len(text):
        char = text[position]
        if char == "@" and position + 1 < len(text) and text[position + 1] in _ESCAPES:
            found.append(_ESCAPES[text[position + 1]])
            position += 1
            count += 1
        elif ord(char) < 128:
            found.append(maps[_PICK[count % 64]].get(ord(char), char))
            count += 1
        elif paired and 0x81 <= ord(char) <= 0xFE:
            found.append(text[position : position + 2])
            position += 1
        else:
            found.append(char)
        position += 1
    return "".join(found)


def decode_script(text: str) -> tuple[str, int]:
    """The text with every encoded block in clear, and how many there were."""
    return _BLOCK.subn(lambda match: decode_block(match.group(1)), text) if "#@~^" in text else (text, 0)
