"""URL Rewrite rules of published mitigations: recognised by input, pattern and action, graded as they stand.

Source of the rule forms and of what weakens them: `knowledge/data/mitigations.yml` and its origins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from afterpatch.exposure.view import FRONT, ConfigurationView, MitigationState, inside, joined, site_location, web_location
from afterpatch.knowledge.mitigations import Mitigation, RuleForm, mitigations, named_rule, recognise, rule_forms
from afterpatch.model import message
from afterpatch.parsers.sections import Entry, PreCondition, RewriteRule, Sections

_EVERYTHING = frozenset(("", ".*", "(.*)", "^(.*)$", "^.*$", "*", ".+"))
_ENDING = frozenset(("abortrequest", "customresponse"))
_RANK = ("absent", "weak", "partial", "in-place")


@dataclass(frozen=True, slots=True)
class _Place:
    """A configuration file's rules, and the location they hold for."""

    path: str
    location: str
    sections: Sections
    modified: datetime | None

    def where(self, location: str) -> str:
        return joined(self.location, location)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A rule looked at: its grade and why it is not better."""

    grade: str
    reasons: tuple[str, ...]
    path: str = ""
    line: int = 0
    modified: datetime | None = None


def rewrite_mitigations(view: ConfigurationView) -> Iterator[MitigationState]:
    """One state for each published mitigation that works by rules."""
    places = list(_places(view))
    for each in mitigations():
        yield _mitigation(view, places, each)


def _places(view: ConfigurationView) -> Iterator[_Place]:
    if view.iis is not None:
        yield _Place(view.iis.path, "", view.iis.config.sections, view.iis.modified)
    for file in view.web:
        location = web_location(view, file.path)
        if location:
            yield _Place(file.path, location, file.config.sections, file.modified)


def _mitigation(view: ConfigurationView, places: Sequence[_Place], known: Mitigation) -> MitigationState:
    judged = {rule: _best(view, places, rule) for rule in known.needs_all}
    grades = [one.grade for one in judged.values()]
    site = next(form.site for form in rule_forms() if form.id == known.needs_all[0])
    if all(grade == "absent" for grade in grades) and not any(one.path for one in judged.values()):
        visible = any(place.location.lower() == site.lower() for place in places)
        state = "absent" if visible else "not-visible"
        reason = "no-rule" if visible else "configuration-missing"
        return MitigationState(known.id, state, known.cves, (_why(reason, site=site),), guards=True)
    missing = [_why("rule-missing", rule=rule) for rule, one in judged.items() if one.grade == "absent" and not one.path]
    reasons = tuple(dict.fromkeys(reason for one in judged.values() for reason in one.reasons))
    shown = next(one for one in judged.values() if one.path)
    state, module = _with_module(view, _together(grades), site)
    times = [one.modified for one in judged.values() if one.modified is not None]
    since = max(times) if times and len(times) == len(judged) else None
    return MitigationState(known.id, state, known.cves, (*missing, *reasons, *module), shown.path, shown.line, since, guards=True)


def _together(grades: Sequence[str]) -> str:
    """The state of a mitigation by the grades of all rules it needs."""
    if len(set(grades)) == 1:
        return grades[0]
    return "weak" if "weak" in grades and "absent" not in grades else "partial"


def _why(key: str, **values: object) -> str:
    return message(f"exposure.mitigation.{key}", **values)


def _with_module(view: ConfigurationView, state: str, site: str) -> tuple[str, tuple[str, ...]]:
    """Rules do nothing without the URL Rewrite module. A web.config with rules breaks its site where the module is not
    installed, so a missing IIS configuration does not lower the state."""
    if view.iis is None:
        return state, (_why("module-not-visible"),)
    config = view.iis.config
    listed = any(_is_rewrite(one) for one in config.global_modules if one.action == "add")
    added = removed = False
    for one in config.sections.modules:
        location = site_location(view, one.location)
        if _is_rewrite(one) and inside(site, location):
            added, removed = added or one.action == "add", removed or one.action == "remove"
    if listed and added and not removed:
        return state, ()
    return "absent", (_why("module-missing"),)


def _is_rewrite(entry: Entry) -> bool:
    return entry.name.lower() == "rewritemodule" or entry.get("image").lower().endswith("\\inetsrv\\rewrite.dll")


def _best(view: ConfigurationView, places: Sequence[_Place], rule_id: str) -> _Judged:
    """The best standing rule of this id, or `absent` without a path where there is none."""
    best = _Judged("absent", ())
    for place in places:
        for rule in place.sections.rewrite_rules:
            form = _form(rule)
            named = not form and any(one.id == rule_id for one in named_rule(rule.name))
            if (form is None or form.id != rule_id) and not named:
                continue
            judged = _judge(view, places, place, rule, form)
            if not best.path or _RANK.index(judged.grade) > _RANK.index(best.grade):
                best = judged
    return best


def _form(rule: RewriteRule) -> RuleForm | None:
    """The published form of a rule: the strongest of its conditions."""
    action = rule.action.get("type", "")
    if rule.kind == "outbound":
        form = recognise(rule.match.get("serverVariable", ""), rule.match.get("pattern", ""), action, "outbound")
        return form if form is not None and _same(rule.action.get("value", ""), form.value) else None
    found = [
        form
        for condition in rule.conditions
        if (form := recognise(condition.get("input", ""), condition.get("pattern", ""), action)) is not None
    ]
    return min(found, key=lambda form: form.grade != "final", default=None)


def _same(first: str, second: str) -> bool:
    return " ".join(first.split()).lower() == " ".join(second.split()).lower()


def _judge(view: ConfigurationView, places: Sequence[_Place], place: _Place, rule: RewriteRule, form: RuleForm | None) -> _Judged:
    checks = [*_own_faults(rule, form), *_place_faults(view, place, rule, form), *_undone(view, places, place, rule, form)]
    grade = min((grade for grade, _reason in checks), key=_RANK.index, default="in-place")
    name = _why("rule", name=rule.name[:120], path=place.path)
    reasons = (name, *(reason for _grade, reason in checks))
    return _Judged(grade, reasons, place.path, rule.line, place.modified)


def _own_faults(rule: RewriteRule, form: RuleForm | None) -> Iterator[tuple[str, str]]:
    """What weakens a rule in itself: (grade it can have at most, why)."""
    if not rule.enabled:
        yield "absent", _why("disabled")
    if form is None:
        yield "weak", _why("edited")
        return
    if form.grade != "final":
        yield "weak", _why("weak-form", date=form.since.isoformat(), why=form.why)
    negated = [one for one in rule.conditions if one.get("negate", "").lower() == "true"]
    if negated or rule.match.get("negate", "").lower() == "true":
        yield "weak", _why("negated")
    if rule.kind == "outbound":
        return
    if rule.match.get("url", "").strip() not in _EVERYTHING:
        yield "partial", _why("narrow-url", url=rule.match.get("url", "")[:200])
    if len([one for one in rule.conditions if not _is_form(one, rule)]) > 0:
        yield "partial", _why("more-conditions")


def _is_form(condition: Mapping[str, str], rule: RewriteRule) -> bool:
    return recognise(condition.get("input", ""), condition.get("pattern", ""), rule.action.get("type", "")) is not None


def _place_faults(view: ConfigurationView, place: _Place, rule: RewriteRule, form: RuleForm | None) -> Iterator[tuple[str, str]]:
    site = form.site if form is not None else FRONT
    where = site_location(view, place.where(rule.location))
    if where and not inside(site, where):
        reason = "narrow-location" if inside(where, site) else "other-site"
        yield ("partial" if inside(where, site) else "absent"), _why(reason, location=where[:200])
    if rule.kind == "outbound" and rule.precondition and not _known_precondition(place, rule.precondition):
        yield "partial", _why("precondition", name=rule.precondition[:120])


def _known_precondition(place: _Place, name: str) -> bool:
    """Whether a precondition is there and asks for HTML at OWA's pages, as published."""
    found: list[PreCondition] = [one for one in place.sections.preconditions if one.name == name]
    inputs = {condition.get("input", "").upper() for one in found for condition in one.conditions}
    return bool(found) and inputs <= {"{RESPONSE_CONTENT_TYPE}", "{REQUEST_URI}"}


def _undone(
    view: ConfigurationView, places: Sequence[_Place], place: _Place, rule: RewriteRule, form: RuleForm | None
) -> Iterator[tuple[str, str]]:
    """Lists that remove the rule again, and earlier rules of its list that end the processing."""
    here = site_location(view, place.where(rule.location))
    site = form.site if form is not None else FRONT
    for other in places:
        for change in other.sections.rewrite_changes:
            if change.action == "remove" and change.name.lower() != rule.name.lower():
                continue
            where = site_location(view, other.where(change.location))
            same = other is place and where.lower() == here.lower()
            if (same and change.line > rule.line) or (not same and inside(where, here) and inside(site, where)):
                yield "absent", _why("undone", path=other.path, line=change.line)
            elif not same and inside(where, here) and inside(where, site):
                yield "partial", _why("undone-below", path=other.path, line=change.line, location=where[:200])
    for earlier in place.sections.rewrite_rules:
        if earlier.kind == rule.kind and earlier.location == rule.location and earlier.line < rule.line:
            yield from _passes_over(earlier)


def _passes_over(earlier: RewriteRule) -> Iterator[tuple[str, str]]:
    """An earlier rule that stops the processing and does not refuse the request. Redirects to HTTPS are left out: the
    request comes back."""
    if not earlier.enabled or not earlier.stop_processing or earlier.action.get("type", "").lower() in _ENDING:
        return
    inputs = {condition.get("input", "").upper() for condition in earlier.conditions}
    if inputs and inputs <= {"{HTTPS}", "{SERVER_PORT}"}:
        return
    everything = not inputs and earlier.match.get("url", "").strip() in _EVERYTHING
    yield ("absent" if everything else "partial"), _why("earlier-rule", name=earlier.name[:120], line=earlier.line)
