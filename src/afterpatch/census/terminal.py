"""The census on a terminal: what matters first, then the tables."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from afterpatch.census.result import CensusResult, TrendCount
from afterpatch.census.words import Words, share, visible, words

_MOST, _MOST_CVES = 12, 40
TREND = ("was_open", "remediated", "not_seen", "unclear", "still", "newly_seen", "back_again", "clarified", "now_open")


def render_terminal(result: CensusResult, language: str = "en") -> str:
    """Text of at most about 100 columns; values of the input have their control characters shown as codes."""
    say = words(language)
    parts = [list(lead(result, say)), _cves(result, say)]
    parts += [_groups(result, say, dimension) for dimension in ("country", "asn", "sector")]
    parts += [_builds(result, say), _trend(result.trend, say), _notices(result, say)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def lead(result: CensusResult, say: Words) -> Iterator[str]:
    """The sentences that come first."""
    values = {"exposed": f"{result.exposed:,}", "hosts": f"{result.hosts:,}", "share": share(result.exposed, result.hosts)}
    yield say.text("lead" if result.exposed else "lead.none", **values)
    for key, count in (
        ("compromised", result.compromised),
        ("unclear", result.unknown),
        ("unknown", result.without_build),
        ("online", result.online),
    ):
        if count:
            yield say.text(f"lead.{key}", count=f"{count:,}")
    yield say.text("caution")
    yield say.text("rows", rows=f"{result.rows:,}", bad=f"{result.bad_rows:,}")


def _table(title: str, heading: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    if not rows:
        return []
    cells = [list(heading), *[[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]]
    widths = [max(_width(row[place]) for row in cells) for place in range(len(heading))]
    return [title, *("  " + _line(row, widths) for row in cells)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (_padded(cell, width, place) for place, (cell, width) in enumerate(zip(row, widths, strict=True)))
    return "  ".join(cells).rstrip()


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _padded(cell: str, width: int, place: int) -> str:
    gap = " " * (width - _width(cell))
    return cell + gap if place == 0 else gap + cell


def _cves(result: CensusResult, say: Words) -> list[str]:
    shown = [one for one in result.cves if one.exploited and (one.open or one.unknown)][:_MOST_CVES]
    heading = [say.text(f"column.{name}") for name in ("cve", "open", "unknown", "fixed", "not-affected")]
    rows = [(f"{one.cve} {one.alias}"[:44].rstrip(), one.open, one.unknown, one.fixed, one.not_affected) for one in shown]
    return _table(f"{say.text('section.cves')} ({say.text('used')})", heading, rows)


def _groups(result: CensusResult, say: Words, dimension: str) -> list[str]:
    groups = [one for one in result.groups if one.dimension == dimension]
    if all(not one.value for one in groups):
        return []
    rows = [
        (visible(one.value, 40) or say.text("value.unknown"), one.hosts, one.exposed, share(one.exposed, one.hosts), one.unknown)
        for one in groups[:_MOST]
    ]
    lines = _table(
        say.text(f"section.{dimension}"),
        [*(say.text(f"column.{name}") for name in (dimension, "hosts", "open")), "%", say.text("column.unknown")],
        rows,
    )
    left = result.group_totals[dimension] - len(rows)
    return [*lines, "  " + say.text("more", count=left)] if left > 0 else lines


def _builds(result: CensusResult, say: Words) -> list[str]:
    heading = [say.text(f"column.{name}") for name in ("build", "hosts", "open-exploited")]
    rows = [
        (f"{one.label}  {one.product} {one.cu} {one.su}".rstrip(), one.hosts, one.open_exploited) for one in result.builds[:_MOST]
    ]
    return _table(say.text("section.builds"), heading, rows)


def _trend(changes: Sequence[TrendCount], say: Words) -> list[str]:
    heading = [say.text("column.cve"), *(say.text(f"column.{name.replace('_', '-')}") for name in TREND)]
    rows = [(names, *numbers) for names, numbers in together(changes)]
    return _table(say.text("section.trend"), heading, rows[:_MOST])


def together(changes: Sequence[TrendCount]) -> list[tuple[str, tuple[int, ...]]]:
    """(holes, numbers): holes with the same numbers (one update closes them) stand in one row, the first by its name."""
    found: dict[tuple[int, ...], list[str]] = {}
    for one in changes:
        found.setdefault(tuple(getattr(one, name) for name in TREND), []).append(one.cve)
    return [(names[0] + (f" +{len(names) - 1}" if len(names) > 1 else ""), numbers) for numbers, names in found.items()]


def _notices(result: CensusResult, say: Words) -> list[str]:
    rows = [(f"{visible(one.path, 60)} {say.text(one.reason)}".strip(), one.count) for one in result.notices]
    return _table(say.text("section.notices"), [say.text("column.reason"), say.text("column.count")], rows)
