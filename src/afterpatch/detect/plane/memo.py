"""Verdicts on rows that many lines share: a candidate whose columns were judged before without a hit is not judged again.

Which columns a rule looks at follows from its field names. A rule that looks at anything else is never remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from afterpatch.detect.plane.plan import Plan
from afterpatch.detect.sigma.compile import CompiledRule
from afterpatch.parsers.formats import Format

MAX_KEYS = 50_000

# Derived field -> the parts (formats.yml, `roles`) it is made of.
_ROLES = {
    "url.path": ("stem", "uri"),
    "url.page": ("stem", "uri"),
    "url.extension": ("stem", "uri"),
    "url.query": ("stem", "query", "uri"),
    "url.original": ("stem", "query", "uri"),
    "url.full": ("stem", "query", "uri"),
    "http.method": ("method",),
    "http.status": ("status",),
    "http.substatus": ("substatus",),
    "user_agent": ("agent",),
    "server.side": ("port",),
    "user.name": ("user",),
    "anchor.source": ("anchor",),
    "anchor.value": ("anchor",),
    "anchor.host": ("anchor",),
    "anchor.port": ("anchor",),
    "anchor.path": ("anchor",),
    "anchor.query": ("anchor",),
    "bytes.in": ("bytes_in",),
    "bytes.out": ("bytes_out",),
}
_WEB_ROLES = ("stem", "query", "uri")


def columns_asked(rule: CompiledRule, form: Format) -> frozenset[str] | None:
    """The native columns a rule can look at in this log, lower case; None where that cannot be said."""
    found: set[str] = set()
    for name in rule.fields:
        columns = _of_field(name, rule, form)
        if columns is None:
            return None
        found |= columns
    return frozenset(found)


def _of_field(name: str, rule: CompiledRule, form: Format) -> set[str] | None:
    sources = rule.mapping.sources_of(name)
    names = {name} if not sources else set()
    found: set[str] = set()
    for source in sources:
        if source is not None:
            names |= {*source.columns, *source.joined}
            if source.form == "url":
                found |= {form.roles[role].lower() for role in _WEB_ROLES if role in form.roles}
    for each in names:
        roles = _ROLES.get(each)
        if roles is not None:
            found |= {form.roles[role].lower() for role in roles if role in form.roles}
        elif "." in each or each.startswith("@") or "event" in form.roles:
            return None  # a field that is computed in another way
        else:
            found.add(each.lower())
    return found


def memo_of(plan: Plan, form: Format) -> Memo:
    """The memory of one kind of log, shared by all logs that this process reads."""
    if form.kind not in plan.memos:
        plan.memos[form.kind] = Memo(plan, form)
    memo: Memo = plan.memos[form.kind]
    return memo


class Memo:
    """Remembers rows without a hit, for one artifact kind."""

    def __init__(self, plan: Plan, form: Format) -> None:
        self._plan, self._form = plan, form
        self._asked: dict[frozenset[int], frozenset[str] | None] = {}
        self._places: dict[tuple[frozenset[int], tuple[str, ...]], tuple[int, ...] | None] = {}
        self._quiet: set[tuple[object, ...]] = set()

    def key(self, needles: Iterable[int], columns: tuple[str, ...], values: Sequence[str]) -> tuple[object, ...] | None:
        """What tells this row apart for the rules its needles lead to; None: judge it."""
        found = frozenset(needles)
        place = (found, columns)
        if place not in self._places:
            self._places[place] = self._positions(found, columns)
        positions = self._places[place]
        if positions is None:
            return None
        return (found, columns, *[values[position] for position in positions])

    def is_quiet(self, key: tuple[object, ...]) -> bool:
        """Whether a row like this was judged without a hit."""
        return key in self._quiet

    def remember(self, key: tuple[object, ...]) -> None:
        """This row had no hit."""
        if len(self._quiet) >= MAX_KEYS:
            self._quiet.clear()
        self._quiet.add(key)

    def _positions(self, needles: frozenset[int], columns: tuple[str, ...]) -> tuple[int, ...] | None:
        asked = self._columns(needles)
        if asked is None:
            return None
        lower = [column.lower() for column in columns]
        return tuple(position for position, column in enumerate(lower) if column in asked)

    def _columns(self, needles: frozenset[int]) -> frozenset[str] | None:
        if needles not in self._asked:
            self._asked[needles] = self._union(needles)
        return self._asked[needles]

    def _union(self, needles: frozenset[int]) -> frozenset[str] | None:
        roles = self._plan.roles
        if roles.indicators & needles:
            return None
        kind = self._form.record_kind
        numbers = {number for needle in needles for number in roles.rules[needle]}
        asked: set[str] = set()
        for number in numbers:
            rule = self._plan.rules[number]
            if kind in rule.kinds:
                columns = columns_asked(rule, self._form)
                if columns is None:
                    return None
                asked |= columns
        if roles.pages & needles:  # whether the page is shipped hangs on the path and the side
            asked |= {self._form.roles[role].lower() for role in ("stem", "port") if role in self._form.roles}
        return frozenset(asked)
