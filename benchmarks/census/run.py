"""The census beside a plain GROUP BY of duckdb over the same file, and a world of 250,000 servers with known truth.

    python benchmarks/census/run.py [--rows 10000000] [--servers 250000] [--shape scan] [--folder DIR] [--keep]

`--shape`: scan (Shadowserver's columns), inventory (ip, version, country, organisation), gz (the scan, packed), shodan (JSON
lines). Each measurement runs in a process of its own: wall time, processor time with that of its workers, and the highest
memory of a process. `command` is the whole command with all its files. Two runs of each, the better one counts. Prints one
JSON document. With other work on the machine (load above BUSY) wall times say little: the ratio is then printed and not
judged.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 3.0  # of wall time, on a machine that does nothing else
BUSY = 3.0
MEASURE = """
import json, resource, sys, time
sys.path.insert(0, {source!r})
path = {path!r}
who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
start = time.perf_counter()
{body}
wall = time.perf_counter() - start
cpu = sum(resource.getrusage(one).ru_utime + resource.getrusage(one).ru_stime for one in who)
used = max(resource.getrusage(one).ru_maxrss for one in who)
print(json.dumps({{"wall": round(wall, 2), "cpu": round(cpu, 2), "mib": used // 1024, "rows": rows}}))
"""
PLAIN = """
import duckdb
duckdb.execute("SET enable_progress_bar = false")
groups = duckdb.execute(
    "SELECT {columns}, count(*) FROM {function} GROUP BY ALL", [path]
).fetchall()
rows = sum(row[-1] for row in groups)
"""
CENSUS = """
from afterpatch.census import census
with census([path]) as result:
    rows = result.rows
"""
COMMAND = """
import contextlib, os
from afterpatch.cli.main import main
files = [text for name in ("json", "csv", "parquet", "owners", "report") for text in ("--" + name, path + "." + name)]
with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
    main(["exposure", path, *files])
rows = json.load(open(path + ".json"))["rows"]
"""
CSV_FUNCTION = "read_csv(?, all_varchar = true)"
JSON_COLUMNS = "location.country_code, regexp_extract(data, 'X-OWA-Version: ([0-9.]+)', 1)"
# What a plain query groups by, in each shape.
SHAPES = {
    "scan": ("geo, version", CSV_FUNCTION),
    "gz": ("geo, version", CSV_FUNCTION),
    "inventory": ("country, version", CSV_FUNCTION),
    "shodan": (JSON_COLUMNS, "read_json(?, format = 'newline_delimited')"),
}

NAMES = {"scan": "scan.csv", "gz": "scan.csv.gz", "inventory": "inventory.csv", "shodan": "shodan.json"}


def write_shape(path: Path, rows: int, shape: str) -> None:
    """A file of a shape, made out of the scan."""
    import duckdb

    scan = path if shape == "scan" else path.with_name("rows.csv")
    write_rows(scan, rows)
    source = f"read_csv('{scan}', all_varchar = true)"
    if shape == "gz":
        duckdb.execute(f"COPY (SELECT * FROM {source}) TO '{path}' (HEADER, COMPRESSION gzip)")
    elif shape == "inventory":
        columns = "ip, version, geo AS country, 'Organisation ' || asn AS organisation"
        duckdb.execute(f"COPY (SELECT {columns} FROM {source}) TO '{path}' (HEADER)")
    elif shape == "shodan":
        answer = "'HTTP/1.1 302 Found' || chr(13) || chr(10) || 'X-OWA-Version: ' || version || chr(13) || chr(10)"
        columns = (
            f"ip AS ip_str, 443 AS port, timestamp, {answer} AS data, {{'country_code': geo}} AS location, 'AS' || asn AS asn, "
            "'Org ' || asn AS org, {'title': 'Outlook', 'html': repeat('x', 300)} AS http"
        )
        duckdb.execute(f"COPY (SELECT {columns} FROM {source}) TO '{path}' (FORMAT json)")


def write_rows(path: Path, rows: int) -> None:
    """A scan report in the columns of Shadowserver's scan_exchange, every host once."""
    import duckdb

    from afterpatch.knowledge import builds

    known = [str(row.build) for row in builds.rows() if row.build.major >= 15]
    connection = duckdb.connect()
    connection.execute("CREATE TABLE b AS SELECT unnest(?) AS v, generate_subscripts(?, 1) AS k", [known, known])
    connection.execute(
        "COPY (SELECT strftime(TIMESTAMP '2021-03-05' + INTERVAL (i % 86400) SECOND, '%Y-%m-%d %H:%M:%S') AS \"timestamp\", "
        "'critical' AS severity, concat_ws('.', 11 + (i // 16777216) % 80, (i // 65536) % 256, (i // 256) % 256, i % 256) AS ip, "
        "'tcp' AS protocol, 443 AS port, 'mail' || i || '.example.com' AS hostname, 'exchange;cve-2021-26855' AS tag, "
        "64496 + hash(i) % 2000 AS asn, chr((65 + hash(i * 7) % 15)::INT) || chr((65 + hash(i * 13) % 10)::INT) AS geo, "
        "'r' AS region, 'c' AS city, '0' AS naics, '' AS hostname_source, 's' || (hash(i * 3) % 12) AS sector, v AS version, "
        f"'EX' || i AS servername, '' AS url FROM range({rows}) t(i) JOIN b ON b.k = 1 + hash(t.i * 31) % {len(known)}) "
        f"TO '{path}' (HEADER)"
    )


def measure(path: Path, body: str) -> dict[str, float]:
    """One measurement in a process of its own."""
    source = str(Path(__file__).parents[2] / "src")
    code = MEASURE.format(source=source, path=str(path), body=body)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def world(folder: Path, servers: int) -> dict[str, object]:
    """All runs of the world at full size; the census must return its truth exactly."""
    from afterpatch.census import CensusOptions, census, write_parquet

    place = Path(__file__).parents[2] / "tests" / "census" / "world.py"
    spec = importlib.util.spec_from_file_location("world", place)
    module = importlib.util.module_from_spec(spec)
    sys.modules["world"] = module
    spec.loader.exec_module(module)
    previous, found = "", []
    for day in module.RUNS:
        path = folder / f"{day}.csv"
        truth = module.write_run(path, day, servers)
        start = time.perf_counter()
        with census([path], CensusOptions(compare=previous)) as result:
            count = result.of("CVE-2021-26855")
            assert (result.hosts, count.open, count.fixed) == (truth.hosts, truth.open, truth.hosts - truth.open)
            assert {one.label: one.hosts for one in result.builds} == dict(truth.builds)
            countries = {one.value: one.hosts for one in result.groups if one.dimension == "country"}
            assert countries == dict(truth.by_country)
            previous = str(folder / f"{day}.parquet")
            write_parquet(result, previous)
        found.append({"day": day, "hosts": truth.hosts, "open": truth.open, "seconds": round(time.perf_counter() - start, 2)})
    return {"servers": servers, "exact": True, "runs": found}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--servers", type=int, default=250_000)
    parser.add_argument("--shape", choices=SHAPES, default="scan")
    parser.add_argument("--folder", default="")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
    folder = Path(options.folder or tempfile.mkdtemp(prefix="census-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        path = folder / NAMES[options.shape]
        if not path.exists():
            write_shape(path, options.rows, options.shape)
        columns, function = SHAPES[options.shape]
        bodies = {"plain": PLAIN.format(columns=columns, function=function), "census": CENSUS, "command": COMMAND}
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in bodies}
        for name in [*bodies, *bodies]:
            runs[name].append(measure(path, bodies[name]))
        best = {name: min(each, key=lambda one: one["cpu"]) for name, each in runs.items()}
        ratio = {name: round(best["command"][name] / best["plain"][name], 2) for name in ("wall", "cpu")}
        load = os.getloadavg()[0]
        document = {
            "load": round(load, 2),
            "shape": options.shape,
            "rows": options.rows,
            "bytes": path.stat().st_size,
            **best,
            "ratio": ratio,
            "limit": LIMIT,
        }
        document["world"] = world(folder, options.servers) if options.servers else None
        print(json.dumps(document, indent=1))
        return 0 if (ratio["wall"] <= LIMIT or load > BUSY) and best["command"]["rows"] == options.rows else 1
    finally:
        if not options.keep and not options.folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
