"""Sets a scenario up, writes its evidence in a layout, and the truth beside it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from afterpatch.demo.blocks import Blocks
from afterpatch.demo.events import write_events
from afterpatch.demo.layouts import LAYOUTS, Sink
from afterpatch.demo.ledger import Ledger
from afterpatch.demo.machine import furnish
from afterpatch.demo.scenarios import BY_NAME, Scenario
from afterpatch.demo.scenes.daily import internet_noise, weekly_work
from afterpatch.demo.truth import Planted, Truth
from afterpatch.demo.writer import LogWriter, Span, measure
from afterpatch.model import UsageError

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def write_scenario(
    name: str,
    target: Path,
    *,
    seed: int = 1,
    start: datetime | None = None,
    end: datetime | None = None,
    size: int | str | None = None,
    layout: str = "drive",
) -> Truth:
    """Write the evidence of a scenario into `target` (a folder that is new or empty) and return what was planted.

    `start` and `end` (UTC) move the bounds of the logs; they must leave the planted events inside. `size` is the wanted
    total of bytes (or a text such as "1.5GB"), reached within 5 % by more benign traffic a day; archives hold that many
    bytes uncompressed. The truth is written to `<target>.truth.json`, beside the evidence. The same arguments give the
    same bytes. Raises UsageError for unknown names, bounds that cut planted events off, and a target that is not empty.
    """
    scenario = _find(name, layout, target)
    span = _span(scenario, start, end)
    ledgers = tuple(Ledger(server, seed) for server in scenario.servers)
    scenario.play(ledgers)
    for ledger in ledgers:
        furnish(ledger, span.end)
        internet_noise(ledger, span.start, span.end)
        weekly_work(ledger, span.start, span.end)
        if ledger.server.generation == "V15":
            write_events(ledger, span.start, span.end)
    blocks = _fitted(ledgers, span, seed, None if size is None else parse_size(size))
    planted: list[Planted] = []
    evidence: list[Path] = []
    files = total = 0
    for ledger, traffic in zip(ledgers, blocks, strict=True):
        with LAYOUTS[layout](target, span.end + timedelta(hours=3), ledger.server, len(ledgers) > 1) as sink:
            writer = LogWriter(ledger, traffic, span, sink, planted)
            writer.write()
            files += writer.files + len(ledger.files)
            total += writer.size + _plain_files(ledger, sink)
            evidence.append(sink.close())
    truth = _truth(scenario, seed, layout, span, ledgers, planted)
    truth = _counted(truth, tuple(str(path.relative_to(target.parent)) for path in evidence), files, total)
    truth.write(target.with_name(f"{target.name}.truth.json"))
    return truth


def parse_size(size: int | str) -> int:
    """Bytes of a number or a text such as `1.5GB`, `300 MB` (powers of ten)."""
    if isinstance(size, int):
        return size
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?B?)\s*", size.upper())
    unit = match[2] if match else ""
    unit = unit if unit in _UNITS else f"{unit}B"
    if match is None or unit not in _UNITS:
        raise UsageError(f"'{size}' is no size: write a number of bytes or a text such as 300MB or 1.5GB")
    return int(float(match[1]) * _UNITS[unit])


def _find(name: str, layout: str, target: Path) -> Scenario:
    if name not in BY_NAME:
        raise UsageError(f"there is no scenario '{name}'; choose one of {', '.join(BY_NAME)}")
    if layout not in LAYOUTS:
        raise UsageError(f"there is no layout '{layout}'; choose one of {', '.join(LAYOUTS)}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"'{target}' is not empty; name a new folder")
    target.mkdir(parents=True, exist_ok=True)
    return BY_NAME[name]


def _span(scenario: Scenario, start: datetime | None, end: datetime | None) -> Span:
    first, last = (_hour(start or scenario.start), _hour(end or scenario.end))
    if first >= last:
        raise UsageError("the end of the logs must lie after their start")
    if scenario.needs is not None and not (first <= scenario.needs[0] and scenario.needs[1] <= last):
        low, high = scenario.needs
        raise UsageError(f"scenario '{scenario.name}' needs logs from {low:%Y-%m-%d} to {high:%Y-%m-%d}")
    return Span(first, last, scenario.keep_days, scenario.proof_days)


def _hour(moment: datetime) -> datetime:
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.replace(minute=0, second=0, microsecond=0)


def _plain_files(ledger: Ledger, sink: Sink) -> int:
    files = ledger.files
    return sum(sink.put(item.path, [item.content], item.modified, item.created or item.modified) for item in files)


def _fitted(ledgers: tuple[Ledger, ...], span: Span, seed: int, wanted: int | None) -> list[Blocks]:
    """Each server's traffic, as dense as the wanted bytes ask: a line through two trials, then one correction."""

    def at(scale: float) -> list[Blocks]:
        return [Blocks(ledger.server, seed, scale) for ledger in ledgers]

    def size(blocks: list[Blocks]) -> int:
        return sum(measure(ledger, traffic, span) for ledger, traffic in zip(ledgers, blocks, strict=True))

    if wanted is None:
        return at(1.0)
    low, high = (size([traffic.one_build() for traffic in at(scale)]) for scale in (8.0, 24.0))
    slope = (high - low) / 16.0
    scale = max(1.0, 8.0 + (wanted - low) / slope)
    blocks = at(scale)
    missing = wanted - size(blocks)
    return blocks if abs(missing) < 0.01 * wanted else at(max(1.0, scale + missing / slope))


def _truth(scenario: Scenario, seed: int, layout: str, span: Span, ledgers: tuple[Ledger, ...], planted: list[Planted]) -> Truth:
    boxes = dict.fromkeys(box for ledger in ledgers for box in ledger.mailboxes)
    return Truth(
        scenario=scenario.name,
        seed=seed,
        layout=layout,
        evidence=(),
        servers=tuple(ledger.server.name for ledger in ledgers),
        verdicts=tuple((ledger.server.name, ledger.verdict) for ledger in ledgers),
        start=span.start,
        end=span.end,
        chains=tuple(chain for ledger in ledgers for chain in ledger.chains),
        doors=tuple(door for ledger in ledgers for door in ledger.doors),
        actors=tuple(actor for ledger in ledgers for actor in ledger.actors),
        scanners=tuple(client for ledger in ledgers for client in ledger.scanners),
        mailboxes=tuple(boxes),
        planted=tuple(planted),
    )


def _counted(truth: Truth, evidence: tuple[str, ...], files: int, size: int) -> Truth:
    return replace(truth, evidence=evidence, files=files, bytes=size)
