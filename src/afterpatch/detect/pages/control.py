"""What a client controls: which of a sink's values are its own, and how much of a path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from afterpatch.detect.pages.scope import Event
from afterpatch.detect.pages.value import ANCHORED, BASENAME, FIXED_END, MAPPED, NUMBER, Trace, Value

SCRIPT_ENDS = (
    ".aspx", ".ashx", ".asmx", ".asax", ".ascx", ".asp", ".asa", ".cer", ".cdx", ".cshtml", ".vbhtml", ".svc", ".soap", ".master",
    ".php", ".php5", ".phtml", ".jsp", ".jspx", ".exe", ".dll", ".bat", ".cmd", ".ps1", ".vbs", ".hta", ".config", ".cfm",
)  # fmt: skip
PAGE_ENDS = tuple(one for one in SCRIPT_ENDS if one not in (".config", ".master", ".ascx", ".dll", ".bat", ".cmd", ".vbs"))
_OWN_FOLDER = frozenset(("", ".", "./", "/", "\\", "~", "~/", "~\\", "../", "..\\", "..", ".\\", "?"))
WRAPPERS = ("compress.zlib://", "compress.bzip2://", "file://", "php://filter", "glob://", "zip://", "data:", "\\\\?")

_SCHEMES = ("http://", "https://", "ftp://", "tcp://", "udp://", "ssl://", "tls://", "//", "\\\\", "gopher://", "ssh2.shell://")
# The name under which the client reached this server: a page that calls itself.
_OWN_HOST = re.compile(r"HTTP_HOST|SERVER_NAME|FORWARDED_HOST|[Rr]equest\.(?:Url|Host|Authority)|getServerName|getRequestUR")
_SERVER_KEY = re.compile(
    r"(?:host|hostaddr|server|data\s?source|address|addr|mysql:|pgsql:|@)\s*[=:(/@]*\s*$|jdbc:\w+:(?:\w+:)?/*@?$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What else is known of the page: whether anybody is asked who he is, whether it is of a platform whose
    paths are not bounded by the site (PHP, classic ASP, JSP), and constants that name attack functions."""

    authenticated: bool = False
    script_platform: bool = False
    loader_names: tuple[str, ...] = ()
    reads_client: bool = False
    carried: tuple[str, ...] = ()


def kinds(traces: Sequence[Trace]) -> set[str]:
    """Kinds of some traces."""
    return {trace.kind for trace in traces}


def role(event: Event, name: str) -> Value:
    """An argument of a sink by its role; an unknown value where there is none."""
    return event.roles.get(name, Value())


def controlled(value: Value) -> bool:
    """Whether anything in a value is the client's."""
    return bool(kinds(value.all_traces()) & {"client", "upload-name"})


def own_folder(value: Value) -> bool:
    """Whether a path's fixed head is the page's own folder."""
    return value.head.strip().lower() in _OWN_FOLDER


def path_control(value: Value) -> str:
    """How much of a path the client chooses: `whole`, `folder` (the name is fixed), `name` (in the page's own folder),
    `site` (below the web root), `part` (in a fixed folder), `none`."""
    if not controlled(value) or NUMBER in value.marks:
        return "none"
    name_only = BASENAME in value.marks or kinds(value.all_traces()) == {"upload-name"}
    fixed = ANCHORED in value.marks and not value.head.lower().startswith(WRAPPERS)
    if MAPPED in value.marks and not fixed and not name_only:
        return "site"
    if FIXED_END in value.marks and value.tail and not value.tail.lower().endswith(SCRIPT_ENDS) and "." in value.tail:
        return "part" if fixed else "folder"
    if not fixed:
        return "name" if name_only else "whole"
    return "name" if own_folder(value) and value.head != "?" else "part"


def host_chosen(value: Value) -> bool:
    """Whether the client chooses the machine that an address names; a scheme in front of it leaves the choice open."""
    if not controlled(value) or NUMBER in value.marks:
        return False
    if ANCHORED in value.marks and value.head.strip().lower() not in _SCHEMES:
        return False
    return not all(_OWN_HOST.search(trace.source) for trace in value.all_traces() if trace.kind in ("client", "upload-name"))


def server_chosen(value: Value) -> bool:
    """Whether the client chooses the server of a database connection: the string's fixed head ends where the host goes."""
    return controlled(value) and (ANCHORED not in value.marks or _SERVER_KEY.search(value.head) is not None)
