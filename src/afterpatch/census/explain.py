"""`explain`: what a CVE or a build is, which builds it concerns, since when it is used in attacks, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from afterpatch.census.classes import stated_precision
from afterpatch.census.words import Words, visible, words
from afterpatch.knowledge import builds, exploitation, vulnerabilities
from afterpatch.knowledge.builds import Build, BuildError, BuildRow
from afterpatch.knowledge.exploitation import Exploitation
from afterpatch.knowledge.vulnerabilities import CveState, Vulnerability
from afterpatch.model import UsageError


@dataclass(frozen=True, slots=True)
class FirstFixed:
    """The first builds with a fix for one product: (cumulative update, build, update label); the cumulative updates that
    include it, and those that never get it."""

    product: str
    fixed: tuple[tuple[str, str, str], ...]
    included: tuple[str, ...]
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of a CVE (`vulnerability`, `exploited_since`, `products`) or of a build (`build`, `precision`, `row`,
    `newest`, `states`). `kind`: cve | build."""

    kind: str
    text: str
    vulnerability: Vulnerability | None = None
    exploited_since: date | None = None
    products: tuple[FirstFixed, ...] = ()
    build: Build | None = None
    precision: str = ""
    row: BuildRow | None = None
    newest: BuildRow | None = None
    states: tuple[CveState, ...] = ()

    def of(self, state: str) -> tuple[CveState, ...]:
        """The CVEs in this state; `unknown` includes what a configuration decides."""
        wanted = ("unknown", "configuration") if state == "unknown" else (state,)
        return tuple(one for one in self.states if one.state in wanted)


def explain(text: str) -> Explanation:
    """A CVE (also by its short name, such as ProxyLogon's first) or a build in any spelling. Raises UsageError."""
    text = text.strip()
    known = vulnerabilities.get(text) or _by_alias(text)
    if known is not None:
        products = tuple(_first_fixed(known.cve, product) for product in vulnerabilities.products_of(known.cve))
        return Explanation("cve", text, known, exploitation.first_known(known.cve) if known.exploited else None, products)
    if text.upper().startswith("CVE-"):
        raise UsageError(f"{visible(text)} is not among the {len(vulnerabilities.vulnerabilities())} known CVEs of Exchange.")
    try:
        reading = builds.read(text)
    except BuildError as error:
        raise UsageError(f"{visible(text)} is no CVE and no build of Exchange ({error.reason}).") from None
    build, branch, precision = reading.build, builds.branch(reading.build), stated_precision(reading)
    states = tuple(vulnerabilities.state(cve, build, precision) for cve in vulnerabilities.vulnerabilities())
    row = builds.lookup(build) if precision == "exact" else None
    return Explanation(
        "build",
        text,
        build=build,
        precision=precision,
        row=row,
        newest=branch.rows[-1] if branch else None,
        states=states,
    )


def _by_alias(text: str) -> Vulnerability | None:
    found = [one for one in vulnerabilities.vulnerabilities().values() if one.alias and one.alias.lower() == text.lower()]
    return found[0] if found else None


def _first_fixed(cve: str, product: str) -> FirstFixed:
    fixes = vulnerabilities.fixes(cve, product)
    fixed, included, without = [], [], []
    for branch in builds.branches().values():
        if branch.product != product:
            continue
        fix = fixes.get(branch.cu)
        if fix is None or fix.status == "n":
            without.append(branch.cu)
        elif fix.status == "f" and fix.build is not None and fix.build > branch.first:
            fixed.append((branch.cu, str(fix.build), fix.update))
        elif fix.status in ("i", "f"):
            included.append(branch.cu)
        else:
            without.append(branch.cu)
    return FirstFixed(product, tuple(fixed), tuple(included), tuple(without))


def render_explanation(found: Explanation, language: str = "en") -> str:
    """The explanation as text for a terminal."""
    say = words(language)
    lines = _cve_lines(found, say) if found.kind == "cve" else _build_lines(found, say)
    return "\n".join(lines) + "\n"


def _cve_lines(found: Explanation, say: Words) -> Iterator[str]:
    assert found.vulnerability is not None
    known = vulnerabilities.in_language(found.vulnerability, say.language)
    yield say.text("explain.cve", cve=known.cve, alias=f"({known.alias})" if known.alias else "").strip()
    if known.summary:
        yield known.summary
    yield say.text("explain.disclosed", day=known.disclosed) + " " + _used(found, known, say)
    yield from _public_lines(known, say)
    if known.pre_auth is not None:
        yield say.text("explain.pre-auth" if known.pre_auth else "explain.post-auth")
    yield from _fix_lines(found, say)
    steps = _steps(known.needs, say)
    if steps and found.products:
        yield say.text("explain.needs", steps=steps)
    if known.mitigations:
        yield say.text("explain.mitigation", text=known.mitigations)
    if found.products:
        yield say.text("explain.do", update=known.fixed_in or ", ".join(_updates(found)) or "–")
    else:
        yield say.text("explain.do-setting", steps=steps)


def _used(found: Explanation, known: Vulnerability, say: Words) -> str:
    if not known.exploited:
        return say.text("explain.not-exploited")
    key = "explain.exploited-listed" if found.exploited_since == known.kev_date else "explain.exploited"
    return say.text(key, since=_first_use(known.cve))


def _public_lines(known: Vulnerability, say: Words) -> Iterator[str]:
    """What is published of its use, by attack chain, and the other CVEs of these chains."""
    together: list[str] = []
    for chain, entry in exploitation.exploitation().items():
        if known.cve not in entry.cves:
            continue
        dates = [("first", entry.first_known), ("suspected", entry.suspected), ("mass", entry.mass)]
        told = [say.text(f"explain.use-{name}", day=_day(day, entry, name)) for name, day in dates if day is not None]
        told += [say.text("explain.use-public", day=entry.published), say.text("explain.use-fixed", day=entry.fixed)]
        yield say.text("explain.chain", chain=chain, dates="; ".join(told), source=entry.source)
        together += [cve for cve in entry.cves if cve != known.cve]
    if together:
        yield say.text("explain.together", list=", ".join(dict.fromkeys(together)))


def _first_use(cve: str) -> str:
    """The earliest known use, the month alone where only that is known; else the day CISA listed it."""
    since = exploitation.first_known(cve)
    entries = [entry for entry in exploitation.exploitation().values() if cve in entry.cves and entry.first_known == since]
    return _day(since, entries[0], "first") if since is not None and entries else str(since)


def _day(day: date, entry: Exploitation, name: str) -> str:
    """A day, or the month where only that is known."""
    return day.isoformat()[:7] if name == "first" and entry.precision == "month" else day.isoformat()


def _fix_lines(found: Explanation, say: Words) -> Iterator[str]:
    if not found.products:
        yield say.text("explain.no-fix")
        return
    yield say.text("explain.first-fixed")
    for product in found.products:
        for cu, build, update in product.fixed:
            yield f"  {product.product} {cu}: {build}" + (f" ({update})" if update else "")
    included = [f"{product.product} {cu}" for product in found.products for cu in product.included[:1]]
    if included:
        yield say.text("explain.included", list=", ".join(included))
    without = [f"{product.product} {_span(product.without)}" for product in found.products if product.without]
    if without:
        yield say.text("explain.no-update", list="; ".join(without))


def _updates(found: Explanation) -> list[str]:
    return list(dict.fromkeys(update or build for one in found.products for _cu, build, update in one.fixed))


def _span(names: tuple[str, ...]) -> str:
    return ", ".join(dict.fromkeys(names))


def _steps(needs: tuple[str, ...], say: Words) -> str:
    return "; ".join(say.text(f"step.{step}") if say.has(f"step.{step}") else step for step in needs)


def _build_lines(found: Explanation, say: Words) -> Iterator[str]:
    build = found.build
    assert build is not None
    if build.product == builds.ONLINE:
        yield say.text("explain.online")
        return
    names = builds.describe(build)
    su = names.su if found.precision == "exact" else ""
    yield say.text("explain.build", build=build, product=names.product, cu=names.cu, su=su).strip()
    if found.row is not None:
        yield say.text("explain.released", day=found.row.released, kb=found.row.kb or "–")
        if found.row.note:
            yield say.text("explain.note", text=found.row.note)
    elif found.precision == "exact":
        yield say.text("explain.unlisted", cu=names.cu or "–")
    else:
        yield say.text("explain.coarse")
    newest = found.newest
    if newest is not None and found.row is not None:
        same = newest.build == build
        values = {"build": newest.build, "su": newest.su or newest.cu, "day": newest.released}
        yield say.text("explain.newest" if same else "explain.newer", **values)
    yield from _state_lines(found, say)


def _state_lines(found: Explanation, say: Words) -> Iterator[str]:
    used = {known.cve: known for known in vulnerabilities.exploited()}
    opened, unknown = found.of("open"), found.of("unknown")
    open_used = [used[one.cve] for one in opened if one.cve in used]
    counts = {"open": len(opened), "used": len(open_used), "unknown": len(unknown), "fixed": len(found.of("closed"))}
    yield say.text("explain.counts", **counts)
    for key, listed in (("open", open_used), ("unknown", [used[one.cve] for one in unknown if one.cve in used])):
        if listed:
            yield say.text(f"explain.{key}-list")
            for known in listed:
                yield f"  {known.cve}  {known.alias}".rstrip() + "  " + _since(known, say) + _why_unknown(known.cve, unknown, say)
    yield say.text("explain.do-build" if opened or unknown else "explain.nothing-open")


def _since(known: Vulnerability, say: Words) -> str:
    """Since when it is used: a dated use, else the day CISA listed it."""
    since = _first_use(known.cve)
    dated = any(known.cve in entry.cves and entry.first_known for entry in exploitation.exploitation().values())
    return say.text("used-since" if dated else "listed-since", since=since)


def _why_unknown(cve: str, unknown: tuple[CveState, ...], say: Words) -> str:
    """What a hole that cannot be told hangs on: a further step, or the update that may be there."""
    state = next((one for one in unknown if one.cve == cve), None)
    if state is None:
        return ""
    if state.state == "configuration":
        return " – " + say.text("explain.hangs-on", what=_steps(state.needs, say) or "–")
    return " – " + say.text("explain.hangs-on", what=state.update or str(state.fixed_build)) if state.fixed_build else ""
