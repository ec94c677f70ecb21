"""Files, documents, errors with their lines, collections, filters and our own keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterpatch.detect.sigma.compile import compile_rule
from afterpatch.detect.sigma.load import load_content, load_rules
from afterpatch.detect.sigma.model import Example, Keys
from afterpatch.detect.sigma.view import DictView

GOOD = """\
title: Good
id: 11111111-1111-4111-8111-111111111111
name: good
status: test
level: high
related:
  - {id: 22222222-2222-4222-8222-222222222222, type: derived}
tags: [attack.t1505.003]
references: [https://example.com/a]
falsepositives: [Unlikely]
fields: [F]
date: 2021-03-03
team: blue
logsource: {category: webserver, definition: any}
detection:
  selection: {F: a}
  spare: {F: b}
  condition: selection
"""


def one(text: str, **placeholders: list[str]):
    return load_content([("a.yml", text.encode())], placeholders)


def test_header_is_kept() -> None:
    rule = one(GOOD).rules[0]
    assert (rule.id, rule.name, rule.title) == ("11111111-1111-4111-8111-111111111111", "good", "Good")
    assert rule.header.level == "high"
    assert rule.header.date == "2021-03-03"
    assert rule.header.custom == ("team",)
    assert rule.header.related[0].type == "derived"
    assert rule.logsource.category == "webserver"
    assert rule.unused == ("spare",)
    assert rule.keys == Keys()


def test_our_keys() -> None:
    text = (
        GOOD
        + """\
afterpatch:
  chain: proxylogon
  stage: attempted
  confidence: high
  backdoor: web-shell
  subject: [source.ip, url.page]
  role: scanner
  explain: Why.
  benign: [One]
  next_steps: [Do]
  examples:
    fire:
      - {kind: iis, line: "2021-03-03 a"}
      - {kind: httpproxy, fields: {AnchorMailbox: "x", HttpStatus: 200, Day: 2021-03-03}}
    quiet: []
"""
    )
    keys = one(text).rules[0].keys
    assert keys.present
    assert keys.chain == "proxylogon"
    assert keys.subject == ("source.ip", "url.page")
    assert keys.fire == (
        Example("iis", (), "2021-03-03 a"),
        Example("httpproxy", (("AnchorMailbox", "x"), ("HttpStatus", "200"), ("Day", "2021-03-03"))),
    )
    assert keys.quiet == ()


def detection(body: str) -> str:
    return f"title: T\nlogsource: {{product: windows}}\ndetection:\n{body}"


BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, 8))
REFUSED = [
    ("a: [1, 2", 2, "not YAML"),
    ("- 1\n- 2\n", 1, "a rule must be a mapping"),
    ("title: a\ntitle: b\n", 2, "duplicate key 'title' (first in line 1)"),
    ("x: !!python/object:os.system a\n", 1, "tag"),
    ("title: a\n", 1, "neither a detection"),
    ("logsource: {product: a}\ndetection: {a: {b: c}, condition: a}\n", 1, "title is missing"),
    ("title: a\ndetection: {a: {b: c}, condition: a}\n", 1, "logsource is missing"),
    ("title: a\nlogsource: {definition: b}\ndetection: {a: {b: c}, condition: a}\n", 2, "names no category"),
    ("title: a\nlevel: bad\nlogsource: {product: a}\ndetection: {a: {b: c}, condition: a}\n", 2, "'level: bad'"),
    ("title: a\nstatus: bad\nlogsource: {product: a}\ndetection: {a: {b: c}, condition: a}\n", 2, "'status: bad'"),
    ("title: a\nlogsource: {product: a}\ndetection: [a]\n", 3, "'detection' must be a mapping"),
    ("title: a\ntaxonomy: ecs\nlogsource: {product: a}\ndetection: {a: {b: c}, condition: a}\n", 2, "taxonomy 'ecs'"),
    (detection("  a: {b: c}\n"), 4, "no condition"),
    (detection("  a: {b: c}\n  condition: a and\n"), 5, "missing before 'the end'"),
    (detection("  a: {b: c}\n  condition: b\n"), 5, "'b' is not defined"),
    (detection("  a: {b: c}\n  condition: (a\n"), 5, "closing parenthesis"),
    (detection("  a: {b: c}\n  condition: a a\n"), 5, "not expected"),
    (detection("  a: {b: c}\n  condition: 1 of b*\n"), 5, "no selection has such a name"),
    (detection("  a: {b: c}\n  condition: 2 of a*\n"), 5, "only 1 selections"),
    (detection("  a: {b: c}\n  condition: some of a*\n"), 5, "expected a number"),
    (detection("  a: {b: c}\n  condition: a*\n"), 5, "needs '1 of'"),
    (detection("  a: {b: c}\n  condition: a | count() by b > 5\n"), 5, "write a correlation rule"),
    (detection("  a: {b: c}\n  timeframe: 5m\n  condition: a\n"), 5, "'timeframe' was dropped"),
    (detection("  a: []\n  condition: a\n"), 4, "empty"),
    (detection("  a: {}\n  condition: a\n"), 4, "empty"),
    (detection("  a:\n    b: []\n  condition: a\n"), 5, "empty list"),
    (detection("  a:\n    b: {c: d}\n  condition: a\n"), 5, "mapping as value"),
    (detection("  a:\n    - [b]\n  condition: a\n"), 4, "list in a list"),
    (detection("  a:\n    b|contans: c\n  condition: a\n"), 5, "'contans' is not known"),
    (detection("  a:\n    b|contains|contains: c\n  condition: a\n"), 5, "twice"),
    (detection("  a:\n    b|contains|startswith: c\n  condition: a\n"), 5, "only one of"),
    (detection("  a:\n    b|contains|re: c\n  condition: a\n"), 5, "must come first"),
    (detection("  a:\n    b|i: c\n  condition: a\n"), 5, "must follow 're'"),
    (detection("  a:\n    b|re|cased: c\n  condition: a\n"), 5, "needs a string"),
    (detection("  a:\n    b|re:\n      - c\n      - '('\n  condition: a\n"), 7, "regular expression"),
    (detection("  a:\n    b|re: ''\n  condition: a\n"), 5, "empty regular expression"),
    (detection("  a:\n    b|gt: c\n  condition: a\n"), 5, "needs a number"),
    (detection("  a:\n    b|gt|lt: 5\n  condition: a\n"), 5, "needs a number"),
    (detection("  a:\n    b|hour: 24\n  condition: a\n"), 5, "from 0 to 23"),
    (detection("  a:\n    b|exists: c\n  condition: a\n"), 5, "true or false"),
    (detection("  a:\n    b|exists|neq: true\n  condition: a\n"), 5, "stands alone"),
    (detection("  a:\n    b|cidr: 192.0.2.1/24\n  condition: a\n"), 5, "host bits"),
    (detection("  a:\n    b|contains: null\n  condition: a\n"), 5, "needs a string"),
    (detection("  a:\n    b|base64: 'a*c'\n  condition: a\n"), 5, "wildcards"),
    (detection("  a:\n    b|base64offset: ab\n  condition: a\n"), 5, "at least 3"),
    (detection("  a:\n    b|wide: '\u00e9'\n  condition: a\n"), 5, "needs 'base64'"),
    (detection("  a:\n    b|wide|utf16be: a\n  condition: a\n"), 5, "encoded already"),
    (detection("  a:\n    b|fieldref: 'a*'\n  condition: a\n"), 5, "name of a field"),
    (detection("  a:\n    b|expand: '%x%'\n  condition: a\n"), 5, "placeholder %x%"),
    (detection("  a:\n    '|cidr': 192.0.2.0/24\n  condition: a\n"), 5, "needs a field"),
    (detection("  a: [null]\n  condition: a\n"), 4, "a keyword must be"),
    (detection("  a: ['**']\n  condition: a\n"), 4, "matches everything"),
    (GOOD + "afterpatch:\n  stgae: used\n", 20, "no key 'stgae'"),
    (GOOD + "afterpatch:\n  stage: owned\n", 20, "'stage: owned'"),
    (GOOD + "afterpatch:\n  role: other\n", 20, "'role: other'"),
    (GOOD + "afterpatch:\n  examples:\n    fire:\n      - {kind: iis}\n", 22, "either fields or a line"),
    (GOOD + "afterpatch:\n  examples:\n    fires: []\n", 20, "fire and quiet"),
    ("", 0, "holds no rule"),
    ("a: " + "[" * 300 + "]" * 300, 0, "nested too deep"),
    (
        BOMB,
        1,
        "aliases count",
    ),
]


@pytest.mark.parametrize(("text", "line", "message"), REFUSED)
def test_refused_with_line_and_reason(text: str, line: int, message: str) -> None:
    loaded = one(text)
    assert loaded.rules == ()
    assert len(loaded.errors) == 1
    error = loaded.errors[0]
    assert message in error.message
    assert (error.path, error.line) == ("a.yml", line)
    assert str(error).startswith(f"a.yml:{line}: ")


def test_deep_block_nesting_is_refused() -> None:
    text = "\n".join(" " * depth + "a:" for depth in range(600))
    assert "deep" in one(text).errors[0].message


def test_not_utf8_and_too_large() -> None:
    assert load_content([("a.yml", b"title: \xff\xfe")]).errors[0].message == "not valid UTF-8"
    assert "larger than" in load_content([("a.yml", b"#" * (5 << 20))]).errors[0].message


def test_one_bad_rule_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "good.yml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text("title: [")
    (tmp_path / "two.yml").write_text(detection("  a: {b: c}\n  condition: a\n---\ntitle: x\n"))
    (tmp_path / "notes.txt").write_text("title: [")
    loaded = load_rules([tmp_path, tmp_path / "nowhere"])
    assert sorted(rule.title for rule in loaded.rules) == ["Good", "T"]
    assert sorted(error.message.split(":")[0] for error in loaded.errors) == [
        "neither a detection, a correlation nor a filter",
        "no such file or folder",
        "not YAML",
    ]
    assert loaded.files == 3


def test_version_depends_on_content_not_on_names(tmp_path: Path) -> None:
    for folder, names in (("x", ("a.yml", "b.yml")), ("y", ("c.yml", "d.yml"))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / names[0]).write_text(GOOD)
        (tmp_path / folder / names[1]).write_text(detection("  a: {b: c}\n  condition: a\n"))
    first, second = load_rules([tmp_path / "x"]), load_rules([tmp_path / "y"])
    assert first.version == second.version
    (tmp_path / "y" / "d.yml").write_text(GOOD.replace("F: a", "F: z"))
    assert load_rules([tmp_path / "y"]).version != first.version


def test_second_rule_of_an_id_is_refused() -> None:
    loaded = load_content([("a.yml", GOOD.encode()), ("b.yml", GOOD.encode())])
    assert len(loaded.rules) == 1
    assert "is taken by a.yml:1" in loaded.errors[0].message


def test_several_conditions_are_alternatives() -> None:
    rule = one(detection("  a: {F: x}\n  b: {F: y}\n  condition: [a, b]\n")).rules[0]
    compiled = compile_rule(rule)
    assert [compiled.match(DictView({"F": value})) for value in "xyz"] == [True, True, False]


def test_collections_of_sigma_1() -> None:
    text = """\
action: global
title: Both
id: 33333333-3333-4333-8333-333333333333
detection: {condition: a}
---
logsource: {product: windows}
detection: {a: {F: x}}
---
action: repeat
logsource: {product: linux}
---
action: reset
---
title: Alone
logsource: {product: windows}
detection: {a: {F: y}, condition: a}
"""
    loaded = one(text)
    assert loaded.errors == ()
    assert [(rule.title, rule.id[-2:], rule.logsource.product) for rule in loaded.rules] == [
        ("Both", "33", "windows"),
        ("Both", "#2", "linux"),
        ("Alone", "14", "windows"),
    ]


FILTER = """\
---
title: Not the test machine
logsource: {category: webserver}
filter:
  rules: %s
  selection: {G: test}
  condition: selection
"""


@pytest.mark.parametrize("names", ["[good]", "[11111111-1111-4111-8111-111111111111]", "any"])
def test_filters_are_put_into_the_rules_they_name(names: str) -> None:
    loaded = one(GOOD + FILTER % names)
    assert loaded.errors == ()
    compiled = compile_rule(loaded.rules[0])
    assert compiled.match(DictView({"F": "a", "G": "live"}))
    assert not compiled.match(DictView({"F": "a", "G": "test"}))


def test_filter_of_another_log_source_does_not_apply() -> None:
    loaded = one(GOOD + (FILTER % "any").replace("webserver", "proxy"))
    assert compile_rule(loaded.rules[0]).match(DictView({"F": "a", "G": "test"}))


def test_filter_for_a_rule_nobody_loaded() -> None:
    assert "not loaded" in one(GOOD + FILTER % "[nobody]").errors[0].message


def test_names_that_start_with_an_underscore_are_not_them() -> None:
    rule = one(detection("  a: {F: x}\n  _b: {F: y}\n  condition: 1 of them\n")).rules[0]
    assert not compile_rule(rule).match(DictView({"F": "y"}))
    assert rule.unused == ("_b",)
