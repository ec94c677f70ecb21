"""The line formats decode to what went in; the parts the writer is made of keep their promises."""

from __future__ import annotations

import ast
import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import afterpatch.demo
from afterpatch.demo.blocks import EPOCH_HOUR, Block, join_rows
from afterpatch.demo.formats import csv_line, event_data, iis_value
from afterpatch.demo.inert import inert
from afterpatch.demo.machine import folder_hash
from afterpatch.demo.rows import Ids, Row
from afterpatch.demo.server import Build, Server
from afterpatch.demo.streams import STREAMS, columns, schemas
from afterpatch.demo.writer import merged, split

PACKAGE = Path(afterpatch.demo.__file__).parent
TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=30)


@given(st.lists(TEXTS, min_size=2, max_size=8))
def test_lines_read_back_as_csv(values: list[str]) -> None:
    assert next(csv.reader([csv_line(values)])) == values


def decoded(text: str) -> list[str]:
    """Items of typed event data, by the published rules: split outside quotes, then halve the doubled ones."""
    items, current, quoted = [], "", False
    for char in text:
        if char == "'":
            quoted = not quoted
        if char == ";" and not quoted:
            items.append(current)
            current = ""
        else:
            current += char
    items.append(current)
    return [item[1:-1].replace("''", "'") if item.startswith("'") else item for item in items]


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_event_data_reads_back(values: list[str]) -> None:
    items = [("S", f"K{number}", value) for number, value in enumerate(values)]
    assert decoded(event_data(items)) == [f"S:{key}={value}" for _, key, value in items]


def test_iis_values_have_no_spaces() -> None:
    assert iis_value("a b, c") == "a+b,+c"
    assert iis_value("") == "-"


@pytest.mark.parametrize(
    ("schema", "count"),
    [("httpproxy", 74), ("ews", 92), ("rps-cmdlet", 67), ("rps-http", 38), ("mapi-http", 46), ("rca", 17),
     ("message-tracking", 30), ("smtp", 9), ("agent-log", 20), ("iis", 15), ("iis75", 14), ("admin-audit", 12)],
)  # fmt: skip
def test_column_counts_are_the_published_ones(schema: str, count: int) -> None:
    assert len(columns(schema)) == len(set(columns(schema))) == count
    assert schemas()[schema]["origin"]


def test_every_stream_has_a_schema_and_a_path_of_its_own() -> None:
    server, moment = Server(), datetime(2021, 3, 3, 6, tzinfo=UTC)
    assert len({stream.path(server, moment) for stream in STREAMS}) == len(STREAMS)
    assert all(stream.header(server, moment).endswith(b"\r\n") for stream in STREAMS)


@pytest.mark.parametrize(
    ("number", "code"), [("15.1.2375.7", 1942063431), ("15.1.2507.35", 1942063563), ("15.1.1466.3", 1942062522)]
)
def test_builds_encode_as_published(number: str, code: int) -> None:
    assert Build(datetime(2020, 1, 1, tzinfo=UTC), number).encoded == code


@pytest.mark.parametrize(
    ("folder", "digits"),
    [("~", "cdcab7d2"), ("~/aspnet_client", "898219ba"), ("~/auth", "f5dba9b9"), ("~/sm/setupaccount", "9475d17f"),
     ("~/documents", "e819a670"), ("~/auth/15.1.2176", "b5e36a95")],
)  # fmt: skip
def test_compiled_names_carry_the_published_hash(folder: str, digits: str) -> None:
    assert f"{folder_hash(folder):08x}" == digits


def test_inert_texts_are_removed_forms_and_stored_encoded() -> None:
    for name in ("oab_page", "jscript_page", "csharp_page", "pst_page", "external_url"):
        assert b"[removed]" in inert(name)
    for path in PACKAGE.rglob("*"):
        if path.suffix in (".py", ".yml", ".txt"):
            assert "<script" not in path.read_text("utf-8").lower(), path


def test_the_demo_knows_no_part_that_reads_evidence() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                own = not name.startswith("afterpatch") or name.startswith(("afterpatch.demo", "afterpatch.model"))
                assert own, (path, name)


@given(st.lists(st.integers(0, 3_599_000), max_size=20), st.lists(st.integers(0, 3_599_000), max_size=10))
def test_rows_are_merged_where_their_time_belongs(benign: list[int], dated: list[int]) -> None:
    def row(milliseconds: int, start: datetime, word: str) -> Row:
        moment = start + timedelta(milliseconds=milliseconds)
        return Row("x", moment, f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d} {word}")

    hour = datetime(2021, 3, 3, 6, tzinfo=UTC)
    block = join_rows([row(m, EPOCH_HOUR, "b") for m in benign]).get("x", Block(b"", (), ()))
    planted = [row(m, hour, "p") for m in sorted(dated)]
    got = b"".join(merged(block, planted, hour)).decode().splitlines()
    slow = [row(m, hour, "b").line for m in sorted(benign)] + [p.line for p in planted]
    assert sorted(got) == sorted(slow)
    assert [line[:23] for line in got] == sorted(line[:23] for line in slow)


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(20, 200))
def test_files_are_cut_at_line_ends_and_lose_nothing(lengths: list[int], limit: int) -> None:
    pieces = [b"a" * length + b"\r\n" for length in lengths]
    joined = [b"".join(pieces[start : start + 3]) for start in range(0, len(pieces), 3)]
    files = [b"".join(body) for body in split(joined, limit)]
    assert b"".join(files) == b"".join(pieces)
    assert all(file.endswith(b"\r\n") for file in files)
    assert all(len(file) <= max(limit, 42) for file in files)


def test_ids_repeat_for_a_seed_and_carry_a_mark() -> None:
    assert [Ids("a").guid() for _ in range(2)] == [Ids("a").guid() for _ in range(2)]
    assert Ids("a").guid() != Ids("b").guid()
    assert Ids("a", "5eedf00d").guid().startswith("5eedf00d-")
