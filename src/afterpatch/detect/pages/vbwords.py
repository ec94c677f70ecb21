"""Words and tokens of VB.NET and VBScript."""

from __future__ import annotations

import re

PATTERN = re.compile(
    r"""
    (?P<continued>[ \t]_[ \t]*(?:'[^\n]*)?\r?\n)
  | (?P<blank>[ \t\f\v\u00a0\u3000]+)
  | (?P<line>\r?\n|\r|:(?!=))
  | (?P<comment>'[^\r\n]*|<!--[^\r\n]*|\brem\b(?=[ \t\r\n])[^\r\n]*)
  | (?P<string>[\"\u201c\u201d](?:[^\"\u201c\u201d\r\n]|[\"\u201c\u201d]{2})*(?:[\"\u201c\u201d]c?|(?=[\r\n]|$)))
  | (?P<date>\#[^\#\r\n]{4,30}\#)
  | (?P<number>(?<=[(,])&0[0-7]+&?|&h[0-9a-f]+&?|&o[0-7]+&?|\d+(?:\.\d+)?(?:e[+-]?\d+)?[%&!\#@ilsdfr]?(?!\w)|\d+)
  | (?P<bracket>\[[^\]\r\n]{1,80}\])
  | (?P<name>[^\W\d]\w*[$%!]?(?!\w)|[^\W\d]\w*)
  | (?P<op><>|<=|>=|=>|=<|:=|\+=|-=|&=|\*=|/=|<<|>>|[-+*/\\^&=<>().,{}!?])
  | (?P<other>.)
    """,
    re.IGNORECASE | re.VERBOSE,
)
SKIP = frozenset(("continued", "blank", "comment", "other"))
MODIFIERS = frozenset(
    [
        "public",
        "private",
        "protected",
        "friend",
        "shared",
        "overrides",
        "overridable",
        "overloads",
        "default",
        "readonly",
        "writeonly",
        "shadows",
        "notoverridable",
        "mustoverride",
        "partial",
        "withevents",
        "static",
        "const",
        "async",
        "iterator",
        "mustinherit",
        "notinheritable",
    ]
)
OPERATORS: tuple[frozenset[str], ...] = (
    frozenset(("or", "orelse", "xor", "eqv", "imp")),
    frozenset(("and", "andalso")),
    frozenset(("=", "<>", "<", ">", "<=", ">=", "=>", "=<", "is", "isnot", "like")),
    frozenset(("<<", ">>")),
    frozenset(("&",)),
    frozenset(("+", "-")),
    frozenset(("mod", "\\")),
    frozenset(("*", "/")),
    frozenset(("^",)),
)
LEVELS = {operator: level for level, group in enumerate(OPERATORS) for operator in group}
STOPS = frozenset(
    ("then", "to", "step", "else", "end", "next", "as", "in", "until", "while", "loop", "goto", "handles", "implements", "on")
)
ENDERS = {
    "if": "if",
    "sub": "sub",
    "function": "function",
    "class": "class",
    "module": "module",
    "select": "select",
    "with": "with",
    "while": "while",
    "try": "try",
    "using": "using",
    "property": "property",
    "get": "get",
    "set": "set",
    "namespace": "namespace",
    "structure": "structure",
    "enum": "enum",
    "synclock": "synclock",
    "interface": "interface",
}
PLAIN_ENDS = frozenset(("else", "elseif", "next", "loop", "wend", "case", "catch", "finally"))
WORD_LITERALS: dict[str, str | int | bool | None] = {
    "true": True,
    "false": False,
    "nothing": None,
    "null": None,
    "empty": "",
    "vbcrlf": "\r\n",
    "vbnewline": "\r\n",
    "vbcr": "\r",
    "vblf": "\n",
    "vbtab": "\t",
    "vbnullchar": "\0",
    "vbnullstring": "",
    "vbbinarycompare": 0,
    "vbtextcompare": 1,
}
MAX_DEPTH = 40
