"""The parts of the plane against plain Python: times, byte counts, page needles, the pool, the cache."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from afterpatch.detect import kept
from afterpatch.detect.plane.chunks import Counted, chunks
from afterpatch.detect.plane.needles import Needles
from afterpatch.detect.plane.pages import page_needles
from afterpatch.detect.plane.pool import run_tasks
from afterpatch.detect.plane.structure import ByteCounter, find_lines, stamps
from afterpatch.detect.plane.tally import MAX_SAMPLES, MAX_SEEN, Group, Sample, Samples, Seen
from afterpatch.parsers.timestamps import parse_time

plain = settings(deadline=None, max_examples=200)

# Times


@st.composite
def stamp(draw: Callable[..., Any]) -> str:
    """Times, days that do not exist, and texts that are nearly times."""
    number = [draw(st.integers(0, top)) for top in (9999, 13, 32, 25, 61, 61)]
    text = "{:04d}-{:02d}-{:02d}{}{:02d}:{:02d}:{:02d}".format(*number[:3], draw(st.sampled_from(" T")), *number[3:])
    if draw(st.integers(0, 5)) == 0:
        at = draw(st.integers(0, 18))
        text = text[:at] + draw(st.sampled_from("/:-x 9")) + text[at + 1 :]
    return text


@plain
@given(st.lists(stamp(), min_size=1, max_size=30), st.booleans())
@example(
    ["2000-02-29 00:00:00", "1900-02-29 00:00:00", "2100-02-29 00:00:00", "2020-02-29T23:59:59", "0000-01-01 00:00:00"], True
)
def test_times_are_what_the_parser_reads(texts: list[str], quoted: bool) -> None:
    tail = ".123Z," if quoted else " "
    view, lines = find_lines("".join(f"{text}{tail}some row\n" for text in texts).encode() + b"x" * 25)
    seconds, good = stamps(view, lines, quoted=quoted)
    assert not good[-1]
    for text, is_time, second in zip(texts, good.tolist()[:-1], seconds.tolist()[:-1], strict=True):
        try:
            if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}%s[0-9]{2}:[0-9]{2}:[0-9]{2}" % ("[ T]" if quoted else " "), text):
                raise ValueError(text)
            wanted = datetime.strptime(text.replace("T", " "), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            assert not is_time, text
            continue
        assert is_time, text
        assert wanted == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
        parsed = parse_time(text)
        assert parsed is None or parsed == wanted


# Bytes


@plain
@given(st.binary(max_size=600), st.integers(0, 255), st.lists(st.tuples(st.integers(0, 600), st.integers(0, 600)), max_size=20))
def test_bytes_are_counted(data: bytes, value: int, ranges: list[tuple[int, int]]) -> None:
    view = np.frombuffer(data, np.uint8)
    pairs = [(min(a, b, len(data)), min(max(a, b), len(data))) for a, b in ranges] or [(0, len(data))]
    counted = ByteCounter(view, value).between(np.array([a for a, _ in pairs]), np.array([b for _, b in pairs]))
    assert counted.tolist() == [data[a:b].count(bytes([value])) for a, b in pairs]


@plain
@given(st.binary(min_size=1, max_size=300))
def test_lines_are_found(data: bytes) -> None:
    _view, lines = find_lines(data)
    wanted = data.split(b"\n")
    if wanted[-1] == b"":
        wanted.pop()
    assert [data[a:b] for a, b in zip(lines.start.tolist(), lines.end.tolist(), strict=True)] == wanted


@plain
@given(st.binary(max_size=900), st.integers(1, 40))
def test_chunks_end_at_lines_and_lose_nothing(data: bytes, size: int) -> None:
    import io

    found = [(bytes(chunk.data), chunk.offset) for chunk in chunks(Counted(io.BytesIO(data), hashed=False), size)]
    assert b"".join(piece for piece, _ in found) == data
    assert all(data[offset : offset + len(piece)] == piece for piece, offset in found)
    assert all(piece.endswith(b"\n") for piece, _ in found[:-1])


# Pages

FREQUENT = ("/owa/auth/logon.aspx", "/ecp/default.aspx", "/owa/service.svc")
PATHS = st.one_of(
    st.sampled_from([*FREQUENT, "/owa/auth/logon.aspx.aspx", "/x/owa/auth/logon.aspx", "/owa/auth/logonn.aspx", "/a.aspx"]),
    st.text(st.sampled_from('/ owalgn.aspxsvc,"?'), max_size=24).map(lambda text: text + ".aspx"),
    st.sampled_from(["/owa/auth/logon.ASPX", "/n.aspx/x", "/n.aspxx", "/n.txt", "aspx", "/ecp/default.aspx/b.svc"]),
)


@plain
@given(st.lists(PATHS, min_size=1, max_size=8), st.sampled_from([" ", ",", '"']))
def test_page_needles_find_every_page_but_the_frequent(paths: list[str], before: str) -> None:
    """Never fewer than a naive search: a path with a page's extension that is not, as a whole, a frequent page."""
    needles = Needles(dict(enumerate(page_needles(sorted(FREQUENT), [".aspx", ".svc"]))))
    data = "".join(f"x{before}{path} 443\n" for path in paths).encode()
    _view, lines = find_lines(data)
    found = needles.lines_of(memoryview(data), lines)
    whole = re.compile(r"[^ ,\"?]*\.(?:aspx|svc)(?![a-z0-9])", re.IGNORECASE)
    for number, path in enumerate(paths):
        pages = [page for page in whole.findall(f"x{before}{path} 443") if page.lower() not in FREQUENT]
        if pages:
            assert number in found, path
        elif needles.engine == "hyperscan" and not re.search(r"(?:aspx|svc)", path, re.IGNORECASE):
            assert number not in found, path


@pytest.mark.parametrize("path", FREQUENT)
def test_frequent_pages_are_passed_over(path: str) -> None:
    needles = Needles(dict(enumerate(page_needles(sorted(FREQUENT), [".aspx", ".svc"]))))
    if needles.engine != "hyperscan":
        pytest.skip("the other engine reads every page")
    data = f"2021-03-03 06:59:10 10.0.0.5 GET {path} - 443\n".encode()
    assert needles.scan(data) == []
    assert needles.scan(data.replace(b"GET /", b"GET /x/")) != []


# Samples and values that merging must not change


@plain
@given(st.lists(st.integers(0, 500), max_size=40, unique=True), st.integers(0, 40))
def test_samples_are_the_first_few_and_the_last_in_whatever_order(numbers: list[int], cut: int) -> None:
    made = [Sample(datetime(2021, 1, 1, tzinfo=UTC), 0, number, number, "") for number in numbers]
    one, left, right = Samples(), Samples(), Samples()
    for sample in made:
        one.add(sample)
    for sample in made[:cut]:
        left.add(sample)
    for sample in made[cut:]:
        right.add(sample)
    left.merge(right)
    ordered = sorted(made)
    wanted = ordered if len(ordered) <= MAX_SAMPLES else [*ordered[: MAX_SAMPLES - 1], ordered[-1]]
    assert one.kept == left.kept == wanted


@plain
@given(st.lists(st.text("abcxyz", max_size=3), max_size=60), st.integers(0, 60))
def test_seen_values_do_not_depend_on_the_order(values: list[str], cut: int) -> None:
    left, right = Seen(), Seen()
    for value in values[:cut]:
        left.add(value)
    for value in values[cut:]:
        right.add(value)
    right.merge(left)
    assert right.values == set(sorted(set(values) - {""})[:MAX_SEEN])


def test_groups_of_logs_are_summed() -> None:
    one, other = Group("d", ()), Group("d", ())
    early, late = (Sample(datetime(2021, 1, day, tzinfo=UTC), day, 1, 0, "") for day in (1, 2))
    one.add("iis", late, {"a": "x"}, 5)
    other.add("httpproxy", early, {"a": "y"}, 7)
    one.merge(other)
    assert (one.first, one.last, one.bytes_out) == (early.time, late.time, 12)
    assert one.counts == {"iis": 1, "httpproxy": 1}
    assert one.seen["a"].values == {"x", "y"}


# The pool


def _double(state: int, task: int) -> int:
    return state * task


def _die_on_seven(state: int, task: int) -> int:
    if task == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return state * task


def _run(function: Callable[[int, int], int], tasks: list[int], *, jobs: int, weight: int = 30 << 20) -> Any:
    done: list[int] = []
    outcome = run_tasks(function, tasks, [weight] * len(tasks), jobs=jobs, state=10, make_state=lambda: 10, progress=done.append)
    assert sum(done) == weight * len(outcome.results)
    return outcome


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_every_task_is_done(jobs: int) -> None:
    outcome = _run(_double, list(range(20)), jobs=jobs)
    assert outcome.results == {number: number * 10 for number in range(20)}
    assert (outcome.died, outcome.interrupted) == ([], False)


def test_no_task_is_no_work() -> None:
    assert _run(_double, [], jobs=2).results == {}


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_a_worker_that_dies_costs_only_its_task() -> None:
    outcome = _run(_die_on_seven, [1, 7, 3, 4, 5, 6], jobs=2)
    assert outcome.died == [1]
    assert outcome.results == {0: 10, 2: 30, 3: 40, 4: 50, 5: 60}
    assert not outcome.interrupted


def test_an_interruption_keeps_what_is_done() -> None:
    def stop_at_three(state: int, task: int) -> int:
        if task == 3:
            raise KeyboardInterrupt
        return state * task

    outcome = run_tasks(stop_at_three, [1, 2, 3, 4], [1] * 4, jobs=1, state=10, make_state=lambda: 10)
    assert outcome.interrupted
    assert outcome.results == {0: 10, 1: 20}


# The cache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "afterpatch"


def test_what_is_kept_comes_back(cache: Path) -> None:
    assert kept.load("x", "ab" * 20) is None
    kept.store("x", "ab" * 20, b"data")
    assert kept.load("x", "ab" * 20) == b"data"
    assert kept.load("x", "cd" * 20) is None
    assert (cache.stat().st_mode & 0o077) == 0


@pytest.mark.skipif(os.name == "nt", reason="needs modes and links")
@pytest.mark.parametrize("how", ["cut", "changed", "empty", "writable", "link", "folder"])
def test_a_damaged_or_foreign_cache_is_passed_over(cache: Path, how: str) -> None:
    kept.store("x", "ab" * 20, b"data" * 10)
    (path,) = cache.iterdir()
    raw = path.read_bytes()
    if how == "cut":
        path.write_bytes(raw[:-1])
    elif how == "changed":
        path.write_bytes(raw[:-1] + b"X")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "writable":
        path.chmod(0o666)
    else:
        path.unlink()
        if how == "link":
            (cache.parent / "other").write_bytes(raw)
            path.symlink_to(cache.parent / "other")
        else:
            path.mkdir()
    assert kept.load("x", "ab" * 20) is None
    kept.store("x", "ab" * 20, b"again")


def test_a_cache_that_cannot_be_written_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    kept.store("x", "ab" * 20, b"data")
    assert kept.load("x", "ab" * 20) is None
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert kept.folder() is None
    kept.store("x", "ab" * 20, b"data")


def test_the_cache_does_not_grow(cache: Path) -> None:
    for number in range(kept.MAX_FILES + 5):
        kept.store("x", f"{number:040x}", b"data")
    assert len(list(cache.iterdir())) == kept.MAX_FILES


def test_a_damaged_database_is_made_again(cache: Path) -> None:
    pytest.importorskip("hyperscan")
    needles = dict(enumerate(page_needles(["/a.aspx"], [".aspx"])))
    first = Needles(needles).scan(b" /b.aspx \n")
    for path in cache.iterdir():
        data = b"not a database"
        import hashlib

        path.write_bytes(hashlib.sha256(data).digest() + data)
    assert Needles(needles).scan(b" /b.aspx \n") == first != []


def test_the_databases_of_all_kinds_of_logs_fit_into_the_cache(plan: Any) -> None:
    assert len(set(plan.wanted.values())) <= kept.MAX_FILES
