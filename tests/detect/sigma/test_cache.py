"""What is cached is what was loaded; a cache that is broken, foreign or read-only does no harm."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings

from afterpatch.detect.sigma import cache, codec
from afterpatch.detect.sigma.load import load_content, load_rules
from afterpatch.detect.sigma.model import RuleSet

from .strategies import detections
from .test_correlate import BASE, section
from .test_oracle import rule_of

TEXT = (
    BASE
    + "\ntitle: c\ncorrelation:\n"
    + section("temporal", of="a, b", condition="a and not b", aliases="{who: {a: s, b: t}}")
    + "\n---\ntitle: f\nlogsource: {product: windows}\nfilter: {rules: [a], s: {F|windash: '-x'}, condition: s}"
    + "\n---\ntitle: bad\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yml").write_text(TEXT)
    return tmp_path / "rules"


def same(one: RuleSet, other: RuleSet) -> bool:
    texts = [[str(error) for error in rules.errors] for rules in (one, other)]
    return (one.rules, one.correlations, one.filters, one.version) == (
        other.rules,
        other.correlations,
        other.filters,
        other.version,
    ) and texts[0] == texts[1]


def test_cached_rules_equal_loaded_rules(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load_rules([folder])
    assert same(cache.load_rules_cached([folder], folder=tmp_path / "cache"), plain)
    monkeypatch.setattr(cache, "load_content", lambda *_: pytest.fail("the cache was not used"))
    again = cache.load_rules_cached([folder], folder=tmp_path / "cache")
    assert same(again, plain)
    assert again.rules[0].condition == plain.rules[0].condition


def test_changed_content_is_loaded_anew(folder: Path, tmp_path: Path) -> None:
    cache.load_rules_cached([folder], folder=tmp_path / "cache")
    (folder / "a.yml").write_text(TEXT.replace("F: x", "F: y"))
    assert same(cache.load_rules_cached([folder], folder=tmp_path / "cache"), load_rules([folder]))


def test_placeholders_are_part_of_the_key(folder: Path, tmp_path: Path) -> None:
    rule = "title: p\nlogsource: {product: windows}\ndetection: {s: {F|expand: '%x%'}, condition: s}\n"
    (folder / "a.yml").write_text(rule)
    for value in ("one", "two"):
        loaded = cache.load_rules_cached([folder], {"x": [value]}, tmp_path / "cache")
        assert same(loaded, load_rules([folder], {"x": [value]}))


def _only(folder: Path) -> Path:
    (path,) = folder.glob("rules-*.json")
    return path


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "other json", "strange", "foreign type"])
def test_damaged_cache_is_passed_over(folder: Path, tmp_path: Path, damage: str) -> None:
    kept = tmp_path / "cache"
    plain = cache.load_rules_cached([folder], folder=kept)
    path = _only(kept)
    data = path.read_bytes()
    bodies = {
        "other json": b"[1, 2]",
        "strange": b'{"RuleSet": [{"Rule": [1]}]}',
        "foreign type": b'{"Popen": ["x"]}',
    }
    if damage in bodies:
        data = hashlib.sha256(bodies[damage]).hexdigest().encode() + b"\n" + bodies[damage]
    else:
        data = {"truncate": data[:-20], "flip": data[:100] + b"?" + data[101:], "empty": b""}[damage]
    path.write_bytes(data)
    assert same(cache.load_rules_cached([folder], folder=kept), plain)


@pytest.mark.skipif(sys.platform == "win32", reason="file modes")
def test_files_that_others_may_write_and_links_are_not_read(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "cache"
    cache.load_rules_cached([folder], folder=kept)
    path = _only(kept)
    key = path.name[6:-5]
    assert cache.read_cached(kept, key) is not None
    assert path.stat().st_mode & 0o077 == 0
    path.chmod(0o666)
    assert cache.read_cached(kept, key) is None
    path.chmod(0o600)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cache.read_cached(kept, key) is None


def test_folder_that_cannot_be_made(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    loaded = cache.load_rules_cached([folder], folder=tmp_path / "file" / "cache")
    assert same(loaded, load_rules([folder]))
    assert not cache.write_cached(tmp_path / "file", "k", loaded)


def test_only_the_newest_stay(tmp_path: Path) -> None:
    rules = load_content([("a.yml", TEXT.encode())])
    for number in range(cache.MAX_FILES + 3):
        assert cache.write_cached(tmp_path, f"{number}", rules)
        os.utime(tmp_path / f"rules-{number}.json", (number, number))
    assert len(list(tmp_path.iterdir())) == cache.MAX_FILES + 0
    assert (tmp_path / f"rules-{cache.MAX_FILES + 2}.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="another variable there")
def test_place_of_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x/y")
    assert cache.cache_folder() == Path("/x/y/afterpatch")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/a")
    assert cache.cache_folder() == Path("/home/a/.cache/afterpatch")
    monkeypatch.setenv("HOME", "")
    assert cache.cache_folder() is None


@settings(max_examples=150, deadline=None)
@given(detections())
def test_codec_gives_back_every_rule(detection: str) -> None:
    rules = RuleSet(rules=(rule_of(detection),))
    assert codec.decode_rules(orjson.loads(orjson.dumps(codec.encode_rules(rules)))) == rules
