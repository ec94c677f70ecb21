"""Shipped indicators, values and matching."""

from __future__ import annotations

import ipaddress
import pickle
import random
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpatch.knowledge.data_files import table
from afterpatch.knowledge.indicators import TYPES, Indicator, Matcher, RefusedError, carried, guess, normalise, refang
from afterpatch.knowledge.indicators.values import agent_key
from afterpatch.model import CONFIDENCES


def only(*entries: tuple[str, str]) -> Matcher:
    return Matcher([Indicator(kind, normalise(kind, value)) for kind, value in entries])


def test_the_shipped_table_is_sorted_unique_and_complete() -> None:
    rows = table("indicators.csv")
    keys = [(row["type"], row["value"].lower(), row["source"], row["group"]) for row in rows]
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys)) == 592
    for row, item in zip(rows, carried(), strict=True):
        assert item.type in TYPES, row
        assert item.confidence in CONFIDENCES, row
        assert item.source, row
        assert item.origin, row
        assert item.published[:4] in {"2020", "2021", "2022", "2023"}, row
        assert item.caution in {"", "stock-name", "generic"}, row
        assert (item.valid_until is not None) == (item.type in {"ip", "domain"}), row


def test_every_shipped_value_is_of_the_type_it_claims() -> None:
    for item in carried():
        if item.type not in {"service", "file-extension", "user-agent", "file-name"}:
            assert guess(item.value.replace("\\", "C:\\", 1) if item.type in {"path", "folder"} else item.value) == item.type


def test_a_shipped_path_that_exchange_itself_ships_says_so() -> None:
    marked = [item.value for item in carried() if item.caution == "stock-name"]
    assert marked == [r"\program files\microsoft\exchange server\v15\frontend\httpproxy\ecp\auth\timeoutlogout.aspx"]


def test_unverified_values_and_innocent_files_are_not_shipped() -> None:
    values = {item.value for item in carried()}
    assert "c36ecd2e0f38294e1290f4b9b36f602167e33614" not in values  # ESET: a legitimate binary the group abused
    assert "2075d8e39b7d389f92fd97d97c41939f64822361" in values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hxxps://evil[.]example/a", "https://evil.example/a"),
        ("hXXp://evil(.)example", "http://evil.example"),
        ("198.51.100[.]7", "198.51.100.7"),
        ("evil[dot]example{.}org", "evil.example.org"),
        ("http[:]//evil.example", "http://evil.example"),
        ("http[://]evil.example", "http://evil.example"),
        ("  evil.example ", "evil.example"),
        ("C:\\a\\b.aspx", "C:\\a\\b.aspx"),
    ],
)
def test_refang(text: str, expected: str) -> None:
    assert refang(text) == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("198.51.100.7", "ip"),
        ("198.51.100.0/24", "ip"),
        ("198.51.100.7:443", "ip"),
        ("[2001:db8::1]:443", "ip"),
        ("2001:db8::/32", "ip"),
        ("evil.example", "domain"),
        ("Evil.Example.", "domain"),
        ("https://evil.example/x.aspx", "url"),
        ("/owa/auth/x.aspx", "url-path"),
        ("C:\\inetpub\\wwwroot\\x.aspx", "path"),
        ("C:\\ProgramData\\COM1\\", "folder"),
        ("\\\\localhost\\c$\\x.aspx", "path"),
        ("x.aspx", "file-name"),
        ("evil.dll", "file-name"),
        ("a" * 32, "md5"),
        ("A" * 40, "sha1"),
        ("0" * 64, "sha256"),
        ("python-requests/2.25.1", "user-agent"),
        ("Mozilla/5.0 (X11; Linux x86_64) Gecko", "user-agent"),
        ("hello world", ""),
        ("1.2.3", ""),
        ("-", ""),
        ("", ""),
    ],
)
def test_guess(text: str, kind: str) -> None:
    assert guess(text) == kind


@pytest.mark.parametrize(
    ("kind", "text", "key"),
    [
        ("ip", "10.1.2.3", "indicator-private-address"),
        ("ip", "127.0.0.1", "indicator-private-address"),
        ("ip", "::1", "indicator-private-address"),
        ("ip", "fe80::1", "indicator-private-address"),
        ("ip", "::ffff:10.0.0.1", "indicator-private-address"),
        ("ip", "0.0.0.0/0", "indicator-wide-network"),
        ("ip", "2000::/3", "indicator-wide-network"),
        ("ip", "999.1.1.1", "indicator-not-valid"),
        ("domain", "localhost", "indicator-not-valid"),
        ("domain", "a..b.example", "indicator-not-valid"),
        ("sha256", "abc", "indicator-not-valid"),
        ("md5", "g" * 32, "indicator-not-valid"),
        ("url", "http://[::1", "indicator-not-valid"),
        ("domain", "", "indicator-empty"),
        ("user-agent", "a" * 3000, "indicator-too-long"),
    ],
)
def test_refused_values(kind: str, text: str, key: str) -> None:
    with pytest.raises(RefusedError) as caught:
        normalise(kind, text)
    assert caught.value.key == key


def test_values_are_compared_in_one_form() -> None:
    assert normalise("url", "HTTPS://Evil.Example:443") == "https://evil.example/"
    assert normalise("ip", "::ffff:198.51.100.7") == "198.51.100.7"
    assert normalise("domain", "*.Bücher.example") == "xn--bcher-kva.example"
    assert normalise("path", "D:/Users/All Users/COM1/x.ASPX") == "\\programdata\\com1\\x.aspx"
    logged = ["DuckDuckBot/1.0;+(+http://x)", "DuckDuckBot/1.0; (+http://x)", "DuckDuckBot/1.0;  ( http://x)"]
    assert len({agent_key(text) for text in logged}) == 1


def test_addresses_match_exactly_and_by_network() -> None:
    matcher = only(("ip", "198.51.100.7"), ("ip", "203.0.113.0/25"), ("ip", "2001:db8:1::/48"))
    hits = {text: len(matcher.match_value("ip", text)) for text in ("198.51.100.7", "198.51.100.70", "203.0.113.127")}
    assert hits == {"198.51.100.7": 1, "198.51.100.70": 0, "203.0.113.127": 1}
    assert not matcher.match_value("ip", "203.0.113.128")
    assert matcher.match_value("ip", "[2001:DB8:1:0::9]:443")
    assert not matcher.match_value("ip", "not an address")
    assert not matcher.match_value("ip", "10.0.0.1")


def test_hashes_names_paths_folders_and_pages() -> None:
    folder = ("folder", "C:\\Users\\All Users\\COM1\\")
    page = (
        "path",
        "C:\\Program Files\\Microsoft\\Exchange Server\\V15\\FrontEnd\\HttpProxy\\owa\\auth\\OutlookZH.aspx",
    )
    matcher = only(("md5", "A" * 32), ("file-name", "svcfilter.dll"), folder, page, ("url-path", "/ecp/y.js"))
    assert matcher.match_value("hash", "a" * 32)
    assert not matcher.match_value("hash", "a" * 40)
    assert matcher.match_value("file-name", "SvcFilter.DLL")
    assert matcher.match_value("path", "D:\\x\\SVCFILTER.dll")
    assert matcher.match_value("path", "C:\\ProgramData\\COM1\\deep\\x.aspx")
    assert not matcher.match_value("path", "C:\\ProgramData\\COM12\\x.aspx")
    assert matcher.match_value("path", "F:\\Exchange\\FrontEnd\\HttpProxy\\OWA\\auth\\outlookzh.aspx")
    assert matcher.match_value("path", "\\\\127.0.0.1\\c$\\Exchange\\FrontEnd\\HttpProxy\\OWA\\auth\\outlookzh.aspx")
    assert matcher.match_value("url-path", "/OWA/auth/OutlookZH.aspx")
    assert matcher.match_value("url-path", "/ecp/y.js?x=1")
    assert not matcher.match_value("url-path", "/owa/auth/logon.aspx")
    assert matcher.match_value("user-agent", "anything") == []


def test_a_matcher_can_be_sent_to_another_process() -> None:
    matcher = pickle.loads(pickle.dumps(Matcher(carried())))
    assert matcher.match_value("ip", "5.254.43.18")
    assert matcher.types == Matcher(carried()).types


def test_domains_match_with_their_sub_domains_only() -> None:
    matcher = only(("domain", "evil.example"))
    assert matcher.match_value("domain", "a.b.EVIL.example.")
    assert matcher.match_value("host", "evil.example")
    assert not matcher.match_value("domain", "notevil.example")
    assert not matcher.match_value("domain", "evil.example.org")


def test_agents_match_however_the_log_writes_them() -> None:
    matcher = Matcher(carried())
    for text in (
        "ExchangeServicesClient/0.0.0.0",
        "exchangeservicesclient/0.0.0.0",
        "DuckDuckBot/1.0;+(+http://duckduckgo.com/duckduckbot.html)",
    ):
        assert matcher.match_value("user-agent", text), text
    chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML  like Gecko) Chrome/51.0.2704.103 Safari/537.36"
    assert matcher.match_value("user-agent", chrome)
    assert not matcher.match_value("user-agent", chrome.replace("51.0", "52.0"))


def test_an_overlap_names_group_source_and_date() -> None:
    hits = Matcher(carried()).match_value("ip", "5.254.43.18")
    assert {(hit.group, hit.source, hit.published) for hit in hits} == {
        ("HAFNIUM", "CISA alert AA21-062A", "2021-03-03"),
        ("Operation Exchange Marauder", "Volexity", "2021-03-02"),
    }


def test_a_match_outside_the_window_is_told_apart() -> None:
    item = Indicator("ip", "198.51.100.7", valid_from=date(2021, 1, 1), valid_until=date(2021, 6, 30))
    assert item.in_window(datetime(2021, 6, 30, 23, 59, tzinfo=UTC))
    assert not item.in_window(datetime(2021, 7, 1, tzinfo=UTC))
    assert not item.in_window(datetime(2020, 12, 31, tzinfo=UTC))
    assert item.in_window(None)


def test_literals_are_rare_lower_case_ascii() -> None:
    literals = Matcher(carried()).literals()
    assert literals == sorted(set(literals))
    for literal in literals:
        assert len(literal) >= 4
        assert literal == literal.lower()
    assert b"103.77.192.219" in literals
    assert b"auth/default.aspx" in literals
    assert not {b"default.aspx", b"mozilla/5.0", b"s.aspx"} & set(literals)


def test_every_shipped_indicator_for_logs_is_found_by_its_literal() -> None:
    """Slow oracle of the prefilter: the line as IIS and HttpProxy logs write the value."""
    for item in carried():
        alone = Matcher([item])
        if item.type in {"ip", "domain", "user-agent", "url-path"}:
            lines = [f" {item.value} ", f",{item.value.replace(' ', '+')},", f',"{item.value}",']
            for line in lines:
                assert any(literal in line.lower().encode() for literal in alone.literals()), item


@given(st.lists(st.ip_addresses(v=4), max_size=20), st.lists(st.integers(8, 31), max_size=6), st.integers(0, 2**32 - 1))
def test_network_matching_agrees_with_the_slow_way(addresses: list[ipaddress.IPv4Address], lengths: list[int], seed: int) -> None:
    source = random.Random(seed)
    networks = [ipaddress.ip_network((source.getrandbits(32), length), strict=False) for length in lengths]
    usable = []
    for text in [str(network) for network in networks]:
        try:
            usable.append(Indicator("ip", normalise("ip", text)))
        except RefusedError:
            continue
    matcher = Matcher(usable)
    for address in addresses:
        try:
            normalise("ip", str(address))
        except RefusedError:
            continue
        slow = sorted(item.value for item in usable if address in ipaddress.ip_network(item.value))
        assert sorted(item.value for item in matcher.match_value("ip", str(address))) == slow


@given(st.sampled_from([*TYPES, "hash", "host", "nonsense"]), st.text(max_size=200))
def test_hostile_values_match_nothing_and_harm_nothing(kind: str, text: str) -> None:
    assert isinstance(Matcher(carried()[:50]).match_value(kind, text), list)


@given(st.text(max_size=300))
def test_guess_and_normalise_agree(text: str) -> None:
    plain = refang(text)
    kind = guess(plain)
    if kind:
        try:
            first = normalise(kind, plain)
        except RefusedError:
            return
        assert normalise(kind, first) == first
