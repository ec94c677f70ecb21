"""The dump of a virtual directory: the file that CVE-2021-27065 writes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from afterpatch.detect.files.item import FileContext, FileFinding
from afterpatch.detect.files.oabdump import OabDumpAnalyser, dump_times, parse_dump, parse_time

from .conftest import ASPNET_CLIENT, make_item, unb64

# `http://f/` and a server script element whose body is a comment: the form as advisories print it, inert
SCRIPT = unb64("aHR0cDovL2YvPHNjcmlwdCBsYW5ndWFnZT0iSlNjcmlwdCIgcnVuYXQ9InNlcnZlciI+LyogYm9keSByZW1vdmVkICovPC9zY3JpcHQ+")
HEAD = (
    b"Name                            : OAB (Default Web Site)\r\n"
    b"PollInterval                    : 480\r\n"
    b"OfflineAddressBooks             : \r\n"
    b"RequireSSL                      : True\r\n"
    b"MetabasePath                    : IIS://exch01.example.local/W3SVC/1/ROOT/OAB\r\n"
    b"ExtendedProtectionTokenChecking : None\r\n"
    b"Server                          : EXCH01\r\n"
    b"InternalUrl                     : https://exch01.example.local/OAB\r\n"
    b"InternalAuthenticationMethods   : WindowsIntegrated\r\n"
)
TAIL = (
    b"\r\nIdentity                        : EXCH01\\OAB (Default Web Site)\r\n"
    b"Guid                            : 982d48c8-8bfa-4b6b-b431-53fd7ea4e9b3\r\n"
    b"WhenChanged                     : 3/3/2021 7:49:53 AM\r\n"
    b"WhenChangedUTC                  : 3/3/2021 6:49:53 AM\r\n"
    b"WhenCreatedUTC                  : 11/14/2019 9:00:01 PM\r\n"
    b"IsValid                         : True\r\n"
)
DUMP = HEAD + b"ExternalUrl                     : " + SCRIPT + TAIL
REMNANT = HEAD + b"ExternalUrl                     : " + TAIL
SHELL_PATH = ASPNET_CLIENT + "supp0rt.aspx"


def run(path: str, content: bytes) -> list[FileFinding]:
    return list(OabDumpAnalyser().analyse(make_item(path, content), FileContext()))


@pytest.mark.parametrize(
    "encode",
    [
        lambda b: b,
        lambda b: b.decode().encode("utf-16"),
        lambda b: b.decode().encode("utf-16-le"),
        lambda b: b"\xef\xbb\xbf" + b,
    ],
)
def test_dump_with_script_is_critical_in_every_encoding(encode) -> None:  # type: ignore[no-untyped-def]
    (found,) = run(SHELL_PATH, encode(DUMP))
    assert (found.detection, found.severity, found.chain, found.stage, found.kind) == (
        "oab-dump-script",
        "critical",
        "proxylogon",
        "wrote",
        "web-shell",
    )
    assert found.line == 10
    facts = dict(found.facts)
    assert facts["Server"] == "EXCH01"
    assert facts["Guid"] == "982d48c8-8bfa-4b6b-b431-53fd7ea4e9b3"
    assert facts["url"] == "http://f/"
    assert dict(found.times) == {
        "WhenChangedUTC": datetime(2021, 3, 3, 6, 49, 53, tzinfo=UTC),
        "WhenCreatedUTC": datetime(2019, 11, 14, 21, 0, 1, tzinfo=UTC),
    }


def test_dump_without_script_is_a_remnant_where_it_is_served() -> None:
    (found,) = run(SHELL_PATH, REMNANT)
    assert (found.detection, found.severity) == ("oab-dump-remnant", "high")


def test_dump_outside_the_web_is_only_named() -> None:
    (found,) = run("C:\\Temp\\oab-settings.txt", REMNANT)
    assert (found.detection, found.severity) == ("oab-dump-text", "info")


def test_percent_encoded_script_is_seen() -> None:
    encoded = REMNANT.replace(
        b"ExternalUrl                     : ", b"ExternalUrl                     : http://g/%3Cscript%20runat%3D"
    )
    (found,) = run(SHELL_PATH, encoded)
    assert found.detection == "oab-dump-script"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Name : a\nServer : b\nIdentity : c\nGuid : d\nPath : e\nWhenChanged : f\n",  # no URL property
        b"ExternalUrl : https://mail.example.com/owa\nName : x\n",  # too few
        b"The ExternalUrl, InternalUrl, Server, Name, Guid and Identity are described below.\n" * 30,
        bytes(range(256)) * 64,
    ],
)
def test_other_texts_are_no_dumps(content: bytes) -> None:
    assert run(SHELL_PATH, content) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3/3/2021 6:49:53 AM", datetime(2021, 3, 3, 6, 49, 53, tzinfo=UTC)),
        ("3/4/2021 6:49:53 PM", datetime(2021, 3, 4, 18, 49, 53, tzinfo=UTC)),
        ("04.03.2021 06:49:53", datetime(2021, 3, 4, 6, 49, 53, tzinfo=UTC)),
        ("14/03/2021 06:49:53", datetime(2021, 3, 14, 6, 49, 53, tzinfo=UTC)),
        ("2021/3/4 6:49:53", datetime(2021, 3, 4, 6, 49, 53, tzinfo=UTC)),
        ("04/03/2021 06:49:53", None),
        ("31/31/2021 06:49:53", None),
        ("", None),
    ],
)
def test_dates_are_read_only_where_they_are_certain(text: str, expected: datetime | None) -> None:
    assert parse_time(text) == expected


def test_a_megabyte_on_one_line_is_quick() -> None:
    assert parse_dump(b"ExternalUrl : " + b"<script " * 200_000) is None


def test_an_ambiguous_date_is_read_as_the_dumps_other_dates_are() -> None:
    values = {"WhenChangedUTC": "03/04/2021 06:07:33", "WhenCreatedUTC": "27/02/2020 10:00:00"}
    assert dict(dump_times(values))["WhenChangedUTC"] == datetime(2021, 4, 3, 6, 7, 33, tzinfo=UTC)
    values["WhenCreatedUTC"] = "2/27/2020 10:00:00 AM"
    assert dict(dump_times(values))["WhenChangedUTC"] == datetime(2021, 3, 4, 6, 7, 33, tzinfo=UTC)
    del values["WhenCreatedUTC"]
    assert dump_times(values) == ()
