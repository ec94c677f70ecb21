"""A cheap test before parsing: C# that names no sink and nothing that could call one by name cannot reach one.

Compilers need the names of what is called; a name in a string needs reflection, whose own names are here too. So the
words of the tables, looked for in the code once escapes in names are undone, are necessary.
"""

from __future__ import annotations

import re
from functools import cache

from afterpatch.detect.pages.catalogue import catalogue

_ALWAYS = (
    "invoke",
    "invokemember",
    "createinstance",
    "getmethod",
    "getmethods",
    "getconstructor",
    "dynamicinvoke",
    "createdelegate",
    "dllimport",
    "processstartinfo",
    "process",
    "assembly",
    "machinekeysection",
    "frombase64string",
    "registrykey",
    "amsi",
    "etweventwrite",
    "marshal",
    "createobject",
    "activexobject",
    "standardinput",
    "streamwriter",
    "filestream",
    "saveas",
    "socket",
    "tcpclient",
    "file",
    "directory",
    "fileinfo",
    "directoryinfo",
    "webclient",
    "webrequest",
    "httpwebrequest",
    "compile",
    "getfiles",
    "gettype",
    "emit",
    "expression",
    "pinvoke",
    "driveinfo",
)
_NAME = re.compile(r"[a-z_]\w{2,}")
_TOO_COMMON = frozenset(
    ("load", "open", "create", "start", "write", "compile", "parse", "connect", "send", "invoke", "run", "writeline", "getvalue")
)


@cache
def _words(name: str) -> frozenset[str]:
    tables = catalogue(name)
    words = set(_ALWAYS)
    for key in (*tables.sinks, *tables.assigned):
        owner, _, method = key.removeprefix("new ").rpartition(".")
        words.add(method if owner in ("", "*") or method not in _TOO_COMMON else owner.rpartition(".")[2])
    return frozenset(word for word in words if re.fullmatch(r"\w{3,}", word))


def may_reach_sink(code: str, name: str = "dotnet") -> bool:
    """Whether the code has any of the words."""
    return not _words(name).isdisjoint(_NAME.findall(code.lower()))
