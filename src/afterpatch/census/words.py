"""The texts of the census, by language: `messages/<language>.yml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from afterpatch.model import UsageError

LANGUAGES = ("en", "zh-CN")
_FOLDER = Path(__file__).with_name("messages")
_PLACE = re.compile(r"\{([a-z_]+)\}")
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one language."""

    language: str
    texts: Mapping[str, str]

    def text(self, key: str, **values: object) -> str:
        """A text with its values put in; values are never looked at again."""
        return _PLACE.sub(lambda found: str(values.get(found[1], found[0])), self.texts[key])

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in self.texts


@cache
def words(language: str) -> Words:
    """The texts of `en` or `zh-CN`. Raises UsageError for another language."""
    if language not in LANGUAGES:
        raise UsageError(f"There is no language {language!r}; choose one of {', '.join(LANGUAGES)}.")
    with (_FOLDER / f"{language}.yml").open(encoding="utf-8") as stream:
        return Words(language, yaml.safe_load(stream))


def visible(text: object, most: int = 120) -> str:
    """A value of the input on one line: control and direction characters shown as codes, bounded."""
    shown = _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", str(text)[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def share(part: int, whole: int) -> str:
    """A share in per cent; a part that is not nothing is never shown as nothing, nor one that is not all as all."""
    if not whole:
        return "–"
    value = 100 * part / whole
    if 0 < value < 0.1:
        return "< 0.1 %"
    if 99.9 < value < 100:
        return "> 99.9 %"
    return f"{value:.1f} %" if 0 < value < 100 else f"{value:.0f} %"
