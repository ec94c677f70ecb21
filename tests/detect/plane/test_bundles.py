"""Small logs that share a buffer tell what each tells alone."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from test_oracle import iis_lines, joined, unusual_pages
from told import apart, job, told

from afterpatch.assess.detections import frequent_pages
from afterpatch.detect.plane.chunks import CHUNK
from afterpatch.detect.plane.job import Job
from afterpatch.detect.plane.pages import page_needles
from afterpatch.detect.plane.plan import Plan
from afterpatch.detect.plane.scan import SMALL_LOG, scan_batch, scan_log

HEAD = b"#Fields: date time cs-method cs-uri-stem c-ip sc-status\r\n"
ROW = b"2021-03-03 06:59:%02d POST /owa/auth/errorEE.aspx 203.0.113.9 200\r\n"


def _same(jobs: list[Job], plan: Plan) -> list[dict[str, Any]]:
    together = [told(scan) for scan in scan_batch(jobs, plan)]
    alone = [told(scan_log(each, plan)) for each in jobs]
    assert len(together) == len(alone)
    for one, other in zip(together, alone, strict=True):
        unusual_pages(one, other)
        assert apart(one, other) == {}
    return together


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(contents=st.lists(joined(iis_lines()), min_size=1, max_size=6))
def test_any_logs(place: Path, plans: Any, contents: list[bytes]) -> None:
    jobs = []
    for number, content in enumerate(contents):
        path = place / f"u_ex{number}.log"
        path.write_bytes(content)
        jobs.append(replace(job(path, "iis"), artifact=number))
    _same(jobs, plans.main)


def test_odd_neighbours(tmp_path: Path, plan: Plan) -> None:
    """Empty, unended, UTF-16, longer than said, gone, nearly a whole buffer: the good ones beside them stay whole."""
    good = HEAD + b"".join(ROW % second for second in range(5))
    big = HEAD + (ROW % 7) * ((SMALL_LOG - len(HEAD)) // len(ROW % 7))
    contents = [good, b"", good[:-2], good.decode().encode("utf-16"), good + b"\0" * 9, good, big, big, big, big, good]
    jobs = []
    for number, content in enumerate(contents):
        path = tmp_path / f"u_ex{number}.log"
        path.write_bytes(content)
        jobs.append(replace(job(path, "iis"), artifact=number))
    (tmp_path / "u_ex5.log").write_bytes((ROW % 9) * (CHUNK // len(ROW % 9) + 2000))  # its listing said less
    (tmp_path / "u_ex1.log").unlink()
    told_of = _same(jobs, plan)
    assert told_of[1]["error"]
    assert not told_of[1]["lines"]
    assert [told_of[number]["records"] for number in (0, 2, 3, 4, 10)] == [5] * 5
    assert told_of[5]["lines"] == CHUNK // len(ROW % 9) + 2000
    assert all(told_of[number]["pages"] for number in (0, 2, 3, 4, 10))


def test_a_page_of_the_referrer_is_not_asked_for() -> None:
    [needle] = [each for each in page_needles(sorted(frequent_pages()), [".aspx"]) if each.proof]
    assert needle.proof is not None
    for line, other in (
        (b"get /owa/auth.owa - 443 https://mail.example.com/owa/auth/logon.aspx?url=x 200", False),
        (b"get /owa/auth/logon.aspx - 443 https://mail.example.com/owa/auth/logon.aspx 200", False),
        (b"get /owa/auth/x.aspx - 443 https://mail.example.com/owa/auth/logon.aspx 200", True),
        (b"get /x/owa/auth/logon.aspx - 443 - 200", True),
        (b"get /x/https://a/owa/auth/logon.aspx - 443 - 200", True),
        (b"get /owa/auth/logon.aspx/a - 443 - 200", True),
        (b"get /owa/auth/logon%2easpx - 443 - 200", True),
    ):
        assert needle.proof(line) is other, line
