r"""From a file's path to the URL paths it is served under, by the web folders that Exchange setup makes.

Paths are compared without their drive and install folder, because Exchange is often not on C: and never has to be in
`Program Files`. The table is `data/virtual_directories.csv`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from afterpatch.knowledge.data_files import table

FRONT, BACK = "front", "back"
_SITES = {"Default Web Site": FRONT, "Exchange Back End": BACK}
_ANCHORS = (r"\frontend\httpproxy" + "\\", r"\clientaccess" + "\\", r"\inetpub\wwwroot" + "\\")
_SEPARATORS = re.compile(r"[\\/]+")
_HEAD = re.compile(r"^(?:\\[?.]\\)?(?:unc\\)?(?:\\?[^\\]+\\[a-z]\$|[a-z]:)?")
# Server-executable extensions of pages that Exchange or an intruder may have in a web folder.
PAGE_EXTENSIONS = frozenset(
    re.findall(r"\S+", ".aspx .ashx .asmx .asax .ascx .asp .svc .soap .cshtml .vbhtml .master .rem .cer .asa .cdx .php .jsp")
)


@dataclass(frozen=True, slots=True)
class VirtualDirectory:
    """A stock web folder. `folder` starts with `{exchange}` or an environment variable. `pages`: yes | alias | no."""

    site: str
    path: str
    folder: str
    pool: str
    pages: str

    @property
    def side(self) -> str:
        """front | back"""
        return _SITES[self.site]


@cache
def virtual_directories() -> tuple[VirtualDirectory, ...]:
    """The web folders of a stock server, in the order of the table."""
    return tuple(VirtualDirectory(**row) for row in table("virtual_directories.csv"))


def fold(path: str) -> str:
    r"""Lower case, backslashes, no drive, no `\\?\` and no `\\host\c$`; `C:\Users\All Users` is `\programdata`."""
    text = _SEPARATORS.sub(r"\\", path.strip()).lower()
    text = _HEAD.sub("", text, count=1)
    if not text.startswith("\\"):
        text = "\\" + text
    junction = r"\users\all users"
    return r"\programdata" + text[len(junction) :] if text.startswith(junction + "\\") else text


def path_key(path: str) -> str:
    r"""What two servers' paths of the same file share: from `\frontend\httpproxy\`, `\clientaccess\` or
    `\inetpub\wwwroot\` on; else the folded path."""
    text = fold(path)
    for anchor in _ANCHORS:
        position = text.find(anchor)
        if position >= 0:
            return text[position:]
    return text


@cache
def _served() -> tuple[tuple[str, str, str], ...]:
    """(folder key with closing backslash, URL path, side), longest folder first."""
    found = []
    for item in virtual_directories():
        if item.pages == "yes":
            folder = re.sub(r"^(?:\{exchange\}|%SystemDrive%)", "", item.folder).lower() + "\\"
            found.append((folder, item.path.lower().rstrip("/"), item.side))
    return tuple(sorted(found, key=lambda entry: -len(entry[0])))


def url_of(path: str) -> tuple[str, str] | None:
    r"""(URL path in lower case, side) of a file below a stock web folder: `...\HttpProxy\owa\auth\logon.aspx` is
    `/owa/auth/logon.aspx` on the front end. None for a file that no stock folder serves."""
    key = path_key(path)
    for folder, prefix, side in _served():
        if key.startswith(folder) and len(key) > len(folder):
            return f"{prefix}/{key[len(folder) :]}".replace("\\", "/"), side
    return None


def is_page(path: str) -> bool:
    """Whether the last part of a path or URL has a server-executable extension."""
    name = _SEPARATORS.split(path)[-1].lower()
    return "." in name and "." + name.rsplit(".", 1)[1] in PAGE_EXTENSIONS
