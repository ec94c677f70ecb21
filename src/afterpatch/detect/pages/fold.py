"""Calls on constants whose result is known: how disguises of strings are undone. Pure; every result is bounded.

Each function takes the object (or None) and the arguments as Python constants and returns a constant; it raises
ValueError, TypeError, IndexError or OverflowError where it does not apply.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, unquote_plus

Fold = Callable[[Any, Sequence[Any]], Any]
MAX_RESULT = 600_000


def as_text(value: Any) -> str:
    """A constant as text; raises TypeError where it has none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("latin-1")
    if isinstance(value, bool):
        return "True" if value else "False"
    if value is None:
        return ""
    if isinstance(value, int | float):
        return str(int(value)) if value == int(value) else str(value)
    if isinstance(value, list):
        raise TypeError("a list")
    raise TypeError("no text")


def as_int(value: Any) -> int:
    """A constant as a whole number; raises ValueError or TypeError."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text.startswith(("&h", "0x")):
            return int(text[2:].rstrip("&"), 16)
        match = re.match(r"-?\d{1,18}", text)
        return int(match.group(0)) if match else 0
    return int(value)


def decode_bytes(data: Any) -> str:
    """Bytes as text: UTF-8 where they are that."""
    if isinstance(data, str):
        return data
    raw = bytes(data)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def from_base64(text: Any) -> bytes:
    """Base64, tolerant of blanks, url-safe letters and missing padding; raises ValueError where nothing is left."""
    raw = re.sub(r"[^A-Za-z0-9+/]", "", as_text(text).replace("-", "+").replace("_", "/"))
    raw += "=" * (-len(raw) % 4)
    try:
        return base64.b64decode(raw)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def inflate(data: Any, wbits: int) -> bytes:
    """Decompress, bounded; raises ValueError where it is not that."""
    raw = data.encode("latin-1") if isinstance(data, str) else bytes(data)
    try:
        return zlib.decompressobj(wbits).decompress(raw, MAX_RESULT)
    except zlib.error as error:
        raise ValueError("not compressed") from error


def translate(text: str, table: Sequence[Any]) -> str:
    """PHP's strtr with two strings."""
    source, target = as_text(table[0]), as_text(table[1])
    return text.translate({ord(a): b for a, b in zip(source, target, strict=False)})


def rot13(text: str) -> str:
    """Rotate letters by 13."""
    return re.sub("[A-Za-z]", lambda m: chr((ord(m[0]) & 0x60) + 1 + ((ord(m[0]) & 0x1F) + 12) % 26), text)


def bounded(value: Any) -> Any:
    """The value, or ValueError where it is too large."""
    if isinstance(value, str | bytes | bytearray | list) and len(value) > MAX_RESULT:
        raise ValueError("too large")
    return value


def slice_from(text: Any, start: int, length: int | None = None) -> Any:
    """Part of a text or bytes, from 0; negative starts count from the end."""
    start = max(len(text) + start, 0) if start < 0 else start
    if length is None:
        return text[start:]
    return text[start : start + length] if length >= 0 else text[start : len(text) + length]


def _joined(glue: Any, items: Any) -> str:
    if not isinstance(items, list):
        return as_text(items)
    return as_text(glue).join(as_text(item) for item in items)


def _split(text: Any, args: Sequence[Any]) -> list[str]:
    first = args[0] if args else " "
    separators = [as_text(one) for one in (first if isinstance(first, list) else [first])]
    separators += [one for one in args[1:] if isinstance(one, str) and len(one) == 1]
    pattern = "|".join(re.escape(one) for one in separators if one)
    return re.split(pattern, as_text(text))[:4000] if pattern else [as_text(text)]


def _format(args: Sequence[Any]) -> str:
    values = args[1] if len(args) == 2 and isinstance(args[1], list) else args[1:]

    def one(match: re.Match[str]) -> str:
        return as_text(values[int(match.group(1))])

    return re.sub(r"\{(\d{1,2})(?:[,:][^{}]{0,40})?\}", one, as_text(args[0]))


def _chars(value: Any) -> list[str]:
    return list(as_text(value))[:4000]


def _hex(text: Any) -> bytes:
    return bytes.fromhex(re.sub(r"[^0-9A-Fa-f]", "", as_text(text)))


def _char(value: Any) -> str:
    return value if isinstance(value, str) and value and not value.isdigit() else chr(as_int(value) & 0xFFFF)


def _int_base(args: Sequence[Any]) -> int:
    return int(as_text(args[0]), as_int(args[1])) if len(args) > 1 else as_int(args[0])


def _replace(obj: Any, args: Sequence[Any]) -> str:
    if not as_text(args[0]):
        raise ValueError("nothing to replace")
    return bounded_text(as_text(obj).replace(as_text(args[0]), as_text(args[1])))


def bounded_text(text: str) -> str:
    """The text, or ValueError where it is too large."""
    if len(text) > MAX_RESULT:
        raise ValueError("too large")
    return text


def _regex_replace(text: Any, args: Sequence[Any]) -> str:
    pattern, replacement = as_text(args[0]), as_text(args[1])
    if len(pattern) > 60 or len(re.findall(r"[*+{]", pattern)) > 1 or "$" in replacement or "\\" in replacement:
        raise ValueError("not folded")
    try:
        return re.sub(pattern, lambda _m: replacement, as_text(text)[:100_000])
    except re.error as error:
        raise ValueError("bad pattern") from error


# Methods of .NET, JScript and Java objects, by lower-case name.
METHODS: dict[str, Fold] = {
    "tostring": lambda o, a: as_text(o) if not a else _to_base(o, a),
    "trim": lambda o, _a: as_text(o).strip(),
    "trimend": lambda o, a: as_text(o).rstrip(as_text(a[0]) if a else None),
    "trimstart": lambda o, a: as_text(o).lstrip(as_text(a[0]) if a else None),
    "tolower": lambda o, _a: as_text(o).lower(),
    "tolowercase": lambda o, _a: as_text(o).lower(),
    "tolowerinvariant": lambda o, _a: as_text(o).lower(),
    "toupper": lambda o, _a: as_text(o).upper(),
    "touppercase": lambda o, _a: as_text(o).upper(),
    "toupperinvariant": lambda o, _a: as_text(o).upper(),
    "replace": lambda o, a: _replace(o, a),
    "substring": lambda o, a: slice_from(as_text(o), as_int(a[0]), as_int(a[1]) if len(a) > 1 else None),
    "remove": lambda o, a: as_text(o)[: as_int(a[0])] + (as_text(o)[as_int(a[0]) + as_int(a[1]) :] if len(a) > 1 else ""),
    "insert": lambda o, a: as_text(o)[: as_int(a[0])] + as_text(a[1]) + as_text(o)[as_int(a[0]) :],
    "split": lambda o, a: _split(o, a),
    "tochararray": lambda o, _a: _chars(o),
    "reverse": lambda o, a: o[::-1] if isinstance(o, str | list) else a[0][::-1],
    "concat": lambda o, a: "".join(as_text(x) for x in ([] if o is None else [o]) + list(a)),
    "charat": lambda o, a: as_text(o)[as_int(a[0])],
    "charcodeat": lambda o, a: ord(as_text(o)[as_int(a[0]) if a else 0]),
    "substr": lambda o, a: slice_from(as_text(o), as_int(a[0]), as_int(a[1]) if len(a) > 1 else None),
    "slice": lambda o, a: o[as_int(a[0]) : as_int(a[1])] if len(a) > 1 else o[as_int(a[0]) :],
    "join": lambda o, a: _joined(a[0] if a else ",", o) if isinstance(o, list) else _joined(a[0], a[1]),
    "indexof": lambda o, a: as_text(o).find(as_text(a[0])),
    "padleft": lambda o, a: as_text(o).rjust(min(as_int(a[0]), 1000), as_text(a[1]) if len(a) > 1 else " "),
    "getbytes": lambda o, a: bytearray(as_text(a[0] if a else o).encode("utf-8", "replace")),
    "getstring": lambda _o, a: decode_bytes(a[0]),
    "getchars": lambda _o, a: list(decode_bytes(a[0])),
    "frombase64string": lambda _o, a: bytearray(from_base64(a[0])),
    "decodebuffer": lambda _o, a: bytearray(from_base64(a[0])),
    "decodebase64": lambda _o, a: bytearray(from_base64(a[0])),
    "tobase64string": lambda _o, a: base64.b64encode(bytes(a[0])).decode("ascii"),
    "fromcharcode": lambda _o, a: "".join(chr(as_int(x) & 0xFFFF) for x in a),
    "tochar": lambda _o, a: _char(a[0]),
    "tobyte": lambda _o, a: _int_base(a),
    "toint32": lambda _o, a: _int_base(a),
    "parseint": lambda _o, a: _int_base(a),
    "urldecode": lambda _o, a: unquote_plus(as_text(a[0])),
    "unescapedatastring": lambda _o, a: unquote(as_text(a[0])),
    "htmldecode": lambda _o, a: as_text(a[0]).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"),
    "format": lambda o, a: _format(a if not isinstance(o, str) else [o, *a]),
    "strreverse": lambda _o, a: as_text(a[0])[::-1],
    "chr": lambda _o, a: _char(a[0]),
    "chrw": lambda _o, a: _char(a[0]),
}


def _to_base(value: Any, args: Sequence[Any]) -> str:
    if isinstance(value, int) and args and as_text(args[0]).lower() in ("x", "x2"):
        return f"{value:02x}" if args[0] == "x2" else f"{value:x}"
    return as_text(value)


# Functions of JScript and VB that stand alone.
FUNCTIONS: dict[str, Fold] = {
    "unescape": lambda _o, a: re.sub(r"%u([0-9A-Fa-f]{4})", lambda m: chr(int(m[1], 16)), unquote(as_text(a[0]), "latin-1")),
    "decodeuri": lambda _o, a: unquote(as_text(a[0])),
    "decodeuricomponent": lambda _o, a: unquote(as_text(a[0])),
    "parseint": lambda _o, a: _int_base(a),
    "atob": lambda _o, a: decode_bytes(from_base64(a[0])),
    "string.fromcharcode": lambda _o, a: "".join(chr(as_int(x) & 0xFFFF) for x in a),
    "chr": lambda _o, a: _char(a[0]),
    "chrw": lambda _o, a: _char(a[0]),
    "chrb": lambda _o, a: _char(a[0]),
    "asc": lambda _o, a: ord(as_text(a[0])[0]),
    "ascw": lambda _o, a: ord(as_text(a[0])[0]),
    "strreverse": lambda _o, a: as_text(a[0])[::-1],
    "replace": lambda _o, a: _replace(a[0], a[1:]),
    "mid": lambda _o, a: slice_from(as_text(a[0]), max(as_int(a[1]) - 1, 0), as_int(a[2]) if len(a) > 2 else None),
    "left": lambda _o, a: as_text(a[0])[: as_int(a[1])],
    "right": lambda _o, a: as_text(a[0])[-as_int(a[1]) :] if as_int(a[1]) else "",
    "isnumeric": lambda _o, a: re.fullmatch(r"\s*[+-]?\d+(?:\.\d+)?\s*", as_text(a[0])) is not None,
    "isfinite": lambda _o, a: re.fullmatch(r"\s*[+-]?\d+(?:\.\d+)?\s*", as_text(a[0])) is not None,
    "char": lambda _o, a: _char(a[0]),
    "lcase": lambda _o, a: as_text(a[0]).lower(),
    "ucase": lambda _o, a: as_text(a[0]).upper(),
    "trim": lambda _o, a: as_text(a[0]).strip(),
    "ltrim": lambda _o, a: as_text(a[0]).lstrip(),
    "rtrim": lambda _o, a: as_text(a[0]).rstrip(),
    "len": lambda _o, a: len(a[0]) if isinstance(a[0], list) else len(as_text(a[0])),
    "split": lambda _o, a: _split(a[0], a[1:2]),
    "join": lambda _o, a: _joined(a[1] if len(a) > 1 else " ", a[0]),
    "cint": lambda _o, a: as_int(a[0]),
    "clng": lambda _o, a: as_int(a[0]),
    "cdbl": lambda _o, a: as_int(a[0]),
    "cbyte": lambda _o, a: as_int(a[0]),
    "cstr": lambda _o, a: as_text(a[0]),
    "hex": lambda _o, a: f"{as_int(a[0]):X}",
    "int": lambda _o, a: as_int(a[0]),
    "fix": lambda _o, a: as_int(a[0]),
    "abs": lambda _o, a: abs(as_int(a[0])),
    "space": lambda _o, a: " " * min(as_int(a[0]), 1000),
    "instr": lambda _o, a: (
        as_text(a[0]).find(as_text(a[1])) + 1
        if isinstance(a[0], str)
        else as_text(a[1]).find(as_text(a[2]), as_int(a[0]) - 1) + 1
    ),
    "ubound": lambda _o, a: len(a[0]) - 1,
    "lbound": lambda _o, _a: 0,
    "array": lambda _o, a: list(a),
    "string": lambda _o, a: (as_text(a[1])[:1] if isinstance(a[1], str) else chr(as_int(a[1]))) * min(as_int(a[0]), 1000),
}
# Methods that need no object: `Encoding.GetEncoding(...).GetString(bytes)`.
STATIC_METHODS = frozenset(
    [
        "getstring",
        "frombase64string",
        "getbytes",
        "format",
        "concat",
        "join",
        "fromcharcode",
        "tochar",
        "toint32",
        "tobyte",
        "urldecode",
        "unescapedatastring",
        "decode",
        "decodebuffer",
        "strreverse",
        "chr",
        "chrw",
        "parseint",
        "htmldecode",
        "getchars",
        "decodebase64",
    ]
)
ERRORS = (ValueError, TypeError, IndexError, OverflowError, KeyError, AttributeError, ZeroDivisionError)
