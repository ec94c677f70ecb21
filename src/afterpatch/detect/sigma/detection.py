"""The `detection` section: selections to items, conditions to one tree."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence as SequenceType
from dataclasses import dataclass

from afterpatch.detect.sigma.condition import Builder, ConditionError, parse
from afterpatch.detect.sigma.document import Mapping, Scalar, Sequence, Tree
from afterpatch.detect.sigma.model import RAW, All, Item, Node, Not, Some, Value
from afterpatch.detect.sigma.modifiers import Chain, ModifierError, apply_chain, read_chain
from afterpatch.model import RuleError

MAX_VALUES = 50_000
Placeholders = MappingType[str, SequenceType[str]]


@dataclass(frozen=True, slots=True)
class Detection:
    """The condition tree, the selections no condition uses, and the conditions as written."""

    condition: Node
    unused: tuple[str, ...]
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads detections of one file."""

    path: str
    placeholders: Placeholders

    def error(self, message: str, line: int) -> RuleError:
        """A load error in this file."""
        return RuleError(message, self.path, line)

    def detection(self, tree: Tree | None, line: int, skip: tuple[str, ...] = ()) -> Detection:
        """The whole section; `skip` names keys that are no selections. Raises RuleError."""
        if not isinstance(tree, Mapping):
            raise self.error("'detection' must be a mapping", tree.line if tree else line)
        named = {
            name: self.selection(name, value, tree.line_of(name))
            for name, value in tree.entries.items()
            if name not in ("condition", "timeframe", *skip)
        }
        written = self.conditions(tree)
        nodes, used = [], set()
        for text, at in written:
            try:
                node, names = parse(text, tuple(named), _builder(named))
            except ConditionError as error:
                raise self.error(f"condition: {error}", at) from error
            nodes.append(node)
            used |= names
        if "timeframe" in tree.entries:
            raise self.error("'timeframe' was dropped from Sigma: write a correlation rule", tree.line_of("timeframe"))
        condition = nodes[0] if len(nodes) == 1 else Some(tuple(nodes))
        return Detection(condition, tuple(sorted(named.keys() - used)), tuple(text for text, _ in written))

    def conditions(self, tree: Mapping) -> list[tuple[str, int]]:
        """The conditions as written, with their lines."""
        value = tree.get("condition")
        line = tree.line_of("condition")
        listed = value.items if isinstance(value, Sequence) else (value,) if value else ()
        if not listed:
            raise self.error("'detection' has no condition", line)
        for entry in listed:
            if not isinstance(entry, Scalar) or not isinstance(entry.value, str):
                raise self.error("a condition must be text", line)
        return [(entry.text, entry.line) for entry in listed if isinstance(entry, Scalar)]

    def selection(self, name: str, tree: Tree, line: int) -> Node:
        """A selection: a mapping, a list of mappings and keywords, or one keyword."""
        if isinstance(tree, Mapping):
            return self.mapping(tree)
        if isinstance(tree, Scalar):
            return self.item("", (), (tree,), tree.line)
        if not tree.items:
            raise self.error(f"the selection '{name}' is empty", line)
        keywords = tuple(entry for entry in tree.items if isinstance(entry, Scalar))
        nodes: list[Node] = [self.mapping(entry) for entry in tree.items if isinstance(entry, Mapping)]
        if any(isinstance(entry, Sequence) for entry in tree.items):
            raise self.error(f"the selection '{name}' holds a list in a list", line)
        if keywords:
            nodes.append(self.item("", (), keywords, keywords[0].line))
        return nodes[0] if len(nodes) == 1 else Some(tuple(nodes))

    def mapping(self, tree: Mapping) -> Node:
        """Fields and their values, all of which must hold."""
        if not tree.entries:
            raise self.error("a selection is empty", tree.line)
        items: list[Node] = []
        for key, value in tree.entries.items():
            line = tree.line_of(key)
            name, *modifiers = key.split("|")
            if isinstance(value, Mapping):
                raise self.error(f"the field '{name}' has a mapping as value", line)
            values = value.items if isinstance(value, Sequence) else (value,)
            scalars = tuple(entry for entry in values if isinstance(entry, Scalar))
            if len(scalars) != len(values):
                raise self.error(f"the field '{name}' has other than plain values", line)
            items.append(self.item(name.strip(), tuple(modifiers), scalars, line))
        return items[0] if len(items) == 1 else All(tuple(items))

    def item(self, field: str, modifiers: tuple[str, ...], scalars: tuple[Scalar, ...], line: int) -> Item:
        """One field with its modifiers and values."""
        keyword = not field
        if not scalars:
            raise self.error(f"the field '{field}' has an empty list of values", line)
        if len(scalars) > MAX_VALUES:
            raise self.error(f"more than {MAX_VALUES} values", line)
        try:
            chain = read_chain(modifiers, keyword=keyword)
        except ModifierError as error:
            raise self.error(f"{field or 'keywords'}: {error}", line) from error
        values = tuple(self.value(field, chain, scalar) for scalar in scalars)
        return Item(field or RAW, values, chain.every, chain.negated, line)

    def value(self, field: str, chain: Chain, scalar: Scalar) -> tuple[Value, ...]:
        """One written value as the alternatives it stands for."""
        try:
            return apply_chain(chain, scalar.value, scalar.text, keyword=not field, placeholders=self.placeholders)
        except ModifierError as error:
            raise self.error(f"{field or 'keywords'}: {error}", scalar.line) from error


def _builder(named: MappingType[str, Node]) -> Builder[Node]:
    return Builder(leaf=named.__getitem__, every=All, some=Some, negate=Not)
