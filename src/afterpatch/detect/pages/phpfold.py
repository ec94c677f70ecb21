"""PHP functions on constants. Same contract as `fold`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, unquote_plus

from afterpatch.detect.pages.fold import Fold, as_int, as_text, bounded_text, from_base64, inflate, rot13, slice_from, translate

DECODERS = frozenset(
    (
        "base64_decode",
        "gzinflate",
        "gzuncompress",
        "gzdecode",
        "str_rot13",
        "convert_uudecode",
        "hex2bin",
        "pack",
        "strrev",
        "urldecode",
        "rawurldecode",
        "zlib_decode",
        "bzdecompress",
        "inflate_init",
    )
)


def _text(value: bytes | bytearray) -> str:
    return bytes(value).decode("latin-1")


def _str_replace(args: Sequence[Any], ignore_case: bool = False) -> str:
    subject = as_text(args[2])
    old = args[0] if isinstance(args[0], list) else [args[0]]
    new = args[1] if isinstance(args[1], list) else [args[1]] * len(old)
    for position, one in enumerate(old[:2000]):
        target = as_text(new[position]) if position < len(new) else ""
        needle = as_text(one)
        if not needle:
            continue
        if ignore_case:
            subject = re.sub(re.escape(needle), lambda _m, t=target: t, subject, flags=re.IGNORECASE)  # type: ignore[misc]
        else:
            subject = bounded_text(subject.replace(needle, target))
    return subject


def _strtr(args: Sequence[Any]) -> str:
    if len(args) > 2:
        return translate(as_text(args[0]), args[1:3])
    raise ValueError("maps are not folded")


def _pack(args: Sequence[Any]) -> str:
    form = as_text(args[0])
    if re.fullmatch(r"H\*?\d*", form):
        return _text(bytes.fromhex(as_text(args[1])))
    if re.fullmatch(r"[cC]\*?\d*", form):
        return "".join(chr(as_int(one) & 0xFF) for one in args[1:])
    raise ValueError("not folded")


def _implode(args: Sequence[Any]) -> str:
    glue, items = ("", args[0]) if len(args) == 1 else (args[0], args[1])
    if not isinstance(items, list):
        glue, items = items, glue
    if not isinstance(items, list):
        raise TypeError("no list")
    return as_text(glue).join(as_text(one) for one in items)


def _uudecode(text: str) -> str:
    found = bytearray()
    for line in text.splitlines():
        if not line or line[0] in "`'":
            continue
        size = (ord(line[0]) - 32) & 63
        piece = bytearray()
        for place in range(1, len(line) - 3, 4):
            a, b, c, d = ((ord(char) - 32) & 63 for char in line[place : place + 4])
            piece += bytes(((a << 2 | b >> 4) & 255, (b << 4 | c >> 2) & 255, (c << 6 | d) & 255))
        found += piece[:size]
    return _text(found)


def _substr(args: Sequence[Any]) -> str:
    return str(slice_from(as_text(args[0]), as_int(args[1]), as_int(args[2]) if len(args) > 2 and args[2] is not None else None))


def _explode(args: Sequence[Any]) -> list[str]:
    if not as_text(args[0]):
        raise ValueError("no separator")
    return as_text(args[1]).split(as_text(args[0]))[:4000]


def _preg_replace(args: Sequence[Any]) -> str:
    pattern = as_text(args[0])
    match = re.fullmatch(r"[/#~@!|](.{1,60})[/#~@!|]([imsu]*)", pattern, re.DOTALL)
    if not match or len(re.findall(r"[*+{]", match.group(1))) > 1 or "(" in match.group(1) or "\\" in as_text(args[1]):
        raise ValueError("not folded")
    try:
        return re.sub(match.group(1), lambda _m: as_text(args[1]), as_text(args[2])[:100_000])
    except re.error as error:
        raise ValueError("bad pattern") from error


def _sprintf(args: Sequence[Any]) -> str:
    values = iter(args[1:])

    def one(match: re.Match[str]) -> str:
        value = next(values, "")
        return chr(as_int(value)) if match.group(1) == "c" else f"{as_int(value):x}" if match.group(1) == "x" else as_text(value)

    return re.sub(r"%[0-9.\-]*([scdx])", one, as_text(args[0]))


def _range(args: Sequence[Any]) -> list[Any]:
    first, last = args[0], args[1]
    if isinstance(first, str) and isinstance(last, str) and len(first) == len(last) == 1:
        step = 1 if first <= last else -1
        return [chr(code) for code in range(ord(first), ord(last) + step, step)][:300]
    step = 1 if as_int(first) <= as_int(last) else -1
    return list(range(as_int(first), as_int(last) + step, step))[:1000]


def _chunks(args: Sequence[Any]) -> list[str]:
    text, size = as_text(args[0]), as_int(args[1]) if len(args) > 1 else 1
    if size < 1:
        raise ValueError("no size")
    return [text[place : place + size] for place in range(0, len(text), size)][:4000]


def _literal_replace(args: Sequence[Any]) -> str:
    """A pattern of the old kind that is plain text."""
    if not re.fullmatch(r"[\w %@#-]{1,80}", as_text(args[0])):
        raise ValueError("not folded")
    return bounded_text(as_text(args[2]).replace(as_text(args[0]), as_text(args[1])))


def _never() -> Any:
    raise ValueError("not folded")


def _in_base(value: int, base: int) -> str:
    """A number in a base, as base_convert spells it."""
    if not 2 <= base <= 36 or value < 0 or value > 1 << 400:
        raise ValueError("no base")
    digits = ""
    while value:
        value, rest = divmod(value, base)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"


PHP_FUNCTIONS: dict[str, Fold] = {
    "chr": lambda _o, a: chr(as_int(a[0]) & 0xFF),
    "ord": lambda _o, a: ord(as_text(a[0])[0]) & 0xFF,
    "base64_decode": lambda _o, a: _text(from_base64(a[0])),
    "gzinflate": lambda _o, a: _text(inflate(a[0], -15)),
    "gzuncompress": lambda _o, a: _text(inflate(a[0], 15)),
    "gzdecode": lambda _o, a: _text(inflate(a[0], 31)),
    "zlib_decode": lambda _o, a: _text(inflate(a[0], 47)),
    "str_rot13": lambda _o, a: rot13(as_text(a[0])),
    "strrev": lambda _o, a: as_text(a[0])[::-1],
    "convert_uudecode": lambda _o, a: _uudecode(as_text(a[0])),
    "hex2bin": lambda _o, a: _text(bytes.fromhex(as_text(a[0]))),
    "bin2hex": lambda _o, a: as_text(a[0]).encode("latin-1").hex(),
    "pack": lambda _o, a: _pack(a),
    "str_replace": lambda _o, a: _str_replace(a),
    "str_ireplace": lambda _o, a: _str_replace(a, ignore_case=True),
    "substr_replace": lambda _o, a: (
        as_text(a[0])[: as_int(a[2])]
        + as_text(a[1])
        + (slice_from(as_text(a[0]), as_int(a[2]) + as_int(a[3])) if len(a) > 3 else "")
    ),
    "strtr": lambda _o, a: _strtr(a),
    "substr": lambda _o, a: _substr(a),
    "mb_substr": lambda _o, a: _substr(a),
    "implode": lambda _o, a: _implode(a),
    "join": lambda _o, a: _implode(a),
    "explode": lambda _o, a: _explode(a),
    "str_split": lambda _o, a: _chunks(a),
    "split": lambda _o, a: _explode(a),
    "trim": lambda _o, a: as_text(a[0]).strip(as_text(a[1]) if len(a) > 1 else None),
    "ltrim": lambda _o, a: as_text(a[0]).lstrip(as_text(a[1]) if len(a) > 1 else None),
    "rtrim": lambda _o, a: as_text(a[0]).rstrip(as_text(a[1]) if len(a) > 1 else None),
    "chop": lambda _o, a: as_text(a[0]).rstrip(),
    "strtolower": lambda _o, a: as_text(a[0]).lower(),
    "strtoupper": lambda _o, a: as_text(a[0]).upper(),
    "ucfirst": lambda _o, a: as_text(a[0])[:1].upper() + as_text(a[0])[1:],
    "lcfirst": lambda _o, a: as_text(a[0])[:1].lower() + as_text(a[0])[1:],
    "urldecode": lambda _o, a: unquote_plus(as_text(a[0]), "latin-1"),
    "rawurldecode": lambda _o, a: unquote(as_text(a[0]), "latin-1"),
    "str_repeat": lambda _o, a: bounded_text(as_text(a[0]) * min(as_int(a[1]), 10_000)),
    "str_pad": lambda _o, a: as_text(a[0]).ljust(min(as_int(a[1]), 1000), as_text(a[2])[:1] if len(a) > 2 else " "),
    "sprintf": lambda _o, a: _sprintf(a),
    "strval": lambda _o, a: as_text(a[0]),
    "intval": lambda _o, a: int(as_text(a[0]), as_int(a[1])) if len(a) > 1 else as_int(a[0]),
    "hexdec": lambda _o, a: int(as_text(a[0]), 16),
    "octdec": lambda _o, a: int(as_text(a[0]), 8),
    "bindec": lambda _o, a: int(as_text(a[0]), 2),
    "dechex": lambda _o, a: f"{as_int(a[0]):x}",
    "strlen": lambda _o, a: len(as_text(a[0])),
    "count": lambda _o, a: len(a[0]) if isinstance(a[0], list) else 1,
    "sizeof": lambda _o, a: len(a[0]) if isinstance(a[0], list) else 1,
    "array_reverse": lambda _o, a: a[0][::-1],
    "array_merge": lambda _o, a: [item for one in a for item in one],
    "range": lambda _o, a: _range(a),
    "stripslashes": lambda _o, a: re.sub(r"\\(.)", r"\1", as_text(a[0])),
    "html_entity_decode": lambda _o, a: (
        as_text(a[0]).replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    ),
    "preg_replace": lambda _o, a: _preg_replace(a),
    "ereg_replace": lambda _o, a: _literal_replace(a),
    "eregi_replace": lambda _o, a: _literal_replace(a),
    "preg_filter": lambda _o, a: _preg_replace(a),
    "nl2br": lambda _o, a: as_text(a[0]),
    "array_values": lambda _o, a: a[0],
    "array_slice": lambda _o, a: slice_from(a[0], as_int(a[1]), as_int(a[2]) if len(a) > 2 and a[2] is not None else None),
    "array_unique": lambda _o, a: list(dict.fromkeys(a[0])),
    "array_filter": lambda _o, a: [one for one in a[0] if one not in ("", 0, None, False, "0")] if len(a) == 1 else _never(),
    "substr_count": lambda _o, a: as_text(a[0]).count(as_text(a[1])),
    "base_convert": lambda _o, a: _in_base(int(as_text(a[0]), as_int(a[1])), as_int(a[2])),
    "decbin": lambda _o, a: f"{as_int(a[0]):b}",
    "decoct": lambda _o, a: f"{as_int(a[0]):o}",
    "vsprintf": lambda _o, a: _sprintf([a[0], *a[1]]),
    "ucwords": lambda _o, a: as_text(a[0]).title(),
    "max": lambda _o, a: max(a[0]) if len(a) == 1 else max(a),
    "min": lambda _o, a: min(a[0]) if len(a) == 1 else min(a),
    "round": lambda _o, a: round(float(a[0])),
    "floor": lambda _o, a: int(float(a[0]) // 1),
    "end": lambda _o, a: a[0][-1],
    "reset": lambda _o, a: a[0][0],
    "current": lambda _o, a: a[0][0],
    "array_pop": lambda _o, a: a[0][-1],
    "array_shift": lambda _o, a: a[0][0],
    "strstr": lambda _o, a: as_text(a[0])[as_text(a[0]).index(as_text(a[1])) :] if as_text(a[1]) in as_text(a[0]) else "",
    "is_numeric": lambda _o, a: re.fullmatch(r"\s*[+-]?\d+(?:\.\d+)?", as_text(a[0])) is not None,
    "strpos": lambda _o, a: as_text(a[0]).find(as_text(a[1])),
}
