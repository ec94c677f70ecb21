"""A row of a log, the requests that cause rows, and the ids in them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime

GUID_MARK = "5eedf00d"
"""First group of every id in a repeated block; stamping a block puts the hour's own eight digits there."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of one log (see `streams.STREAMS` for the ids), without its line end."""

    stream: str
    time: datetime
    line: str


class Ids:
    """Reproducible GUIDs. `mark` fixes the first group (used for blocks that are stamped later)."""

    def __init__(self, seed: str, mark: str = "") -> None:
        self._random = random.Random(seed)  # noqa: S311 (reproducible on purpose)
        self._mark = mark

    def guid(self) -> str:
        """A version 4 shaped GUID."""
        digits = f"{self._random.getrandbits(128):032x}"
        head = self._mark or digits[:8]
        return f"{head}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def number(self, low: int, high: int) -> int:
        """An integer between the bounds, both included."""
        return self._random.randint(low, high)


@dataclass(frozen=True, slots=True)
class Relay:
    """What the front end asked of the back end (site 2, port 444) for a request; `client`: another server's address."""

    stem: str
    query: str = ""
    user: str = ""
    agent: str = ""
    status: int = 200
    client: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One HTTP request as the front end saw it; `time` is its end, `taken` milliseconds.

    `protocol` is the HttpProxy folder ("" where the request never reaches the proxy: static content of the web root).
    `anchor`, `hint`, `cookie`, `target` and `target_build` are what the proxy used for routing.
    """

    time: datetime
    client: str
    method: str
    stem: str
    query: str = ""
    status: int = 200
    agent: str = ""
    user: str = ""
    host: str = ""
    protocol: str = ""
    auth: str = ""
    anchor: str = ""
    hint: str = ""
    cookie: str = ""
    target: str = ""
    target_build: int = 0
    back_status: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    taken: int = 16
    referer: str = ""
    substatus: int = 0
    win32: int = 0
    info: str = ""
    errors: str = ""
    sid: str = ""
    relay: Relay | None = None
    guid: str = ""

    def at(self, moment: datetime) -> Hit:
        """The same request at another time."""
        return replace(self, time=moment, guid="")
