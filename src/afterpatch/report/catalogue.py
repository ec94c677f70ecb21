"""The words of the reports, by language: `messages/<language>.yml`, one line a key.

A text may hold `{name}` (a value), `{name:one|other}` (a word by number) and `[[ ... ]]` (left out where a value inside
it is missing). Values are put in last and never looked at again, so braces in evidence stay braces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from afterpatch.exposure.words import texts as exposure_texts
from afterpatch.model import Chain, DetectionState, Finding, ImpactItem, Notice, UsageError, parse_iso
from afterpatch.report.figures import number, size
from afterpatch.report.text import Message, defang_host, parse_message, parse_notice, readable

LANGUAGES = ("en", "zh-CN")
_FOLDER = Path(__file__).parent / "messages"
_PART = re.compile(r"\[\[((?:(?!\[\[|\]\]).)*)\]\]", re.DOTALL)  # an innermost part
_PLACE = re.compile(r"\{([a-z_]+)(?::([^|{}]*)\|([^|{}]*))?\}")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\Z")
_NO_RULES: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
# A value that is an id of ours is shown by its readable name: `chain=proxylogon` -> "ProxyLogon".
_NAMED = {
    "name": "chain.{}.name", "chain": "chain.{}.name", "chains": "chain.{}.name", "stage": "stage.{}",
    "artifact": "artifact.{}", "artifacts": "artifact.{}", "kind": "backdoor.kind.{}", "kinds": "backdoor.kind.{}",
    "severity": "severity.{}", "confidence": "confidence.{}", "state": "backdoor.state.{}",
    "format": "page.format.{}", "program": "page.program.{}", "does": "page.does.{}",
    "budget": "page.budget.{}", "taken": "page.taken.{}",
    "question": "question.{}", "cause": "gap.{}", "type": "indicator.type.{}",
}  # fmt: skip


@lru_cache(maxsize=8)
def _texts(language: str) -> Mapping[str, str]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with (_FOLDER / f"{language}.yml").open(encoding="utf-8") as stream:
        own = {str(key): str(text) for key, text in yaml.load(stream, loader).items()}  # noqa: S506 a safe loader
    return MappingProxyType({**exposure_texts(language), **own})


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The texts of one language.

    `extra` adds keys from elsewhere (`action.<id>` of the knowledge), `rules` the translated texts of rules by rule
    name or id: {title, explain, benign: [...], next_steps: [...]}.
    """

    language: str
    texts: Mapping[str, str]
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _NO_RULES)

    @classmethod
    def load(
        cls,
        language: str,
        translations: Mapping[str, Mapping[str, Any]] = _NO_RULES,
        extra: Mapping[str, str] | None = None,
    ) -> Catalogue:
        """The catalogue of `en` or `zh-CN`. Raises UsageError for another language."""
        if language not in LANGUAGES:
            raise UsageError(f"There is no language {language!r}; choose one of {', '.join(LANGUAGES)}.")
        texts = _texts(language)
        return cls(language, {**texts, **extra} if extra else texts, translations)

    def has(self, key: str) -> bool:
        """Whether there is a text for the key."""
        return key in self.texts

    def text(self, key: str, **values: object) -> str:
        """The text of a key with its values put in; the key in words where there is no such key."""
        return self._filled(key, {name: str(value) for name, value in values.items()})

    def name(self, group: str, value: str) -> str:
        """The readable name of an id, such as ("severity", "high"); the id itself where it has none."""
        return self.texts.get(f"{group}.{value}", value)

    def words(self, text: str) -> str:
        """A free text of the model, in this language where it is a message or a key, else as it is."""
        found = parse_message(text)
        if found is not None:
            return self._filled(found.key, found.values)
        return self.notice(text) if text.startswith("basis.") else self.texts.get(text, text)

    def value(self, item: ImpactItem) -> str:
        """An impact's value: evidence, but for what cannot be determined, where it is a text of ours."""
        if item.certainty == "not-determinable":
            return self.words(item.value)
        if item.what == "bytes-out" and item.value.isascii() and item.value.isdecimal() and len(item.value) < 20:
            return f"{number(int(item.value))} ({size(int(item.value))})"
        return item.value

    def every(self, texts: Sequence[str]) -> list[str]:
        """`words` of each."""
        return [self.words(text) for text in texts]

    def notice(self, reason: str) -> str:
        """A notice's reason in words, its detail behind it."""
        found = parse_notice(reason)
        return reason if found is None else self._notice(found)

    def _notice(self, found: Message) -> str:
        text = self._filled(found.key, found.values if self.has(found.key) else {})
        detail = found.values.get("detail", "")
        detail = self.texts.get(f"step.{detail}", detail)
        asked = "{detail}" in self.texts.get(found.key, "")
        return self.text("ui.notice-detail", text=text, detail=detail) if detail and not asked else text

    def notice_kind(self, notice: Notice) -> str:
        """A notice's reason without its detail: what notices are grouped by."""
        found = parse_notice(notice.reason)
        return notice.reason if found is None else self._filled(found.key, {})

    def rule_text(self, finding: Finding, part: str) -> Any:
        """What a translation says of a finding's rule (`title`, `explain`, `benign`, `next_steps`), or None."""
        if not self.rules:
            return None
        names = [tag[5:] for tag in finding.tags if tag.startswith("rule:")]
        for name in (finding.detection, *names):
            if found := self.rules.get(name, {}).get(part):
                return found
        return None

    def chain(self, chain: Chain) -> str:
        """A chain's name in this language."""
        return self.texts.get(f"chain.{chain.id}.name") or self.words(chain.name) or chain.id

    def title(self, finding: Finding) -> str:
        """The finding's title in this language."""
        return str(self.rule_text(finding, "title") or self.words(finding.title))

    def detection_title(self, detection: DetectionState) -> str:
        """The detection's title in this language, its id where it has none."""
        found = self.rules.get(detection.id, {}).get("title")
        return str(found or self.words(detection.title) or detection.id)

    def detection_name(self, finding: Finding) -> str:
        """What a finding's detection is called, where its findings have titles of their own; "" where unknown."""
        names = (f"check.{finding.detection}.name", f"{finding.origin}.name")
        return next((self.texts[name] for name in names if name in self.texts), "")

    def detection_detail(self, detection: DetectionState) -> str:
        """Why it ended so: for missing evidence the kinds of artifacts, in words."""
        if detection.state != "evidence-missing" or parse_message(detection.detail):
            return self.words(detection.detail)
        kinds = [self.name("artifact", one.strip()) for one in detection.detail.split(",")]
        return self.text("ui.list-separator").join(kinds)

    def explanation(self, finding: Finding) -> str:
        """Why it fired, in this language."""
        return str(self.rule_text(finding, "explain") or self.words(finding.explanation))

    def benign(self, finding: Finding) -> list[str]:
        """What innocent cause looks the same, in this language."""
        found = self.rule_text(finding, "benign")
        if not found:
            return self.every(finding.benign_causes)
        own = [text for text in finding.benign_causes if parse_message(text) is not None]
        return [*self.every(own), *map(str, found)]

    def next_steps(self, finding: Finding) -> list[str]:
        """What to do next, in this language."""
        return [str(one) for one in self.rule_text(finding, "next_steps") or self.every(finding.next_steps)]

    def _filled(self, key: str, values: Mapping[str, str]) -> str:
        text = self.texts.get(key)
        if text is None:
            listed = ", ".join(value for value in values.values() if value)
            return f"{readable(key)}: {listed}" if listed else readable(key)
        while "[[" in text and (found := _PART.search(text)):
            text = text[: found.start()] + (found[1] if self._complete(found[1], values) else "") + text[found.end() :]
        return _PLACE.sub(lambda place: self._value(place, values), text)

    def _complete(self, part: str, values: Mapping[str, str]) -> bool:
        return all(values.get(place[1]) for place in _PLACE.finditer(part))

    def _value(self, place: re.Match[str], values: Mapping[str, str]) -> str:
        name, one, other = place[1], place[2], place[3]
        value = values.get(name, "")
        if one is not None:
            return str(one if value == "1" else other)
        if not value:
            return self.texts.get("ui.unknown", "?")
        if name == "domain" or (name == "value" and values.get("type") in ("domain", "url")):
            return defang_host(value)
        return self._readable_value(name, value)

    def _readable_value(self, name: str, value: str) -> str:
        if _ISO.match(value) and (moment := parse_iso(value)):
            return f"{moment:%Y-%m-%d %H:%M:%S}Z"
        pattern = _NAMED.get(name)
        if pattern is None:
            return value
        separator = self.texts.get("ui.list-separator", ", ")
        parts = [part.strip() for part in value.split(",")] if name.endswith("s") or name == "chain" else [value]
        return separator.join(self.texts.get(pattern.format(part), part) for part in parts)
