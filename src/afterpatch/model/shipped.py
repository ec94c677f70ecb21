"""Data files that ship with the program, read quickly."""

from __future__ import annotations

from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def shipped_yaml(text: str) -> Any:
    """The content of a YAML file of our own (safe loader, in C where there is one)."""
    return yaml.load(text, _LOADER)  # noqa: S506 a safe loader
