"""The census as one page of HTML: no script, nothing from outside, the style sheet allowed by its hash only."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from afterpatch.census.result import DIMENSIONS, CensusResult, CveCount, GroupCount, Series
from afterpatch.census.terminal import TREND, lead, together
from afterpatch.census.words import Words, share, visible, words

_ASSETS = Path(__file__).with_name("assets")
_WIDTH, _LEFT, _SPAN, _STEP, _TOP = 960, 275, 500, 26, 34
_BARS, _MOST_CVES, _ROWS, _LABELS, _FOLDED = 15, 40, 200, 8, 15


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a bar: open | unknown | fixed."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its label, the number beside it, and the text shown when pointed at."""

    label: str
    value: str
    title: str
    y: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars below each other."""

    bars: tuple[Bar, ...]
    width: int = _WIDTH
    left: int = _LEFT
    span: int = _SPAN

    @property
    def height(self) -> int:
        return _TOP + _STEP * len(self.bars) + 10


@dataclass(frozen=True, slots=True)
class Dot:
    """A run of the series; `shown`: with its label."""

    x: float
    y: float
    label: str
    value: str
    shown: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """Open hosts over the runs."""

    dots: tuple[Dot, ...]
    height: int = 220

    @property
    def points(self) -> str:
        return " ".join(f"{dot.x},{dot.y}" for dot in self.dots)


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the page."""

    title: str
    heading: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    chart: Chart | None = None
    curve: Curve | None = None
    caption: str = ""
    note: str = ""
    folded: bool = False


def render_html(result: CensusResult, language: str = "en") -> str:
    """A whole HTML document. Every value passes Jinja's escaping; none stands in an address or a style."""
    say = words(language)
    css = _style()
    return (
        _environment()
        .get_template("census.html")
        .render(
            say=say,
            t=say.text,
            css=Markup(css),  # noqa: S704 our own file
            style_hash="sha256-" + base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
            lead=list(lead(result, say)),
            figures=_figures(result, say),
            inputs=[(visible(path), kind) for path, kind in result.inputs],
            blocks=list(_blocks(result, say)),
        )
    )


def _figures(result: CensusResult, say: Words) -> list[tuple[str, str, str, str]]:
    """The numbers at the top: (kind, number, share, what it is)."""
    rest = result.hosts - result.exposed - result.unknown
    found = [("open", result.exposed, "exposed"), ("unknown", result.unknown, "unknown-hosts"), ("fixed", rest, "nothing-open")]
    if result.compromised:
        found.append(("shells", result.compromised, "compromised"))
    return [(kind, f"{number:,}", share(number, result.hosts), say.text(f"column.{name}")) for kind, number, name in found]


@cache
def _style() -> str:
    return (_ASSETS / "census.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(_ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def _blocks(result: CensusResult, say: Words) -> Iterator[Block]:
    yield from _cves(result, say)
    if len(result.series) > 1:
        yield _series(result.series, say)
    if result.trend:
        yield _trend(result, say)
    for dimension in DIMENSIONS:
        groups = [one for one in result.groups if one.dimension == dimension]
        if any(one.value for one in groups):
            yield _groups(result, groups, dimension, say)
    yield _builds(result, say)
    if result.notices:
        rows = [[f"{visible(one.path)} {say.text(one.reason)}".strip(), f"{one.count:,}"] for one in result.notices]
        yield Block(say.text("section.notices"), [say.text("column.reason"), say.text("column.count")], rows)


def _trend(result: CensusResult, say: Words) -> Block:
    """What became of the open hosts since the run compared with; where holes share an update, they share a row."""
    heading = [say.text("column.cve"), *(say.text(f"column.{name.replace('_', '-')}") for name in TREND)]
    rows = [[names, *(f"{number:,}" for number in numbers)] for names, numbers in together(result.trend)[:_ROWS]]
    return Block(say.text("section.trend"), heading, rows)


def _cves(result: CensusResult, say: Words) -> Iterator[Block]:
    used = [one for one in result.cves if one.exploited]
    bars = [
        (
            f"{one.cve} {one.alias}".strip(),
            f"{one.open:,} · {one.unknown:,} · {one.fixed:,}",
            {"open": one.open, "unknown": one.unknown, "fixed": one.fixed},
        )
        for one in used[:_MOST_CVES]
        if one.open or one.unknown
    ]
    claims = ("claimed", "claimed-fixed") if any(one.claimed for one in result.cves) else ()
    names = ("cve", "open", "unknown", "fixed", "not-affected", *claims)
    heading = [say.text(f"column.{name}") for name in names]
    title = f"{say.text('section.cves')} ({say.text('used')})"
    chart = _chart(bars, result.hosts, say)
    yield Block(title, heading, [_cve_row(one, len(names)) for one in used], chart, caption=say.text("chart.cves"))
    others = [_cve_row(one, len(names)) for one in result.cves if not one.exploited]
    yield Block(say.text("section.other-cves"), heading, others[:_ROWS], folded=True)


def _cve_row(one: CveCount, width: int) -> list[str]:
    numbers = (one.open, one.unknown, one.fixed, one.not_affected, one.claimed, one.claimed_fixed)
    return [f"{one.cve} {one.alias}".strip(), *(f"{number:,}" for number in numbers)][:width]


def _groups(result: CensusResult, groups: Sequence[GroupCount], dimension: str, say: Words) -> Block:
    named = [(visible(one.value, 40) or say.text("value.unknown"), one) for one in groups]
    bars = [(name, f"{one.exposed:,} · {share(one.exposed, one.hosts)}", _parts(one)) for name, one in named[:_BARS]]
    most = max((one.hosts for one in groups[:_BARS]), default=0)
    shells = ("compromised",) if result.compromised else ()
    heading = [say.text(f"column.{name}") for name in (dimension, "hosts", "exposed")] + ["%", say.text("column.unknown-hosts")]
    heading += [say.text(f"column.{name}") for name in shells]
    rows = [
        [name, f"{one.hosts:,}", f"{one.exposed:,}", share(one.exposed, one.hosts), f"{one.unknown:,}"]
        + ([f"{one.compromised:,}"] if shells else [])
        for name, one in named
    ]
    left = result.group_totals[dimension] - len(rows)
    note = say.text("more", count=left) if left > 0 else ""
    title = say.text(f"section.{dimension}")
    folded = len(rows) > _FOLDED
    return Block(title, heading, rows, _chart(bars, most, say), caption=say.text("chart.groups"), note=note, folded=folded)


def _parts(one: GroupCount) -> dict[str, int]:
    return {"open": one.exposed, "unknown": one.unknown, "fixed": one.hosts - one.exposed - one.unknown}


def _builds(result: CensusResult, say: Words) -> Block:
    heading = [say.text(f"column.{name}") for name in ("build", "hosts", "open-exploited")]
    rows = [
        [f"{one.label} {one.product} {one.cu} {one.su}".rstrip(), f"{one.hosts:,}", str(one.open_exploited)]
        for one in result.builds[:_ROWS]
    ]
    left = len(result.builds) - len(rows)
    return Block(say.text("section.builds"), heading, rows, note=say.text("more", count=left) if left > 0 else "")


def _chart(bars: Sequence[tuple[str, str, dict[str, int]]], whole: int, say: Words) -> Chart | None:
    if not bars or not whole:
        return None
    drawn = []
    for place, (label, value, parts) in enumerate(bars):
        x, stretches = float(_LEFT), []
        for kind, number in parts.items():
            width = round(_SPAN * number / whole, 2)
            if width:
                stretches.append(Part(kind, round(x, 2), width))
            x += width
        title = ", ".join(f"{say.text(f'column.{kind}')} {number:,}" for kind, number in parts.items())
        drawn.append(Bar(visible(label, 34), value, title, _TOP + _STEP * place, tuple(stretches)))
    return Chart(tuple(drawn))


def _series(series: Sequence[Series], say: Words) -> Block:
    most = max(one.exposed for one in series) or 1
    first, last = series[0].day.toordinal(), series[-1].day.toordinal()
    every = -(-len(series) // _LABELS)
    dots = []
    for place, one in enumerate(series):
        part = (one.day.toordinal() - first) / (last - first) if last > first else place / (len(series) - 1)
        x, y = round(80 + 830 * min(max(part, 0), 1), 1), round(190 - 140 * one.exposed / most, 1)
        dots.append(Dot(x, y, one.day.isoformat(), f"{one.exposed:,}", place % every == 0 or place == len(series) - 1))
    heading = [say.text(f"column.{name}") for name in ("day", "hosts", "exposed")]
    rows = [[one.day.isoformat(), f"{one.hosts:,}", f"{one.exposed:,}"] for one in series]
    return Block(say.text("section.series"), heading, rows, curve=Curve(tuple(dots)), caption=say.text("chart.series"))
