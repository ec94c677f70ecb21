"""How fast rules run over event logs: events a second, MB a second, peak memory.

    python benchmarks/events/run.py EVTX_FOLDER RULES_FOLDER... [--size 1GB] [--jobs N] [--beside "COMMAND {logs}"]

EVTX_FOLDER holds any EVTX files (for example a public set of attack samples). With --size their chunks are written
again and again into big files of a temporary folder until so many bytes are there. --beside runs another program over
the same files and shows its time; nothing of it is part of this project.
"""

from __future__ import annotations

import argparse
import resource
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from afterpatch.detect.sigma import compile_rules
from afterpatch.detect.sigma.cache import load_rules_cached
from afterpatch.hunt import HuntOptions, hunt
from afterpatch.parsers.events.chunks import CHUNK_SIZE, HEADER_SIZE, as_file, chunks
from afterpatch.parsers.events.evtx import evtx_batches

UNITS = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
FILE_SIZE = 64 << 20


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. `cpu` is the time of all processes together; `memory` the greatest of one process, in bytes."""

    name: str
    seconds: float
    cpu: float
    memory: int


def sizes(text: str) -> int:
    """`1GB` in bytes."""
    unit = next((unit for unit in UNITS if text.upper().endswith(unit)), "")
    return int(float(text[: len(text) - len(unit)]) * UNITS.get(unit, 1))


def multiplied(source: Path, folder: Path, wanted: int) -> None:
    """Writes files of whole chunks of the source until there are `wanted` bytes."""
    parts: list[bytes] = []
    for path in sorted(source.rglob("*.evtx")):
        with path.open("rb") as stream:
            parts += [chunk.data for chunk in chunks(stream) if chunk.declared]
    written = number = 0
    feed = _again(parts)
    while written < wanted:
        size = min(FILE_SIZE, wanted - written)
        chosen = [next(feed) for _ in range(max(1, (size - HEADER_SIZE) // CHUNK_SIZE))]
        data = as_file(chosen)
        (folder / f"logs{number:03d}.evtx").write_bytes(data)
        written, number = written + len(data), number + 1


def _again(parts: list[bytes]) -> Iterator[bytes]:
    while True:
        yield from parts


def measured(name: str, work: object) -> Measured:
    """Runs something callable and measures it and its children."""
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    start = time.perf_counter()
    work()  # type: ignore[operator]
    seconds = time.perf_counter() - start
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in zip(before, after, strict=True))
    return Measured(name, seconds, cpu, max(each.ru_maxrss for each in after) * 1024)


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("logs", type=Path)
    parser.add_argument("rules", nargs="+")
    parser.add_argument("--size", default="")
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--beside", default="", help="another program over the same files; {logs} stands for the folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        logs = options.logs
        if options.size:
            logs = Path(made)
            multiplied(options.logs, logs, sizes(options.size))
        report(logs, options)


def report(logs: Path, options: argparse.Namespace) -> None:
    """The table for one set of logs."""
    files = sorted(logs.rglob("*.evtx"))
    size = sum(path.stat().st_size for path in files)
    results: list[Measured] = []
    events = 0

    def reading() -> None:
        nonlocal events
        for path in files:
            with path.open("rb") as stream:
                events += sum(len(batch.events) for batch in evtx_batches(stream))

    results.append(measured("reading alone, one process", reading))
    paths = [Path(rule) for rule in options.rules]
    results.append(measured("loading and compiling the rules", lambda: compile_rules(load_rules_cached(paths))))
    found: list[int] = []
    settings = HuntOptions(jobs=options.jobs)
    results.append(measured("hunt, all told", lambda: found.append(len(hunt([str(logs)], options.rules, settings).hits))))
    if options.beside:
        command = shlex.split(options.beside.replace("{logs}", shlex.quote(str(logs))))
        results.append(measured(command[0], lambda: subprocess.run(command, check=True, capture_output=True)))
    print(f"{len(files)} files, {size / 1e6:.0f} MB, {events} events, {found[0]} hits")
    print(f"{'':36}{'s':>9}{'cpu s':>9}{'events/s':>11}{'MB/s':>8}{'memory MB':>11}")
    for one in results:
        rate, speed = events / one.seconds, size / 1e6 / one.seconds
        print(f"{one.name[:35]:36}{one.seconds:9.1f}{one.cpu:9.1f}{rate:11.0f}{speed:8.1f}{one.memory / 1e6:11.0f}")


if __name__ == "__main__":
    main()
