"""Programs kept between runs: which literals each rule needs, and the compiled search for them."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson

from afterpatch.detect import kept
from afterpatch.detect.events import search
from afterpatch.detect.events.literals import Groups

if TYPE_CHECKING:
    from afterpatch.detect.events.plan import EventPlan
    from afterpatch.detect.events.program import Program

_NAME = "programs"
_MADE_BY = (
    ("afterpatch.detect.events", ("literals.py", "program.py", "search.py", "spellings.yml", "common_words.yml", "kept.py")),
    ("afterpatch.detect.sigma", ("regex_literals.py", "text.py", "mapping.py", "mapping.yml", "windows.yml")),
)


@dataclass(frozen=True, slots=True)
class KeptProgram:
    """The groups that are searched, by the rule's number, and the compiled search."""

    groups: Mapping[int, Groups]
    compiled: bytes


Kept = Mapping[tuple[str, int], KeptProgram]


@cache
def _engine() -> bytes:
    """What the form of kept programs depends on beside the rules: the code and tables, the search engine, the machine."""
    digest = hashlib.sha256(f"{getattr(search.hyperscan, '__version__', '')} {platform.machine()}".encode())
    for package, names in _MADE_BY:
        for name in names:
            digest.update(files(package).joinpath(name).read_bytes())
    return digest.digest()


def _key(plan: EventPlan) -> str:
    digest = hashlib.sha256(_engine() + plan.version.encode())
    for rule in plan.rules:
        digest.update(rule.rule.id.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def _usable(plan: EventPlan) -> bool:
    return bool(plan.version) and not plan.force_fallback and search.hyperscan is not None


def load_kept(plan: EventPlan) -> Kept:
    """What was kept of a plan of the same rules; empty where nothing was."""
    data = kept.load(_NAME, _key(plan)) if _usable(plan) else None
    if data is None:
        return {}
    head, _, compiled = data.partition(b"\n")
    found: dict[tuple[str, int], KeptProgram] = {}
    try:
        for entry in orjson.loads(head):
            literals = [literal.encode("latin-1") for literal in entry["literals"]]
            groups = {number: _groups(each, literals) for number, each in entry["groups"]}
            start, end = entry["compiled"]
            found[(entry["channel"].lower(), entry["id"])] = KeptProgram(groups, compiled[start:end])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, IndexError):
        return {}
    return found


def _groups(written: list[list[int]], literals: Sequence[bytes]) -> Groups:
    return tuple(frozenset([literals[number] for number in group]) for group in written)


def store_kept(plan: EventPlan, made: Sequence[tuple[tuple[str, int], Program]]) -> None:
    """Keeps programs for the next run."""
    if not _usable(plan):
        return
    entries: list[dict[str, Any]] = []
    compiled = b""
    for (channel, event_id), program in made:
        data = program.anchors.compiled()
        numbers = {literal: number for number, literal in enumerate(program.anchors.literals)}
        groups = [
            [candidate.number, [sorted(numbers[literal] for literal in group) for group in groups]]
            for candidate, groups in zip(program.candidates, program.groups, strict=True)
        ]
        entries.append(
            {
                "channel": channel,
                "id": event_id,
                "literals": [literal.decode("latin-1") for literal in program.anchors.literals],
                "groups": groups,
                "compiled": [len(compiled), len(compiled) + len(data)],
            }
        )
        compiled += data
    kept.store(_NAME, _key(plan), orjson.dumps(entries) + b"\n" + compiled)
