"""Every message of the package has a text in both languages, with the same places."""

from __future__ import annotations

import re
from pathlib import Path

import afterpatch.exposure
from afterpatch.exposure.readings import BASES
from afterpatch.exposure.view import STATES
from afterpatch.exposure.words import LANGUAGES, texts

_SOURCE = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(afterpatch.exposure.__file__).parent.glob("*.py")))
_PLACE = re.compile(r"\{([a-z_]+)")


def test_both_languages_have_the_same_keys_and_places():
    english, chinese = (texts(language) for language in LANGUAGES)
    assert list(english) == list(chinese)
    for key, text in english.items():
        assert set(_PLACE.findall(text)) == set(_PLACE.findall(chinese[key])), key


def test_every_key_that_code_writes_has_a_text():
    whys = {f"exposure.mitigation.{key}" for key in re.findall(r"_why\(\s*\"([a-z-]+)\"", _SOURCE)}
    spelled = set(re.findall(r"message\(\"(exposure\.[a-z.-]+)\"", _SOURCE))
    kinds = {f"exposure.contradiction.{kind}" for kind in re.findall(r"Contradiction\(\"([a-z-]+)\"", _SOURCE)}
    states = {f"exposure.mitigation-state.{state}" for state in STATES}
    bases = {f"basis.{basis}" for basis in BASES if basis not in ("setup", "log-header")}  # these two are the report's
    assert len(whys) > 25
    assert whys | spelled | kinds | states | bases <= set(texts("en"))
