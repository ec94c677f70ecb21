"""The texts of this package's messages, for the report's catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

LANGUAGES = ("en", "zh-CN")
_FOLDER = Path(__file__).with_name("messages")


@cache
def texts(language: str) -> Mapping[str, str]:
    """Key -> text in a language out of LANGUAGES; keys begin with `exposure.` or `basis.`."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with (_FOLDER / f"{language}.yml").open(encoding="utf-8") as stream:
        found: Mapping[str, str] = yaml.load(stream, loader)  # noqa: S506 a safe loader
    return found
