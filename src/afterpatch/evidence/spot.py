"""An entry and where it belongs, and the groups that become roots."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from afterpatch.evidence.entry import Entry, Scope
from afterpatch.evidence.serverpath import Folder
from afterpatch.evidence.table import load_table

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9-]{1,63}){0,6}")


@dataclass(slots=True)
class Spot:
    """An entry and where it belongs. `group`: (scope, folder) that stands for one server so far."""

    entry: Entry
    path: str
    drive: str
    how: str
    group: Group
    modified: datetime | None
    created: datetime | None
    original: bool = False
    sha1: str = ""
    partial: bool = False


@dataclass(slots=True, eq=False)
class Group:
    """Entries collected from one place. Groups are joined when side files say so (`joined`)."""

    scope: Scope
    folder: Folder
    layout: str = ""
    host: str = ""
    joined: Group | None = None
    drives: set[str] = field(default_factory=set)
    on_drive: bool = False

    def top(self) -> Group:
        """The group this one was joined to, itself if none."""
        return self if self.joined is None else self.joined.top()

    def join(self, other: Group) -> None:
        """Makes both one; the earlier stays."""
        mine, theirs = self.top(), other.top()
        if mine is not theirs:
            theirs.joined = mine
            mine.host = mine.host or theirs.host
            mine.layout = mine.layout or theirs.layout


def host_like(name: str) -> str:
    """The name where it can be a computer's name, "" for plain words, numbers and dates."""
    if not HOST.fullmatch(name) or name.lower() in load_table().plain_words or not re.search(r"[A-Za-z]", name):
        return ""
    return name if len(name) > 1 else ""
