"""How the text of a field stands in the raw line: what a scan of raw bytes for literals may rely on."""

from __future__ import annotations

_NONE = frozenset({"server.side", "cmdlet.result", "schema"})  # computed: their text is nowhere in the line
_WORDS = frozenset({"user_agent", "user.name", "cmdlet.parameters", "cmdlet.caller"})


def relation(name: str) -> str:
    """`verbatim`: a value is a piece of the raw line, but for doubled quotes and the separators IIS writes for spaces;
    `words`: only its runs of ASCII letters, digits and `_` are (decoding, re-quoting, JSON escapes change what stands
    between them; percent-encoding may hide the letters too); `none`: nothing of it is."""
    if name in _NONE or name.endswith(".build"):
        return "none"
    return "words" if name in _WORDS or name.startswith("url.") else "verbatim"
