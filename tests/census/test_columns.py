"""The quick reader of CSV against the exact one, pieces of columns, and blocks: whatever the bytes are."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpatch.census import CensusOptions, census, write_csv, write_owners
from afterpatch.census.blocks import Source, blocks, sources
from afterpatch.census.columns import quick
from afterpatch.census.columns.cells import Shape, cut
from afterpatch.census.columns.encode import coded, hashes
from afterpatch.census.columns.pieces import Hosts, column, join, kept, write
from afterpatch.census.read import Job, Task, Workers, read_block
from afterpatch.census.rows import Tally
from afterpatch.census.tables import recognise_table

OLD, FIXED = "15.1.2176.2", "15.1.2176.9"
KEY = (12345, 67891)
HEADING = b"ip,version,sector\n"
PARTS = [b",", b'"', b"\n", b"\r", b"\r\n", b" ", b"a", b"15.1.2176.2", b"192.0.2.1", b'""', b"\xff", b"\xc3\xa4", b"\0", b":"]
PARTS += [b"\n192.0.2.1,15.1.2176.9,\"b\"", b"\n192.0.2.2,,", b"-"]
BYTES = st.lists(st.sampled_from(PARTS), max_size=60).map(b"".join)


def numbers(result):
    builds = sorted((one.label, one.hosts) for one in result.builds)
    sectors = sorted((one.value, one.hosts) for one in result.groups if one.dimension == "sector")
    return result.rows, result.bad_rows, result.hosts, builds, sectors, [(one.reason, one.count) for one in result.notices]


@pytest.mark.parametrize("stride", [20, 1 << 20])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BYTES)
def test_any_bytes_are_read_alike(tmp_path, monkeypatch, stride, noise):
    monkeypatch.setattr(quick, "_STRIDE", stride)
    monkeypatch.setattr(quick, "_MANY", 2000 if stride > 20 else 0)
    path = tmp_path / "in.csv"
    path.write_bytes(HEADING + f"192.0.2.9,{OLD},x\n".encode() + noise)
    found = []
    for slow in (False, True):
        with census([path], CensusOptions(slow=slow)) as result:
            found.append(numbers(result))
    assert found[0] == found[1]


def test_cells_are_where_they_are():
    text = b'a,"b,c",d\r\n"","x""y",z\n\ntoo,few\n1,2,3\n'
    found = cut(np.frombuffer(text + b"\0" * 16, np.uint8), 0, len(text), Shape(ord(","), 3, (0, 1, 2)))
    rows = [
        [text[start:end] for start, end in zip(found.starts[place], found.ends[place], strict=True)] for place in (0, 1, 2)
    ]  # fmt: skip
    assert list(zip(*rows, strict=True)) == [(b"a", b"b,c", b"d"), (b"1", b"2", b"3")]
    assert (found.bad, [text[start:end] for start, end in found.odd]) == (1, [b'"","x""y",z'])
    assert cut(np.frombuffer(b'a,"b\nc",d\n' + b"\0" * 16, np.uint8), 0, 10, Shape(ord(","), 3, (0,))) is None


@given(st.lists(st.text(max_size=30), min_size=1, max_size=50))
def test_equal_texts_get_one_number(texts):
    raw = [text.encode() for text in texts]
    data = np.frombuffer(b"".join(raw) + b"\0" * 16, np.uint8)
    lengths = np.array([len(one) for one in raw])
    found = coded(hashes(data, np.cumsum(lengths) - lengths, lengths, KEY))
    assert [raw[found.firsts[code]] for code in found.codes] == raw
    assert [raw[row] for row in found.firsts] == list(dict.fromkeys(raw))


@pytest.mark.parametrize("rows", [0, 1, 9, 300, 70_000])
def test_pieces_are_parquet(tmp_path, rows):
    hosts = Hosts.of([f"Host{number}".encode() for number in range(rows)])
    versions = column([f"v{number % 70_000}" for number in range(rows)])
    shells = np.arange(rows) % 3 == 0
    piece = write(
        tmp_path / "a.parquet", hosts, hosts.hashes(KEY), {"version": versions, "asn": column(range(rows))}, {"shell": shells}
    )
    other = write(
        tmp_path / "c.parquet", hosts, hosts.hashes(KEY), {"version": versions, "asn": column(range(rows))}, {"shell": shells}
    )
    again = kept(other, shells)
    assert not other.path.exists()
    join([piece], [again], tmp_path / "b.parquet", {"name": "välue"})
    for path, count, total in (
        (piece.path, rows, sum(range(rows))),
        (again.path, len(range(0, rows, 3)), sum(range(0, rows, 3))),
        (tmp_path / "b.parquet", rows + len(range(0, rows, 3)), sum(range(rows)) + sum(range(0, rows, 3))),
    ):
        names = "count(*), coalesce(sum(asn), 0), count(*) FILTER (host <> 'Host' || asn OR version <> 'v' || asn % 70000)"
        shown = duckdb.execute(f"SELECT {names}, count(*) FILTER (shell) FROM '{path}'").fetchone()
        assert shown[:3] == (count, total, 0)
    assert (again.hids() == piece.hids()[shells]).all()


def lines_of(source, size):
    tally = Tally()
    return b"".join(block.text() for block in blocks(source, tally, size)), tally


@pytest.mark.parametrize("size", [40, 64, 1000])
@pytest.mark.parametrize("packed", ["", "gzip", "bzip2", "xz"])
def test_blocks_hold_whole_lines_and_no_longer_ones(tmp_path, size, packed):
    text = b"".join(b"%d,%s\n" % (number, b"x" * (number % 30)) for number in range(50)) + b"y" * 2000 + b"\nlast"
    pack = {"": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}[packed]
    (tmp_path / "in").write_bytes(pack(text))
    (source,) = sources(tmp_path / "in")
    assert source.packing == packed
    found, tally = lines_of(source, size)
    assert found == text[: text.index(b"y")] + b"last\n"
    assert tally.reasons == {"notice.census-long-line": 1}


def test_a_packed_file_cut_short_loses_the_line_that_breaks_off(tmp_path):
    text = "ip,version\n" + "".join(
        f"10.{number // 65536}.{number // 256 % 256}.{number % 256},{OLD}\n" for number in range(60_000)
    )
    (tmp_path / "in.gz").write_bytes(gzip.compress(text.encode())[:-3000])
    with census([tmp_path / "in.gz"]) as result:
        assert [(one.reason, one.count) for one in result.notices] == [("notice.census-damaged-end", 1)]
        assert 10_000 < result.hosts < 60_000
        assert result.without_build == 0


def test_members_of_archives_are_inputs(tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("a.csv", f"ip,version\n192.0.2.1,{OLD}\n")
        archive.writestr("below/b.csv", f"host;build\nmail.example.com;{FIXED}\n")
        archive.writestr("readme.txt", "nothing of interest")
    with census([tmp_path / "in.zip"]) as result:
        assert (result.hosts, [kind for _name, kind in result.inputs]) == (2, ["table", "table", "unknown"])
        assert [(one.path.rpartition("/")[2], one.reason) for one in result.notices] == [
            ("readme.txt", "notice.census-unknown-file")
        ]


@pytest.mark.parametrize("size", [60, 100, 333])
def test_rows_that_go_over_the_end_of_a_block(tmp_path, size):
    """Cells with line ends inside, cut at every place; what one block takes of the next is not read twice."""
    rows = [
        f'192.0.2.{number},{OLD},"first\nsecond {number}"' if number % 3 else f"192.0.2.{number},{FIXED},plain"
        for number in range(90)
    ]
    text = HEADING.decode() + "\n".join(rows) + "\n"
    (tmp_path / "in.csv").write_text(text)
    table = recognise_table(text.encode())
    (tmp_path / "pieces").mkdir()
    workers = Workers(Job(tmp_path / "pieces", KEY), jobs=1, size=0)
    found = blocks(Source(tmp_path / "in.csv"), Tally(), size)
    tasks = [Task(number, block, table, 0 if number else len(HEADING)) for number, block in enumerate(found)]
    done = list(workers.read(tasks))
    assert (sum(one.tally.rows for one in done), sum(one.tally.bad for one in done)) == (90, 0)
    files = [str(piece.path) for one in done for piece in one.pieces]
    shown = duckdb.execute(
        f"SELECT count(DISTINCT host), count(*) FILTER (version = '{OLD}') FROM read_parquet({files})"
    ).fetchone()
    assert shown == (90, 60)


def test_processes_give_what_one_gives(tmp_path):
    text = HEADING.decode() + "".join(f"10.0.{number // 250}.{number % 250},{OLD},s{number % 7}\n" for number in range(3000))
    (tmp_path / "in.csv").write_text(text)
    table = recognise_table(text.encode())
    counts = []
    for jobs, size in ((1, 0), (2, 1 << 30)):
        (tmp_path / f"pieces{jobs}").mkdir()
        workers = Workers(Job(tmp_path / f"pieces{jobs}", KEY), jobs=jobs, size=size)
        tasks = [
            Task(number, block, table, 0 if number else len(HEADING))
            for number, block in enumerate(blocks(Source(tmp_path / "in.csv"), Tally(), 9000))
        ]
        done = list(workers.read(tasks))
        workers.close()
        counts.append([(one.tally.rows, one.tally.bad, [piece.path.name for piece in one.pieces]) for one in done])
    assert counts[0] == counts[1]
    assert sum(rows for rows, _bad, _names in counts[0]) == 3000


def test_an_empty_block_gives_nothing(tmp_path):
    (tmp_path / "in.csv").write_bytes(HEADING)
    (block,) = blocks(Source(tmp_path / "in.csv"), Tally())
    done = read_block(Job(tmp_path, KEY), Task(0, block, recognise_table(HEADING), len(HEADING)))
    assert (done.pieces, done.tally.rows) == ([], 0)


def test_results_do_not_depend_on_the_key_of_a_run(tmp_path):
    """Many values, so that hashes fall on the same places: every run writes the same bytes."""
    owners = [f"Owner {number * 7919 % 40_000}" for number in range(60_000)]
    rows = [f"10.1.{number // 250}.{number % 250},{OLD},{number % 3000},{owner}" for number, owner in enumerate(owners)]
    (tmp_path / "in.csv").write_text("ip,version,asn,owner\n" + "\n".join(rows) + "\n")
    found = []
    for slow in (False, False, True):
        with census([tmp_path / "in.csv"], CensusOptions(slow=slow)) as result:
            write_csv(result, str(tmp_path / "counts.csv"))
            write_owners(result, str(tmp_path / "owners.csv"))
            found.append((tmp_path / "counts.csv").read_bytes() + (tmp_path / "owners.csv").read_bytes())
    assert found[0] == found[1] == found[2]
