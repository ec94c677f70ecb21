"""The words of the file checks: `.yml` files beside the code, one mapping of detection id to its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from afterpatch.detect.files.item import MAX_RAW, FileFinding
from afterpatch.model import SEVERITIES, severity_at_least
from afterpatch.model.shipped import shipped_yaml

PACKAGE = "afterpatch.detect.files"
TABLES = ("oabdump", "places", "stock", "published", "compiled", "library", "logon", "times", "mailstore", "iis", "transport")


@dataclass(frozen=True, slots=True)
class CheckMeta:
    """One detection: what it looks for, why, what innocent thing looks the same, what to do. `*_zh`: Chinese."""

    id: str
    title: str
    level: str
    confidence: str
    explain: str
    benign: tuple[str, ...]
    next_steps: tuple[str, ...]
    techniques: tuple[str, ...] = ()
    chain: str = ""
    stage: str = ""
    kind: str = ""
    family: str = ""
    artifacts: tuple[str, ...] = ()
    title_zh: str = ""
    explain_zh: str = ""
    benign_zh: tuple[str, ...] = ()
    next_steps_zh: tuple[str, ...] = ()
    origin: str = "check"


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(str(one) for one in value)
    return (str(value),) if value else ()


def parse_meta(identifier: str, raw: Mapping[str, Any], shared: Mapping[str, Any], origin: str = "check") -> CheckMeta:
    """Metadata out of its mapping. `use: <name>` takes what it does not say itself from `shared[name]`.
    Raises ValueError where a level or text is missing."""
    full = {**shared.get(str(raw.get("use", "")), {}), **raw}
    level = str(full.get("level", ""))
    if level not in SEVERITIES or not full.get("title") or not full.get("explain"):
        raise ValueError(f"{identifier}: title, level and explain are needed")
    plain = ("title", "chain", "stage", "kind", "family", "title_zh", "explain", "explain_zh")
    lists = ("benign", "next_steps", "techniques", "artifacts", "benign_zh", "next_steps_zh")
    values: dict[str, Any] = {key: " ".join(str(full.get(key, "")).split()) for key in plain}
    values |= {key: _texts(full.get(key)) for key in lists}
    return CheckMeta(
        id=identifier,
        level=level,
        origin=origin,
        confidence=str(full.get("confidence", "high")),
        **values,
    )


@cache
def load_table(name: str) -> Mapping[str, CheckMeta]:
    """All detections of one `.yml` beside the code."""
    raw = shipped_yaml(resources.files(PACKAGE).joinpath(f"{name}.yml").read_text(encoding="utf-8"))
    shared = raw.pop("shared", {})
    return {str(key): parse_meta(str(key), value, shared) for key, value in raw.items()}


@cache
def load_data(name: str) -> Any:
    """A data file of the checks (names, places, property names): plain YAML."""
    return shipped_yaml(resources.files(PACKAGE).joinpath("data", f"{name}.yml").read_text(encoding="utf-8"))


@cache
def all_meta() -> Mapping[str, CheckMeta]:
    """Every check of this package, by id. Ids are unique."""
    found: dict[str, CheckMeta] = {}
    for table in TABLES:
        for key, meta in load_table(table).items():
            if key in found:
                raise ValueError(f"detection id {key} is used twice")
            found[key] = meta
    return found


def excerpt(text: str) -> str:
    """A bounded piece of evidence on one line."""
    flat = " ".join(text[: 2 * MAX_RAW].split())
    return flat if len(flat) <= MAX_RAW else flat[: MAX_RAW - 1] + "…"


def quoted(text: str) -> str:
    """A line of a file as it stands there, for the proof: the first that holds anything, at most MAX_RAW characters."""
    return next((line for line in text.splitlines() if line.strip()), "")[:MAX_RAW]


def fire(identifier: str, path: str, **changes: Any) -> FileFinding:
    """A finding with the texts of its detection; `changes` are FileFinding fields the case at hand knows better. One
    that is weak (below high, or of low confidence) names its chain but claims no stage of it."""
    meta = all_meta()[identifier]
    known: dict[str, Any] = {
        "severity": meta.level,
        "confidence": meta.confidence,
        "kind": meta.kind,
        "family": meta.family,
        "chain": meta.chain,
        "stage": meta.stage,
    }
    known.update(changes)
    if known["confidence"] == "low" or not severity_at_least(known["severity"], "high"):
        known["stage"] = ""
    if "raw" in known:
        known["raw"] = quoted(known["raw"])
    return FileFinding(
        detection=identifier,
        title=meta.title,
        path=path,
        explanation=meta.explain,
        benign=meta.benign,
        next_steps=meta.next_steps,
        techniques=meta.techniques,
        **known,
    )
