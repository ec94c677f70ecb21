"""The slow way: a condition read off its tree, value by value, straight from the specification.

Nothing of the fast path is used (text.matcher, values, compile); tests hold the two against each other.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime

from afterpatch.detect.sigma.model import (
    All,
    Cidr,
    Compare,
    Exists,
    FieldRef,
    Item,
    Node,
    Not,
    Null,
    Regex,
    Text,
    Value,
)
from afterpatch.detect.sigma.view import FieldView, leaves_out

JUDGED = 65_536
Truth = bool | None


def both(left: Truth, right: Truth) -> Truth:
    """Kleene's and."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def either(left: Truth, right: Truth) -> Truth:
    """Kleene's or."""
    return negation(both(negation(left), negation(right)))


def negation(one: Truth) -> Truth:
    """Kleene's not."""
    return None if one is None else not one


def evaluate(node: Node, view: FieldView) -> Truth:
    """The truth of a condition over a record."""
    if isinstance(node, Item):
        return _item(node, view)
    if isinstance(node, Not):
        return negation(evaluate(node.node, view))
    truths = [evaluate(child, view) for child in node.nodes]
    if isinstance(node, All):
        result: Truth = True
        for truth in truths:
            result = both(result, truth)
        return result
    return _at_least(truths, node.count)


def _at_least(truths: Sequence[Truth], count: int) -> Truth:
    """What it is in every world where the unknown ones are settled."""
    if truths.count(True) >= count:
        return True
    return None if truths.count(True) + truths.count(None) >= count else False


def _item(item: Item, view: FieldView) -> Truth:
    groups = [_group(group, item.field, view) for group in item.values]
    result: Truth = item.every
    for truth in groups:
        result = both(result, truth) if item.every else either(result, truth)
    return negation(result) if item.negated else result


def _group(group: Sequence[Value], field: str, view: FieldView) -> Truth:
    actual = view.get(field)
    if actual is None:
        return None
    result: Truth = False
    for value in group:
        if isinstance(value, Exists):
            result = either(result, _there(actual, view) == value.wanted)
            continue
        if isinstance(value, FieldRef) and view.get(value.field) is None:
            result = either(result, None)
        if isinstance(value, Null) and not actual:
            result = True
        for text in actual:
            result = either(result, _value(value, text, view))
    return result


def _there(actual: Sequence[str], view: FieldView) -> bool:
    """Presence; where every record has every field, a value."""
    if len(actual) == 0:
        return False
    return leaves_out(view) or actual[0] != ""


def lowered(text: str) -> str:
    """Letter by letter; a letter beyond ASCII never becomes one of ASCII, nor more than one letter."""
    return "".join(
        char.lower() if len(char.lower()) == 1 and (char.isascii() or not char.lower().isascii()) else char for char in text
    )


def _text(value: Text, text: str) -> bool:
    pattern = ""
    for part in value.parts:
        if isinstance(part, str):
            pattern += re.escape(part if value.cased else lowered(part))
        elif part.chars:
            pattern += "(?:" + "|".join(re.escape(char) for char in part.chars) + ")"
        else:
            pattern += "(?:.*)" if part.many else "(?:.)"
    return re.fullmatch(pattern, text if value.cased else lowered(text), re.DOTALL) is not None


def _regex(value: Regex, text: str) -> Truth:
    bits = re.ASCII
    bits |= re.IGNORECASE if "i" in value.flags else 0
    bits |= re.MULTILINE if "m" in value.flags else 0
    bits |= re.DOTALL if "s" in value.flags else 0
    found = re.search(value.pattern, text[:JUDGED], bits)
    if len(text) <= JUDGED:
        return found is not None
    return True if found and found.end() < JUDGED else None


def _cidr(value: Cidr, text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.strip().strip("[]").split("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address in ipaddress.ip_network(value.network)


def _when(text: str) -> tuple[datetime | None, bool]:
    """The moment in a value, and whether it has a date."""
    for shape, size, dated in (
        ("%Y-%m-%dT%H:%M:%S", 19, True),
        ("%Y-%m-%d %H:%M:%S", 19, True),
        ("%Y-%m-%d", 10, True),
        ("%H:%M:%S", 8, False),
    ):
        try:
            return datetime.strptime(text[:size], shape), dated
        except ValueError:
            continue
    return None, False


def _number(value: Compare, text: str) -> float | None:
    if not value.part:
        try:
            return float(text)
        except ValueError:
            return None
    moment, dated = _when(text)
    if moment is None or (not dated and value.part not in ("hour", "minute")):
        return None
    if dated and len(text) < 19 and value.part in ("hour", "minute"):
        return None
    return moment.isocalendar().week if value.part == "week" else float(getattr(moment, value.part))


def _compare(value: Compare, text: str) -> bool:
    number = _number(value, text)
    if number is None:
        return False
    return {
        "eq": number == value.number,
        "lt": number < value.number,
        "lte": number <= value.number,
        "gt": number > value.number,
        "gte": number >= value.number,
    }[value.op]


def _reference(value: FieldRef, text: str, view: FieldView) -> Truth:
    others = view.get(value.field)
    if others is None:
        return None
    for other in others:
        mine, theirs = (text, other) if value.cased else (lowered(text), lowered(other))
        if value.mode == "equals" or not theirs:
            found = mine == theirs
        elif value.mode == "contains":
            found = theirs in mine
        else:
            found = mine.startswith(theirs) if value.mode == "startswith" else mine.endswith(theirs)
        if found:
            return True
    return False


def _value(value: Value, text: str, view: FieldView) -> Truth:
    if isinstance(value, Text):
        return _text(value, text)
    if isinstance(value, Regex):
        return _regex(value, text)
    if isinstance(value, Cidr):
        return _cidr(value, text)
    if isinstance(value, Compare):
        return _compare(value, text)
    if isinstance(value, FieldRef):
        return _reference(value, text, view)
    assert isinstance(value, Null)
    return text == ""
