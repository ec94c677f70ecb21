"""The ordered checklist of what to do (`data/actions.yml`), in English and Simplified Chinese."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from afterpatch.knowledge.data_files import load_yaml

PHASES = ("preserve", "scope", "remove", "mail", "secrets", "rebuild")
TAGS = frozenset(
    {
        *(
            "always",
            "any-compromise",
            "attempted",
            "exposed",
            "unsupported",
            "web-shell",
            "oab-shell",
            "iis-persistence",
        ),
        *("viewstate", "persistence", "transport-agent", "mail-theft", "tampering", "credential-theft", "domain-reach"),
        "hybrid",
    }
)
# These findings mean that somebody was inside, whatever else is said.
_INSIDE = frozenset(
    {
        *(
            "web-shell",
            "oab-shell",
            "iis-persistence",
            "persistence",
            "transport-agent",
            "mail-theft",
            "credential-theft",
        ),
        "domain-reach",
    }
)


@dataclass(frozen=True, slots=True)
class Action:
    """One step. `text` by language (en, zh-CN). `mark`: S a published guidance says so, P common practice."""

    id: str
    phase: str
    applies: frozenset[str]
    mark: str
    text: Mapping[str, str]


@cache
def _document() -> Mapping[str, Any]:
    found: Mapping[str, Any] = load_yaml("actions.yml")
    return found


@cache
def actions() -> tuple[Action, ...]:
    """All steps, in order."""
    return tuple(
        Action(row["id"], row["phase"], frozenset(row["applies"]), row["mark"], {"en": row["en"], "zh-CN": row["zh"]})
        for row in _document()["actions"]
    )


def get(action: str) -> Action | None:
    """One step by its id, or None."""
    return next((item for item in actions() if item.id == action), None)


def phase_title(phase: str, language: str = "en") -> str:
    """The heading of a phase."""
    titles: Mapping[str, str] = _document()["phases"][phase]
    return titles["zh" if language == "zh-CN" else "en"]


def for_tags(tags: Iterable[str]) -> tuple[Action, ...]:
    """The steps that apply, in order; `always` is added, and `any-compromise` where a tag means somebody was in."""
    wanted = {*tags, "always"}
    if wanted & _INSIDE:
        wanted.add("any-compromise")
    return tuple(item for item in actions() if item.applies & wanted)
