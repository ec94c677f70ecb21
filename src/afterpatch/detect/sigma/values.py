"""Single values against a field's values: the leaves of a compiled condition."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from ahocorasick_rs import AhoCorasick

from afterpatch.detect.sigma.model import ANY, Cidr, Compare, Exists, FieldRef, Regex, Text, Value
from afterpatch.detect.sigma.regex import MAX_VALUE, regex_searcher
from afterpatch.detect.sigma.text import fold, matcher
from afterpatch.detect.sigma.view import FieldView, leaves_out


@dataclass(slots=True)
class Limits:
    """What was cut short: values longer than a regular expression judges."""

    truncated: int = 0


MANY = 40
"""More texts than this are looked for by one automaton."""

Test = Callable[[tuple[str, ...], FieldView], bool | None]
Check = Callable[[str], bool]


def cost(value: Value) -> int:
    """A rough order: how long a test takes."""
    if isinstance(value, Text):
        return 1 if ANY not in value.parts else 2
    return 20 if isinstance(value, Regex) else 5


@lru_cache(maxsize=1 << 16)
def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address as logs write it: brackets and a zone are cut off, an IPv4 address inside IPv6 is IPv4."""
    bare = text.strip().strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def in_network(text: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Whether the text is an address of the network."""
    address = parse_address(text)
    return address is not None and address.version == network.version and address in network


_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_CLOCK = re.compile(r"(?:^|[T ])(\d\d):(\d\d)(?::\d\d|$|Z)", re.ASCII)


def time_part(text: str, part: str) -> int | None:
    """A component of the time in a value (`2021-03-03T06:59:10.817Z`, a date or a time alone); None where it has none.
    `week` is the ISO week. Time zones are not converted."""
    if part in ("hour", "minute"):
        found = _CLOCK.search(text, 0, 64)
        return int(found[1 if part == "hour" else 2]) if found else None
    found = _DATE.match(text)
    if found is None:
        return None
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    if part != "week":
        return {"year": year, "month": month, "day": day}[part]
    try:
        return date(year, month, day).isocalendar().week
    except ValueError:
        return None


_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)


def number_in(text: str) -> float | None:
    """A value as a number, None where it is none."""
    bare = text.strip() if len(text) < 200 else ""
    return float(bare) if _NUMBER.fullmatch(bare) else None


def compare(value: Compare, text: str) -> bool:
    """A number against a value; a value that is no number never holds."""
    actual = time_part(text, value.part) if value.part else number_in(text)
    if actual is None:
        return False
    if value.op == "eq":
        return actual == value.number
    if value.op in ("lt", "lte"):
        return actual < value.number or (value.op == "lte" and actual == value.number)
    return actual > value.number or (value.op == "gte" and actual == value.number)


def refers(reference: FieldRef, mine: str, other: str) -> bool:
    """Whether a value is, holds, starts or ends with another field's value. An empty other value only equals."""
    if not reference.cased:
        mine, other = fold(mine), fold(other)
    if reference.mode == "equals" or not other:
        return mine == other
    if reference.mode == "contains":
        return other in mine
    return mine.startswith(other) if reference.mode == "startswith" else mine.endswith(other)


def _reference(reference: FieldRef) -> Test:
    def test(values: tuple[str, ...], view: FieldView) -> bool | None:
        others = view.get(reference.field)
        if others is None:
            return None
        return any(refers(reference, mine, other) for mine in values for other in others)

    return test


def _regex(value: Regex, limits: Limits) -> Test:
    search = regex_searcher(value)

    def holds(values: tuple[str, ...], _view: FieldView) -> bool | None:
        result: bool | None = False
        for text in values:
            found = search(text)
            if found:
                return True
            if found is None:
                limits.truncated += 1
                result = None
        return result

    return holds


@dataclass(slots=True)
class _Texts:
    """Texts of one item, sorted by how they are tested fastest."""

    equal: set[str]
    inside: list[str]
    start: list[str]
    end: list[str]
    other: list[Check]


def _sort(texts: Sequence[Text]) -> _Texts:
    sorted_ = _Texts(set(), [], [], [], [])
    for text in texts:
        parts = text.parts
        plain = [part if text.cased else fold(part) for part in parts if isinstance(part, str)]
        shape = tuple("*" if part == ANY else "s" if isinstance(part, str) else "?" for part in parts)
        if shape in ((), ("s",)):
            sorted_.equal.add("".join(plain))
        elif shape == ("*", "s", "*"):
            sorted_.inside.append(plain[0])
        elif shape == ("s", "*"):
            sorted_.start.append(plain[0])
        elif shape == ("*", "s"):
            sorted_.end.append(plain[0])
        else:
            sorted_.other.append(matcher(text))
    return sorted_


def _checks(texts: Sequence[Text]) -> list[Check]:
    """Tests on one value (folded already where the texts are not cased)."""
    by_shape = _sort(texts)
    checks: list[Check] = []
    if by_shape.equal:
        checks.append(frozenset(by_shape.equal).__contains__)
    if by_shape.start:
        start = tuple(by_shape.start)
        checks.append(lambda value: value.startswith(start))
    if by_shape.end:
        end = tuple(by_shape.end)
        checks.append(lambda value: value.endswith(end))
    if by_shape.inside:
        checks.append(_holds_any(tuple(by_shape.inside)))
    return checks + by_shape.other


def _holds_any(inside: tuple[str, ...]) -> Check:
    if len(inside) == 1:
        only = inside[0]
        return lambda value: only in value
    if len(inside) > MANY:
        find = AhoCorasick(list(inside)).find_matches_as_indexes
        return lambda value: bool(find(value))

    def loop(value: str) -> bool:
        for one in inside:  # noqa: SIM110 - a generator costs twice the time here
            if one in value:
                return True
        return False

    return loop


def _texts(texts: Sequence[Text]) -> list[Test]:
    tests: list[Test] = []
    folded = _checks([text for text in texts if not text.cased])
    cased = _checks([text for text in texts if text.cased])
    if folded:

        def folded_holds(values: tuple[str, ...], _view: FieldView) -> bool | None:
            for value in values:
                low = fold(value)
                for check in folded:
                    if check(low):
                        return True
            return False

        tests.append(folded_holds)
    if cased:

        def cased_holds(values: tuple[str, ...], _view: FieldView) -> bool | None:
            return any(check(value) for value in values for check in cased)

        tests.append(cased_holds)
    return tests


def exists(values: tuple[str, ...], view: FieldView) -> bool:
    """Whether a field is there (specification 2.1.0: not its value counts). Text logs have a column for every field: there
    an empty one is none."""
    return bool(values) and (leaves_out(view) or values[0] != "")


def _single(value: Value, limits: Limits) -> Test:
    if isinstance(value, Regex):
        return _regex(value, limits)
    if isinstance(value, FieldRef):
        return _reference(value)
    if isinstance(value, Cidr):
        network = ipaddress.ip_network(value.network)
        return lambda values, _view: any(in_network(text, network) for text in values)
    if isinstance(value, Compare):
        return lambda values, _view: any(compare(value, text) for text in values)
    if isinstance(value, Exists):
        return lambda values, view: exists(values, view) is value.wanted
    return lambda values, _view: not values or "" in values


def alternatives(values: Sequence[Value], limits: Limits) -> Test:
    """The test that one of the values holds for one of the field's values."""
    tests = _texts([value for value in values if isinstance(value, Text)])
    rest = sorted((value for value in values if not isinstance(value, Text)), key=cost)
    tests += [_single(value, limits) for value in rest]
    if len(tests) == 1:
        return tests[0]

    def test(values: tuple[str, ...], view: FieldView) -> bool | None:
        result: bool | None = False
        for one in tests:
            found = one(values, view)
            if found:
                return True
            if found is None:
                result = None
        return result

    return test


__all__ = ["MAX_VALUE", "Limits", "Test", "alternatives", "compare", "cost", "in_network", "refers"]
