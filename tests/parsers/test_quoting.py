"""Quoting of CSV lines and of EventData: round trips, and the csv module as the oracle."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from afterpatch.parsers.csvline import join_csv, split_csv
from afterpatch.parsers.eventdata import decode_event, join_items, split_items

TEXT = st.text(alphabet=st.sampled_from("ab,;'\"=: \u00e9") | st.characters(exclude_characters="\r\n\0"), max_size=12)


@given(st.lists(TEXT, min_size=1, max_size=8))
def test_csv_round_trip(values: list[str]) -> None:
    assert split_csv(join_csv(values)) == tuple(values)


@given(st.lists(TEXT, min_size=2, max_size=8))
def test_csv_is_read_as_the_csv_module_reads_it(values: list[str]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(values)
    assert split_csv(buffer.getvalue()) == tuple(next(csv.reader([join_csv(values)])))
    assert split_csv(buffer.getvalue()) == tuple(values)


def test_csv_oddities() -> None:
    assert split_csv("") == ("",)
    assert split_csv('a,"b') is None
    assert split_csv('"a""') is None
    assert split_csv('"a"b,c"d"') == ("ab", 'c"d"')
    assert split_csv('"",') == ("", "")


@given(st.lists(TEXT, min_size=1, max_size=8))
def test_event_items_round_trip(items: list[str]) -> None:
    assert split_items(join_items(items)) == items


@given(TEXT)
def test_event_data_never_raises(text: str) -> None:
    decode_event(text)


def test_event_data_in_two_passes() -> None:
    line = (
        "2021-03-04T09:38:24.923Z,EXCH01,ECP.Request,"
        "\"S:TIME=1629;'S:CMD=Set-X.Url=''a;b <t l=\"\"J\"\">''.Identity=''1''';"
        'S:URL=/ecp/x?a=b&c=d;Dbl:WLM.TS=0;S:EX="'
    )
    values = split_csv(line)
    assert values is not None
    assert decode_event(values[3]) == {
        "time": ("1629",),
        "cmd": ("Set-X.Url='a;b <t l=\"J\">'.Identity='1'",),
        "url": ("/ecp/x?a=b&c=d",),
        "wlm.ts": ("0",),
        "ex": ("",),
    }
    assert decode_event("S:A=1;S:A=2;nothing;'S:B=open;S:C=1") == {"a": ("1", "2"), "b": ("open;S:C=1",)}
