"""What could not be read, counted and named."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Notice:
    """One reason why something was not used.

    `path` is the artifact as the user knows it, `where` a line, record, member or element ("" for the whole file),
    `reason` a message key of the catalogue (`notice.<key>`) followed by ": detail" where there is one,
    `count` how many lines, records or members it stands for.
    """

    path: str
    where: str
    reason: str
    count: int = 1
