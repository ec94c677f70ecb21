"""What a physical line can be besides a record."""

from __future__ import annotations

from dataclasses import dataclass, field

# Reasons of a bad line. The plane uses the same words.
BAD_REASONS = (
    "too-long",  # more than 1 MiB
    "nul-padding",  # NUL bytes and nothing else: pre-allocated space or a crash
    "cut",  # the last line of a file without its line end, and it does not make a whole record
    "too-few-columns",
    "unclosed-quote",
    "bad-timestamp",  # missing, or a time that does not exist
    "no-schema",  # no header, and no known column list fits
)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A physical line that should be a record and cannot be one. `reason` is one of BAD_REASONS; `raw` is bounded."""

    line: int
    offset: int
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class Header:
    """A physical line that carries no record.

    `what`: comment (`#Name: value`), fields (`#Fields:`), row (column names as a CSV row), blank, bom (nothing but a
    byte order mark), text (log-excerpt: any other text). `name` and `value` are those of a comment; `columns` the
    column list that holds from here on (fields and row), empty where a `#Fields:` names none."""

    line: int
    offset: int
    what: str
    raw: str
    name: str = ""
    value: str = ""
    columns: tuple[str, ...] = ()


@dataclass(slots=True)
class Counts:
    """Totals of one read: `lines` = `headers` + `records` + the sum of `bad`.

    `undecodable`: lines with bytes that are no UTF-8 (kept, with U+FFFD); `nul`: lines with NULs removed that still had
    content; `guessed`: records whose column list only their column count suggested; `extra`: records with more values
    than columns."""

    lines: int = 0
    headers: int = 0
    records: int = 0
    undecodable: int = 0
    nul: int = 0
    guessed: int = 0
    extra: int = 0
    bad: dict[str, int] = field(default_factory=dict)
