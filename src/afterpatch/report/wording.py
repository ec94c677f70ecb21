"""The whole wording of a language: the reports' own words, the knowledge's steps, and the texts of rules and checks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import afterpatch.detect
from afterpatch.knowledge.actions import actions
from afterpatch.report.catalogue import Catalogue

if TYPE_CHECKING:
    from afterpatch.detect.files.metadata import CheckMeta

_RULES = Path(afterpatch.detect.__file__).parent / "rules"


@lru_cache(maxsize=4)
def wording(language: str) -> Catalogue:
    """The catalogue with everything that is shipped. Raises UsageError for a language there is none of."""
    Catalogue.load(language)
    steps = {f"action.{one.id}": one.text[language] for one in actions() if language in one.text}
    return Catalogue.load(language, _rules(language), steps)


def _rules(language: str) -> Mapping[str, Mapping[str, Any]]:
    """Texts of rules (by name) and checks (by id). English ones stand in the findings themselves."""
    if language == "en":
        return {}
    from afterpatch.detect.files.registry import detections  # all analysers: not for those who need none

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, Mapping[str, Any]] = {}
    for path in sorted(_RULES.glob(f"*{language}.yml")):
        with path.open(encoding="utf-8") as stream:
            found.update(yaml.load(stream, loader) or {})  # noqa: S506 a safe loader
    return {**found, **{one.id: _texts(one) for one in detections()}}


def _texts(check: CheckMeta) -> Mapping[str, Any]:
    names = {"title": "title_zh", "explain": "explain_zh", "benign": "benign_zh", "next_steps": "next_steps_zh"}
    return {part: getattr(check, name) for part, name in names.items() if getattr(check, name)}
