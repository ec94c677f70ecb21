"""Pages that were made to cost: each has a verdict, or says that it was not read to its end, in bounded time."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest

from afterpatch.detect.pages import analyse_page
from afterpatch.detect.pages.filekinds import extension_of
from afterpatch.detect.pages.quick import is_silent
from afterpatch.detect.pages.verdict import at_least

_PATH = Path(__file__).parents[3] / "benchmarks" / "webshells" / "hostile.py"
_SPEC = importlib.util.spec_from_file_location("hostile_pages", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
hostile = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(hostile)

WHATS = ["brackets", "choices", "functions", "many blocks", "variables", "50 layers", "loop of a string"]
CASES = [
    (f"{language}: {what}", hostile.LANGUAGES[language][0], text)
    for language in hostile.LANGUAGES
    for what, text in hostile.of_language(language)
    if what in WHATS
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_page_is_judged_or_named_as_not_read(case: tuple[str, str, bytes]) -> None:
    _what, name, text = case
    started = time.process_time()
    silent = is_silent(extension_of(name), text[: 4 << 20])
    verdict = analyse_page(name, text)
    assert time.process_time() - started < 6  # two seconds on an idle machine; tests share theirs
    assert not silent
    assert at_least(verdict.severity, "high") or not verdict.complete


def test_layers_are_undone_to_the_bound_and_then_named() -> None:
    verdict = analyse_page("a.php", hostile._layers("php", 4))
    assert verdict.severity == "critical"
    deep = analyse_page("a.php", hostile._layers("php", 50))
    assert at_least(deep.severity, "high")
    assert not deep.complete


@pytest.mark.parametrize("block", ["@{ %s }", "@functions { %s }", "@if (a) { %s }", "@( %s )"])
def test_razor_block_longer_than_what_is_read_is_named(block: str) -> None:
    text = block % ("x = 1; " * 20_000 + 'System.Diagnostics.Process.Start(Request["a"]);')
    assert not is_silent(".cshtml", text.encode())
    assert not analyse_page("a.cshtml", text.encode()).complete


def test_razor_block_of_vb_longer_than_what_is_read_is_named() -> None:
    text = "@Code\n" + "x = 1\n" * 20_000 + 'System.Diagnostics.Process.Start(Request("a"))\nEnd Code\n'
    assert not analyse_page("a.vbhtml", text.encode()).complete
