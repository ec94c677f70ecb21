"""All that is shipped, in both languages."""

import pytest
from example import at, finding

from afterpatch.detect.files.registry import detections
from afterpatch.knowledge.actions import actions
from afterpatch.model import UsageError, message
from afterpatch.report import LANGUAGES, wording


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_step_has_words(language: str) -> None:
    words = wording(language)
    for action in actions():
        assert words.words(message(f"action.{action.id}")) == action.text[language]


def test_checks_and_rules_speak_chinese() -> None:
    chinese, english = wording("zh-CN"), wording("en")
    for check in detections():
        one = finding(1, check.title, "high", at(1), detection=check.id)
        assert english.title(one) == check.title
        assert chinese.title(one) == (check.title_zh or check.title)
    assert len(chinese.rules) > len(detections())


def test_an_unknown_language_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        wording("fr")
