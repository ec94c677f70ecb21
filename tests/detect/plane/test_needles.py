"""The shortcut for unusual lines says what reading the whole line says; scans come through a process as they were."""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.detect.plane import tally
from afterpatch.detect.plane.needles import Needle, Needles
from afterpatch.detect.plane.plan import Plan
from afterpatch.detect.plane.run import scan_logs
from afterpatch.detect.plane.structure import find_lines
from afterpatch.detect.plane.tally import Hour, LogScan
from afterpatch.detect.sigma.literals import frequency, spellings
from afterpatch.evidence import collect

LITERALS = (b"/owa/auth/x", b"autodiscover", b"shell.aspx", b"domain/admin", b"powershell")
WORDS = st.lists(
    st.sampled_from(
        [
            "/owa/auth/x", "%2fowa%2fauth%2fx", "/owa//auth/x", "shell%2easpx", "shell%252easpx", "s%68ell.aspx",
            "autod%69scover",
            "DOMAIN\\admin", "https%3a%2f%2fmail", "%75", "%", "a//b", "%u0070owershell", '"', ",", "-", "?", "%20", "%2c",
        ]
    ),
    max_size=8,
)  # fmt: skip


@pytest.mark.parametrize("extra", [(), (b"two words",)])
@pytest.mark.parametrize("fallback", [False, True])
@given(lines=st.lists(st.tuples(WORDS, st.sampled_from([" ", ",", ""])), min_size=1, max_size=5))
def test_no_unusual_line_is_missed(fallback: bool, extra: tuple[bytes, ...], lines: list[tuple[list[str], str]]) -> None:
    """`extra`: a literal with a blank, for which words cannot tell."""
    literals = (*LITERALS, *extra)
    needles = Needles({number: Needle((literal,)) for number, literal in enumerate(literals)}, force_fallback=fallback)
    raw = [between.join(words).encode() for words, between in lines]
    data = b"\n".join(raw) + b"\n"
    found = needles.lines_of(memoryview(data), find_lines(data)[1])
    for number, line in enumerate(raw):
        known = spellings(line)
        expected = {place for place, literal in enumerate(literals) if any(literal in each for each in known)}
        assert found.get(number, frozenset()) == expected, line


def test_what_is_searched_in_pairs_is_found_in_two_words() -> None:
    """`.aspx` is searched together with `500`: the first hidden in one word, the second plain in another, or the other way."""
    needles = Needles({0: Needle((b".aspx", b"500"))})
    lines = [b"POST /logon%2easpx - 500", b"POST /logon.aspx?a=%35%30%30 -", b"POST /logon%2easpx - 200", b"POST /logon.aspx 500"]
    data = b"\n".join(lines) + b"\n"
    assert set(needles.lines_of(memoryview(data), find_lines(data)[1])) == {0, 1, 3}


def test_needles_of_one_group_are_told_apart() -> None:
    wanted = [(b"shell.aspx",), (b"shell.aspx", b"post"), (b"shell.aspx", b"post", b"200"), (b"shell.aspx", b"get")]
    needles = Needles({number: Needle(each) for number, each in enumerate(wanted)})
    data = b"POST /shell.aspx 404\nGET /shell.aspx 200\nPOST /shell.aspx 200\nPOST /a.aspx 200\n"
    assert needles.lines_of(memoryview(data), find_lines(data)[1]) == {0: {0, 1}, 1: {0, 3}, 2: {0, 1, 2}}


@pytest.mark.parametrize("text", [b"2023", b"2022-08", b"301", b"1326"])
def test_numbers_are_not_what_is_searched_for(text: bytes) -> None:
    """A year stands on every line of its year, a status in times and addresses."""
    assert frequency(text) > frequency(b"antsword")
    assert frequency(b"2023") > 0.5 > frequency(b"20.23.5.7")


@settings(deadline=None)
@given(
    lines=st.integers(0, 9),
    bad=st.dictionaries(st.sampled_from(["cut", "too-long"]), st.integers(1, 9)),
    hours=st.dictionaries(st.integers(0, 9), st.builds(Hour, st.integers(1, 9), st.just(0), st.just(3))),
    sha256=st.sampled_from(["", "ab"]),
    joins=st.sets(st.sampled_from(["a", "b"])),
)
def test_a_sent_scan_is_the_same(
    lines: int, bad: dict[str, int], hours: dict[int, Hour], sha256: str, joins: set[str]
) -> None:
    scan = LogScan(7, 2, lines=lines, bad=Counter(bad), hours=hours, sha256=sha256, joins=joins)
    sent = pickle.loads(pickle.dumps(scan))
    assert sent == scan
    assert all(type(getattr(sent, name)) is type(getattr(scan, name)) for name in LogScan.__slots__)


def test_shared_containers_stay_empty(tmp_path: Path, plan: Plan) -> None:
    row = b"2021-03-03 06:59:10 POST /owa/auth/errorEE.aspx 203.0.113.9 200\r\n"
    for number in range(4):
        folder = tmp_path / f"W3SVC{number}"
        folder.mkdir()
        (folder / "u_ex210303.log").write_bytes(b"#Fields: date time cs-method cs-uri-stem c-ip sc-status\r\n" + row * 120_000)
    artifacts = collect([str(tmp_path)]).artifacts
    read = scan_logs(artifacts, lambda _artifact: "", plan, jobs=2, make_plan=lambda: plan)
    assert [scan.records for _index, scan in sorted(read.scans.items())] == [120_000] * 4
    assert len({id(scan.bad) for scan in read.scans.values()}) == 1  # shared
    assert replace(tally._EMPTY, artifact=0) == LogScan(0)
