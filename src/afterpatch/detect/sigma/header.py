"""What a rule says about itself, and our own `afterpatch:` keys: tree to dataclasses, with the line of what is
wrong."""

from __future__ import annotations

from afterpatch.detect.sigma.document import Mapping, Scalar, Sequence, Tree
from afterpatch.detect.sigma.model import LEVELS, ROLES, STATUSES, Example, Header, Keys, LogSource, Related
from afterpatch.model import CONFIDENCES, STAGES, RuleError

_STANDARD = frozenset(
    [
        "title",
        "id",
        "name",
        "related",
        "taxonomy",
        "status",
        "description",
        "license",
        "author",
        "references",
        "date",
        "modified",
        "logsource",
        "detection",
        "fields",
        "falsepositives",
        "level",
        "tags",
        "scope",
        "correlation",
        "filter",
        "afterpatch",
        "action",
        "generate",
    ]
)
_KEYS = frozenset(["chain", "stage", "confidence", "backdoor", "subject", "role", "explain", "benign", "next_steps", "examples"])
_RELATIONS = ("derived", "obsolete", "obsoletes", "merged", "renamed", "similar", "correlation")


def _text(tree: Mapping, key: str, path: str, *, limit: int = 65_535) -> str:
    value = tree.get(key)
    if value is None or (isinstance(value, Scalar) and value.value is None):
        return ""
    if not isinstance(value, Scalar):
        raise RuleError(f"'{key}' must be text", path, tree.line_of(key))
    if len(value.text) > limit:
        raise RuleError(f"'{key}' is longer than {limit} characters", path, value.line)
    return value.text.strip()


def _texts(tree: Mapping, key: str, path: str) -> tuple[str, ...]:
    value = tree.get(key)
    if value is None or (isinstance(value, Scalar) and value.value is None):
        return ()
    listed = value.items if isinstance(value, Sequence) else (value,)
    if not all(isinstance(entry, Scalar) for entry in listed):
        raise RuleError(f"'{key}' must be a list of texts", path, tree.line_of(key))
    return tuple(entry.text.strip() for entry in listed if isinstance(entry, Scalar))


def _choice(tree: Mapping, key: str, allowed: tuple[str, ...], path: str) -> str:
    value = _text(tree, key, path).lower()
    if value and value not in allowed:
        raise RuleError(f"'{key}: {value}' is not one of {', '.join(allowed)}", path, tree.line_of(key))
    return value


def _related(tree: Mapping, path: str) -> tuple[Related, ...]:
    value = tree.get("related")
    if value is None:
        return ()
    listed = value.items if isinstance(value, Sequence) else (value,)
    results = []
    for entry in listed:
        if not isinstance(entry, Mapping):
            raise RuleError("'related' must be a list of id and type", path, entry.line)
        results.append(Related(_text(entry, "id", path), _choice(entry, "type", _RELATIONS, path)))
    return tuple(results)


def read_header(tree: Mapping, path: str) -> Header:
    """The head of a rule, a correlation or a filter. Raises RuleError."""
    title = _text(tree, "title", path, limit=1_024)
    if not title:
        raise RuleError("the title is missing", path, tree.line)
    taxonomy = _text(tree, "taxonomy", path).lower() or "sigma"
    if taxonomy != "sigma":
        raise RuleError(f"the taxonomy '{taxonomy}' is not known here", path, tree.line_of("taxonomy"))
    return Header(
        id=_text(tree, "id", path, limit=256),
        title=title,
        name=_text(tree, "name", path, limit=256),
        status=_choice(tree, "status", STATUSES, path),
        level=_choice(tree, "level", LEVELS, path),
        description=_text(tree, "description", path),
        author=_text(tree, "author", path),
        date=_text(tree, "date", path),
        modified=_text(tree, "modified", path),
        license=_text(tree, "license", path),
        taxonomy=taxonomy,
        tags=_texts(tree, "tags", path),
        references=_texts(tree, "references", path),
        falsepositives=_texts(tree, "falsepositives", path),
        fields=_texts(tree, "fields", path),
        scope=_texts(tree, "scope", path),
        related=_related(tree, path),
        custom=tuple(sorted(tree.entries.keys() - _STANDARD)),
        path=path,
        line=tree.line,
    )


def read_logsource(tree: Mapping, path: str) -> LogSource:
    """The log source of a rule or filter. Raises RuleError."""
    value = tree.get("logsource")
    if not isinstance(value, Mapping):
        raise RuleError("the logsource is missing", path, tree.line_of("logsource"))
    source = LogSource(*(_text(value, key, path).lower() for key in ("category", "product", "service")))
    if source == LogSource():
        raise RuleError("the logsource names no category, product or service", path, value.line)
    return source


def _example(tree: Tree, path: str) -> Example:
    if not isinstance(tree, Mapping):
        raise RuleError("an example must be a mapping of kind and fields or line", path, tree.line)
    unknown = tree.entries.keys() - {"kind", "fields", "line"}
    if unknown:
        raise RuleError(f"an example has no key '{sorted(unknown)[0]}'", path, tree.line)
    kind, line, fields = _text(tree, "kind", path), tree.get("line"), tree.get("fields")
    if not kind or (line is None) == (fields is None):
        raise RuleError("an example needs a kind and either fields or a line", path, tree.line)
    if isinstance(line, Scalar):
        return Example(kind, (), line.text)
    if not isinstance(fields, Mapping) or not all(isinstance(value, Scalar) for value in fields.entries.values()):
        raise RuleError("the fields of an example must be plain values", path, tree.line)
    pairs = tuple((key, value.text) for key, value in fields.entries.items() if isinstance(value, Scalar))
    return Example(kind, pairs)


def _examples(tree: Mapping, path: str, which: str) -> tuple[Example, ...]:
    examples = tree.get("examples")
    if examples is None:
        return ()
    if not isinstance(examples, Mapping) or examples.entries.keys() - {"fire", "quiet"}:
        raise RuleError("'examples' must be a mapping of fire and quiet", path, tree.line_of("examples"))
    listed = examples.get(which)
    if listed is None:
        return ()
    if not isinstance(listed, Sequence):
        raise RuleError(f"'{which}' must be a list of examples", path, examples.line_of(which))
    return tuple(_example(entry, path) for entry in listed.items)


def read_keys(tree: Mapping, path: str) -> Keys:
    """Our `afterpatch:` mapping, the defaults where a rule lacks it. Raises RuleError."""
    keys = tree.get("afterpatch")
    if keys is None:
        return Keys()
    if not isinstance(keys, Mapping):
        raise RuleError("'afterpatch' must be a mapping", path, keys.line)
    unknown = sorted(keys.entries.keys() - _KEYS)
    if unknown:
        raise RuleError(f"'afterpatch' has no key '{unknown[0]}'", path, keys.line_of(unknown[0]))
    return Keys(
        present=True,
        chain=_text(keys, "chain", path),
        stage=_choice(keys, "stage", STAGES, path),
        confidence=_choice(keys, "confidence", CONFIDENCES, path) or "moderate",
        backdoor=_text(keys, "backdoor", path),
        subject=_texts(keys, "subject", path) or ("source.ip",),
        role=_choice(keys, "role", ROLES, path) or "intrusion",
        explain=_text(keys, "explain", path),
        benign=_texts(keys, "benign", path),
        next_steps=_texts(keys, "next_steps", path),
        fire=_examples(keys, path, "fire"),
        quiet=_examples(keys, path, "quiet"),
    )
