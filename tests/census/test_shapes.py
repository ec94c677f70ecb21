"""Shapes of scanners' records, dumps of answers and inventories as they come: what each says of its hosts."""

from __future__ import annotations

import json

import pytest

from afterpatch.census import CensusOptions, census

OLD, FIXED = "15.1.2176.2", "15.1.2176.9"
HEADERS = {"X-OWA-Version": {"headers": [OLD]}}
PLACE = {"location": {"country": "Germany", "country_code": "DE"}, "autonomous_system": {"asn": 64500, "name": "X"}}
CENSYS_PLATFORM = {"ip": "192.0.2.1", **PLACE, "services": [{"port": 443, "endpoints": [{"http": {"headers": HEADERS}}]}]}
CENSYS_OLD = {"ip": "192.0.2.1", **PLACE, "services": [{"http": {"response": {"headers": {"X_OWA_Version": [OLD]}}}}]}
ANSWER = {"headers": {"server": ["x"], "unknown": [{"key": "x_owa_version", "value": [OLD]}]}}
ZGRAB = {"ip": "192.0.2.1", "data": {"https": {"status": "success", "result": {"response": ANSWER}}}}
REDIRECTED = {"ip": "192.0.2.1", "data": {"http": {"result": {"response": {"body": "x"}, "redirect_response_chain": [ANSWER]}}}}
HTTPX = {
    "url": "https://192.0.2.1", "host": "192.0.2.1", "status_code": 200, "header": {"x_owa_version": OLD},
    "asn": {"as_number": "AS64500", "as_country": "DE"},
}  # fmt: skip
SHODAN_HOST = {
    "ip_str": "192.0.2.1",
    "asn": "AS64500",
    "data": [{"port": 443, "data": f"HTTP/1.1 200 OK\r\nX-OWA-Version: {OLD}\r\n"}],
}


def read(tmp_path, data, **options):
    path = tmp_path / "input"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    with census([path], CensusOptions(**options)) as result:
        return result.inputs[0][1], {one.label: one.hosts for one in result.builds}, result


@pytest.mark.parametrize(
    "record",
    [
        CENSYS_PLATFORM, {"host": CENSYS_PLATFORM}, {"resource": CENSYS_PLATFORM}, {"result": {"resource": CENSYS_PLATFORM}},
        CENSYS_OLD, ZGRAB, REDIRECTED, HTTPX, SHODAN_HOST, {"IP": "192.0.2.1", "Exchange Build": OLD},
    ],
)  # fmt: skip
def test_records(tmp_path, record):
    kind, found, result = read(tmp_path, json.dumps(record) + "\n")
    assert (kind, found, result.hosts, result.bad_rows) == ("json-lines", {OLD: 1}, 1, 0)
    if "location" in record or "asn" in record:
        assert {one.value for one in result.groups if one.dimension in ("country", "asn")} & {"DE", "AS64500"}


@pytest.mark.parametrize("document", [[CENSYS_OLD], {"code": 200, "result": {"hits": [CENSYS_OLD]}}, {"matches": [SHODAN_HOST]}])
def test_documents_over_several_lines(tmp_path, document):
    kind, found, _result = read(tmp_path, json.dumps(document, indent=1))
    assert (kind, found) == ("json", {OLD: 1})


def test_a_page_says_no_more_than_the_cumulative_update(tmp_path):
    page = {"ip": "192.0.2.1", "services": [{"http": {"response": {"body": '<a href="/owa/auth/15.1.2176/x.css">'}}}]}
    _kind, found, result = read(tmp_path, json.dumps(page) + "\n")
    count = result.of("CVE-2021-26855")
    assert (found, count.open, count.unknown, result.exposed, result.unknown) == (
        {"15.1.2176": 1},
        0,
        1,
        result.exposed,
        1 - result.exposed,
    )


DUMPS = {
    "curl -i": f"HTTP/1.1 200 OK\r\nX-OWA-Version: {OLD}\r\n\r\nHTTP/1.1 200 OK\r\nX-OWA-Version: {FIXED}\r\n\r\n<html>",
    "curl -v": f"* Connected to a.example.com (192.0.2.1) port 443 (#0)\n> GET /owa/ HTTP/1.1\n> Host: a.example.com\n< HTTP/1.1 302 Found\n< X-OWA-Version: {OLD}\n* Connected to b.example.com (192.0.2.2) port 443\n< HTTP/2 302\n< x-owa-version: {FIXED}\n",  # noqa: E501
    "nmap": f"# Nmap 7.80 scan\nNmap scan report for a.example.com (192.0.2.1)\n443/tcp open https\n| http-headers: \n|   X-OWA-Version: {OLD}\n|_  (Request type: GET)\n\nNmap scan report for 192.0.2.2\n| http-headers: \n|   X-OWA-Version: {FIXED}\n\nNmap scan report for 192.0.2.3\n| http-headers: \n|   Server: nginx\n",  # noqa: E501
    "httpx": f"https://192.0.2.1 [200] [Outlook]\nHTTP/1.1 200 OK\nX-Owa-Version: {OLD}\n\nhttps://192.0.2.2 [200]\nHTTP/1.1 200 OK\nX-Owa-Version: {FIXED}\n",  # noqa: E501
}


@pytest.mark.parametrize("name", DUMPS)
def test_dumps_of_answers(tmp_path, name):
    kind, found, result = read(tmp_path, DUMPS[name])
    assert (kind, found, result.hosts) == ("headers", {OLD: 1, FIXED: 1}, 2)


INVENTORIES = [
    f"sep=;\nhost;build\n192.0.2.1;{OLD}\n",
    f"# made by a tool\n# on some day\nIP Address;Exchange Build;Land\n192.0.2.1;{OLD};DE\n",
    f"Server|Exchange-Version\n192.0.2.1|Microsoft Exchange 2016 ({OLD})\n",
    f"IP地址,版本,单位\n192.0.2.1,{OLD},大学\n",
    f"what,where\n{OLD},192.0.2.1\n{OLD},192.0.2.1\n",
    f"ip,hostname,os version,patch level\n192.0.2.1,a,10.0,{OLD}\n",
    f"ip,version\r192.0.2.1,{OLD}\r",
    f"https://192.0.2.1:443/owa/,{OLD}\n",
    "ip,version," + ",".join(f"c{number}" for number in range(198)) + f"\n192.0.2.1,{OLD}" + ",x" * 198 + "\n",
]


@pytest.mark.parametrize("text", INVENTORIES)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
def test_inventories(tmp_path, text, encoding):
    for slow in (False, True):
        _kind, found, result = read(tmp_path, text.encode(encoding), slow=slow)
        assert (found, result.hosts, result.bad_rows) == ({OLD: 1}, 1, 0)


def test_one_host_in_many_spellings(tmp_path):
    hosts = [
        "192.0.2.1",
        "192.0.2.1:443",
        "https://192.0.2.1/owa/",
        "MAIL.example.com",
        "mail.example.com.",
        "[2001:DB8:0::1]:443",
        "2001:db8::1",
    ]
    _kind, _found, result = read(tmp_path, "ip,version\n" + "".join(f"{host},{OLD}\n" for host in hosts))
    assert (result.rows, result.hosts) == (7, 3)


def test_other_products_are_left_out_and_counted(tmp_path):
    text = (
        f"ip,product,version\n192.0.2.1,Apache,2.4.1\n192.0.2.2,Microsoft Exchange,{OLD}\n192.0.2.3,nginx,{FIXED}\n192.0.2.4,,\n"
    )
    for slow in (False, True):
        _kind, found, result = read(tmp_path, text, slow=slow)
        assert (found, result.hosts) == ({OLD: 1, FIXED: 1}, 3)
        assert [(one.reason, one.count) for one in result.notices] == [("notice.census-not-exchange", 1)]


def test_text_that_is_no_utf8_keeps_its_row(tmp_path):
    for slow in (False, True):
        _kind, found, result = read(tmp_path, f"ip;version;sector\n192.0.2.1;{OLD};Größe\n".encode("cp1252"), slow=slow)
        assert (found, result.group("sector", "Größe").hosts) == ({OLD: 1}, 1)
        assert [(one.reason, one.count) for one in result.notices] == [("notice.census-characters", 1)]


def test_words_say_the_cumulative_update_or_the_product(tmp_path):
    _kind, found, result = read(
        tmp_path, "ip,version\n192.0.2.1,Exchange 2016 CU19\n192.0.2.2,Exchange Server 2013\n192.0.2.3,Exchange\n"
    )
    assert found == {"15.1.2176": 1, "15.0": 1}
    assert (result.hosts, result.without_build) == (3, 1)


def test_builds_of_other_times(tmp_path):
    builds = ["15.2.9999.1", "16.0.1.1", "8.3.83.6", "14.3.123.4", "15.20.1.1", "15.2.2562.17"]
    text = "ip,version\n" + "".join(f"192.0.2.{place},{build}\n" for place, build in enumerate(builds))
    _kind, found, result = read(tmp_path, text)
    assert found == {"15.2.*": 1, "8.*": 1, "14.3.123.4": 1, "15.2.2562.17": 1}
    assert (result.online, result.hosts, result.without_build) == (1, 5, 1)
