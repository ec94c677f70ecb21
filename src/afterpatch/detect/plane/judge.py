"""The exact judgement of one record: rules, indicators and unusual pages; hits go into the tally of the log."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from afterpatch.detect.plane.plan import WEB_KINDS, IndicatorMatcher, Plan
from afterpatch.detect.plane.tally import MAX_EVENTS, MAX_GROUPS, MAX_RAW, Event, Group, LogScan, PageUse, Sample
from afterpatch.detect.sigma.compile import CompiledRule
from afterpatch.detect.sigma.mapping import FieldMapping, MappedView
from afterpatch.detect.sigma.model import RAW
from afterpatch.knowledge.baseline import is_shipped_page
from afterpatch.model import EPOCH, Record
from afterpatch.parsers.fields import Derived, derive

# What every finding tells besides its subject, where the log has it.
SEEN_FIELDS = (
    "source.ip", "user.name", "user_agent", "http.status", "http.method", "server.side", "url.original", "url.page", "UrlHost",
    "cs-host", "anchor.value", "anchor.host", "TargetServer", "ImpersonatedUser", "ActAsUser", "SoapAction",
    "cmdlet.name", "cmdlet.parameters", "ServerHostName", "ServerName", "RequestId",
)  # fmt: skip
INDICATOR = "published-indicator"
MAX_QUERY, MAX_HOSTS = 4000, 8
_HOST = re.compile(r"(?:[a-z0-9-]{1,63}\.){1,10}[a-z]{2,24}(?![a-z0-9.-])", re.IGNORECASE)
FRONT_END_ONLY = ("/owa/auth/", "/ecp/auth/", "/aspnet_client/")


class Judge:
    """Judges the records of one artifact into `scan`."""

    def __init__(self, plan: Plan, scan: LogScan, side: str, *, reraise: bool = False) -> None:
        self._plan, self._scan, self._side, self._reraise = plan, scan, side, reraise

    def record(self, record: Record, needles: Collection[int] | None) -> bool:
        """Judges one record: whether anything came of it. `needles`: those found in its line; None: every rule of its
        kind."""
        self._scan.judged += 1
        view = derive(record.kind, {**record.fields, RAW: record.raw}, self._side)
        sample = Sample(record.time or EPOCH, self._scan.artifact, record.line, record.offset, record.raw[:MAX_RAW])
        found = False
        views: dict[FieldMapping, MappedView] = {}
        for number in self._rules(record.kind, needles):
            rule = self._plan.rules[number]
            if rule.mapping not in views:
                views[rule.mapping] = MappedView(view, rule.mapping, record.kind)
            if self._matches(rule, views[rule.mapping]):
                self._hit(rule, record.kind, view, sample)
                found = True
        if needles is None or self._plan.roles.indicators.intersection(needles):
            self._indicators(record.kind, view, sample)
            found = True
        if record.kind in WEB_KINDS and (needles is None or self._asks_pages(needles)):
            found = self._page(record.kind, view, sample) or found
        return found

    def _asks_pages(self, needles: Collection[int]) -> bool:
        return not self._plan.roles.pages.isdisjoint(needles)

    def _rules(self, kind: str, needles: Collection[int] | None) -> Iterable[int]:
        mine = self._plan.rules_of_kind.get(kind)
        if not mine:
            return ()
        if needles is None:
            return sorted(mine)
        wanted = set(self._plan.always.get(kind, ()))
        for needle in needles:
            wanted.update(self._plan.roles.rules[needle])
        return sorted(wanted & mine)

    def _matches(self, rule: CompiledRule, view: MappedView) -> bool:
        """The boundary of a detection: a bug in one rule marks it as failed and the others go on."""
        try:
            return rule.match(view)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            if self._reraise:
                raise
            self._scan.failed[rule.rule.id] += 1
            return False

    def _hit(self, rule: CompiledRule, kind: str, view: Derived, sample: Sample) -> None:
        keys = rule.rule.keys
        subject = tuple((name, _first(view, name)) for name in keys.subject)
        self._add(rule.rule.id, subject, kind, view, sample)
        wanted = self._plan.correlated.get(rule.rule.id)
        if wanted is not None:
            if len(self._scan.events) < MAX_EVENTS:
                fields = tuple((name, _first(view, name)) for name in wanted)
                self._scan.events.append(Event(rule.rule.id, sample, fields))
            else:
                self._scan.lost["correlation-events"] += 1

    def _add(self, detection: str, subject: tuple[tuple[str, str], ...], kind: str, view: Derived, sample: Sample) -> None:
        key = (detection, subject)
        groups = self._scan.groups
        if key not in groups:
            if len(groups) >= MAX_GROUPS:
                self._scan.lost["subjects"] += 1
                key = (detection, ())
            if key not in groups:
                groups[key] = Group(*key)
        values = {name: _first(view, name) for name in SEEN_FIELDS}
        groups[key].add(kind, sample, values, _number(_first(view, "bytes.out")))

    def _indicators(self, kind: str, view: Derived, sample: Sample) -> None:
        matcher = self._plan.matcher
        if matcher is None:
            return
        client = _first(view, "source.ip")
        found = [(type_, value) for type_, value in _indicated(view, client) if value and _is_told(matcher, type_, value)]
        named = any(type_ == "file-name" for type_, _value in found)
        for type_, value in dict.fromkeys(found):
            if type_ == "url-path" and named:
                continue  # the same page, said by its name
            self._add(INDICATOR, (("type", type_), ("value", value), ("source.ip", client)), kind, view, sample)

    def _page(self, kind: str, view: Derived, sample: Sample) -> bool:
        page = _first(view, "url.page")
        side = _first(view, "server.side")
        if not page or _is_shipped(page.lower(), side):
            return False
        key = (page.lower()[:300], side)
        pages = self._scan.pages
        if key not in pages:
            if len(pages) >= MAX_GROUPS:
                self._scan.lost["pages"] += 1
                return True
            pages[key] = PageUse(page[:300], side)
        pages[key].add(
            kind,
            sample,
            _first(view, "source.ip"),
            _first(view, "http.method").upper(),
            _first(view, "http.status"),
            _first(view, "user_agent"),
            _first(view, "cs(Referer)") not in ("", "-"),
        )
        return True


def _is_told(matcher: IndicatorMatcher, type_: str, value: str) -> bool:
    """Whether an indicator speaks of a value. A page that Exchange ships is no trace by its address alone."""
    hits = matcher.match_value(type_, value)
    return any(getattr(hit, "caution", "") != "stock-name" for hit in hits) if type_ == "url-path" else bool(hits)


def _indicated(view: Derived, client: str) -> Iterator[tuple[str, str]]:
    """The values of a record that lists of indicators speak of: (type, value)."""
    path = _first(view, "url.page") or _first(view, "url.path")
    yield "ip", client
    yield "user-agent", _first(view, "user_agent")
    yield "file-name", path.rpartition("/")[2]
    yield "url-path", path
    for host in _HOST.findall(_first(view, "url.query")[:MAX_QUERY])[:MAX_HOSTS]:
        yield "domain", host
    yield "domain", _first(view, "anchor.host")


@lru_cache(maxsize=4096)
def _is_shipped(page: str, side: str) -> bool:
    """The front end serves its sign-in folders itself and hands everything else on to the back end's pages."""
    return is_shipped_page(page, side if page.startswith(FRONT_END_ONLY) or side == "back" else "")


def _first(view: Derived, name: str) -> str:
    values = view.get(name)
    return values[0] if values else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
