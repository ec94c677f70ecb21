"""Every format, recognised by content; hostile rows are counted and survived; the quick reader agrees with the slow."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import date

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpatch.census import CensusOptions, census, write_csv, write_owners
from afterpatch.census.sources import recognise
from afterpatch.model import UsageError

OLD, FIXED = "15.1.2176.2", "15.1.2176.9"
LOGON = "CVE-2021-26855"


def labels(result):
    return {one.label: one.hosts for one in result.builds}


def run(tmp_path, data, name="input", **options):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    with census([path], CensusOptions(**options)) as result:
        return result.inputs[0][1], labels(result), result


SHODAN = {
    "ip_str": "192.0.2.1",
    "port": 443,
    "data": f"HTTP/1.1 302\r\nX-OWA-Version: {OLD}\r\n",
    "location": {"country_code": "DE"},
    "asn": "AS64496",
    "org": "Example",
    "timestamp": "2021-03-05T10:00:00",
    "vulns": ["CVE-2021-26855"],
}
PATH_ONLY = {
    "ip_str": "192.0.2.2",
    "data": "",
    "http": {"html": '<link href="/owa/auth/15.1.2176/themes/x.css">', "title": "Outlook"},
}
OTHER = {"ip_str": "192.0.2.3", "data": "HTTP/1.1 200 OK\r\nServer: nginx\r\n"}
NO_VERSION = {"ip_str": "192.0.2.4", "data": "", "http": {"favicon": {"hash": 1768726119}, "title": "Outlook"}}
CENSYS = {
    "ip": "192.0.2.5",
    "services": [{"port": 25}, {"http": {"response": {"headers": {"X_OWA_Version": [FIXED]}}}}],
    "location": {"country_code": "FR"},
    "autonomous_system": {"asn": 64500, "name": "EXAMPLE"},
}
CENSYS_LIST = {"ip": "192.0.2.6", "services": [{"http": {"response": {"headers": [{"key": "X-OWA-Version", "value": OLD}]}}}]}
ZGRAB = {
    "ip": "192.0.2.7",
    "data": {
        "http": {
            "status": "success",
            "timestamp": "2021-03-05T10:00:00Z",
            "result": {"response": {"status_code": 200, "headers": {"x_owa_version": [OLD]}, "body": ""}},
        }
    },
}


def test_json_lines_of_three_scanners(tmp_path):
    data = (
        b"\n".join(orjson.dumps(one) for one in (SHODAN, PATH_ONLY, OTHER, NO_VERSION, CENSYS, CENSYS_LIST, ZGRAB))
        + b'\n{broken\n[1]\n{"x":1}\n'
    )
    kind, found, result = run(tmp_path, data)
    assert (kind, found) == ("json-lines", {OLD: 3, "15.1.2176": 1, FIXED: 1})
    assert (result.hosts, result.without_build, result.rows, result.bad_rows) == (6, 1, 6, 3)
    assert {notice.reason: notice.count for notice in result.notices} == {
        "notice.census-bad-json": 1,
        "notice.census-unknown-record": 2,
        "notice.census-not-exchange": 1,
    }
    count = result.of(LOGON)
    assert (count.open, count.unknown, count.fixed, count.claimed) == (3, 2, 1, 1)
    assert result.group("country", "DE").hosts == 1
    assert result.group("asn", "AS64500").exposed == 1  # fixed in March 2021, open to later holes


def test_a_dump_of_headers(tmp_path):
    text = f"192.0.2.1:\nHTTP/1.1 302 Found\r\nServer: x\r\nX-OWA-Version: {OLD}\r\n\r\nhttps://mail.example.com/owa/\nHTTP/1.1 301 Moved\nLocation: /owa/\n\nHTTP/1.1 200 OK\nX-OWA-Version: {FIXED}\n\n[2001:db8::1]:443\nHTTP/1.1 302\nLocation: /owa/auth/15.1.2176/x\n"  # noqa: E501
    kind, found, result = run(tmp_path, text)
    assert (kind, found, result.hosts) == ("headers", {OLD: 1, FIXED: 1, "15.1.2176": 1}, 3)


NMAP = """<?xml version="1.0"?><!DOCTYPE nmaprun [<!ENTITY x SYSTEM "file:///etc/passwd">]><nmaprun><host starttime="1614902400"><address addr="192.0.2.1" addrtype="ipv4"/>
<ports><port><script id="ms-exchange-version" output="15.1.2176.2"/></port></ports><trace>&x;</trace></host>
<host><address addr="192.0.2.2"/><ports><port><service product="Microsoft Exchange smtpd"/></port></ports></host>
<host><address addr="192.0.2.3"/></host>{}"""  # noqa: E501


def test_nmap_reports_also_broken_ones(tmp_path):
    kind, found, result = run(tmp_path, NMAP.format("</nmaprun>"))
    assert (kind, found, result.hosts, result.without_build) == ("nmap", {OLD: 1}, 2, 1)
    _kind, found, result = run(tmp_path, NMAP.format("<host><address"))
    assert (found, result.bad_rows) == ({OLD: 1}, 1)


@pytest.mark.parametrize(
    "text",
    [
        f"ip,version,geo\n192.0.2.1,{OLD},de\n",
        f"Name;AdminDisplayVersion\nEX1;Version 15.1 (Build 2176.2)\n",  # noqa: F541
        f'#TYPE Selected\r\n"Name","ExchangeVersion"\r\n"EX1","{OLD}"\r\n',
        f"\ufeffServer\tBuild\nEX1\t15.01.2176.002\n",  # noqa: F541
        f"{OLD}\n",
        f"EX1,{OLD}\n",
    ],
)
def test_inventories(tmp_path, text):
    kind, found, result = run(tmp_path, text)
    assert (kind, found, result.bad_rows) == ("table", {OLD: 1}, 0)
    _kind, found, _result = run(tmp_path, text.lstrip("\ufeff").encode("utf-16"))
    assert found == {OLD: 1}
    assert run(tmp_path, gzip.compress(text.encode()))[1] == {OLD: 1}


def test_the_display_version_never_proves_a_missing_update(tmp_path):
    """Active Directory's version stays at the cumulative update; a version seen from outside goes before it."""
    text = f"Name,AdminDisplayVersion\nEX1,Version 15.1 (Build 2176.2)\nEX2,Version 15.1 (Build 2176.9)\nEX3,Version 15.1 (Build 32176.2)\n"  # noqa: E501, F541
    _kind, _found, result = run(tmp_path, text)
    count = result.of(LOGON)
    assert (count.open, count.unknown, count.fixed) == (0, 2, 1)
    assert result.of("CVE-2021-34473").unknown == 3  # an update is there for this cumulative update
    assert result.of("CVE-2022-41040").open == 3  # none is
    (tmp_path / "scan.csv").write_text(f"host,version\nEX1,{FIXED}\n")
    (tmp_path / "inventory.csv").write_text(text)
    with census([tmp_path / "inventory.csv", tmp_path / "scan.csv"]) as both:
        assert (both.of(LOGON).fixed, both.of(LOGON).unknown, both.hosts) == (2, 1, 3)
        assert not [one for one in both.notices if one.reason == "notice.census-several-builds"]


def test_a_report_of_compromised_sites_joins_the_scan(tmp_path):
    shells = "timestamp,ip,port,hostname,tag,asn,geo,url,category\n2021-03-12,192.0.2.1,443,a,exchange;webshell,64496,DE,/aspnet_client/x.aspx,compromised\n2021-03-12,192.0.2.9,80,b,wordpress,64497,FR,/wp/,phishing\n"  # noqa: E501
    (tmp_path / "shells.csv").write_text(shells)
    (tmp_path / "scan.csv").write_text(f"ip,version,geo\n192.0.2.1,{FIXED},DE\n")
    with census([tmp_path / "scan.csv", tmp_path / "shells.csv"]) as result:
        assert [kind for _path, kind in result.inputs] == ["table", "compromised"]
        assert (result.hosts, result.compromised, labels(result)) == (1, 1, {FIXED: 1})
        assert result.group("country", "DE").compromised == 1
        assert [(one.reason, one.count) for one in result.notices] == [("notice.census-not-exchange", 1)]


def test_the_newest_reading_counts_and_of_one_day_the_least_patched(tmp_path):
    text = f"ip,version,timestamp\n192.0.2.1,{FIXED},2021-03-09\n192.0.2.1,{OLD},2021-03-02\n192.0.2.2,{FIXED},2021-03-09\n192.0.2.2,{OLD},2021-03-09\n192.0.2.3,,2021-03-10\n192.0.2.3,{OLD},2021-03-09\n"  # noqa: E501
    _kind, found, result = run(tmp_path, text)
    assert (found, result.hosts) == ({FIXED: 1, OLD: 2}, 3)
    assert [(one.reason, one.count) for one in result.notices] == [("notice.census-several-builds", 1)]


def test_online_is_out_of_scope_and_garbage_is_unknown(tmp_path):
    text = f"ip,version\n192.0.2.1,15.20.7362.21\n192.0.2.2,=cmd|x\n192.0.2.3,\n192.0.2.4,15.1.2176.3\n192.0.2.5,99.1.1.1\n,{OLD}\n,{OLD}\n192.0.2.6,{'9' * 5000}\n"  # noqa: E501
    _kind, found, result = run(tmp_path, text)
    assert (result.online, result.hosts, result.without_build) == (1, 7, 4)
    assert found == {"15.1.2176.*": 1, OLD: 2}
    assert ("notice.census-no-host", 2) in [(one.reason, one.count) for one in result.notices]
    count = result.of(LOGON)
    assert (count.open, count.unknown) == (3, 4)


def test_hostile_rows_are_counted_and_survived(tmp_path):
    good = [f"192.0.2.{number},{OLD},DE" for number in range(50)]
    bad = [b"too,few", b"far,too,many,cells,here", b"192.0.2.99,\xff\xfe\xfd,DE"]
    rows = [row.encode() for row in good]
    rows[10:10] = bad
    data = b"ip,version,geo\n" + b"\n".join(rows) + b"\n"
    for slow in (False, True):
        _kind, found, result = run(tmp_path, data, slow=slow)
        assert (found, result.bad_rows, result.rows) == ({OLD: 50}, 3, 50)
        assert [(one.reason, one.count) for one in result.notices] == [("notice.census-bad-row", 3)]


def test_formulas_are_quoted_and_markup_stays_text(tmp_path):
    text = f'ip,version,sector,owner\n192.0.2.1,{OLD},"=HYPERLINK(""x"")","@evil\u202e<script>alert(1)</script>"\n'
    path = tmp_path / "in.csv"
    path.write_text(text, encoding="utf-8")
    from afterpatch.census import render_html, render_terminal

    with census([path]) as result:
        write_csv(result, str(tmp_path / "counts.csv"))
        write_owners(result, str(tmp_path / "owners.csv"))
        page, shown = render_html(result), render_terminal(result)
    cells = [
        cell
        for name in ("counts.csv", "owners.csv")
        for row in csv.reader(io.StringIO((tmp_path / name).read_text("utf-8")))
        for cell in row
    ]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert "'=HYPERLINK" in "".join(cells)
    assert "<script" not in page
    assert "\u202e" not in shown + page


@pytest.mark.parametrize("data", [b"", b"hello world\n", b"\x00\x01\x02", b"<html></html>", b"a,b\n1,2\n", b"\x1f\x8bbroken"])
def test_what_is_no_inventory_is_refused(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(UsageError):
        census([tmp_path / "x"])
    with pytest.raises(UsageError):
        census([tmp_path / "missing"])


def test_offline_tables_of_addresses_must_be_such(tmp_path):
    (tmp_path / "x").write_text(f"ip,version\n192.0.2.1,{OLD}\n")
    (tmp_path / "db").write_bytes(b"no table")
    with pytest.raises(UsageError, match="no table of addresses"):
        census([tmp_path / "x"], CensusOptions(country_db=str(tmp_path / "db")))
    with pytest.raises(UsageError, match="no run of a census"):
        census([tmp_path / "x"], CensusOptions(compare=str(tmp_path / "db")))


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
ROWS = st.lists(
    st.tuples(st.integers(1, 9).map(lambda n: f"192.0.2.{n}"), st.sampled_from([OLD, FIXED, "15.2.792.3", "x"]) | CELLS, CELLS),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_the_quick_reader_agrees_with_the_slow(tmp_path, rows):
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("ip", "version", "sector"))
    writer.writerows(rows)
    data = out.getvalue().encode()
    assert recognise(data) == "table"
    quick, slow = (run(tmp_path, data, slow=slow) for slow in (False, True))
    assert quick[1] == slow[1]
    for name in ("rows", "bad_rows", "hosts", "without_build", "exposed", "cves", "groups"):
        assert getattr(quick[2], name) == getattr(slow[2], name), name


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("bad", ['192.0.2.1,"broken,DE', '"192.0.2.1,x,DE', '192.0.2.1,"bro"ken,DE'])
@pytest.mark.parametrize("place", [0, 100, 1999])
def test_a_quote_that_does_not_close_takes_one_line_with_it(tmp_path, slow, bad, place):
    rows = [f'192.0.{number // 250}.{number % 250},{OLD},"DE"' for number in range(2000)]
    rows[place] = bad
    _kind, _found, result = run(tmp_path, "ip,version,geo\n" + "\n".join(rows) + "\n\n", slow=slow)
    assert (result.rows, result.bad_rows, result.hosts) == (1999, 1, 1999)


def test_a_scan_of_the_past_is_not_asked_about_later_holes(tmp_path):
    text = f"ip,version,timestamp\n192.0.2.1,{OLD},2021-03-22\n192.0.2.2,{FIXED},2021-03-22\n"
    _kind, _found, today = run(tmp_path, text)
    _kind, _found, then = run(tmp_path, text, as_of=date(2021, 3, 22))
    assert (today.exposed, then.exposed) == (2, 1)
    assert {one.cve for one in then.cves} < {one.cve for one in today.cves}
    assert (then.of(LOGON).exploited, then.of(LOGON).open) == (True, 1)
    assert "CVE-2021-34473" not in {one.cve for one in then.cves}
