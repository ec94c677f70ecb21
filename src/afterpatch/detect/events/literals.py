"""Necessary literals of event rules, as they stand in a record's JSON text.

JSON writes a value letter by letter but for backslash, quote and control characters, so a rule's text keeps its spaces
and separators, and where it stands at a value's start or end the quote mark there is part of the literal: `\\cmd.exe"`.

The result is a conjunction of groups; of each group at least one literal must be in the text (letter case of ASCII
aside). None of it may be wrong: a rule is judged only where the groups hold (tests compare with judging every record).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib.resources import files

import yaml

from afterpatch.detect.events.spelling import parts_of_fields, plain
from afterpatch.detect.sigma.mapping import Table
from afterpatch.detect.sigma.model import RAW, All, Item, Node, Not, Regex, Some, Text, Value
from afterpatch.detect.sigma.regex_literals import required_runs
from afterpatch.detect.sigma.text import fold

Group = frozenset[bytes]
Groups = tuple[Group, ...]

NON_ASCII = b"\x80"  # in a group: any byte that is not ASCII, which a text with such letters holds in any case
MIN_LENGTH = 3
MAX_GROUP = 512
MAX_GROUPS = 6
MAX_COMPARED = 40
# The system part of a record, which is not searched: constant for one channel and event, or a number.
SYSTEM = frozenset((
    "eventid", "channel", "provider_name", "level", "computer", "eventrecordid", "keywords", "task", "opcode",
    "version", "userid", "execution_processid", "execution_threadid", "host.name", "event.id", "event.channel",
))  # fmt: skip
_CUT = re.compile(r"[^ -~]+")  # what is not printable ASCII: escaped, or folded differently
_WORD = re.compile(r"[a-z0-9_]+")
_BARE = re.compile(r"[0-9.eE+-]*")  # may stand in JSON without quotes, like true and false


@cache
def common_words() -> frozenset[str]:
    """Words that are in many events: they select little."""
    text = files(__package__).joinpath("common_words.yml").read_text("utf-8")
    return frozenset(word for line in yaml.safe_load(text) for word in line.split())


@lru_cache(maxsize=1 << 16)
def worth(literal: bytes) -> float:
    """A guess at how much a literal selects."""
    if literal == NON_ASCII:
        return 6.0
    words = _WORD.findall(literal.decode("ascii"))
    common = common_words()
    return sum(0.3 if word in common else min(len(word), 9) for word in words) + 0.1 * len(literal)


@lru_cache(maxsize=1 << 15)
def weakest(group: Group) -> float:
    """How much a group selects: its weakest literal, less where there are many."""
    return min(map(worth, group)) - len(group) / 40


def escaped(text: str) -> bytes:
    """Printable ASCII text as it stands inside a JSON string, in lower case."""
    return text.replace("\\", "\\\\").replace('"', '\\"').lower().encode("ascii")


def _unquoted(text: str) -> bool:
    """Whether the text may be (the end or start of) a value that JSON writes without quotes."""
    low = text.lower()
    return _BARE.fullmatch(text) is not None or low in "true" or low in "false"


def _of_text(text: Text, *, bounded: bool, separator: str) -> Group:
    """The literal of a text that selects most; empty where none is long enough."""
    found = [NON_ASCII] if any(isinstance(part, str) and not fold(part).isascii() for part in text.parts) else []
    last = len(text.parts) - 1
    for number, part in enumerate(text.parts):
        if not isinstance(part, str):
            continue
        quoted = bounded and not _unquoted(part)
        pieces = [piece for run in _CUT.split(part) for piece in (run.split(separator) if separator else [run])]
        for place, piece in enumerate(pieces):
            literal = escaped(piece)
            if quoted and piece and number == 0 and place == 0:
                literal = b'"' + literal
            if quoted and piece and number == last and place == len(pieces) - 1:
                literal += b'"'
            if len(literal) >= MIN_LENGTH:
                found.append(literal)
    return frozenset((max(found, key=worth),)) if found else frozenset()


def _of_tree(tree: object, separator: str) -> Groups:
    """Required runs of a regular expression: a string, ("every", ...), ("some", ...) or None."""
    if isinstance(tree, str):
        group = _of_text(Text(("", tree, "")), bounded=False, separator=separator)
        return (group,) if group else ()
    if not isinstance(tree, tuple):
        return ()
    parts = [_of_tree(part, separator) for part in tree[1]]
    return _every(parts) if tree[0] == "every" else _some(parts)


def _of_value(value: Value, *, bounded: bool, separator: str) -> Groups:
    if isinstance(value, Text) and not value.encoded:
        group = _of_text(value, bounded=bounded, separator=separator)
        return (group,) if group else ()
    if isinstance(value, Regex):
        return _of_tree(required_runs(value.pattern, value.flags), separator)
    return ()


def _every(parts: Iterable[Groups]) -> Groups:
    groups = dict.fromkeys(group for part in parts for group in part)
    return tuple(sorted(groups, key=weakest, reverse=True)[:MAX_GROUPS])


def _some(parts: Sequence[Groups]) -> Groups:
    """Any of the parts: one group of the best group of each; nothing where one part has none."""
    if not parts or not all(parts):
        return ()
    union: Group = frozenset().union(*(max(part, key=weakest) for part in parts))
    if len(union) <= MAX_COMPARED:
        union = frozenset(one for one in union if not any(other in one and other != one for other in union))
    return (union,) if len(union) <= MAX_GROUP else ()


def _of_item(item: Item, table: Table) -> Groups:
    if item.negated or item.field.lower() in SYSTEM:
        return ()
    source = table.sources.get(item.field)
    separator = ""
    if source is not None and source.joined:
        if not source.separator:
            return ()  # a text may run from one part into the next
        separator = source.separator
    bounded = item.field != RAW and "." not in item.field and not separator and plain(item.field) not in parts_of_fields()
    groups = [_some([_of_value(value, bounded=bounded, separator=separator) for value in each]) for each in item.values]
    if item.field == RAW:
        groups = list(map(_not_numbers, groups))
    return _every(groups) if item.every else _some(groups)


def _not_numbers(groups: Groups) -> Groups:
    """Groups for keywords: numbers of the system part (record, process) are not searched."""
    return tuple(group for group in groups if not any(literal.isdigit() for literal in group))


def necessary_groups(node: Node, table: Table) -> Groups:
    """The groups of a condition (prepared by the mapping) over records whose fields are named by `table`; () where
    every record must be judged. The best group comes first."""
    if isinstance(node, Item):
        return _of_item(node, table)
    if isinstance(node, Not):
        return ()
    parts = [necessary_groups(child, table) for child in node.nodes]
    if isinstance(node, All):
        return _every(parts)
    if node.count <= 1:
        return _some(parts)
    needed = len(parts) - node.count + 1  # of N of M parts, any M - N + 1 have one that holds
    ranked = sorted((part for part in parts if part), key=lambda part: weakest(part[0]), reverse=True)
    return _some(ranked[:needed]) if len(ranked) >= needed else ()


def required_ids(node: Node) -> frozenset[int] | None:
    """The event ids a condition needs; None where it does not say."""
    if isinstance(node, Item):
        return _ids(node)
    if isinstance(node, Not):
        return None
    parts = [required_ids(child) for child in node.nodes]
    if isinstance(node, All):
        known = [part for part in parts if part is not None]
        return frozenset.intersection(*known) if known else None
    if node.count > 1 or any(part is None for part in parts):
        return None
    return frozenset().union(*(part for part in parts if part is not None))


def _ids(item: Item) -> frozenset[int] | None:
    if item.field != "EventID" or item.negated or item.every:
        return None
    found: set[int] = set()
    for value in (value for group in item.values for value in group):
        if not isinstance(value, Text) or len(value.parts) != 1 or not isinstance(value.parts[0], str):
            return None
        if not value.parts[0].isascii() or not value.parts[0].isdigit():
            return None
        found.add(int(value.parts[0]))
    return frozenset(found)


__all__ = ["Group", "Groups", "Some", "necessary_groups", "required_ids", "weakest", "worth"]
