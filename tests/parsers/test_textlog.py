"""read_log: every physical line is exactly one outcome, whatever the bytes."""

from __future__ import annotations

import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.model import Record
from afterpatch.parsers import BAD_REASONS, BadLine, Counts, Header, kinds, physical_lines, read_log
from afterpatch.parsers.lines import LIMIT

FIELDS = b"#Fields: date time cs-uri-stem c-ip\r\n"
ROW = b"2021-03-03 06:59:10 /ecp/y.js 203.0.113.21"


def read(data: bytes, kind: str = "iis") -> tuple[list[Record | BadLine | Header], Counts]:
    counts = Counts()
    outcomes = list(read_log(kind, io.BytesIO(data), counts))
    assert counts.lines == len(outcomes) == counts.headers + counts.records + sum(counts.bad.values())
    return outcomes, counts


def one(data: bytes, kind: str = "iis") -> Record | BadLine | Header:
    return read(data, kind)[0][-1]


def reason(data: bytes, kind: str = "iis") -> str:
    outcome = one(data, kind)
    assert isinstance(outcome, BadLine)
    assert outcome.reason in BAD_REASONS
    return outcome.reason


def test_line_ends_belong_to_the_line_and_other_separators_are_content() -> None:
    outcomes, _ = read(FIELDS + ROW + b"\r\r\n" + b"2021-03-03 06:59:11 /a\rb\x0b\xc2\x85\xe2\x80\xa8c ::1\n")
    first, second = outcomes[1:]
    assert isinstance(first, Record)
    assert first.fields["c-ip"] == "203.0.113.21"
    assert isinstance(second, Record)
    assert second.fields["cs-uri-stem"] == "/a\rb\x0b\x85\u2028c"
    assert (second.line, second.offset) == (3, len(FIELDS) + len(ROW) + 3)


def test_last_line_without_end_is_a_record_when_whole_and_cut_when_not() -> None:
    assert isinstance(one(FIELDS + ROW), Record)
    assert reason(FIELDS + ROW[:30]) == "cut"
    assert reason(FIELDS + ROW[:30] + b"\n") == "too-few-columns"
    assert isinstance(one(FIELDS + ROW + b"\n#Fie"), Header)


def test_nul_padding_is_one_bad_line_and_nuls_inside_are_removed() -> None:
    outcomes, counts = read(FIELDS + b"\0\0" + ROW[:10] + b"\0" + ROW[10:] + b"\r\n" + b"\0" * (3 * LIMIT))
    assert isinstance(outcomes[1], Record)
    assert outcomes[1].raw == ROW.decode()
    assert counts.bad == {"nul-padding": 1}
    assert counts.nul == 1


def test_line_of_more_than_a_mebibyte_is_bad_and_the_next_one_is_read() -> None:
    data = FIELDS + b"x" * (LIMIT + 1) + b"\n" + ROW + b"\n" + b"2021-03-03 06:59:10 /" + b"a" * (LIMIT - 30) + b" ::1\n"
    outcomes, counts = read(data)
    assert counts.bad == {"too-long": 1}
    assert isinstance(outcomes[2], Record)
    assert outcomes[2].offset == len(FIELDS) + LIMIT + 2
    assert isinstance(outcomes[3], Record)


def test_byte_order_marks_anywhere() -> None:
    bom = b"\xef\xbb\xbf"
    outcomes, counts = read(bom + FIELDS + ROW + b"\n" + bom + bom + FIELDS + bom + ROW + b"\n" + bom + b"\r\n")
    assert counts.records == 2
    assert counts.bad == {}
    assert [outcome.what for outcome in outcomes if isinstance(outcome, Header)] == ["fields", "fields", "bom"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_with_byte_order_mark(encoding: str) -> None:
    text = "\ufeff" + FIELDS.decode() + "2021-03-03 06:59:10 /\u0a00\U0001f600 ::1\r\n" * 20000
    outcomes, counts = read(text.encode(encoding))
    assert counts.records == 20000
    assert isinstance(outcomes[1], Record)
    assert outcomes[1].fields["cs-uri-stem"] == "/\u0a00\U0001f600"
    assert outcomes[1].offset == 2 * (1 + len(FIELDS))


def test_undecodable_bytes_are_kept_and_counted() -> None:
    outcomes, counts = read(FIELDS + b"2021-03-03 06:59:10 /\xe9\xff ::1\n")
    assert counts.undecodable == 1
    assert isinstance(outcomes[1], Record)
    assert outcomes[1].fields["cs-uri-stem"] == "/\ufffd\ufffd"


@pytest.mark.parametrize("when", ["2021-02-30 06:59:10", "2021-03-03 24:00:00", "0001-01-01 00:00:00", "x y", "- -"])
def test_impossible_times_are_bad(when: str) -> None:
    assert reason(FIELDS + when.encode() + b" /a ::1\n") == "bad-timestamp"


def test_day_comes_from_the_date_line_where_there_is_no_date_column() -> None:
    outcome = one(b"#Date: 2021-03-03 00:00:01\n#Fields: time cs-uri-stem\n06:59:10 /a\n")
    assert isinstance(outcome, Record)
    assert outcome.time is not None
    assert outcome.time.isoformat() == "2021-03-03T06:59:10+00:00"
    assert reason(b"#Fields: time cs-uri-stem\n06:59:10 /a\n") == "bad-timestamp"
    timeless = one(b"#Fields: cs-uri-stem c-ip\n/a ::1\n")
    assert isinstance(timeless, Record)
    assert timeless.time is None


def test_empty_schema_falls_back_to_the_files_own_list_before_known_ones() -> None:
    outcome = one(FIELDS + b"#Fields: \n" + ROW + b"\n")
    assert isinstance(outcome, Record)
    assert outcome.fields["schema"] == "earlier"
    assert outcome.fields["cs-uri-stem"] == "/ecp/y.js"


def test_no_known_list_is_believed_against_its_checks() -> None:
    row = "2021-03-03 12:00:01 10.0.0.5 POST /a - 443 - 203.0.113.9 ua - 200 0 0 61"
    assert isinstance(one(row.encode() + b"\n"), Record)
    assert reason(row.replace(" 443 ", " x443 ").encode() + b"\n") == "no-schema"


def test_quoted_values_of_any_length() -> None:
    value = "a,b" * 100_000
    outcome = one(f'#Fields: DateTime,Data\n2021-03-03T06:59:10Z,"{value}"\n'.encode(), "exchange-log")
    assert isinstance(outcome, Record)
    assert outcome.fields["Data"] == value


def test_unknown_kind_is_an_error_of_the_caller() -> None:
    with pytest.raises(KeyError):
        read_log("no-such-kind", io.BytesIO())


MARKS = (
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b",",
    b'"',
    b"'",
    b" ",
    b"-",
    b";",
    b"\xe9",
    b"\n\n",
)
WORDS = (
    b"#Fields: ",
    b"#Fields: date time cs-uri-stem c-ip",
    b"#Date: 2021-03-03",
    b"DateTime,RequestId,a",
    b"2021-03-03T06:59:10.817Z",
    b"2021-03-03 06:59:10",
    b"S:CMD=Set-X.Y='",
    b"ServerInfo~a]@x:444/y",
    b"/owa/auth/x.aspx",
    b"200",
    ROW,
)
PIECES = st.sampled_from((*MARKS, *WORDS))
BYTES = st.lists(PIECES | st.binary(max_size=8), max_size=40).map(b"".join)


@given(kind=st.sampled_from(kinds()), data=BYTES)
@settings(deadline=None, max_examples=400)
def test_every_line_of_arbitrary_bytes_is_accounted_for(kind: str, data: bytes) -> None:
    outcomes, _ = read(data, kind)
    assert [outcome.line for outcome in outcomes] == list(range(1, len(outcomes) + 1))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return
    lines = data.split(b"\n")
    lines = lines if lines[-1] else lines[:-1]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    assert [outcome.offset for outcome in outcomes] == starts[: len(lines)]


@given(data=BYTES, limit=st.integers(1, 30))
@settings(deadline=None)
def test_lines_are_cut_alike_in_chunks_of_any_size(data: bytes, limit: int) -> None:
    class Dribble(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, 2) if size != -1 else -1)

    whole = list(physical_lines(io.BytesIO(data), limit))
    assert whole == list(physical_lines(Dribble(data), limit))
    assert all(len(line.data) <= limit for line in whole)


@pytest.mark.parametrize(
    "text",
    [";" * 900_000, "'" * 900_000, "a" * 900_000, "Get-A." * 150_000, ".a=" * 300_000, "''" * 450_000, "; " * 400_000],
)
def test_hostile_commands_take_no_time(text: str) -> None:
    from afterpatch.parsers import derive

    began = time.monotonic()
    for start in ("", "Set-OabVirtualDirectory.ExternalUrl='", "Set-OabVirtualDirectory.ExternalUrl="):
        view = derive("ecp-server", {"EventData": f"S:CMD={start}{text};S:URL={text}"})
        assert view.get("cmdlet.name") is not None
        assert view.get("cmdlet.parameters") is not None
        assert view.get("url.page") is not None
    assert time.monotonic() - began < 20
