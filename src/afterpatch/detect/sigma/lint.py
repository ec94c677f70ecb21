"""Checks on rules: small, named, each with one idea. `severity`: error (the rule is wrong), warning (it may be), note.

A loader error is none of these: a rule that loads can be linted. `own`: stricter, for the rules that come with
Afterpatch.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from afterpatch.detect.sigma.compile import CompiledRule, compile_rule
from afterpatch.detect.sigma.fieldnames import is_known_field
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.detect.sigma.model import Correlation, Header, Keys, Null, Regex, Rule, RuleSet, items_of
from afterpatch.detect.sigma.regex import judged_length
from afterpatch.detect.sigma.regex_danger import danger_of

SLUG = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
TAG = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
SHORT = 8_192
"""Values of real logs may be this long; a regular expression that judges less may miss."""
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Problem:
    """What a check found: `check` is its name."""

    check: str
    severity: str
    message: str
    rule_id: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Subject:
    """A rule or correlation under a check. `compiled` is None for correlations."""

    rule: Rule | Correlation
    compiled: CompiledRule | None
    own: bool

    @property
    def header(self) -> Header:
        return self.rule.header

    @property
    def keys(self) -> Keys:
        return self.rule.keys


Finding = tuple[str, str]
"""Severity and message."""
Check = Callable[[Subject], Iterator[Finding]]


def id_is_uuid(subject: Subject) -> Iterator[Finding]:
    """The id is a UUID, so that it never means another rule."""
    text = subject.header.id
    if not text:
        yield "error" if subject.own else "warning", "the rule has no id"
        return
    try:
        uuid.UUID(text)
    except ValueError:
        yield "error" if subject.own else "note", f"the id '{text}' is not a UUID"


def has_name(subject: Subject) -> Iterator[Finding]:
    """The name is a short slug."""
    name = subject.header.name
    if subject.own and not name:
        yield "error", "the rule has no name"
    elif subject.own and not SLUG.fullmatch(name):
        yield "error", f"the name '{name}' is not a slug (a-z, 0-9, -)"


def title_is_short(subject: Subject) -> Iterator[Finding]:
    """The title is one line of at most 256 characters without a full stop."""
    title = subject.header.title
    if len(title) > 256 or "\n" in title:
        yield "warning", "the title is longer than 256 characters or one line"
    if title.endswith("."):
        yield "note", "the title ends in a full stop"


def has_level_and_status(subject: Subject) -> Iterator[Finding]:
    """Level and status are said."""
    for key in ("level", "status"):
        if not getattr(subject.header, key):
            yield "error" if subject.own else "note", f"the rule has no {key}"


def dates_and_tags(subject: Subject) -> Iterator[Finding]:
    """Dates are ISO dates, tags are namespaced."""
    for key in ("date", "modified"):
        value = getattr(subject.header, key)
        if value and not DATE.fullmatch(value):
            yield "note", f"'{key}: {value}' is not of the form YYYY-MM-DD"
    for tag in subject.header.tags:
        if not TAG.fullmatch(tag):
            yield "note", f"the tag '{tag}' has no namespace or odd characters"


def logsource_is_mapped(subject: Subject) -> Iterator[Finding]:
    """The log source means an artifact kind; else the rule is never judged."""
    if subject.compiled is not None and not subject.compiled.kinds:
        yield "error" if subject.own else "note", "the log source means nothing here: the rule is not applicable"


def keys_are_complete(subject: Subject) -> Iterator[Finding]:
    """Our rules say why, what looks the same, what to do."""
    if not subject.own:
        return
    if not subject.keys.present:
        yield "error", "'afterpatch' is missing"
        return
    for key in ("explain", "benign", "next_steps"):
        if not getattr(subject.keys, key):
            yield "error", f"'afterpatch.{key}' is missing"
    if subject.keys.stage and not subject.keys.chain:
        yield "warning", "a stage without a chain grades nothing"


def has_examples(subject: Subject) -> Iterator[Finding]:
    """Every rule proves itself: at least one example that fires, and one look-alike that does not."""
    if subject.own and subject.compiled is not None:
        for which in ("fire", "quiet"):
            if not getattr(subject.keys, which):
                yield "error", f"there is no example that must {'fire' if which == 'fire' else 'stay quiet'}"


def fields_are_known(subject: Subject) -> Iterator[Finding]:
    """Every field is a column or a derived field of a kind the rule applies to."""
    compiled = subject.compiled
    kinds = compiled.kinds - {EVENT_LOG} if compiled is not None else frozenset()
    if compiled is None or not kinds:  # events name their fields themselves
        return
    for name in sorted({*compiled.fields, *(subject.keys.subject if subject.keys.present else ())}):
        if not any(is_known_field(name, kind, compiled.mapping) for kind in kinds):
            severity = "error" if subject.own else "warning"
            yield severity, f"no log of this log source has a field '{name}': what asks for it stays unknown"


def regexes_are_cheap(subject: Subject) -> Iterator[Finding]:
    """Regular expressions that hostile text makes slow go to the automaton; where that cannot be, values are cut."""
    if not isinstance(subject.rule, Rule):
        return
    for item in items_of(subject.rule.condition):
        for value in (value for group in item.values for value in group if isinstance(value, Regex)):
            danger, judged = danger_of(value.pattern, value.flags), judged_length(value)
            if judged < SHORT:
                yield "warning", f"line {item.line}: judges only {judged} characters of a value: {value.pattern[:80]}"
            elif danger.exponential or danger.degree > 3:
                yield "note", f"line {item.line}: a repeat inside or behind a repeat is slow: {value.pattern[:80]}"


def values_make_sense(subject: Subject) -> Iterator[Finding]:
    """`all` needs several values; null stands alone."""
    if not isinstance(subject.rule, Rule):
        return
    for item in items_of(subject.rule.condition):
        if item.every and len(item.values) == 1:
            yield "note", f"line {item.line}: 'all' on a single value"
        nulls = sum(isinstance(value, Null) for group in item.values for value in group)
        if nulls and len(item.values) > 1:
            yield "warning", f"line {item.line}: null in a list of values"


def selections_are_used(subject: Subject) -> Iterator[Finding]:
    """A selection that no condition uses is a slip."""
    if isinstance(subject.rule, Rule):
        for name in subject.rule.unused:
            yield "warning", f"no condition uses the selection '{name}'"


def has_literals(subject: Subject) -> Iterator[Finding]:
    """Without a literal the rule judges every row of its logs."""
    compiled = subject.compiled
    if compiled is not None and compiled.kinds and compiled.necessary is None:
        yield "warning" if subject.own else "note", "no literal is necessary for it: every row must be judged"


CHECKS: tuple[Check, ...] = (
    id_is_uuid,
    has_name,
    title_is_short,
    has_level_and_status,
    dates_and_tags,
    logsource_is_mapped,
    keys_are_complete,
    has_examples,
    fields_are_known,
    regexes_are_cheap,
    values_make_sense,
    selections_are_used,
    has_literals,
)


def _problems(subject: Subject) -> Iterator[Problem]:
    for check in CHECKS:
        for severity, message in check(subject):
            header = subject.header
            yield Problem(check.__name__, severity, message, subject.rule.id, header.path, header.line)


def _names(subjects: Iterable[Subject]) -> Iterator[Problem]:
    """Names are unique."""
    listed = [subject for subject in subjects if subject.header.name]
    counts = Counter(subject.header.name for subject in listed)
    for subject in listed:
        if counts[subject.header.name] > 1:
            header = subject.header
            message = f"the name '{header.name}' is there {counts[header.name]} times"
            yield Problem("name_is_unique", "error", message, subject.rule.id, header.path, header.line)


def lint(rules: RuleSet, *, own: bool = False) -> list[Problem]:
    """All problems of all rules, in the order of the rules. `own`: what is a matter of taste elsewhere is an error."""
    subjects = [Subject(rule, compile_rule(rule), own) for rule in rules.rules]
    subjects += [Subject(one, None, own) for one in rules.correlations]
    problems = [problem for subject in subjects for problem in _problems(subject)]
    return problems + list(_names(subjects))
