"""Files and folders of Sigma YAML to a RuleSet. One bad rule never stops the others; every refusal says file and
line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from afterpatch.detect.sigma import document
from afterpatch.detect.sigma.correlation import read_correlation
from afterpatch.detect.sigma.detection import Placeholders, Reader
from afterpatch.detect.sigma.document import Scalar, Tree, read_documents
from afterpatch.detect.sigma.header import read_header, read_keys, read_logsource
from afterpatch.detect.sigma.model import Correlation, Filter, Rule, RuleSet
from afterpatch.detect.sigma.resolve import resolve
from afterpatch.model import RuleError

SUFFIXES = (".yml", ".yaml")
MAX_FILES = 50_000
FORMAT = "sigma/1"


@dataclass(slots=True)
class Loaded:
    """What came out of files so far, in order."""

    rules: list[Rule] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    errors: list[RuleError] = field(default_factory=list)


def rule_files(paths: Iterable[Path]) -> tuple[list[Path], list[RuleError]]:
    """The YAML files below the paths, sorted; links to folders are not followed. Errors name what is not there."""
    found: dict[Path, None] = {}
    errors: list[RuleError] = []
    for path in paths:
        if path.is_file():
            found[path] = None
        elif path.is_dir():
            for entry in sorted(path.rglob("*")):
                if entry.suffix.lower() in SUFFIXES and entry.is_file():
                    found[entry] = None
        else:
            errors.append(RuleError("no such file or folder", str(path)))
    files = list(found)
    if len(files) > MAX_FILES:
        errors.append(RuleError(f"more than {MAX_FILES} rule files: the others are left out", str(files[MAX_FILES])))
    return files[:MAX_FILES], errors


def _merge(base: document.Mapping, other: document.Mapping) -> document.Mapping:
    """Two mappings as one; what is deeper is merged too, the other's values win."""
    entries = dict(base.entries)
    for key, value in other.entries.items():
        old = entries.get(key)
        if isinstance(old, document.Mapping) and isinstance(value, document.Mapping):
            entries[key] = _merge(old, value)
        else:
            entries[key] = value
    return document.Mapping(entries, {**base.lines, **other.lines}, other.line)


def _without_action(tree: document.Mapping) -> document.Mapping:
    entries = {key: value for key, value in tree.entries.items() if key != "action"}
    return document.Mapping(entries, tree.lines, tree.line)


def _own_id(tree: document.Mapping, given: list[str]) -> document.Mapping:
    """Rules of a collection that share the id of its global part get a number behind it."""
    written = tree.get("id")
    if not isinstance(written, Scalar):
        return tree
    plain = written.text.partition("#")[0]
    given.append(plain)
    if given.count(plain) == 1:
        return tree
    numbered = Scalar(f"{plain}#{given.count(plain)}", "", written.line)
    return document.Mapping(
        {**tree.entries, "id": Scalar(numbered.value, str(numbered.value), written.line)}, tree.lines, tree.line
    )


def _collections(trees: Sequence[Tree], path: str, errors: list[RuleError]) -> Iterable[document.Mapping]:
    """Rule collections of Sigma 1: `action: global` holds for what follows, `reset` ends that, `repeat` starts from the
    document before."""
    shared = previous = document.Mapping({}, {}, 1)
    given: list[str] = []
    for tree in trees:
        if not isinstance(tree, document.Mapping):
            errors.append(RuleError("a rule must be a mapping", path, tree.line))
            continue
        action = tree.get("action")
        word = action.text if isinstance(action, Scalar) else ""
        plain = _without_action(tree)
        if action is None:
            previous = _own_id(_merge(shared, plain), given)
            yield previous
        elif word == "global":
            shared = _merge(shared, plain)
        elif word == "reset":
            shared = document.Mapping({}, {}, 1)
        elif word == "repeat":
            previous = _own_id(_merge(previous, plain), given)
            yield previous
        else:
            errors.append(RuleError(f"the action '{word}' is not known", path, tree.line_of("action")))


def _filter(tree: document.Mapping, path: str, reader: Reader) -> Filter:
    section = tree.get("filter")
    if not isinstance(section, document.Mapping):
        raise RuleError("'filter' must be a mapping", path, tree.line_of("filter"))
    rules = section.get("rules")
    listed = rules.items if isinstance(rules, document.Sequence) else (rules,) if rules is not None else None
    if listed is None:
        raise RuleError("the filter needs 'rules' (ids, names, or any)", path, section.line)
    names = tuple(entry.text for entry in listed if isinstance(entry, Scalar))
    detection = reader.detection(section, section.line, skip=("rules",))
    every = len(names) == 1 and names[0].lower() == "any"
    return Filter(read_header(tree, path), read_logsource(tree, path), () if every else names, detection.condition)


def _rule(tree: document.Mapping, path: str, reader: Reader) -> Rule:
    header, logsource, keys = read_header(tree, path), read_logsource(tree, path), read_keys(tree, path)
    detection = reader.detection(tree.get("detection"), tree.line_of("detection"))
    return Rule(header, logsource, detection.condition, keys, detection.unused, detection.conditions)


def read_rules(data: bytes, path: str, placeholders: Placeholders | None = None) -> Loaded:
    """The rules of one file's content; errors are gathered, references are not resolved."""
    loaded = Loaded()
    trees, error = read_documents(data, path)
    reader = Reader(path, placeholders or {})
    for tree in _collections(trees, path, loaded.errors):
        try:
            if "correlation" in tree.entries:
                loaded.correlations.append(read_correlation(tree, path))
            elif "filter" in tree.entries:
                loaded.filters.append(_filter(tree, path, reader))
            elif "detection" in tree.entries:
                loaded.rules.append(_rule(tree, path, reader))
            else:
                raise RuleError("neither a detection, a correlation nor a filter", path, tree.line)
        except RuleError as refused:
            loaded.errors.append(refused)
    if error is not None:
        loaded.errors.append(error)
    elif not trees:
        loaded.errors.append(RuleError("the file holds no rule", path))
    return loaded


def read_content(files: Sequence[Path]) -> tuple[list[tuple[str, bytes]], list[RuleError]]:
    """Path and content of each file; one byte more than allowed is read, so that the size is noticed."""
    contents: list[tuple[str, bytes]] = []
    errors: list[RuleError] = []
    for path in files:
        try:
            with path.open("rb") as stream:
                contents.append((str(path), stream.read(document.MAX_BYTES + 1)))
        except OSError as error:
            errors.append(RuleError(f"cannot be read: {error.strerror}", str(path)))
    return contents, errors


def version_of(contents: Sequence[tuple[str, bytes]]) -> str:
    """The version of a set of rules: sha256 over the sorted sha256 of the files."""
    digests = sorted(hashlib.sha256(data).hexdigest() for _, data in contents)
    return hashlib.sha256("\n".join([FORMAT, *digests]).encode()).hexdigest()


def load_content(contents: Sequence[tuple[str, bytes]], placeholders: Placeholders | None = None) -> RuleSet:
    """A RuleSet of files in memory: (path, content)."""
    total = Loaded()
    for path, data in contents:
        one = read_rules(data, path, placeholders)
        total.rules += one.rules
        total.correlations += one.correlations
        total.filters += one.filters
        total.errors += one.errors
    return resolve(
        RuleSet(
            tuple(total.rules),
            tuple(total.correlations),
            tuple(total.filters),
            tuple(total.errors),
            version_of(contents),
            len(contents),
        )
    )


def load_rules(paths: Sequence[Path], placeholders: Mapping[str, Sequence[str]] | None = None) -> RuleSet:
    """All rules below the paths. Errors are in RuleSet.errors; `placeholders` gives the values of `%name%`."""
    files, missing = rule_files(paths)
    contents, unreadable = read_content(files)
    rules = load_content(contents, placeholders)
    errors = (*missing, *unreadable, *rules.errors)
    return RuleSet(rules.rules, rules.correlations, rules.filters, errors, rules.version, rules.files)
