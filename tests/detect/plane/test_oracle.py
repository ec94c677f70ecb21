"""The fast way over bytes tells what the exact reader and all rules over every line tell."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from told import apart, both, job, told

from afterpatch.assess.detections import frequent_pages
from afterpatch.detect.plane import run
from afterpatch.detect.plane.plan import Plan, make_plan
from afterpatch.detect.plane.scan import scan_log
from afterpatch.evidence import collect
from afterpatch.model import Artifact, Locator
from afterpatch.parsers.lines import LIMIT

KINDS = ("iis", "httpproxy", "ecp-server", "oab-generator", "ews", "cmdlet", "admin-audit", "owa-server", "rps-http")
IIS_COLUMNS = (
    "s-ip", "cs-method", "cs-uri-stem", "cs-uri-query", "s-port", "cs-username", "c-ip", "cs(User-Agent)", "cs(Referer)",
    "sc-status", "sc-substatus", "sc-win32-status", "time-taken", "X-Forwarded-For", "s-computername", "cs-host",
)  # fmt: skip
VALUES = {
    "s-ip": ["10.0.0.5", "fe80::1%3"],
    "cs-method": ["GET", "POST", "HEAD", "-"],
    "cs-uri-stem": [
        "/owa/auth/logon.aspx", "/ecp/y.js", "/owa/auth/x.aspx", "/aspnet_client/shell.aspx", "/ecp/%79.js", "/OWA/AUTH/Logon.ASPX",  # noqa: E501
        "/autodiscover/autodiscover.json", "/owa//auth//errorEE.aspx", "/owa/auth/logon%2easpx", "/x/ecp/default.aspx", "-",
        "/owa/auth/..%2f..%2fx.aspx", "/owa/auth/logon.aspx/a/b.asmx",
    ],
    "cs-uri-query": ["-", "&cafeReqId=e8d45ce7-0bba-455c-ae81-09f00ccf08e3;", "a=%41&b=x.aspx", "@foo.com/powershell?Email=a%40b.c",  # noqa: E501
                     "Email=autodiscover/autodiscover.json%3f@foo.com", "__VIEWSTATE=%2FwEy", "%2561=1"],
    "s-port": ["443", "444", "80"],
    "cs-username": ["-", "EXAMPLE\\EXCH01$", "user"],
    "c-ip": ["203.0.113.9", "10.0.0.7", "2001:db8::5"],
    "cs(User-Agent)": ["-", "python-requests/2.25.1", "antSword/v2.1", "Mozilla/5.0+(Windows+NT+10.0)", "ExchangeServicesClient/0.0.0.0"],  # noqa: E501
    "cs(Referer)": ["-", "https://mail.example.com/owa/"],
    "sc-status": ["200", "302", "401", "404", "241", "500"],
    "sc-substatus": ["0"], "sc-win32-status": ["0", "64"], "time-taken": ["1", "900"],
    "X-Forwarded-For": ["-", "203.0.113.50,+10.0.0.1"], "s-computername": ["EXCH01"], "cs-host": ["mail.example.com"],
}  # fmt: skip
STAMPS = st.one_of(
    st.sampled_from(
        ["2021-03-03 06:59:10", "2021-03-03 06:59:11", "2021-03-03 07:00:00", "2021-02-28 23:59:59", "1990-01-01 00:00:00"]
    ),
    st.sampled_from(
        ["2021-02-29 00:00:00", "2021-03-03 24:00:00", "2021-03-03T06:59:10", "21-03-03 06:59:10", "2021-03-03 06:59"]
    ),
)
ODD = [
    b"", b"\xef\xbb\xbf", b"#", b"# a comment", b"#Fields: ", b"#Fields:", b"#Date: 2021-03-03 00:00:01", b"\x00" * 7, b" ",
    b"2021-03-03 06:59:10", b"2021-03-03 06:59:10 ", b"\xff\xfe\xfd", b'"', b"a,b,c", b"\r", b"DateTime,RequestId",
    b"#Software: Microsoft Internet Information Services 10.0",
]  # fmt: skip


def header(columns: Sequence[str]) -> bytes:
    return b"#Fields: " + " ".join(["date", "time", *columns]).encode()


@st.composite
def iis_lines(draw: Callable[..., Any]) -> list[bytes]:
    """An IIS log with column lists that change, and lines no server writes."""
    columns = draw(st.lists(st.sampled_from(IIS_COLUMNS), min_size=3, max_size=12, unique=True))
    lines = [header(columns)] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 25))):
        kind = draw(st.integers(0, 9))
        if kind == 0:
            columns = draw(st.lists(st.sampled_from(IIS_COLUMNS), min_size=3, max_size=12, unique=True))
            lines.append(header(columns))
        elif kind == 1:
            lines.append(draw(st.sampled_from(ODD)))
        else:
            values = [draw(st.sampled_from(VALUES[column])) for column in columns]
            line = " ".join([draw(STAMPS), *values]).encode()
            lines.append(damaged(draw, line) if kind == 2 else line)
    return lines


def damaged(draw: Callable[..., Any], line: bytes) -> bytes:
    at = draw(st.integers(0, len(line)))
    how = draw(st.sampled_from(["cut", "nul", "high", "utf8", "quote", "bom", "space", "twice", "cr"]))
    middle = {
        "nul": b"\0",
        "high": b"\xff",
        "utf8": "\u00e9\u6f22".encode(),
        "quote": b'"',
        "bom": b"\xef\xbb\xbf",
        "space": b"  ",
        "cr": b"\r",
    }
    if how == "cut":
        return line[:at]
    return line + line if how == "twice" else line[:at] + middle[how] + line[at:]


@st.composite
def joined(draw: Callable[..., Any], lines: st.SearchStrategy[list[bytes]]) -> bytes:
    """Lines as bytes: CRLF, LF or both, with or without an end, with or without a mark at the start."""
    parts = draw(lines)
    ends = draw(st.sampled_from([[b"\r\n"], [b"\n"], [b"\r\n", b"\n", b"\r\r\n"]]))
    data = b"".join(part + draw(st.sampled_from(ends)) for part in parts)
    if draw(st.integers(0, 3)) == 0:
        data = data.rstrip(b"\r\n")
    mark = draw(st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf"]))
    return mark + data


def test_the_first_line_of_a_fault(tmp_path: Path, plan: Plan) -> None:
    path = tmp_path / "u_ex210303.log"
    path.write_bytes(HEAD + b"2021-03-03 06:59:10 GET\r\n" + _row(b"-") + b"2021-03-03 06:59:11 \xff\r\n")
    fast, slow = both(path, "iis", plan)
    assert fast["bad_first"] == slow["bad_first"]


def unusual_pages(*results: dict[str, Any]) -> None:
    """Takes out what the fast way may pass over: frequent front-end pages asked of the back end, which serves none."""
    frequent = frequent_pages()
    for result in results:
        result["pages"] = {key: use for key, use in result["pages"].items() if key[0] not in frequent}


quick = settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))


@quick
@given(data=joined(iis_lines()), side=st.sampled_from(["", "front", "back"]))
def test_any_iis_log(place: Path, plans: Any, data: bytes, side: str) -> None:
    path = place / "u_ex210303.log"
    path.write_bytes(data)
    fast, slow = both(path, "iis", plans.main, side)
    unusual_pages(fast, slow)
    assert apart(fast, slow, "bad_first", "sides", "names") == {}


@quick
@given(data=st.data())
def test_any_component_log(place: Path, plans: Any, material: dict[str, Any], data: Any) -> None:
    """Planted, benign, damaged and foreign lines under their header, twice, or none."""
    kind = data.draw(st.sampled_from([each for each in KINDS if each in material]))
    mine = material[kind]
    pool = [*mine.planted, *mine.benign]

    @st.composite
    def lines(draw: Callable[..., Any]) -> list[bytes]:
        out = list(mine.header) if draw(st.integers(0, 4)) else []
        for _ in range(draw(st.integers(0, 15))):
            what = draw(st.integers(0, 11))
            if what == 0:
                out += mine.header
            elif what == 1:
                out.append(draw(st.sampled_from(ODD)))
            elif what == 2:
                out.append(damaged(draw, draw(st.sampled_from(pool))))
            elif what == 3:
                line = draw(st.sampled_from(pool))
                out.append(line + b',"quoted, ""twice"" ",x')
            else:
                out.append(draw(st.sampled_from(pool)))
        return out

    path = place / "component.log"
    content = data.draw(joined(lines()))
    path.write_bytes(content if content[-1:] in (b"", b"\n") else content + b"\n")
    fast, slow = both(path, kind, plans.main)
    # a log without header takes its build from the first row that is read, whichever that is
    assert apart(fast, slow, "bad_first", "sides", "names", "blocks") == {}


@pytest.mark.parametrize("kind", KINDS)
def test_the_demo_s_own_lines_and_both_engines(
    tmp_path: Path, plan: Plan, fallback_plan: Plan, material: dict[str, Any], kind: str
) -> None:
    mine = material[kind]
    path = tmp_path / "x.log"
    path.write_bytes(b"\r\n".join([*mine.header, *mine.planted[:150], *mine.benign[:60], b""]))
    fast, slow = both(path, kind, plan)
    assert apart(fast, slow) == {}
    assert told(scan_log(job(path, kind), fallback_plan)) == fast
    assert fast["records"] == len(mine.planted[:150]) + len(mine.benign[:60])
    if kind in ("iis", "httpproxy", "ecp-server", "ews", "rps-http", "cmdlet"):
        assert fast["groups"], "rules fire on what an intruder left"


@quick
@given(data=joined(iis_lines()))
def test_both_engines_find_the_same(place: Path, plans: Any, data: bytes) -> None:
    path = place / "u_ex210304.log"
    path.write_bytes(data)
    one, other = (told(scan_log(job(path, "iis"), each)) for each in (plans.main, plans.fallback))
    unusual_pages(one, other)
    assert apart(one, other, "bad_first", "sides", "names") == {}


def test_the_engines_are_two(plan: Plan, fallback_plan: Plan) -> None:
    pytest.importorskip("hyperscan")
    assert plan.needles_of("iis").engine == "hyperscan"
    assert fallback_plan.needles_of("iis").engine == "aho-corasick"


@pytest.mark.parametrize("kind", ["ews", "ecp-server", "cmdlet"])
def test_what_lies_behind_the_first_mebibyte_of_a_component_log(
    tmp_path: Path, plan: Plan, material: dict[str, Any], kind: str
) -> None:
    mine = material[kind]
    path = tmp_path / "x.log"
    filling = b"\r\n".join(mine.benign[:4]) + b"\r\n"
    body = filling * ((3 << 19) // len(filling))
    path.write_bytes(b"\r\n".join([*mine.header, body]) + b"\r\n".join([*mine.planted[:40], b""]))
    late = told(scan_log(job(path, kind), plan))
    path.write_bytes(b"\r\n".join([*mine.header, *mine.planted[:40], b""]))
    alone = told(scan_log(job(path, kind), plan))
    assert alone["groups"]
    counted = [{key: sum(group[0].values()) for key, group in each["groups"].items()} for each in (alone, late)]
    assert {key: counted[1].get(key, 0) >= count for key, count in counted[0].items()} == dict.fromkeys(counted[0], True)


def test_a_second_log_tells_as_much_as_the_first(tmp_path: Path, loaded: Any) -> None:
    fresh = make_plan(loaded.compiled, frequent_pages=frequent_pages(), correlated=loaded.plan.correlated, matcher=loaded.matcher)
    path = tmp_path / "u_ex210303.log"
    path.write_bytes(header(["s-ip", "cs-method", "cs-uri-stem"]) + b"\r\n2021-03-03 06:59:10 10.0.0.5 GET /ecp/y.js\r\n")
    one, other = (told(scan_log(job(path, "iis", "front"), fresh)) for _ in range(2))
    assert one["sides"]
    assert apart(one, other) == {}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("rows", [3, 9000])
def test_utf_16(tmp_path: Path, plan: Plan, encoding: str, rows: int) -> None:
    path = tmp_path / "u_ex210303.log"
    text = (HEAD + b"".join(_row(b"%d" % number) for number in range(rows))).decode()
    path.write_bytes(("\ufeff" + text).encode(encoding))
    scan = scan_log(job(path, "iis"), plan)
    assert (scan.records, scan.headers, sum(scan.bad.values())) == (rows, 1, 0)
    assert scan.groups


# Long lines and shapes by name


def _row(query: bytes, stamp: bytes = b"2021-03-03 06:59:10") -> bytes:
    return stamp + b" 10.0.0.5 POST /ecp/y.js " + query + b" 443 - 203.0.113.9 python-requests/2.25.1 - 241 0 0 9\r\n"


HEAD = header(IIS_COLUMNS[:13]) + b"\r\n"
SHAPES = {
    "a line over a mebibyte": HEAD + _row(b"-") + _row(b"a" * (LIMIT + 10)) + _row(b"-"),
    "a line of the longest length": HEAD + _row(b"a" * (LIMIT - 200)) + _row(b"-"),
    "nine mebibytes without a line end": HEAD + _row(b"-") + b"x" * (9 << 20) + b"\r\n" + _row(b"-"),
    "only NULs": b"\0" * 5000,
    "NULs at the end": HEAD + _row(b"-") + b"\0" * 70000,
    "no header": _row(b"-") * 3,
    "header at the end": _row(b"-") + HEAD,
    "header in the middle": HEAD + _row(b"-") + header(["c-ip", "cs-method", "cs-uri-stem", "sc-status"])
    + b"\r\n2021-03-03 07:00:00 203.0.113.9 POST /ecp/y.js 241\r\n" + HEAD + _row(b"-"),
    "clock that jumps": HEAD + b"".join(_row(b"-", f"2021-03-{1 + n % 28:02d} 0{n % 9}:00:00".encode()) for n in range(200)),
    "cut in the last line": (HEAD + _row(b"-") + _row(b"-"))[:-40],
    "empty": b"",
    "one byte": b"2",
    "only line ends": b"\n" * 3000,
    "forged line ends": HEAD + _row(b"a\x0bb\x0cc\x85d\xe2\x80\xa8e"),
    "mark in the middle": HEAD + b"\xef\xbb\xbf" + _row(b"-") + b"\xef\xbb\xbf" + HEAD,
    "the same line": HEAD + _row(b"-") * 4000,
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_of_logs(tmp_path: Path, plan: Plan, name: str) -> None:
    path = tmp_path / "u_ex210303.log"
    path.write_bytes(SHAPES[name] if name != "the same line" else SHAPES[name][: 400 * 110])
    fast, slow = both(path, "iis", plan)
    assert apart(fast, slow) == {}


def test_ten_thousands_of_the_same_line_are_one_group(tmp_path: Path, plan: Plan) -> None:
    path = tmp_path / "u_ex210303.log"
    path.write_bytes(SHAPES["the same line"])
    scan = scan_log(job(path, "iis"), plan)
    assert scan.records == 4000
    assert max(sum(group.counts.values()) for group in scan.groups.values()) == 4000
    assert all(len(group.samples.kept) <= 6 for group in scan.groups.values())


# Pieces of a big file


def _artifact(path: Path, kind: str) -> Artifact:
    return Artifact(0, "C:\\x.log", path.name, Locator(str(path)), kind, "r", path.stat().st_size)


def _scanned(path: Path, kind: str, plan: Plan, jobs: int) -> Any:
    done = run.scan_logs([_artifact(path, kind)], lambda _artifact: "", plan, jobs=jobs, make_plan=lambda: plan)
    assert (done.died, done.interrupted) == ((), False)
    return done.scans[0]


@pytest.mark.parametrize("seed", range(3))
def test_pieces_tell_what_the_whole_tells(tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Each with a header of its own in the middle, so that later pieces stand under another column list."""
    random_ = random.Random(seed)
    software = b"#Software: Microsoft Internet Information Services 10.0\r\n"
    rows = [software + HEAD]
    for number in range(700):
        stamp = f"2021-03-0{1 + number // 100} {number % 24:02d}:00:{number % 60:02d}".encode()
        if number == 300:
            columns = ["c-ip", "cs-method", "cs-uri-stem", "sc-status", "s-port", "cs-uri-query"]
            rows.append(software + header(columns) + b"\r\n")
        if number < 300:
            rows.append(_row(random_.choice([b"-", b"a=1", b"x" * 200]), stamp))
        else:
            page = random_.choice([b"/ecp/y.js", b"/owa/auth/logon.aspx", b"/aspnet_client/q.aspx"])
            rows.append(stamp + b" 203.0.113.%d POST %s 241 443 -\r\n" % (random_.randrange(3), page))
        if random_.random() < 0.02:
            rows.append(b"cut\r\n")
    path = tmp_path / "big.log"
    path.write_bytes(b"".join(rows))
    whole = told(_scanned(path, "iis", plan, 1))
    monkeypatch.setattr(run, "PIECE", 9000)
    pieces = run._jobs(_artifact(path, "iis"), "", 2)
    assert len(pieces) > 5
    parts = told(_scanned(path, "iis", plan, 2))
    for few in ("names", "sides"):  # the first rows of each piece are asked
        whole.pop(few), parts.pop(few)
    assert apart(parts, whole) == {}
    lines = path.read_bytes().split(b"\n")
    samples = [sample for each in parts["groups"].values() for sample in each[3]]
    assert samples
    for sample in samples:
        assert lines[sample.line - 1].rstrip(b"\r").decode() == sample.raw
        assert path.read_bytes()[sample.offset :].startswith(sample.raw.encode())


def test_a_piece_starts_at_a_line(tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "big.log"
    path.write_bytes(HEAD + _row(b"x" * 3000) * 40)
    monkeypatch.setattr(run, "PIECE", 1000)
    data = path.read_bytes()
    jobs = [each for each in run._jobs(_artifact(path, "iis"), "", 2) if each.scanned]
    assert len(jobs) > 10
    assert all(not each.start or data[each.start - 1 : each.start] == b"\n" for each in jobs)
    assert [each.end for each in jobs][:-1] == [each.start for each in jobs][1:]
    assert (jobs[0].start, jobs[-1].end) == (0, len(data))


def test_a_stream_that_breaks_off_keeps_what_was_read(tmp_path: Path, plan: Plan) -> None:
    import gzip

    path = tmp_path / "u_ex210303.log.gz"
    packed = gzip.compress(HEAD + b"".join(_row(b"%d" % n) for n in range(3000)), 1)
    path.write_bytes(packed[: len(packed) * 2 // 3])
    (artifact,) = collect([str(path)]).artifacts
    scan = scan_log(replace(job(path, "iis"), locator=artifact.locator), plan)
    assert scan.error
    assert scan.sha256 == ""
    assert 100 < scan.records < 3000
    assert scan.groups
