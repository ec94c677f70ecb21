"""Reading the shipped data files: plain text tables with `#` header lines that name their origin, and YAML."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_name("data")


def data_path(name: str) -> Path:
    """The path of a shipped data file."""
    return DATA / name


def lines(name: str) -> Iterator[str]:
    """The lines of a shipped text file, without the `#` lines."""
    with data_path(name).open(encoding="utf-8", newline="") as stream:
        for line in stream:
            if not line.startswith("#"):
                yield line


def table(name: str) -> list[dict[str, str]]:
    """The rows of a shipped CSV file whose first line after the `#` lines names the columns."""
    return list(csv.DictReader(lines(name)))


def load_yaml(name: str) -> Any:
    """A shipped YAML file. The parser is imported here because few callers need it."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(data_path(name).read_bytes(), Loader=loader)  # noqa: S506 - a safe loader in both cases
