"""YAML text to nodes that know their line: bounded, no aliases to bombs, no duplicate keys, no objects.

The composer of PyYAML (libyaml underneath where it is there) gives the node graph; scalars are resolved here, so that
dates stay text and a number keeps the way it was written.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml

from afterpatch.model import RuleError

MAX_BYTES = 4 << 20
MAX_DEPTH = 40
MAX_NODES = 200_000
MAX_FLOW = 200

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: str, int, float, bool or None. `text` is how it was written."""

    value: str | int | float | bool | None
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Tree, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys in order of writing. `lines` holds the line of each key."""

    entries: dict[str, Tree]
    lines: dict[str, int]
    line: int

    def get(self, key: str) -> Tree | None:
        """The value below a key, None where the key is absent."""
        return self.entries.get(key)

    def line_of(self, key: str) -> int:
        """Line of a key, of the mapping where the key is absent."""
        return self.lines.get(key, self.line)


Tree = Scalar | Sequence | Mapping


_INDENTED = re.compile(r"^[ ?-]{400}", re.MULTILINE)


class _Bounds:
    """What one file may use up."""

    def __init__(self, path: str) -> None:
        self.path, self.nodes = path, 0

    def enter(self, node: yaml.Node, depth: int) -> None:
        self.nodes += 1
        line = node.start_mark.line + 1
        if depth > MAX_DEPTH:
            raise RuleError(f"nested deeper than {MAX_DEPTH} levels", self.path, line)
        if self.nodes > MAX_NODES:
            raise RuleError(f"more than {MAX_NODES} values (aliases count as often as they are used)", self.path, line)


_BOOLS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


def _number(text: str) -> int | float:
    """YAML 1.1 numbers but for base 60, which no rule means."""
    plain = text.replace("_", "").lower()
    sign, digits = (-1, plain[1:]) if plain[0] == "-" else (1, plain.lstrip("+"))
    if digits.startswith("0x"):
        return sign * int(digits, 16)
    if digits.startswith("0b"):
        return sign * int(digits, 2)
    if len(digits) > 1 and digits[0] == "0" and digits.isdigit():
        return sign * int(digits, 8)
    if digits.isdigit():
        return sign * int(digits)
    return sign * float(digits.replace(".inf", "inf").replace(".nan", "nan"))


def _scalar(node: yaml.ScalarNode, path: str) -> Scalar:
    text, line = node.value, node.start_mark.line + 1
    kind = node.tag.rpartition(":")[2]
    if kind in ("int", "float") and ":" not in text:
        try:
            number = _number(text)
            return Scalar(number if math.isfinite(number) else text, text, line)
        except (ValueError, OverflowError):
            return Scalar(text, text, line)
    if kind == "bool":
        return Scalar(_BOOLS[text.lower()], text, line)
    if kind == "null":
        return Scalar(None, text, line)
    if kind in ("str", "int", "float", "timestamp", "merge", "value"):
        return Scalar(text, text, line)
    raise RuleError(f"the YAML tag {node.tag} is not allowed", path, line)


def _mapping(node: yaml.MappingNode, bounds: _Bounds, depth: int) -> Mapping:
    entries: dict[str, Tree] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise RuleError("a key must be plain text", bounds.path, line)
        key = key_node.value
        if key in entries:
            raise RuleError(f"duplicate key '{key}' (first in line {lines[key]})", bounds.path, line)
        entries[key] = _tree(value_node, bounds, depth + 1)
        lines[key] = line
    return Mapping(entries, lines, node.start_mark.line + 1)


def _tree(node: yaml.Node, bounds: _Bounds, depth: int) -> Tree:
    bounds.enter(node, depth)
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, bounds.path)
    if isinstance(node, yaml.SequenceNode):
        return Sequence(tuple(_tree(child, bounds, depth + 1) for child in node.value), node.start_mark.line + 1)
    assert isinstance(node, yaml.MappingNode)
    return _mapping(node, bounds, depth)


def _too_deep(text: str) -> bool:
    """Flow brackets, counted without quotes: the composer recurses, so the depth is bounded before it starts."""
    if text.count("[") + text.count("{") <= MAX_FLOW:
        return False
    depth = deepest = 0
    for char in text:
        if char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth = max(0, depth - 1)
    return deepest > MAX_FLOW


def _decode(data: bytes, path: str) -> str:
    if len(data) > MAX_BYTES:
        raise RuleError(f"larger than {MAX_BYTES >> 20} MiB", path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RuleError("not valid UTF-8", path, line) from error


def read_documents(data: bytes, path: str) -> tuple[list[Tree], RuleError | None]:
    """All YAML documents of a file, and the error that ended the reading, if one did. Empty documents are left out.

    A document that is refused for what it says (a duplicate key) ends the reading too: its neighbours may lean on it.
    """
    documents: list[Tree] = []
    try:
        text = _decode(data, path)
        if _too_deep(text) or _INDENTED.search(text):
            return documents, RuleError("nested too deep", path)
        for node in yaml.compose_all(text, Loader=_Loader):
            if node is not None and not (isinstance(node, yaml.ScalarNode) and node.value == ""):
                documents.append(_tree(node, _Bounds(path), 0))
    except RuleError as error:
        return documents, error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return documents, RuleError(f"not YAML: {error.problem or error.context}", path, mark.line + 1 if mark else 0)
    except (yaml.YAMLError, RecursionError) as error:
        return documents, RuleError(f"not YAML: {type(error).__name__}", path)
    return documents, None
