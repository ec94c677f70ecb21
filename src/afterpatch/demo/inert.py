"""The inert texts of `data/inert.yml`: decoded only when evidence is written."""

from __future__ import annotations

import base64
from functools import lru_cache
from importlib.resources import files

import yaml


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, str]]:
    text = files("afterpatch.demo").joinpath("data/inert.yml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, str]] = yaml.safe_load(text)
    return loaded


def inert(name: str, **marks: str) -> bytes:
    """The bytes of a text, its `@NAME@` marks filled in. Unknown names raise KeyError."""
    content = base64.b64decode(_table()[name]["base64"])
    for mark, value in marks.items():
        content = content.replace(f"@{mark.upper()}@".encode(), value.encode())
    return content
