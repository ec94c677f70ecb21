"""Every modifier and value type, one table: detection, record, verdict."""

from __future__ import annotations

import base64

import pytest

B64_LONG = base64.b64encode(b"xx whoami /all yy").decode()
B64_WIDE = base64.b64encode("a whoami b".encode("utf-16-le")).decode()

CASES = [
    ("selection: {F: abc}", {"F": "ABC"}, True),
    ("selection: {F: abc}", {"F": "abcd"}, False),
    ("selection: {F: abc}", {}, None),
    ("selection: {F: [abc, d]}", {"F": "d"}, True),
    ("selection: {F: 4688}", {"F": "4688"}, True),
    ("selection: {F: 4688}", {"F": "46880"}, False),
    ("selection: {F: 0x17}", {"F": "0x17"}, True),
    ("selection: {F: 0x17}", {"F": "23"}, True),
    ("selection: {F: true}", {"F": "True"}, True),
    ("selection: {F: 2021-03-03}", {"F": "2021-03-03"}, True),
    ("selection: {F: ''}", {"F": ""}, True),
    ("selection: {F: ''}", {"F": "a"}, False),
    ("selection: {F: null}", {"F": ""}, True),
    ("selection: {F: null}", {"F": "a"}, False),
    ("selection: {F: null}", {}, None),
    ("selection: {F: 'a*c'}", {"F": "abbbc"}, True),
    ("selection: {F: 'a*c'}", {"F": "abbbcd"}, False),
    ("selection: {F: 'a?c'}", {"F": "abc"}, True),
    ("selection: {F: 'a?c'}", {"F": "ac"}, False),
    ("selection: {F: 'a?c'}", {"F": "a\nc"}, True),
    ("selection: {F: '*a*b*'}", {"F": "xbxaxb"}, True),
    ("selection: {F: '*a*b*'}", {"F": "xbxa"}, False),
    ("selection: {F: 'ab*ba'}", {"F": "aba"}, False),
    ("selection: {F: '*'}", {"F": ""}, True),
    (r"selection: {F: 'a\*c'}", {"F": "a*c"}, True),
    (r"selection: {F: 'a\*c'}", {"F": "abc"}, False),
    (r"selection: {F: 'C:\Windows'}", {"F": "c:\\windows"}, True),
    (r"selection: {F: 'C:\\Windows'}", {"F": "c:\\windows"}, True),
    (r"selection: {F: 'C:\\*'}", {"F": "c:\\windows"}, True),
    (r"selection: {F: 'C:\\\*'}", {"F": "c:\\*"}, True),
    (r"selection: {F: 'C:\\\*'}", {"F": "c:\\a"}, False),
    (r"selection: {F: '\\\\srv\share'}", {"F": "\\\\srv\\share"}, True),
    (r"selection: {F: '\\\srv\share'}", {"F": "\\\\srv\\share"}, True),
    ("selection: {F|contains: b}", {"F": "aBc"}, True),
    ("selection: {F|startswith: ab}", {"F": "ABC"}, True),
    ("selection: {F|startswith: bc}", {"F": "ABC"}, False),
    ("selection: {F|endswith: bc}", {"F": "ABC"}, True),
    ("selection: {F|contains: 12}", {"F": "a123"}, True),
    ("selection: {F|contains|all: [a, c]}", {"F": "abc"}, True),
    ("selection: {F|contains|all: [a, d]}", {"F": "abc"}, False),
    ("selection: {F|cased: abc}", {"F": "Abc"}, False),
    ("selection: {F|contains|cased: B}", {"F": "aBc"}, True),
    ("selection: {F|cased|contains: B}", {"F": "abc"}, False),
    ("selection: {F|re: 'a.c$'}", {"F": "xabc"}, True),
    ("selection: {F|re: 'A.c'}", {"F": "abc"}, False),
    ("selection: {F|re|i: 'A.c'}", {"F": "abc"}, True),
    ("selection: {F|re|s: 'a.c'}", {"F": "a\nc"}, True),
    ("selection: {F|re: 'a.c'}", {"F": "a\nc"}, False),
    ("selection: {F|re|m: '^b$'}", {"F": "a\nb\nc"}, True),
    ("selection: {F|re|i|s: '^A.B$'}", {"F": "a\nb"}, True),
    ("selection: {F|re|startswith: 'b+'}", {"F": "abb"}, False),
    ("selection: {F|re|endswith: 'b+'}", {"F": "abb"}, True),
    ("selection: {F|re|contains: 'b+'}", {"F": "abbc"}, True),
    ("selection: {F|re: 'a(?i)b'}", {"F": "aB"}, True),
    ("selection: {F|re: 'a(?i)b'}", {"F": "AB"}, False),
    (r"selection: {F|re: '[[:alpha:]]{3}\z'}", {"F": "12abc"}, True),
    (r"selection: {F|re: '(?<x>a)(?P=x)'}", {"F": "aa"}, True),
    (r"selection: {F|re: '\Q.+\E'}", {"F": "a.+"}, True),
    (r"selection: {F|re: '\x{41}'}", {"F": "A"}, True),
    ("selection: {F|exists: true}", {"F": "a"}, True),
    ("selection: {F|exists: true}", {"F": ""}, False),
    ("selection: {F|exists: false}", {"F": ""}, True),
    ("selection: {F|exists: false}", {}, None),
    ("selection: {F|lt: 10}", {"F": "9.5"}, True),
    ("selection: {F|lt: 10}", {"F": "10"}, False),
    ("selection: {F|lte: 10}", {"F": "10"}, True),
    ("selection: {F|gt: 10}", {"F": "11"}, True),
    ("selection: {F|gte: 10}", {"F": "abc"}, False),
    ("selection: {F|gte: -1.5}", {"F": "-1.5"}, True),
    ("selection: {F|neq: a}", {"F": "b"}, True),
    ("selection: {F|neq: a}", {"F": "A"}, False),
    ("selection: {F|neq: [a, b]}", {"F": "b"}, False),
    ("selection: {F|neq: a}", {}, None),
    ("selection: {F|contains|neq: a}", {"F": "xay"}, False),
    ("selection: {F|neq: 5}", {"F": "6"}, True),
    ("selection: {F|hour: 6}", {"F": "2021-03-03T06:59:10.817Z"}, True),
    ("selection: {F|minute: 59}", {"F": "06:59:10"}, True),
    ("selection: {F|day: 3}", {"F": "2021-03-03"}, True),
    ("selection: {F|week: 9}", {"F": "2021-03-03"}, True),
    ("selection: {F|month: 4}", {"F": "2021-03-03"}, False),
    ("selection: {F|year: 2021}", {"F": "2021-03-03 01:02:03"}, True),
    ("selection: {F|hour|gte: 6}", {"F": "2021-03-03T06:59:10.817Z"}, True),
    ("selection: {F|hour|lt: 6}", {"F": "no time"}, False),
    ("selection: {F|week: 1}", {"F": "2021-99-99"}, False),
    ("selection: {F|base64: whoami}", {"F": "d2hvYW1p"}, True),
    ("selection: {F|base64|contains: whoami}", {"F": "xx d2hvYW1p yy"}, True),
    ("selection: {F|base64offset|contains: whoami}", {"F": B64_LONG}, True),
    ("selection: {F|base64offset|contains: whoamj}", {"F": B64_LONG}, False),
    ("selection: {F|wide|base64offset|contains: whoami}", {"F": B64_WIDE}, True),
    ("selection: {F|utf16le|base64offset|contains: whoami}", {"F": B64_WIDE}, True),
    ("selection: {F|utf16|base64: ab}", {"F": base64.b64encode(b"\xff\xfea\0b\0").decode()}, True),
    ("selection: {F|utf16be|base64: ab}", {"F": base64.b64encode(b"\0a\0b").decode()}, True),
    ("selection: {F|wide|contains: ab}", {"F": "xa\0b\0"}, True),
    ("selection: {F|windash|contains: ' -enc'}", {"F": "p /enc x"}, True),
    ("selection: {F|contains|windash: ' -enc'}", {"F": "p \u2015enc x"}, True),
    ("selection: {F|windash|contains: ' -enc'}", {"F": "p +enc x"}, False),
    ("selection: {F|windash|contains: 'a-b'}", {"F": "a/b"}, False),
    ("selection: {F|windash|contains|all: [' -a', ' -b']}", {"F": "x /b /a"}, True),
    ("selection: {F|cidr: 192.0.2.0/24}", {"F": "192.0.2.77"}, True),
    ("selection: {F|cidr: 192.0.2.0/24}", {"F": "192.0.3.77"}, False),
    ("selection: {F|cidr: 192.0.2.0/24}", {"F": "::ffff:192.0.2.1"}, True),
    ("selection: {F|cidr: 'fe80::/10'}", {"F": "fe80::1%3"}, True),
    ("selection: {F|cidr: 'fe80::/10'}", {"F": "host.example.com"}, False),
    ("selection: {F|fieldref: G}", {"F": "a", "G": "A"}, True),
    ("selection: {F|fieldref: G}", {"F": "a", "G": "b"}, False),
    ("selection: {F|fieldref: G}", {"F": "a"}, None),
    ("selection: {F|fieldref|contains: G}", {"F": "xay", "G": "A"}, True),
    ("selection: {F|fieldref|startswith: G}", {"F": "ay", "G": "A"}, True),
    ("selection: {F|fieldref|endswith: G}", {"F": "ya", "G": "A"}, True),
    ("selection: {F|fieldref|cased: G}", {"F": "a", "G": "A"}, False),
    ("selection: {F|fieldref|neq: G}", {"F": "a", "G": "b"}, True),
    ("selection: {F: a, G: b}", {"F": "a", "G": "b"}, True),
    ("selection: {F: a, G: b}", {"F": "a"}, None),
    ("selection: {F: a, G: b}", {"G": "c"}, False),
    ("selection: [{F: a}, {G: b}]", {"F": "x", "G": "b"}, True),
    ("selection: [{F: a}, {G: b}]", {"F": "a"}, True),
    ("selection: [one, two]", {"F": "it is TWO"}, True),
    ("selection: [one, 200]", {"F": "x200y"}, True),
    ("selection: {'|all': [one, two]}", {"F": "one", "G": "two"}, True),
    ("selection: {'|all': [one, two]}", {"F": "one"}, False),
    ("selection: [one, {G: b}]", {"F": "x", "G": "b"}, True),
    ("selection: {'|re': ['on.']}", {"F": "xone"}, True),
    ("selection: word", {"F": "a WORD"}, True),
]


@pytest.mark.parametrize(("detection", "fields", "expected"), CASES)
def test_value_against_record(judge, detection: str, fields: dict[str, str], expected: bool | None) -> None:
    assert judge(detection, fields) is expected


def test_kelvin_sign_and_dotted_i_do_not_turn_into_ascii(judge) -> None:
    assert judge("selection: {F: k}", {"F": "\u212a"}) is False
    assert judge("selection: {F|contains: i}", {"F": "\u0130"}) is False


def test_final_sigma_compares_letter_by_letter(judge) -> None:
    assert judge("selection: {F|contains: '\u03b1\u03c3'}", {"F": "\u0391\u03a3"}) is True


def test_placeholders_are_filled_and_escaped(make_rule) -> None:
    from afterpatch.detect.sigma.compile import compile_rule
    from afterpatch.detect.sigma.view import DictView

    text = "selection:\n  F|expand: '%hosts%\\%x'\n  G|contains|expand: '%hosts%'\ncondition: selection"
    rule = compile_rule(make_rule(text, {"hosts": ["srv*", "db1"]}))
    assert rule.match(DictView({"F": "srv9%x", "G": "a db1 b"}))
    assert not rule.match(DictView({"F": "web%x", "G": "db1"}))
